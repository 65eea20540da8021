"""One TCP connection: a sending and a receiving worker over a non-blocking socket.

    socket --recv_into--> buffer --split--> frames --deliver--> first hop of the onward route
    message for the sender --encode--> queue --one send per batch--> socket

Raw sockets and `add_reader` rather than asyncio transports: the same speed on asyncio and uvloop, one copy less, and we
learn when the kernel has taken a buffer.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final

from ockam.core.access_control import DENY_ALL
from ockam.core.flow_control import FlowControlId, FlowControlOutgoing
from ockam.core.message import LocalMessage, Payload
from ockam.errors import OckamError
from ockam.runtime.mailbox import AddressMetadata, Busy, Mailbox
from ockam.transport.framing import (
    FRAME_TAIL,
    PROTOCOL_VERSION,
    FrameReader,
    MessageTooLong,
    encode_frame,
    frame_head,
    frame_routes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.core.address import Address
    from ockam.core.route import Route
    from ockam.runtime.router import Runtime

__all__ = ["Mode", "TcpConnection"]

log = logging.getLogger("ockam.transport.tcp")

# Chosen by us, by measurement (docs/performance.md).
RECEIVE_BUFFER_BYTES: Final = 256 * 1024
LARGE_BUFFER_BYTES: Final = 2 * 1024 * 1024
JOIN_UP_TO_BYTES: Final = 32 * 1024
"""Queued frames are joined and written when they come to this."""
ALONE_FROM_BYTES: Final = 8 * 1024
"""A frame of this size is written by itself: joining it would cost more than the system call."""
BUSY_FROM_BYTES: Final = 256 * 1024
"""With more waiting for the kernel than this, senders are asked to wait."""
VERSION_TIMEOUT_SECONDS: Final = 30.0
"""How long a peer may take to send its version byte. The reference waits for ever."""
CLOSE_TIMEOUT_SECONDS: Final = 1.0

SENDER_PRIORITY: Final = 2
"""Source: reference shutdown priorities: listener 5, sender 2, receiver 1."""

_TERMINAL: Final = AddressMetadata(is_terminal=True)


class Mode(Enum):
    """Who opened the connection."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


