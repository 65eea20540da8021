"""A TCP proxy that keeps every byte that passes, to look for what must not be there.

Like a packet capture between two programs on one machine, without its privileges:

    async with WireTap("service") as tap:
        tap.target = ("127.0.0.1", 4000)        # may come later than the first connection to tap.port
        ...                                     # programs talk to 127.0.0.1:tap.port
        found = tap.search({"pet name": [b"Robot Axiom"]})

Each direction of each connection is kept as one stream, so nothing hides in between two reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

READ_BYTES: Final = 64 * 1024
LOOPBACK: Final = "127.0.0.1"


@dataclass(slots=True)
class Conversation:
    """What was said over one connection.

    Attributes:
        sent: bytes from the client to the target.
        received: bytes from the target to the client.
    """

    sent: bytearray = field(default_factory=bytearray, repr=False)
    received: bytearray = field(default_factory=bytearray, repr=False)


class WireTap:
    """Listens on a free loopback port and passes everything on to a target.

    Attributes:
        name: for people.
        target: host and port; connections wait until it is set.
        port: where it listens.
        conversations: one per connection, in order.
    """

    def __init__(self, name: str, target: tuple[str, int] | None = None) -> None:
        self.name = name
        self.port = 0
        self.conversations: list[Conversation] = []
        self._target = target
        self._target_known = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def target(self) -> tuple[str, int] | None:
        """Where to pass connections on to."""
        return self._target

    @target.setter
    def target(self, target: tuple[str, int]) -> None:
        self._target = target
        self._target_known.set()

    @property
    def byte_count(self) -> int:
        """All bytes that passed, in both directions."""
        return sum(len(talk.sent) + len(talk.received) for talk in self.conversations)

    def search(self, needles: Mapping[str, Iterable[bytes]]) -> list[str]:
        """Return the names of those needles that passed as they are; [] is what one hopes for."""
        streams = [bytes(stream) for talk in self.conversations for stream in (talk.sent, talk.received)]
        return [
            name
            for name, forms in needles.items()
            if any(form in stream for form in forms if form for stream in streams)
        ]

    async def __aenter__(self) -> Self:
        if self._target is not None:
            self._target_known.set()
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # the tap is closed: a server's callback has nobody to tell
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._target_known.wait()
        assert self._target is not None
        try:
            target_reader, target_writer = await asyncio.open_connection(*self._target)
        except OSError:
            return  # the client sees its connection closed, as with a refused one
        talk = Conversation()
        self.conversations.append(talk)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, target_writer, talk.sent))
                group.create_task(_copy(target_reader, writer, talk.received))
        finally:
            target_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray) -> None:
    _without_delay(writer)
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            record += data
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def _without_delay(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
