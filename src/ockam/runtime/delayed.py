"""A message that is sent later."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ockam.core.access_control import DENY_ALL
from ockam.core.message import LocalMessage, Payload
from ockam.errors import OckamError
from ockam.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    import asyncio

    from ockam.core.address import Address
    from ockam.core.route import Route
    from ockam.runtime.router import Runtime

__all__ = ["DelayedEvent"]

log = logging.getLogger("ockam.runtime")


class DelayedEvent:
    """Sends one message once, some time from now. Its `address` is the only one the receiver should accept it from."""

    def __init__(self, runtime: Runtime, route: Route, payload: Payload) -> None:
        self._runtime = runtime
        self._route = route
        self._payload = payload
        self._timer: asyncio.TimerHandle | None = None
        # It takes no messages, so it is not in the routing table.
        self._mailbox = Mailbox(runtime.random_address(), lambda _message, _source: None, incoming=DENY_ALL)

    @property
    def address(self) -> Address:
        """The address that the message will come from."""
        return self._mailbox.address

    def schedule(self, seconds: float) -> None:
        """Send the message in `seconds`; what was scheduled before is cancelled."""
        self.cancel()
        self._timer = self._runtime.loop.call_later(seconds, self._send)

    def cancel(self) -> None:
        """Send nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        self._timer = None
        if self._runtime.is_stopping:
            return
        try:
            self._runtime.forward(self._mailbox, LocalMessage(self._route, self._mailbox.route, self._payload))
        except OckamError as error:
            log.warning("a delayed message could not be sent: %s", error)
