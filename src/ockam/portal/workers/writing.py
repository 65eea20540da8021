"""The writing half of a stream: payloads of at most 512 KiB, and what is kept while the way is busy."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from ockam.errors import OckamError
from ockam.portal.stream import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    import asyncio

    from ockam.runtime.mailbox import Busy
    from ockam.runtime.router import Runtime

__all__ = ["HIGH_WATER_BYTES", "Writable", "WriteBuffer"]

# Chosen by us.
HIGH_WATER_BYTES: Final = MAX_PAYLOAD_BYTES
"""Written bytes that are kept before `drain` waits; it waits until a quarter of them is left."""


class Writable(Protocol):
    """The stream that is written to."""

    def send_payload(self, data: memoryview) -> Busy | None:
        """Send bytes, or raise an OckamError; return what to wait for before more."""

    def sending_failed(self, error: OckamError) -> None:
        """Nothing can be sent any more."""

    def pause_writing(self) -> None:
        """More is kept than should be."""

    def resume_writing(self) -> None:
        """There is room again."""

    def all_is_sent(self) -> None:
        """After a time in which the way was busy, nothing is kept any more."""


class WriteBuffer:
    """Sends what is written at once, or as soon as the way allows."""

    def __init__(self, runtime: Runtime, stream: Writable) -> None:
        self._runtime = runtime
        self._stream = stream
        self._kept: deque[memoryview] = deque()
        self._waiting: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._has_paused = False
        self.size_bytes = 0
        """How many bytes are kept."""
        self.high, self.low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4

    @property
    def is_waiting(self) -> bool:
        """Whether the way is busy: something may be kept."""
        return self._waiting is not None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, or keep them."""
        view = memoryview(data)
        if view.itemsize != 1 or view.ndim != 1:
            view = view.cast("B")
        sent = self._send(view) if self._waiting is None else 0
        if sent < len(view) and not self._is_stopped:
            rest = view[sent:]
            # What is not bytes may be changed by its owner once we return.
            self._kept.append(rest if isinstance(data, bytes) else memoryview(bytes(rest)))
            self.size_bytes += len(rest)
            self.pause_or_resume()

    def pause_or_resume(self) -> None:
        """Tell the stream if a limit is passed."""
        if self.size_bytes > self.high and not self._has_paused:
            self._has_paused = True
            self._stream.pause_writing()
        elif self.size_bytes <= self.low and self._has_paused:
            self._has_paused = False
            self._stream.resume_writing()

    def stop(self) -> None:
        """Send nothing more, and keep nothing."""
        self._is_stopped = True
        self._kept.clear()
        self.size_bytes = 0
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not self._runtime.loop.is_closed():
            waiting.cancel()

    def _send(self, view: memoryview) -> int:
        """Send bytes until the way is busy; return how many were sent."""
        sent = 0
        while sent < len(view) and self._waiting is None and not self._is_stopped:
            chunk = view[sent : sent + MAX_PAYLOAD_BYTES]
            try:
                busy = self._stream.send_payload(chunk)
            except OckamError as error:
                self._stream.sending_failed(error)
                break
            sent += len(chunk)
            if busy is not None and not self._is_stopped:
                self._waiting = self._runtime.new_task(self._send_when_writable(busy))
        return sent

    async def _send_when_writable(self, busy: Busy) -> None:
        await busy.wait_writable()
        self._waiting = None
        while self._kept and self._waiting is None:
            self._send(self._next())
        self.pause_or_resume()
        if self._waiting is None and not self._is_stopped:
            self._stream.all_is_sent()

    def _next(self) -> memoryview:
        """Take what was written first, small pieces joined, as one payload."""
        first = self._kept.popleft()
        if len(first) > MAX_PAYLOAD_BYTES:
            self._kept.appendleft(first[MAX_PAYLOAD_BYTES:])
            first = first[:MAX_PAYLOAD_BYTES]
        pieces, size = [first], len(first)
        while self._kept and size + len(self._kept[0]) <= MAX_PAYLOAD_BYTES:
            piece = self._kept.popleft()
            pieces.append(piece)
            size += len(piece)
        self.size_bytes -= size
        return first if len(pieces) == 1 else memoryview(b"".join(pieces))
