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
from ockam.secure_channel.decryptor import Decryptor, SingleKeyDecryptor
from ockam.secure_channel.encryptor import FRAME_OVERHEAD, IN_PLACE_FROM, NONCE_SIZE, Encryptor
from ockam.secure_channel.errors import NonceOverflow, UnknownChannelMsgDestination
from ockam.secure_channel.messages import (
    PAYLOAD_TAIL,
    Close,
    PayloadReader,
    RefreshCredentials,
    encode_payload,
    payload_head,
)
from ockam.secure_channel.noise import AES256_GCM_SHA256, Role, Suite
from ockam.secure_channel.options import authorities_of
from ockam.secure_channel.workers.api import ApiAddress
from ockam.secure_channel.workers.peer import receive_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ockam.core.address import Address
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.credential_retriever import CredentialRetriever
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
        authority: whose credentials count, one or several.
        key_exchange_only: no messages pass, nothing is rekeyed; see `SecureChannelOptions`.
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
        authority: Identifier | Sequence[Identifier] | None = None,
        suite: Suite = AES256_GCM_SHA256,
        key_exchange_only: bool = False,
    ) -> None:
        self.runtime = runtime
        self.identifier = identifier
        self.role = role
        self._follows_routes = role is Role.RESPONDER
        self.authorities = authorities_of(authority)
        self.is_key_exchange_only = key_exchange_only
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
        self._decryptor: Decryptor | SingleKeyDecryptor | None = None
        self._is_stopped = False
        self.presented: CredentialAndPurposeKey | None = None
        self._retriever: CredentialRetriever | None = None
        self._credential_waits = False
        self._presenting: asyncio.Task[None] | None = None
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
        key_exchange_only = self.is_key_exchange_only
        decryptor = self._decryptor = (SingleKeyDecryptor if key_exchange_only else Decryptor)(
            keys.decrypt_key, self._suite
        )
        channel = SecureChannel(
            self,
            self._encryptor_address,
            remote_route,
            their_identifier,
            Encryptor(keys.encrypt_key, self._suite, rekeying=not key_exchange_only),
        )
        self._channel = channel
        self._registry.add(channel)
        if key_exchange_only:
            self.decryptor_remote.receive = _drop_message
            return channel
        if self._credential_waits:
            self.credential_changed()
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
            if nonce > self._last_nonce and self._follows_routes:
                self._last_nonce = nonce
                if message.return_route is not self._last_return_route:
                    self._follow(message.return_route)
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

    def _follow(self, return_route: Route) -> None:
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
                await receive_credentials(self._identities, subject, refresh.credentials, self.authorities)
            except OckamError as error:
                log.warning("refreshed credentials do not count: %s", error)

    def decrypt(self, frame: bytes) -> bytes:
        """Return the plaintext of a frame (unauthenticated) that did not come as a message.

        Raises:
            UnknownAddress: the channel has ended.
            PeerError: the frame is not one of this channel.
        """
        if self._decryptor is None:
            raise UnknownAddress(self.decryptor_remote.address)
        return self._decryptor.open(frame)[1]

    # ---- our credential ----------------------------------------------------------------------------------------------

    def follow_credential(self, retriever: CredentialRetriever) -> None:
        """Present the retriever's credential whenever it has changed."""
        if not self._is_stopped and not self.is_key_exchange_only:
            self._retriever = retriever
            retriever.subscribe(self.credential_changed)

    def credential_changed(self) -> None:
        """Present the credential that counts now, once the channel is there."""
        self._credential_waits = True
        is_presenting = self._presenting is not None and not self._presenting.done()
        if self._channel is not None and not self._is_stopped and not is_presenting:
            self._presenting = self.runtime.new_task(self._present())

    async def _present(self) -> None:
        channel, retriever = self._channel, self._retriever
        assert channel is not None  # `credential_changed` has seen to it
        assert retriever is not None  # whoever calls `credential_changed` is subscribed to
        while self._credential_waits and not self._is_stopped:
            self._credential_waits = False
            try:
                credential = await retriever.retrieve()
                if credential == self.presented:
                    log.warning("the credential has not changed: it is not presented again")
                    continue
                identity = await self._identities.identity(self.identifier)
                channel.refresh(RefreshCredentials(identity.change_history, (credential,)))
            except OckamError as error:
                log.warning("a new credential could not be presented: %s", error)
            else:
                self.presented = credential
        self.runtime.flush()

    # ---- the end -----------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Stop this end; an established channel says so to its peer, as far as that is possible."""
        if self._is_stopped:
            return
        self._is_stopped = True
        channel = self._channel
        self.runtime.remove(self._record)
        if self._retriever is not None:
            self._retriever.unsubscribe(self.credential_changed)
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
        receive = _refuse_message if end.is_key_exchange_only else self._receive
        self._mailbox = Mailbox(address, receive, metadata=metadata)
        self._encryptor_api: ApiAddress | None = None
        self._decryptor_api: ApiAddress | None = None
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
    def their_decryptor_address(self) -> Address:
        """The address of the peer that we send to."""
        return self._remote_route.recipient

    @property
    def is_key_exchange_only(self) -> bool:
        """Whether it only encrypts and decrypts for others."""
        return self._end.is_key_exchange_only

    @property
    def encryptor_api(self) -> Address:
        """Where workers of this node have bytes encrypted (`ApiResponse`); it is there from the first look at it."""
        if self._encryptor_api is None:
            self._encryptor_api = ApiAddress(self._runtime, self.encrypt)
        return self._encryptor_api.address

    @property
    def decryptor_api(self) -> Address:
        """Where workers of this node have frames decrypted (`ApiResponse`); it is there from the first look at it."""
        if self._decryptor_api is None:
            self._decryptor_api = ApiAddress(self._runtime, self._end.decrypt)
        return self._decryptor_api.address

    @property
    def is_closed(self) -> bool:
        """Whether nothing passes any more."""
        return self._closed.done()

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return a frame for the peer's `decrypt`: these bytes and nothing else. It takes a nonce of the channel.

        Raises:
            UnknownAddress: the channel has ended.
            NonceOverflow: all nonces are used.
        """
        if self._encryptor is None:
            raise UnknownAddress(self.address)
        try:
            return self._encryptor.seal(plaintext)
        except NonceOverflow:
            self._runtime.stop_soon(self.address)
            raise

    def decrypt(self, frame: bytes) -> bytes:
        """Return what the peer has encrypted. In a channel that is not key-exchange-only each frame opens once.

        Raises:
            UnknownAddress: the channel has ended.
            PeerError: the frame is not one of this channel, or its nonce is outside of the window.
        """
        return self._end.decrypt(frame)

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
        for api in (self._encryptor_api, self._decryptor_api):
            if api is not None:
                api.remove()
        self._closed.set_result(None)
        # A key-exchange-only peer takes no messages, this one neither.
        if encryptor is None or self.peer_has_closed or self.is_key_exchange_only:
            return
        try:
            sealed = encryptor.seal(Close().encode())
            self._runtime.forward(self._mailbox, LocalMessage(self._remote_route, self._mailbox.route, sealed))
        except OckamError as error:
            log.debug("the peer could not be told that the channel ends: %s", error)

    def refresh(self, message: RefreshCredentials) -> None:
        """Present a new credential to the peer.

        Raises:
            OckamError: it could not be sent.
        """
        if self._encryptor is not None:
            sealed = self._encryptor.seal(message.encode())
            self._runtime.forward(self._mailbox, LocalMessage(self._remote_route, self._mailbox.route, sealed))

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


def _refuse_message(message: LocalMessage, source: Mailbox) -> None:
    """Nothing is sent as a message through a key-exchange-only channel."""
    raise UnknownChannelMsgDestination


def _drop_message(message: LocalMessage, source: Mailbox) -> None:
    """Nothing that a peer sends as a message is taken by a key-exchange-only channel, not even that it closes."""
    log.warning("a message was dropped by a secure channel: %s", UnknownChannelMsgDestination())
