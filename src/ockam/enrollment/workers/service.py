"""The service on a node: its workers, and what its operator sees and does."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ockam.authority.credential_issuer import CredentialIssuer
from ockam.authority.workers.credential_issuer import CredentialIssuerWorker
from ockam.core.address import Address
from ockam.core.message import Routed, peer_identifier
from ockam.enrollment import service as core
from ockam.enrollment.api import Caller, EnrollmentApi, Role
from ockam.enrollment.api_messages import EnrolleeRecord, ListQuery, PatchRequest
from ockam.enrollment.attributes import RELAY_ATTRIBUTE
from ockam.enrollment.enrollment_bundle import check_routes
from ockam.enrollment.handling import MessageHandler
from ockam.enrollment.pending import DEFAULT_PENDING_SECONDS, IdentifierPrefix, State, pending_expiry
from ockam.enrollment.workers.api_worker import EnrollmentApiWorker
from ockam.enrollment.workers.credential_issuer import issue_to_enrolled
from ockam.enrollment.workers.door import EnrollmentDoor
from ockam.enrollment.workers.events import Changed, Observers
from ockam.enrollment.workers.host import API, CREDENTIAL_ISSUER, ENROLLMENT, ENROLLMENT_SERVICE
from ockam.errors import Misuse, OckamError
from ockam.identity.identifier import Identifier
from ockam.multiaddr import MultiAddr
from ockam.relay.messages import FORWARDING_SERVICE, RELAY_PREFIX, STATIC_FORWARDING_SERVICE
from ockam.relay.workers.service import RelayService, RelayServiceOptions, start_relay_service
from ockam.secure_channel.options import SecureChannelListenerOptions
from ockam.secure_channel.workers.listener import SecureChannelListener
from ockam.transport.host_port import HostPort

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from ockam.core.request import Request, Response
    from ockam.enrollment.prekey_bundle import SecretKey
    from ockam.enrollment.repository import EnrollmentRepository
    from ockam.enrollment.workers.events import ServiceEvent
    from ockam.enrollment.workers.host import Host
    from ockam.transport.tcp.listener import TcpListener

__all__ = ["EnrollmentService", "EnrollmentServiceOptions"]

log = logging.getLogger("ockam.enrollment")

# Chosen by us.
UPKEEP_SECONDS: Final = 60.0
_ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - refused below


@dataclass(frozen=True, slots=True)
class EnrollmentServiceOptions:
    """What the operator chooses.

    Attributes:
        enrollers: identities that may ask for bundles and approve devices; they are added to those stored.
        administrators: identities that see and may do everything, beside the service itself.
        routes: MultiAddrs of the worker `enrollment` for bundles, in order of preference; by default the listener's.
        pending_expires_in: seconds that an approval is good for if nothing else is asked; 0 is for ever.
        credential_ttl: seconds that a device's credential is good for.
        database: of the service's tables: a file of SQLite, or `postgres://user:password@host:port/database`, which
            several services may share (docs/storage.md); by default the node's home or database, or memory.
    """

    enrollers: Sequence[Identifier] = ()
    administrators: Sequence[Identifier] = ()
    routes: Sequence[str] = ()
    pending_expires_in: int = DEFAULT_PENDING_SECONDS
    credential_ttl: int = core.DEFAULT_CREDENTIAL_TTL_SECONDS
    database: str | os.PathLike[str] | None = field(default=None, repr=False)  # there may be a password in it


class EnrollmentService:
    """A running service. Made by `Node.create_enrollment_service`.

    Attributes:
        identifier: of the service.
        bundle_routes: MultiAddrs of the worker `enrollment`.
        enroller_route: MultiAddr for enrollers.
        channels: the listener for enrollers, administrators and devices, at `api`.
        relays: the relay service.
    """

    def __init__(
        self,
        host: Host,
        identifier: Identifier,
        repository: EnrollmentRepository,
        settings: core.ServiceSettings,
        keys: core.ServiceKeys,
        enroller_route: str,
        channels: SecureChannelListener,
    ) -> None:
        self._host = host
        self._repository = repository
        self._observers = Observers()
        self._core = core.EnrollmentService(keys, settings, host.random)
        self._handler = MessageHandler(self._core, repository, self._known_history)
        api = EnrollmentApi(self._core, repository, lambda: asyncio.sleep(0))
        self._api = EnrollmentApiWorker(api, repository, host.identities, identifier, self._observers)
        self._door = EnrollmentDoor(
            host, self._handler, identifier, channels.flow_control_id, self._observers, repository.device_spoke
        )
        self._owner = Caller(identifier, Role.ADMINISTRATOR)
        self._upkeep_task: asyncio.Task[None] | None = None
        self.identifier = identifier
        self.bundle_routes = list(settings.bundle_routes)
        self.enroller_route = enroller_route
        self.channels = channels
        self.relays: RelayService | None = None

    async def start(self, listener: TcpListener) -> None:
        """Start the workers; strangers on `listener` reach `enrollment` alone."""
        context, controls = self._host.context, self._host.runtime.flow_controls
        inside = self.channels.flow_control_id
        issuer = CredentialIssuer(issue_to_enrolled(self._core, self._repository, self._host.runtime.clock))
        await context.start_worker(ENROLLMENT_SERVICE, self._api)
        await context.start_worker(CREDENTIAL_ISSUER, CredentialIssuerWorker(issuer))
        for worker in (ENROLLMENT_SERVICE, CREDENTIAL_ISSUER):
            controls.add_consumer(worker, inside)
        options = RelayServiceOptions(
            prefix=RELAY_PREFIX,
            aliases=(STATIC_FORWARDING_SERVICE,),
            service_consumer_of=(inside,),
            relays_consumer_of=(inside,),
            authorize=self._may_have_relay,
        )
        self.relays = await start_relay_service(context, FORWARDING_SERVICE, options)
        await context.start_worker(ENROLLMENT, self._door)
        # Last: from here on messages come.
        controls.add_consumer(ENROLLMENT, listener.flow_control_id)
        self._upkeep_task = self._host.runtime.new_task(self._upkeep())

    async def close(self) -> None:
        """Take no more messages and requests; channels that are open stay."""
        if self._upkeep_task is not None:
            self._upkeep_task.cancel()
        await self.channels.close()
        for worker in (ENROLLMENT, ENROLLMENT_SERVICE, CREDENTIAL_ISSUER, FORWARDING_SERVICE):
            if self._host.runtime.record_of(Address.local(worker)) is not None:
                await self._host.context.stop_address(worker)

    # ---- what the operator sees --------------------------------------------------------------------------------------

    def on_event(self, observer: Callable[[ServiceEvent], None]) -> Callable[[], None]:
        """Call `observer` with everything that happens from now on; call what is returned to end that."""
        return self._observers.add(observer)

    def statistics(self) -> dict[str, int]:
        """Return counts: messages by what became of them, and what is held in memory."""
        silences = {f"ignored_{reason.name.lower()}": count for reason, count in self._handler.silences.items()}
        door = self._door
        return {
            "received": door.received,
            "answered": door.answered,
            "dropped": door.dropped,
            "waiting_channels": len(door.waiting),
            **self._core.statistics(),
            **silences,
        }

    async def list(
        self, state: State | None = None, name: str | None = None, page: int = 0
    ) -> tuple[EnrolleeRecord, ...]:
        """Return one page of records, oldest first, 100 a page.

        Args:
            state: only these.
            name: only pet names that begin like this.
            page: from 0.
        """
        return await self._repository.list(ListQuery(state, name, page), None, self._host.now())

    async def show(self, enrollment_identifier: str) -> EnrolleeRecord:
        """Return one record, by 20 to 64 hex digits; raise `RecordNotFound` or `AmbiguousIdentifier`."""
        return await self._repository.find(IdentifierPrefix.parse(enrollment_identifier), None, self._host.now())

    # ---- what the operator does --------------------------------------------------------------------------------------

    async def update(
        self, enrollment_identifier: str, *, expires_in: int | None = None, attributes: dict[str, str] | None = None
    ) -> EnrolleeRecord:
        """Extend or relabel a pending record."""
        now = self._host.now()
        pending_expiry(now, expires_in)
        change = PatchRequest(expires_in, attributes)
        prefix = IdentifierPrefix.parse(enrollment_identifier)
        return self._changed(await self._repository.update(prefix, None, change, self.identifier, now))

    async def remove(self, enrollment_identifier: str) -> EnrolleeRecord:
        """Cancel a pending record, revoke an enrolled device."""
        prefix = IdentifierPrefix.parse(enrollment_identifier)
        return self._changed(await self._repository.remove(prefix, None, self.identifier, self._host.now()))

    async def add_enroller(self, identifier: Identifier) -> None:
        """Let an identity ask for bundles and approve devices."""
        await self._repository.add_enroller(identifier, self._host.now())

    async def remove_enroller(self, identifier: Identifier) -> bool:
        """Take that back: its unused bundles are void, its pending records cancelled. False if it was none."""
        return await self._repository.remove_enroller(identifier, self.identifier, self._host.now())

    async def respond(self, request: Request) -> Response:
        """Answer a request of the operator, who may do everything, as the worker `enrollment_service` does."""
        return await self._api.respond(self._owner, request, self._host.now())

    def _changed(self, record: EnrolleeRecord) -> EnrolleeRecord:
        self._observers.tell(Changed(record, self.identifier))
        return record

    # ---- inside ------------------------------------------------------------------------------------------------------

    async def _known_history(self, identifier: Identifier) -> bytes | None:
        known = await self._host.identities.repositories.change_histories.change_history(identifier)
        return None if known is None else known.export()

    async def _may_have_relay(self, message: Routed[str], name: str) -> bool:
        peer = peer_identifier(message)
        if peer is None:
            return False
        identifier = Identifier(peer)
        member = await self._repository.member(identifier)
        if member is not None and member.state is State.REVOKED:
            return False
        entry = await self._host.identities.attributes(identifier, self.identifier)
        return entry is not None and entry.attributes.get(RELAY_ATTRIBUTE.encode()) == name.encode()

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            try:
                await self._repository.purge(self._host.now())
            except OckamError as error:
                log.warning("what has expired could not be purged: %s", error)


async def start_enrollment_service(
    host: Host,
    identifier: Identifier,
    listener: TcpListener,
    options: EnrollmentServiceOptions,
    repository: EnrollmentRepository,
    enrollment_key: SecretKey,
) -> EnrollmentService:
    """Start a service on a node that has nothing at `api` yet; see `Node.create_enrollment_service`."""
    base = _multiaddr_of(listener)
    routes = tuple(options.routes) or (f"{base}/service/{ENROLLMENT}",)
    check_routes(routes)
    if HostPort.parse(listener.socket_address).host in _ANYWHERE:
        if not options.routes:
            raise Misuse("a service that listens on every address must be told the routes to put into bundles")
        base = _transport_of(routes[0])
    identities = host.identities
    keys = core.ServiceKeys(
        await identities.identity(identifier),
        enrollment_key,
        await identities.credential_purpose_key(identifier),
        identities.vault.credential,
        identities.vault.verifying,
    )
    settings = core.ServiceSettings(
        frozenset({identifier, *options.administrators}),
        routes,
        tuple(f"{_transport_of(route)}/secure/{API}" for route in routes),
        options.credential_ttl,
        options.pending_expires_in,
    )
    for enroller in options.enrollers:
        await repository.add_enroller(enroller, host.now())
    await identities.secure_channel_purpose_key(identifier)
    channels = SecureChannelListener(
        host.services,
        identifier,
        Address.local(API),
        SecureChannelListenerOptions(authority=identifier, consumer_of=[listener.flow_control_id]),
    )
    enroller_route = f"{base}/secure/{API}/service/{ENROLLMENT_SERVICE}"
    service = EnrollmentService(host, identifier, repository, settings, keys, enroller_route, channels)
    await service.start(listener)
    return service


def _multiaddr_of(listener: TcpListener) -> str:
    where = HostPort.parse(listener.socket_address)
    return f"/{'ip6' if ':' in where.host else 'ip4'}/{where.host}/tcp/{where.port}"


def _transport_of(route: str) -> str:
    """Return the route without its last worker; in front of it may be relays."""
    return str(MultiAddr(MultiAddr.parse(route).parts[:-1]))
