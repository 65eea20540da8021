"""The listener: makes a responder for every first message that arrives."""

from __future__ import annotations

import logging
from typing import Final

from ockam.core.address import Address
from ockam.core.message import LocalMessage
from ockam.core.route import Route
from ockam.errors import OckamError
from ockam.identity.identifier import Identifier
from ockam.runtime.mailbox import Busy, Mailbox
from ockam.secure_channel.noise import Role
from ockam.secure_channel.options import SecureChannelListenerOptions, credential_of
from ockam.secure_channel.workers.handshake import ChannelServices, HandshakeWorker, Terms

__all__ = ["SecureChannelListener"]

log = logging.getLogger("ockam.secure_channel")

MAX_HALF_OPEN: Final = 1024
"""Chosen by us: handshakes of one listener that may be under way; first messages beyond it are dropped."""
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
        self._half_open = 0
        self._terms = Terms(
            identifier, options.trust_policy, options.authority, credential_of(options), options.timeout
        )
        self.flow_control_id = runtime.random_flow_control_id()
        runtime.add_worker([Mailbox(address, self._receive)])
        for flow_control_id in options.consumer_of:
            runtime.flow_controls.add_consumer(address, flow_control_id)
        runtime.flow_controls.add_spawner(address, self.flow_control_id)

    @property
    def address(self) -> Address:
        """The listening worker."""
        return self._address

    async def close(self) -> None:
        """Take no more channels in."""
        await self._services.runtime.stop_address(self.address)

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Take one first message (unauthenticated): nothing is computed before a responder's task runs."""
        if len(message.payload) < MESSAGE_1_BYTES or self._half_open >= MAX_HALF_OPEN:
            log.info("a handshake was not begun: the message is no first message, or too many are under way")
            return None
        runtime = self._services.runtime
        try:
            responder = HandshakeWorker(self._services, self._terms, Role.RESPONDER, self.flow_control_id)
        except OckamError as error:
            log.warning("a responder could not be started: %s", error)
            return None
        self._half_open += 1
        responder.completed.add_done_callback(self._one_less)
        responder.end.consume(runtime.flow_controls.ids_of_consumer(self.address))
        address = responder.end.decryptor_remote.address
        message.onward_route = Route((address, *message.onward_route.addresses[1:]))
        return responder.receive(message, source)

    def _one_less(self, _: object) -> None:
        self._half_open -= 1

    def __repr__(self) -> str:
        return f"SecureChannelListener({self.address}, {self.identifier})"
