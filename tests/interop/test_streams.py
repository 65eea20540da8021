"""Streams: ours to the reference's outlet, and the reference's inlet to ours."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from typing import TYPE_CHECKING

import pytest

from ockam import Node, SecureChannelListenerOptions, route
from tests.interop.nodes import ANY_PORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.interop.reference import Reference

pytestmark = pytest.mark.interop

WAIT_SECONDS = 60.0
SIZES = [1, 1000, 128 * 1024, 3_000_000]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 20):
        writer.write(data)
        await writer.drain()
    writer.close()


def some(size: int) -> bytes:
    """Bytes in which nothing can be missing or in another place unnoticed."""
    return hashlib.shake_128(b"interop").digest(size)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send bytes, and see that they come back."""

    async def write() -> None:
        for start in range(0, len(data), 1_000_000):
            writer.write(data[start : start + 1_000_000])
            await writer.drain()

    async with asyncio.timeout(WAIT_SECONDS), asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        assert await reader.readexactly(len(data)) == data


@contextlib.asynccontextmanager
async def tcp_server() -> AsyncIterator[tuple[str, asyncio.Queue[bytes]]]:
    """Echo over TCP; yield where, and the bytes `end` of each connection that was read to its end."""
    ends: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            if data == b"close":
                break
            writer.write(data)
            await writer.drain()
        ends.put_nowait(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}", ends


async def our_stream_to_an_outlet(reference: Reference) -> None:
    async with (
        tcp_server() as (target, ends),
        reference.start("responder", ANY_PORT, target) as program,
        Node() as node,
    ):
        ready = await program.json()
        connection = await (await node.create_tcp_transport()).connect(ready["ready"])
        channel = await node.create_secure_channel(await node.create_identity(), route(connection, "bob_listener"))
        outlet = route(channel, "outlet")
        # Both ways; and closed by us.
        for size in SIZES:
            reader, writer = await node.open_stream(outlet)
            assert writer.get_extra_info("peer_identifier") == channel.their_identifier
            await exchange(reader, writer, some(size))
            writer.close()
            await writer.wait_closed()
            async with asyncio.timeout(WAIT_SECONDS):
                assert await ends.get() == b""
        # Several at once; and closed by the target.
        streams = [await node.open_stream(outlet) for _ in range(5)]
        await asyncio.gather(*(exchange(*stream, some(500_000)) for stream in streams))
        for reader, writer in streams:
            writer.write(b"close")
            async with asyncio.timeout(WAIT_SECONDS):
                assert await reader.read() == b""
            writer.close()
        assert not node.runtime.removals
        assert node.statistics()["tasks"] == 0


async def inlet_to_our_server(reference: Reference) -> None:
    async with Node() as node:
        bob = await node.create_identity()
        listener = await (await node.create_tcp_transport()).listen(ANY_PORT)
        channels = await node.create_secure_channel_listener(
            bob, "bob_listener", SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        )
        seen = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.add(writer.get_extra_info("peer_identifier"))
            first = await reader.read(100)
            if first == b"close":
                writer.write(b"goodbye")
                writer.close()
                return
            writer.write(first)
            await echo(reader, writer)

        server = await node.start_stream_server("streams", serve, consumer_of=[channels.flow_control_id])
        bind = f"127.0.0.1:{free_port()}"
        async with reference.start("inlet", bind, listener.socket_address, "bob_listener", "streams") as program:
            await program.json()
            host, port = bind.split(":")
            for size in SIZES:
                reader, writer = await asyncio.open_connection(host, int(port))
                await exchange(reader, writer, some(size))
                writer.close()
                await writer.wait_closed()
            # Closed by us: everything before it arrives.
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"close")
            async with asyncio.timeout(WAIT_SECONDS):
                assert await reader.read() == b"goodbye"
            writer.close()
            async with asyncio.timeout(WAIT_SECONDS):
                while server.statistics()["streams"]:  # noqa: ASYNC110 - nothing tells when the last one has ended
                    await asyncio.sleep(0)
        assert len(seen) == 1
        assert None not in seen


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_our_stream_to_an_outlet(reference: Reference) -> None:
    asyncio.run(our_stream_to_an_outlet(reference))


def test_an_inlet_to_our_server(reference: Reference) -> None:
    asyncio.run(inlet_to_our_server(reference))
