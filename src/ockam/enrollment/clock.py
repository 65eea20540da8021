"""What time a device takes it to be.

A device may have no clock, or a wrong one. Its time is the greater of its clock and a floor plus the time since the
floor was learned. The floor is the latest time that the service signed or sealed; it only rises. After a reject for
wrong times the clock is set aside. Before acceptance the bundle's creation time is the floor; it is not stored,
because nothing of the service is trusted yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """A floor and when, on a clock that only runs (monotonic), it was learned.

    Attributes:
        floor: seconds since 1970; 0 when nothing is known.
        learned_at: monotonic seconds of this process.
        set_aside: the device's own clock was shown to be wrong and is not used.
    """

    floor: int = 0
    learned_at: int = 0
    set_aside: bool = False

    def now(self, clock: int | None, monotonic: int) -> int:
        """Return the device's time in seconds.

        Args:
            clock: what the device's own clock says, None without one.
            monotonic: seconds of a clock that only runs.
        """
        elapsed = max(0, monotonic - self.learned_at)
        known = self.floor + elapsed if self.floor else 0
        return known if clock is None or self.set_aside else max(clock, known)

    def knows_time(self, clock: int | None) -> bool:
        """Say whether there is any idea of the time: without one the device waits for a bundle."""
        return bool(self.floor) or (clock is not None and not self.set_aside)

    def learn(self, time: int, monotonic: int) -> DeviceClock:
        """Take a time from the service: `service_time`, `created_at` of a credential, `issued_at` of a list."""
        if time <= self.now(None, monotonic):
            return self
        return replace(self, floor=time, learned_at=monotonic)

    def after_wrong_times(self, service_time: int, monotonic: int) -> DeviceClock:
        """Set the own clock aside, as the service found its times wrong, and take the service's time."""
        # Not `learn`: the floor may itself be too late, made of the wrong clock's attestation.
        return DeviceClock(floor=service_time, learned_at=monotonic, set_aside=True)
