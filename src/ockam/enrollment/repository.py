"""What the Enrollment Service asks of its database: one method, one transaction.

Several processes may share one database: every method decides on the state inside its transaction, never on what a
caller read before. Times are arguments, in seconds. Viewers: `None` sees everything (an administrator), an identifier
only what it added; what it does not see does not exist for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ockam.enrollment.api_messages import ApprovalEntry, EnrolleeRecord, ListQuery, PatchRequest
    from ockam.enrollment.pending import IdentifierPrefix, State
    from ockam.identity.identifier import Identifier


@dataclass(frozen=True, slots=True)
class IssuedBundle:
    """A bundle to store: what is handed out, and the secrets behind it."""

    bundle_id: bytes
    signed: bytes = field(repr=False)
    bundle_hash: bytes
    expires_at: int
    history_changes: int
    signed_prekey: bytes = field(repr=False)
    one_time_prekey: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle as the service finds it again.

    Attributes:
        owner: who asked for it.
        signed_prekey: 32 secret bytes, None once used or expired.
        history_changes: number of changes of the service's history in it.
    """

    bundle_id: bytes
    owner: Identifier
    expires_at: int
    used: bool
    bundle_hash: bytes
    history_changes: int
    signed_prekey: bytes | None = field(repr=False)
    one_time_prekey: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredEnrollee:
    """The row behind a record; `record.state` is as stored, not as reported."""

    record: EnrolleeRecord
    eik: bytes | None


@dataclass(frozen=True, slots=True)
class MessageLookup:
    """What check 2 and 3 need; read at once."""

    bundle: StoredBundle | None
    enrollee: StoredEnrollee | None
    answer: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """What check 7 needs.

    Attributes:
        revoked: whether any record with this identifier was ever revoked.
        enrolled_as: the enrollment identifier it is enrolled under, if any.
        history: the longest change history known, encoded.
    """

    revoked: bool = False
    enrolled_as: bytes | None = None
    history: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Enrollment:
    """Everything that check 8 commits together."""

    bundle_id: bytes
    enrollment_identifier: bytes
    message_id: bytes
    answer: bytes = field(repr=False)
    identifier: Identifier
    history: bytes = field(repr=False)
    attributes: Mapping[str, str]
    relay_name: str | None


class EnrollmentOutcome(Enum):
    """How check 8 ended."""

    ENROLLED = auto()
    LOST_RACE = auto()
    """Used, cancelled or expired in between, or the identifier is taken: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Member:
    """An enrolled device, as the credential issuer sees it."""

    enrollment_identifier: bytes
    identifier: Identifier
    state: State
    attributes: Mapping[str, str]
    relay_name: str | None
    history: bytes = field(repr=False)
    enrolled_at: int


@dataclass(frozen=True, slots=True)
class EnrollmentEvent:
    """One row of the audit log, not sealed yet."""

    number: int
    time: int
    kind: int
    enrollment_identifier: bytes | None
    actor: Identifier | None
    detail_hash: bytes


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows a purge changed or deleted."""

    expired_enrollees: int
    expired_bundles: int
    answers: int
    records: int


class EnrollmentRepository(Protocol):
    """The service's tables."""

    async def bundles_of_request(self, owner: Identifier, request_id: bytes) -> tuple[bytes, ...] | None:
        """Return the signed bundles made for this request before, None if it is new."""
        ...

    async def add_bundles(
        self, bundles: Sequence[IssuedBundle], owner: Identifier, request_id: bytes | None, quota: int | None, now: int
    ) -> tuple[bytes, ...]:
        """Store bundles and return the signed ones to hand out: those of an equal earlier request if there was one.

        Raises:
            QuotaPassed: the owner would have more than `quota` unused, unexpired bundles.
        """
        ...

    async def approve(
        self,
        entries: Sequence[ApprovalEntry],
        added_by: Identifier,
        quota: int | None,
        default_seconds: int,
        now: int,
    ) -> tuple[EnrolleeRecord, ...]:
        """Add pending records, all or none; an equal entry by the same enroller returns its record.

        Raises:
            RecordConflict: an entry is there with other fields or by another enroller; names it.
            QuotaPassed: the enroller would have more than `quota` pending records.
        """
        ...

    async def lookup(self, bundle_id: bytes, enrollment_identifier: bytes, message_id: bytes) -> MessageLookup:
        """Return what is known of a message; a read."""
        ...

    async def known_identity(self, identifier: Identifier) -> KnownIdentity:
        """Return what is known of a device's identity; a read."""
        ...

    async def enroll(self, enrollment: Enrollment, now: int) -> EnrollmentOutcome:
        """Check 8: mark the bundle used and the record enrolled where still possible, and store all that follows."""
        ...

    async def store_reject(
        self, enrollment_identifier: bytes, message_id: bytes, answer: bytes, reason: int, now: int
    ) -> bytes | None:
        """Store a reject and count it once; return the answer to send, None when the record is no longer pending."""
        ...

    async def find(self, prefix: IdentifierPrefix, viewer: Identifier | None, now: int) -> EnrolleeRecord:
        """Return the one record whose identifier has this prefix.

        Raises:
            RecordNotFound: none that the viewer sees.
            AmbiguousIdentifier: several that the viewer sees.
        """
        ...

    async def list(self, query: ListQuery, viewer: Identifier | None, now: int) -> tuple[EnrolleeRecord, ...]:
        """Return one page of records, oldest first."""
        ...

    async def update(
        self, prefix: IdentifierPrefix, viewer: Identifier | None, change: PatchRequest, actor: Identifier, now: int
    ) -> EnrolleeRecord:
        """Extend or relabel a pending record; errors as `find`, and `RecordConflict` when it is not pending."""
        ...

    async def remove(
        self, prefix: IdentifierPrefix, viewer: Identifier | None, actor: Identifier, now: int
    ) -> EnrolleeRecord:
        """Cancel a pending record or revoke an enrolled one; errors as `find`, `RecordConflict` when it has ended."""
        ...

    async def member(self, identifier: Identifier) -> Member | None:
        """Return an enrolled or revoked device by its identity; a read."""
        ...

    async def device_spoke(self, identifier: Identifier) -> None:
        """Forget the stored answer of a device that has shown that it holds it."""
        ...

    async def add_enroller(self, identifier: Identifier, now: int) -> None:
        """Allow an enroller; nothing happens if it is allowed already."""
        ...

    async def remove_enroller(self, identifier: Identifier, actor: Identifier | None, now: int) -> bool:
        """Remove an enroller: its pending records are cancelled and its unused bundles void. False if unknown."""
        ...

    async def enrollers(self) -> tuple[Identifier, ...]:
        """Return the allowed enrollers; a read."""
        ...

    async def void_unused_bundles(self, now: int) -> int:
        """Delete all unused bundles, as after a restored backup; return how many."""
        ...

    async def purge(self, now: int) -> Purged:
        """Mark what has expired, delete secrets of expired bundles, old answers and records ended long ago."""
        ...

    async def events(self, after: int, count: int) -> tuple[EnrollmentEvent, ...]:
        """Return up to `count` audit events with a number above `after`, in order."""
        ...
