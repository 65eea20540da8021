"""The registering side: asks a relay service for a relay, and takes what comes through it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ockam.core.access_control import ALLOW_ALL, DENY_ALL, AccessControl
from ockam.core.address import Address
from ockam.core.flow_control import FlowControlOutgoing
from ockam.core.message import LocalMessage, encode_body
from ockam.core.route import Route, RouteLike
from ockam.core.route import route as make_route
from ockam.encoding.bare import decode_string
from ockam.errors import OckamError, TimedOut
from ockam.relay.messages import EPHEMERAL, FORWARDING_SERVICE, STATIC_FORWARDING_SERVICE, check_name, confirms
from ockam.runtime.errors import NodeStopping
from ockam.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from ockam.runtime.mailbox import Busy
    from ockam.runtime.router import Runtime

__all__ = ["RemoteRelay"]

log = logging.getLogger("ockam.relay")


class RemoteRelay:
    """A relay on another node that leads here.

    Attributes:
        name: what was asked for; None for any.
        remote_address: the relay's address on that node, once confirmed.
    """

    def __init__(self, runtime: Runtime, relay_node: RouteLike, name: str | None) -> None:
        self._runtime = runtime
        self._node = make_route(relay_node)
        self.name = check_name(name) if name is not None else None
        self.remote_address: Address | None = None
        self._confirmed: asyncio.Future[Address] = runtime.loop.create_future()
        self._confirmed.add_done_callback(_retrieve)
        producer = runtime.flow_controls.producer(self._node.next)
        # What comes through the relay may reach exactly what the connection or channel to it may reach.
        outgoing: AccessControl = ALLOW_ALL
        if producer is not None:
            outgoing = FlowControlOutgoing(
                runtime.flow_controls, producer.flow_control_id, producer.spawner_flow_control_id
            )
        self._main = Mailbox(runtime.random_address(), self._receive)
        self._internal = Mailbox(runtime.random_address(), _refuse, incoming=DENY_ALL, outgoing=outgoing)
        runtime.add_worker([self._main, self._internal], on_stop=self._stopped)
        if producer is not None:
            runtime.flow_controls.add_consumer(self._main.address, producer.flow_control_id)

    @property
    def address(self) -> Address:
        """The registering worker on this node."""
        return self._main.address

    async def register(self, timeout: float | None) -> Address:
        """Ask for the relay and return its address on the other node.

        Raises:
            TimedOut: no confirmation in `timeout` seconds; a service that refuses says nothing.
            NodeStopping: the node is shutting down.
        """
        service = STATIC_FORWARDING_SERVICE if self.name is not None else FORWARDING_SERVICE
        request = LocalMessage(self._node.append(service), self._main.route, encode_body(self.name or EPHEMERAL))
        self._runtime.forward(self._main, request)
        self._runtime.flush()
        try:
            async with asyncio.timeout(timeout):
                self.remote_address = await asyncio.shield(self._confirmed)
        except TimeoutError:
            raise TimedOut(
                f"timeout: {timeout:g}s. The relay service did not confirm: it may not be there, or refuse this name"
            ) from None
        return self.remote_address

    @property
    def remote_route(self) -> Route:
        """The route to the relay from this node."""
        return self._node.append(self.remote_address or Address.local(""))

    async def close(self) -> None:
        """Take nothing more through the relay; the other node keeps it until somebody registers the name."""
        if self._runtime.record_of(self.address) is not None:
            await self._runtime.stop_address(self.address)

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        rest = message.onward_route.tail()
        if rest.addresses:
            if rest.addresses[0] == self._main.address:
                log.warning("a relayed message leads to its own relay and was dropped")
                return None
            message.onward_route = rest
            return self._runtime.deliver(self._internal, message)
        try:
            body = decode_string(message.payload)
        except OckamError:
            return None
        relay = confirms(message.onward_route, self._main.address, message.return_route, body, self.name or EPHEMERAL)
        if relay is not None and not self._confirmed.done():
            self._confirmed.set_result(relay)
        return None

    def _stopped(self) -> None:
        if not self._confirmed.done():
            self._confirmed.set_exception(
                NodeStopping()
                if self._runtime.is_stopping
                else TimedOut("the relay was closed before it was confirmed")
            )


def _retrieve(confirmed: asyncio.Future[Address]) -> None:
    """Nobody may be waiting for the outcome."""
    confirmed.exception()


def _refuse(message: LocalMessage, source: Mailbox) -> None:
    """The internal address takes no messages; its access control lets none through."""
