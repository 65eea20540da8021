"""Purpose keys: keys for one job each, attested by an identity's primary key.

    PurposeKeyAttestation       82 <data: bytes> <signature>
    data                        VersionedData, type 2, of PurposeKeyAttestationData
    PurposeKeyAttestationData   85 <subject: Identifier> <subject_latest_change_hash: ChangeHash>
                                   <public_key: PurposePublicKey> <created_at> <expires_at>
    PurposePublicKey            82 00 81 58 20 <X25519>                     a secure channel's static key
                                82 01 81 <verifying public key enum>        a key that signs credentials

The signature is the primary key's over SHA-256 of `data`.

Source:
    reference ockam_identity/src/models/purpose_key_attestation.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from ockam.encoding.cbor import Decoder, encode_array, encode_enum, encode_uint
from ockam.errors import DecodeError
from ockam.identity.identifier import ChangeHash, Identifier
from ockam.identity.versioned_data import SignedData
from ockam.vault.keys import VerifyingPublicKey, X25519PublicKey, read_verifying_public_key

if TYPE_CHECKING:
    from ockam.vault.interfaces import DiffieHellmanKey, SigningKeyHandle


class Purpose(Enum):
    """What a purpose key is for; the value is the text it is stored under."""

    SECURE_CHANNEL = "SC_PK"
    CREDENTIALS = "C_PK"


@dataclass(frozen=True, slots=True)
class SecureChannelStatic:
    """The static X25519 key of secure channels."""

    VARIANT: ClassVar[int] = 0
    PURPOSE: ClassVar[Purpose] = Purpose.SECURE_CHANNEL
    key: X25519PublicKey

    def encode(self) -> bytes:
        """Return enum variant 0."""
        return encode_enum(self.VARIANT, self.key.encode())


@dataclass(frozen=True, slots=True)
class CredentialSigning:
    """A key that signs credentials."""

    VARIANT: ClassVar[int] = 1
    PURPOSE: ClassVar[Purpose] = Purpose.CREDENTIALS
    key: VerifyingPublicKey

    def encode(self) -> bytes:
        """Return enum variant 1."""
        return encode_enum(self.VARIANT, self.key.encode())


PurposePublicKey: TypeAlias = SecureChannelStatic | CredentialSigning


def read_purpose_public_key(decoder: Decoder) -> PurposePublicKey:
    """Read a purpose public key. Takes unauthenticated bytes.

    Raises:
        DecodeError: another shape or an unknown variant.
    """
    variant = decoder.enum()
    fields = decoder.array()
    fields.require()
    key: PurposePublicKey
    match variant:
        case SecureChannelStatic.VARIANT:
            key = SecureChannelStatic(X25519PublicKey.read(decoder))
        case CredentialSigning.VARIANT:
            key = CredentialSigning(read_verifying_public_key(decoder))
        case _:
            raise DecodeError("unknown purpose of a public key")
    fields.close()
    return key


@dataclass(frozen=True, slots=True)
class PurposeKeyAttestationData:
    """What an attestation says. Times are in seconds."""

    subject: Identifier
    subject_latest_change_hash: ChangeHash
    public_key: PurposePublicKey
    created_at: int
    expires_at: int

    def encode(self) -> bytes:
        """Return the encoded array of five."""
        return encode_array(
            self.subject.encode(),
            self.subject_latest_change_hash.encode(),
            self.public_key.encode(),
            encode_uint(self.created_at),
            encode_uint(self.expires_at),
        )

    @classmethod
    def read(cls, decoder: Decoder) -> PurposeKeyAttestationData:
        """Read an attestation's data. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        fields = decoder.array()
        fields.require()
        subject = Identifier.read(decoder)
        fields.require()
        subject_latest_change_hash = ChangeHash.read(decoder)
        fields.require()
        public_key = read_purpose_public_key(decoder)
        fields.require()
        created_at = decoder.uint(64)
        fields.require()
        expires_at = decoder.uint(64)
        fields.close()
        return cls(subject, subject_latest_change_hash, public_key, created_at, expires_at)

    @classmethod
    def decode(cls, data: bytes) -> PurposeKeyAttestationData:
        """Return the data at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))


class PurposeKeyAttestation(SignedData):
    """An attestation as received; 193 bytes for a secure channel key of an Ed25519 identity."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SecureChannelPurposeKey:
    """Our own attested static key, loaded."""

    attestation: PurposeKeyAttestation
    data: PurposeKeyAttestationData
    key: DiffieHellmanKey


@dataclass(frozen=True, slots=True)
class CredentialPurposeKey:
    """Our own attested credential key; the secret stays in the credential vault."""

    attestation: PurposeKeyAttestation
    data: PurposeKeyAttestationData
    handle: SigningKeyHandle
