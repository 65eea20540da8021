"""The runtime of one node: which worker has which address, and how a message gets there.

Delivery is a direct call: `forward` looks the first hop up, asks the access controls and calls the mailbox. An I/O
callback ends with `end_batch`: the workers that got messages are started, then the connections that got frames are
written to, with one system call for the whole batch.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from ockam.core.access_control import ALLOW_ALL
from ockam.core.address import RANDOM_ADDRESS_SIZE_BYTES, Address
from ockam.core.errors import IncompleteRoute
from ockam.core.flow_control import FlowControlId, FlowControlOutgoing, FlowControls
from ockam.core.message import LocalMessage, RelayMessage
from ockam.errors import Misuse, OckamError, Origin
from ockam.runtime.answer import Answer
from ockam.runtime.deadlines import Deadlines
from ockam.runtime.errors import AddressInUse, NodeStopping, UnknownAddress, UnresolvedAddress
from ockam.runtime.held import HeldMessages
from ockam.runtime.lifecycle import DEFAULT_PRIORITY, WorkerRecord, stop_all
from ockam.runtime.removals import Removals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from contextvars import Context

    from ockam.core.route import Route
    from ockam.runtime.mailbox import AddressMetadata, Busy, Mailbox
    from ockam.runtime.worker import WorkerQueue

__all__ = ["Runtime", "Writer"]

log = logging.getLogger("ockam.runtime")

_RANDOM_BLOCK_BYTES: Final = 2048
"""Random addresses are slices of one block: a system call per address costs as much as sending a message."""

CANCEL_SECONDS: Final = 1.0
"""Chosen by us: how long the tasks of a node may take to end once they are cancelled."""


class Writer(Protocol):
    """A connection that has frames to write."""

    def flush(self) -> None:
        """Write what is queued, as far as the kernel takes it."""


class Runtime:
    """One node's workers. Everything runs on one event loop, in one thread.

    Args:
        clock: seconds since 1970, UTC.
        random: returns so many random bytes.
    """

    def __init__(self, clock: Callable[[], int], random: Callable[[int], bytes]) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = clock
        self.random = random
        self.flow_controls = FlowControls()
        self.deadlines = Deadlines(self.loop)
        self.removals = Removals()
        self.table: dict[bytes, Mailbox] = {}
        self._records: dict[Address, WorkerRecord] = {}
        self._held: dict[tuple[Mailbox, Mailbox], HeldMessages] = {}
        self._primary_of: dict[Address, Address] = {}
        self._ready: list[WorkerQueue] = []
        self._dirty: list[Writer] = []
        self._in_batch = False
        self._flush_is_due = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle_tasks: set[asyncio.Task[Any]] = set()
        self._stopping: asyncio.Task[None] | None = None
        self.stopper: asyncio.Task[Any] | None = None
        self._stopped = self.loop.create_future()
        self._random_block = b""
        self._random_at = 0

    # ---- addresses ---------------------------------------------------------------------------------------------------

    def random_address(self) -> Address:
        """Return a local address of 16 random bytes that nobody has."""
        at = self._random_at
        if at + RANDOM_ADDRESS_SIZE_BYTES > len(self._random_block):
            self._random_block = self.random(_RANDOM_BLOCK_BYTES)
            at = 0
        self._random_at = at + RANDOM_ADDRESS_SIZE_BYTES
        return Address.random(self._random_block[at : self._random_at])

    def random_flow_control_id(self) -> FlowControlId:
        """Return a fresh flow control id."""
        return FlowControlId.random(self.random(16))

    def add_worker(
        self,
        mailboxes: Sequence[Mailbox],
        *,
        priority: int = DEFAULT_PRIORITY,
        on_stop: Callable[[], Awaitable[None] | None] | None = None,
        is_detached: bool = False,
    ) -> WorkerRecord:
        """Register a worker under the addresses of its mailboxes, the first being its primary address.

        Args:
            priority: 7 is stopped first when the node shuts down, 1 last.
            on_stop: called once when the worker is stopped, after its addresses are gone.

        Raises:
            AddressInUse: one of the addresses is taken, or named twice; nothing is registered then.
            Misuse: one of them is the address of a socket.
            NodeStopping: the node is shutting down.
        """
        if self._stopping is not None:
            raise NodeStopping
        seen: set[bytes] = set()
        for mailbox in mailboxes:
            value = mailbox.address.value
            if not mailbox.address.is_local:
                raise Misuse(f"a worker cannot be at {mailbox.address}: that names a socket", origin=Origin.NODE)
            if value in self.table or value in seen:
                raise AddressInUse(mailbox.address)
            seen.add(value)
        primary = mailboxes[0].address
        record = WorkerRecord(primary, tuple(mailboxes), priority, on_stop, is_detached)
        self._records[primary] = record
        for mailbox in mailboxes:
            self.table[mailbox.address.value] = mailbox
            self._primary_of[mailbox.address] = primary
        return record

    def record_of(self, address: Address) -> WorkerRecord | None:
        """Return the worker that has this address."""
        primary = self._primary_of.get(address)
        return self._records.get(primary) if primary is not None else None

    def workers(self) -> list[Address]:
        """Return the primary address of every worker."""
        return list(self._records)

    def metadata(self, address: Address) -> AddressMetadata | None:
        """Return what is known of an address on this node."""
        mailbox = self.table.get(address.value) if address.transport_type == 0 else None
        return mailbox.metadata if mailbox is not None else None

    def find_terminal_address(self, addresses: Sequence[Address] | Route) -> tuple[Address, AddressMetadata] | None:
        """Return the first of `addresses` where messages leave this node or its protection, and what is known of it."""
        for address in addresses:
            metadata = self.metadata(address)
            if metadata is not None and metadata.is_terminal:
                return address, metadata
        return None

    def remove(self, record: WorkerRecord) -> None:
        """Take a worker's addresses out of the table at once; its `on_stop` is not called."""
        if self._records.pop(record.primary, None) is None:
            return
        for mailbox in record.mailboxes:
            self.table.pop(mailbox.address.value, None)
            self._primary_of.pop(mailbox.address, None)
            self.flow_controls.cleanup(mailbox.address)
        if self.removals:
            for mailbox in record.mailboxes:
                self.removals.tell(mailbox.address)

    async def stop_address(self, address: Address) -> None:
        """Stop the worker that has this address, and wait until it has.

        Raises:
            UnknownAddress: no worker has it.
        """
        record = self.record_of(address)
        if record is None:
            raise UnknownAddress(address)
        self.remove(record)
        await record.run_on_stop()

    def stop_soon(self, address: Address) -> None:
        """Stop the worker that has this address, if one has, without waiting."""
        record = self.record_of(address)
        if record is not None:
            self.remove(record)
            self.new_task(record.run_on_stop())

    # ---- messages ----------------------------------------------------------------------------------------------------

    def forward(self, source: Mailbox, message: LocalMessage) -> Busy | None:
        """Hand a message over to the first hop of its onward route.

        Returns:
            What the sender should wait for before it sends more, if anything.

        Raises:
            IncompleteRoute: the onward route is empty.
            UnknownAddress: no worker has that address.
            UnresolvedAddress: it is the address of a socket.
        """
        try:
            destination = message.onward_route.addresses[0]
        except IndexError:
            raise IncompleteRoute from None
        name = destination.value
        mailbox = self.table.get(name)
        if mailbox is None or destination.transport_type != 0:
            if destination.transport_type != 0:
                raise UnresolvedAddress
            raise UnknownAddress(destination)
        if self._held:
            held = self._held.get((source, mailbox))
            if held is not None:
                return held.add(message)
        outgoing = source.outgoing
        if type(outgoing) is FlowControlOutgoing:  # every message from outside: asked without a detour
            if name not in outgoing.own and name not in outgoing.spawned:
                self._refused(source, mailbox)
                return None
        elif outgoing is not ALLOW_ALL:
            answer = outgoing.is_authorized(RelayMessage(source.address, destination, message))
            if answer is not True:
                return self._not_at_once(0, answer, source, mailbox, message)
        incoming = mailbox.incoming
        if incoming is not ALLOW_ALL and not mailbox.deferred:
            try:
                answer = incoming.is_authorized(RelayMessage(source.address, destination, message))
            except Exception:
                # Reference: the receiver's own affair; the sender is told only of its own control's error.
                log.exception("the access control of %s failed", destination)
                return None
            if answer is not True:
                return self._not_at_once(1, answer, source, mailbox, message)
        return mailbox.receive(message, source)

    @staticmethod
    def _refused(source: Mailbox, mailbox: Mailbox) -> None:
        if log.isEnabledFor(logging.WARNING):
            log.warning("a message from %s to %s was refused", source.address, mailbox.address)

    def _not_at_once(
        self,
        control: int,
        answer: bool | Awaitable[bool],
        source: Mailbox,
        mailbox: Mailbox,
        message: LocalMessage,
    ) -> Busy | None:
        if answer is False or not inspect.isawaitable(answer):
            self._refused(source, mailbox)
            return None
        held = self._held[source, mailbox] = HeldMessages(self, source, mailbox)
        held.add(message, control, answer)
        self.new_task(held.pass_on())
        return None

    def release(self, source: Mailbox, mailbox: Mailbox) -> None:
        """No messages from `source` to `mailbox` are held any more."""
        self._held.pop((source, mailbox), None)

    def deliver(self, source: Mailbox, message: LocalMessage) -> Busy | None:
        """Like `forward`, for messages from outside: whatever is wrong with one is logged, and it is dropped."""
        try:
            return self.forward(source, message)
        except OckamError as error:
            if log.isEnabledFor(logging.WARNING):
                log.warning("a message from outside was dropped: %s", error)
        except RecursionError:
            log.warning("a message from outside was dropped: its route goes in a circle, or over too many workers")
        except Exception:
            log.exception("a message from outside could not be delivered")
        return None

    # ---- batches -----------------------------------------------------------------------------------------------------

    def begin_batch(self) -> None:
        """Start of an I/O callback: what is sent until `end_batch` is written together."""
        self._in_batch = True

    def end_batch(self) -> None:
        """End of an I/O callback: start the workers that got messages, write what was sent."""
        ready = self._ready
        if ready:
            self._ready = []
            # Still in the batch: what these workers send is written below, together.
            for queue in ready:
                queue.drain_now()
            ready, self._ready = self._ready, []
        self._in_batch = False
        # Whom they woke in turn has its turn after the I/O of others, or two of them could keep the loop for ever.
        for queue in ready:
            queue.drain_soon()
        if self._dirty:
            self.flush()

    def forward_now(self, source: Mailbox, message: LocalMessage) -> None:
        """Like `forward`, and write it at once: for who is about to wait for an answer."""
        if self._in_batch:
            self.forward(source, message)
        else:
            # As a batch of its own, so that nobody schedules the writing that follows.
            self._in_batch = True
            try:
                self.forward(source, message)
            finally:
                self._in_batch = False
                ready, self._ready = self._ready, []
                for queue in ready:
                    queue.drain_soon()
        self.flush()

    def make_ready(self, queue: WorkerQueue) -> None:
        """A worker has messages: start it at the end of the batch, or now."""
        if self._in_batch:
            self._ready.append(queue)
        else:
            queue.drain_soon()

    def make_dirty(self, writer: Writer) -> None:
        """A connection has frames: write them at the end of the batch, or soon."""
        self._dirty.append(writer)
        if not self._in_batch and not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush_due)

    def burst_done(self) -> None:
        """A worker has handled what it got: write what it sent, or leave that to the end of the batch."""
        if not self._in_batch:
            self.flush()

    def flush(self) -> None:
        """Write now what was sent."""
        while self._dirty:
            dirty = self._dirty
            self._dirty = []
            for writer in dirty:
                writer.flush()

    def _flush_due(self) -> None:
        self._flush_is_due = False
        self.flush()

    # ---- tasks and the end -------------------------------------------------------------------------------------------

    def new_task(
        self, coroutine: Coroutine[Any, Any, Any], *, context: Context | None = None, is_idle: bool = False
    ) -> asyncio.Task[Any]:
        """Run a coroutine in a task that this node owns: it is cancelled, at the latest, when the node stops.

        Args:
            is_idle: it mostly sleeps, and is not counted among what the node has to do.
        """
        task = self.own_task(self.loop.create_task(coroutine, context=context))
        if is_idle:
            self._idle_tasks.add(task)
        return task

    def own_task(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        """Make a task one of this node's."""
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._idle_tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the node failed", exc_info=task.exception())

    @property
    def is_stopping(self) -> bool:
        """Whether the node is shutting down, or has."""
        return self._stopping is not None

    async def wait_stopped(self) -> None:
        """Wait until the node has shut down."""
        await asyncio.shield(self._stopped)

    async def shutdown(self, timeout: float = 1.0) -> None:
        """Stop every worker, by priority, 7 first; what has not stopped in `timeout` seconds is cancelled.

        Calling it again waits for the first call. A worker that calls it is not cancelled for it.
        """
        if self._stopping is None:
            self.stopper = asyncio.current_task()
            # A task of its own: whatever becomes of the caller, the node is shut down to the end.
            self._stopping = self.loop.create_task(self._shutdown(timeout))
        await asyncio.shield(self._stopping)

    async def _shutdown(self, timeout: float) -> None:
        try:
            await stop_all(list(self._records.values()), self.remove, self.new_task, timeout)
            self.flush()
        finally:
            self.deadlines.close()
            for mailbox in list(self.table.values()):
                waits = getattr(mailbox.receive, "__self__", None)
                if isinstance(waits, Answer):
                    waits.fail(NodeStopping())
            tasks = [task for task in self._tasks if task is not self.stopper]
            for task in tasks:
                task.cancel()
            if tasks:
                # One that refuses to be cancelled is left behind.
                await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
            self._stopped.set_result(None)

    def statistics(self) -> dict[str, int]:
        """Return counts of what the node holds now."""
        return {
            "workers": len(self._records),
            "addresses": len(self.table),
            "tasks": len(self._tasks) - len(self._idle_tasks),
        }
