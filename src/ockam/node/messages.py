"""What a node does with messages and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from ockam.core.access_control import ALLOW_ALL, DENY_ALL, AccessControl
from ockam.runtime.context import DEFAULT_TIMEOUT_SECONDS, Context
from ockam.runtime.lifecycle import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from ockam.core.address import Address
    from ockam.core.message import Body, Routed
    from ockam.core.route import RouteLike
    from ockam.runtime.delayed import DelayedEvent
    from ockam.runtime.worker import DirectWorker, Processor, Worker
from ockam.node.parts import NodeParts

__all__ = ["NodeMessages"]

M = TypeVar("M")


class NodeMessages(NodeParts):
    """Messages and workers."""

    def send(self, route: RouteLike, body: Body) -> Coroutine[Any, Any, None]:
        """Send a message from the address `app`."""
        return self.context.send(route, body)

    @overload
    async def send_and_receive(
        self, route: RouteLike, body: Body, *, reply: type[M], timeout: float | None = ...
    ) -> M: ...
    @overload
    async def send_and_receive(self, route: RouteLike, body: Body, *, timeout: float | None = ...) -> bytes: ...
    def send_and_receive(
        self,
        route: RouteLike,
        body: Body,
        *,
        reply: type[Any] = bytes,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    ) -> Coroutine[Any, Any, Any]:
        """Send a message from a temporary address and return the body of the answer.

        Args:
            reply: how to read the answer: str, bytes, or a class with `decode`.
            timeout: seconds; None waits for ever.

        Raises:
            TimedOut: no answer in time. A message that was refused or dropped on the way looks just like that.
        """
        # The context's own coroutine: one less on the path of every round trip.
        return self.context.send_and_receive(route, body, reply=reply, timeout=timeout)

    @overload
    async def receive(self, body_type: type[M], *, timeout: float | None = ...) -> Routed[M]: ...
    @overload
    async def receive(self, *, timeout: float | None = ...) -> Routed[bytes]: ...
    async def receive(
        self, body_type: type[Any] = bytes, *, timeout: float | None = DEFAULT_TIMEOUT_SECONDS
    ) -> Routed[Any]:
        """Return the next message for the address `app`."""
        return await self.context.receive(body_type, timeout=timeout)

    async def start_worker(
        self,
        address: Address | str,
        worker: Worker[Any] | DirectWorker,
        *,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
        additional: Sequence[tuple[Address | str, AccessControl, AccessControl]] = (),
        shutdown_priority: int = DEFAULT_PRIORITY,
    ) -> Address:
        """Start a worker. Messages from outside reach it only once it is a consumer of their flow control."""
        return await self.context.start_worker(
            address,
            worker,
            incoming=incoming,
            outgoing=outgoing,
            additional=additional,
            shutdown_priority=shutdown_priority,
        )

    async def start_processor(
        self,
        address: Address | str,
        processor: Processor,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Address:
        """Start a processor. By default it may neither receive nor send."""
        return await self.context.start_processor(address, processor, incoming=incoming, outgoing=outgoing)

    async def stop_address(self, address: Address | str) -> None:
        """Stop the worker that has this address."""
        await self.context.stop_address(address)

    def new_detached(
        self,
        address: Address | str | None = None,
        *,
        incoming: AccessControl = DENY_ALL,
        outgoing: AccessControl = DENY_ALL,
    ) -> Context:
        """Return a context with an address of its own."""
        return self.context.new_detached(address, incoming=incoming, outgoing=outgoing)

    def delayed_event(self, destination: RouteLike, body: Body) -> DelayedEvent:
        """Return a message that can be scheduled to be sent later."""
        return self.context.delayed_event(destination, body)

    def list_workers(self) -> list[Address]:
        """Return the primary address of every worker."""
        return self.runtime.workers()

    def statistics(self) -> dict[str, int]:
        """Return counts of what the node holds now."""
        return self.runtime.statistics() | {"secure_channels": len(self.secure_channels.channels)}
