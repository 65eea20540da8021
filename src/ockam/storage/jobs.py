"""Functions that a database's threads run, and the way of their results back to whoever waits."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

Waiter: TypeAlias = "asyncio.Future[Any] | Future[Any]"


class Job:
    """One function to run, and where its result goes.

    Args:
        function: takes a connection.
        writes: whether it needs a transaction.
        loop: whose future it is; None: of a thread.
        deliver: the future.
    """

    __slots__ = ("deliver", "error", "function", "loop", "result", "writes")

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        writes: bool,
        loop: asyncio.AbstractEventLoop | None,
        deliver: Waiter,
    ) -> None:
        self.function = function
        self.writes = writes
        self.loop = loop
        self.deliver = deliver
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Hand the outcome to whoever waits; on the event loop's thread for its futures."""
        if self.deliver.done():  # the caller was cancelled; what was written stays written
            return
        if self.error is None:
            self.deliver.set_result(self.result)
        else:
            self.deliver.set_exception(self.error)


def resolve(jobs: Sequence[Job]) -> None:
    """Hand the outcomes of jobs to whoever waits, with one call per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, group in by_loop.items():
        if loop is None:
            _resolve_all(group)
            continue
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            loop.call_soon_threadsafe(_resolve_all, group)


def _resolve_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.resolve()
