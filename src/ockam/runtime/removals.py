"""Who wants to know that an address has gone: a stream, for instance, cannot outlive the connection it runs over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.core.address import Address

__all__ = ["Removals"]


class Removals:
    """Calls back, once, when a worker's address is taken away."""

    def __init__(self) -> None:
        self._watchers: dict[Address, list[Callable[[], None]]] = {}

    def watch(self, address: Address, on_removed: Callable[[], None]) -> None:
        """Call `on_removed` when `address` has been taken away; it must not raise."""
        self._watchers.setdefault(address, []).append(on_removed)

    def unwatch(self, address: Address, on_removed: Callable[[], None]) -> None:
        """Take back one `watch`; nothing if it was called already."""
        watchers = self._watchers.get(address)
        if watchers is not None and on_removed in watchers:
            watchers.remove(on_removed)
            if not watchers:
                del self._watchers[address]

    def tell(self, address: Address) -> None:
        """An address has been taken away."""
        for on_removed in self._watchers.pop(address, ()):
            on_removed()

    def __len__(self) -> int:
        return len(self._watchers)
