"""Enrollment on a node: its three parties, put together with the node's identities, transports and disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ockam.enrollment.prekey_bundle import SecretKey
from ockam.enrollment.workers import enrollee, enroller
from ockam.enrollment.workers.host import Host
from ockam.enrollment.workers.service import EnrollmentServiceOptions, start_enrollment_service
from ockam.errors import Misuse, Origin
from ockam.identity.identities import Identities
from ockam.secure_channel.workers.handshake import ChannelServices
from ockam.secure_channel.workers.own_payload import OwnPayloads
from ockam.secure_channel.workers.registry import SecureChannelRegistry
from ockam.storage.database import Database
from ockam.storage.memory import create_memory_repositories
from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository
from ockam.storage.sqlite.enrollment_local import SqliteDeviceStateRepository, SqliteEnrollerRepository
from ockam.storage.sqlite.enrollment_secrets import SqliteEnrollmentSecrets
from ockam.vault.software import create_software_vault

if TYPE_CHECKING:
    from ockam.enrollment.workers.enrollee import Enrollee
    from ockam.enrollment.workers.enroller import Enroller
    from ockam.enrollment.workers.service import EnrollmentService
    from ockam.identity.identifier import Identifier
    from ockam.node.node import Node
    from ockam.transport.tcp.listener import TcpListener
    from ockam.transport.tcp.transport import TcpTransport

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
        self._opened: list[Database] = []
        self._host = Host(node.context, node.channel_services, tcp, node.clock, node.random, self._fresh_services)

    async def create_service(
        self, identifier: Identifier, listener: TcpListener, options: EnrollmentServiceOptions | None
    ) -> EnrollmentService:
        """Start a service; see `Node.create_enrollment_service`."""
        options = options or EnrollmentServiceOptions()
        database = self._database() if options.database is None else self._open(options.database)
        # Where the node has a home, keys stay in it: whoever copies the service's tables does not get them as well.
        secrets = SqliteEnrollmentSecrets(self._home_database() or database, self._node.random)
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
        key = await SqliteEnrollmentSecrets(database, self._node.random).secret(b"device storage")
        repository = SqliteDeviceStateRepository(database, key, self._node.random)
        return await enrollee.create_enrollee(self._host, repository, name, service)

    def close(self) -> None:
        """Close the databases that are not the home's."""
        for database in self._opened:
            database.close()
        self._opened.clear()
        self._memory = None

    def _home_database(self) -> Database | None:
        home = self._node.home
        return None if home is None else home.database

    def _database(self) -> Database:
        home = self._home_database()
        if home is not None:
            return home
        if self._memory is None:
            self._memory = Database(None)
            self._opened.append(self._memory)
        return self._memory

    def _open(self, url: str | os.PathLike[str]) -> Database:
        text = os.fspath(url)
        scheme, colon, rest = text.partition("://")
        if colon and scheme != "sqlite":
            raise Misuse(f"{scheme}: a database of this kind is not supported yet; give a file", origin=Origin.NODE)
        database = Database(rest if colon else text.removeprefix("sqlite:"))
        self._opened.append(database)
        return database

    def _fresh_services(self) -> ChannelServices:
        services = self._node.channel_services
        vault = create_software_vault(None, self._node.random)
        identities = Identities(vault, create_memory_repositories(), services.identities.now)
        return ChannelServices(services.runtime, identities, SecureChannelRegistry(), OwnPayloads(identities))
