from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from ockam.errors import DecodeError
from ockam.portal import Disconnect, Payload, Ping, Pong, UnexpectedPortalMessage, decode_portal_message
from ockam.portal.stream import Close, DataReceived, Ended, Lost, Received, Role, SendMessage, Start, Status, Stream

COUNTERS = st.none() | st.integers(0, 0xFFFF)
PAYLOADS = st.builds(Payload, st.binary(max_size=300), COUNTERS)
MESSAGES = st.just(Ping()) | st.just(Pong()) | st.just(Disconnect()) | PAYLOADS
EVENTS = st.just(Start()) | st.just(Close()) | st.just(Lost()) | st.builds(Received, MESSAGES)


@given(MESSAGES)
def test_round_trip(message: Ping | Pong | Disconnect | Payload) -> None:
    assert decode_portal_message(message.encode()) == message
    assert decode_portal_message(memoryview(message.encode())) == message


@given(PAYLOADS, st.binary(max_size=8))
def test_what_follows_a_counter_changes_nothing(payload: Payload, more: bytes) -> None:
    counted = Payload(payload.data, payload.counter or 0)
    assert decode_portal_message(counted.encode() + more) == counted


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        message = decode_portal_message(data)
        assert decode_portal_message(message.encode()) == message


@given(st.sampled_from(Role), st.lists(EVENTS, max_size=12))
def test_whatever_happens_a_stream_ends_once_and_then_is_silent(role: Role, events: list[Start]) -> None:
    stream = Stream(role)
    ended = 0
    for event in events:
        before = stream.status
        try:
            actions = stream.on_event(event)
        except UnexpectedPortalMessage:
            assert stream.status is before
            continue
        assert before is not Status.CLOSED or actions == ()
        ended += sum(isinstance(action, Ended) for action in actions)
        assert ended == (stream.status is Status.CLOSED)
        # Data is for an open stream only, and at most one message leaves per event.
        assert before is Status.OPEN or not any(isinstance(action, DataReceived) for action in actions)
        assert sum(isinstance(action, SendMessage) for action in actions) <= 1


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20))
def test_two_ends_carry_bytes_in_order(pieces: list[bytes]) -> None:
    inlet, outlet = Stream(Role.INLET), Stream(Role.OUTLET)
    inlet.on_event(Start())
    outlet.on_event(Start())
    inlet.on_event(Received(Pong()))
    received = b""
    for number, piece in enumerate(pieces):
        for action in outlet.on_event(Received(decode_portal_message(Payload(piece, number).encode()))):
            assert isinstance(action, DataReceived)
            received += bytes(action.data)
    assert received == b"".join(pieces)
