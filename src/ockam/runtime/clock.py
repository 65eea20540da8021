"""The time of a node, in one place, so that a device that learns that its clock is wrong can go by a better one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NodeClock"]


class NodeClock:
    """Seconds since 1970, UTC.

    Attributes:
        own: the clock that the node was started with.
        instead: what counts in its place, if anything.
    """

    __slots__ = ("instead", "own")

    def __init__(self, own: Callable[[], int]) -> None:
        self.own = own
        self.instead: Callable[[], int] | None = None

    def __call__(self) -> int:
        """Return the time."""
        return (self.instead or self.own)()
