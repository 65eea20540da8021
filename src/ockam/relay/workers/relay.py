"""The worker that passes messages on to a node that registered, or to a fixed route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ockam.core.route import Route, RouteLike
from ockam.core.route import route as make_route
from ockam.runtime.worker import DirectWorker

if TYPE_CHECKING:
    from ockam.core.address import Address
    from ockam.core.message import LocalMessage
    from ockam.runtime.mailbox import Busy, Mailbox

__all__ = ["Relay"]

MAX_REMEMBERED: Final = 1024
"""Chosen by us: previous hops that are known to be let through."""


class Relay(DirectWorker):
    """Passes every message on over a route: takes its own address off and puts the route in its place.

    The return route stays as it is, so answers do not come back through this worker. Where a message comes from one
    connection and goes to another, each is opened to the other in the node's flow controls; without that the first
    message would pass and its answer would not.

    Args:
        forward_route: put in front of what is left of a message's onward route.
    """

    def __init__(self, forward_route: RouteLike) -> None:
        self._route = make_route(forward_route)
        self._next = self._route.next
        self._previous: set[Address] = set()
        # The route of the latest message and what it became: connections hand over the same objects again and again.
        self._rest = Route()
        self._joined = self._route

    @property
    def next_hop(self) -> Address:
        """Where messages go first."""
        return self._next

    def receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Pass one message on."""
        previous = message.return_route.addresses[0] if message.return_route.addresses else None
        if previous is not None and previous not in self._previous:
            self._open(previous)
        rest = message.onward_route.tail()
        if rest is not self._rest:
            self._rest, self._joined = rest, self._route + rest
        message.onward_route = self._joined
        return self.runtime.deliver(self.mailbox, message)

    def _open(self, previous: Address) -> None:
        controls = self.runtime.flow_controls
        following = controls.producer(self._next)
        if following is not None:
            controls.add_consumer(previous, following.flow_control_id)
        preceding = controls.producer(previous)
        if preceding is not None:
            controls.add_consumer(self._next, preceding.flow_control_id)
        if len(self._previous) >= MAX_REMEMBERED:
            self._previous.clear()
        self._previous.add(previous)
