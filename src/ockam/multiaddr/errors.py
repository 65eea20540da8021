"""What can be wrong with a MultiAddr."""

from __future__ import annotations

from ockam.errors import DecodeError, Kind, Misuse, Origin

__all__ = ["InvalidMultiAddr", "MalformedMultiAddr", "UnresolvableMultiAddr"]


class InvalidMultiAddr(Misuse):
    """The text is not a MultiAddr. Write `/protocol/value` pairs, as in `/ip4/127.0.0.1/tcp/4000/service/echo`."""

    default_origin = Origin.API
    default_kind = Kind.PARSE


class MalformedMultiAddr(DecodeError):
    """The bytes are not the binary form of a MultiAddr."""

    default_origin = Origin.API


class UnresolvableMultiAddr(Misuse):
    """This MultiAddr cannot be turned into a route, or this route not into a MultiAddr."""

    default_origin = Origin.API
    default_kind = Kind.INVALID
