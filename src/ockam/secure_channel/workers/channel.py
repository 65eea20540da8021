"""One end of a channel: its addresses, and the encryptor and decryptor workers once it is established.

    decryptor_remote     handshake messages, then ciphertext from the peer; the address that the peer knows
    decryptor_internal   where decrypted messages come from: a producer in flow control
    encryptor            plaintext in; this is "the channel" in a route

The workers are plain functions on the path of every message (see "Performance" in ARCHITECTURE.md): where the remote
route begins with a connection of this node, a message is encrypted inside the frame that goes to the socket.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from ockam.core.access_control import DENY_ALL
from ockam.core.flow_control import FlowControlId, FlowControlOutgoing
from ockam.core.message import SECURE_CHANNEL_IDENTIFIER, LocalMessage, secure_channel_info
from ockam.core.route import EMPTY_ROUTE, Route, RouteLike
from ockam.core.route import route as make_route
from ockam.errors import OckamError
from ockam.runtime.errors import UnknownAddress
from ockam.runtime.mailbox import AddressMetadata, Busy, Mailbox
from ockam.secure_channel.decryptor import Decryptor
from ockam.secure_channel.encryptor import FRAME_OVERHEAD, IN_PLACE_FROM, NONCE_SIZE, Encryptor
from ockam.secure_channel.errors import NonceOverflow
from ockam.secure_channel.messages import (
    PAYLOAD_TAIL,
    Close,
    PayloadReader,
    RefreshCredentials,
    encode_payload,
    payload_head,
)
from ockam.secure_channel.noise import AES256_GCM_SHA256, Role, Suite
from ockam.secure_channel.workers.peer import receive_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ockam.core.address import Address
    from ockam.identity.identifier import Identifier
    from ockam.identity.identities import Identities
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.handshake import TransportKeys
    from ockam.secure_channel.workers.registry import SecureChannelRegistry

__all__ = ["SecureChannel", "SecureChannelEnd"]

log = logging.getLogger("ockam.secure_channel")

_NONCE_ROOM: Final = bytes(NONCE_SIZE)
_TAG_ROOM: Final = bytes(FRAME_OVERHEAD - NONCE_SIZE)


class SecureChannelEnd:
    """One end of a channel: first only a decryptor that takes the handshake, after `establish` a working channel.

    Args:
        identifier: our own.
        role: the responder follows the peer's route, the initiator does not.
        spawner: flow control id of the listener that made this end.
        on_handshake_message: takes what comes before `establish`.
    """

    def __init__(
        self,
        runtime: Runtime,
        identities: Identities,
        registry: SecureChannelRegistry,
        identifier: Identifier,
        role: Role,
        on_handshake_message: Callable[[LocalMessage, Mailbox], Busy | None],
        *,
        spawner: FlowControlId | None = None,
        authority: Identifier | None = None,
        suite: Suite = AES256_GCM_SHA256,
    ) -> None:
        self.runtime = runtime
        self.identifier = identifier
        self.role = role
        self.authority = authority
        self.flow_control_id = runtime.random_flow_control_id()
        self._identities = identities
        self._registry = registry
        self._suite = suite
        self._encryptor_address = runtime.random_address()
        self.decryptor_remote = Mailbox(runtime.random_address(), on_handshake_message)
        self._internal = Mailbox(
            runtime.random_address(),
            _refuse,
            incoming=DENY_ALL,
            outgoing=FlowControlOutgoing(runtime.flow_controls, self.flow_control_id, spawner),
        )
        self._channel: SecureChannel | None = None
        self._decryptor: Decryptor | None = None
        self._is_stopped = False
        self.on_stop: Callable[[], None] | None = None
        self._waiting_refresh: RefreshCredentials | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._last_nonce = 0
        self._last_return_route: Route | None = None
        self._record = runtime.add_worker([self.decryptor_remote, self._internal], on_stop=self.stop)
        runtime.flow_controls.add_producer(
            self._internal.address, self.flow_control_id, spawner, additional=(self._encryptor_address,)
        )

    @property
    def is_stopped(self) -> bool:
        """Whether nothing is received any more."""
        return self._is_stopped

    @property
    def channel(self) -> SecureChannel | None:
        """The channel, once it is established."""
        return self._channel

    def consume(self, ids: Iterable[FlowControlId]) -> None:
        """Let what comes under these flow controls reach the decryptor."""
        for flow_control_id in ids:
            self.runtime.flow_controls.add_consumer(self.decryptor_remote.address, flow_control_id)

    def consume_from(self, route: Route) -> None:
        """Let the answers of the route's first hop, if it is a connection or a channel, reach the decryptor."""
        producer = self.runtime.flow_controls.producer(route.next)
        if producer is not None:
            self.consume([producer.flow_control_id])

    def establish(self, keys: TransportKeys, remote_route: Route, their_identifier: Identifier) -> SecureChannel:
        """Start encryptor and decryptor.

        Args:
            keys: of this end.
            remote_route: to the peer's decryptor.
            their_identifier: whom the peer has proven to be.
        """
        decryptor = self._decryptor = Decryptor(keys.decrypt_key, self._suite)
        channel = SecureChannel(
            self,
            self._encryptor_address,
            remote_route,
            their_identifier,
            Encryptor(keys.encrypt_key, self._suite),
        )
        self._channel = channel
        self._registry.add(channel)
        self._reader = PayloadReader(self._encryptor_address)
        self._info = (secure_channel_info(their_identifier.value),)
        self._open = decryptor.open
        self._read = self._reader.read
        self.decryptor_remote.receive = self._receive
        return channel

    # ---- the decryptor -----------------------------------------------------------------------------------------------

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Decrypt one frame (unauthenticated) and pass on what is in it; whatever is wrong with it is dropped."""
        try:
            nonce, plaintext = self._open(message.payload)
            content = self._read(plaintext)
        except OckamError as error:
            if log.isEnabledFor(logging.WARNING):
                log.warning("a message was dropped by a secure channel: %s", error)
            return None
        if type(content) is tuple:
            # Strictly above: nonce 0 never changes the route. The initiator's route is changed only by its own program.
            if nonce > self._last_nonce and self.role is Role.RESPONDER:
                self._follow(nonce, message.return_route)
            onward_route, return_route, payload = content
            return self.runtime.deliver(self._internal, LocalMessage(onward_route, return_route, payload, self._info))
        if isinstance(content, RefreshCredentials):
            # One at a time, and only the latest that came meanwhile: a peer cannot pile up work.
            self._waiting_refresh = content
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = self.runtime.new_task(self._refresh())
        else:
            assert self._channel is not None  # established: `_receive` is installed by `establish`
            self._channel.peer_has_closed = True
            self.runtime.stop_soon(self.decryptor_remote.address)
        return None

    def _follow(self, nonce: int, return_route: Route) -> None:
        self._last_nonce = nonce
        if return_route is self._last_return_route:
            return
        self._last_return_route = return_route
        assert self._channel is not None
        self._channel.follow(return_route)

    async def _refresh(self) -> None:
        assert self._channel is not None  # established: only its decryptor comes here
        subject = self._channel.their_identifier
        while (refresh := self._waiting_refresh) is not None:
            self._waiting_refresh = None
            try:
                await self._identities.import_change_history(refresh.change_history, subject)
                await receive_credentials(self._identities, subject, refresh.credentials, self.authority)
            except OckamError as error:
                log.warning("refreshed credentials do not count: %s", error)

    # ---- the end -----------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Stop this end; an established channel says so to its peer, as far as that is possible."""
        if self._is_stopped:
            return
        self._is_stopped = True
        channel = self._channel
        self.runtime.remove(self._record)
        if channel is not None:
            channel.end()
            self._registry.remove(channel)
        # The keys go with their objects.
        self._decryptor = None
        if self.on_stop is not None:
            self.on_stop()


