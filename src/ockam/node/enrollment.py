"""Enrollment on a node: its three parties, put together with the node's identities, transports and disk."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Final

from ockam.enrollment.prekey_bundle import SecretKey
from ockam.enrollment.secrets import EnrollmentSecrets
from ockam.enrollment.workers import enrollee, enroller
from ockam.enrollment.workers.host import Host
from ockam.enrollment.workers.service import EnrollmentServiceOptions, start_enrollment_service
from ockam.identity.identities import Identities
from ockam.portal.workers.streams import open_stream
from ockam.secure_channel.workers.handshake import ChannelServices
from ockam.secure_channel.workers.own_payload import OwnPayloads
from ockam.secure_channel.workers.registry import SecureChannelRegistry
from ockam.storage.database import Database
from ockam.storage.memory import create_memory_repositories
from ockam.storage.opening import open_database
from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository
from ockam.storage.sqlite.enrollment_local import SqliteDeviceStateRepository, SqliteEnrollerRepository
from ockam.storage.sqlite.vault import SqliteSecretsRepository
from ockam.vault.software import create_software_vault

if TYPE_CHECKING:
    import os

    from ockam.enrollment.workers.enrollee import Enrollee
    from ockam.enrollment.workers.enroller import Enroller
    from ockam.enrollment.workers.service import EnrollmentService
    from ockam.identity.identifier import Identifier
    from ockam.node.node import Node
    from ockam.storage.sql import SqlDatabase
    from ockam.transport.tcp.listener import TcpListener
    from ockam.transport.tcp.transport import TcpTransport

DEVICE_STORAGE: Final = b"device storage"
"""Names the secret under which the state of a device is sealed."""

__all__ = ["NodeEnrollment"]


class NodeEnrollment:
    """What a node needs to be a service, an enroller or a device. Made when first used.

    Args:
        node: started.
        tcp: its transport.
    """

    def __init__(self, node: Node, tcp: TcpTransport) -> None:
        self._node = node
        self._memory: Database | None = None
        self._opened: list[SqlDatabase] = []
        self._host = Host(node.context, node.channel_services, tcp, node.clock, node.random, self._fresh_services)

    async def create_service(
        self, identifier: Identifier, listener: TcpListener, options: EnrollmentServiceOptions | None
    ) -> EnrollmentService:
        """Start a service; see `Node.create_enrollment_service`."""
        options = options or EnrollmentServiceOptions()
        database = self._database() if options.database is None else await self._open(options.database)
        # Keys stay where the node's own are: whoever copies the service's tables does not get them as well.
        secrets = EnrollmentSecrets(
            SqliteSecretsRepository(database) if self._node.database is None else self._node.secrets,
            self._node.random,
        )
        owner = identifier.value
        key = await secrets.secret(b"service storage " + owner)
        repository = SqliteEnrollmentRepository(database, key, self._node.random)
        enrollment_key = SecretKey(await secrets.secret(b"service enrollment identity key " + owner))
        return await start_enrollment_service(self._host, identifier, listener, options, repository, enrollment_key)

    async def create_enroller(
        self, identifier: Identifier, to: str | None, service: Identifier | None, timeout: float
    ) -> Enroller:
        """Make an enroller; see `Node.create_enroller`."""
        repository = SqliteEnrollerRepository(self._database())
        return await enroller.create_enroller(self._host, repository, identifier, to, service, timeout)

    async def create_enrollee(self, name: str | None, service: Identifier | None) -> Enrollee:
        """Make a device; see `Node.create_enrollee`."""
        database = self._database()
        key = await EnrollmentSecrets(self._node.secrets, self._node.random).secret(DEVICE_STORAGE)
        repository = SqliteDeviceStateRepository(database, key, self._node.random)
        return await enrollee.create_enrollee(self._host, repository, name, service)

    def close(self) -> None:
        """Close the databases that are not the home's."""
        for database in self._opened:
            database.close()
        self._opened.clear()
        self._memory = None

    def _database(self) -> SqlDatabase:
        if self._node.database is not None:
            return self._node.database
        if self._memory is None:
            self._memory = Database(None)
            self._opened.append(self._memory)
        return self._memory

    async def _open(self, where: str | os.PathLike[str]) -> SqlDatabase:
        database = await asyncio.to_thread(open_database, where)
        self._opened.append(database)
        return database

    def _fresh_services(self) -> ChannelServices:
        services = self._node.channel_services
        vault = create_software_vault(None, self._node.random)
        identities = Identities(vault, create_memory_repositories(), services.identities.now)
        registry = SecureChannelRegistry()
        return ChannelServices(
            services.runtime,
            identities,
            registry,
            OwnPayloads(identities),
            functools.partial(open_stream, services.runtime, registry),
            services.suite,
        )
