"""The listener: makes a responder for every first message that arrives."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ockam.core.route import Route
from ockam.errors import OckamError
from ockam.runtime.mailbox import Busy, Mailbox
from ockam.secure_channel.noise import Role
from ockam.secure_channel.workers.handshake import ChannelServices, HandshakeWorker, Terms

if TYPE_CHECKING:
    from ockam.core.address import Address
    from ockam.core.message import LocalMessage
    from ockam.identity.identifier import Identifier
    from ockam.secure_channel.options import SecureChannelListenerOptions

__all__ = ["SecureChannelListener"]

log = logging.getLogger("ockam.secure_channel")

MAX_HALF_OPEN: Final = 1024
"""Chosen by us: handshakes of one listener that may be under way; beyond it the oldest is given up."""
MESSAGE_1_BYTES: Final = 32


class SecureChannelListener:
    """Takes channels in until it is closed; closing it leaves them open.

    Attributes:
        address: where initiators send their first message.
        flow_control_id: consumers of it are reachable from every channel this listener takes in.
        identifier: who it is.
    """

    def __init__(
        self,
        services: ChannelServices,
        identifier: Identifier,
        address: Address,
        options: SecureChannelListenerOptions,
    ) -> None:
        runtime = services.runtime
        self._services = services
        self._address = address
        self.identifier = identifier
        self._half_open: dict[HandshakeWorker, None] = {}
        self._is_closed = False
        self._terms = Terms.of(identifier, options)
        self.flow_control_id = runtime.random_flow_control_id()
        runtime.add_worker([Mailbox(address, self._receive)], on_stop=self._stop)
        for flow_control_id in options.consumer_of:
            runtime.flow_controls.add_consumer(address, flow_control_id)
        runtime.flow_controls.add_spawner(address, self.flow_control_id)

    @property
    def address(self) -> Address:
        """The listening worker."""
        return self._address

    async def close(self) -> None:
        """Take no more channels in. Twice is allowed."""
        if not self._is_closed:
            await self._services.runtime.stop_address(self.address)

    def _stop(self) -> None:
        self._is_closed = True

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Take one first message (unauthenticated): nothing is computed before a responder's task runs."""
        if len(message.payload) < MESSAGE_1_BYTES:
            log.info("a handshake was not begun: the message is no first message")
            return None
        runtime = self._services.runtime
        try:
            responder = HandshakeWorker(self._services, self._terms, Role.RESPONDER, self.flow_control_id)
        except OckamError as error:
            log.warning("a responder could not be started: %s", error)
            return None
        if len(self._half_open) >= MAX_HALF_OPEN:
            # The oldest goes: an honest handshake takes a moment, and nobody can keep the others out until a timeout.
            oldest = next(iter(self._half_open))
            del self._half_open[oldest]
            log.info("a handshake was given up: too many are under way")
            runtime.stop_soon(oldest.end.decryptor_remote.address)
        self._half_open[responder] = None
        responder.completed.add_done_callback(lambda _: self._half_open.pop(responder, None))
        responder.end.consume(runtime.flow_controls.ids_of_consumer(self.address))
        address = responder.end.decryptor_remote.address
        message.onward_route = Route((address, *message.onward_route.addresses[1:]))
        return responder.receive(message, source)

    @property
    def is_key_exchange_only(self) -> bool:
        """Whether its channels only encrypt and decrypt for others."""
        return self._terms.key_exchange_only

    @property
    def half_open(self) -> int:
        """How many handshakes are under way."""
        return len(self._half_open)

    def __repr__(self) -> str:
        return f"SecureChannelListener({self.address}, {self.identifier})"
