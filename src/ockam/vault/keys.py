"""Public keys as they appear on the wire.

    Ed25519 key     82 00 81 58 20 <32 bytes>      enum variant 0, RFC 8032 encoding
    P-256 key       82 01 81 58 41 <65 bytes>      enum variant 1, SEC1 uncompressed, leading 04
    X25519 key      58 20 <32 bytes>               never inside this enum

The same enum is called VerifyingPublicKey, PrimaryPublicKey and CredentialVerifyingKey by the
reference; the encoding is one.

Source:
    reference ockam_vault/src/types/public_keys.rs.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from ockam.encoding import cbor
from ockam.errors import DecodeError
from ockam.vault.errors import InvalidPublicLength

ED25519_PUBLIC_KEY_SIZE: Final = 32
ECDSA_P256_PUBLIC_KEY_SIZE: Final = 65
X25519_PUBLIC_KEY_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Ed25519PublicKey:
    """A 32-byte Ed25519 public key. Whether it is a point of the curve shows at verification."""

    VARIANT: ClassVar[int] = 0
    value: bytes

    def __post_init__(self) -> None:
        """Check the length."""
        if len(self.value) != ED25519_PUBLIC_KEY_SIZE:
            raise InvalidPublicLength

    def encode(self) -> bytes:
        """Return the 37 bytes of enum variant 0."""
        return b"\x82\x00\x81\x58\x20" + self.value


@dataclass(frozen=True, slots=True)
class EcdsaP256PublicKey:
    """A 65-byte uncompressed P-256 point. Whether it is on the curve shows at verification."""

    VARIANT: ClassVar[int] = 1
    value: bytes

    def __post_init__(self) -> None:
        """Check the length."""
        if len(self.value) != ECDSA_P256_PUBLIC_KEY_SIZE:
            raise InvalidPublicLength

    def encode(self) -> bytes:
        """Return the 70 bytes of enum variant 1."""
        return b"\x82\x01\x81\x58\x41" + self.value


@dataclass(frozen=True, slots=True)
class X25519PublicKey:
    """A 32-byte X25519 public key; any 32 bytes are one (RFC 7748)."""

    value: bytes

    def __post_init__(self) -> None:
        """Check the length."""
        if len(self.value) != X25519_PUBLIC_KEY_SIZE:
            raise InvalidPublicLength

    def encode(self) -> bytes:
        """Return the 34 bytes of the byte string."""
        return b"\x58\x20" + self.value

    @classmethod
    def read(cls, decoder: cbor.Decoder) -> "X25519PublicKey":
        """Read a 32-byte string. Takes unauthenticated bytes.

        Raises:
            DecodeError: not a definite byte string of 32 bytes.
        """
        return cls(decoder.bytes(X25519_PUBLIC_KEY_SIZE))


VerifyingPublicKey: TypeAlias = Ed25519PublicKey | EcdsaP256PublicKey


def read_verifying_public_key(decoder: cbor.Decoder) -> VerifyingPublicKey:
    """Read a verifying key enum. Takes unauthenticated bytes.

    Raises:
        DecodeError: another shape, an unknown variant or a wrong length.
    """
    variant = decoder.enum()
    fields = decoder.array()
    fields.require()
    key: VerifyingPublicKey
    match variant:
        case Ed25519PublicKey.VARIANT:
            key = Ed25519PublicKey(decoder.bytes(ED25519_PUBLIC_KEY_SIZE))
        case EcdsaP256PublicKey.VARIANT:
            key = EcdsaP256PublicKey(decoder.bytes(ECDSA_P256_PUBLIC_KEY_SIZE))
        case _:
            raise DecodeError("unknown kind of public key")
    fields.close()
    return key
