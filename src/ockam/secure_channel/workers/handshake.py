"""The handshake worker: runs the pure handshake over a decryptor's address, and turns it into a channel.

Messages are taken one at a time. While one is being verified further ones wait; those that come right behind message 3
are ciphertext already, and go to the decryptor that it starts. Nothing is ever said to the peer about a failure.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from ockam.core.message import LocalMessage
from ockam.core.route import Route
from ockam.errors import OckamError, Origin, PeerError, TimedOut
from ockam.secure_channel.handshake import (
    Accept,
    Completed,
    Initialize,
    Initiator,
    MessageReceived,
    OwnPayloadNeeded,
    PayloadReceived,
    Reject,
    Responder,
    SendMessage,
)
from ockam.secure_channel.noise import AES256_GCM_SHA256, Role, Suite
from ockam.secure_channel.options import authorities_of, credential_of
from ockam.secure_channel.repository import PersistedSecureChannel
from ockam.secure_channel.workers.end import SecureChannelEnd
from ockam.secure_channel.workers.peer import verify_peer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from ockam.core.flow_control import FlowControlId
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.credential_retriever import CredentialRetriever
    from ockam.identity.identifier import Identifier
    from ockam.identity.identities import Identities
    from ockam.runtime.mailbox import Busy, Mailbox
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.handshake import Action, TransportKeys
    from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
    from ockam.secure_channel.repository import SecureChannelRepository
    from ockam.secure_channel.trust_policy import TrustPolicy
    from ockam.secure_channel.workers.channel import OpenStream, SecureChannel
    from ockam.secure_channel.workers.own_payload import OwnPayloads
    from ockam.secure_channel.workers.registry import SecureChannelRegistry

__all__ = ["ChannelServices", "HandshakeWorker", "Terms"]

log = logging.getLogger("ockam.secure_channel")

WAITING_MESSAGES_BUSY: Final = 64
"""Chosen by us: with more waiting behind a verification, the connection they come from pauses."""
WAITING_MESSAGES_MAX: Final = 4096
"""Chosen by us: what a peer can make us hold before it is known; a connection that pauses never gets there."""


@dataclass(frozen=True, slots=True)
class ChannelServices:
    """What every channel of a node needs.

    Attributes:
        open_stream: for `SecureChannel.open_stream`.
        suite: of all its channels; never negotiated.
        persisted: where key-exchange-only channels are stored; None: nowhere.
    """

    runtime: Runtime
    identities: Identities
    registry: SecureChannelRegistry
    own_payloads: OwnPayloads
    open_stream: OpenStream
    suite: Suite = AES256_GCM_SHA256
    persisted: SecureChannelRepository | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a channel is made.

    Attributes:
        identifier: our own identity.
        timeout: seconds for the whole handshake.
        retriever: in place of `credential`.
    """

    identifier: Identifier
    trust_policy: TrustPolicy
    authority: Identifier | Sequence[Identifier] | None
    credential: CredentialAndPurposeKey | None
    timeout: float
    retriever: CredentialRetriever | None = None
    key_exchange_only: bool = False
    persist: bool = False

    @classmethod
    def of(cls, identifier: Identifier, options: SecureChannelOptions | SecureChannelListenerOptions) -> Self:
        """Return the terms that options say.

        Raises:
            DecodeError: the bytes given as a credential are none.
        """
        return cls(
            identifier,
            options.trust_policy,
            authorities_of(options.authority),
            credential_of(options),
            options.timeout,
            options.credential_retriever,
            options.key_exchange_only,
            options.persist,
        )


