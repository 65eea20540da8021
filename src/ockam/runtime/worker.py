"""Workers and processors of the application, and the queues they are run from.

A worker handles one message at a time, in order. Messages wait in its queue; one task drains the queue per burst, so a
message that finds the worker idle costs a task and every further one only a turn of a loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, get_args, get_origin

from ockam.core.access_control import ALLOW_ALL
from ockam.core.message import LocalMessage, RelayMessage, Routed, decode_body
from ockam.errors import OckamError
from ockam.runtime.burst import BurstRunner

if TYPE_CHECKING:
    from ockam.runtime.context import Context
    from ockam.runtime.mailbox import Busy, Mailbox
    from ockam.runtime.router import Runtime

__all__ = ["MAX_QUEUED_BYTES", "DirectWorker", "Processor", "Worker", "WorkerQueue"]

log = logging.getLogger("ockam.runtime")

M = TypeVar("M")

# Chosen by us. The reference holds 8 messages per worker; a bound in bytes lets a batch through and holds as little.
MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
MESSAGE_OVERHEAD_BYTES: Final = 512
"""What a queued message is counted for beside its payload."""
MAX_BURST: Final = 256
"""Messages that a worker handles before the others have their turn."""


class Worker(Generic[M]):
    """Handles messages; the type argument says how bodies are decoded: `Worker[str]`, `Worker[MyMessage]`.

    An exception in `handle_message` is logged, and the worker goes on with the next message. One in `initialize` ends
    the worker.
    """

    async def initialize(self, ctx: Context) -> None:
        """Run before the first message; messages that arrive meanwhile wait."""

    async def handle_message(self, ctx: Context, message: Routed[M]) -> None:
        """Handle one message."""

    async def shutdown(self, ctx: Context) -> None:
        """Run when the worker is stopped."""


class DirectWorker(ABC):
    """Handles messages in the call that delivers them, without a queue or a task: for what only passes messages on.

    `receive` must not block. A payload that is a memoryview is valid until it returns.

    Attributes:
        runtime: the node, once started.
        mailbox: the own address, once started.
    """

    runtime: Runtime
    mailbox: Mailbox

    @abstractmethod
    def receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Handle one message; return what its sender should wait for, if anything."""


class Processor:
    """Does something over and over, without being sent messages."""

    async def initialize(self, ctx: Context) -> None:
        """Run before the first `process`."""

    async def process(self, ctx: Context) -> bool:
        """Do one round; return whether to go on."""
        return False

    async def shutdown(self, ctx: Context) -> None:
        """Run when the processor is stopped, or has ended by itself."""


def body_type(worker: object, generic: type = Worker) -> type[Any]:
    """Return the type argument that the worker's class gave to `generic`; bytes if it gave none."""
    for cls in type(worker).__mro__:
        for base in cls.__dict__.get("__orig_bases__", ()):
            if get_origin(base) is generic:
                (argument,) = get_args(base)
                if isinstance(argument, type):
                    return argument
                if argument is None:
                    return type(None)
    return bytes


