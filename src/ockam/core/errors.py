"""Errors of the routing vocabulary."""

from __future__ import annotations

from ockam.errors import Kind, Misuse, Origin, PeerError

__all__ = ["ApiError", "IncompleteRoute", "InvalidAddress"]


class InvalidAddress(Misuse):
    """Not an address. Write `name`, or `type#name` with a number of 0 to 255 before the one `#`."""

    default_origin = Origin.CORE
    default_kind = Kind.PARSE


class IncompleteRoute(Misuse):
    """incomplete route"""  # noqa: D415 - the reference's words

    default_origin = Origin.CORE


class ApiError(PeerError):
    """The other side answered a request with an error."""

    default_origin = Origin.API
