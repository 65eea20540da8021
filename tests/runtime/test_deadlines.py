from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from ockam.runtime.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock moves when it is told to; it is never run."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.calls: list[tuple[float, Callable[..., object], tuple[object, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(  # type: ignore[override] # as much of it as is used
        self, delay: float, callback: Callable[..., object], *args: object
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.now + delay, callback, args, self)
        self.calls.append((self.now + delay, lambda: None if handle.cancelled() else callback(*args), ()))
        return handle

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            due = sorted((call for call in self.calls if call[0] <= end), key=lambda call: call[0])
            if not due:
                break
            self.calls.remove(due[0])
            self.now = max(self.now, due[0][0])
            due[0][1]()
        self.now = end


def deadlines() -> tuple[Loop, Deadlines, list[str]]:
    loop = Loop()
    loop.close()
    return loop, Deadlines(loop), []


def test_long_limits_are_swept_once_a_second_and_short_ones_exact() -> None:
    loop, table, fired = deadlines()
    table.add("long", 30, lambda: fired.append("long"))
    table.add("short", 0.25, lambda: fired.append("short"))
    table.add("dropped", 0.25, lambda: fired.append("dropped"))
    table.add("dropped too", 10, lambda: fired.append("dropped too"))
    table.drop("dropped")
    table.drop("dropped too")
    table.drop("never there")
    assert len(loop.calls) == 3  # one sweeper, two timers
    loop.advance(0.25)
    assert fired == ["short"]
    loop.advance(29)
    assert fired == ["short"]
    loop.advance(1.75)
    assert fired == ["short", "long"]
    assert not loop.calls  # nothing to watch, no timer: an idle node sleeps


def test_adding_a_key_again_replaces_it() -> None:
    loop, table, fired = deadlines()
    for limit in (1, 10, 20, 2):
        table.add("key", limit, partial(fired.append, str(limit)))
    loop.advance(60)
    assert fired == ["2"]


def test_callbacks_may_drop_add_and_fail() -> None:
    loop, table, fired = deadlines()

    def first() -> None:
        fired.append("first")
        table.drop("second")
        table.add("third", 10, lambda: fired.append("third"))
        raise ValueError

    table.add("first", 10, first)
    table.add("second", 10, lambda: fired.append("second"))
    table.add("other", 15, lambda: fired.append("other"))
    loop.advance(12)
    assert fired == ["first"]
    loop.advance(20)
    assert fired == ["first", "other", "third"]


def test_close_forgets_everything() -> None:
    loop, table, fired = deadlines()
    table.close()
    table.add("long", 10, lambda: fired.append("long"))
    table.add("short", 1, lambda: fired.append("short"))
    table.close()
    loop.advance(60)
    assert fired == []
