"""Access controls: may this message pass?

An outgoing control is asked when a worker sends, an incoming one when a message is taken for a worker. A refusal drops
the message; nobody is told.

Source: reference ockam_core/src/access_control/.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from ockam.core.address import Address
    from ockam.core.message import RelayMessage

__all__ = [
    "ALLOW_ALL",
    "DENY_ALL",
    "AccessControl",
    "AllOf",
    "AllowAll",
    "AllowOnwardAddresses",
    "AllowSourceAddresses",
    "AnyOf",
    "DenyAll",
]


class AccessControl(Protocol):
    """Decides on one message; may be asynchronous where it has to look something up."""

    def is_authorized(self, message: RelayMessage) -> bool | Awaitable[bool]:
        """Return whether `message` may pass."""


class AllowAll:
    """Everything passes."""

    def is_authorized(self, message: RelayMessage) -> bool:
        """Return True."""
        return True


class DenyAll:
    """Nothing passes."""

    def is_authorized(self, message: RelayMessage) -> bool:
        """Return False."""
        return False


ALLOW_ALL: Final = AllowAll()
DENY_ALL: Final = DenyAll()


class AllowSourceAddresses:
    """Incoming: only what these workers of this node sent."""

    __slots__ = ("addresses",)

    def __init__(self, *addresses: Address) -> None:
        self.addresses = frozenset(addresses)

    def is_authorized(self, message: RelayMessage) -> bool:
        """Return whether the sending worker is listed; the return route is not looked at."""
        return message.source in self.addresses


class AllowOnwardAddresses:
    """Outgoing: only to these workers of this node."""

    __slots__ = ("addresses",)

    def __init__(self, *addresses: Address) -> None:
        self.addresses = frozenset(addresses)

    def is_authorized(self, message: RelayMessage) -> bool:
        """Return whether the first hop is listed."""
        return message.destination in self.addresses


class AnyOf:
    """Passes what at least one of the controls passes; with none, nothing."""

    __slots__ = ("controls",)

    def __init__(self, controls: Iterable[AccessControl]) -> None:
        self.controls = tuple(controls)

    async def is_authorized(self, message: RelayMessage) -> bool:
        """Return whether one control says yes; the rest are not asked."""
        for control in self.controls:
            if await _ask(control, message):
                return True
        return False


class AllOf:
    """Passes what every one of the controls passes; with none, everything."""

    __slots__ = ("controls",)

    def __init__(self, controls: Iterable[AccessControl]) -> None:
        self.controls = tuple(controls)

    async def is_authorized(self, message: RelayMessage) -> bool:
        """Return whether no control says no; after the first no the rest are not asked."""
        for control in self.controls:
            if not await _ask(control, message):
                return False
        return True


async def _ask(control: AccessControl, message: RelayMessage) -> bool:
    answer = control.is_authorized(message)
    if inspect.isawaitable(answer):
        return bool(await answer)
    return bool(answer)
