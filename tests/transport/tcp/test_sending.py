"""Backlog and backpressure: a slow reader slows those that write to it, and nobody else."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from ockam.core.access_control import ALLOW_ALL
from ockam.core.route import route
from ockam.errors import DecodeError
from ockam.node import Node
from ockam.runtime.worker import MAX_QUEUED_BYTES
from ockam.transport.framing import decode_frame, encode_frame
from ockam.transport.tcp import connection as connection_module
from ockam.transport.tcp.connection import BUSY_FROM_BYTES
from tests.asynchronous import asynchronous, settle, until
from tests.runtime.running import Stuck
from tests.transport.tcp.raw_peers import Served, dialled_peer, raw_peer, served

if TYPE_CHECKING:
    from tests.interop.raw import RawConnection


@asynchronous
async def test_small_frames_of_a_batch_leave_in_order_with_large_ones() -> None:
    async with Node() as node, dialled_peer(node) as (connection, peer):
        assert await peer.read_version() == 1
        sizes = [1, 100, 9000, 1, 8000, 8000, 8000, 8000, 8000, 5, 300_000, 2]
        for size in sizes:
            await node.send(route(connection, "x"), bytes(size))
        assert [len((await peer.receive())[2]) for _ in sizes] == sizes


@asynchronous
async def test_a_sender_waits_while_the_peer_does_not_read() -> None:
    async with Node() as node, slow_server() as (address, accepted):
        connection = await (await node.create_tcp_transport()).connect(address)
        sock = await accepted
        sent = 0

        async def flood() -> None:
            nonlocal sent
            for number in range(600):
                await node.send(route(connection, "x"), b"%06d" % number * 5000)
                sent += 1

        flooding = asyncio.create_task(flood())
        await until(lambda: connection.statistics()["bytes_waiting"] > BUSY_FROM_BYTES)
        await settle()
        waiting = connection.statistics()["bytes_waiting"]
        assert waiting < 2 * BUSY_FROM_BYTES
        before = sent
        await settle(200)
        assert sent == before < 600  # it waits
        stream = bytearray()
        loop = asyncio.get_running_loop()
        while not flooding.done() or connection.statistics()["bytes_waiting"]:
            stream += await loop.sock_recv(sock, 1 << 20)
        await connection.close()
        while data := await loop.sock_recv(sock, 1 << 20):
            stream += data
        assert stream[0] == 1
        position, bodies = 1, []
        while position < len(stream):
            size = int.from_bytes(stream[position : position + 4], "big")
            _, _, start, _ = decode_frame(stream, position + 4, position + 4 + size)
            bodies.append(bytes(stream[start : start + 6]))
            position += 4 + size
        assert bodies == [b"%06d" % number for number in range(600)]


class slow_server:  # noqa: N801 - used like a function
    """A listening socket whose connections have small buffers and are read by the test alone."""

    async def __aenter__(self) -> tuple[str, asyncio.Future[socket.socket]]:
        self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.server.bind(("127.0.0.1", 0))
        self.server.listen(1)
        self.server.setblocking(False)
        loop = asyncio.get_running_loop()
        self.accepted: asyncio.Future[socket.socket] = loop.create_future()

        async def accept() -> None:
            sock, _ = await loop.sock_accept(self.server)
            self.accepted.set_result(sock)

        self.accepting = loop.create_task(accept())
        return "{}:{}".format(*self.server.getsockname()), self.accepted

    async def __aexit__(self, *_: object) -> None:
        await self.accepting
        self.accepted.result().close()
        self.server.close()


@pytest.mark.parametrize("how", ["peer closes", "we close", "node stops"])
def test_the_end_during_a_backlog(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT_SECONDS", 0.01)

    @asynchronous
    async def check() -> None:
        async with Node() as node, slow_server() as (address, accepted):
            connection = await (await node.create_tcp_transport()).connect(address)
            sock = await accepted

            async def flood() -> None:
                while not connection.is_closed:
                    await node.send(route(connection, "x"), bytes(100_000))

            flooding = asyncio.create_task(flood())
            await until(lambda: connection.statistics()["bytes_waiting"] > BUSY_FROM_BYTES)
            await settle()
            if how == "peer closes":
                sock.close()
            elif how == "we close":
                closing = [asyncio.create_task(connection.close()) for _ in range(2)]
                await asyncio.gather(*closing)
            else:
                await node.shutdown()
            result = await asyncio.gather(flooding, return_exceptions=True)
            assert connection.is_closed
            assert result[0] is None or "No such alias" in str(result[0])

    check()


@asynchronous
async def test_a_slow_worker_pauses_the_connection_that_writes_to_it_and_no_other() -> None:
    async with served() as here, raw_peer(here) as flooder, raw_peer(here) as other:
        slow = Stuck()
        await here.node.start_worker("slow", slow)
        here.open_to_peers("slow")
        body = bytes(60_000)
        frame = encode_frame(route("slow"), route("raw"), body)

        async def flood() -> None:
            for _ in range(400):  # 24 MB
                await flooder.write(frame)

        flooding = asyncio.create_task(flood())
        assert await other.echo("quick", "echoer") == "quick"
        connection = await paused(here)
        held = connection.statistics()["frames_in"] * len(body)
        assert held < MAX_QUEUED_BYTES + 2 * connection_module.LARGE_BUFFER_BYTES
        assert not flooding.done()
        assert await other.echo("still quick", "echoer") == "still quick"
        slow.may_go_on.set()
        await flooding
        assert await flooder.echo("resumed", "echoer") == "resumed"
        await until(lambda: slow.handled == 400)


async def paused(here: Served) -> connection_module.TcpConnection:
    """Wait until a connection of the node does not read, and return it."""
    while True:
        for connection in here.tcp.connections:
            if connection._resuming is not None and not connection._resuming.done():
                return connection
        await asyncio.sleep(0)


async def flood(peer: RawConnection, frames: list[bytes]) -> None:
    while True:
        for frame in frames:
            await peer.write(frame)


@pytest.mark.parametrize("order", [("stuck", "slow"), ("slow", "stuck")])
def test_a_connection_waits_for_every_slow_worker(order: tuple[str, str]) -> None:
    @asynchronous
    async def check() -> None:
        async with served() as here, raw_peer(here) as peer:
            assert await peer.echo("up", "echoer") == "up"
            stuck = Stuck()
            await here.node.start_worker("stuck", stuck)
            slow = here.node.new_detached("slow", incoming=ALLOW_ALL)
            here.open_to_peers("stuck", "slow")
            await here.node.send("stuck", b"what it handles")
            await stuck.handling.wait()
            full = [asyncio.create_task(here.node.send(name, bytes(MAX_QUEUED_BYTES))) for name in order]
            await settle()
            # Both in one reading.
            await peer.write(b"".join(encode_frame(route(name), route("raw"), b"x") for name in order))
            connection = await paused(here)
            for _ in range(2):
                await slow.receive()
            await settle()
            assert connection._resuming is not None
            assert not connection._resuming.done()  # the other one is still stuck
            stuck.may_go_on.set()
            await asyncio.gather(*full)
            assert await peer.echo("resumed", "echoer") == "resumed"

    check()


async def drop(peer: RawConnection, flooding: asyncio.Task[None]) -> None:
    """End a connection that is written to faster than it is read."""
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    peer._writer.transport.abort()


@asynchronous
async def test_closing_a_paused_connection_leaves_nothing_waiting() -> None:
    async with served() as here, raw_peer(here) as peer:
        stuck = Stuck()
        await here.node.start_worker("stuck", stuck)
        here.open_to_peers("stuck")
        await settle()
        flooding = asyncio.create_task(flood(peer, [encode_frame(route("stuck"), route("raw"), bytes(60_000))]))
        connection = await paused(here)
        resuming = connection._resuming
        assert resuming is not None
        await connection.close()
        await asyncio.gather(flooding, return_exceptions=True)
        await settle()
        assert resuming.cancelled()


@asynchronous
async def test_relaying_to_a_slow_connection_pauses_the_source() -> None:
    async with served() as here, raw_peer(here) as source, slow_server() as (address, accepted):
        onward = await here.tcp.connect(address, consumer_of=(here.listener.flow_control_id,))
        sock = await accepted
        frame = encode_frame(route("hop", onward.address), route("raw"), bytes(60_000))
        flooding = asyncio.create_task(flood(source, [frame]))
        connection = await paused(here)
        assert connection is not onward
        assert onward.statistics()["bytes_waiting"] < BUSY_FROM_BYTES + 2 * connection_module.LARGE_BUFFER_BYTES
        before = connection.statistics()["bytes_in"]
        loop = asyncio.get_running_loop()
        while connection.statistics()["bytes_in"] == before:
            await loop.sock_recv(sock, 1 << 20)  # it resumes as the slow one reads
        await drop(source, flooding)


def test_the_frames_above_decode() -> None:
    with pytest.raises(DecodeError):
        decode_frame(b"", 0, 0)
