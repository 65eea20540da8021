"""Running a worker's burst at once, where it is not worth a turn of the event loop.

A handler that only sends never waits. Started in a new task it still costs the task and a turn of the loop, a tenth of
a round trip. So the first step of a burst runs right away, inside the I/O callback that ends the batch; only when it
has to wait for something does a task take it over.

Python 3.12 can do that by itself (`eager_start`). For 3.11 there is `_Driver`: a task per worker that sleeps until a
burst has to wait. While a first step runs, the driver is the current task, by the functions that asyncio documents for
other implementations of tasks, and its context is the current one; so timeouts, cancellation and context variables
behave as if the driver had run the step itself. A driver that has taken a burst over ends with it.
"""

from __future__ import annotations

import asyncio
import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from ockam.runtime.router import Runtime

__all__ = ["BurstRunner"]


class BurstRunner:
    """Runs the bursts of one worker, one after the other.

    Args:
        burst: what to run; called anew for each burst.
    """

    def __init__(self, runtime: Runtime, burst: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._runtime = runtime
        self._burst = burst
        self._driver: _Driver | None = None

    def run(self) -> asyncio.Task[None] | None:
        """Run a burst: to its end if it never waits, else in the task that is returned."""
        loop = self._runtime.loop
        # From inside of another task nothing else may become the current one.
        if asyncio.current_task(loop) is not None:
            return self._runtime.new_task(self._burst())
        if sys.version_info >= (3, 12):
            task = asyncio.Task(self._burst(), loop=loop, eager_start=True)
            return None if task.done() else self._runtime.own_task(task)
        driver = self._driver
        if driver is None or not driver.is_ready:
            if driver is None:
                self._driver = _Driver(self._runtime)
            return self._runtime.new_task(self._burst())
        if driver.run(self._burst()):
            # It ends with the burst, like any task; the next burst has another.
            self._driver = None
            return driver.task
        return None

    def close(self) -> None:
        """Run no more bursts; one that waits goes on to its end."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None


class _Driver:
    """A task that takes one coroutine over, at the point where it first waits."""

    def __init__(self, runtime: Runtime) -> None:
        self._loop = runtime.loop
        self._context = copy_context()
        self._taken: tuple[Coroutine[Any, Any, None], Any] | None = None
        self._wake: asyncio.Future[None] = self._loop.create_future()
        self._is_stepping = False
        self._is_closing = False
        self.is_ready = False
        """Whether the task has begun to wait: before that, a cancellation would end it without a word."""
        self.task = runtime.new_task(self._drive(), context=self._context, is_idle=True)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run the first step of a coroutine; True if the task has taken the rest over."""
        self._is_stepping = True
        asyncio._enter_task(self._loop, self.task)
        try:
            waits_for = self._context.run(coroutine.send, None)
        except (StopIteration, asyncio.CancelledError):
            # The latter by something that a handler awaited: the end of this burst, and of nothing else.
            if self._is_closing:
                self.task.cancel()
            return False
        finally:
            asyncio._leave_task(self._loop, self.task)
            self._is_stepping = False
        self._taken = (coroutine, waits_for)
        self._wake.set_result(None)
        return True

    def close(self) -> None:
        """End, now or with the coroutine that is taken over."""
        self._is_closing = True
        if not self._is_stepping:
            self.task.cancel()

    async def _drive(self) -> None:
        self.is_ready = True
        try:
            await self._wake
        except asyncio.CancelledError:
            self.is_ready = False
            if self._taken is None:
                raise
            # Meant for the coroutine, which is as good as waiting in here.
            coroutine, _ = self._taken
            try:
                self._taken = (coroutine, coroutine.throw(asyncio.CancelledError()))
            except StopIteration:
                return
        assert self._taken is not None  # what it was woken for
        await _Rest(*self._taken)


class _Rest:
    """The rest of a coroutine that has begun to wait for something."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self._waits_for
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:
                try:
                    waits_for = self._coroutine.throw(error)
                except StopIteration:
                    return
            else:
                try:
                    waits_for = self._coroutine.send(sent)
                except StopIteration:
                    return
