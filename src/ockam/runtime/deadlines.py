"""Deadlines, swept once a second: for limits of many seconds a timer per call would cost more than the call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Deadlines"]

log = logging.getLogger("ockam.runtime")

_SWEEP_SECONDS: Final = 1.0
_EXACT_BELOW_SECONDS: Final = 5.0
"""Limits shorter than this get a timer of their own."""


class Deadlines:
    """Calls back what has not been dropped when its time is up, at most a second late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._entries: dict[object, tuple[float, Callable[[], None]]] = {}
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def add(self, key: object, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` in `seconds`, unless `key` is dropped before; what was under `key` is dropped now."""
        self.drop(key)
        if seconds < _EXACT_BELOW_SECONDS:
            self._timers[key] = self._loop.call_later(seconds, self._fire, key, callback)
            return
        self._entries[key] = (self._loop.time() + seconds, callback)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def drop(self, key: object) -> None:
        """Forget `key`."""
        if self._entries.pop(key, None) is None:
            timer = self._timers.pop(key, None)
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Forget everything."""
        self._entries.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _fire(self, key: object, callback: Callable[[], None]) -> None:
        self._timers.pop(key, None)
        callback()

    def _sweep(self) -> None:
        now = self._loop.time()
        for key in [key for key, (when, _) in self._entries.items() if when <= now]:
            # One callback may drop the keys of others.
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._call(entry[1])
        # Nothing to watch, no timer: an idle node sleeps.
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep) if self._entries else None

    @staticmethod
    def _call(callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            log.exception("what was to happen at a deadline failed")
