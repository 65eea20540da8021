"""Token buckets: how much of something each source may cause, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` on average, `burst` at once."""

    per_second: float
    burst: float


class Buckets:
    """One bucket per key for the `limit` most recently seen keys.

    A key that was pushed out starts with a full bucket again: memory stays flat under any number of sources, and an
    attacker with that many sources gains what its sources would have had anyway.
    """

    def __init__(self, rate: Rate, limit: int = 4096) -> None:
        self._rate = rate
        self._limit = limit
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, key: bytes, now: float) -> bool:
        """Take one token of `key`, `now` in seconds; False when there is none."""
        rate = self._rate
        level, since = self._levels.pop(key, (rate.burst, now))
        level = min(rate.burst, level + max(0.0, now - since) * rate.per_second)
        allowed = level >= 1.0
        self._levels[key] = (level - 1.0 if allowed else level, now)
        if len(self._levels) > self._limit:
            self._levels.popitem(last=False)
        return allowed

    def __len__(self) -> int:
        return len(self._levels)
