from __future__ import annotations

import pytest

from ockam.core.address import Address
from ockam.core.route import Route
from ockam.multiaddr import (
    MultiAddr,
    UnresolvableMultiAddr,
    local_route,
    multiaddr_of_address,
    multiaddr_of_route,
    resolve,
)


@pytest.mark.parametrize(
    ("text", "transport", "route"),
    [
        ("/ip4/127.0.0.1/tcp/4000/secure/api/service/echo", "1#127.0.0.1:4000", ["0#api", "0#echo"]),
        ("/ip6/::1/udp/4000/worker/w", "2#[::1]:4000", ["0#w"]),
        ("/dnsaddr/localhost/tcp/4000", "1#localhost:4000", []),
        ("/service/a/worker/b", None, ["0#a", "0#b"]),
        ("", None, []),
    ],
)
def test_a_multiaddr_becomes_a_transport_and_a_route(text: str, transport: str | None, route: list[str]) -> None:
    resolved = resolve(MultiAddr.parse(text))
    assert (None if resolved.transport is None else str(resolved.transport)) == transport
    assert [str(address) for address in resolved.route.addresses] == route


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/tcp/4000", "a transport is a host"),
        ("/ip4/1.2.3.4", "a transport is a host"),
        ("/ip4/1.2.3.4/service/a", "a transport is a host"),
        ("/ip4/1.2.3.4/tcp/1/ip4/1.2.3.4/tcp/2", "only one transport"),
        ("/service/a/ip4/1.2.3.4/tcp/1", "only in front"),
        ("/node/n1/service/a", "looked up"),
        ("/project/p", "looked up"),
        ("/space/s", "looked up"),
    ],
)
def test_what_cannot_be_routed_to_says_why(text: str, message: str) -> None:
    with pytest.raises(UnresolvableMultiAddr, match=message):
        resolve(MultiAddr.parse(text))


def test_a_local_route_has_no_transport() -> None:
    with pytest.raises(UnresolvableMultiAddr):
        local_route(MultiAddr.parse("/ip4/1.2.3.4/tcp/1"))


def test_local_addresses_become_services() -> None:
    addresses = (Address(0, b"a"), Address(0, b"b"))
    assert str(multiaddr_of_route(Route(addresses))) == "/service/a/service/b"
    assert str(multiaddr_of_address(addresses[0])) == "/service/a"


@pytest.mark.parametrize("address", [Address(1, b"127.0.0.1:1"), Address(0, b"a/b"), Address(0, b"\xff")])
def test_other_addresses_have_no_multiaddr(address: Address) -> None:
    with pytest.raises(UnresolvableMultiAddr):
        multiaddr_of_address(address)
