"""Running a program with an event loop that spins for a moment before it sleeps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ockam.runtime.selector import PollingSelector

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["DEFAULT_SPIN_MICROSECONDS", "run"]

T = TypeVar("T")

DEFAULT_SPIN_MICROSECONDS: Final = 75
"""Chosen by us, by measurement (docs/performance.md)."""


def run(main: Coroutine[Any, Any, T], *, spin_microseconds: int = DEFAULT_SPIN_MICROSECONDS) -> T:
    """Run a program like `asyncio.run`, with a loop that polls before it sleeps after recent traffic.

    Round trips between two processes of one machine, or of one fast network, take a third of the time; an idle node
    still sleeps. `asyncio.run` does as well wherever that does not matter.

    Args:
        main: the program.
        spin_microseconds: how long to poll before sleeping. With 0 the loop sleeps at once, and is uvloop's where that
            is installed (`ockam[uvloop]`).
    """
    if spin_microseconds == 0:
        try:
            import uvloop
        except ImportError:
            pass
        else:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(main)

    def new_loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(PollingSelector(spin_microseconds))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)
