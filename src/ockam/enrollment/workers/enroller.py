"""The enroller: asks a service for bundles, approves devices, keeps what it cannot send yet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ockam.core.request import Method, Response, Status
from ockam.enrollment.api_messages import (
    ApprovalEntry,
    ApprovalRequest,
    BundlesRequest,
    EnrolleeRecord,
    ListQuery,
    PatchRequest,
    decode_bundles,
    decode_records,
)
from ockam.enrollment.enroller import OfferState, QueuedOffer, accept_bundles, next_batch
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.errors import (
    Forbidden,
    NoBundleLeft,
    RecordConflict,
    RecordNotFound,
    RequestRefused,
    ServiceUnreachable,
    WrongService,
)
from ockam.enrollment.messages import EnrolleeOffer
from ockam.enrollment.pending import MAX_ENTRIES_PER_REQUEST, State
from ockam.enrollment.workers.host import service_way
from ockam.enrollment.workers.station import EnrollerStation
from ockam.errors import Misuse, TimedOut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from ockam.enrollment.enroller import CachedBundle, EnrollerRepository
    from ockam.enrollment.workers.host import Host, OpenChannel
    from ockam.identity.identifier import Identifier
    from ockam.transport.tcp.listener import TcpListener

__all__ = ["Enroller", "Flushed"]

# Chosen by us.
REQUEST_ID_SIZE: Final = 16
STATION_REQUEST_COUNT: Final = 10
"""Bundles a station asks for when it has none left."""

_REFUSALS: Final[dict[Status | None, type[RequestRefused]]] = {
    Status.NOT_FOUND: RecordNotFound,
    Status.CONFLICT: RecordConflict,
    Status.FORBIDDEN: Forbidden,
}


@dataclass(frozen=True, slots=True)
class Flushed:
    """What became of queued offers.

    Attributes:
        approved: records, in the order of queueing.
        refused: offers that the service will not take, each with its `reason`.
    """

    approved: tuple[EnrolleeRecord, ...]
    refused: tuple[QueuedOffer, ...]


class OfflineEnroller(Misuse):
    """This enroller was not told where its service is."""


class Enroller:
    """An enroller of one service. Made by `Node.create_enroller`; it connects when it first has to.

    Attributes:
        identifier: as whom it asks; the service must know it as an enroller.
        service: whose bundles are accepted; None until the first connection pins it.
    """

    def __init__(
        self,
        host: Host,
        repository: EnrollerRepository,
        identifier: Identifier,
        to: str | None,
        service: Identifier | None,
        timeout: float,
    ) -> None:
        self._host = host
        self._repository = repository
        self._to = to
        self._way = None if to is None else service_way(to)
        self._timeout = timeout
        self._open: OpenChannel | None = None
        self._opening = asyncio.Lock()
        self._flushing = asyncio.Lock()
        self.identifier = identifier
        self.service = service

    async def close(self) -> None:
        """Close the channel to the service."""
        if self._open is not None:
            await self._open.close()

    # ---- bundles -----------------------------------------------------------------------------------------------------

    async def request_bundles(self, count: int, expires_in: int | None = None) -> list[SignedEnrollmentBundle]:
        """Ask for bundles to hand out, one to each device; verify and store them. Our station leaves these alone.

        Args:
            count: 1 to 1000.
            expires_in: seconds; None: seven days.

        Raises:
            ServiceUnreachable: no connection, or no answer.
            RequestRefused: the service says no, and why.
            BundleRefused: a bundle does not hold; none is kept.
        """
        received, cached = await self._bundles(count, expires_in)
        now = self._host.now()
        await self._repository.add_bundles([replace(bundle, handed_at=now) for bundle in cached])
        return received

    async def stock_bundles(self, count: int, expires_in: int | None = None) -> tuple[CachedBundle, ...]:
        """Ask for bundles that `take_bundle` and the station hand out later; else as `request_bundles`."""
        _, cached = await self._bundles(count, expires_in)
        await self._repository.add_bundles(cached)
        return cached

    async def _bundles(
        self, count: int, expires_in: int | None
    ) -> tuple[list[SignedEnrollmentBundle], tuple[CachedBundle, ...]]:
        # The same id, should the answer be lost on the way and the request made again.
        body = BundlesRequest(count, expires_in, self._host.random(REQUEST_ID_SIZE)).encode()
        answer = await self._ask(Method.POST, "/bundles", body, again=True)
        received = decode_bundles(answer)
        verifier = self._host.identities.vault.verifying
        return list(received), accept_bundles(received, self._host.now(), verifier, self.service)

    async def bundles(self) -> tuple[CachedBundle, ...]:
        """Return the bundles that are here, soonest expiry first."""
        return await self._repository.bundles()

    async def take_bundle(self, offer: EnrolleeOffer) -> SignedEnrollmentBundle:
        """Return a bundle for a device: the same again for the same device; ask the service if there is none.

        Raises:
            NoBundleLeft: neither here nor to be had now.
        """
        identifier = offer.enrollment_identifier
        taken = await self._repository.take_bundle(identifier, self._host.now())
        if taken is None:
            try:
                await self.stock_bundles(STATION_REQUEST_COUNT)
            except (ServiceUnreachable, RequestRefused, OfflineEnroller) as error:
                raise NoBundleLeft from error
            taken = await self._repository.take_bundle(identifier, self._host.now())
        if taken is None:
            raise NoBundleLeft
        return SignedEnrollmentBundle.decode(taken.signed)

    # ---- approvals ---------------------------------------------------------------------------------------------------

    async def approve(
        self,
        offers: Iterable[EnrolleeOffer | str],
        *,
        attributes: Mapping[str, str] | None = None,
        expires_in: int | None = None,
    ) -> list[EnrolleeRecord]:
        """Approve devices now; again is allowed. Up to 1000 at once are approved together or not at all.

        Args:
            offers: as the devices showed them.
            attributes: for their credentials.
            expires_in: seconds; None: the service's default; 0: never.

        Raises:
            ServiceUnreachable: `queue` keeps them for later.
            RequestRefused: the service says no, and why.
        """
        return await self._approve(_entries(offers, attributes, expires_in))

    async def queue(
        self,
        offers: Iterable[EnrolleeOffer | str],
        *,
        attributes: Mapping[str, str] | None = None,
        expires_in: int | None = None,
    ) -> list[QueuedOffer]:
        """Keep approvals on the disk until `flush_queue` can send them. Arguments as of `approve`."""
        queued = [QueuedOffer(entry, self._host.now()) for entry in _entries(offers, attributes, expires_in)]
        for offer in queued:
            await self._repository.queue_offer(offer)
        return queued

    async def queued(self) -> tuple[QueuedOffer, ...]:
        """Return the approvals that wait."""
        return await self._repository.offers(OfferState.QUEUED)

    async def flush_queue(self) -> Flushed:
        """Send what waits; what the service refuses leaves the queue with its reason.

        Raises:
            ServiceUnreachable: the rest stays queued.
        """
        approved: list[EnrolleeRecord] = []
        refused: list[QueuedOffer] = []
        async with self._flushing:
            while batch := next_batch(await self._repository.offers(OfferState.QUEUED)):
                try:
                    approved += await self._approve([offer.entry for offer in batch])
                    outcome = [offer.approved() for offer in batch]
                except RequestRefused as error:
                    if len(batch) == 1:
                        outcome = [batch[0].refused(error.message)]
                    else:
                        outcome = await self._one_by_one(batch, approved)
                for offer in outcome:
                    await self._repository.update_offer(offer)
                refused += [offer for offer in outcome if offer.state is OfferState.REFUSED]
        return Flushed(tuple(approved), tuple(refused))

    async def _one_by_one(self, batch: tuple[QueuedOffer, ...], approved: list[EnrolleeRecord]) -> list[QueuedOffer]:
        # One bad offer must not hold up the others, which are refused together with it.
        outcome: list[QueuedOffer] = []
        for offer in batch:
            try:
                approved += await self._approve([offer.entry])
                outcome.append(offer.approved())
            except RequestRefused as error:
                outcome.append(offer.refused(error.message))
        return outcome

    async def _approve(self, entries: list[ApprovalEntry]) -> list[EnrolleeRecord]:
        records: list[EnrolleeRecord] = []
        for start in range(0, len(entries), MAX_ENTRIES_PER_REQUEST):
            request = ApprovalRequest(tuple(entries[start : start + MAX_ENTRIES_PER_REQUEST]))
            records += decode_records(await self._ask(Method.POST, "/enrollees", request.encode(), again=True))
        return records

    # ---- records -----------------------------------------------------------------------------------------------------

    async def list(
        self, state: State | None = None, name: str | None = None, page: int = 0
    ) -> tuple[EnrolleeRecord, ...]:
        """Return one page of the records this enroller added, oldest first, 100 a page."""
        return decode_records(await self._ask(Method.GET, ListQuery(state, name, page).path))

    async def show(self, enrollment_identifier: str) -> EnrolleeRecord:
        """Return one record, by 20 to 64 hex digits; raise `RecordNotFound` or `RecordConflict`."""
        return EnrolleeRecord.decode(await self._ask(Method.GET, f"/enrollees/{enrollment_identifier}"))

    async def update(
        self,
        enrollment_identifier: str,
        *,
        expires_in: int | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> EnrolleeRecord:
        """Extend or relabel a pending record."""
        body = PatchRequest(expires_in, None if attributes is None else dict(attributes)).encode()
        return EnrolleeRecord.decode(await self._ask(Method.PATCH, f"/enrollees/{enrollment_identifier}", body))

    async def extend(self, enrollment_identifier: str, expires_in: int) -> EnrolleeRecord:
        """Let a pending record expire so many seconds from now; 0: never."""
        return await self.update(enrollment_identifier, expires_in=expires_in)

    async def cancel(self, enrollment_identifier: str) -> EnrolleeRecord:
        """Cancel a pending record, revoke an enrolled device."""
        return EnrolleeRecord.decode(await self._ask(Method.DELETE, f"/enrollees/{enrollment_identifier}"))

    # ---- the local link ----------------------------------------------------------------------------------------------

    async def start_station(
        self,
        listener: TcpListener,
        *,
        confirm: Callable[[str, EnrolleeOffer], Awaitable[bool]],
        attributes: Mapping[str, str] | None = None,
        expires_in: int | None = None,
        approve: bool = True,
    ) -> EnrollerStation:
        """Serve devices on a local link: take offers, hand out bundles, forward approvals.

        Args:
            listener: where devices connect.
            confirm: asked with the six digits, which the device shows as well; False ends the link.
            attributes: for the devices' credentials.
            expires_in: of the approvals, seconds.
            approve: False only hands out bundles; approve the offers yourself.

        Raises:
            AddressInUse: this node has a listener for channels, or a station, already.
        """
        given = dict(attributes or {})
        station = EnrollerStation(self._host, self, confirm, given, expires_in, approve=approve)
        await station.start(listener)
        return station

    # ---- requests ----------------------------------------------------------------------------------------------------

    async def request(self, method: Method, path: str, body: bytes | None = None) -> bytes:
        """Ask the service anything; return the body of its answer.

        Raises:
            ServiceUnreachable: no connection, or no answer.
            RequestRefused: the service says no, and why.
        """
        return await self._ask(method, path, body)

    async def wait_connected(self) -> Identifier:
        """Connect, if that has not been done, and return the service's identifier, which is pinned now."""
        await self._channel()
        assert self.service is not None  # pinned with the first channel
        return self.service

    async def _ask(self, method: Method, path: str, body: bytes | None = None, *, again: bool = False) -> bytes:
        try:
            return await self._ask_once(method, path, body)
        except ServiceUnreachable:
            if not again or self._open is None:
                raise
        # The channel was there and has died, perhaps with the answer: these requests may be made twice.
        return await self._ask_once(method, path, body)

    async def _ask_once(self, method: Method, path: str, body: bytes | None) -> bytes:
        opened = await self._channel()
        assert self._way is not None  # `_channel` raises without one
        try:
            response = await self._host.ask(opened.channel, self._way[1], method, path, body, self._timeout)
        except TimedOut as error:
            await opened.close()
            raise ServiceUnreachable(
                f"the service did not answer in {self._timeout:g} s. Is {self.identifier} one of its enrollers?"
            ) from error
        if not response.is_ok:
            raise _refusal(response)
        return response.body or b""

    async def _channel(self) -> OpenChannel:
        async with self._opening:
            opened = self._open
            if opened is not None and not opened.channel.is_closed:
                return opened
            if self._way is None:
                raise OfflineEnroller
            opened = await self._host.open_channel(
                self._way[0], self.identifier, self.service, timeout=self._timeout, authority=None
            )
            if self.service is None:
                self.service = opened.channel.their_identifier
                await self._repository.pin_service(self.service)
            self._open = opened
            return opened


async def create_enroller(
    host: Host,
    repository: EnrollerRepository,
    identifier: Identifier,
    to: str | None,
    service: Identifier | None,
    timeout: float,
) -> Enroller:
    """Make an enroller that knows what its disk knows; see `Node.create_enroller`."""
    pinned = await repository.pinned_service()
    if service is not None and pinned is not None and pinned != service:
        raise WrongService(f"this enroller has pinned the service {pinned}: use another home for another service")
    if service is not None and pinned is None:
        await repository.pin_service(service)
    return Enroller(host, repository, identifier, to, service or pinned, timeout)


def _entries(
    offers: Iterable[EnrolleeOffer | str], attributes: Mapping[str, str] | None, expires_in: int | None
) -> list[ApprovalEntry]:
    parsed = [EnrolleeOffer.parse(offer) if isinstance(offer, str) else offer for offer in offers]
    return [ApprovalEntry.of_offer(offer, attributes or {}, expires_in) for offer in parsed]


def _refusal(response: Response) -> RequestRefused:
    kind = _REFUSALS.get(response.status, RequestRefused)
    error = kind(response.error.message or "the service refuses the request")
    if response.status is not None:
        error.status = response.status
    return error
