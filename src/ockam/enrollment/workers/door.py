"""The worker `enrollment`: the door that is open to strangers.

A message goes through check 1 in the call that delivers it; what passes gets a task, up to a limit, past which the
connection it came over is not read any more. Nothing is said to those who fail a check.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ockam.core.address import Address
from ockam.core.message import LocalMessage
from ockam.core.route import Route
from ockam.enrollment.messages import MAX_MESSAGE_BYTES
from ockam.enrollment.service import Silence
from ockam.enrollment.workers.events import Enrolled, Ignored, Rejected, Resent
from ockam.enrollment.workers.host import ENROLLMENT
from ockam.enrollment.workers.onboarding import OnboardedEnd, WaitingEnds, ignore
from ockam.errors import OckamError
from ockam.identity.attributes import AttributesEntry
from ockam.runtime.worker import DirectWorker
from ockam.secure_channel.handshake import TransportKeys
from ockam.secure_channel.noise import Role
from ockam.transport.host_port import HostPort

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from ockam.core.flow_control import FlowControlId
    from ockam.enrollment.handling import MessageHandler, NewChannel, Send
    from ockam.enrollment.service import Received
    from ockam.enrollment.workers.events import Observers
    from ockam.enrollment.workers.host import Host
    from ockam.identity.identifier import Identifier
    from ockam.runtime.mailbox import Busy, Mailbox

__all__ = ["EnrollmentDoor"]

log = logging.getLogger("ockam.enrollment")

# Chosen by us.
BUSY_FROM: Final = 256
"""Messages in the making; with more, connections that bring new ones are paused."""
MAX_IN_FLIGHT: Final = 2048
"""With more, new ones are dropped: those of peers that do not stop when they are asked to."""


class EnrollmentDoor(DirectWorker):
    """Takes enrollment messages, answers, and starts the channels of accepted devices.

    Args:
        identifier: of the service.
        spawner: flow control of the service's channel listener: what its channels reach, those begun here reach.
        device_spoke: called with a device that has shown that it holds its answer.
    """

    def __init__(
        self,
        host: Host,
        handler: MessageHandler,
        identifier: Identifier,
        spawner: FlowControlId,
        observers: Observers,
        device_spoke: Callable[[Identifier], Awaitable[None]],
    ) -> None:
        self._host = host
        self._handler = handler
        self._identifier = identifier
        self._spawner = spawner
        self._observers = observers
        self._device_spoke = device_spoke
        self._handling: set[bytes] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self.waiting = WaitingEnds(host.runtime)
        self._no_channel = Route((Address.local(ENROLLMENT),))
        self.received = self.answered = self.dropped = 0

    def receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Take one message (unauthenticated)."""
        self.received += 1
        handler, return_route = self._handler, message.return_route
        if len(message.payload) > MAX_MESSAGE_BYTES or not return_route.addresses:
            self._ignored(Silence.MALFORMED, count=True)
            return None
        now = self._host.now()
        received = handler.receive(self._source_of(return_route.next), bytes(message.payload), now)
        if isinstance(received, Silence):
            self._ignored(received)
            return None
        if received.message_id in self._handling:
            # Its answer is in the making, and names the channel that begins with it: one sent now could not.
            self._ignored(Silence.RESENT_JUST_NOW, count=True)
            return None
        if len(self._handling) >= MAX_IN_FLIGHT:
            self.dropped += 1
            return self
        self._handling.add(received.message_id)
        self.runtime.new_task(self._handle(received, return_route, now))
        return self if len(self._handling) > BUSY_FROM else None

    async def wait_writable(self) -> None:
        """Wait until half of the limit is free."""
        while len(self._handling) > BUSY_FROM // 2:
            waiter = self.runtime.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def _source_of(self, first_hop: Address) -> bytes:
        # Our receiver wrote the first hop. One bucket per host: connections cost a stranger nothing.
        connection = self._host.tcp.connection(first_hop)
        if connection is None:
            return first_hop.value
        try:
            return HostPort.parse(connection.socket_address).host.encode()
        except OckamError:
            return connection.socket_address.encode()

    async def _handle(self, received: Received, return_route: Route, now: int) -> None:
        try:
            outcome = await self._handler.handle_received(received, now)
            if isinstance(outcome, Silence):
                self._ignored(outcome)
            else:
                await self._answer(outcome, return_route)
        except OckamError as error:
            # Nothing was changed; the device sends again.
            self._ignored(Silence.FAILED, count=True)
            log.error("an enrollment message could not be handled: %s", error)
        finally:
            self._handling.discard(received.message_id)
            if self._waiters and len(self._handling) <= BUSY_FROM // 2:
                for waiter in self._waiters:
                    if not waiter.done():
                        waiter.set_result(None)
                self._waiters.clear()

    async def _answer(self, send: Send, return_route: Route) -> None:
        new = send.channel
        if new is not None:
            # Whatever fails from here on, the device is a member and can ask again. What it asks over the new channel
            # finds its attributes.
            await self._remember(new)
            self._start(send, return_route, new)
            self._observers.tell(Enrolled(new.enrollee, new.device.identifier, new.attributes))
            log.info("enrolled %s as %s", new.enrollee.short, new.device.identifier)
            return
        waiting = self.waiting.find(send.message_id, return_route)
        self._send(send, return_route, self._no_channel if waiting is None else waiting.decryptor_remote.route)
        if send.reason is not None:
            self._observers.tell(Rejected(send.reason))
        else:
            self._observers.tell(Resent(send.message_id))

    def _start(self, send: Send, return_route: Route, new: NewChannel) -> OnboardedEnd:
        services = self._host.services
        end = OnboardedEnd(
            services.runtime,
            services.identities,
            services.registry,
            self._identifier,
            Role.RESPONDER,
            ignore,
            open_stream=services.open_stream,
            spawner=self._spawner,
            authority=self._identifier,
        )
        end.consume(self.runtime.flow_controls.ids_of_consumer(self.mailbox.address))
        device = new.device.identifier
        self.waiting.add(send.message_id, end, return_route, lambda: self._heard(device))
        self._send(send, return_route, end.decryptor_remote.route)
        # The peer's keys of the table: S encrypts with k1, decrypts with k2. h is used nowhere; the message is unique.
        end.establish(TransportKeys(new.keys.k1, new.keys.k2, send.message_id), return_route, device)
        return end

    async def _remember(self, new: NewChannel) -> None:
        """Keep the device's history and attributes, as a handshake in which it presents its credential does."""
        repositories = self._host.identities.repositories
        attributes = {name.encode(): value.encode() for name, value in new.attributes.items()}
        entry = AttributesEntry(attributes, self._host.now(), new.credential_expires_at, self._identifier)
        try:
            await repositories.change_histories.update_identity(new.device, ignore_older=True)
            await repositories.attributes.put_attributes(new.device.identifier, entry)
        except OckamError as error:
            log.error("what is known of %s could not be stored: %s", new.device.identifier, error)

    def _send(self, send: Send, return_route: Route, own_route: Route) -> None:
        message = LocalMessage(return_route, own_route, send.answer)
        if self._host.send_quietly(lambda: self.runtime.forward(self.mailbox, message)):
            self.answered += 1

    def _heard(self, device: Identifier) -> None:
        self.runtime.new_task(self._note(device))

    async def _note(self, device: Identifier) -> None:
        try:
            await self._device_spoke(device)
        except OckamError as error:
            log.warning("an answer that is not needed any more could not be deleted: %s", error)

    def _ignored(self, reason: Silence, *, count: bool = False) -> None:
        if count:
            self._handler.silences[reason] += 1
        self._observers.tell(Ignored(reason))
