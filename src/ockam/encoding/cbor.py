"""CBOR exactly as the reference's minicbor and minicbor-derive write and accept it.

Written: definite lengths, shortest heads, no tags, struct fields in ascending order with absent trailing ones cut off.
Read: integers of any width that fits the target, strings of definite length only, arrays and maps of either kind,
extra elements and unknown keys skipped, bytes after the first item left alone (`finish` and `decode_exactly` refuse
them).

A head is checked against the bytes that are left before anything is allocated, and nesting is capped, so the cost of a
hostile input is bounded by its length.

    fields = decoder.array()        # a struct
    fields.require()
    name = decoder.text()
    fields.require()
    size = decoder.uint(16)
    note = decoder.text() if fields.optional() else None
    fields.close()                  # skips what a newer peer added

Source: minicbor 0.25.1, minicbor-derive 0.15.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from ockam.errors import DecodeError

if TYPE_CHECKING:
    import builtins  # the readers have methods named like the types they return
    from collections.abc import Callable

__all__ = [
    "EMPTY_ARRAY",
    "NULL",
    "Decoder",
    "Items",
    "decode_exactly",
    "encode_array",
    "encode_array_head",
    "encode_bool",
    "encode_bytes",
    "encode_bytes_head",
    "encode_enum",
    "encode_int",
    "encode_map_head",
    "encode_struct",
    "encode_text",
    "encode_uint",
]

T = TypeVar("T")

MAX_DEPTH: Final = 64
"""Chosen by us: no message of the protocol nests deeper than 12; the cap bounds the stack of `skip`."""

NULL: Final = b"\xf6"
EMPTY_ARRAY: Final = b"\x80"
_BREAK: Final = 0xFF
_INDEFINITE: Final = -1

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_NAMES: Final = ("unsigned integer", "negative integer", "bytes", "text", "array", "map", "tag", "simple value")


# ---- writing ---------------------------------------------------------------------------------------------------------


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes((major | value,))
    if value < 0x100:
        return bytes((major | 24, value))
    if value < 0x10000:
        return (major | 25).to_bytes(1, "big") + value.to_bytes(2, "big")
    if value < 0x1_0000_0000:
        return (major | 26).to_bytes(1, "big") + value.to_bytes(4, "big")
    if value > 0xFFFF_FFFF_FFFF_FFFF:
        raise ValueError("a CBOR integer has at most 64 bits")
    return (major | 27).to_bytes(1, "big") + value.to_bytes(8, "big")


def encode_uint(value: int) -> bytes:
    """Return `value` (0..2^64-1) in its shortest form."""
    if value < 0:
        raise ValueError("not an unsigned integer")
    return _head(0x00, value)


def encode_int(value: int) -> bytes:
    """Return `value` (-2^64..2^64-1) in its shortest form."""
    return _head(0x00, value) if value >= 0 else _head(0x20, -1 - value)


def encode_bytes_head(size: int) -> bytes:
    """Return the head of a byte string of `size` bytes."""
    return _head(0x40, size)


def encode_bytes(data: bytes) -> bytes:
    """Return `data` as a definite byte string."""
    return _head(0x40, len(data)) + data


def encode_text(text: str) -> bytes:
    """Return `text` as a definite text string."""
    data = text.encode()
    return _head(0x60, len(data)) + data


def encode_bool(value: bool) -> bytes:
    """Return `value` as f4 or f5."""
    return b"\xf5" if value else b"\xf4"


def encode_array_head(size: int) -> bytes:
    """Return the head of an array of `size` items."""
    return _head(0x80, size)


def encode_map_head(size: int) -> bytes:
    """Return the head of a map of `size` entries."""
    return _head(0xA0, size)


def encode_array(*items: bytes) -> bytes:
    """Return an array of items that are encoded already."""
    return b"".join((_head(0x80, len(items)), *items))


def encode_struct(*fields: bytes | None) -> bytes:
    """Return a minicbor struct: absent trailing fields cut off, an absent one before a present one written as null."""
    size = len(fields)
    while size and fields[size - 1] is None:
        size -= 1
    return b"".join((_head(0x80, size), *(NULL if field is None else field for field in fields[:size])))


def encode_enum(variant: int, *fields: bytes) -> bytes:
    """Return a minicbor enum `[variant, [fields]]`; without fields a unit variant, `82 xx 80`."""
    return b"".join((b"\x82", _head(0x00, variant), _head(0x80, len(fields)), *fields))


# ---- reading ---------------------------------------------------------------------------------------------------------


class Items:
    """The elements of the array, or the entries of the map, that a decoder has just entered."""

    __slots__ = ("_decoder", "_left", "_per_item")

    def __init__(self, decoder: Decoder, left: int, per_item: int) -> None:
        self._decoder = decoder
        self._left = left
        self._per_item = per_item

    def next(self) -> bool:
        """Return whether a further item follows; when none does, leave the array or map."""
        left = self._left
        decoder = self._decoder
        if left > 0:
            self._left = left - 1
            return True
        if left == _INDEFINITE:
            if decoder._peek() != _BREAK:
                return True
            decoder.position += 1
            self._left = 0
            decoder.depth -= 1
            self._per_item = 0
            return False
        if self._per_item:
            decoder.depth -= 1
            self._per_item = 0
        return False

    def require(self) -> None:
        """Go to the next item.

        Raises:
            DecodeError: there is none: a mandatory field is missing.
        """
        if not self.next():
            raise DecodeError("a mandatory field is missing")

    def optional(self) -> bool:
        """Return whether a further item follows that is not null; a null is consumed."""
        if not self.next():
            return False
        decoder = self._decoder
        if decoder._peek() == 0xF6:
            decoder.position += 1
            return False
        return True

    def close(self) -> None:
        """Skip the items that are left, and leave the array or map."""
        per_item = self._per_item
        while self.next():
            for _ in range(per_item):
                self._decoder.skip()


class Decoder:
    """Reads items one after the other from unauthenticated bytes.

    Args:
        data: the bytes; a memoryview is read in place.
        position: where to start.
        end: where to stop, by default the end of `data`.

    Raises:
        DecodeError: from every method, and nothing else, whatever the bytes.
    """

    __slots__ = ("data", "depth", "end", "position")

    def __init__(
        self, data: builtins.bytes | bytearray | memoryview, position: builtins.int = 0, end: builtins.int | None = None
    ) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end
        self.depth = 0

    def remaining(self) -> builtins.int:
        """Bytes not read yet."""
        return self.end - self.position

    def finish(self) -> None:
        """Refuse anything that follows."""
        if self.position != self.end:
            raise DecodeError("bytes follow where the value should end")

    def uint(self, bits: builtins.int = 64) -> builtins.int:
        """Return an unsigned integer of at most `bits` bits; any width on the wire is accepted if the value fits."""
        value = self._head(_UINT)
        if value >> bits:
            raise DecodeError(f"an integer has more than {bits} bits")
        return value

    def int(self, bits: builtins.int = 64) -> builtins.int:
        """Return a signed integer of at most `bits` bits, two's complement."""
        negative = self._peek() >> 5 == _NEGATIVE
        value = self._head(_NEGATIVE if negative else _UINT)
        if value >> (bits - 1):
            raise DecodeError(f"an integer has more than {bits} bits")
        return -1 - value if negative else value

    def bytes(self, size: builtins.int | None = None) -> builtins.bytes:
        """Return a definite byte string, of exactly `size` bytes if given."""
        length = self._head(_BYTES)
        if size is not None and length != size:
            raise DecodeError(f"{size} bytes are expected, {length} are there")
        return bytes(self._take(length))

    def bytes_range(self) -> tuple[builtins.int, builtins.int]:
        """Return where a definite byte string starts and ends, without copying it."""
        length = self._head(_BYTES)
        start = self.position
        if length > self.end - start:
            raise DecodeError("cut: more bytes are announced than are there")
        self.position = start + length
        return start, start + length

    def text(self, max_size: builtins.int | None = None) -> str:
        """Return a definite text string, of at most `max_size` bytes if given."""
        length = self._head(_TEXT)
        if max_size is not None and length > max_size:
            raise DecodeError(f"a text has more than {max_size} bytes")
        try:
            return str(self._take(length), "utf-8")
        except UnicodeDecodeError:
            raise DecodeError("a text is not UTF-8") from None

    def bool(self) -> builtins.bool:
        """Return f4 or f5 as a truth value."""
        byte = self._peek()
        if byte not in (0xF4, 0xF5):
            raise DecodeError("a boolean is expected")
        self.position += 1
        return byte == 0xF5

    def is_null(self) -> builtins.bool:
        """Return whether null comes next; nothing is consumed."""
        return self._peek() == 0xF6

    def null(self) -> None:
        """Consume a null."""
        if self._peek() != 0xF6:
            raise DecodeError("null is expected")
        self.position += 1

    def array(self) -> Items:
        """Enter an array, definite or not."""
        return self._enter(_ARRAY, 1)

    def map(self) -> Items:
        """Enter a map, definite or not; after `next()` read the key, then the value."""
        return self._enter(_MAP, 2)

    def enum(self) -> builtins.int:
        """Enter a minicbor enum, a definite array of two, and return its variant; the payload follows."""
        if self._head(_ARRAY) != 2:
            raise DecodeError("an enum is an array of two")
        return self.uint(32)

    def skip(self) -> None:
        """Skip one item, whatever it is."""
        # A stack of "items still to skip" instead of recursion; its height is the nesting depth.
        stack = [1]
        while stack:
            if stack[-1] == 0:
                stack.pop()
                continue
            byte = self._peek()
            if byte == _BREAK:
                if stack[-1] != _INDEFINITE:
                    raise DecodeError("a break stands outside an indefinite item")
                self.position += 1
                stack.pop()
                continue
            if stack[-1] > 0:
                stack[-1] -= 1
            self._skip_head(stack)

    def _skip_head(self, stack: list[builtins.int]) -> None:
        byte = self._peek()
        major, info = byte >> 5, byte & 0x1F
        if info == 31:
            if major not in (_ARRAY, _MAP, _BYTES, _TEXT):
                raise DecodeError("a reserved head")
            self.position += 1
            if major in (_ARRAY, _MAP):
                self._push(stack, _INDEFINITE)
                return
            # Reference: only here may a string come in pieces; each is a definite string of the same kind.
            while self._peek() != _BREAK:
                self._skip_string(major, self._head(major))
            self.position += 1
            return
        value = self._any_head()
        if major in (_BYTES, _TEXT):
            self._skip_string(major, value)
        elif major == _ARRAY:
            self._push(stack, value)
        elif major == _MAP:
            self._push(stack, 2 * value)
        elif major == _TAG:
            self._push(stack, 1)

    def _skip_string(self, major: builtins.int, size: builtins.int) -> None:
        data = self._take(size)
        if major == _TEXT:
            try:
                str(data, "utf-8")
            except UnicodeDecodeError:
                raise DecodeError("a text is not UTF-8") from None

    def _push(self, stack: list[builtins.int], count: builtins.int) -> None:
        # Every item has at least one byte: a larger count cannot be honest, and is refused before it costs anything.
        if count > self.end - self.position:
            raise DecodeError("cut: more items are announced than are there")
        if self.depth + len(stack) >= MAX_DEPTH:
            raise DecodeError("nested too deeply")
        stack.append(count)

    def _enter(self, major: builtins.int, per_item: builtins.int) -> Items:
        if self.depth >= MAX_DEPTH:
            raise DecodeError("nested too deeply")
        position = self.position
        count = self.data[position] - (major << 5) if position < self.end else -1
        if 0 <= count < 24:  # most heads
            self.position = position + 1
        elif count == 31:
            self.position = position + 1
            self.depth += 1
            return Items(self, _INDEFINITE, per_item)
        else:
            count = self._head(major)
        if count * per_item > self.end - self.position:
            raise DecodeError("cut: more items are announced than are there")
        self.depth += 1
        return Items(self, count, per_item)

    def _peek(self) -> builtins.int:
        if self.position >= self.end:
            raise DecodeError("cut: the value is not complete")
        return self.data[self.position]

    def _head(self, major: builtins.int) -> builtins.int:
        position = self.position
        if position >= self.end:
            raise DecodeError("cut: the value is not complete")
        byte = self.data[position]
        if byte >> 5 != major:
            raise DecodeError(f"{_NAMES[major]} is expected, {_NAMES[byte >> 5]} is there")
        info = byte & 0x1F
        if info < 24:  # most heads
            self.position = position + 1
            return info
        if info == 24 and position + 1 < self.end:  # most of the rest: 32-byte strings
            self.position = position + 2
            return self.data[position + 1]
        return self._any_head()

    def _any_head(self) -> builtins.int:
        info = self._peek() & 0x1F
        start = self.position + 1
        if info < 24:
            self.position = start
            return info
        if info > 27:
            raise DecodeError("a length of this kind is not allowed here")
        stop = start + (1 << (info - 24))
        if stop > self.end:
            raise DecodeError("cut: the value is not complete")
        self.position = stop
        return int.from_bytes(self.data[start:stop], "big")

    def _take(self, size: builtins.int) -> builtins.bytes | bytearray | memoryview:
        start = self.position
        if size > self.end - start:
            raise DecodeError("cut: more bytes are announced than are there")
        self.position = start + size
        return self.data[start : self.position]


def decode_exactly(data: bytes, read: Callable[[Decoder], T], encode: Callable[[T], bytes]) -> T:
    """Return the value that `data` (unauthenticated) is the one and only encoding of.

    Raises:
        DecodeError: not a valid encoding, bytes follow, or another, shorter or ordered, form exists.
    """
    decoder = Decoder(data)
    value = read(decoder)
    decoder.finish()
    if encode(value) != data:
        raise DecodeError("not the canonical encoding")
    return value
