"""What a node is made of, and its life: started, used, shut down."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ockam.core.access_control import ALLOW_ALL
from ockam.core.address import Address
from ockam.errors import Misuse, Origin
from ockam.identity.identities import Identities
from ockam.portal.workers.streams import open_stream
from ockam.runtime.clock import NodeClock
from ockam.runtime.context import Context, detached_context
from ockam.runtime.router import Runtime
from ockam.secure_channel.noise import AES256_GCM_SHA256, Suite, channel_suite
from ockam.secure_channel.workers.handshake import ChannelServices
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
from ockam.vault.software import (
    MemorySecretsRepository,
    SealedSecretsRepository,
    create_software_vault,
    secrets_are_sealed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.core.flow_control import FlowControls
    from ockam.identity.identifier import Identifier
    from ockam.identity.repository import Repositories
    from ockam.node.enrollment import NodeEnrollment
    from ockam.policy import Policies, ResourceAccessControls, ResourceType
    from ockam.secure_channel.repository import SecureChannelRepository
    from ockam.storage.opening import DatabaseLocation
    from ockam.storage.sql import SqlDatabase
    from ockam.vault.interfaces import SecretsRepository, Vault
    from ockam.vault.software.sealing import SealingKey

__all__ = ["NodeParts"]

APP = Address.local("app")


class NodeParts:
    """The parts of a node, and their life. What can be done with them is in the classes that extend this one."""

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


class _Started:
    """What a node consists of once it runs."""

    def __init__(
        self, runtime: Runtime, identities: Identities, suite: Suite, persisted: SecureChannelRepository
    ) -> None:
        self.runtime = runtime
        self.identities = identities
        self.context = detached_context(runtime, APP, incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        registry = SecureChannelRegistry()
        self.services = ChannelServices(
            runtime,
            identities,
            registry,
            OwnPayloads(identities),
            functools.partial(open_stream, runtime, registry),
            suite,
            persisted,
        )
        self._tcp: TcpTransport | None = None

    def tcp(self) -> TcpTransport:
        if self._tcp is None:
            self._tcp = TcpTransport(self.runtime)
        return self._tcp


def _system_clock() -> int:
    return int(time.time())
