"""The life of an enrollee on the service.

    pending --> enrolled --> revoked
       |
       +------> expired | cancelled | rejected

Expiry is exclusive: valid while now < expires_at. It is seen by whoever looks, without anything having to run at that
second; the row is changed later. A record is `rejected` after five different messages that its device got rejects for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ockam.enrollment.errors import InvalidField, RecordConflict

# Fixed by the protocol.
MIN_PREFIX_DIGITS: Final = 20
IDENTIFIER_DIGITS: Final = 64
MAX_REJECTS: Final = 5
DEFAULT_PENDING_SECONDS: Final = 24 * 3600
MAX_PENDING_SECONDS: Final = 10 * 365 * 24 * 3600
DEFAULT_BUNDLE_SECONDS: Final = 7 * 24 * 3600
MAX_BUNDLE_SECONDS: Final = 365 * 24 * 3600
ANSWER_SECONDS: Final = 24 * 3600
MAX_BUNDLES_PER_REQUEST: Final = 1000
MAX_ENTRIES_PER_REQUEST: Final = 1000
PAGE_SIZE: Final = 100
# Chosen by us.
DEFAULT_QUOTA: Final = 10_000
RECORD_RETENTION_SECONDS: Final = 30 * 24 * 3600
"""How long a record that ended (expired, cancelled, rejected) is kept for people to look at."""

_HEX: Final = re.compile(r"[0-9a-fA-F]*\Z")


class State(IntEnum):
    """Source: EnrolleeRecord of the service's API."""

    PENDING = 0
    ENROLLED = 1
    EXPIRED = 2
    CANCELLED = 3
    REJECTED = 4
    REVOKED = 5


class EventKind(IntEnum):
    """What the audit log counts."""

    BUNDLE_ISSUED = 1
    APPROVED = 2
    ENROLLED = 3
    REJECTED = 4
    EXPIRED = 5
    CANCELLED = 6
    ROTATED = 7
    REVOKED = 8


TRANSITIONS: Final = {
    State.PENDING: frozenset({State.ENROLLED, State.EXPIRED, State.CANCELLED, State.REJECTED}),
    State.ENROLLED: frozenset({State.REVOKED}),
    State.EXPIRED: frozenset[State](),
    State.CANCELLED: frozenset[State](),
    State.REJECTED: frozenset[State](),
    State.REVOKED: frozenset[State](),
}


def reported_state(state: State, expires_at: int | None, now: int) -> State:
    """Return the state as it is at `now`: a pending record past its expiry is expired."""
    if state is State.PENDING and expires_at is not None and now >= expires_at:
        return State.EXPIRED
    return state


def state_after_delete(state: State) -> State:
    """Return where DELETE leads: pending to cancelled, enrolled to revoked, those two again to themselves.

    Raises:
        RecordConflict: the record has ended in another way.
    """
    match state:
        case State.PENDING | State.CANCELLED:
            return State.CANCELLED
        case State.ENROLLED | State.REVOKED:
            return State.REVOKED
        case State.EXPIRED | State.REJECTED:
            raise RecordConflict(f"the enrollee is {state.name.lower()} already")


def state_after_reject(rejects: int) -> State:
    """Return the state once `rejects` different messages were rejected."""
    return State.REJECTED if rejects >= MAX_REJECTS else State.PENDING


def pending_expiry(now: int, expires_in: int | None, default: int = DEFAULT_PENDING_SECONDS) -> int | None:
    """Return when an approval expires: None is never.

    Args:
        now: seconds.
        expires_in: seconds; 0 is never, None the default.
        default: of this service, seconds; 0 is never.

    Raises:
        InvalidField: more than ten years.
    """
    seconds = default if expires_in is None else expires_in
    if seconds < 0 or seconds > MAX_PENDING_SECONDS:
        raise InvalidField("expires_in_seconds", "0 (never) to ten years is allowed")
    return now + seconds if seconds else None


def bundle_expiry(now: int, expires_in: int | None) -> int:
    """Return when a bundle expires; None is seven days.

    Raises:
        InvalidField: 0 or more than a year.
    """
    seconds = DEFAULT_BUNDLE_SECONDS if expires_in is None else expires_in
    if not 1 <= seconds <= MAX_BUNDLE_SECONDS:
        raise InvalidField("expires_in_seconds", "1 second to one year is allowed for a bundle")
    return now + seconds


@dataclass(frozen=True, slots=True)
class IdentifierPrefix:
    """The first 20 to 64 hex digits of an enrollment identifier.

    Attributes:
        low: first 32-byte identifier with these digits.
        high: last one.
    """

    digits: str
    low: bytes
    high: bytes

    @classmethod
    def parse(cls, text: str) -> IdentifierPrefix:
        """Read from unauthenticated text, in either case.

        Raises:
            InvalidField: fewer than 20 or more than 64 digits, or something else.
        """
        if not MIN_PREFIX_DIGITS <= len(text) <= IDENTIFIER_DIGITS or not _HEX.match(text):
            raise InvalidField("id", f"{MIN_PREFIX_DIGITS} to {IDENTIFIER_DIGITS} hex digits are expected")
        digits = text.lower()
        low = bytes.fromhex(digits.ljust(IDENTIFIER_DIGITS, "0"))
        high = bytes.fromhex(digits.ljust(IDENTIFIER_DIGITS, "f"))
        return cls(digits, low, high)


def short_form(enrollment_identifier: bytes) -> str:
    """Return what people see of a 32-byte enrollment identifier: its first 20 hex digits."""
    return enrollment_identifier.hex()[:MIN_PREFIX_DIGITS]
