"""One end of a channel: first a decryptor that takes the handshake, then the receiving half of a channel.

    decryptor_remote     handshake messages, then ciphertext from the peer; the address that the peer knows
    decryptor_internal   where decrypted messages come from: a producer in flow control

The worker is a plain function on the path of every message (see "Performance" in ARCHITECTURE.md).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ockam.core.access_control import DENY_ALL
from ockam.core.flow_control import FlowControlId, FlowControlOutgoing
from ockam.core.message import LocalMessage, secure_channel_info
from ockam.errors import OckamError
from ockam.runtime.errors import UnknownAddress
from ockam.runtime.mailbox import Busy, Mailbox
from ockam.secure_channel.decryptor import Decryptor, SingleKeyDecryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.errors import UnknownChannelMsgDestination
from ockam.secure_channel.messages import (
    PayloadReader,
    RefreshCredentials,
)
from ockam.secure_channel.noise import AES256_GCM_SHA256, Role, Suite
from ockam.secure_channel.options import authorities_of
from ockam.secure_channel.workers.peer import receive_credentials

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

    from ockam.core.route import Route
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.credential_retriever import CredentialRetriever
    from ockam.identity.identifier import Identifier
    from ockam.identity.identities import Identities
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.handshake import TransportKeys
    from ockam.secure_channel.workers.channel import OpenStream
    from ockam.secure_channel.workers.registry import SecureChannelRegistry
from ockam.secure_channel.workers.channel import SecureChannel

__all__ = ["SecureChannelEnd"]

log = logging.getLogger("ockam.secure_channel")


class SecureChannelEnd:
    """One end of a channel: first only a decryptor that takes the handshake, after `establish` a working channel.

    Args:
        identifier: our own.
        role: the responder follows the peer's route, the initiator does not.
        spawner: flow control id of the listener that made this end.
        on_handshake_message: takes what comes before `establish`.
        open_stream: for `SecureChannel.open_stream`.
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
        open_stream: OpenStream,
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
        self.open_stream = open_stream
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


def _refuse(message: LocalMessage, source: Mailbox) -> None:
    """The internal address takes no messages; its access control lets none through."""


def _drop_message(message: LocalMessage, source: Mailbox) -> None:
    """Nothing that a peer sends as a message is taken by a key-exchange-only channel, not even that it closes."""
    log.warning("a message was dropped by a secure channel: %s", UnknownChannelMsgDestination())
