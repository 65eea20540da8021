"""Opening streams and taking them in, with asyncio's own readers and writers. docs/streams.md has the whole picture."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from ockam.core.access_control import ALLOW_ALL, AccessControl
from ockam.core.message import LocalMessage, peer_identifier
from ockam.errors import OckamError
from ockam.portal.messages import Disconnect, Ping, decode_portal_message
from ockam.portal.stream import Role
from ockam.portal.workers.transport import STREAM_PRIORITY, StreamTransport, UnknownRoute, identifier_at_the_end_of
from ockam.runtime.context import DEFAULT_TIMEOUT_SECONDS
from ockam.runtime.mailbox import Busy, Mailbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.core.address import Address
    from ockam.core.flow_control import FlowControlId
    from ockam.core.route import Route
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.workers.registry import SecureChannelRegistry

__all__ = ["DEFAULT_LIMIT_BYTES", "MAX_STREAMS", "ClientConnected", "StreamServer", "open_stream"]

log = logging.getLogger("ockam.portal")

# Chosen by us.
DEFAULT_LIMIT_BYTES: Final = 1024 * 1024
"""What a reader buffers: twice this before it takes no more. One payload should not stop it."""
MAX_STREAMS: Final = 1000
"""Streams that one server holds at a time; each keeps up to 4 MiB, and its reader twice its limit, if nobody reads."""

ClientConnected: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


async def open_stream(
    runtime: Runtime,
    channels: SecureChannelRegistry,
    route: Route,
    *,
    timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    limit: int = DEFAULT_LIMIT_BYTES,
    incoming: AccessControl = ALLOW_ALL,
    outgoing: AccessControl = ALLOW_ALL,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a stream to the stream server, or outlet, at the end of `route`. `Node.open_stream` says more."""
    reader = asyncio.StreamReader(limit=limit, loop=runtime.loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=runtime.loop)
    peer = identifier_at_the_end_of(runtime, route)
    transport = StreamTransport(
        runtime, channels, Role.INLET, route, peer, protocol, incoming=incoming, outgoing=outgoing
    )
    transport.consume_from(route.next)
    transport.start()
    await transport.wait_opened(timeout)
    return reader, asyncio.StreamWriter(transport, protocol, reader, runtime.loop)


class StreamServer:
    """Takes streams in, until it is closed; those that are open go on.

    Args:
        address: where streams are asked for.
        client_connected: called with reader and writer of each; it closes the writer when it is done.
    """

    def __init__(
        self,
        runtime: Runtime,
        channels: SecureChannelRegistry,
        address: Address,
        client_connected: ClientConnected,
        *,
        consumer_of: Sequence[FlowControlId] = (),
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
        limit: int = DEFAULT_LIMIT_BYTES,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self._runtime = runtime
        self._channels = channels
        self._client_connected = client_connected
        self._incoming = incoming
        self._outgoing = outgoing
        self._limit = limit
        self._max_streams = max_streams
        # The writers, too: as with asyncio's servers, a stream lives until it is closed, and not until it is forgotten.
        self._streams: dict[StreamTransport, asyncio.StreamWriter] = {}
        self._closed: asyncio.Future[None] = runtime.loop.create_future()
        self._mailbox = Mailbox(address, self._receive, incoming=incoming, outgoing=outgoing)
        runtime.add_worker([self._mailbox], priority=STREAM_PRIORITY, on_stop=self._stop)
        for flow_control_id in consumer_of:
            runtime.flow_controls.add_consumer(address, flow_control_id)

    @property
    def address(self) -> Address:
        """Where streams are asked for."""
        return self._mailbox.address

    @property
    def is_closed(self) -> bool:
        """Whether no more streams are taken in."""
        return self._closed.done()

    def statistics(self) -> dict[str, int]:
        """Return how many streams are open."""
        return {"streams": len(self._streams)}

    async def close(self) -> None:
        """Take no more streams in."""
        if not self.is_closed:
            await self._runtime.stop_address(self.address)

    async def wait_closed(self) -> None:
        """Wait until no more streams are taken in."""
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _stop(self) -> None:
        if not self._closed.done():
            self._closed.set_result(None)

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Take one message: a Ping asks for a stream (unauthenticated but for the channel it came through)."""
        try:
            if len(message.onward_route) != 1 or not message.return_route.addresses:
                raise UnknownRoute
            decoded = decode_portal_message(message.payload)
            if not isinstance(decoded, Ping):
                log.warning("the stream server %s takes nothing but Ping", self.address)
            elif len(self._streams) >= self._max_streams:
                log.warning("the stream server %s has %d streams and takes no more", self.address, self._max_streams)
                self._refuse(message.return_route)
            else:
                self._accept(message, source)
        except OckamError as error:
            log.warning("a message for the stream server %s was dropped: %s", self.address, error)
        return None

    def _refuse(self, route: Route) -> None:
        # Reference: silence, and the inlet waits for ever. The Elixir outlet says this, and a Rust inlet ignores it.
        self._runtime.forward(self._mailbox, LocalMessage(route, self._mailbox.route, Disconnect().encode()))

    def _accept(self, message: LocalMessage, source: Mailbox) -> None:
        loop = self._runtime.loop
        reader = asyncio.StreamReader(limit=self._limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport = StreamTransport(
            self._runtime,
            self._channels,
            Role.OUTLET,
            message.return_route,
            peer_identifier(message),
            protocol,
            incoming=self._incoming,
            outgoing=self._outgoing,
            on_end=self._ended,
        )
        # Where the Ping came from: the connection or channel itself, or one behind a worker that passes messages on.
        transport.consume_from(source.address, message.return_route.next)
        writer = self._streams[transport] = asyncio.StreamWriter(transport, protocol, reader, loop)
        transport.start()
        try:
            # At once, as asyncio does: before any byte is handed over, another protocol can take the transport over.
            result = self._client_connected(reader, writer)
        except Exception:
            log.exception("a stream of %s failed", self.address)
            transport.abort()
        else:
            if inspect.isawaitable(result):
                self._runtime.new_task(self._serve(result, transport))

    def _ended(self, transport: StreamTransport) -> None:
        del self._streams[transport]

    async def _serve(self, handler: Awaitable[None], transport: StreamTransport) -> None:
        try:
            await handler
        except asyncio.CancelledError:
            transport.abort()
            raise
        except ConnectionError as error:
            log.info("a stream of %s ended: %s", self.address, error)
            transport.abort()
        except Exception:
            log.exception("a stream of %s failed", self.address)
            transport.abort()

    def __repr__(self) -> str:
        return f"StreamServer({self.address}, {len(self._streams)} streams)"
