"""Stand-ins for time and chance, for the tests of programs built on ockam. Never use them elsewhere."""

from ockam.testing.fixed_clock import FixedClock
from ockam.testing.fixed_random import FixedRandom

__all__ = ["FixedClock", "FixedRandom"]
