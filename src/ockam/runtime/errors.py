"""Errors of the node runtime. Texts and kinds as the reference's, where a peer or a program may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.errors import AlreadyExists, Kind, Misuse, NotFound, OckamError, Origin

if TYPE_CHECKING:
    from ockam.core.address import Address

__all__ = ["AddressInUse", "NodeStopping", "NotOwnAddress", "UnknownAddress", "UnresolvedAddress"]


class UnknownAddress(NotFound):
    """No worker of this node has that address."""

    default_origin = Origin.NODE

    def __init__(self, address: Address) -> None:
        super().__init__(f"No such alias: {address}")


class UnresolvedAddress(Misuse):
    """A message cannot be sent to a socket address itself: connect first, and use the connection in the route."""

    default_origin = Origin.NODE
    default_kind = Kind.INTERNAL


class AddressInUse(AlreadyExists):
    """A worker of this node has that address already."""

    default_origin = Origin.NODE

    def __init__(self, address: Address) -> None:
        super().__init__(f"operation failed for address {address}: a worker has it already")


class NotOwnAddress(Misuse):
    """A worker can only send from an address of its own."""

    default_origin = Origin.NODE
    default_kind = Kind.INVALID


class NodeStopping(OckamError):
    """The node is shutting down"""  # noqa: D415 - the reference's words

    default_origin = Origin.NODE
    default_kind = Kind.SHUTDOWN
