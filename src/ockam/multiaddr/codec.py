"""MultiAddr as text, as bytes, and as CBOR.

    text      /ip4/127.0.0.1/tcp/4000/service/echo
    binary    varint code, value; a text value has its varint length in front. Varints are minimal LEB128.
              04 7f000001  06 0fa0  bee803 04 6563686f
    CBOR      the binary form in a byte string; JSON: the text form

Source: reference ockam_multiaddr/src/{lib,codec}.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ockam.encoding import bare, cbor
from ockam.multiaddr.errors import InvalidMultiAddr, MalformedMultiAddr
from ockam.multiaddr.protocol import Part, Protocol, problem_with

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MultiAddr"]

# What the protocol fixes: codes and lengths are u32.
MAX_VARINT: Final = 0xFFFF_FFFF

# The short name of `/secure/api`: this node itself.
SELF: Final = "self"


@dataclass(frozen=True, slots=True)
class MultiAddr:
    """A sequence of `/protocol/value` pairs; may be empty.

    Attributes:
        parts: the pairs, outermost (the transport) first.
    """

    parts: tuple[Part, ...] = ()

    @classmethod
    def parse(cls, text: str) -> MultiAddr:
        """Read the text form.

        The slash before each pair may be missing; the value of the last text protocol may be empty or missing;
        `self`, alone or as the rest of the text, is `/secure/api`.

        Raises:
            InvalidMultiAddr: unknown protocol, or a value that does not fit its protocol.
        """
        return cls(tuple(_parse_parts(text)))

    @classmethod
    def from_binary(cls, data: bytes | memoryview) -> MultiAddr:
        """Read the binary form, all of it. The bytes may be anything.

        Raises:
            MalformedMultiAddr: unknown code, varint that is not minimal, cut off, or a value that does not fit.
        """
        return cls(tuple(_read_parts(bytes(data))))

    @classmethod
    def read(cls, decoder: cbor.Decoder) -> MultiAddr:
        """Read the CBOR form (byte string) at the decoder's position.

        Raises:
            DecodeError: no byte string, or `MalformedMultiAddr` for its content.
        """
        return cls.from_binary(decoder.bytes())

    @classmethod
    def decode(cls, data: bytes) -> MultiAddr:
        """Read the CBOR form; bytes after it are ignored, as in the reference."""
        return cls.read(cbor.Decoder(data))

    def encode(self) -> bytes:
        """Return the CBOR form."""
        return cbor.encode_bytes(self.binary)

    @property
    def binary(self) -> bytes:
        """The binary form."""
        return b"".join(_encode_part(part) for part in self.parts)

    def append(self, protocol: Protocol, value: str) -> MultiAddr:
        """Return this address with one more pair at its end."""
        return MultiAddr((*self.parts, Part.parse(protocol, value)))

    def __add__(self, other: MultiAddr) -> MultiAddr:
        return MultiAddr(self.parts + other.parts)

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def __str__(self) -> str:
        return "".join(str(part) for part in self.parts)


_PREFIXES: Final = {protocol.prefix: protocol for protocol in Protocol}
_CODES: Final = {int(protocol): protocol for protocol in Protocol}


def _parse_parts(text: str) -> Iterator[Part]:
    rest = text
    while rest:
        rest = rest.removeprefix("/")
        if rest == SELF:
            yield Part(Protocol.SECURE, b"api")
            return
        prefix, _, rest = rest.partition("/")
        protocol = _PREFIXES.get(prefix)
        if protocol is None:
            known = ", ".join(_PREFIXES)
            raise InvalidMultiAddr(f"unknown protocol `{prefix[:40]}` in `{text[:200]}`; known are {known}")
        value, _, rest = rest.partition("/")
        yield Part.parse(protocol, value)


def _read_parts(data: bytes) -> Iterator[Part]:
    position = 0
    while position < len(data):
        code, position = _read_varint(data, position)
        protocol = _CODES.get(code)
        if protocol is None:
            raise MalformedMultiAddr(f"unknown protocol code {code}")
        size = protocol.value_size
        if size is None:
            size, position = _read_varint(data, position)
        end = position + size
        if end > len(data):
            raise MalformedMultiAddr(f"the value of {protocol.prefix} is cut off")
        value = data[position:end]
        if problem := problem_with(protocol, value):
            raise MalformedMultiAddr(problem)
        yield Part(protocol, value)
        position = end


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if value > MAX_VARINT:
            raise MalformedMultiAddr("a varint is larger than 32 bits")
        if byte < 0x80:
            if byte == 0 and shift > 0:
                raise MalformedMultiAddr("a varint is not minimal")
            return value, position
        shift += 7
        if shift > 28:  # five groups hold 32 bits; a sixth is zeros or too large
            raise MalformedMultiAddr("a varint is longer than 5 bytes")
    raise MalformedMultiAddr("a varint is cut off")


def _encode_part(part: Part) -> bytes:
    head = bare.encode_uint(part.protocol)
    if part.protocol.value_size is not None:
        return head + part.value
    return head + bare.encode_uint(len(part.value)) + part.value
