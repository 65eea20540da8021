"""A clock that stands still until told otherwise."""

from __future__ import annotations

__all__ = ["FixedClock"]


class FixedClock:
    """Fits wherever a `now: Callable[[], int]` is asked for.

    Args:
        now: seconds since 1970; the default is 2023-11-14T22:13:20Z.
    """

    def __init__(self, now: int = 1_700_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        """Return the time, in seconds since 1970."""
        return self.now

    def advance(self, seconds: int) -> int:
        """Move the clock by `seconds` (negative: back) and return the new time."""
        self.now += seconds
        return self.now
