from __future__ import annotations

from dataclasses import dataclass

import pytest

from ockam.core.address import Address
from ockam.core.errors import IncompleteRoute, InvalidAddress
from ockam.core.route import EMPTY_ROUTE, MAX_ROUTE_HOPS, Route, route
from ockam.encoding.bare import Reader, encode_uint
from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError, Kind, Origin

A, B, C = (Address.local(name) for name in "abc")


@dataclass
class Connection:
    address: Address


@pytest.mark.parametrize(
    ("value", "cbor", "bare"),
    [
        (route("h1", "echoer"), "82 8200426831 8200466563686f6572", "02 00026831 00066563686f6572"),
        (EMPTY_ROUTE, "80", "00"),
    ],
)
def test_encodings(value: Route, cbor: str, bare: str) -> None:
    assert value.encode() == value.cbor == bytes.fromhex(cbor)
    assert value.cbor is value.cbor
    assert value.encode_bare() == bytes.fromhex(bare)
    assert Route.read(Decoder(bytes.fromhex(cbor))) == value
    assert Route.read_bare(Reader(bytes.fromhex(bare))) == value


def test_a_route_is_made_of_everything_that_has_an_address() -> None:
    assert route() == EMPTY_ROUTE
    assert route("a", B, Connection(C), Route([A, B]), "1#h:1").addresses == (A, B, C, A, B, Address.parse("1#h:1"))
    whole = route("a")
    assert route(whole) is whole
    with pytest.raises(InvalidAddress):
        route("a#b#c")
    with pytest.raises(TypeError, match="a int has no address"):
        route(5)  # type: ignore[arg-type]


def test_first_and_last_hop() -> None:
    value = route(A, B, C)
    assert value.next == A
    assert value.recipient == C
    assert value.tail() == route(B, C)
    assert value.tail() is value.tail()
    assert value.without_recipient() == route(A, B)
    assert route(A).tail() == EMPTY_ROUTE


def test_an_empty_route_is_incomplete() -> None:
    def first(value: Route) -> object:
        return value.next

    def last(value: Route) -> object:
        return value.recipient

    for ask in (first, last, Route.tail, Route.without_recipient):
        with pytest.raises(IncompleteRoute, match="incomplete route") as caught:
            ask(EMPTY_ROUTE)
        assert (caught.value.origin, caught.value.kind) == (Origin.CORE, Kind.MISUSE)


def test_prepend_and_append_keep_the_order() -> None:
    assert route(C).prepend(route(A, B)) == route(A, B, C)
    assert route(A).append(route(B, C)) == route(A, B, C)
    assert route(B).prepend("a").append(Connection(C)) == route(A, B, C)


def test_addition() -> None:
    assert route(A) + route(B) == route(A, B)
    assert A + route(B) == route(A, B)
    assert route(A) + B == route(A, B)
    with pytest.raises(TypeError):
        route(A) + 5  # type: ignore[operator]
    with pytest.raises(TypeError):
        5 + route(A)  # type: ignore[operator]


def test_contains() -> None:
    value = route(A, B, C)
    assert value.contains(route(A, B))
    assert value.contains(route(B, C))
    assert value.contains(value)
    assert not value.contains(route(A, C))
    assert not EMPTY_ROUTE.contains(route(A))
    with pytest.raises(IncompleteRoute):
        value.contains(EMPTY_ROUTE)


def test_is_local() -> None:
    assert route(A, B).is_local
    assert EMPTY_ROUTE.is_local
    assert not route(A, "1#h:1").is_local


def test_text_form() -> None:
    value = route("a", "1#h:1")
    assert str(value) == "0#a => 1#h:1"
    assert repr(value) == "Route('0#a => 1#h:1')"
    assert Route.parse("0#a => 1#h:1") == Route.parse("a=>1#h:1") == Route.parse("  a  =>  1#h:1 ") == value
    assert Route.parse("") == EMPTY_ROUTE
    assert Route.parse("a =>") == route("a", "")
    with pytest.raises(InvalidAddress):
        Route.parse("a => b#c")


def test_a_route_is_a_value() -> None:
    assert route(A, B) == Route([A, B])
    assert hash(route(A, B)) == hash(Route([A, B]))
    assert route(A, B) != route(B, A)
    assert route(A) != (A,)
    assert list(route(A, B)) == [A, B]
    assert len(route(A, B)) == 2


def test_a_known_encoding_is_kept() -> None:
    assert Route([A], b"known").cbor == b"known"
    assert Route([A, B], b"known").tail().cbor == route(B).cbor


def test_wider_forms_are_read_and_written_in_the_shortest() -> None:
    value = Route.read(Decoder(bytes.fromhex("9f 9f00426831ff 83 1800 466563686f6572 f6 ff")))
    assert value == route("h1", "echoer")
    assert value.cbor == route("h1", "echoer").cbor


@pytest.mark.parametrize(
    "spelling", ["", "81", "a0", "f6", "82 82004161", "81 f6", "9f 82004161", "9b7fffffffffffffff80"]
)
def test_what_is_no_route_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        Route.read(Decoder(bytes.fromhex(spelling)))


def test_the_number_of_hops_is_capped() -> None:
    longest = Route([A] * MAX_ROUTE_HOPS)
    assert Route.read(Decoder(longest.cbor)) == longest
    assert Route.read_bare(Reader(longest.encode_bare())) == longest
    longer = longest + A
    with pytest.raises(DecodeError, match="more than 1024 hops"):
        Route.read(Decoder(longer.cbor))
    with pytest.raises(DecodeError, match="more than 1024 hops"):
        Route.read_bare(Reader(longer.encode_bare()))


@pytest.mark.parametrize("count", [1 << 63, (1 << 64) - 1, 1 << 32])
def test_a_count_bomb_costs_nothing(count: int) -> None:
    with pytest.raises(DecodeError):
        Route.read_bare(Reader(encode_uint(count) + A.encode_bare()))
