"""Starting and stopping: what is known of a worker, and the order in which a node ends."""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from ockam.core.address import Address
    from ockam.runtime.mailbox import Mailbox

__all__ = ["DEFAULT_PRIORITY", "WorkerRecord", "stop_all"]

log = logging.getLogger("ockam.runtime")

DEFAULT_PRIORITY: Final = 4
"""Source: reference ockam_core `WorkerShutdownPriority`, 1 to 7; 7 is stopped first."""


@dataclass(slots=True, eq=False)
class WorkerRecord:
    """What the node knows of one worker."""

    primary: Address
    mailboxes: tuple[Mailbox, ...]
    priority: int
    on_stop: Callable[[], Awaitable[None] | None] | None
    is_detached: bool
    is_stopped: bool = False

    async def run_on_stop(self) -> None:
        """Let the worker end what it has begun; the second call does nothing."""
        if self.is_stopped or self.on_stop is None:
            self.is_stopped = True
            return
        self.is_stopped = True
        try:
            result = self.on_stop()
            if inspect.isawaitable(result):
                await result
        except Exception:
            log.exception("worker %s failed to stop", self.primary)


async def stop_all(
    records: Iterable[WorkerRecord],
    remove: Callable[[WorkerRecord], None],
    new_task: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
    timeout_seconds: float,
) -> None:
    """Stop workers in the order of their priorities, each group awaited.

    After `timeout_seconds` nobody is waited for, but every worker still begins to stop, so that sockets are closed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    late: set[asyncio.Task[Any]] = set()
    ordered = sorted(records, key=lambda record: -record.priority)
    for _, group in groupby(ordered, key=lambda record: record.priority):
        members = list(group)
        for record in members:
            remove(record)
        tasks = [new_task(record.run_on_stop()) for record in members]
        _, pending = await asyncio.wait(tasks, timeout=max(0.0, deadline - loop.time()))
        late |= pending
    if late:
        log.warning("not every worker stopped in %s s; the rest is cancelled", timeout_seconds)
        for task in late:
            task.cancel()
