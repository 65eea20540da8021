"""The channel that an enrollment begins: an ordinary channel end whose keys were agreed, not shaken hands over.

Each side starts it once, in the process that made the keys: the service when it has committed the acceptance, the
device when it has stored it. The service's end waits for the device's first message; what a resent answer names as its
return route is this end as long as it waits, and `enrollment` afterwards.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ockam.secure_channel.workers.end import SecureChannelEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.core.message import LocalMessage, Payload
    from ockam.core.route import Route
    from ockam.identity.identifier import Identifier
    from ockam.runtime.mailbox import Busy, Mailbox
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.handshake import TransportKeys
    from ockam.secure_channel.workers.channel import SecureChannel

__all__ = ["OnboardedEnd", "WaitingEnds"]

# Fixed by the protocol.
WAIT_SECONDS: Final = 60.0
# Chosen by us: return routes remembered for one message.
MAX_ROUTES: Final = 16


class OnboardedEnd(SecureChannelEnd):
    """An end that says when the peer was heard for the first time.

    Attributes:
        on_heard: called once, when the first genuine message has been opened, with the route it came over.
    """

    on_heard: Callable[[Route], None] | None = None
    _came_over: Route

    def establish(self, keys: TransportKeys, remote_route: Route, their_identifier: Identifier) -> SecureChannel:
        """Start encryptor and decryptor."""
        channel = super().establish(keys, remote_route, their_identifier)
        open_frame = self._open

        def open_first(frame: Payload) -> tuple[int, bytes]:
            opened = open_frame(frame)  # raises unless the peer sealed it
            self._open = open_frame
            self.decryptor_remote.receive = self._receive
            if self.on_heard is not None:
                self.on_heard(self._came_over)
            return opened

        self._open = open_first
        self.decryptor_remote.receive = self._receive_first
        return channel

    def redirect(self, remote_route: Route) -> None:
        """Reach the peer's decryptor over another route from now on."""
        if self.channel is not None:
            self.channel._set_route(remote_route)

    def _receive_first(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        self._came_over = message.return_route
        return self._receive(message, source)


@dataclass(slots=True)
class _Waiting:
    end: OnboardedEnd
    routes: deque[Route]


class WaitingEnds:
    """The service's ends whose device has not been heard yet, by message id.

    Anybody can copy a message on its way and send it from elsewhere, also before the device does. So the return route
    of every sending is remembered, and the device's first genuine frame says which of them is its own.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: dict[bytes, _Waiting] = {}

    def add(self, message_id: bytes, end: OnboardedEnd, return_route: Route, on_heard: Callable[[], None]) -> None:
        """Wait for the device; an end that it does not use in 60 s is stopped."""
        waiting = self._waiting[message_id] = _Waiting(end, deque((return_route,), MAX_ROUTES))

        def heard(came_over: Route) -> None:
            self._forget(message_id)
            for route in waiting.routes:
                if route.without_recipient() == came_over:
                    end.redirect(route)
            on_heard()

        def expired() -> None:
            self._forget(message_id)
            self._runtime.stop_soon(end.decryptor_remote.address)

        end.on_heard = heard
        end.on_stop = lambda: self._forget(message_id)
        self._runtime.deadlines.add(end, WAIT_SECONDS, expired)

    def find(self, message_id: bytes, return_route: Route) -> OnboardedEnd | None:
        """Return the end that still waits for the sender of this message, which came again over `return_route`."""
        waiting = self._waiting.get(message_id)
        if waiting is None:
            return None
        if return_route not in waiting.routes:
            waiting.routes.append(return_route)
        return waiting.end

    def __len__(self) -> int:
        return len(self._waiting)

    def _forget(self, message_id: bytes) -> None:
        waiting = self._waiting.pop(message_id, None)
        if waiting is not None:
            self._runtime.deadlines.drop(waiting.end)


def ignore(_message: LocalMessage, _source: Mailbox) -> None:
    """Take what comes before a channel is established, and drop it."""
