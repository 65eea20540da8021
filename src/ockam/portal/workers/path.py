"""The way of a stream through this node: where one part of it ends, the stream has lost what was on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.core.address import Address
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.workers.registry import SecureChannelRegistry

__all__ = ["PathWatch"]


class PathWatch:
    """Watches the first hop of a stream, and what carries it: a channel, the channel below, the connection.

    A channel that goes on over another route (`update_remote_node_route`) takes its streams along: only what carries
    them at the moment something ends counts.

    Args:
        on_lost: called once, when a part of the way has gone.
    """

    def __init__(
        self, runtime: Runtime, channels: SecureChannelRegistry, first: Address, on_lost: Callable[[], None]
    ) -> None:
        self._runtime = runtime
        self._channels = channels
        self._first = first
        self._on_lost = on_lost
        self._watched: set[Address] = set()
        self._watch(self._hops())

    def close(self) -> None:
        """Watch no more."""
        for address in self._watched:
            self._runtime.removals.unwatch(address, self._removed)
        self._watched.clear()

    def _hops(self) -> list[Address]:
        hops = [self._first]
        while (channel := self._channels.by_encryptor(hops[-1])) is not None:
            following = channel.remote_route.next
            if following in hops:
                break
            hops.append(following)
        return hops

    def _watch(self, hops: list[Address]) -> None:
        for address in hops:
            if address not in self._watched:
                self._watched.add(address)
                self._runtime.removals.watch(address, self._removed)

    def _removed(self) -> None:
        self._watched = {address for address in self._watched if address.value in self._runtime.table}
        hops = self._hops()
        if all(address.value in self._runtime.table for address in hops):
            self._watch(hops)
            return
        self.close()
        self._on_lost()
