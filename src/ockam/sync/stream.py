"""Byte streams, blocking: used like a connected socket, so that what wants one (`http.client`) takes it."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Literal, Self, TypeAlias, TypeVar, cast, overload

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from _typeshed import ReadableBuffer, WriteableBuffer

    from ockam.core.address import Address
    from ockam.identity.identifier import Identifier
    from ockam.portal.workers.streams import StreamServer as AsynchronousServer
    from ockam.sync.loop_thread import LoopThread

__all__ = ["ClientConnected", "Stream", "StreamServer"]

T = TypeVar("T")


class Stream:
    """A byte stream. Not for several threads that read, or that write, at once.

    Attributes:
        reader: of `ockam`; for use on the loop.
        writer: of `ockam`; for use on the loop.
    """

    def __init__(self, loop: LoopThread, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._loop = loop
        self.reader = reader
        self.writer = writer
        self._timeout: float | None = None
        self._files = 0
        self._is_closed = False

    @property
    def peer_identifier(self) -> Identifier | None:
        """Who is at the other end of the channel; None without a channel."""
        found: Identifier | None = self.writer.get_extra_info("peer_identifier")
        return found

    def settimeout(self, seconds: float | None) -> None:
        """Let reading and writing raise TimeoutError after so many seconds; None, as in the beginning: never."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """Return that number of seconds."""
        return self._timeout

    def recv(self, size: int) -> bytes:
        """Return at least one and at most `size` bytes; none once the other end has closed the stream."""
        return self._run(lambda: self.reader.read(size))

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0) -> int:
        """Like `recv`, into a buffer; return how many bytes."""
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view))
        view[: len(data)] = data
        return len(data)

    def sendall(self, data: ReadableBuffer) -> None:
        """Send bytes; return when not too many of them are still waiting on this node."""
        sent = bytes(data)

        async def write() -> None:
            self.writer.write(sent)
            await self.writer.drain()

        self._run(write)

    @overload
    def makefile(self, mode: Literal["rb"], buffering: int | None = ...) -> io.BufferedReader: ...
    @overload
    def makefile(self, mode: Literal["wb"], buffering: int | None = ...) -> io.BufferedWriter: ...
    @overload
    def makefile(self, mode: Literal["rwb"], buffering: int | None = ...) -> io.BufferedRWPair: ...
    @overload
    def makefile(
        self,
        mode: Literal["r", "w", "rw"] = ...,
        buffering: int | None = ...,
        *,
        encoding: str | None = ...,
        errors: str | None = ...,
        newline: str | None = ...,
    ) -> io.TextIOWrapper: ...
    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.IOBase:
        """Return a file that reads (`r`) or writes (`w`) the stream, or both; as text unless with `b`.

        The stream stays open until its files are closed, too.

        Args:
            buffering: bytes; None or negative: a usual number of them.
        """
        if not set(mode) <= {"r", "w", "b"} or not {"r", "w"} & set(mode):
            raise ValueError(f"invalid mode {mode!r}: only r, w and b")
        size = buffering if buffering is not None and buffering > 0 else io.DEFAULT_BUFFER_SIZE
        self._files += 1
        raw = _File(self, reads="r" in mode, writes="w" in mode)
        buffered: io.BufferedReader | io.BufferedWriter | io.BufferedRWPair
        if "w" not in mode:
            buffered = io.BufferedReader(raw, size)
        elif "r" not in mode:
            buffered = io.BufferedWriter(raw, size)
        else:
            buffered = io.BufferedRWPair(raw, raw, size)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(cast("BinaryIO", buffered), encoding, errors, newline)

    def close(self) -> None:
        """End the stream, in both directions, once what was sent is on its way. Twice is allowed."""
        self._is_closed = True
        self._close_if_unused()

    def file_closed(self) -> None:
        """One of the files has been closed."""
        self._files -= 1
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._is_closed and self._files <= 0 and self._loop.is_running:

            async def close() -> None:
                self.writer.close()
                with contextlib.suppress(ConnectionError):
                    await self.writer.wait_closed()

            self._loop.run(close)

    def _run(self, make: Callable[[], Awaitable[T]]) -> T:
        if self._timeout is None:
            return self._loop.run(make)

        async def limited() -> T:
            async with asyncio.timeout(self._timeout):
                return await make()

        return self._loop.run(limited)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _File(io.RawIOBase):
    def __init__(self, stream: Stream, *, reads: bool, writes: bool) -> None:
        super().__init__()
        self._stream = stream
        self._reads = reads
        self._writes = writes

    def readable(self) -> bool:
        return self._reads

    def writable(self) -> bool:
        return self._writes

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._stream.recv_into(buffer)

    def write(self, data: ReadableBuffer) -> int:
        self._stream.sendall(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.file_closed()


ClientConnected: TypeAlias = Callable[[Stream], None]


class StreamServer:
    """Takes streams in, until it is closed; those that are open go on."""

    def __init__(self, loop: LoopThread, server: AsynchronousServer) -> None:
        self._loop = loop
        self._server = server

    @property
    def address(self) -> Address:
        """Where streams are asked for."""
        return self._server.address

    @property
    def is_closed(self) -> bool:
        """Whether no more streams are taken in."""
        return self._server.is_closed

    def statistics(self) -> dict[str, int]:
        """Return how many streams are open."""
        return self._loop.call(self._server.statistics)

    def close(self) -> None:
        """Take no more streams in."""
        self._loop.run(self._server.close)

    def wait_closed(self) -> None:
        """Wait until no more streams are taken in."""
        self._loop.run(self._server.wait_closed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
