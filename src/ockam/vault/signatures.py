"""Signatures as they appear on the wire.

    EdDSA       82 00 81 58 40 <64 bytes>      enum variant 0, R ‖ S
    ECDSA       82 01 81 58 40 <64 bytes>      enum variant 1, r ‖ s, 32 bytes each, big-endian (not DER)

Source:
    reference ockam_vault/src/types/signatures.rs.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from ockam.encoding import cbor
from ockam.errors import DecodeError
from ockam.vault.errors import InvalidSignatureSize

SIGNATURE_SIZE: Final = 64


@dataclass(frozen=True, slots=True)
class Ed25519Signature:
    """A 64-byte EdDSA signature."""

    VARIANT: ClassVar[int] = 0
    value: bytes

    def __post_init__(self) -> None:
        """Check the length."""
        if len(self.value) != SIGNATURE_SIZE:
            raise InvalidSignatureSize

    def encode(self) -> bytes:
        """Return the 69 bytes of enum variant 0."""
        return b"\x82\x00\x81\x58\x40" + self.value


@dataclass(frozen=True, slots=True)
class EcdsaP256Signature:
    """A 64-byte ECDSA P-256 signature, r then s."""

    VARIANT: ClassVar[int] = 1
    value: bytes

    def __post_init__(self) -> None:
        """Check the length."""
        if len(self.value) != SIGNATURE_SIZE:
            raise InvalidSignatureSize

    def encode(self) -> bytes:
        """Return the 69 bytes of enum variant 1."""
        return b"\x82\x01\x81\x58\x40" + self.value


Signature: TypeAlias = Ed25519Signature | EcdsaP256Signature


def read_signature(decoder: cbor.Decoder) -> Signature:
    """Read a signature enum. Takes unauthenticated bytes.

    Raises:
        DecodeError: another shape, an unknown variant or a wrong length.
    """
    signature = read_known_signature(decoder)
    if signature is None:
        raise DecodeError("unknown kind of signature")
    return signature


def read_known_signature(decoder: cbor.Decoder) -> Signature | None:
    """Read a signature enum; an unknown variant is skipped and gives None, as in an optional field.

    Raises:
        DecodeError: another shape or a wrong length.
    """
    variant = decoder.enum()
    if variant not in (Ed25519Signature.VARIANT, EcdsaP256Signature.VARIANT):
        # Reference: minicbor-derive skips an unknown variant where the field is an Option.
        decoder.skip()
        return None
    fields = decoder.array()
    fields.require()
    value = decoder.bytes(SIGNATURE_SIZE)
    fields.close()
    return Ed25519Signature(value) if variant == Ed25519Signature.VARIANT else EcdsaP256Signature(value)
