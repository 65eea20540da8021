"""The enroller's side, as values: bundles it carries, offers it will forward, and the service it trusts.

An enroller may be offline from the service while it serves devices: it hands out bundles it has, and queues the offers.
Each bundle is handed out once; an offer leaves the queue only when the service answered it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle, verify_bundle
from ockam.enrollment.errors import WrongService
from ockam.enrollment.pending import MAX_ENTRIES_PER_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ockam.enrollment.api_messages import ApprovalEntry
    from ockam.identity.identifier import Identifier
    from ockam.vault.interfaces import VerifyingVault

# Chosen by us: a bundle that expires within this time is not handed out any more.
MIN_LIFE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class CachedBundle:
    """A bundle that was verified on receipt.

    Attributes:
        handed_to: enrollment identifier of the device that got it, 32 bytes; empty when it is not known.
        handed_at: seconds, None while it is unused.
    """

    bundle_id: bytes
    service: Identifier
    signed: bytes = field(repr=False)
    expires_at: int
    received_at: int
    handed_to: bytes | None = None
    handed_at: int | None = None

    @property
    def fingerprint(self) -> str:
        """The first 20 hex digits of SHA-256 of the signed bytes, as people see it."""
        return SignedEnrollmentBundle.decode(self.signed).fingerprint

    def can_be_handed_out(self, now: int) -> bool:
        """Say whether a device could still use it."""
        return self.handed_at is None and now + MIN_LIFE_SECONDS < self.expires_at

    def hand_to(self, enrollment_identifier: bytes, now: int) -> CachedBundle:
        """Return the bundle marked as handed out."""
        return replace(self, handed_to=enrollment_identifier, handed_at=now)


class OfferState(IntEnum):
    """Where an offer is on its way to the service."""

    QUEUED = 0
    APPROVED = 1
    REFUSED = 2


@dataclass(frozen=True, slots=True)
class QueuedOffer:
    """An approval to forward.

    Attributes:
        reason: why the service refused it.
    """

    entry: ApprovalEntry
    queued_at: int
    state: OfferState = OfferState.QUEUED
    reason: str | None = None

    @property
    def enrollment_identifier(self) -> bytes:
        """SHA-256 of the device's enrollment key, 32 bytes."""
        return self.entry.enrollment_identifier

    def approved(self) -> QueuedOffer:
        """Return the offer as the service took it."""
        return replace(self, state=OfferState.APPROVED, reason=None)

    def refused(self, reason: str) -> QueuedOffer:
        """Return the offer as the service refused it."""
        return replace(self, state=OfferState.REFUSED, reason=reason)


class EnrollerRepository(Protocol):
    """The enroller's disk. Each method is one transaction."""

    async def pinned_service(self) -> Identifier | None:
        """Return the service whose bundles are accepted, None before first use."""
        ...

    async def pin_service(self, service: Identifier) -> None:
        """Store it."""
        ...

    async def add_bundles(self, bundles: Sequence[CachedBundle]) -> int:
        """Store bundles; those that are there already stay as they are. Return how many are new."""
        ...

    async def take_bundle(self, enrollment_identifier: bytes, now: int) -> CachedBundle | None:
        """Mark one usable bundle as handed out and return it; the same device gets the same again. None: no bundle."""
        ...

    async def bundles(self) -> tuple[CachedBundle, ...]:
        """Return all bundles, soonest expiry first."""
        ...

    async def delete_expired_bundles(self, now: int) -> int:
        """Delete bundles that no device can use; return how many."""
        ...

    async def queue_offer(self, offer: QueuedOffer) -> None:
        """Store an offer; one with the same enrollment key is replaced unless the service took it already."""
        ...

    async def update_offer(self, offer: QueuedOffer) -> None:
        """Store what became of an offer."""
        ...

    async def offers(self, state: OfferState | None = None) -> tuple[QueuedOffer, ...]:
        """Return offers in the order of queueing."""
        ...


class DeviceStateRepository(Protocol):
    """The device's disk: one state, replaced as a whole, encrypted at rest."""

    async def state(self) -> bytes | None:
        """Return the stored state, None at first contact."""
        ...

    async def store_state(self, state: bytes) -> None:
        """Replace the state durably; the old one is overwritten, not only unlinked."""
        ...

    async def delete_state(self) -> None:
        """Forget the state."""
        ...


def accept_bundle(
    signed: SignedEnrollmentBundle, now: int, verifier: VerifyingVault, pinned: Identifier | None
) -> CachedBundle:
    """Verify a bundle on receipt; errors as `verify_bundle`.

    Args:
        signed: unauthenticated.
        now: seconds.
        verifier: judges signatures.
        pinned: the service's identifier, None at first use: show the result's `service` for comparison, then pin it.
    """
    verified = verify_bundle(signed, now, verifier, pinned)
    contents = verified.contents
    return CachedBundle(contents.bundle_id, contents.service, signed.encode(), contents.expires_at, now)


def accept_bundles(
    received: Iterable[SignedEnrollmentBundle], now: int, verifier: VerifyingVault, pinned: Identifier | None
) -> tuple[CachedBundle, ...]:
    """Verify the bundles of one answer; all of one service, or none is taken."""
    bundles = tuple(accept_bundle(signed, now, verifier, pinned) for signed in received)
    if len({bundle.service for bundle in bundles}) > 1:
        raise WrongService
    return bundles


def next_batch(offers: Sequence[QueuedOffer]) -> tuple[QueuedOffer, ...]:
    """Return the oldest queued offers that fit into one request."""
    queued = [offer for offer in offers if offer.state is OfferState.QUEUED]
    return tuple(queued[:MAX_ENTRIES_PER_REQUEST])