class HandshakeWorker:
    """One handshake, in either role.

    Args:
        spawner: flow control id of the listener, for a responder.
    """

    def __init__(
        self, services: ChannelServices, terms: Terms, role: Role, spawner: FlowControlId | None = None
    ) -> None:
        self._services = services
        self._terms = terms
        self._role = role
        self._machine: Initiator | Responder | None = None
        self._own_payload = b""
        self._remote_route = Route()
        self._their_identifier: Identifier | None = None
        self._waiting: deque[tuple[LocalMessage, Mailbox]] = deque()
        self._is_working = False
        self._waiters: list[asyncio.Future[None]] = []
        self.completed: asyncio.Future[SecureChannel] = services.runtime.loop.create_future()
        # A responder's outcome is nobody's to await.
        self.completed.add_done_callback(_retrieve)
        self.end = SecureChannelEnd(
            services.runtime,
            services.identities,
            services.registry,
            terms.identifier,
            role,
            self.receive,
            open_stream=services.open_stream,
            spawner=spawner,
            authority=terms.authority,
            suite=services.suite,
            key_exchange_only=terms.key_exchange_only,
        )
        self.end.on_stop = self._stopped
        services.runtime.deadlines.add(self, terms.timeout, self._expired)

    # ---- starting ----------------------------------------------------------------------------------------------------

    async def initiate(self, route: Route) -> SecureChannel:
        """Open a channel to the listener at the end of `route`.

        Raises:
            OckamError: the peer did not pass a check, or nobody answered in time.
        """
        try:
            self.end.consume_from(route)
            self._remote_route = route
            await self._load(Initiator)
            await self._perform(self._event(Initialize()))
            self._services.runtime.flush()
            return await self.completed
        except BaseException:
            await self.end.stop()
            raise

    async def _load(self, machine: type[Initiator | Responder]) -> None:
        services, credential, retriever = self._services, self._terms.credential, self._terms.retriever
        if retriever is not None:
            await retriever.initialize()
            # Before it is asked, so that no change is missed.
            self.end.follow_credential(retriever)
            credential = await retriever.retrieve()
        self.end.presented = credential
        key, self._own_payload = await services.own_payloads.of(self._terms.identifier, credential)
        generate_ephemeral = services.identities.vault.secure_channel.generate_ephemeral_x25519_key
        self._machine = machine(key.key, generate_ephemeral, services.suite)

    # ---- messages ----------------------------------------------------------------------------------------------------

    def receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Take one message that came before the channel exists. Unauthenticated."""
        if self.end.is_stopped or len(self._waiting) >= WAITING_MESSAGES_MAX:
            return None
        if type(message.payload) is not bytes:
            message.payload = bytes(message.payload)
        self._waiting.append((message, source))
        if not self._is_working:
            self._is_working = True
            self._services.runtime.new_task(self._work())
        return self if len(self._waiting) > WAITING_MESSAGES_BUSY else None

    async def wait_writable(self) -> None:
        """Wait until what came has been worked off."""
        while self._is_working and self._waiting and not self.end.is_stopped:
            waiter = self._services.runtime.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    async def _work(self) -> None:
        try:
            while self._waiting and not self.end.is_stopped:
                message, source = self._waiting.popleft()
                if self.end.channel is not None:
                    # The channel is there: what waited behind the handshake is for it.
                    self.end.decryptor_remote.receive(message, source)
                    continue
                await self._handle(message)
        finally:
            self._is_working = False
            self._wake()
            self._services.runtime.flush()

    async def _handle(self, message: LocalMessage) -> None:
        try:
            if self._machine is None:
                await self._load(Responder)
                self._event(Initialize())
                self._remote_route = message.return_route
            try:
                actions = self._event(MessageReceived(bytes(message.payload)))
            except PeerError as error:
                # Not from whom we talk to, or damaged: nothing has changed, and the genuine one may still come.
                log.info("a handshake message was dropped: %s", error)
                return
            if self._role is Role.INITIATOR:
                # The responder answers from the address that takes everything from now on.
                self._remote_route = message.return_route
            await self._perform(actions)
        except Exception as error:
            if isinstance(error, OckamError):
                # A node that stops in the middle of a handshake is no failure worth a warning.
                level = logging.DEBUG if self._services.runtime.is_stopping else logging.WARNING
                log.log(level, "a secure channel handshake failed: %s", error)
            else:
                log.exception("a secure channel handshake failed")
            # The initiator's program learns why; the peer does not.
            if not self.completed.done():
                self.completed.set_exception(error)
            if self._role is Role.RESPONDER:
                # Only who sent message 1 can make a message 3 that opens: there is no better one to wait for.
                self._services.runtime.stop_soon(self.end.decryptor_remote.address)

    def _event(self, event: Initialize | MessageReceived | Accept | Reject) -> tuple[Action, ...]:
        assert self._machine is not None  # loaded before the first event
        return self._machine.on_event(event)

    async def _perform(self, actions: tuple[Action, ...]) -> None:
        terms = self._terms
        for action in actions:
            match action:
                case SendMessage(data):
                    self._send(data)
                case OwnPayloadNeeded():
                    await self._perform(self._event(Accept(self._own_payload)))
                case PayloadReceived(payload, static_key):
                    try:
                        self._their_identifier = await verify_peer(
                            self._services.identities, payload, static_key, terms.trust_policy, self.end.authorities
                        )
                    except OckamError as error:
                        self._event(Reject(error))
                        raise
                    own = self._own_payload if self._role is Role.INITIATOR else b""
                    await self._perform(self._event(Accept(own)))
                case Completed(keys):
                    channel = self._complete(keys)
                    if channel is not None and terms.persist:
                        await self._persist(channel, keys)
                    if channel is not None and not self.completed.done():
                        self.completed.set_result(channel)

    def _send(self, data: bytes) -> None:
        mailbox = self.end.decryptor_remote
        self._services.runtime.forward(mailbox, LocalMessage(self._remote_route, mailbox.route, data))

    def _complete(self, keys: TransportKeys) -> SecureChannel | None:
        assert self._their_identifier is not None  # verified before the last event
        if self.end.is_stopped:
            return None
        self._services.runtime.deadlines.drop(self)
        channel = self.end.establish(keys, self._remote_route, self._their_identifier)
        log.info("a secure channel with %s is up", self._their_identifier)
        return channel

    async def _persist(self, channel: SecureChannel, keys: TransportKeys) -> None:
        """Store the receiving half; the channel works without that, too."""
        services = self._services
        persisted = PersistedSecureChannel(
            self._role,
            channel.identifier,
            channel.their_identifier,
            channel.decryptor_address,
            channel.decryptor_api,
            services.suite.key_type,
            keys.decrypt_key,
        )
        try:
            if services.persisted is not None:
                await services.persisted.store_secure_channel(persisted)
        except OckamError as error:
            log.warning("a secure channel could not be persisted: %s", error)

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _expired(self) -> None:
        if not self.completed.done():
            self.completed.set_exception(
                TimedOut(
                    "timeout: the secure channel was not established in time. Nobody may listen there, or the"
                    " other side may have refused without a word",
                    origin=Origin.NODE,
                )
            )
        if self.end.channel is None:
            self._services.runtime.stop_soon(self.end.decryptor_remote.address)

    def _stopped(self) -> None:
        self._services.runtime.deadlines.drop(self)
        self._waiting.clear()
        self._wake()
        if not self.completed.done():
            self.completed.set_exception(TimedOut("the secure channel was stopped before it was established"))

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


def _retrieve(completed: asyncio.Future[SecureChannel]) -> None:
    if not completed.cancelled():
        completed.exception()
