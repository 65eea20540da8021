"""The node that programs use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.runtime.context import DEFAULT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from ockam.enrollment.workers.enrollee import Enrollee
    from ockam.enrollment.workers.enroller import Enroller
    from ockam.enrollment.workers.service import EnrollmentService, EnrollmentServiceOptions
    from ockam.identity.identifier import Identifier
    from ockam.node.enrollment import NodeEnrollment
    from ockam.transport.tcp.listener import TcpListener
from ockam.node.channels import NodeChannels
from ockam.node.identities import DEFAULT_CREDENTIAL_TTL_SECONDS, NodeIdentities
from ockam.node.messages import NodeMessages

__all__ = ["DEFAULT_CREDENTIAL_TTL_SECONDS", "Node"]


class Node(NodeIdentities, NodeChannels, NodeMessages):
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
