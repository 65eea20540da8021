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

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, after polling for a while and then sleeping."""
        select = self._inner.select
        if self._spin and (timeout is None or timeout > _SHORTEST_WAIT_SECONDS):
            if self._fruitless < _FRUITLESS_SPINS:
                clock, pause = time.perf_counter, os.sched_yield
                end = clock() + self._spin
                while clock() < end:
                    ready = select(0)
                    if ready:
                        self._fruitless = 0
                        return ready
                    pause()  # two spinners on one processor would stall each other
                self._fruitless += 1
            ready = select(timeout)
            if ready:
                self._fruitless = 0
            return ready
        return select(timeout)

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
