"""The channel that an enrollment begins: an ordinary channel end whose keys were agreed, not shaken hands over.

Each side starts it once, in the process that made the keys: the service when it has committed the acceptance, the device
when it has stored it. The service's end waits for the device's first message; what a resent answer names as its return
route is this end as long as it waits, and `enrollment` afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ockam.secure_channel.workers.channel import SecureChannelEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.core.message import LocalMessage, Payload
    from ockam.core.route import Route
    from ockam.identity.identifier import Identifier
    from ockam.runtime.mailbox import Mailbox
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.handshake import TransportKeys
    from ockam.secure_channel.workers.channel import SecureChannel

__all__ = ["OnboardedEnd", "WaitingEnds"]

# Fixed by the protocol.
WAIT_SECONDS: Final = 60.0


class OnboardedEnd(SecureChannelEnd):
    """An end that says when the peer was heard for the first time.

    Attributes:
        on_heard: called once, when the first genuine message has been opened.
    """

    on_heard: Callable[[], None] | None = None

    def establish(self, keys: TransportKeys, remote_route: Route, their_identifier: Identifier) -> SecureChannel:
        """Start encryptor and decryptor."""
        channel = super().establish(keys, remote_route, their_identifier)
        open_frame = self._open

        def open_first(frame: Payload) -> tuple[int, bytes]:
            opened = open_frame(frame)  # raises unless the peer sealed it
            self._open = open_frame
            if self.on_heard is not None:
                self.on_heard()
            return opened

        self._open = open_first
        return channel


class WaitingEnds:
    """The service's ends whose device has not been heard yet, by message id."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ends: dict[bytes, OnboardedEnd] = {}

    def add(self, message_id: bytes, end: OnboardedEnd, on_heard: Callable[[], None]) -> None:
        """Wait for the device; an end that it does not use in 60 s is stopped."""
        self._ends[message_id] = end

        def heard() -> None:
            self._forget(message_id)
            on_heard()

        def expired() -> None:
            self._forget(message_id)
            self._runtime.stop_soon(end.decryptor_remote.address)

        end.on_heard = heard
        end.on_stop = lambda: self._forget(message_id)
        self._runtime.deadlines.add(end, WAIT_SECONDS, expired)

    def find(self, message_id: bytes) -> OnboardedEnd | None:
        """Return the end that still waits for the sender of this message."""
        return self._ends.get(message_id)

    def __len__(self) -> int:
        return len(self._ends)

    def _forget(self, message_id: bytes) -> None:
        end = self._ends.pop(message_id, None)
        if end is not None:
            self._runtime.deadlines.drop(end)


def ignore(_message: LocalMessage, _source: Mailbox) -> None:
    """Take what comes before a channel is established, and drop it."""