class SecureChannel:
    """An established secure channel. Put it into a route to send through it.

    Attributes:
        address: the encryptor.
        their_identifier: whom the peer has proven to be.
    """

    def __init__(
        self,
        end: SecureChannelEnd,
        address: Address,
        remote_route: Route,
        their_identifier: Identifier,
        encryptor: Encryptor,
    ) -> None:
        self._end = end
        self._runtime = end.runtime
        self._table = end.runtime.table
        self.their_identifier = their_identifier
        self.peer_has_closed = False
        self._encryptor: Encryptor | None = encryptor
        self._closed = end.runtime.loop.create_future()
        metadata = AddressMetadata(
            is_terminal=True, attributes={SECURE_CHANNEL_IDENTIFIER: their_identifier.value.hex()}
        )
        self._mailbox = Mailbox(address, self._receive, metadata=metadata)
        self._set_route(remote_route)
        self._record = end.runtime.add_worker([self._mailbox], on_stop=end.stop)

    @property
    def address(self) -> Address:
        """The encryptor's address, which stands for the channel in routes."""
        return self._mailbox.address

    @property
    def decryptor_address(self) -> Address:
        """The address that the peer sends to."""
        return self._end.decryptor_remote.address

    @property
    def identifier(self) -> Identifier:
        """Our own identity in this channel."""
        return self._end.identifier

    @property
    def flow_control_id(self) -> FlowControlId:
        """Messages from the peer reach only consumers of it (or, for a responder, of the listener's)."""
        return self._end.flow_control_id

    @property
    def role(self) -> Role:
        """Who opened the channel."""
        return self._end.role

    @property
    def remote_route(self) -> Route:
        """The route to the peer's decryptor."""
        return self._remote_route

    @property
    def is_closed(self) -> bool:
        """Whether nothing passes any more."""
        return self._closed.done()

    def update_remote_node_route(self, new_route: RouteLike) -> None:
        """Reach the same peer over another route from now on (initiator). The peer learns the way back by itself.

        Args:
            new_route: the hops before the peer's decryptor.
        """
        remote_route = make_route(new_route).append(self._remote_route.recipient)
        self._end.consume_from(remote_route)
        self._set_route(remote_route)

    def follow(self, return_route: Route) -> None:
        """Answer over the route that the peer's latest message came (responder)."""
        self._set_route(return_route.append(self._remote_route.recipient))

    async def close(self) -> None:
        """Tell the peer, as far as possible, and end the channel."""
        if not self.is_closed:
            await self._end.stop()
            self._runtime.flush()

    async def wait_closed(self) -> None:
        """Wait until the channel has ended, by either side."""
        await asyncio.shield(self._closed)

    def end(self) -> None:
        """Send the closing message unless the peer has, and take the encryptor away."""
        if self.is_closed:
            return
        encryptor, self._encryptor = self._encryptor, None
        self._runtime.remove(self._record)
        self._closed.set_result(None)
        if encryptor is None or self.peer_has_closed:
            return
        try:
            sealed = encryptor.seal(Close().encode())
            self._runtime.forward(self._mailbox, LocalMessage(self._remote_route, self._mailbox.route, sealed))
        except OckamError as error:
            log.debug("the peer could not be told that the channel ends: %s", error)

    # ---- the encryptor -----------------------------------------------------------------------------------------------

    def _set_route(self, remote_route: Route) -> None:
        self._remote_route = remote_route
        # The connection takes its own address off; ciphertext leaves with an empty return route.
        self._first = remote_route.next.value
        self._onward_after_first = remote_route.tail()
        self._frame_routes: bytes | None = None

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Encrypt one message and send it to the peer."""
        encryptor = self._encryptor
        if encryptor is None:
            raise UnknownAddress(self.address)
        try:
            next_hop = self._table.get(self._first)
            sink = next_hop.frame_sink if next_hop is not None else None
            onward_route, payload = message.onward_route.tail(), message.payload
            if sink is None:
                sealed = encryptor.seal(encode_payload(onward_route, message.return_route, payload))
                return self._runtime.forward(self._mailbox, LocalMessage(self._remote_route, EMPTY_ROUTE, sealed))
            routes = self._frame_routes
            if routes is None:
                routes = self._frame_routes = sink.frame_routes(self._onward_after_first, EMPTY_ROUTE)
            size = len(payload)
            if size < IN_PLACE_FROM:
                sealed = encryptor.seal(encode_payload(onward_route, message.return_route, payload))
                return sink.send_frame(b"".join((sink.frame_head(routes, len(sealed)), sealed, sink.frame_tail)))
            inner = payload_head(onward_route, message.return_route, size)
            sealed_size = len(inner) + size + len(PAYLOAD_TAIL) + FRAME_OVERHEAD
            head = sink.frame_head(routes, sealed_size)
            # One buffer for the whole frame, one copy of the payload, encrypted where it lies.
            frame = bytearray().join((head, _NONCE_ROOM, inner, payload, PAYLOAD_TAIL, _TAG_ROOM, sink.frame_tail))
            encryptor.seal_into(frame, len(head), len(head) + sealed_size)
            return sink.send_frame(frame)
        except OckamError as error:
            log.warning("a message could not be sent through a secure channel: %s", error)
            if isinstance(error, NonceOverflow):
                self._runtime.stop_soon(self.address)
            raise

    def __repr__(self) -> str:
        return f"SecureChannel({self.address}, peer {self.their_identifier})"


def _refuse(message: LocalMessage, source: Mailbox) -> None:
    """The internal address takes no messages; its access control lets none through."""
