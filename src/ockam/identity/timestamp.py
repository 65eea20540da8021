"""Points in time on the wire: whole seconds since 1970-01-01 UTC, unsigned, 64 bits.

Source:
    reference ockam_identity/src/models/timestamp.rs and the defaults of its creation modules.
"""

from __future__ import annotations

from typing import Final

from ockam.identity.errors import InvalidTimeToLive

MAX_TIMESTAMP: Final = 2**64 - 1

# Protocol: how far ahead of our clock a signed created_at may lie.
MAX_ALLOWED_TIME_DRIFT_SECONDS: Final = 60

# Defaults of the reference: ten and five years of 365 days, thirty days.
IDENTITY_TTL_SECONDS: Final = 315_360_000
PURPOSE_KEY_TTL_SECONDS: Final = 157_680_000
CREDENTIAL_TTL_SECONDS: Final = 2_592_000


def is_ahead(created_at: int, now: int) -> bool:
    """Tell whether `created_at` lies further ahead of `now` (both in seconds) than clocks may differ."""
    return created_at > now + MAX_ALLOWED_TIME_DRIFT_SECONDS


def end_of(start: int, ttl_seconds: int) -> int:
    """Return `start` plus a positive time to live.

    Raises:
        InvalidTimeToLive: not positive, or past the last timestamp.
    """
    if ttl_seconds <= 0 or start + ttl_seconds > MAX_TIMESTAMP:
        raise InvalidTimeToLive
    return start + ttl_seconds
