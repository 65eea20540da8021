"""BARE, as the reference's `serde_bare` and `ockam_core::bare` write and read it.

    uint      unsigned LEB128, 7 bits a byte, low group first, at most 10 bytes
    u16..u64  fixed width, little-endian
    string    uint byte length, UTF-8
    data      uint byte length, bytes
    option    00, or 01 and the value

Bytes after a complete value are ignored, as the reference does.

Source: spec of ockam_core/src/bare.rs; a length is checked against what is left before anything is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.errors import DecodeError, Kind, Origin

if TYPE_CHECKING:
    import builtins  # the readers have methods named like the types they return

__all__ = ["Reader", "decode_string", "encode_data", "encode_string", "encode_uint"]

_MAX_UINT = (1 << 64) - 1
_LAST_SHIFT = 63  # of the tenth byte, the last that a uint may have


class BareError(DecodeError):
    """The bytes are not a valid BARE encoding of what was expected."""

    default_origin = Origin.CORE
    default_kind = Kind.IO


# One byte is the length of most bodies; building them once saves a construction per message.
_SHORT = [bytes((n,)) for n in range(128)]


def encode_uint(value: int) -> bytes:
    """Return `value` (0..2^64-1) as unsigned LEB128, 1 to 10 bytes, shortest form."""
    if value < 128:
        if value < 0:
            raise ValueError("not an unsigned integer")
        return _SHORT[value]
    if value < 16384:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value > _MAX_UINT:
        raise ValueError("a BARE uint has at most 64 bits")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_string(text: str) -> bytes:
    """Return the uint byte length and the UTF-8 bytes of `text`."""
    data = text.encode()
    return encode_uint(len(data)) + data


def encode_data(data: bytes) -> bytes:
    """Return the uint length and `data`."""
    return encode_uint(len(data)) + data


def decode_string(data: bytes | bytearray | memoryview) -> str:
    """Return the string that `data` (unauthenticated) begins with.

    Raises:
        DecodeError: empty, cut, longer than `data`, or not UTF-8.
    """
    size = len(data)
    if size and data[0] < 128:  # hot path: a length of one byte, or two
        start, length = 1, data[0]
    elif size > 1 and data[1] < 128:
        start, length = 2, data[0] & 0x7F | data[1] << 7
    elif size > 2 and data[2] < 128:  # three: up to 2 MiB
        start, length = 3, data[0] & 0x7F | (data[1] & 0x7F) << 7 | data[2] << 14
    else:
        reader = Reader(data)
        length = reader.uint()
        start = reader.position
    if start + length > size:
        raise BareError("a BARE string is longer than what is left")
    try:
        return str(data[start : start + length], "utf-8")
    except UnicodeDecodeError:
        raise BareError("a BARE string is not UTF-8") from None


class Reader:
    """Reads BARE values one after the other from unauthenticated bytes.

    Raises:
        DecodeError: from every method, and nothing else, whatever the bytes.
    """

    __slots__ = ("data", "position")

    def __init__(self, data: builtins.bytes | bytearray | memoryview, position: builtins.int = 0) -> None:
        self.data = data
        self.position = position

    def remaining(self) -> builtins.int:
        """Bytes not read yet."""
        return len(self.data) - self.position

    def take(self, size: builtins.int) -> builtins.bytes:
        """Return the next `size` bytes."""
        start = self.position
        if size > len(self.data) - start:
            raise BareError("cut: more bytes are announced than are there")
        self.position = start + size
        return bytes(self.data[start : self.position])

    def u8(self) -> builtins.int:
        """Return one byte."""
        return self.take(1)[0]

    def u16(self) -> builtins.int:
        """Return two bytes, little-endian."""
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> builtins.int:
        """Return four bytes, little-endian."""
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> builtins.int:
        """Return eight bytes, little-endian."""
        return int.from_bytes(self.take(8), "little")

    def uint(self) -> builtins.int:
        """Return an unsigned LEB128 number; longer than the shortest form is accepted, above 64 bits is not."""
        value = shift = 0
        while True:
            byte = self.u8()
            # Reference: serde_bare takes 00 or 01 as the tenth byte, ockam_core::bare only 01. We take both.
            if shift == _LAST_SHIFT and byte > 1:
                raise BareError("a BARE uint has more than 64 bits")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def bool(self) -> builtins.bool:
        """Return one byte as a truth value; any but 0 is true."""
        return self.u8() != 0

    def option(self) -> builtins.bool:
        """Return whether an optional value follows."""
        flag = self.u8()
        if flag > 1:
            raise BareError("a BARE option starts with 0 or 1")
        return flag == 1

    def bytes(self) -> builtins.bytes:
        """Return length-prefixed bytes."""
        return self.take(self.uint())

    def string(self) -> str:
        """Return length-prefixed UTF-8 text."""
        try:
            return self.bytes().decode()
        except UnicodeDecodeError:
            raise BareError("a BARE string is not UTF-8") from None
