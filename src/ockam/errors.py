"""The one root of every error, with the reference's origins and kinds.

Whose fault is it? `Misuse`: the caller of this library. `PeerError`: the other side of a conversation.
`EnvironmentFault`: the machine (disk, network, operating system), chained to the `OSError` that told us.

Source: reference ockam_core/src/error/code.rs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

__all__ = [
    "AlreadyExists",
    "DecodeError",
    "EnvironmentFault",
    "Kind",
    "Misuse",
    "NotFound",
    "OckamError",
    "Origin",
    "PeerError",
    "TimedOut",
]


class Origin(IntEnum):
    """Where an error arose. Source: ockam_core error/code.rs `Origin`."""

    UNKNOWN = 0
    APPLICATION = 1
    VAULT = 2
    TRANSPORT = 3
    NODE = 4
    API = 5
    IDENTITY = 6
    CHANNEL = 7
    KEY_EXCHANGE = 8
    EXECUTOR = 9
    CORE = 10
    OCKAM = 11
    AUTHORIZATION = 12
    OTHER = 13


class Kind(IntEnum):
    """What kind of failure it is. Source: ockam_core error/code.rs `Kind`."""

    UNKNOWN = 0
    INTERNAL = 1
    INVALID = 2
    UNSUPPORTED = 3
    NOT_FOUND = 4
    ALREADY_EXISTS = 5
    RESOURCE_EXHAUSTED = 6
    MISUSE = 7
    CANCELLED = 8
    SHUTDOWN = 9
    TIMEOUT = 10
    CONFLICT = 11
    SERIALIZATION = 12
    PARSE = 13
    IO = 14
    PROTOCOL = 15
    OTHER = 16
    NOT_READY = 17


class OckamError(Exception):
    """Root of every error this library raises on purpose.

    Attributes:
        origin: the part that failed, as the reference numbers it.
        kind: the kind of failure, as the reference numbers it.
    """

    default_origin: ClassVar[Origin] = Origin.UNKNOWN
    default_kind: ClassVar[Kind] = Kind.UNKNOWN

    def __init__(self, message: str | None = None, *, origin: Origin | None = None, kind: Kind | None = None) -> None:
        # Without a message of its own, an error says the first line of its class's docstring.
        text = message if message is not None else (type(self).__doc__ or type(self).__name__).strip().splitlines()[0]
        super().__init__(text)
        self.origin = self.default_origin if origin is None else origin
        self.kind = self.default_kind if kind is None else kind

    @property
    def message(self) -> str:
        """The text for a person, without origin and kind."""
        return str(self.args[0])


class Misuse(OckamError):
    """The library was called in a way that cannot work."""

    default_kind = Kind.MISUSE


class PeerError(OckamError):
    """The other side sent something that the protocol does not allow."""

    default_kind = Kind.PROTOCOL


class EnvironmentFault(OckamError):
    """The machine failed us: disk, network or operating system."""

    default_kind = Kind.IO


class DecodeError(PeerError):
    """The bytes are not a valid encoding of what was expected."""

    default_kind = Kind.INVALID


class NotFound(OckamError):
    """No such thing."""

    default_kind = Kind.NOT_FOUND


class AlreadyExists(OckamError):
    """Something of that name exists already."""

    default_kind = Kind.ALREADY_EXISTS


class TimedOut(OckamError):
    """No answer within the time given. The peer may be away, or have dropped the message without a word."""

    default_origin = Origin.NODE
    default_kind = Kind.TIMEOUT
