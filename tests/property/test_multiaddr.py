from __future__ import annotations

import contextlib
from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from ockam.multiaddr import InvalidMultiAddr, MalformedMultiAddr, MultiAddr, Part, Protocol

FIXED = {Protocol.IP4: 4, Protocol.IP6: 16, Protocol.TCP: 2, Protocol.UDP: 2}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=40)


def parts_of(protocol: Protocol) -> st.SearchStrategy[Part]:
    size = FIXED.get(protocol)
    values = NAMES.map(str.encode) if size is None else st.binary(min_size=size, max_size=size)
    return values.map(lambda value: Part(protocol, value))


MULTIADDRS = st.lists(st.sampled_from(Protocol).flatmap(parts_of), max_size=8).map(lambda p: MultiAddr(tuple(p)))


@given(MULTIADDRS)
def test_binary_form_round_trips(address: MultiAddr) -> None:
    assert MultiAddr.from_binary(address.binary) == address
    assert MultiAddr.decode(address.encode()) == address


@given(MULTIADDRS)
def test_text_form_round_trips(address: MultiAddr) -> None:
    assert MultiAddr.parse(str(address)) == address


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_or_reencode_to_themselves(data: bytes) -> None:
    with contextlib.suppress(MalformedMultiAddr):
        assert MultiAddr.from_binary(data).binary == data


@given(st.text(max_size=80))
def test_any_text_is_refused_or_has_a_fixed_point(text: str) -> None:
    with contextlib.suppress(InvalidMultiAddr):
        canonical = str(MultiAddr.parse(text))
        assert str(MultiAddr.parse(canonical)) == canonical


@given(st.integers(0, 2**128 - 1))
def test_ip6_text_is_the_address(number: int) -> None:
    part = Part(Protocol.IP6, number.to_bytes(16, "big"))
    assert IPv6Address(part.text) == IPv6Address(number)
