"""Workers with plain functions. They run in threads, one message of a worker at a time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ockam.core.message import Routed, decode_body
from ockam.errors import Misuse, Origin
from ockam.runtime.errors import NodeStopping
from ockam.runtime.worker import Worker as AsynchronousWorker
from ockam.runtime.worker import body_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.runtime.context import Context as AsynchronousContext
    from ockam.sync.context import Context

__all__ = ["DEFAULT_WORKER_THREADS", "InThreads", "Worker", "WorkerThreads"]

log = logging.getLogger("ockam.sync")

M = TypeVar("M")

# Chosen by us.
DEFAULT_WORKER_THREADS: Final = 32
CLOSE_SECONDS: Final = 1.0
"""How long a function may take to end when the node is closed."""


class Worker(Generic[M]):
    """Handles messages; the type argument says how bodies are decoded: `Worker[str]`, `Worker[MyMessage]`.

    An exception in `handle_message` is logged, and the worker goes on with the next message. One in `initialize` ends
    the worker.
    """

    def initialize(self, ctx: Context) -> None:
        """Run before the first message; messages that arrive meanwhile wait."""

    def handle_message(self, ctx: Context, message: Routed[M]) -> None:
        """Handle one message."""

    def shutdown(self, ctx: Context) -> None:
        """Run when the worker is stopped."""


class WorkerThreads:
    """The threads that plain functions run in, while the loop goes on."""

    def __init__(self, size: int) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(size, thread_name_prefix="ockam.sync.worker")
        self._running: set[concurrent.futures.Future[Any]] = set()
        self._own = threading.local()

    def check_not_own(self) -> None:
        """Raise Misuse in one of these threads."""
        if getattr(self._own, "is_own", False):
            raise Misuse(
                "a handler cannot close its own node, which would wait for it: tell the main thread to",
                origin=Origin.NODE,
            )

    def submit(self, function: Callable[..., None], *args: Any) -> concurrent.futures.Future[None]:  # noqa: ANN401 - the function's
        """Call a function in one of the threads.

        Raises:
            NodeStopping: the node is closed.
        """
        try:
            future = self._pool.submit(self._run, function, args)
        except RuntimeError:
            raise NodeStopping from None
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    async def run(self, function: Callable[..., None], *args: Any) -> None:  # noqa: ANN401 - the function's
        """Call a function in one of the threads, and wait for it."""
        await asyncio.wrap_future(self.submit(function, *args))

    def _run(self, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._own.is_own = True
        function(*args)

    def close(self) -> None:
        """Begin nothing more, and wait a moment for what runs: a thread cannot be ended from outside."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        _, late = concurrent.futures.wait(tuple(self._running), CLOSE_SECONDS)
        if late:
            log.warning("%d handlers have not ended in %s s and are left behind", len(late), CLOSE_SECONDS)
        else:
            self._pool.shutdown()


class InThreads(AsynchronousWorker[bytes]):
    """Runs a worker's plain functions in threads."""

    def __init__(
        self, worker: Worker[Any], threads: WorkerThreads, wrap: Callable[[AsynchronousContext], Context]
    ) -> None:
        self._worker = worker
        self._body_type = body_type(worker, Worker)
        self._threads = threads
        self._wrap = wrap
        self._running: concurrent.futures.Future[None] | None = None

    async def initialize(self, ctx: AsynchronousContext) -> None:
        """Run the worker's."""
        await self._run(self._worker.initialize, self._wrap(ctx))

    async def handle_message(self, ctx: AsynchronousContext, message: Routed[bytes]) -> None:
        """Run the worker's, with the body decoded as its class says."""
        body = decode_body(message.payload, self._body_type)
        routed = Routed(message.address, message.source, message.local_message, body)
        await self._run(self._worker.handle_message, self._wrap(ctx), routed)

    async def shutdown(self, ctx: AsynchronousContext) -> None:
        """Run the worker's, once the handler that may still be running has ended."""
        if self._running is not None and not self._running.done():
            await asyncio.wait((asyncio.wrap_future(self._running),))
        await self._run(self._worker.shutdown, self._wrap(ctx))

    async def _run(self, function: Callable[..., None], *args: Any) -> None:  # noqa: ANN401 - the function's
        self._running = self._threads.submit(function, *args)
        await asyncio.wrap_future(self._running)
