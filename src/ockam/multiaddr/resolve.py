"""From a MultiAddr to what a message travels by, and back.

    /ip4/127.0.0.1/tcp/4000/secure/api/service/echo
    `----- transport -----' `------- route -------'
    1#127.0.0.1:4000        0#api => 0#echo

Whoever connects replaces the transport by the connection's own address in front of the route. What `secure` means
(open a channel there) is the node's business; to a route it is one more local address.

Source: reference ockam_api/src/multiaddr_resolver/{local,transport,reverse}_resolver.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ockam.core.address import Address, TransportType
from ockam.core.route import Route
from ockam.multiaddr.codec import MultiAddr
from ockam.multiaddr.errors import InvalidMultiAddr, UnresolvableMultiAddr
from ockam.multiaddr.protocol import HOSTS, LOCALS, PORTS, Part, Protocol

__all__ = ["Resolved", "local_route", "multiaddr_of_address", "multiaddr_of_route", "resolve"]

_TRANSPORT_TYPES: Final = {Protocol.TCP: TransportType.TCP, Protocol.UDP: TransportType.UDP}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What to connect to, and the workers behind it.

    Attributes:
        transport: `host:port` (`[host]:port` for IPv6) of transport type TCP or UDP; None when all is local.
        route: local addresses, in order.
    """

    transport: Address | None
    route: Route


def resolve(multiaddr: MultiAddr) -> Resolved:
    """Split into at most one transport, which comes first, and local addresses.

    Raises:
        UnresolvableMultiAddr: a host without port or a port without host, more than one transport, a transport behind
            a local address, or `node`, `project`, `space`, which need a lookup first.
    """
    parts = multiaddr.parts
    if not parts or parts[0].protocol not in HOSTS | PORTS:
        return Resolved(None, local_route(multiaddr))
    host = parts[0]
    if host.protocol not in HOSTS or len(parts) < 2 or parts[1].protocol not in PORTS:
        raise UnresolvableMultiAddr(f"`{multiaddr}`: a transport is a host (ip4, ip6, dnsaddr) and then tcp or udp")
    return Resolved(_transport_address(host, parts[1]), local_route(MultiAddr(parts[2:])))


def local_route(multiaddr: MultiAddr) -> Route:
    """Turn `service`, `worker` and `secure` into local addresses.

    Raises:
        UnresolvableMultiAddr: anything else in it.
    """
    for part in multiaddr:
        if part.protocol in HOSTS | PORTS:
            raise UnresolvableMultiAddr(f"`{multiaddr}`: only one transport, and only in front, can be connected to")
        if part.protocol not in LOCALS:
            raise UnresolvableMultiAddr(f"`{multiaddr}`: `{part}` must be looked up before it can be routed to")
    return Route(Address.local(part.value) for part in multiaddr)


def multiaddr_of_address(address: Address) -> MultiAddr:
    """Return `/service/<name>` for a local address.

    Raises:
        UnresolvableMultiAddr: the address is not local, or its name is not text or contains a slash.
    """
    if not address.is_local:
        raise UnresolvableMultiAddr(f"`{address}` is not a local address")
    try:
        return MultiAddr((Part(Protocol.SERVICE, bytes(address.value)),))
    except InvalidMultiAddr as error:
        raise UnresolvableMultiAddr(f"no MultiAddr for a local address: {error.message}") from error


def multiaddr_of_route(route: Route) -> MultiAddr:
    """Return `/service/<name>` for every address of a route; errors as `multiaddr_of_address`."""
    return sum((multiaddr_of_address(address) for address in route.addresses), MultiAddr())


def _transport_address(host: Part, port: Part) -> Address:
    name = f"[{host.text}]" if host.protocol is Protocol.IP6 else host.text
    return Address(_TRANSPORT_TYPES[port.protocol], f"{name}:{port.text}".encode())
