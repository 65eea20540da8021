"""The time a device goes by, and with it everything that its node attests and verifies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ockam.enrollment.clock import DeviceClock

if TYPE_CHECKING:
    from ockam.runtime.clock import NodeClock

__all__ = ["DeviceTime"]


class DeviceTime:
    """Calls for the time: the node's own clock, or what the service has taught, whichever is later.

    Args:
        clock: the node's; what is known better takes its place there.
    """

    def __init__(self, clock: NodeClock) -> None:
        self._clock = clock
        self._known = DeviceClock()
        self._assumed: DeviceClock | None = None

    def __call__(self) -> int | None:
        """Return the time in seconds; None when the own clock is set aside and nothing is known in its place."""
        return self._now(self._assumed or self._known) or None

    def known(self) -> int | None:
        """Return the time without what is only assumed."""
        return self._now(self._known) or None

    def assume(self, seconds: int) -> None:
        """Go by a bundle's time while its message is made and answered: nothing of its service is trusted yet."""
        self._assumed = self._known.learn(seconds, _monotonic())
        self._take_over()

    def learn(self, seconds: int) -> None:
        """Take a time from the service that this device is a member of."""
        self._known, self._assumed = self._known.learn(seconds, _monotonic()), None
        self._take_over()

    def set_aside(self, seconds: int) -> None:
        """Go by the service's time from now on, as it found that of the own clock wrong."""
        self._known, self._assumed = self._known.after_wrong_times(seconds, _monotonic()), None
        self._take_over()

    def _now(self, clock: DeviceClock) -> int:
        return clock.now(self._clock.own(), _monotonic())

    def _take_over(self) -> None:
        if self() != self._clock.own():
            self._clock.instead = lambda: self() or self._clock.own()


def _monotonic() -> int:
    return int(time.monotonic())
