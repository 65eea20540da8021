from __future__ import annotations

import pytest

from ockam.portal import Disconnect, Payload, Ping, Pong, PortalMessage, UnexpectedPortalMessage
from ockam.portal.stream import (
    Close,
    DataReceived,
    Ended,
    Lost,
    Opened,
    Reason,
    Received,
    Role,
    SendMessage,
    Start,
    Status,
    Stream,
)


def waiting() -> Stream:
    stream = Stream(Role.INLET)
    assert stream.on_event(Start()) == (SendMessage(Ping()),)
    return stream


def opened(role: Role = Role.OUTLET, *, checks_counters: bool = True) -> Stream:
    stream = Stream(role, checks_counters=checks_counters)
    actions = stream.on_event(Start())
    if role is Role.INLET:
        actions = stream.on_event(Received(Pong()))
    assert actions[-1] == Opened()
    assert stream.status is Status.OPEN
    return stream


def closed() -> Stream:
    stream = opened()
    stream.on_event(Close())
    return stream


def test_two_ends_open_talk_and_close() -> None:
    inlet, outlet = Stream(Role.INLET), Stream(Role.OUTLET)
    assert inlet.on_event(Start()) == (SendMessage(Ping()),)
    assert inlet.status is Status.WAITING_FOR_PONG
    assert outlet.on_event(Start()) == (SendMessage(Pong()), Opened())
    assert inlet.on_event(Received(Pong())) == (Opened(),)
    assert outlet.on_event(Received(Payload(b"request"))) == (DataReceived(b"request"),)
    assert inlet.on_event(Received(Payload(b"answer"))) == (DataReceived(b"answer"),)
    assert outlet.on_event(Close()) == (SendMessage(Disconnect()), Ended(Reason.CLOSED))
    assert inlet.on_event(Received(Disconnect())) == (Ended(Reason.DISCONNECTED),)
    assert inlet.status is outlet.status is Status.CLOSED


@pytest.mark.parametrize("message", [Ping(), Payload(b"early")])
def test_before_the_pong_nothing_else_counts(message: PortalMessage) -> None:
    stream = waiting()
    with pytest.raises(UnexpectedPortalMessage):
        stream.on_event(Received(message))
    assert stream.status is Status.WAITING_FOR_PONG
    assert stream.on_event(Received(Pong())) == (Opened(),)


def test_a_disconnect_before_the_pong_is_a_refusal() -> None:
    stream = waiting()
    assert stream.on_event(Received(Disconnect())) == (Ended(Reason.REFUSED),)
    assert stream.status is Status.CLOSED


def test_whoever_gives_up_waiting_tells_nobody() -> None:
    assert waiting().on_event(Close()) == (Ended(Reason.CLOSED),)
    assert waiting().on_event(Lost()) == (Ended(Reason.LOST),)
    assert Stream(Role.INLET).on_event(Close()) == (Ended(Reason.CLOSED),)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("message", [Ping(), Pong()])
def test_repeated_ping_and_pong_are_nothing(role: Role, message: PortalMessage) -> None:
    assert opened(role).on_event(Received(message)) == ()


def test_an_empty_payload_is_nothing() -> None:
    assert opened().on_event(Received(Payload(b""))) == ()


def test_the_way_may_be_lost() -> None:
    assert opened().on_event(Lost()) == (Ended(Reason.LOST),)


@pytest.mark.parametrize(
    "event", [Start(), Close(), Lost(), *(Received(m) for m in (Ping(), Pong(), Payload(b"late"), Disconnect()))]
)
def test_after_the_end_nothing_happens(event: Start | Close | Lost | Received) -> None:
    stream = closed()
    assert stream.on_event(event) == ()
    assert stream.status is Status.CLOSED


def test_it_starts_once_and_before_anything_comes() -> None:
    with pytest.raises(UnexpectedPortalMessage):
        Stream(Role.OUTLET).on_event(Received(Payload(b"too early")))
    with pytest.raises(UnexpectedPortalMessage):
        opened().on_event(Start())


def test_counters_begin_with_0_and_go_round() -> None:
    stream = opened()
    for counter in (*range(0x10000), 0, 1):
        assert stream.on_event(Received(Payload(b"x", counter))) == (DataReceived(b"x"),)


@pytest.mark.parametrize("counters", [(1,), (0, 0), (0, 2), (0, 1, 0)])
def test_a_missing_or_repeated_payload_ends_the_stream(counters: tuple[int, ...]) -> None:
    stream = opened()
    *before, last = counters
    for counter in before:
        assert stream.on_event(Received(Payload(b"x", counter))) == (DataReceived(b"x"),)
    assert stream.on_event(Received(Payload(b"x", last))) == (
        SendMessage(Disconnect()),
        Ended(Reason.OUT_OF_ORDER),
    )


def test_payloads_without_a_counter_do_not_count() -> None:
    stream = opened()
    for counter in (None, 0, None, None, 1):
        assert stream.on_event(Received(Payload(b"x", counter))) == (DataReceived(b"x"),)


def test_the_check_can_be_switched_off() -> None:
    stream = opened(checks_counters=False)
    for _ in range(3):  # the Elixir outlet
        assert stream.on_event(Received(Payload(b"x", 0))) == (DataReceived(b"x"),)
