"""One end of a stream, as a state machine.

              inlet                                             outlet
    INITIAL     | Start: send Ping                                |
                | ------------- Ping, to the listener ----------> | a new end: INITIAL
    WAITING_    |                                                 | Start: send Pong
    FOR_PONG    | <------------ Pong ---------------------------- | OPEN
    OPEN        | <============ Payload, both ways =============> |
                | ------------- Disconnect ---------------------> | CLOSED
    CLOSED      |                                                 |

There is no half-close: a Disconnect, whoever sends it, ends both directions, and none comes back. There is no window
and no retransmission either: order is the channel's, pressure the transport's, and whoever loses the way to the other
end has lost the stream.

Source: reference ockam_transport_tcp portal/portal_worker.rs, portal_receiver.rs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from ockam.portal.errors import UnexpectedPortalMessage
from ockam.portal.messages import COUNTERS, Disconnect, Payload, Ping, Pong, PortalMessage

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "Action",
    "Close",
    "DataReceived",
    "Ended",
    "Event",
    "Lost",
    "Opened",
    "Reason",
    "Received",
    "Role",
    "SendMessage",
    "Start",
    "Status",
    "Stream",
]

MAX_PAYLOAD_BYTES: Final = 512 * 1024
"""Chosen by us, by measurement (docs/performance.md): what one Payload that we send holds at most. We take any size."""


class Role(Enum):
    """Who asked for the stream."""

    INLET = "inlet"
    OUTLET = "outlet"


class Status(Enum):
    """What an end waits for."""

    INITIAL = "initial"
    WAITING_FOR_PONG = "waiting for Pong"
    OPEN = "open"
    CLOSED = "closed"


class Reason(Enum):
    """Why a stream ended."""

    CLOSED = "this side closed it"
    DISCONNECTED = "the other side closed it"
    REFUSED = "the other side did not take it"
    OUT_OF_ORDER = "a payload is missing"
    LOST = "the way to the other side is gone"


# ---- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Begin."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message came from the other end."""

    message: PortalMessage


@dataclass(frozen=True, slots=True)
class Close:
    """This side has sent all it wants to, and reads no more."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing reaches the other end any more."""


Event: TypeAlias = Start | Received | Close | Lost

# ---- actions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send this to the other end."""

    message: PortalMessage


@dataclass(frozen=True, slots=True)
class Opened:
    """Payloads may be sent from now on."""


@dataclass(frozen=True, slots=True)
class DataReceived:
    """The next bytes for the reader."""

    data: bytes | bytearray | memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more is sent or received."""

    reason: Reason


Action: TypeAlias = SendMessage | Opened | DataReceived | Ended


class Stream:
    """One end of a stream. Whoever runs it sends payloads, `Payload(data)`, as long as it is open.

    Args:
        role: of this end.
        checks_counters: off for peers that count wrongly (the Elixir outlet sends 0 each time).
    """

    def __init__(self, role: Role, *, checks_counters: bool = True) -> None:
        self.role = role
        self.status = Status.INITIAL
        self._checks_counters = checks_counters
        self._next_counter = 0

    def on_event(self, event: Event) -> tuple[Action, ...]:
        """Return what is to be done.

        Raises:
            UnexpectedPortalMessage: a message that may not come now; nothing has changed.
        """
        match self.status, event:
            case Status.CLOSED, _:
                return ()
            case Status.INITIAL, Start():
                return self._start()
            case Status.WAITING_FOR_PONG, Received(Pong()):
                self.status = Status.OPEN
                return (Opened(),)
            case Status.WAITING_FOR_PONG, Received(Disconnect()):
                # Reference: ignored, and the inlet waits for ever. Only the Elixir outlet, and we, send it.
                return self._end(Reason.REFUSED)
            case Status.WAITING_FOR_PONG, Close():
                # Nobody to tell: the listener takes nothing but Ping.
                return self._end(Reason.CLOSED)
            case Status.OPEN, Received(Payload() as payload):
                return self._receive(payload)
            case Status.OPEN, Received(Disconnect()):
                return self._end(Reason.DISCONNECTED)
            case Status.OPEN, Received(Ping() | Pong()):
                return ()
            case Status.OPEN, Close():
                return (SendMessage(Disconnect()), *self._end(Reason.CLOSED))
            case _, Lost():
                return self._end(Reason.LOST)
            case _, Close():
                return self._end(Reason.CLOSED)
            case _:
                raise UnexpectedPortalMessage(f"unexpected while the stream is {self.status.value}")

    def _start(self) -> tuple[Action, ...]:
        if self.role is Role.INLET:
            self.status = Status.WAITING_FOR_PONG
            return (SendMessage(Ping()),)
        self.status = Status.OPEN
        return (SendMessage(Pong()), Opened())

    def _receive(self, payload: Payload) -> tuple[Action, ...]:
        if payload.counter is not None and self._checks_counters:
            if payload.counter != self._next_counter:
                return (SendMessage(Disconnect()), *self._end(Reason.OUT_OF_ORDER))
            self._next_counter = (payload.counter + 1) % COUNTERS
        return (DataReceived(payload.data),) if len(payload.data) else ()

    def _end(self, reason: Reason) -> tuple[Action, ...]:
        self.status = Status.CLOSED
        return (Ended(reason),)
