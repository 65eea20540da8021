"""A selector that polls for a bounded time before it sleeps.

Waking a sleeping process costs more than all of this library's work for a message. After recent traffic it pays to look
again for some tens of microseconds before going to sleep; an idle node sleeps and uses no processor time.
"""

from __future__ import annotations

import os
import selectors
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import FileDescriptorLike

__all__ = ["PollingSelector"]

# Chosen by us, by measurement (docs/performance.md).
_FRUITLESS_SPINS: Final = 64
"""After so many spins in a row that found nothing, spinning stops until something arrives."""
_SHORTEST_WAIT_SECONDS: Final = 0.001


class PollingSelector(selectors.BaseSelector):
    """Wraps the system's best selector.

    Args:
        spin_microseconds: how long to poll before sleeping; 0 never polls.
    """

    def __init__(self, spin_microseconds: int) -> None:
        self._inner = selectors.DefaultSelector()
        # On one processor the peer cannot answer while we spin.
        self._spin = spin_microseconds / 1e6 if (os.cpu_count() or 1) > 1 else 0.0
        self._fruitless = _FRUITLESS_SPINS
        self._just_looked = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, after polling for a while and then sleeping."""
        if timeout is not None and timeout <= 0:
            # Callbacks are waiting, most of them made by what the latest look found: every other time they run first.
            self._just_looked = not self._just_looked
            return self._inner.select(0) if self._just_looked else []
        self._just_looked = True
        look = self._inner.select
        if self._fruitless < _FRUITLESS_SPINS and self._spin and (timeout is None or timeout > _SHORTEST_WAIT_SECONDS):
            clock, pause = time.perf_counter, os.sched_yield
            end = clock() + self._spin
            while True:
                ready = look(0)
                if ready:
                    self._fruitless = 0
                    return ready
                if clock() >= end:
                    break
                pause()  # two spinners on one processor would stall each other
            self._fruitless += 1
        ready = look(timeout)
        if ready:
            self._fruitless = 0
        return ready

    def register(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> selectors.SelectorKey:
        """Watch a file object."""
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Stop watching a file object."""
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> selectors.SelectorKey:
        """Change what is watched."""
        return self._inner.modify(fileobj, events, data)

    def close(self) -> None:
        """Close the inner selector."""
        self._inner.close()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        """Return what is watched."""
        return self._inner.get_map()
