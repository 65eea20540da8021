"""What a node does with transports, secure channels, relays and streams."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ockam.core.access_control import ALLOW_ALL, AccessControl
from ockam.core.address import Address
from ockam.core.route import Route, RouteLike
from ockam.core.route import route as make_route
from ockam.portal.workers.streams import DEFAULT_LIMIT_BYTES, MAX_STREAMS, ClientConnected, StreamServer, open_stream
from ockam.relay.workers.remote import RemoteRelay
from ockam.relay.workers.service import RelayService, RelayServiceOptions, start_relay_service
from ockam.runtime.context import DEFAULT_TIMEOUT_SECONDS
from ockam.secure_channel.noise import Role
from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
from ockam.secure_channel.workers.handshake import HandshakeWorker, Terms
from ockam.secure_channel.workers.listener import SecureChannelListener

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator, Sequence

    from ockam.core.flow_control import FlowControlId
    from ockam.identity.identifier import Identifier
    from ockam.secure_channel.workers.channel import SecureChannel
    from ockam.secure_channel.workers.persisted import PersistedDecryptor
    from ockam.transport.tcp.transport import TcpTransport
from ockam.node.parts import NodeParts

__all__ = ["NodeChannels"]


class NodeChannels(NodeParts):
    """Transports, secure channels, relays and streams."""

    async def create_tcp_transport(self) -> TcpTransport:
        """Return the node's TCP transport."""
        return self._parts.tcp()

    async def create_secure_channel_listener(
        self,
        identifier: Identifier,
        address: Address | str,
        options: SecureChannelListenerOptions | None = None,
    ) -> SecureChannelListener:
        """Take channels in at `address`, as one of our identities.

        Raises:
            AddressInUse: a worker has that address.
            OckamError: not one of our identities.
        """
        # Fails here and now, and not in front of the first initiator.
        await self.identities.secure_channel_purpose_key(identifier)
        where = Address.parse(address) if isinstance(address, str) else address
        return SecureChannelListener(
            self.channel_services, identifier, where, options or SecureChannelListenerOptions()
        )

    async def create_secure_channel(
        self, identifier: Identifier, route: RouteLike, options: SecureChannelOptions | None = None
    ) -> SecureChannel:
        """Open a channel, as one of our identities, to the listener at the end of `route`.

        That it is open does not mean that the listener accepted us: that decision falls after our last message, and is
        not announced. If it matters, ask something through the channel.

        Args:
            route: over any number of hops; a TCP address in it (`1#host:port`) is connected to.

        Raises:
            TimedOut: nobody answered in time, or the other side refused without a word.
            OckamError: the listener did not pass one of our checks.
        """
        options = options or SecureChannelOptions()
        terms = Terms.of(identifier, options)
        if terms.retriever is not None:
            # Before the handshake's clock runs, and before anything is connected to.
            await terms.retriever.initialize()
        async with self._resolved(make_route(route)) as resolved:
            return await HandshakeWorker(self.channel_services, terms, Role.INITIATOR).initiate(resolved)

    async def start_persisted_secure_channel_decryptor(self, decryptor_remote: Address | str) -> PersistedDecryptor:
        """Decrypt again, after a restart, for a key-exchange-only channel that was persisted.

        Args:
            decryptor_remote: `SecureChannel.decryptor_address`, before the restart.

        Raises:
            PersistentSecureChannelNotFound: none of that address is stored.
            AddressInUse: it is running already.
        """
        from ockam.secure_channel.workers.persisted import start_persisted_decryptor

        where = Address.parse(decryptor_remote) if isinstance(decryptor_remote, str) else decryptor_remote
        return await start_persisted_decryptor(self.channel_services, where)

    async def create_relay_service(
        self, options: RelayServiceOptions | None = None, address: str = "forwarding_service"
    ) -> RelayService:
        """Let other nodes register relays here."""
        return await start_relay_service(self.context, address, options or RelayServiceOptions())

    async def create_relay(
        self, relay_node: RouteLike, name: str | None = None, *, timeout: float = DEFAULT_TIMEOUT_SECONDS
    ) -> RemoteRelay:
        """Register at the relay service of the node at the end of `relay_node`.

        Workers that are to be reached through the relay must be consumers of the connection's, or channel's, flow
        control.

        Args:
            name: others reach us at `forward_to_<name>` there; None: at a random address.

        Raises:
            TimedOut: the service did not confirm in `timeout` seconds; one that refuses says nothing.
        """
        async with self._resolved(make_route(relay_node)) as resolved:
            relay = RemoteRelay(self.runtime, resolved, name)
            try:
                await relay.register(timeout)
            except BaseException:
                await relay.close()
                raise
            return relay

    async def open_stream(
        self,
        route: RouteLike,
        *,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        limit: int = DEFAULT_LIMIT_BYTES,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
    ) -> tuple[StreamReader, StreamWriter]:
        """Open a byte stream to the stream server, or a TCP outlet, at the end of `route`: `route(channel, "files")`.

        `writer.get_extra_info("peer_identifier")` tells who is at the other end of the channel.

        Args:
            timeout: seconds until the other end has to confirm; None waits for ever.
            limit: bytes that the reader buffers: it takes no more above twice this.
            incoming: access control for what comes from the other end.
            outgoing: access control for what is sent to it.

        Raises:
            TimedOut: no confirmation in time. One that refuses may say nothing.
            StreamRefused: the other end does not take the stream.
        """
        async with self._resolved(make_route(route)) as resolved:
            return await open_stream(
                self.runtime,
                self.secure_channels,
                resolved,
                timeout=timeout,
                limit=limit,
                incoming=incoming,
                outgoing=outgoing,
            )

    async def start_stream_server(
        self,
        address: Address | str,
        client_connected: ClientConnected,
        *,
        consumer_of: Sequence[FlowControlId] = (),
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
        limit: int = DEFAULT_LIMIT_BYTES,
        max_streams: int = MAX_STREAMS,
    ) -> StreamServer:
        """Take byte streams in at `address`, like `asyncio.start_server`.

        Args:
            client_connected: called with reader and writer of each stream; a coroutine runs in a task of the node.
            consumer_of: flow controls whose messages reach the server, such as that of a channel listener.
            incoming: access control for who may ask for a stream, and for all that comes through it.
            limit: bytes that each reader buffers: it takes no more above twice this.
            max_streams: further ones are refused.

        Raises:
            AddressInUse: a worker has that address.
        """
        where = Address.parse(address) if isinstance(address, str) else address
        return StreamServer(
            self.runtime,
            self.secure_channels,
            where,
            client_connected,
            consumer_of=consumer_of,
            incoming=incoming,
            outgoing=outgoing,
            limit=limit,
            max_streams=max_streams,
        )

    @asynccontextmanager
    async def _resolved(self, route: Route) -> AsyncIterator[Route]:
        """Connect to the TCP address in `route`, if there is one; whoever fails leaves no connection behind."""
        if route.is_local:
            yield route
            return
        tcp = self._parts.tcp()
        resolved = await tcp.resolve(route)
        try:
            yield resolved
        except BaseException:
            for address in resolved:
                connection = tcp.connection(address)
                if connection is not None and address not in route.addresses:
                    await connection.close()
            raise
