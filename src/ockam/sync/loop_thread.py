"""A thread with an event loop, and how other threads have something done there.

A caller waits for a result without a timeout of its own, so Ctrl-C reaches it: Python wakes the main thread, what was
under way is cancelled, and `KeyboardInterrupt` goes on from the call. The loop's thread gets no signals.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ockam.errors import Misuse, Origin
from ockam.runtime.errors import NodeStopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """Runs an event loop until it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        # A program that forgets to close its node still ends.
        self._thread = threading.Thread(target=self._main, name="ockam.sync", daemon=True)
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()

    @property
    def is_running(self) -> bool:
        """Whether something can be done on the loop."""
        return self._loop is not None

    def start(self) -> None:
        """Start the thread; the loop runs when this returns."""
        self._thread.start()
        self._started.result()

    def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """Await, on the loop, what `make` returns when called there; return its result, or raise what it raises.

        Raises:
            Misuse: called on the loop itself, which would wait for itself; or there is no loop.
            NodeStopping: the loop was closed meanwhile.
        """
        self._check_thread()
        call = _Call(make)
        try:
            with self._lock:
                # In one step with the look at it: what is handed over before the loop's last turn is cancelled there.
                if self._loop is None:
                    raise Misuse("the node is not running: use `with Node() as node`", origin=Origin.NODE)
                self._loop.call_soon_threadsafe(call.begin)
            return call.result.result()
        except concurrent.futures.CancelledError:
            raise NodeStopping from None
        finally:
            if not call.result.done():  # after Ctrl-C, or whatever else a signal handler raises, wherever it came
                self._cancel(call)

    def _cancel(self, call: _Call[Any]) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call.cancel)

    def call(self, function: Callable[[], T]) -> T:
        """Call a plain function on the loop."""

        async def call() -> T:
            return function()

        return self.run(call)

    def close(self) -> None:
        """Cancel what runs on the loop and wait for its thread. Twice is allowed."""
        self._check_thread()
        if self._thread.ident is None:
            return
        # Ctrl-C may have come while it was starting.
        concurrent.futures.wait((self._started,))
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _check_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise Misuse(
                "a blocking call on the node's own event loop would wait for itself: "
                "`async def` handlers use `ctx`, which is asynchronous there",
                origin=Origin.NODE,
            )

    def _main(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._started.set_result(None)
            await self._stop.wait()

        running = main()
        try:
            # What is still running is cancelled at the end.
            asyncio.run(running)
        except BaseException as error:
            # The system has no more files for a loop.
            running.close()
            self._started.set_exception(error)


class _Call(Generic[T]):
    """One thing to be done on the loop. Nothing of it is made before the loop begins with it."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._task: asyncio.Task[None] | None = None
        self.result: concurrent.futures.Future[T] = concurrent.futures.Future()

    def begin(self) -> None:
        """Begin, on the loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        # Where it was cancelled, also before its first step.
        self._task.add_done_callback(lambda _: self.result.cancel())

    def cancel(self) -> None:
        """Give up, on the loop: after `begin`, if that was ever handed over."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            result = await self._make()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # The caller's, whatever it is.
            self.result.set_exception(error)
        else:
            self.result.set_result(result)
