"""The node, blocking."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from ockam.core.access_control import ALLOW_ALL, DENY_ALL, AccessControl
from ockam.errors import Misuse, Origin
from ockam.node.node import DEFAULT_CREDENTIAL_TTL_SECONDS
from ockam.node.node import Node as AsynchronousNode
from ockam.portal.workers.streams import DEFAULT_LIMIT_BYTES, MAX_STREAMS
from ockam.runtime.context import DEFAULT_TIMEOUT_SECONDS
from ockam.runtime.lifecycle import DEFAULT_PRIORITY
from ockam.secure_channel.noise import AES256_GCM_SHA256
from ockam.storage.sqlite.identity import DEFAULT_NODE_NAME
from ockam.sync.context import Context
from ockam.sync.handles import (
    FlowControls,
    RemoteRelay,
    SecureChannel,
    SecureChannelListener,
    TcpTransport,
)
from ockam.sync.loop_thread import LoopThread
from ockam.sync.stream import ClientConnected, Stream, StreamServer
from ockam.sync.worker import DEFAULT_WORKER_THREADS, Worker, WorkerThreads
from ockam.vault.interfaces import SigningKeyType

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from ockam.authority.members import Members
    from ockam.core.address import Address
    from ockam.core.flow_control import FlowControlId
    from ockam.core.message import Body, Routed
    from ockam.core.route import RouteLike
    from ockam.identity.change_history import Comparison
    from ockam.identity.credential_retriever import RefreshTiming
    from ockam.identity.identifier import Identifier
    from ockam.identity.purpose_key import PurposeKeyAttestationData
    from ockam.identity.repository import Repositories
    from ockam.identity.verification import VerifiedCredential
    from ockam.policy import ResourceAccessControls, ResourceType
    from ockam.relay.workers.service import RelayService, RelayServiceOptions
    from ockam.runtime.worker import DirectWorker, Processor
    from ockam.runtime.worker import Worker as AsynchronousWorker
    from ockam.secure_channel.noise import Suite
    from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
    from ockam.secure_channel.workers.remote_credential import RemoteCredentialRetriever
    from ockam.storage.opening import DatabaseLocation
    from ockam.vault.interfaces import SigningKeyHandle, SigningSecret, Vault
    from ockam.vault.software.sealing import SealingKey

__all__ = ["Node"]

M = TypeVar("M")
P = ParamSpec("P")
T = TypeVar("T")


class Node:
    """`ockam.Node`, blocking: its methods have the same names and arguments, wait, and raise the same errors.

        with Node() as node:
            ...

    They may be called from any thread, also from handlers of `ockam.sync.Worker`; from the node's own loop they raise
    `Misuse`, for they would wait for themselves. In a thread that runs another event loop, as notebooks do, they work,
    and that loop waits, as for anything that blocks. Ctrl-C cancels what is under way.

    Args:
        home: directory of the node: identities, keys and what else must survive a restart.
        database: where the node's data is, in place of `home`.
        node_name: of this node among those that share a database.
        storage: repositories of your own, in place of `home`.
        vault: a vault of your own.
        clock: seconds since 1970, UTC; for tests.
        random: returns so many random bytes; for tests.
        suite: of all secure channels of the node; see `ockam.Node`.
        sealing_key: seals the secrets in the home or database; see `ockam.Node`.
        worker_threads: at most so many handlers of workers and stream servers run, or wait for something, at once.
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
        worker_threads: int = DEFAULT_WORKER_THREADS,
    ) -> None:
        self._node = AsynchronousNode(
            home=home,
            database=database,
            node_name=node_name,
            storage=storage,
            vault=vault,
            clock=clock,
            random=random,
            suite=suite,
            sealing_key=sealing_key,
        )
        self._loop = LoopThread()
        self._threads = WorkerThreads(worker_threads)
        self._is_started = False
        self._context: Context | None = None

    # ---- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the node (`with` does).

        Raises:
            HomeInUse: another process has the home open.
            StorageError: the home cannot be opened.
        """
        if self._is_started:
            raise Misuse("the node was started already", origin=Origin.NODE)
        self._is_started = True
        try:
            self._loop.start()
            self._loop.run(self._node.start)
            self._context = Context(self._loop, self._threads, self._loop.call(lambda: self._node.context))
        except BaseException:
            self.shutdown()
            raise

    def shutdown(self, timeout: float = 1.0) -> None:
        """Stop every worker, close the home, and end the node's threads. Twice is allowed.

        Raises:
            Misuse: called by a handler, which would wait for itself.
        """
        self._threads.check_not_own()
        try:
            if self._loop.is_running:
                self._loop.run(lambda: self._node.shutdown(timeout))
        finally:
            self._loop.close()
            self._threads.close()

    def close(self) -> None:
        """`shutdown`, under the name that `contextlib.closing` knows."""
        self.shutdown()

    def wait_stopped(self) -> None:
        """Wait until the node has been shut down, by another thread or by a worker; or for Ctrl-C."""
        self._loop.run(self._node.wait_stopped)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    # ---- parts -------------------------------------------------------------------------------------------------------

    @property
    def asynchronous(self) -> AsynchronousNode:
        """The node itself, for `run`: what has no blocking form here is to be used on its loop only."""
        return self._node

    def run(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await a coroutine function on the node's loop: `node.run(node.asynchronous.create_enrollee, "robot")`."""
        return self._loop.run(lambda: function(*args, **kwargs))

    @property
    def context(self) -> Context:
        """The node's own context, at the address `app`."""
        if self._context is None:
            raise Misuse("the node is not started: use `with Node() as node`", origin=Origin.NODE)
        return self._context

    @property
    def flow_controls(self) -> FlowControls:
        """Which workers are open to which sources of messages from outside."""
        return self.context.flow_controls

    # ---- identities --------------------------------------------------------------------------------------------------

    def create_identity(
        self, name: str | None = None, *, key_type: SigningKeyType = SigningKeyType.ED25519
    ) -> Identifier:
        """Make a new identity.

        Raises:
            AlreadyExists: the name is taken.
        """
        return self._loop.run(lambda: self._node.create_identity(name, key_type=key_type))

    def identity_named(self, name: str) -> Identifier | None:
        """Return the identity of that name on this node."""
        return self._loop.run(lambda: self._node.identity_named(name))

    def ensure_identity(self, name: str) -> Identifier:
        """Return the identity of that name on this node; make it if there is none."""
        return self._loop.run(lambda: self._node.ensure_identity(name))

    def import_identity(self, change_history: bytes, expected: Identifier | None = None) -> Identifier:
        """Verify the change history of another identity, and keep it.

        Raises:
            OckamError: it does not verify, is older than or in conflict with what is known, or of another identity.
        """
        return self._loop.run(lambda: self._node.import_identity(change_history, expected))

    def export_identity(self, identifier: Identifier) -> bytes:
        """Return the change history of a known identity: public, and all that others need to know it."""
        return self._loop.run(lambda: self._node.export_identity(identifier))

    def import_identity_hex(self, change_history: str, expected: Identifier | None = None) -> Identifier:
        """Like `import_identity`, of hexadecimal text in either case."""
        return self._loop.run(lambda: self._node.import_identity_hex(change_history, expected))

    def export_identity_hex(self, identifier: Identifier) -> str:
        """Like `export_identity`, as lower-case hexadecimal text."""
        return self._loop.run(lambda: self._node.export_identity_hex(identifier))

    def import_private_identity(
        self, change_history: bytes, key: SigningKeyHandle | SigningSecret, expected: Identifier | None = None
    ) -> Identifier:
        """Be an identity that was made elsewhere.

        Raises:
            WrongSecretKey: it is not the key of its latest change; the history is stored all the same.
            Misuse: the vault takes no secrets.
            OckamError: the history does not verify, or is older than or in conflict with what is known.
        """
        return self._loop.run(lambda: self._node.import_private_identity(change_history, key, expected))

    def rotate_identity(
        self,
        identifier: Identifier,
        *,
        key_type: SigningKeyType = SigningKeyType.ED25519,
        revoke_all_purpose_keys: bool = False,
    ) -> bytes:
        """Give one of our identities a new primary key, and return its change history, longer by one change.

        Raises:
            OckamError: not one of our identities.
        """
        return self._loop.run(
            lambda: self._node.rotate_identity(
                identifier, key_type=key_type, revoke_all_purpose_keys=revoke_all_purpose_keys
            )
        )

    def create_secure_channel_key(self, identifier: Identifier) -> None:
        """Have one of our identities attest its key for channels now, if it has none that is valid.

        Raises:
            OckamError: not one of our identities, or its primary key cannot attest now.
        """
        return self._loop.run(lambda: self._node.create_secure_channel_key(identifier))

    def compare_identity(self, change_history: bytes) -> Comparison:
        """Verify a change history, and return how it relates to what is known of the same identity; nothing is stored.

        Raises:
            IdentityNotFound: nothing is known of it.
            OckamError: it does not verify.
        """
        return self._loop.run(lambda: self._node.compare_identity(change_history))

    def verify_purpose_key_attestation(self, attestation: bytes, subject: Identifier) -> PurposeKeyAttestationData:
        """Return what an attestation says, once it is verified; the subject must be known.

        Raises:
            OckamError: it does not verify.
        """
        return self._loop.run(lambda: self._node.verify_purpose_key_attestation(attestation, subject))

    def issue_credential(
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
        return self._loop.run(lambda: self._node.issue_credential(issuer, subject, attributes, ttl_seconds=ttl_seconds))

    def verify_credential(
        self, credential_and_purpose_key: bytes, subject: Identifier, authorities: Sequence[Identifier]
    ) -> VerifiedCredential:
        """Return what a credential says about `subject`, once it is verified.

        Raises:
            OckamError: it does not verify.
        """
        return self._loop.run(lambda: self._node.verify_credential(credential_and_purpose_key, subject, authorities))

    def create_policy_access_controls(
        self,
        name: str,
        resource_type: ResourceType,
        *,
        authority: Identifier | None = None,
        allow: str | None = None,
    ) -> ResourceAccessControls:
        """Return access controls that ask the node's policies for each message: pass them to `start_worker`.

        Raises:
            PolicyParseError: `allow` is no policy.
            StorageError: it was not stored.
        """
        return self._loop.run(
            lambda: self._node.create_policy_access_controls(name, resource_type, authority=authority, allow=allow)
        )

    def create_credential_issuer(
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

        Raises:
            AddressInUse: a worker has that address.
            OckamError: the issuer is not ours.
        """
        return self._loop.run(
            lambda: self._node.create_credential_issuer(
                issuer, members, address, ttl_seconds=ttl_seconds, consumer_of=consumer_of, incoming=incoming
            )
        )

    def create_credential_retriever(
        self,
        subject: Identifier,
        issuer: Identifier,
        route: RouteLike,
        *,
        service: str = "credential_issuer",
        scope: str = "credential_issuer",
        timing: RefreshTiming | None = None,
    ) -> RemoteCredentialRetriever:
        """Return what asks an authority for credentials; for `SecureChannelOptions(credential_retriever=...)`."""
        return self._loop.run(
            lambda: self._node.create_credential_retriever(
                subject, issuer, route, service=service, scope=scope, timing=timing
            )
        )

    # ---- transports and channels -------------------------------------------------------------------------------------

    def create_tcp_transport(self) -> TcpTransport:
        """Return the node's TCP transport."""
        return TcpTransport(self._loop, self._loop.run(self._node.create_tcp_transport))

    def create_secure_channel_listener(
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
        listener = self._loop.run(lambda: self._node.create_secure_channel_listener(identifier, address, options))
        return SecureChannelListener(self._loop, listener)

    def create_secure_channel(
        self, identifier: Identifier, route: RouteLike, options: SecureChannelOptions | None = None
    ) -> SecureChannel:
        """Open a channel, as one of our identities, to the listener at the end of `route`.

        Raises:
            TimedOut: nobody answered in time, or the other side refused without a word.
            OckamError: the listener did not pass one of our checks.
        """
        channel = self._loop.run(lambda: self._node.create_secure_channel(identifier, route, options))
        return SecureChannel(self._loop, channel)

    def create_relay_service(
        self, options: RelayServiceOptions | None = None, address: str = "forwarding_service"
    ) -> RelayService:
        """Let other nodes register relays here."""
        return self._loop.run(lambda: self._node.create_relay_service(options, address))

    def create_relay(
        self, relay_node: RouteLike, name: str | None = None, *, timeout: float = DEFAULT_TIMEOUT_SECONDS
    ) -> RemoteRelay:
        """Register at the relay service of the node at the end of `relay_node`.

        Raises:
            TimedOut: the service did not confirm in `timeout` seconds; one that refuses says nothing.
        """
        relay = self._loop.run(lambda: self._node.create_relay(relay_node, name, timeout=timeout))
        return RemoteRelay(self._loop, relay)

    # ---- streams -----------------------------------------------------------------------------------------------------

    def open_stream(
        self,
        route: RouteLike,
        *,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        limit: int = DEFAULT_LIMIT_BYTES,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
    ) -> Stream:
        """Open a byte stream, used like a connected socket, to the stream server or outlet at the end of `route`.

        Raises:
            TimedOut: no confirmation in time. One that refuses may say nothing.
            StreamRefused: the other end does not take the stream.
        """
        reader, writer = self._loop.run(
            lambda: self._node.open_stream(route, timeout=timeout, limit=limit, incoming=incoming, outgoing=outgoing)
        )
        return Stream(self._loop, reader, writer)

    def start_stream_server(
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
        """Take byte streams in at `address`; `client_connected` is called in a thread with each.

        When it returns, or raises, its stream is closed.

        Raises:
            AddressInUse: a worker has that address.
        """

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            stream = Stream(self._loop, reader, writer)
            try:
                await self._threads.run(client_connected, stream)
            finally:
                writer.close()

        server = self._loop.run(
            lambda: self._node.start_stream_server(
                address,
                connected,
                consumer_of=consumer_of,
                incoming=incoming,
                outgoing=outgoing,
                limit=limit,
                max_streams=max_streams,
            )
        )
        return StreamServer(self._loop, server)

    # ---- messages and workers ----------------------------------------------------------------------------------------

    def send(self, route: RouteLike, body: Body) -> None:
        """Send a message from the address `app`."""
        self.context.send(route, body)

    @overload
    def send_and_receive(self, route: RouteLike, body: Body, *, reply: type[M], timeout: float | None = ...) -> M: ...
    @overload
    def send_and_receive(self, route: RouteLike, body: Body, *, timeout: float | None = ...) -> bytes: ...
    def send_and_receive(
        self,
        route: RouteLike,
        body: Body,
        *,
        reply: type[Any] = bytes,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    ) -> Any:
        """Send a message from a temporary address and return the body of the answer.

        Raises:
            TimedOut: no answer in time. A message that was refused or dropped on the way looks just like that.
        """
        return self.context.send_and_receive(route, body, reply=reply, timeout=timeout)

    @overload
    def receive(self, body_type: type[M], *, timeout: float | None = ...) -> Routed[M]: ...
    @overload
    def receive(self, *, timeout: float | None = ...) -> Routed[bytes]: ...
    def receive(self, body_type: type[Any] = bytes, *, timeout: float | None = DEFAULT_TIMEOUT_SECONDS) -> Routed[Any]:
        """Return the next message for the address `app`."""
        return self.context.receive(body_type, timeout=timeout)

    def start_worker(
        self,
        address: Address | str,
        worker: Worker[Any] | AsynchronousWorker[Any] | DirectWorker,
        *,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
        additional: Sequence[tuple[Address | str, AccessControl, AccessControl]] = (),
        shutdown_priority: int = DEFAULT_PRIORITY,
    ) -> Address:
        """Start a worker: one of `ockam.sync`, with plain functions, in threads; one of `ockam` on the loop."""
        return self.context.start_worker(
            address,
            worker,
            incoming=incoming,
            outgoing=outgoing,
            additional=additional,
            shutdown_priority=shutdown_priority,
        )

    def start_processor(
        self,
        address: Address | str,
        processor: Processor,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Address:
        """Start a processor, on the loop. By default it may neither receive nor send."""
        return self.context.start_processor(address, processor, incoming=incoming, outgoing=outgoing)

    def stop_address(self, address: Address | str) -> None:
        """Stop the worker that has this address."""
        self.context.stop_address(address)

    def new_detached(
        self,
        address: Address | str | None = None,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Context:
        """Return a context with an address of its own."""
        return self.context.new_detached(address, incoming=incoming, outgoing=outgoing)

    def list_workers(self) -> list[Address]:
        """Return the primary address of every worker."""
        return self.context.list_workers()

    def statistics(self) -> dict[str, int]:
        """Return counts of what the node holds now."""
        return self._loop.call(self._node.statistics)
