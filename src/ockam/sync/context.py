"""The context, blocking: what a worker with plain functions, or a program, sends and receives with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from ockam.core.access_control import ALLOW_ALL, DENY_ALL, AccessControl
from ockam.core.address import Address
from ockam.runtime.context import DEFAULT_TIMEOUT_SECONDS
from ockam.runtime.lifecycle import DEFAULT_PRIORITY
from ockam.sync.handles import FlowControls
from ockam.sync.worker import InThreads, Worker, WorkerThreads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.core.message import Body, LocalInfo, LocalMessage, Routed
    from ockam.core.route import RouteLike
    from ockam.runtime.context import Context as AsynchronousContext
    from ockam.runtime.worker import DirectWorker, Processor
    from ockam.runtime.worker import Worker as AsynchronousWorker
    from ockam.sync.loop_thread import LoopThread

__all__ = ["Context"]

M = TypeVar("M")


class Context:
    """A handle on the node, with addresses of its own. Its methods are those of `ockam.Context`, and wait."""

    def __init__(self, loop: LoopThread, threads: WorkerThreads, context: AsynchronousContext) -> None:
        self._loop = loop
        self._threads = threads
        self._context = context

    # ---- who am I ----------------------------------------------------------------------------------------------------

    @property
    def primary_address(self) -> Address:
        """The first of the own addresses."""
        return self._context.primary_address

    @property
    def address(self) -> Address:
        """The primary address, so that a context can stand in a route."""
        return self._context.primary_address

    @property
    def flow_controls(self) -> FlowControls:
        """The node's flow controls."""
        return FlowControls(self._loop, self._context.flow_controls)

    # ---- messages ----------------------------------------------------------------------------------------------------

    def send(self, route: RouteLike, body: Body, *, local_info: tuple[LocalInfo, ...] = ()) -> None:
        """Send a message; its return route is the primary address.

        Raises:
            IncompleteRoute: the route is empty.
            UnknownAddress: the first hop is not on this node.
        """
        self._loop.run(lambda: self._context.send(route, body, local_info=local_info))

    def send_from_address(self, route: RouteLike, body: Body, address: Address | str) -> None:
        """Send a message from another of the own addresses."""
        self._loop.run(lambda: self._context.send_from_address(route, body, address))

    def forward(self, message: LocalMessage) -> None:
        """Send a message with its routes as they are."""
        self._loop.run(lambda: self._context.forward(message))

    @overload
    def send_and_receive(self, route: RouteLike, body: Body, *, reply: type[M], timeout: float | None = ...) -> M: ...
    @overload
    def send_and_receive(self, route: RouteLike, body: Body, *, timeout: float | None = ...) -> bytes: ...
    def send_and_receive(
        self,
        route: RouteLike,
        body: Body,
        *,
        reply: type[Any] = bytes,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    ) -> Any:
        """Send a message from a temporary address and return the body of the first answer.

        Raises:
            TimedOut: no answer in `timeout` seconds.
            DecodeError: the answer is no `reply`.
        """
        return self._loop.run(lambda: self._context.send_and_receive(route, body, reply=reply, timeout=timeout))

    @overload
    def receive(self, body_type: type[M], *, timeout: float | None = ...) -> Routed[M]: ...
    @overload
    def receive(self, *, timeout: float | None = ...) -> Routed[bytes]: ...
    def receive(self, body_type: type[Any] = bytes, *, timeout: float | None = DEFAULT_TIMEOUT_SECONDS) -> Routed[Any]:
        """Return the next message for one of the own addresses (contexts without a worker).

        Raises:
            TimedOut: none came in `timeout` seconds.
        """
        return self._loop.run(lambda: self._context.receive(body_type, timeout=timeout))

    # ---- other workers -----------------------------------------------------------------------------------------------

    def new_detached(
        self,
        address: Address | str | None = None,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Context:
        """Return a context with an address of its own. Stop it by `stop`."""
        return self._wrap(
            self._loop.call(lambda: self._context.new_detached(address, incoming=incoming, outgoing=outgoing))
        )

    def start_worker(
        self,
        address: Address | str,
        worker: Worker[Any] | AsynchronousWorker[Any] | DirectWorker,
        *,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
        additional: Sequence[tuple[Address | str, AccessControl, AccessControl]] = (),
        shutdown_priority: int = DEFAULT_PRIORITY,
    ) -> Address:
        """Start a worker: one of `ockam.sync` in threads, one of `ockam` on the loop.

        Access controls are asked on the loop.

        Raises:
            AddressInUse: an address is taken.
        """
        started = InThreads(worker, self._threads, self._wrap) if isinstance(worker, Worker) else worker
        return self._loop.run(
            lambda: self._context.start_worker(
                address,
                started,
                incoming=incoming,
                outgoing=outgoing,
                additional=additional,
                shutdown_priority=shutdown_priority,
            )
        )

    def start_processor(
        self,
        address: Address | str,
        processor: Processor,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Address:
        """Start a processor, on the loop. By default it may neither receive nor send."""
        return self._loop.run(
            lambda: self._context.start_processor(address, processor, incoming=incoming, outgoing=outgoing)
        )

    def stop_address(self, address: Address | str) -> None:
        """Stop the worker that has this address; itself, without waiting.

        Raises:
            UnknownAddress: no worker has it.
        """
        wanted = Address.parse(address) if isinstance(address, str) else address
        if any(mailbox.address == wanted for mailbox in self._context.mailboxes):
            # The handler that asks for it would wait for its own end.
            self._loop.call(lambda: self._context.runtime.stop_soon(wanted))
        else:
            self._loop.run(lambda: self._context.stop_address(wanted))

    def stop(self) -> None:
        """Stop the worker, or detached context, that this context belongs to, without waiting."""
        self.stop_address(self.primary_address)

    def list_workers(self) -> list[Address]:
        """Return the primary address of every worker on the node."""
        return self._loop.call(self._context.list_workers)

    def is_worker_registered_at(self, address: Address | str) -> bool:
        """Return whether a worker has this as its primary address."""
        return self._loop.call(lambda: self._context.is_worker_registered_at(address))

    def _wrap(self, context: AsynchronousContext) -> Context:
        return Context(self._loop, self._threads, context)

    def __repr__(self) -> str:
        return f"Context({self.address})"
