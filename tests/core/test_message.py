from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ockam.core.address import Address
from ockam.core.errors import IncompleteRoute
from ockam.core.message import (
    SECURE_CHANNEL_IDENTIFIER,
    LocalInfo,
    LocalMessage,
    Message,
    RelayMessage,
    Routed,
    decode_body,
    encode_body,
    peer_identifier,
    secure_channel_info,
)
from ockam.core.route import EMPTY_ROUTE, route
from ockam.errors import DecodeError, Kind, Origin

A, B, C = (Address.local(name) for name in "abc")


@dataclass(frozen=True)
class Point:
    x: int

    def encode(self) -> bytes:
        return bytes((self.x,))

    @classmethod
    def decode(cls, data: bytes) -> Point:
        assert type(data) is bytes
        if not data:
            raise DecodeError
        return cls(data[0])


@pytest.mark.parametrize(
    ("body", "spelling"),
    [
        ("Hello Ockam!", "0c48656c6c6f204f636b616d21"),
        ("", "00"),
        (b"\x01\x02", "0102"),
        (b"", ""),
        (bytearray(b"\x01"), "01"),
        (memoryview(b"\x01"), "01"),
        (None, ""),
        (Address.local("echoer"), "00066563686f6572"),
        (route("h1", "echoer"), "020002683100066563686f6572"),
        (EMPTY_ROUTE, "00"),
        (Point(7), "07"),
    ],
)
def test_bodies_have_no_type_tag(body: Any, spelling: str) -> None:
    assert bytes(encode_body(body)).hex() == spelling


def test_what_is_no_message_is_not_sent() -> None:
    with pytest.raises(TypeError, match="a int is no message"):
        encode_body(5)  # type: ignore[arg-type]
    assert isinstance(Point(1), Message)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bodies_are_read_as_asked(kind: Any) -> None:
    assert decode_body(kind(b"\x02hi"), str) == "hi"
    assert decode_body(kind(b"\x02hi"), bytes) == b"\x02hi"
    assert type(decode_body(kind(b"\x02hi"), bytes)) is bytes
    assert decode_body(kind(b"\x07"), Point) == Point(7)
    assert decode_body(kind(b"anything"), type(None)) is None


def test_bytes_are_not_copied() -> None:
    payload = b"payload"
    assert decode_body(payload, bytes) is payload
    assert encode_body(payload) is payload


@pytest.mark.parametrize("payload", ["", "05 68", "02 c328"])
def test_a_body_that_is_no_string_is_refused(payload: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_body(bytes.fromhex(payload), str)
    assert (caught.value.origin, caught.value.kind) == (Origin.CORE, Kind.IO)


def test_an_error_of_a_message_type_reaches_the_caller() -> None:
    with pytest.raises(DecodeError):
        decode_body(b"", Point)
    with pytest.raises(TypeError, match="int is no message type"):
        decode_body(b"", int)


def test_step_forward() -> None:
    message = LocalMessage(route(A, B), route(C), b"payload")
    assert message.step_forward(A) is message
    assert message.onward_route == route(B)
    assert message.return_route == route(A, C)
    with pytest.raises(IncompleteRoute):
        LocalMessage(EMPTY_ROUTE, EMPTY_ROUTE, b"").step_forward(A)


def test_what_a_worker_receives() -> None:
    info = LocalInfo("kind", b"data")
    message = LocalMessage(route(A), route(B, C), b"\x02hi", (info,))
    routed = Routed(A, B, message, "hi")
    assert (routed.address, routed.source, routed.body, routed.payload) == (A, B, "hi", b"\x02hi")
    assert (routed.onward_route, routed.return_route) == (route(A), route(B, C))
    assert routed.sender == C
    assert routed.local_info == (info,)
    again = routed.local_message
    assert (again.onward_route, again.return_route, again.payload, again.local_info) == (
        route(A),
        route(B, C),
        b"\x02hi",
        (info,),
    )
    with pytest.raises(IncompleteRoute):
        _ = Routed(A, B, LocalMessage(route(A), EMPTY_ROUTE, b""), None).sender


def test_payloads_do_not_show() -> None:
    message = LocalMessage(route(A), route(B), b"secret")
    assert repr(message) == "LocalMessage(0#a | 0#b | 6 bytes)"
    assert repr(Routed(A, B, message, "secret")) == "Routed(0#a | 0#b | 6 bytes)"


def test_what_an_access_control_sees() -> None:
    message = LocalMessage(route(A), route(C), b"")
    relay = RelayMessage(B, A, message)
    assert (relay.source, relay.destination, relay.message) == (B, A, message)


def test_the_peer_of_a_secure_channel() -> None:
    identifier = bytes(range(32))
    info = secure_channel_info(identifier)
    assert info == LocalInfo(SECURE_CHANNEL_IDENTIFIER, b"\x58\x20" + identifier)

    def peer(*infos: LocalInfo) -> bytes | None:
        return peer_identifier(LocalMessage(route(A), route(B), b"", infos))

    assert peer(LocalInfo("other", b""), info) == identifier
    assert peer() is None
    assert peer(LocalInfo("other", info.data)) is None
    assert peer(LocalInfo(SECURE_CHANNEL_IDENTIFIER, b"\x41\x01")) is None
    assert peer_identifier(Routed(A, B, LocalMessage(route(A), route(B), b"", (info,)), None)) == identifier