class TcpConnection:
    """One connection. Its `address` is that of the sending worker: put the connection into a route to send over it.

    Attributes:
        address: the sending worker.
        receiver_address: the worker that all arriving messages come from.
        flow_control_id: arriving messages reach only consumers of it (or of the listener's).
        socket_address: the peer, `ip:port`.
    """

    def __init__(
        self,
        runtime: Runtime,
        sock: socket.socket,
        socket_address: str,
        mode: Mode,
        spawner: FlowControlId | None = None,
        on_close: Callable[[TcpConnection], None] | None = None,
    ) -> None:
        self._runtime = runtime
        self._socket = sock
        self._fd = sock.fileno()
        self._on_close = on_close
        self.socket_address = socket_address
        self.mode = mode
        self.flow_control_id = runtime.random_flow_control_id()
        self._sender = Mailbox(
            runtime.random_address(), self._send_message, outgoing=DENY_ALL, metadata=_TERMINAL, frame_sink=self
        )
        self._receiver = Mailbox(
            runtime.random_address(),
            _refuse,
            incoming=DENY_ALL,
            outgoing=FlowControlOutgoing(runtime.flow_controls, self.flow_control_id, spawner),
        )
        self._spawner = spawner
        self._reader = FrameReader(self._sender.address, self._deliver)
        self._buffer = bytearray(RECEIVE_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._end = 0
        self._has_version = False
        self._busy: set[Busy] = set()
        self._resuming: asyncio.Task[None] | None = None
        self._queue: list[bytes | bytearray] = []
        self._queued_bytes = 0
        self._backlog: deque[memoryview] = deque()
        self._backlog_bytes = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._is_dirty = False
        self._is_closed = False
        self._bytes_in = self._bytes_out = self._frames_in = self._frames_out = 0

    # ---- what others see ---------------------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """The sending worker."""
        return self._sender.address

    @property
    def receiver_address(self) -> Address:
        """The worker that arriving messages come from."""
        return self._receiver.address

    @property
    def is_closed(self) -> bool:
        """Whether nothing is sent or received any more."""
        return self._is_closed

    def statistics(self) -> dict[str, int]:
        """Return what has passed: whole frames, and bytes of the socket."""
        return {
            "frames_in": self._frames_in,
            "frames_out": self._frames_out,
            "bytes_in": self._bytes_in,
            "bytes_out": self._bytes_out,
            "bytes_waiting": self._queued_bytes + self._backlog_bytes,
        }

    async def close(self) -> None:
        """Write what is queued, then close the connection and stop its workers. Twice is allowed."""
        if self._runtime.record_of(self.address) is not None:
            await self._runtime.stop_address(self.address)

    def start(self) -> None:
        """Register the workers, send the version byte, and begin to read."""
        runtime = self._runtime
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        runtime.add_worker([self._sender, self._receiver], priority=SENDER_PRIORITY, on_stop=self._stop)
        runtime.flow_controls.add_producer(
            self.receiver_address, self.flow_control_id, self._spawner, additional=(self.address,)
        )
        # Never wait for the peer's byte first: some peers read ours before they do anything else.
        self._queue.append(bytes((PROTOCOL_VERSION,)))
        self._queued_bytes = 1
        self.flush()
        if not self._is_closed:
            runtime.loop.add_reader(self._fd, self._on_readable)
            runtime.deadlines.add(self, VERSION_TIMEOUT_SECONDS, self._version_overdue)

    # ---- receiving ---------------------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        runtime = self._runtime
        try:
            received = self._socket.recv_into(self._view[self._end :])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._abort(f"reading failed: {error}")
            return
        if not received:
            self._abort("the peer closed the connection")
            return
        self._bytes_in += received
        end = self._end + received
        position = 0
        if not self._has_version:
            if self._buffer[0] != PROTOCOL_VERSION:
                self._abort("the peer speaks another protocol version")
                return
            self._has_version = True
            runtime.deadlines.drop(self)
            position = 1
        runtime.begin_batch()
        try:
            position = self._reader.split(self._buffer, self._view, position, end)
            self._keep(position, end)
        except OckamError as error:
            self._abort(f"a bad frame: {error}")
        except Exception:
            log.exception("reading from %s failed", self.socket_address)
            self._abort("an error of this node")
        finally:
            runtime.end_batch()
        if self._busy and not self._is_closed:
            runtime.loop.remove_reader(self._fd)
            self._resuming = runtime.new_task(self._resume_reading())

    def _keep(self, position: int, end: int) -> None:
        """Move the beginning of a frame to the front, and see that there is room for the rest of it."""
        rest = end - position
        buffer = self._buffer
        if rest and position:
            buffer[:rest] = buffer[position:end]
        self._end = rest
        size = len(buffer)
        if rest == size:
            # Grown as the bytes come in, and not because somebody announces many.
            needed = self._reader.needed(buffer, 0, rest)
            self._resize(min(needed, max(LARGE_BUFFER_BYTES, 2 * size)), rest)
        elif rest == 0 and size > RECEIVE_BUFFER_BYTES and end * 4 < size:
            self._resize(RECEIVE_BUFFER_BYTES, 0)

    def _resize(self, size: int, rest: int) -> None:
        buffer = bytearray(size)
        buffer[:rest] = self._view[:rest]
        self._buffer = buffer
        self._view = memoryview(buffer)

    def _deliver(self, onward_route: Route, return_route: Route, payload: Payload) -> None:
        self._frames_in += 1
        busy = self._runtime.deliver(self._receiver, LocalMessage(onward_route, return_route, payload))
        if busy is not None:
            self._busy.add(busy)

    async def _resume_reading(self) -> None:
        # Every one of them: the slowest must not be sent more while a faster one lets us go on.
        while self._busy:
            await self._busy.pop().wait_writable()
        self._runtime.loop.add_reader(self._fd, self._on_readable)

    def _version_overdue(self) -> None:
        self._abort("the peer did not say its protocol version")

    # ---- sending -----------------------------------------------------------------------------------------------------

    def _send_message(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        try:
            frame = encode_frame(message.onward_route.tail(), message.return_route, message.payload)
        except MessageTooLong as error:
            # Reference: an unencodable message ends the connection. Ours survives, and the sender is told.
            log.warning("a message to %s was dropped: %s", self.socket_address, error)
            raise
        return self.send_frame(frame)

    # What `FrameSink` asks for: the functions of the framing themselves, without a method around each call.
    frame_routes = staticmethod(frame_routes)
    frame_head = staticmethod(frame_head)
    frame_tail = FRAME_TAIL

    def send_frame(self, frame: bytes | bytearray) -> Busy | None:
        """Queue one whole frame; it is written at the end of the batch, or at once if it is large."""
        if self._is_closed:
            return None
        size = len(frame)
        self._frames_out += 1
        if size >= ALONE_FROM_BYTES:
            if self._queue:
                self.flush()
            self._write(frame)
        else:
            self._queue.append(frame)
            self._queued_bytes += size
            if self._queued_bytes >= JOIN_UP_TO_BYTES:
                self.flush()
            elif not self._is_dirty:
                self._is_dirty = True
                self._runtime.make_dirty(self)
        return self if self._backlog_bytes > BUSY_FROM_BYTES else None

    def flush(self) -> None:
        """Write what is queued, as far as the kernel takes it."""
        self._is_dirty = False
        queue = self._queue
        if queue and not self._is_closed:
            data = queue[0] if len(queue) == 1 else b"".join(queue)
            self._queue = []
            self._queued_bytes = 0
            self._write(data)

    def _write(self, data: bytes | bytearray) -> None:
        if self._backlog:
            self._backlog.append(memoryview(data))
            self._backlog_bytes += len(data)
            return
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._abort(f"writing failed: {error}")
            return
        self._bytes_out += sent
        if sent < len(data):
            self._backlog.append(memoryview(data)[sent:])
            self._backlog_bytes = len(data) - sent
            self._runtime.loop.add_writer(self._fd, self._on_writable)

    def _on_writable(self) -> None:
        backlog = self._backlog
        while backlog:
            data = backlog[0]
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._abort(f"writing failed: {error}")
                return
            self._bytes_out += sent
            self._backlog_bytes -= sent
            if sent < len(data):
                backlog[0] = data[sent:]
                break
            backlog.popleft()
        if not backlog:
            self._runtime.loop.remove_writer(self._fd)
        if self._backlog_bytes <= BUSY_FROM_BYTES // 2:
            self._wake()

    async def wait_writable(self) -> None:
        """Wait until the kernel has taken most of what was sent, or the connection is closed."""
        while self._backlog_bytes > BUSY_FROM_BYTES // 2 and not self._is_closed:
            waiter = self._runtime.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _abort(self, reason: str) -> None:
        """Close at once: the peer is gone, or broke the protocol. Nobody is told but the log."""
        if self._is_closed:
            return
        log.info("connection to %s ends: %s", self.socket_address, reason)
        self._close_socket()
        self._runtime.stop_soon(self.address)

    async def _stop(self) -> None:
        try:
            self.flush()
            if self._backlog:
                # The peer gets a moment to take what is on its way.
                async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                    while self._backlog:
                        waiter = self._runtime.loop.create_future()
                        self._waiters.append(waiter)
                        await waiter
        except TimeoutError:
            log.info("connection to %s: %d bytes were not taken", self.socket_address, self._backlog_bytes)
        finally:
            self._close_socket()

    def _close_socket(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        loop = self._runtime.loop
        self._runtime.deadlines.drop(self)
        if self._resuming is not None:
            self._resuming.cancel()
        self._busy.clear()
        loop.remove_reader(self._fd)
        loop.remove_writer(self._fd)
        self._socket.close()
        self._queue.clear()
        self._backlog.clear()
        self._backlog_bytes = 0
        self._wake()
        if self._on_close is not None:
            self._on_close(self)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def __repr__(self) -> str:
        return f"TcpConnection({self.mode.value}, {self.socket_address}, {self.address})"


def _refuse(message: LocalMessage, source: Mailbox) -> None:
    """A receiving worker takes no messages; its access control lets none through."""