class WorkerQueue:
    """The messages that wait for one worker, and the task that hands them over."""

    def __init__(self, runtime: Runtime, worker: Worker[Any], ctx: Context) -> None:
        self._runtime = runtime
        self._worker = worker
        self._ctx = ctx
        self._body_type = body_type(worker)
        self._queue: deque[tuple[Mailbox, Mailbox, LocalMessage]] = deque()
        self._queued_bytes = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._is_ready = False
        self._stopped = False
        self.own_mailboxes: dict[bytes, Mailbox] = {}
        self._bursts = BurstRunner(runtime, self._drain)
        self.task: asyncio.Task[None] | None = None

    def receive(self, message: LocalMessage, source: Mailbox) -> WorkerQueue | None:
        """Queue a message; return this queue if its senders should wait."""
        payload = message.payload
        if type(payload) is not bytes:
            message.own_payload()
        destination = self.own_mailboxes[message.onward_route.addresses[0].value]
        self._queue.append((destination, source, message))
        self._queued_bytes += len(payload) + MESSAGE_OVERHEAD_BYTES
        if not self._is_ready:
            self._is_ready = True
            self._runtime.make_ready(self)
        return self if self._queued_bytes > MAX_QUEUED_BYTES else None

    def start(self) -> None:
        """Initialize the worker, then hand over what has come meanwhile."""
        self._is_ready = True
        self.task = self._runtime.new_task(self._initialize())

    def drain_now(self) -> None:
        """Hand over what waits, now, and in a task from where a handler has to wait."""
        if not self._stopped:
            self.task = self._bursts.run()

    def drain_soon(self) -> None:
        """Hand over what waits, in a task."""
        if not self._stopped:
            self.task = self._runtime.new_task(self._drain())

    async def wait_writable(self) -> None:
        """Wait until less than half of what may wait does."""
        if asyncio.current_task() is self.task:
            return  # the handler itself: it would wait for itself
        while self._queued_bytes > MAX_QUEUED_BYTES // 2 and not self._stopped:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def stop(self) -> None:
        """Cancel the handler at its next await, drop what waits, and let the worker clean up."""
        self._stopped = True
        self._queue.clear()
        self._queued_bytes = 0
        self._wake()
        task = self.task
        if task is not None and not task.done() and not _is_asking(task, self._runtime):
            task.cancel()
            # Not `await task`: a handler that refuses to be cancelled would hold whoever gives up waiting, too.
            await asyncio.wait((task,))
        self._bursts.close()
        await self._shutdown()

    async def _initialize(self) -> None:
        try:
            await self._worker.initialize(self._ctx)
        except Exception:
            log.exception("worker %s failed to initialize and is stopped", self._ctx.primary_address)
            self._runtime.stop_soon(self._ctx.primary_address)
            return
        except asyncio.CancelledError:
            # By `stop`, and then this does nothing; or by something that `initialize` awaited.
            self._runtime.stop_soon(self._ctx.primary_address)
            raise
        await self._drain()

    async def _drain(self) -> None:
        queue, ctx, worker = self._queue, self._ctx, self._worker
        self.task = asyncio.current_task()  # the one that stands for it, if this is a first step
        try:
            # After a long burst the others have their turn; the rest is drained in another task.
            for _ in range(MAX_BURST):
                if not queue:
                    break
                destination, source, message = queue.popleft()
                self._queued_bytes -= len(message.payload) + MESSAGE_OVERHEAD_BYTES
                if self._waiters and self._queued_bytes <= MAX_QUEUED_BYTES // 2:
                    self._wake()
                try:
                    if destination.incoming is not ALLOW_ALL and not await is_let_in(destination, source, message):
                        continue
                    body = decode_body(message.payload, self._body_type)
                    await worker.handle_message(ctx, Routed(destination.address, source.address, message, body))
                except OckamError as error:
                    log.warning("worker %s could not handle a message: %s", ctx.primary_address, error)
                except Exception:
                    log.exception("worker %s failed on a message", ctx.primary_address)
        finally:
            self._is_ready = False
            if queue and not self._stopped:  # a long burst, or cancelled from inside a handler
                self._is_ready = True
                self._runtime.make_ready(self)
            self._runtime.burst_done()

    async def _shutdown(self) -> None:
        try:
            await self._worker.shutdown(self._ctx)
        except Exception:
            log.exception("worker %s failed to shut down", self._ctx.primary_address)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


def _is_asking(task: asyncio.Task[None], runtime: Runtime) -> bool:
    """Whether the stop was asked for by the very task that it would end."""
    return task is asyncio.current_task() or task is runtime.stopper


async def is_let_in(destination: Mailbox, source: Mailbox, message: LocalMessage) -> bool:
    answer = destination.incoming.is_authorized(RelayMessage(source.address, destination.address, message))
    if answer is True:
        return True
    if answer is not False and inspect.isawaitable(answer) and await answer:
        return True
    log.warning("a message for %s was refused by its access control", destination.address)
    return False


class ProcessorLoop:
    """Runs a processor in a task until it ends or is stopped."""

    def __init__(self, runtime: Runtime, processor: Processor, ctx: Context) -> None:
        self._runtime = runtime
        self._processor = processor
        self._ctx = ctx
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Initialize the processor and run it."""
        self._task = self._runtime.new_task(self._run())

    async def stop(self) -> None:
        """Cancel the processor at its next await, and let it clean up."""
        task = self._task
        if task is not None and not task.done() and not _is_asking(task, self._runtime):
            task.cancel()
            await asyncio.wait((task,))
        try:
            await self._processor.shutdown(self._ctx)
        except Exception:
            log.exception("processor %s failed to shut down", self._ctx.primary_address)

    async def _run(self) -> None:
        try:
            await self._processor.initialize(self._ctx)
        except Exception:
            log.exception("processor %s failed to initialize and is stopped", self._ctx.primary_address)
        else:
            go_on = True
            while go_on:
                try:
                    go_on = await self._processor.process(self._ctx)
                except Exception:
                    log.exception("processor %s failed in a round", self._ctx.primary_address)
                self._runtime.flush()
                # A processor that never waits must not keep the others from running.
                await asyncio.sleep(0)
        finally:
            self._runtime.stop_soon(self._ctx.primary_address)
