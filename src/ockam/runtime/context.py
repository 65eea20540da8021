"""The context: what a worker, or a program, uses to send, receive, and start other workers."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from ockam.core.access_control import ALLOW_ALL, DENY_ALL, AccessControl
from ockam.core.address import Address
from ockam.core.message import Body, LocalInfo, LocalMessage, Routed, decode_body, encode_body
from ockam.core.route import Route, RouteLike
from ockam.core.route import route as make_route
from ockam.errors import OckamError, TimedOut
from ockam.runtime.answer import Answer
from ockam.runtime.delayed import DelayedEvent
from ockam.runtime.errors import NodeStopping, NotOwnAddress, UnknownAddress
from ockam.runtime.lifecycle import DEFAULT_PRIORITY
from ockam.runtime.mailbox import AddressMetadata, Mailbox
from ockam.runtime.worker import (
    MAX_QUEUED_BYTES,
    MESSAGE_OVERHEAD_BYTES,
    DirectWorker,
    Processor,
    ProcessorLoop,
    Worker,
    WorkerQueue,
    is_let_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.core.flow_control import FlowControls
    from ockam.runtime.mailbox import Busy
    from ockam.runtime.router import Runtime

__all__ = ["DEFAULT_TIMEOUT_SECONDS", "Context"]

M = TypeVar("M")

DEFAULT_TIMEOUT_SECONDS: Final = 30.0
"""Source: reference ockam_node, the limit of `receive` and `send_and_receive`."""


class Context:
    """A handle on the node, with addresses of its own.

    Attributes:
        mailboxes: the own addresses, the primary one first.
    """

    def __init__(self, runtime: Runtime, mailboxes: Sequence[Mailbox]) -> None:
        self.runtime = runtime
        self.mailboxes = tuple(mailboxes)
        self._primary = self.mailboxes[0]
        self._received: deque[tuple[Mailbox, LocalMessage]] = deque()
        self._received_bytes = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._is_stopped = False

    # ---- who am I ----------------------------------------------------------------------------------------------------

    @property
    def primary_address(self) -> Address:
        """The first of the own addresses."""
        return self._primary.address

    @property
    def address(self) -> Address:
        """The primary address, so that a context can stand in a route."""
        return self._primary.address

    @property
    def flow_controls(self) -> FlowControls:
        """The node's flow controls."""
        return self.runtime.flow_controls

    # ---- sending -----------------------------------------------------------------------------------------------------

    async def send(self, route: RouteLike, body: Body, *, local_info: tuple[LocalInfo, ...] = ()) -> None:
        """Send a message; its return route is the primary address.

        A message that an access control refuses, or that the other side drops, is lost without a word.

        Raises:
            IncompleteRoute: the route is empty.
            UnknownAddress: the first hop is not on this node.
        """
        if type(route) is not Route:
            route = make_route(route)
        busy = self.runtime.forward(
            self._primary, LocalMessage(route, self._primary.route, encode_body(body), local_info)
        )
        if busy is not None and busy is not self:  # nobody waits for itself
            await busy.wait_writable()

    async def send_from_address(self, route: RouteLike, body: Body, address: Address | str) -> None:
        """Send a message from another of the own addresses.

        Raises:
            NotOwnAddress: it is none of them.
        """
        mailbox = self._own(address)
        busy = self.runtime.forward(mailbox, LocalMessage(make_route(route), mailbox.route, encode_body(body)))
        if busy is not None and busy is not self:  # nobody waits for itself
            await busy.wait_writable()

    async def forward(self, message: LocalMessage) -> None:
        """Send a message with its routes as they are."""
        busy = self.runtime.forward(self._primary, message)
        if busy is not None and busy is not self:  # nobody waits for itself
            await busy.wait_writable()

    async def forward_from_address(self, message: LocalMessage, address: Address | str) -> None:
        """Send a message with its routes as they are, from another of the own addresses."""
        busy = self.runtime.forward(self._own(address), message)
        if busy is not None and busy is not self:  # nobody waits for itself
            await busy.wait_writable()

    @overload
    async def send_and_receive(
        self,
        route: RouteLike,
        body: Body,
        *,
        reply: type[M],
        timeout: float | None = ...,
        incoming: AccessControl = ...,
        outgoing: AccessControl | None = ...,
    ) -> M: ...
    @overload
    async def send_and_receive(
        self,
        route: RouteLike,
        body: Body,
        *,
        timeout: float | None = ...,
        incoming: AccessControl = ...,
        outgoing: AccessControl | None = ...,
    ) -> bytes: ...
    async def send_and_receive(
        self,
        route: RouteLike,
        body: Body,
        *,
        reply: type[Any] = bytes,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl | None = None,
    ) -> Any:
        """Send a message from a temporary address and return the body of the first message that comes back to it.

        Args:
            reply: how to read the answer.
            timeout: seconds; None waits for ever.

        Raises:
            TimedOut: no answer in time. A message that was refused or dropped on the way looks just like that.
            DecodeError: the answer is no `reply`.
        """
        answer, address, consumers = self._ask(route, body, timeout, incoming, outgoing)
        try:
            message = await answer
        finally:
            self._answered(address, consumers)
        return decode_body(message.payload, reply)

    async def send_and_receive_extended(
        self,
        route: RouteLike,
        body: Body,
        *,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl | None = None,
    ) -> LocalMessage:
        """Like `send_and_receive`, but return the whole message, with its return route."""
        answer, address, consumers = self._ask(route, body, timeout, incoming, outgoing)
        try:
            return await answer
        finally:
            self._answered(address, consumers)

    def _ask(
        self,
        route: RouteLike,
        body: Body,
        timeout: float | None,
        incoming: AccessControl,
        outgoing: AccessControl | None,
    ) -> tuple[asyncio.Future[LocalMessage], Address, set[bytes] | None]:
        """Send a question, and return what its answer will be in, with what `_answered` has to take back.

        Not a coroutine: asking is on the path of every round trip, and one coroutine less is worth it.
        """
        if type(route) is not Route:
            route = make_route(route)
        runtime = self.runtime
        if runtime.is_stopping:
            raise NodeStopping
        first = route.next
        answer: asyncio.Future[LocalMessage] = runtime.loop.create_future()
        # The temporary worker may only send to the first hop, and does: that control needs no asking.
        mailbox = Mailbox(
            runtime.random_address(), Answer(answer).receive, incoming=incoming, outgoing=outgoing or ALLOW_ALL
        )
        address = mailbox.address
        runtime.table[address.value] = mailbox
        producer = runtime.flow_controls.producer(first)
        consumers = None
        if producer is not None:
            consumers = runtime.flow_controls.consumer_names(producer.flow_control_id)
            consumers.add(address.value)
        try:
            runtime.forward_now(mailbox, LocalMessage(route, mailbox.route, encode_body(body)))
        except BaseException:
            self._answered(address, consumers)
            raise
        if timeout is not None:
            runtime.deadlines.add(address, timeout, lambda: _expire(answer, timeout))
        return answer, address, consumers

    def _answered(self, address: Address, consumers: set[bytes] | None) -> None:
        runtime = self.runtime
        runtime.deadlines.drop(address)
        runtime.table.pop(address.value, None)
        if consumers is not None:
            consumers.discard(address.value)

    def _own(self, address: Address | str) -> Mailbox:
        wanted = Address.parse(address) if isinstance(address, str) else address
        for mailbox in self.mailboxes:
            if mailbox.address == wanted:
                return mailbox
        raise NotOwnAddress

    # ---- receiving ---------------------------------------------------------------------------------------------------

    def take(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Queue a message for `receive` (contexts without a worker)."""
        message.own_payload()
        self._received.append((source, message))
        self._received_bytes += len(message.payload) + MESSAGE_OVERHEAD_BYTES
        self._wake()
        return self if self._received_bytes > MAX_QUEUED_BYTES else None

    async def wait_writable(self) -> None:
        """Wait until less than half of what may wait for `receive` does, or the context is stopped."""
        while self._received_bytes > MAX_QUEUED_BYTES // 2 and not self._is_stopped:
            await self._change()

    def stopped(self) -> None:
        """Let go of whoever waits: nothing will come, and nothing will be taken, any more."""
        self._is_stopped = True
        self._received.clear()
        self._received_bytes = 0
        self._wake()

    async def _change(self) -> None:
        """Wait until a message comes or is taken, or the context is stopped."""
        waiter = self.runtime.loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    @overload
    async def receive(self, body_type: type[M], *, timeout: float | None = ...) -> Routed[M]: ...
    @overload
    async def receive(self, *, timeout: float | None = ...) -> Routed[bytes]: ...
    async def receive(
        self, body_type: type[Any] = bytes, *, timeout: float | None = DEFAULT_TIMEOUT_SECONDS
    ) -> Routed[Any]:
        """Return the next message for one of the own addresses that their access control lets in.

        Raises:
            TimedOut: none came in `timeout` seconds.
            DecodeError: one came, and does not hold a `body_type`; it is gone.
            NodeStopping: the node is shut down.
            UnknownAddress: the context is stopped.
        """
        self.runtime.flush()
        try:
            async with asyncio.timeout(timeout):
                while True:
                    while not self._received:
                        if self._is_stopped:
                            raise self._no_more()
                        await self._change()
                    source, message = self._received.popleft()
                    self._received_bytes -= len(message.payload) + MESSAGE_OVERHEAD_BYTES
                    self._wake()
                    destination = self._own(message.onward_route.next)
                    if destination.incoming is ALLOW_ALL or await is_let_in(destination, source, message):
                        body = decode_body(message.payload, body_type)
                        return Routed(destination.address, source.address, message, body)
        except TimeoutError:
            raise TimedOut(f"timeout: {timeout:g}s") from None

    def _no_more(self) -> OckamError:
        return NodeStopping() if self.runtime.is_stopping else UnknownAddress(self.primary_address)

    # ---- other workers -----------------------------------------------------------------------------------------------

    def new_detached(
        self,
        address: Address | str | None = None,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Context:
        """Return a context without a worker, at `address` or a random one. Stop it by `stop`.

        Raises:
            AddressInUse: the address is taken.
        """
        return detached_context(self.runtime, _address(self.runtime, address), incoming=incoming, outgoing=outgoing)

    async def start_worker(
        self,
        address: Address | str,
        worker: Worker[Any] | DirectWorker,
        *,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
        additional: Sequence[tuple[Address | str, AccessControl, AccessControl]] = (),
        metadata: AddressMetadata | None = None,
        shutdown_priority: int = DEFAULT_PRIORITY,
    ) -> Address:
        """Start a worker. It is reachable when this returns; `initialize` runs meanwhile.

        Args:
            incoming: access control for messages to `address`.
            outgoing: access control for what the worker sends from `address`.
            additional: further addresses, each with its incoming and outgoing control.

        Raises:
            AddressInUse: an address is taken.
            NodeStopping: the node is shutting down.
        """
        return start_worker(
            self.runtime,
            _address(self.runtime, address),
            worker,
            incoming,
            outgoing,
            [(_address(self.runtime, other), ins, outs) for other, ins, outs in additional],
            metadata,
            shutdown_priority,
        )

    async def start_processor(
        self,
        address: Address | str,
        processor: Processor,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
        shutdown_priority: int = DEFAULT_PRIORITY,
    ) -> Address:
        """Start a processor. By default it may neither receive nor send."""
        own = _address(self.runtime, address)
        context = detached_context(
            self.runtime, own, incoming=incoming, outgoing=outgoing, priority=shutdown_priority, processor=processor
        )
        return context.primary_address

    async def stop_address(self, address: Address | str) -> None:
        """Stop the worker that has this address.

        Raises:
            UnknownAddress: no worker has it.
        """
        await self.runtime.stop_address(_address(self.runtime, address))

    async def stop(self) -> None:
        """Stop the worker, or detached context, that this context belongs to."""
        await self.runtime.stop_address(self.primary_address)

    def list_workers(self) -> list[Address]:
        """Return the primary address of every worker on the node."""
        return self.runtime.workers()

    def is_worker_registered_at(self, address: Address | str) -> bool:
        """Return whether a worker has this as its primary address."""
        record = self.runtime.record_of(_address(self.runtime, address))
        return record is not None and record.primary == _address(self.runtime, address)

    def find_terminal_address(self, route: Route) -> tuple[Address, AddressMetadata] | None:
        """Return the first hop of `route` where messages leave this node or its protection."""
        return self.runtime.find_terminal_address(route)

    def delayed_event(self, destination: RouteLike, body: Body) -> DelayedEvent:
        """Return a message that can be scheduled, and scheduled anew, to be sent later."""
        return DelayedEvent(self.runtime, make_route(destination), encode_body(body))

    async def shutdown_node(self, timeout: float = 1.0) -> None:
        """Shut the node down; workers that have not stopped in `timeout` seconds are cancelled."""
        await self.runtime.shutdown(timeout)


def _expire(answer: asyncio.Future[LocalMessage], seconds: float) -> None:
    if not answer.done():
        answer.set_exception(TimedOut(f"timeout: {seconds:g}s"))


def _address(runtime: Runtime, address: Address | str | None) -> Address:
    if address is None:
        return runtime.random_address()
    return Address.parse(address) if isinstance(address, str) else address


def detached_context(
    runtime: Runtime,
    address: Address,
    *,
    incoming: AccessControl,
    outgoing: AccessControl,
    priority: int = DEFAULT_PRIORITY,
    processor: Processor | None = None,
) -> Context:
    """Register a context without a worker, or with a processor, at `address`."""

    def receive(message: LocalMessage, source: Mailbox) -> Busy | None:
        return context.take(message, source)

    mailbox = Mailbox(address, receive, incoming=incoming, outgoing=outgoing, checks_incoming=False)
    context = Context(runtime, [mailbox])
    if processor is None:
        runtime.add_worker([mailbox], priority=priority, on_stop=context.stopped, is_detached=True)
    else:
        loop = ProcessorLoop(runtime, processor, context)
        runtime.add_worker([mailbox], priority=priority, on_stop=loop.stop)
        loop.start()
    return context


def start_worker(
    runtime: Runtime,
    address: Address,
    worker: Worker[Any] | DirectWorker,
    incoming: AccessControl,
    outgoing: AccessControl,
    additional: Sequence[tuple[Address, AccessControl, AccessControl]],
    metadata: AddressMetadata | None,
    priority: int,
) -> Address:
    """Register a worker of the application, with its queue if it has one, and start it."""
    if isinstance(worker, DirectWorker):
        own = Mailbox(address, worker.receive, incoming=incoming, outgoing=outgoing, metadata=metadata)
        worker.runtime, worker.mailbox = runtime, own
        more = [Mailbox(other, worker.receive, incoming=ins, outgoing=outs) for other, ins, outs in additional]
        runtime.add_worker([own, *more], priority=priority)
        return address

    def receive(message: LocalMessage, source: Mailbox) -> Busy | None:
        return queue.receive(message, source)

    mailboxes = [
        Mailbox(address, receive, incoming=incoming, outgoing=outgoing, metadata=metadata, checks_incoming=False),
        *(
            Mailbox(other, receive, incoming=ins, outgoing=outs, checks_incoming=False)
            for other, ins, outs in additional
        ),
    ]
    context = Context(runtime, mailboxes)
    queue = WorkerQueue(runtime, worker, context)
    queue.own_mailboxes = {mailbox.address.value: mailbox for mailbox in mailboxes}
    # The queue takes messages directly: one call less for each.
    for mailbox in mailboxes:
        mailbox.receive = queue.receive
    runtime.add_worker(mailboxes, priority=priority, on_stop=queue.stop)
    queue.start()
    return address
