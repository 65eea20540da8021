"""Addresses of workers: a transport type and bytes.

    CBOR   82 type 4x bytes            0#echoer = 82 00 46 6563686f6572
    BARE   type u8, uint length, bytes 0#echoer = 00 06 6563686f6572
    text   <type>#<bytes as UTF-8>     0#echoer, 1#127.0.0.1:4000

Source: reference ockam_core/src/routing/address.rs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol, runtime_checkable

from ockam.core.errors import InvalidAddress
from ockam.encoding.bare import Reader, encode_data
from ockam.encoding.cbor import Decoder, encode_bytes, encode_uint

__all__ = ["RANDOM_ADDRESS_SIZE_BYTES", "Address", "HasAddress", "TransportType"]

RANDOM_ADDRESS_SIZE_BYTES = 16
"""A random address is 16 random bytes, written as 32 hexadecimal digits (so 32 bytes on the wire)."""


class TransportType(IntEnum):
    """What kind of name an address holds. Source: ockam_core/src/routing/transport_type.rs."""

    LOCAL = 0
    TCP = 1
    UDP = 2
    WEBSOCKET = 3
    BLE = 4
    UDS = 5


class Address:
    """Where a message goes next: immutable, hashable, ordered by (type, bytes).

    Not a frozen dataclass: an address is hashed and compared several times per message (see "Performance" in
    ARCHITECTURE.md), so hash and encoding are computed once.
    """

    __slots__ = ("_encoded", "_hash", "transport_type", "value")

    transport_type: int
    value: bytes

    def __init__(self, transport_type: int, value: bytes) -> None:
        if not 0 <= transport_type <= 255:
            raise InvalidAddress("the transport type of an address is a number of 0 to 255")
        self.transport_type = transport_type
        self.value = value
        self._hash = hash((transport_type, value))
        self._encoded: bytes | None = None

    @classmethod
    def local(cls, name: str | bytes) -> Address:
        """Return the address of a worker of this name; no parsing, so a `#` in it is kept."""
        return cls(TransportType.LOCAL, name.encode() if isinstance(name, str) else name)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address that `text` spells: `name`, or `type#name`.

        Raises:
            InvalidAddress: a second `#`, or a type that is not a number of 0 to 255.
        """
        pieces = text.split("#")
        if len(pieces) == 1:
            return cls.local(text)
        if len(pieces) > 2:
            raise InvalidAddress("Invalid address string: more than one '#' separator found")
        kind, inner = pieces
        digits = kind.removeprefix("+")  # Reference: Rust's number parser takes a plus sign and leading zeros.
        significant = digits.lstrip("0") or "0"
        if not (digits.isascii() and digits.isdigit()) or len(significant) > 3 or int(significant) > 255:
            raise InvalidAddress(f"Failed to parse address type: '{kind}'")
        return cls(int(significant), inner.encode())

    @classmethod
    def random(cls, random_bytes: bytes) -> Address:
        """Return the local address named by 16 random bytes."""
        return cls(TransportType.LOCAL, random_bytes.hex().encode())

    @property
    def address(self) -> Address:
        """Itself, so that an address stands wherever something with an address may."""
        return self

    @property
    def is_local(self) -> bool:
        """Whether this names a worker rather than a socket."""
        return self.transport_type == 0

    def encode(self) -> bytes:
        """Return the CBOR form."""
        encoded = self._encoded
        if encoded is None:
            encoded = self._encoded = b"\x82" + encode_uint(self.transport_type) + encode_bytes(self.value)
        return encoded

    def encode_bare(self) -> bytes:
        """Return the BARE form."""
        return bytes((self.transport_type,)) + encode_data(self.value)

    @classmethod
    def read(cls, decoder: Decoder) -> Address:
        """Return the address that comes next in unauthenticated CBOR."""
        fields = decoder.array()
        fields.require()
        transport_type = decoder.uint(8)
        fields.require()
        value = decoder.bytes()
        fields.close()
        return cls(transport_type, value)

    @classmethod
    def read_bare(cls, reader: Reader) -> Address:
        """Return the address that comes next in unauthenticated BARE."""
        return cls(reader.u8(), reader.bytes())

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Address):
            return NotImplemented
        return self.value == other.value and self.transport_type == other.transport_type

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Address):
            return NotImplemented
        return (self.transport_type, self.value) < (other.transport_type, other.value)

    def __str__(self) -> str:
        try:
            return f"{int(self.transport_type)}#{self.value.decode()}"
        except UnicodeDecodeError:
            return f"{int(self.transport_type)}#Invalid UTF-8"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


@runtime_checkable
class HasAddress(Protocol):
    """Anything that stands for a worker in a route: a connection, a channel, an address itself."""

    @property
    def address(self) -> Address:
        """The local address that messages for it are sent to."""
