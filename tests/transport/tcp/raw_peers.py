"""A node with workers that can be reached over TCP, and bare sockets as its peers, in both roles."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockam.node import Node
from ockam.runtime import Echo, Echoer, Hop
from tests.asynchronous import settle
from tests.interop.raw import RawConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam.transport.tcp import TcpConnection, TcpListener, TcpTransport

__all__ = ["ANY_PORT", "Served", "dialled_peer", "raw_peer", "served"]

ANY_PORT = "127.0.0.1:0"


@dataclass
class Served:
    """A node that listens."""

    node: Node
    tcp: TcpTransport
    listener: TcpListener

    def open_to_peers(self, *workers: str) -> None:
        """Let what comes from connections reach these workers."""
        for worker in workers:
            self.node.flow_controls.add_consumer(worker, self.listener.flow_control_id)


@asynccontextmanager
async def served(address: str = ANY_PORT) -> AsyncIterator[Served]:
    """Run a node with the workers echoer, echo and hop, open to whoever connects, and `private`, open to nobody."""
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        here = Served(node, tcp, await tcp.listen(address))
        for name, worker in (("echoer", Echoer()), ("echo", Echo()), ("hop", Hop()), ("private", Echoer())):
            await node.start_worker(name, worker)
        here.open_to_peers("echoer", "echo", "hop")
        await settle()
        yield here


@asynccontextmanager
async def raw_peer(here: Served, version: bytes = b"\x01") -> AsyncIterator[RawConnection]:
    """Connect a bare socket to a node, and read its version byte."""
    async with RawConnection.open(here.listener.socket_address, version) as peer:
        assert await peer.read_version() == 1
        yield peer


@asynccontextmanager
async def dialled_peer(node: Node, version: bytes = b"\x01") -> AsyncIterator[tuple[TcpConnection, RawConnection]]:
    """Let a node connect to a bare socket; yield both ends. The version byte of the node is not yet read."""
    accepted: asyncio.Future[RawConnection] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = RawConnection(reader, writer)
        if version:
            await peer.write(version)
        accepted.set_result(peer)
        await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    host, port = server.sockets[0].getsockname()[:2]
    tcp = await node.create_tcp_transport()
    connection = await tcp.connect(f"{host}:{port}")
    try:
        yield connection, await accepted
    finally:
        done.set()
        server.close()
        await asyncio.sleep(0)
        await server.wait_closed()
