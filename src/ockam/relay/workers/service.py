"""The relay service: starts a relay for every node that registers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ockam.core.access_control import ALLOW_ALL, AccessControl, AllowOnwardAddresses
from ockam.core.address import Address
from ockam.core.message import LocalMessage, Routed, encode_body
from ockam.relay.messages import (
    EPHEMERAL,
    RELAY_PREFIX,
    STATIC_FORWARDING_SERVICE,
    InvalidRelayName,
    check_name,
)
from ockam.relay.workers.relay import Relay
from ockam.runtime.context import Context, start_worker
from ockam.runtime.lifecycle import DEFAULT_PRIORITY
from ockam.runtime.worker import Worker

if TYPE_CHECKING:
    from ockam.core.flow_control import FlowControlId
    from ockam.runtime.router import Runtime

__all__ = ["AuthorizeRelay", "RelayService", "RelayServiceOptions", "start_relay_service"]

log = logging.getLogger("ockam.relay")

MAX_RELAYS: Final = 10_000
"""Chosen by us: relays of one service. Before one is refused, those whose connection is gone are stopped."""

AuthorizeRelay: TypeAlias = Callable[[Routed[str], str], Awaitable[bool]]
"""Takes the request and the name that is wanted; returns whether the sender may have it."""


@dataclass(frozen=True, slots=True)
class RelayServiceOptions:
    """Options of a relay service.

    Attributes:
        prefix: put in front of every name; the reference's nodes use `forward_to_`.
        aliases: further addresses of the service.
        service_consumer_of: flow controls whose messages reach the service.
        relays_consumer_of: flow controls whose messages reach the relays.
        service_incoming: access control of the service.
        relays_incoming: access control of the relays.
        authorize: who may have which name; by default everybody any. The last to register a name has it.
    """

    prefix: str = RELAY_PREFIX
    aliases: Sequence[str] = (STATIC_FORWARDING_SERVICE,)
    service_consumer_of: Sequence[FlowControlId] = ()
    relays_consumer_of: Sequence[FlowControlId] = ()
    service_incoming: AccessControl = ALLOW_ALL
    relays_incoming: AccessControl = ALLOW_ALL
    authorize: AuthorizeRelay | None = None


class RelayService(Worker[str]):
    """Answers registrations. Whoever may not register hears nothing, as with the reference."""

    def __init__(self, options: RelayServiceOptions) -> None:
        self._options = options
        self._relays: dict[Address, Relay] = {}

    @property
    def relays(self) -> tuple[Address, ...]:
        """The addresses of the relays."""
        return tuple(self._relays)

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        """Start a relay, or start it anew, and confirm."""
        runtime = ctx.runtime
        try:
            name = runtime.random_address().value.decode() if message.body == EPHEMERAL else check_name(message.body)
        except InvalidRelayName as error:
            log.warning("a relay was not started: %s", error)
            return
        authorize = self._options.authorize
        if authorize is not None and not await authorize(message, name):
            log.warning("a relay was not started: the sender may not have that name")
            return
        address = Address.local(self._options.prefix + name)
        if not await self._make_way(runtime, address):
            return
        self._start(runtime, address, message)

    async def _make_way(self, runtime: Runtime, address: Address) -> bool:
        former = self._relays.pop(address, None)
        if former is not None:
            record = runtime.record_of(address)
            if record is not None and record.mailboxes[0] is former.mailbox:
                await runtime.stop_address(address)
        if runtime.record_of(address) is not None:
            # Not ours: a stranger must not take the place of another worker by choosing its name.
            log.warning("a relay was not started: another worker has its address")
            return False
        if len(self._relays) >= MAX_RELAYS:
            await self._remove_dead(runtime)
        if len(self._relays) >= MAX_RELAYS:
            log.warning("a relay was not started: there are %d already", MAX_RELAYS)
            return False
        return True

    async def _remove_dead(self, runtime: Runtime) -> None:
        """Stop the relays whose connection is gone: nothing that comes to them can be passed on."""
        for address, relay in list(self._relays.items()):
            if relay.next_hop.value not in runtime.table:
                del self._relays[address]
                record = runtime.record_of(address)
                if record is not None and record.mailboxes[0] is relay.mailbox:
                    await runtime.stop_address(address)

    def _start(self, runtime: Runtime, address: Address, message: Routed[str]) -> None:
        back = message.return_route
        # Reference: the registering worker itself is left out when messages are passed on.
        forward_route = back.without_recipient() if len(back) > 1 else back
        outgoing = AllowOnwardAddresses(back.next) if len(back) > 1 else ALLOW_ALL
        relay = Relay(forward_route)
        start_worker(runtime, address, relay, self._options.relays_incoming, outgoing, (), None, DEFAULT_PRIORITY)
        self._relays[address] = relay
        for flow_control_id in self._options.relays_consumer_of:
            runtime.flow_controls.add_consumer(address, flow_control_id)
        # The confirmation comes from the relay: its address is what the other side learns from it.
        confirmation = LocalMessage(back, relay.mailbox.route, encode_body(address.value.decode()))
        runtime.deliver(relay.mailbox, confirmation)
        log.info("relay %s is up", address)


async def start_relay_service(ctx: Context, address: str, options: RelayServiceOptions) -> RelayService:
    """Start a relay service at `address` and its aliases."""
    service = RelayService(options)
    await ctx.start_worker(
        address,
        service,
        incoming=options.service_incoming,
        additional=[(alias, options.service_incoming, ALLOW_ALL) for alias in options.aliases],
    )
    for flow_control_id in options.service_consumer_of:
        for name in (address, *options.aliases):
            ctx.flow_controls.add_consumer(name, flow_control_id)
    return service
