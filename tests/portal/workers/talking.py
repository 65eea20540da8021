"""Nodes with streams between them, and a peer whose messages a test makes by hand."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ockam import Identifier, Node, SecureChannelListenerOptions, route
from ockam.core.access_control import ALLOW_ALL
from ockam.portal import PortalMessage, decode_portal_message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam import Context, SecureChannel, TcpConnection
    from ockam.core import Route
    from ockam.portal.workers.streams import ClientConnected, StreamServer

__all__ = ["Accepted", "ByHand", "Pair", "connected", "echo"]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back."""
    while data := await reader.read(1 << 20):
        writer.write(data)
        await writer.drain()
    writer.close()


class Accepted:
    """Keeps the streams that a server takes in, for the test to use."""

    def __init__(self) -> None:
        self._streams: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._streams.put_nowait((reader, writer))

    async def next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the next one."""
        return await self._streams.get()


@dataclass
class Pair:
    """A client with an open channel to a server, over TCP on this machine."""

    server: Node
    client: Node
    alice: Identifier
    bob: Identifier
    connection: TcpConnection
    channel: SecureChannel
    stream_server: StreamServer

    @property
    def route(self) -> Route:
        """To the stream server."""
        return route(self.channel, self.stream_server.address)


@contextlib.asynccontextmanager
async def connected(client_connected: ClientConnected = echo, **options: Any) -> AsyncIterator[Pair]:
    """Yield two connected nodes, the server's with a stream server `streams` behind its channels."""
    async with Node() as server, Node() as client:
        alice, bob = await client.create_identity(), await server.create_identity()
        listener = await (await server.create_tcp_transport()).listen("127.0.0.1:0")
        channels = await server.create_secure_channel_listener(
            bob, "api", SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        )
        streams = await server.start_stream_server(
            "streams", client_connected, consumer_of=[channels.flow_control_id], **options
        )
        connection = await (await client.create_tcp_transport()).connect(listener.socket_address)
        channel = await client.create_secure_channel(alice, route(connection, "api"))
        yield Pair(server, client, alice, bob, connection, channel, streams)


class ByHand:
    """The other end of a stream, message by message, from an address of its own on the same node."""

    def __init__(self, node: Node, to: Route) -> None:
        self._context: Context = node.new_detached(incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        self.address = self._context.address
        self.route = to

    async def send(self, message: PortalMessage | bytes, to: Route | None = None) -> None:
        """Send a message, or any bytes."""
        await self._context.send(to or self.route, message if isinstance(message, bytes) else message.encode())

    async def receive(self) -> PortalMessage:
        """Return the next message; answers go to where it came from."""
        message = await self._context.receive(timeout=5)
        self.route = message.return_route
        return decode_portal_message(message.body)

    async def stop(self) -> None:
        """Be gone."""
        await self._context.stop()
