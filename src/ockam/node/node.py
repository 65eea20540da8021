"""The node that programs use."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from ockam.core.access_control import ALLOW_ALL, DENY_ALL, AccessControl
from ockam.core.address import Address
from ockam.core.route import Route, RouteLike
from ockam.core.route import route as make_route
from ockam.encoding.hex import decode_hex
from ockam.errors import Misuse, Origin
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.identities import Identities
from ockam.identity.purpose_key import PurposeKeyAttestation, PurposeKeyAttestationData
from ockam.portal.workers.streams import DEFAULT_LIMIT_BYTES, MAX_STREAMS, ClientConnected, StreamServer, open_stream
from ockam.relay.workers.remote import RemoteRelay
from ockam.relay.workers.service import RelayService, RelayServiceOptions, start_relay_service
from ockam.runtime.clock import NodeClock
from ockam.runtime.context import DEFAULT_TIMEOUT_SECONDS, Context, detached_context
from ockam.runtime.lifecycle import DEFAULT_PRIORITY
from ockam.runtime.router import Runtime
from ockam.secure_channel.noise import AES256_GCM_SHA256, Role, Suite, channel_suite
from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
from ockam.secure_channel.workers.handshake import ChannelServices, HandshakeWorker, Terms
from ockam.secure_channel.workers.listener import SecureChannelListener
from ockam.secure_channel.workers.own_payload import OwnPayloads
from ockam.secure_channel.workers.registry import SecureChannelRegistry
from ockam.storage.home import Home
from ockam.storage.memory import create_memory_repositories
from ockam.storage.memory_secure_channel import MemorySecureChannelRepository
from ockam.storage.opening import open_database
from ockam.storage.sqlite.identity import DEFAULT_NODE_NAME, create_sqlite_repositories
from ockam.storage.sqlite.secure_channel import SqliteSecureChannelRepository
from ockam.storage.sqlite.vault import SqliteSecretsRepository
from ockam.transport.tcp.transport import TcpTransport
from ockam.vault.errors import SecretsSealed
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType, SigningSecret
from ockam.vault.software import (
    MemorySecretsRepository,
    SealedSecretsRepository,
    SoftwareSigningVault,
    create_software_vault,
    secrets_are_sealed,
)

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from ockam.authority.members import Members
    from ockam.core.flow_control import FlowControlId, FlowControls
    from ockam.core.message import Body, Routed
    from ockam.enrollment.workers.enrollee import Enrollee
    from ockam.enrollment.workers.enroller import Enroller
    from ockam.enrollment.workers.service import EnrollmentService, EnrollmentServiceOptions
    from ockam.identity.change_history import Comparison
    from ockam.identity.credential_retriever import RefreshTiming
    from ockam.identity.identifier import Identifier
    from ockam.identity.repository import Repositories
    from ockam.identity.verification import VerifiedCredential
    from ockam.node.enrollment import NodeEnrollment
    from ockam.policy import Policies, ResourceAccessControls, ResourceType
    from ockam.runtime.delayed import DelayedEvent
    from ockam.runtime.worker import DirectWorker, Processor, Worker
    from ockam.secure_channel.repository import SecureChannelRepository
    from ockam.secure_channel.workers.channel import SecureChannel
    from ockam.secure_channel.workers.persisted import PersistedDecryptor
    from ockam.secure_channel.workers.remote_credential import RemoteCredentialRetriever
    from ockam.storage.opening import DatabaseLocation
    from ockam.storage.sql import SqlDatabase
    from ockam.transport.tcp.listener import TcpListener
    from ockam.vault.interfaces import SecretsRepository, Vault
    from ockam.vault.software.sealing import SealingKey

__all__ = ["DEFAULT_CREDENTIAL_TTL_SECONDS", "Node"]

M = TypeVar("M")

DEFAULT_CREDENTIAL_TTL_SECONDS = 30 * 24 * 3600
"""Source: reference credential issuer, 30 days."""

APP = Address.local("app")


class Node:
    """Runs workers, and connects them to those of other nodes.

        async with Node() as node:
            ...

    Args:
        home: directory of the node: identities, keys and what else must survive a restart, in one SQLite file. Only one
            process at a time may have it open. Without it everything is in memory.
        database: where the node's data is, in place of `home`: `postgres://user:password@host:port/database`, which
            many nodes may share (docs/storage.md), or a file of SQLite.
        node_name: of this node among those that share a database; each running node needs its own.
        storage: repositories of your own, in place of `home`.
        vault: a vault of your own.
        clock: seconds since 1970, UTC; for tests.
        random: returns so many random bytes; for tests.
        sealing_key: seals the secrets in the home or database: a passphrase, or a key file (docs/vaults.md).
        suite: of all secure channels of the node, or its documented name. It is never negotiated: nodes of different
            suites do not reach each other, and the reference has the default only.
    """

    def __init__(
        self,
        *,
        home: str | os.PathLike[str] | None = None,
        database: DatabaseLocation | None = None,
        node_name: str = DEFAULT_NODE_NAME,
        storage: Repositories | None = None,
        vault: Vault | None = None,
        clock: Callable[[], int] | None = None,
        random: Callable[[int], bytes] = os.urandom,
        suite: Suite | str = AES256_GCM_SHA256,
        sealing_key: SealingKey | None = None,
    ) -> None:
        if sum(place is not None for place in (home, database, storage)) > 1:
            raise Misuse("a node has a home, a database or a storage of its own, not both", origin=Origin.NODE)
        self._home_path = Path(home) if home is not None else None
        self._database_location = database
        self._node_name = node_name
        self._given_storage = storage
        self._given_vault = vault
        self._clock = NodeClock(clock or _system_clock)
        self._random = random
        self._suite = channel_suite(suite)
        self._sealing_key = sealing_key
        self._secrets: SecretsRepository = MemorySecretsRepository()
        self._policies: Policies | None = None
        self._home: Home | None = None
        self._database: SqlDatabase | None = None
        self._started: _Started | None = None
        self._enrollment: NodeEnrollment | None = None

    # ---- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the node (`async with` does).

        Raises:
            HomeInUse: another process has the home open.
            StorageError: the home cannot be opened.
            SecretsSealed: its secrets are sealed, and no sealing key was given.
            CannotUnseal: a wrong sealing key.
        """
        if self._started is not None:
            raise Misuse("the node was started already", origin=Origin.NODE)
        persisted: SecureChannelRepository = MemorySecureChannelRepository()
        if self._home_path is not None:
            self._home = Home(self._home_path)
            self._database = self._home.database
        elif self._database_location is not None:
            self._database = await asyncio.to_thread(open_database, self._database_location)
        if self._database is not None:
            try:
                self._secrets = await self._open_secrets(SqliteSecretsRepository(self._database))
                vault = self._given_vault or create_software_vault(self._secrets, self._random)
                storage = create_sqlite_repositories(self._database, vault.verifying, self._node_name)
                persisted = SqliteSecureChannelRepository(self._database, self._random)
            except BaseException:
                self._close_home()
                raise
        else:
            vault = self._given_vault or create_software_vault(self._secrets, self._random)
            storage = self._given_storage or create_memory_repositories()
        identities = Identities(vault, storage, self._clock)
        self._started = _Started(Runtime(self._clock, self._random), identities, self._suite, persisted)

    async def _open_secrets(self, stored: SecretsRepository) -> SecretsRepository:
        if self._sealing_key is None:
            if await secrets_are_sealed(stored):
                raise SecretsSealed
            return stored
        sealed = SealedSecretsRepository(stored, self._sealing_key)
        await sealed.unlock()
        return sealed

    async def shutdown(self, timeout: float = 1.0) -> None:
        """Stop every worker, then close the home; what has not stopped in `timeout` seconds is cancelled."""
        started = self._started
        try:
            if started is not None:
                await started.runtime.shutdown(timeout)
        finally:
            if self._enrollment is not None:
                self._enrollment.close()
            self._close_home()

    def _close_home(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._home is not None:
            self._home.close()
            self._home = None

    async def wait_stopped(self) -> None:
        """Wait until the node has been shut down."""
        await self.runtime.wait_stopped()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    # ---- parts -------------------------------------------------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        """The runtime below: for parts of this library and for tests."""
        return self._parts.runtime

    @property
    def identities(self) -> Identities:
        """Own and foreign identities, and all that can be done with them."""
        return self._parts.identities

    @property
    def context(self) -> Context:
        """The node's own context, at the address `app`."""
        return self._parts.context

    @property
    def flow_controls(self) -> FlowControls:
        """Which workers are open to which sources of messages from outside."""
        return self._parts.runtime.flow_controls

    @property
    def secure_channels(self) -> SecureChannelRegistry:
        """The open channels."""
        return self._parts.services.registry

    @property
    def channel_services(self) -> ChannelServices:
        """What channels are made of: for parts of this library."""
        return self._parts.services

    @property
    def home(self) -> Home | None:
        """The open home, if the node has one."""
        return self._home

    @property
    def database(self) -> SqlDatabase | None:
        """The open database, of the home or shared, if the node has one."""
        return self._database

    @property
    def policies(self) -> Policies:
        """The node's policies, per resource and per type of resource."""
        if self._policies is None:
            from ockam.node.policies import open_policies

            self._policies = open_policies(self._database, self._node_name)
        return self._policies

    async def create_policy_access_controls(
        self,
        name: str,
        resource_type: ResourceType,
        *,
        authority: Identifier | None = None,
        allow: str | None = None,
    ) -> ResourceAccessControls:
        """Return access controls that ask the node's policies for each message: pass them to `start_worker`.

        Without authority and policy everything is allowed, as in the reference; a warning says so. Otherwise what no
        policy allows is refused.

        Args:
            name: of the resource, such as the address of the worker.
            resource_type: whose policy counts where the resource has none of its own.
            authority: whose credentials count.
            allow: the resource's own policy, in either grammar (docs/policies.md); stored in place of the one before.

        Raises:
            PolicyParseError: `allow` is no policy.
            StorageError: it was not stored.
        """
        from ockam.node.policies import guard

        return await guard(self, name, resource_type, authority, allow)

    @property
    def secrets(self) -> SecretsRepository:
        """Where the node's software vault keeps secrets: for parts of this library."""
        return self._secrets

    @property
    def clock(self) -> NodeClock:
        """The node's clock: seconds since 1970, UTC."""
        return self._clock

    @property
    def random(self) -> Callable[[int], bytes]:
        """The node's source of random bytes."""
        return self._random

    @property
    def _parts(self) -> _Started:
        if self._started is None:
            raise Misuse("the node is not started: use `async with Node() as node`", origin=Origin.NODE)
        return self._started

    # ---- identities --------------------------------------------------------------------------------------------------

    async def create_identity(
        self, name: str | None = None, *, key_type: SigningKeyType = SigningKeyType.ED25519
    ) -> Identifier:
        """Make a new identity.

        Args:
            name: what to call it on this node.

        Raises:
            AlreadyExists: the name is taken.
        """
        return await self.identities.create_identity(name, key_type)

    async def identity_named(self, name: str) -> Identifier | None:
        """Return the identity of that name on this node."""
        named = await self.identities.repositories.named_identities.named_identity(name)
        return named.identifier if named is not None else None

    async def ensure_identity(self, name: str) -> Identifier:
        """Return the identity of that name on this node; make it if there is none."""
        return await self.identity_named(name) or await self.create_identity(name)

    async def import_identity(self, change_history: bytes, expected: Identifier | None = None) -> Identifier:
        """Verify the change history of another identity, and keep it.

        Args:
            change_history: as `export_identity` gave it on the other node.
            expected: whose it must be.

        Raises:
            OckamError: it does not verify, is older than or in conflict with what is known, or of another identity.
        """
        return await self.identities.import_identity(change_history, expected)

    async def export_identity(self, identifier: Identifier) -> bytes:
        """Return the change history of a known identity: public, and all that others need to know it."""
        return await self.identities.export_identity(identifier)

    async def import_identity_hex(self, change_history: str, expected: Identifier | None = None) -> Identifier:
        """Like `import_identity`, of hexadecimal text in either case."""
        return await self.import_identity(decode_hex(change_history.strip()), expected)

    async def export_identity_hex(self, identifier: Identifier) -> str:
        """Like `export_identity`, as lower-case hexadecimal text."""
        return (await self.export_identity(identifier)).hex()

    async def import_private_identity(
        self, change_history: bytes, key: SigningKeyHandle | SigningSecret, expected: Identifier | None = None
    ) -> Identifier:
        """Be an identity that was made elsewhere.

        Args:
            change_history: as `export_identity` gave it.
            key: the primary key of its latest change: its handle in the node's vault, or the secret itself, which is
                put there.
            expected: whose history it must be.

        Raises:
            WrongSecretKey: it is not that key; the history is stored all the same.
            Misuse: the vault takes no secrets.
            OckamError: the history does not verify, or is older than or in conflict with what is known.
        """
        if isinstance(key, SigningSecret):
            vault = self.identities.vault.identity
            if not isinstance(vault, SoftwareSigningVault):
                raise Misuse("this vault takes no secrets: give the handle of a key in it", origin=Origin.VAULT)
            key = await vault.import_signing_key(key)
        return await self.identities.import_private_identity(change_history, key, expected)

    async def rotate_identity(
        self,
        identifier: Identifier,
        *,
        key_type: SigningKeyType = SigningKeyType.ED25519,
        revoke_all_purpose_keys: bool = False,
    ) -> bytes:
        """Give one of our identities a new primary key, and return its change history, longer by one change.

        Open channels stay. New ones show the new history; peers that have seen it refuse the old one from then on, and
        every attestation and credential under the old key.

        Args:
            key_type: of the new key.
            revoke_all_purpose_keys: carried and signed; the rotation revokes them in any case.

        Raises:
            OckamError: not one of our identities.
        """
        rotated = await self.identities.rotate_identity(
            identifier, key_type, revoke_all_purpose_keys=revoke_all_purpose_keys
        )
        return rotated.export()

    async def create_secure_channel_key(self, identifier: Identifier) -> None:
        """Have one of our identities attest its key for channels now, if it has none that is valid.

        From then on its channels open without its primary key, which may be in a vault that is not always there.

        Raises:
            OckamError: not one of our identities, or its primary key cannot attest now.
        """
        await self.identities.secure_channel_purpose_key(identifier)

    async def compare_identity(self, change_history: bytes) -> Comparison:
        """Verify a change history, and return how it relates to what is known of the same identity; nothing is stored.

        Raises:
            IdentityNotFound: nothing is known of it.
            OckamError: it does not verify.
        """
        return await self.identities.compare_identity(change_history)

    async def verify_purpose_key_attestation(
        self, attestation: bytes, subject: Identifier
    ) -> PurposeKeyAttestationData:
        """Return what an attestation says, once it is verified; the subject must be known.

        Raises:
            OckamError: it does not verify.
        """
        return await self.identities.verify_purpose_key_attestation(PurposeKeyAttestation.decode(attestation), subject)

    async def issue_credential(
        self,
        issuer: Identifier,
        subject: Identifier,
        attributes: Mapping[str, str],
        *,
        ttl_seconds: int = DEFAULT_CREDENTIAL_TTL_SECONDS,
    ) -> bytes:
        """Return a credential of `issuer`, one of our own, about `subject`, which must be known.

        Raises:
            OckamError: the issuer is not ours, the subject not known, or the time longer than the issuer's key lives.
        """
        credential = await self.identities.issue_credential(issuer, subject, attributes, ttl_seconds)
        return credential.encode()

    async def verify_credential(
        self, credential_and_purpose_key: bytes, subject: Identifier, authorities: Sequence[Identifier]
    ) -> VerifiedCredential:
        """Return what a credential says about `subject`, once it is verified.

        Args:
            credential_and_purpose_key: as `issue_credential` gave it.
            authorities: who may have issued it; their change histories must be known.

        Raises:
            OckamError: it does not verify.
        """
        decoded = CredentialAndPurposeKey.decode(credential_and_purpose_key)
        return await self.identities.verify_credential(decoded, subject, authorities)

    async def create_credential_issuer(
        self,
        issuer: Identifier,
        members: Members | Mapping[Identifier, Mapping[str, str]],
        address: Address | str = "credential_issuer",
        *,
        ttl_seconds: int = DEFAULT_CREDENTIAL_TTL_SECONDS,
        consumer_of: Sequence[FlowControlId] = (),
        incoming: AccessControl = ALLOW_ALL,
    ) -> Address:
        """Issue credentials, as one of our identities, to members that ask over a secure channel.

        Args:
            members: who gets one, with which attributes.
            ttl_seconds: how long each is valid.
            consumer_of: flow controls whose messages reach the worker, such as that of a channel listener.
            incoming: access control for who may ask.

        Raises:
            AddressInUse: a worker has that address.
            OckamError: the issuer is not ours.
        """
        from ockam.node import credentials  # not before it is used: most nodes issue nothing

        return await credentials.create_credential_issuer(
            self, issuer, members, address, ttl_seconds, consumer_of, incoming
        )

    async def create_credential_retriever(
        self,
        subject: Identifier,
        issuer: Identifier,
        route: RouteLike,
        *,
        service: str = "credential_issuer",
        scope: str = "credential_issuer",
        timing: RefreshTiming | None = None,
    ) -> RemoteCredentialRetriever:
        """Return what asks an authority for credentials about one of our identities, and asks again in time.

        It asks when it is first used: `SecureChannelOptions(credential_retriever=...)`. One may serve any number of
        channels, which present each new credential by themselves.

        Args:
            subject: one of our identities.
            issuer: who the authority must be.
            route: to its channel listener; a TCP address in it is connected to for each request.
            service: its worker.
            scope: under which the credential is stored, to be found again after a restart.
            timing: when it is asked again.
        """
        from ockam.node import credentials

        tcp, wanted = self._parts.tcp(), make_route(route)
        return credentials.create_credential_retriever(
            self, lambda: credentials.connected(tcp, wanted), subject, issuer, service, scope, timing
        )

    # ---- transports and channels -------------------------------------------------------------------------------------

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

    # ---- enrollment --------------------------------------------------------------------------------------------------

    async def create_enrollment_service(
        self, identifier: Identifier, listener: TcpListener, options: EnrollmentServiceOptions | None = None
    ) -> EnrollmentService:
        """Start an enrollment service on this node, as one of our identities; the node gets a channel listener `api`.

        Args:
            identifier: of the service: the authority of all devices that it enrolls.
            listener: where enrollers and devices connect.

        Raises:
            AddressInUse: a worker of the service's runs here already.
            StorageError: the database cannot be opened.
        """
        return await self._enrollments.create_service(identifier, listener, options)

    async def create_enroller(
        self,
        identifier: Identifier,
        to: str | None = None,
        service: Identifier | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> Enroller:
        """Be an enroller, as one of our identities. It connects to the service when it first has to.

        Args:
            identifier: what the service knows as an enroller.
            to: MultiAddr of the service, `/ip4/HOST/tcp/PORT` alone or the whole route for enrollers; None: offline.
            service: who the service must be; None: whom an earlier run has pinned, or who answers first.
            timeout: seconds that the service may take for an answer.

        Raises:
            WrongService: an earlier run has pinned another one.
        """
        return await self._enrollments.create_enroller(identifier, to, service, timeout)

    async def create_enrollee(self, name: str | None = None, service: Identifier | None = None) -> Enrollee:
        """Be a device. With a home, it goes on where an earlier process was.

        Args:
            name: for people, 1 to 64 characters.
            service: the only service to enroll with; None: that of the bundle.

        Raises:
            InvalidField: the name.
        """
        return await self._enrollments.create_enrollee(name, service)

    @property
    def _enrollments(self) -> NodeEnrollment:
        if self._enrollment is None:
            # Not imported before it is used: most nodes enroll nobody.
            from ockam.node.enrollment import NodeEnrollment

            self._enrollment = NodeEnrollment(self, self._parts.tcp())
        return self._enrollment

    # ---- messages and workers ----------------------------------------------------------------------------------------

    async def send(self, route: RouteLike, body: Body) -> None:
        """Send a message from the address `app`."""
        await self.context.send(route, body)

    @overload
    async def send_and_receive(
        self, route: RouteLike, body: Body, *, reply: type[M], timeout: float | None = ...
    ) -> M: ...
    @overload
    async def send_and_receive(self, route: RouteLike, body: Body, *, timeout: float | None = ...) -> bytes: ...
    async def send_and_receive(
        self,
        route: RouteLike,
        body: Body,
        *,
        reply: type[Any] = bytes,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    ) -> Any:
        """Send a message from a temporary address and return the body of the answer.

        Args:
            reply: how to read the answer: str, bytes, or a class with `decode`.
            timeout: seconds; None waits for ever.

        Raises:
            TimedOut: no answer in time. A message that was refused or dropped on the way looks just like that.
        """
        return await self.context.send_and_receive(route, body, reply=reply, timeout=timeout)

    @overload
    async def receive(self, body_type: type[M], *, timeout: float | None = ...) -> Routed[M]: ...
    @overload
    async def receive(self, *, timeout: float | None = ...) -> Routed[bytes]: ...
    async def receive(
        self, body_type: type[Any] = bytes, *, timeout: float | None = DEFAULT_TIMEOUT_SECONDS
    ) -> Routed[Any]:
        """Return the next message for the address `app`."""
        return await self.context.receive(body_type, timeout=timeout)

    async def start_worker(
        self,
        address: Address | str,
        worker: Worker[Any] | DirectWorker,
        *,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
        additional: Sequence[tuple[Address | str, AccessControl, AccessControl]] = (),
        shutdown_priority: int = DEFAULT_PRIORITY,
    ) -> Address:
        """Start a worker. Messages from outside reach it only once it is a consumer of their flow control."""
        return await self.context.start_worker(
            address,
            worker,
            incoming=incoming,
            outgoing=outgoing,
            additional=additional,
            shutdown_priority=shutdown_priority,
        )

    async def start_processor(
        self,
        address: Address | str,
        processor: Processor,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Address:
        """Start a processor. By default it may neither receive nor send."""
        return await self.context.start_processor(address, processor, incoming=incoming, outgoing=outgoing)

    async def stop_address(self, address: Address | str) -> None:
        """Stop the worker that has this address."""
        await self.context.stop_address(address)

    def new_detached(
        self,
        address: Address | str | None = None,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Context:
        """Return a context with an address of its own."""
        return self.context.new_detached(address, incoming=incoming, outgoing=outgoing)

    def delayed_event(self, destination: RouteLike, body: Body) -> DelayedEvent:
        """Return a message that can be scheduled to be sent later."""
        return self.context.delayed_event(destination, body)

    def list_workers(self) -> list[Address]:
        """Return the primary address of every worker."""
        return self.runtime.workers()

    def statistics(self) -> dict[str, int]:
        """Return counts of what the node holds now."""
        return self.runtime.statistics() | {"secure_channels": len(self.secure_channels.channels)}


class _Started:
    """What a node consists of once it runs."""

    def __init__(
        self, runtime: Runtime, identities: Identities, suite: Suite, persisted: SecureChannelRepository
    ) -> None:
        self.runtime = runtime
        self.identities = identities
        self.context = detached_context(runtime, APP, incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        self.services = ChannelServices(
            runtime, identities, SecureChannelRegistry(), OwnPayloads(identities), suite, persisted
        )
        self._tcp: TcpTransport | None = None

    def tcp(self) -> TcpTransport:
        if self._tcp is None:
            self._tcp = TcpTransport(self.runtime)
        return self._tcp


def _system_clock() -> int:
    return int(time.time())
