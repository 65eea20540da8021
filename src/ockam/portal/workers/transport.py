"""One end of a stream: a worker to other workers, and an asyncio transport to whoever reads and writes the bytes.

    writer --write--> payloads of at most 512 KiB --forward--> route to the other end
    other end --Payload--> held while the reader is full --data_received--> reader

Pressure, both ways: when the first hop of the route is busy, what is written is kept here, and the writer's `drain`
waits; when the reader is full, payloads are kept here, and above `HELD_BYTES` of them the connection that they come
from is not read any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ockam.core.message import SECURE_CHANNEL_IDENTIFIER, LocalMessage, peer_identifier
from ockam.errors import OckamError, TimedOut
from ockam.identity.identifier import Identifier
from ockam.portal.errors import StreamRefused
from ockam.portal.messages import Payload, Pong, PortalMessage, decode_portal_message
from ockam.portal.stream import (
    Action,
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
from ockam.portal.workers.path import PathWatch
from ockam.portal.workers.writing import HIGH_WATER_BYTES, WriteBuffer
from ockam.runtime.errors import NodeStopping
from ockam.runtime.mailbox import Busy, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ockam.core.access_control import AccessControl
    from ockam.core.address import Address
    from ockam.core.route import Route
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.workers.registry import SecureChannelRegistry

__all__ = ["StreamTransport", "identifier_at_the_end_of"]

log = logging.getLogger("ockam.portal")

# Chosen by us.
HELD_BYTES: Final = 4 * 1024 * 1024
"""Payloads kept for a reader that is full before the connection they come from is made to wait."""
STREAM_PRIORITY: Final = 6
"""Streams end before channels and connections do, so that the other end hears of it."""


class StreamTransport(asyncio.Transport):
    """One end of a stream, with an address of its own.

    Args:
        role: of this end.
        remote_route: where our messages go; an inlet's, to the listener, gives way to the return route of the Pong.
        peer: who must be at the other end of the channel that messages come through; None: no channel.
        protocol: gets the bytes.
        on_end: called once when the stream has ended.
    """

    def __init__(
        self,
        runtime: Runtime,
        channels: SecureChannelRegistry,
        role: Role,
        remote_route: Route,
        peer: bytes | None,
        protocol: asyncio.Protocol,
        *,
        incoming: AccessControl,
        outgoing: AccessControl,
        on_end: Callable[[StreamTransport], None] | None = None,
    ) -> None:
        identifier = Identifier(peer) if peer is not None else None
        super().__init__()
        self._extra_info: dict[str, Any] = {"peer_identifier": identifier, "remote_route": remote_route}
        self._runtime = runtime
        self._channels = channels
        self._stream = Stream(role)
        self._remote_route = remote_route
        self._peer = peer
        self._protocol: asyncio.BaseProtocol = protocol
        self._on_end = on_end
        self._opened: asyncio.Future[None] = runtime.loop.create_future()
        self._opened.add_done_callback(_retrieve)
        # What is received and not yet taken by the protocol.
        self._is_paused = False
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._ends_after_held = False
        self._written = WriteBuffer(runtime, self)
        self._is_closing = False
        self._lost = False
        self._mailbox = Mailbox(runtime.random_address(), self._receive, incoming=incoming, outgoing=outgoing)
        self._record = runtime.add_worker([self._mailbox], priority=STREAM_PRIORITY, on_stop=self._stop)
        self._path = PathWatch(runtime, channels, remote_route.next, self._path_lost)

    # ---- beginning ---------------------------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """The address that the other end sends to."""
        return self._mailbox.address

    def consume_from(self, *sources: Address) -> None:
        """Let what comes from these connections and channels of this node reach the stream."""
        for source in sources:
            producer = self._runtime.flow_controls.producer(source)
            if producer is not None:
                self._runtime.flow_controls.add_consumer(self.address, producer.flow_control_id)

    def start(self) -> None:
        """Ask for the stream (inlet), or confirm it (outlet).

        Raises:
            OckamError: the first hop cannot be sent to; the stream has ended.
        """
        try:
            for action in self._stream.on_event(Start()):
                if isinstance(action, SendMessage):
                    self._send(action.message)
                else:
                    self._do(action)
            self._runtime.flush()
        except BaseException:
            self._lose(None)
            raise

    async def wait_opened(self, timeout: float | None) -> None:
        """Wait until the other end has confirmed.

        Raises:
            TimedOut: it has not in `timeout` seconds; one that refuses may say nothing.
            StreamRefused: it does not take the stream.
            ConnectionResetError: the way to the other end is gone.
        """
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._opened)
        except TimeoutError:
            raise TimedOut(
                f"timeout: {timeout:g}s. No stream was opened: nothing may be there, or it does not take us"
            ) from None
        finally:
            if not self._opened.done() or self._opened.exception() is not None:
                self.abort()

    # ---- messages ----------------------------------------------------------------------------------------------------

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Take one message (unauthenticated but for the channel it came through)."""
        try:
            if len(message.onward_route) != 1:
                raise UnknownRoute
            if peer_identifier(message) != self._peer:
                raise IdentifierChanged
            decoded = decode_portal_message(message.payload)
            if self._stream.status is Status.WAITING_FOR_PONG and isinstance(decoded, Pong):
                self._follow(message.return_route)
            actions = self._stream.on_event(Received(decoded))
        except OckamError as error:
            if log.isEnabledFor(logging.WARNING):
                log.warning("a message for the stream %s was dropped: %s", self.address, error)
            return None
        for action in actions:
            self._do(action)
        return self if self._held_bytes > HELD_BYTES else None

    def _follow(self, return_route: Route) -> None:
        """Send to the worker that the outlet has made for this stream."""
        self._path.close()
        self._remote_route = self._extra_info["remote_route"] = return_route
        self._path = PathWatch(self._runtime, self._channels, return_route.next, self._path_lost)

    def _do(self, action: Action) -> None:
        match action:
            case SendMessage(message):
                self._send_if_possible(message)
            case Opened():
                self._protocol.connection_made(self)
                if not self._opened.done():
                    self._opened.set_result(None)
            case DataReceived(data):
                self._take(data)
            case Ended(reason):
                self._ended(reason)

    def _send(self, message: PortalMessage) -> Busy | None:
        message_to_peer = LocalMessage(self._remote_route, self._mailbox.route, message.encode())
        return self._runtime.forward(self._mailbox, message_to_peer)

    def _send_if_possible(self, message: PortalMessage) -> None:
        try:
            self._send(message)
        except OckamError as error:
            log.debug("the other end of the stream %s could not be told: %s", self.address, error)

    # ---- reading -----------------------------------------------------------------------------------------------------

    def _take(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing:
            return
        if self._is_paused or self._held:
            self._held.append(bytes(data))
            self._held_bytes += len(data)
        else:
            self._hand_over(data)

    def _hand_over(self, data: bytes | bytearray | memoryview) -> None:
        protocol = self._protocol
        assert isinstance(protocol, asyncio.Protocol)  # the constructor's, or given to `set_protocol` by its caller
        # A view of a receive buffer ends with this call. StreamReader copies; another protocol may keep what it gets.
        protocol.data_received(data if isinstance(protocol, asyncio.StreamReaderProtocol) else bytes(data))  # type: ignore[arg-type]  # its buffer takes any of them

    def _hand_over_held(self) -> None:
        while self._held and not self._is_paused and not self._is_closing:
            data = self._held.popleft()
            self._held_bytes -= len(data)
            self._hand_over(data)
        if self._held_bytes <= HELD_BYTES // 2:
            self._wake()
        if self._ends_after_held and not self._held:
            self._ends_after_held = False
            self._lose(None)

    async def wait_writable(self) -> None:
        """Wait until the reader has taken half of what is kept for it, or takes nothing any more."""
        while self._held_bytes > HELD_BYTES // 2 and not self._is_closing:
            waiter = self._runtime.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def is_reading(self) -> bool:
        """Return whether bytes are handed over."""
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        """Hand over no bytes for now."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Hand over bytes again."""
        if self._is_paused:
            self._is_paused = False
            self._runtime.loop.call_soon(self._hand_over_held)

    # ---- writing -----------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, in payloads of at most 512 KiB; after the end they go nowhere, as with any transport."""
        if not self.is_closing() and data:
            self._written.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send the pieces as one."""
        self.write(b"".join(list_of_data))

    def send_payload(self, data: memoryview) -> Busy | None:
        """Send bytes to the other end, for the write buffer."""
        return self._send(Payload(data))

    def sending_failed(self, error: OckamError) -> None:
        """Reset the stream: its bytes do not reach the other end."""
        reset = ConnectionResetError(f"nothing can be sent to the other end any more: {error}")
        reset.__cause__ = error
        self._lose(reset)

    def pause_writing(self) -> None:
        """Let the writer's `drain` wait."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Let it wait no more."""
        self._protocol.resume_writing()

    def all_is_sent(self) -> None:
        """End the stream, if it was to be closed once everything is sent."""
        if self._is_closing:
            self._close_now()

    def can_write_eof(self) -> bool:
        """Return False: a Disconnect ends both directions."""
        return False

    def write_eof(self) -> None:
        """Raise: there is no half-close; `close` ends both directions."""
        raise NotImplementedError("a stream has no half-close: close it, or let the protocol say where a message ends")

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are written and not yet sent."""
        return self._written.size_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return below and above how many such bytes the protocol may write and may not."""
        return self._written.low, self._written.high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set these limits."""
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        if low is None:
            low = high // 4
        if not 0 <= low <= high:
            raise ValueError(f"not 0 <= low ({low}) <= high ({high})")
        self._written.high, self._written.low = high, low
        self._written.pause_or_resume()

    # ---- the end -----------------------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Return whether nothing is sent any more."""
        return self._is_closing or self._stream.status is Status.CLOSED

    def close(self) -> None:
        """Send what is written, then end the stream."""
        if self._is_closing:
            return
        self._is_closing = True
        self._drop_held()
        if not self._written.is_waiting:
            self._close_now()

    def abort(self) -> None:
        """End the stream at once; what is not sent is lost."""
        self._is_closing = True
        self._drop_held()
        self._close_now()

    def _close_now(self) -> None:
        if self._lost or self._runtime.loop.is_closed():
            return
        for action in self._stream.on_event(Close()):
            self._do(action)
        self._lose(None)

    def _stop(self) -> None:
        """The node stops this worker: it shuts down, or was told to."""
        for action in self._stream.on_event(Close()):
            if isinstance(action, SendMessage):
                self._send_if_possible(action.message)
        self._lose(ConnectionAbortedError("the stream was stopped by its own node"))

    def _path_lost(self) -> None:
        for action in self._stream.on_event(Lost()):
            self._do(action)

    def _ended(self, reason: Reason) -> None:
        match reason:
            case Reason.DISCONNECTED if self._held and not self._is_closing:
                # Everything before the Disconnect is for the reader, however late it comes for it.
                self._ends_after_held = True
                self._release()
                self._written.pause_or_resume()
            case Reason.DISCONNECTED | Reason.CLOSED:
                self._lose(None)
            case Reason.REFUSED:
                if not self._opened.done():
                    self._opened.set_exception(StreamRefused())
                self._lose(None)
            case Reason.OUT_OF_ORDER | Reason.LOST:
                self._lose(ConnectionResetError(reason.value))

    def _release(self) -> None:
        """Take the worker away, and with it everything that the node keeps for the stream."""
        self._path.close()
        self._runtime.remove(self._record)
        self._written.stop()
        self._wake()
        if self._on_end is not None:
            self._on_end(self)
            self._on_end = None

    def _lose(self, error: Exception | None) -> None:
        """Nothing is sent or received any more; the protocol is told, once."""
        if self._lost:
            return
        self._lost = True
        self._is_closing = True
        self._drop_held()
        self._stream.on_event(Lost())
        self._release()
        if self._opened.done() and not self._opened.exception():
            self._runtime.loop.call_soon(self._protocol.connection_lost, error)
        elif not self._opened.done():
            self._opened.set_exception(
                NodeStopping() if self._runtime.is_stopping else error or ConnectionAbortedError("closed")
            )

    def _drop_held(self) -> None:
        self._held.clear()
        self._held_bytes = 0
        self._wake()

    # ---- asyncio -----------------------------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand bytes over to another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who gets the bytes."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's signature
        """Return `peer_identifier`, who is at the other end of the channel, or `remote_route`."""
        return self._extra_info.get(name, default)

    def __repr__(self) -> str:
        return f"StreamTransport({self._stream.role.value}, {self._stream.status.value}, {self.address})"


class UnknownRoute(OckamError):
    """The message's route goes on behind the stream."""


class IdentifierChanged(OckamError):
    """The message came from somebody else than those that the stream began with."""


def identifier_at_the_end_of(runtime: Runtime, route: Route) -> bytes | None:
    """Return who is at the other end of the first channel in `route`; None if a connection, or nothing, comes first."""
    terminal = runtime.find_terminal_address(route)
    value = terminal[1].attributes.get(SECURE_CHANNEL_IDENTIFIER) if terminal is not None else None
    return bytes.fromhex(value) if value is not None else None


def _retrieve(opened: asyncio.Future[None]) -> None:
    """Nobody may be waiting for the outcome."""
    if not opened.cancelled():
        opened.exception()
