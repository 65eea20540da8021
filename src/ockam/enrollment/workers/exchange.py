"""One enrollment message on its way: sent, and sent again, until its answer comes; then, perhaps, the channel.

The decryptor of the channel that may follow takes the answer. It lives as long as the process waits for one, over any
number of connections and attempts; only here are the channel's keys, and they are used at most once.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from ockam.core.address import Address
from ockam.core.message import LocalMessage
from ockam.enrollment.enrollee import take_answer
from ockam.enrollment.errors import AnswerNotUnderstood
from ockam.enrollment.workers.host import ENROLLMENT, Way
from ockam.enrollment.workers.onboarding import OnboardedEnd
from ockam.errors import OckamError
from ockam.secure_channel.handshake import TransportKeys
from ockam.secure_channel.noise import Role

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from ockam.core.route import Route
    from ockam.enrollment.enrollee import AcceptedAnswer, RejectedAnswer, Waiting
    from ockam.enrollment.session import ChannelKeys
    from ockam.enrollment.workers.host import Host
    from ockam.identity.identifier import Identifier
    from ockam.runtime.mailbox import Busy, Mailbox
    from ockam.secure_channel.workers.channel import SecureChannel
    from ockam.transport.tcp.connection import TcpConnection

__all__ = ["MessageExchange"]

log = logging.getLogger("ockam.enrollment")

# Chosen by us: what may follow the answer at once, before the device has stored it.
MAX_EARLY_FRAMES: Final = 64
MAX_EARLY_BYTES: Final = 1024 * 1024
MAX_ANSWER_BYTES: Final = 64 * 1024


class MessageExchange:
    """Sends one message and takes its answer.

    Args:
        waiting: the state with the message; it is on the disk already.
        own: the identity that the message was made with.
        service: whose bundle it was made for.
        channel_keys: only in the process that made the message.
        clock: the device's time, None with a clock set aside.
    """

    def __init__(
        self,
        host: Host,
        waiting: Waiting,
        own: Identifier,
        service: Identifier,
        channel_keys: ChannelKeys | None,
        clock: Callable[[], int | None],
    ) -> None:
        self.waiting = waiting
        self.own = own
        self._host = host
        self._service = service
        self._keys = channel_keys
        self._clock = clock
        self._answer_route: Route | None = None
        self._early: deque[tuple[LocalMessage, Mailbox]] = deque()
        self._early_bytes = 0
        self._ways: dict[str, tuple[TcpConnection | None, Route]] = {}
        self.answer: asyncio.Future[AcceptedAnswer | RejectedAnswer] = host.runtime.loop.create_future()
        self.sendings = 0
        services = host.services
        self._end = OnboardedEnd(
            services.runtime,
            services.identities,
            services.registry,
            own,
            Role.INITIATOR,
            self._receive,
            open_stream=services.open_stream,
            authority=service,
        )

    async def send(self, routes: Sequence[str]) -> bool:
        """Send the message once, each time over the next route that works; False if none does.

        Args:
            routes: MultiAddrs of the worker `enrollment`, in order of preference.
        """
        first = self.sendings % len(routes)
        self.sendings += 1
        for text in (*routes[first:], *routes[:first]):
            connection, route = self._ways.get(text, (None, None))
            if route is None or (connection is not None and connection.is_closed):
                try:
                    connection, route = await self._host.connect(Way.parse(text))
                except OckamError as error:
                    log.info("no way to the service over %s: %s", text, error)
                    continue
                self._ways[text] = connection, route
                self._end.consume_from(route)
            if self._send_over(route):
                return True
        return False

    def establish(self) -> SecureChannel | None:
        """Start the channel after acceptance, if the service has started its end for this process.

        Call once the acceptance is stored. The keys are gone afterwards.
        """
        keys, self._keys, route = self._keys, None, self._answer_route
        if keys is None or route is None or route.recipient == Address.local(ENROLLMENT) or self._end.is_stopped:
            return None
        # The device is the initiator: it decrypts with k1 and encrypts with k2.
        transport_keys = TransportKeys(keys.k2, keys.k1, self.waiting.message_id)
        channel = self._end.establish(transport_keys, route, self._service)
        for text, (connection, _) in list(self._ways.items()):
            if connection is not None and connection.address == route.next:
                # It carries the channel now, and ends with it.
                del self._ways[text]
                self._host.runtime.new_task(_close_after(channel, connection))
        while self._early:
            self._end.decryptor_remote.receive(*self._early.popleft())
        return channel

    async def close(self) -> None:
        """Wait for nothing any more; a channel that was started stays."""
        self._keys = None
        if self._end.channel is None:
            await self._end.stop()
        for connection, _ in self._ways.values():
            if connection is not None and not connection.is_closed:
                await connection.close()
        self._ways.clear()

    def _send_over(self, route: Route) -> bool:
        mailbox = self._end.decryptor_remote
        message = LocalMessage(route, mailbox.route, self.waiting.message)
        return self._host.send_quietly(lambda: self._host.runtime.forward(mailbox, message))

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Take bytes from anybody: the answer, something else, or, behind the answer, the channel's first frames."""
        size = len(message.payload)
        if self.answer.done():
            if self._early_bytes + size <= MAX_EARLY_BYTES and len(self._early) < MAX_EARLY_FRAMES:
                message.payload = bytes(message.payload)
                self._early_bytes += size
                self._early.append((message, source))
            return None
        if size > MAX_ANSWER_BYTES:
            return None
        payload = bytes(message.payload)
        try:
            verifier = self._host.identities.vault.verifying
            answer = take_answer(self.waiting, payload, self.own, self._clock(), verifier)
        except AnswerNotUnderstood as error:
            log.info("%s", error)
        except OckamError as error:
            self.answer.set_exception(error)
        else:
            self._answer_route = message.return_route
            self.answer.set_result(answer)
        return None


async def _close_after(channel: SecureChannel, connection: TcpConnection) -> None:
    await channel.wait_closed()
    if not connection.is_closed:
        await connection.close()
