"""The messages of portals and streams.

    Ping        00                                        inlet to the outlet's listener: I want a stream
    Pong        01                                        outlet to inlet: it is open
    Disconnect  02                                        either side: it has ended
    Payload     03 | uint length | bytes [| counter]      the next bytes of the stream

    counter     nothing, or 00, or 01 and two bytes, little-endian

A message fills its body; what follows a complete one is ignored, as the reference does.

Source: reference ockam_transport_tcp portal/portal_message.rs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from ockam.encoding.bare import Reader, encode_uint
from ockam.errors import DecodeError
from ockam.portal.errors import InvalidPortalMessage

__all__ = ["COUNTERS", "Disconnect", "Payload", "Ping", "Pong", "PortalMessage", "Tag", "decode_portal_message"]

COUNTERS: Final = 1 << 16
"""Counters run from 0 to 65535, and then from 0 again. Fixed by the protocol."""
_COUNTER_SUFFIX_BYTES: Final = 3


class Tag(IntEnum):
    """The first byte. Source: reference portal_message.rs."""

    PING = 0
    PONG = 1
    DISCONNECT = 2
    PAYLOAD = 3


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks the listener of an outlet for a stream."""

    def encode(self) -> bytes:
        """Return the body."""
        return b"\x00"


@dataclass(frozen=True, slots=True)
class Pong:
    """The stream is open; its return route is where the stream's messages go from now on."""

    def encode(self) -> bytes:
        """Return the body."""
        return b"\x01"


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The stream has ended, in both directions."""

    def encode(self) -> bytes:
        """Return the body."""
        return b"\x02"


@dataclass(frozen=True, slots=True)
class Payload:
    """The next bytes of the stream.

    Attributes:
        data: any number of bytes; of a decoded message, a part of what was decoded.
        counter: 0 to 65535. The reference writes none.
    """

    data: bytes | bytearray | memoryview = field(repr=False)
    counter: int | None = None

    def encode(self) -> bytes:
        """Return the body."""
        suffix = b"" if self.counter is None else b"\x01" + self.counter.to_bytes(2, "little")
        return b"".join((b"\x03", encode_uint(len(self.data)), self.data, suffix))


PortalMessage: TypeAlias = Ping | Pong | Disconnect | Payload


def decode_portal_message(data: bytes | bytearray | memoryview) -> PortalMessage:
    """Return the message that unauthenticated `data` holds.

    Raises:
        DecodeError: it holds none.
    """
    tag = data[0] if len(data) else None
    if tag == Tag.PAYLOAD:
        return _decode_payload(data)
    if tag == Tag.PING:
        return Ping()
    if tag == Tag.PONG:
        return Pong()
    if tag == Tag.DISCONNECT:
        return Disconnect()
    raise InvalidPortalMessage


def _decode_payload(data: bytes | bytearray | memoryview) -> Payload:
    reader = Reader(data, 1)
    try:
        size = reader.uint()
    except DecodeError as error:
        raise InvalidPortalMessage from error
    start = reader.position
    stop = start + size
    if stop > len(data):
        raise InvalidPortalMessage
    # Reference: a suffix shorter than 3 bytes, or one that does not begin with 1, is no counter.
    has_counter = len(data) - stop >= _COUNTER_SUFFIX_BYTES and data[stop] == 1
    return Payload(data[start:stop], data[stop + 1] | data[stop + 2] << 8 if has_counter else None)
