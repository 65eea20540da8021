"""Names of identities and of changes: SHA-256 digests.

    Identifier, ChangeHash      58 20 <32 bytes>

An identifier is the hash of the identity's first change, and stays when keys rotate.
Its text is `I` and 64 lower-case hexadecimal digits.

Source:
    reference ockam_identity/src/identity/identifiers.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ockam.encoding.hex import decode_hex
from ockam.errors import DecodeError
from ockam.identity.errors import InvalidIdentifier

if TYPE_CHECKING:
    from ockam.encoding.cbor import Decoder

# Reference: since 2023-11 all 32 bytes of the digest, where the published documents still say 20.
DIGEST_SIZE: Final = 32
PREFIX: Final = "I"


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """The 32 bytes that name an identity.

    Raises:
        InvalidIdentifier: not 32 bytes.
    """

    value: bytes

    def __post_init__(self) -> None:
        """Check the length."""
        if len(self.value) != DIGEST_SIZE:
            raise InvalidIdentifier

    @classmethod
    def parse(cls, text: str) -> Identifier:
        """Return the identifier that `text` spells; blanks around it and the case of the digits do not matter.

        Raises:
            InvalidIdentifier: not `I` (upper case) and 64 hexadecimal digits.
        """
        trimmed = text.strip()
        if not trimmed.startswith(PREFIX):
            raise InvalidIdentifier
        try:
            return cls(decode_hex(trimmed[len(PREFIX) :]))
        except DecodeError:
            raise InvalidIdentifier from None

    def __str__(self) -> str:
        return PREFIX + self.value.hex()

    def __repr__(self) -> str:
        return f"Identifier({self})"

    def encode(self) -> bytes:
        """Return the 34 bytes of the byte string."""
        return b"\x58\x20" + self.value

    @classmethod
    def read(cls, decoder: Decoder) -> Identifier:
        """Read an identifier. Takes unauthenticated bytes.

        Raises:
            DecodeError: not a byte string of 32 bytes.
        """
        return cls(decoder.bytes(DIGEST_SIZE))


@dataclass(frozen=True, slots=True)
class ChangeHash:
    """The 32-byte SHA-256 of a change's signed data.

    Raises:
        InvalidIdentifier: not 32 bytes.
    """

    value: bytes

    def __post_init__(self) -> None:
        """Check the length."""
        if len(self.value) != DIGEST_SIZE:
            raise InvalidIdentifier

    def __str__(self) -> str:
        return self.value.hex()

    def encode(self) -> bytes:
        """Return the 34 bytes of the byte string."""
        return b"\x58\x20" + self.value

    @classmethod
    def read(cls, decoder: Decoder) -> ChangeHash:
        """Read a change hash. Takes unauthenticated bytes.

        Raises:
            DecodeError: not a byte string of 32 bytes.
        """
        return cls(decoder.bytes(DIGEST_SIZE))
