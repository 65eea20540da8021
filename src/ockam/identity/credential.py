"""Credentials: an issuer says which attributes a subject has.

    Credential                  82 <data: bytes> <signature>
    data                        VersionedData, type 3, of CredentialData
    CredentialData              85 <subject: Identifier or null> <subject_latest_change_hash: ChangeHash or null>
                                   <subject_attributes: Attributes> <created_at> <expires_at>
    CredentialAndPurposeKey     82 <Credential> <PurposeKeyAttestation of the issuer's credential key>

The signature is the issuer's credential key's over SHA-256 of `data`, never the primary key's.

Source:
    reference ockam_identity/src/models/credential.rs, credential_and_purpose_key.rs.
"""

from __future__ import annotations

from dataclasses import dataclass

from ockam.encoding.cbor import NULL, Decoder, encode_array, encode_uint
from ockam.encoding.hex import decode_hex
from ockam.identity.attributes import Attributes
from ockam.identity.identifier import ChangeHash, Identifier
from ockam.identity.purpose_key import PurposeKeyAttestation
from ockam.identity.versioned_data import SignedData


@dataclass(frozen=True, slots=True)
class CredentialData:
    """What a credential says. Times are in seconds."""

    subject: Identifier | None
    subject_latest_change_hash: ChangeHash | None
    subject_attributes: Attributes
    created_at: int
    expires_at: int

    def encode(self) -> bytes:
        """Return the encoded array of five."""
        return encode_array(
            NULL if self.subject is None else self.subject.encode(),
            NULL if self.subject_latest_change_hash is None else self.subject_latest_change_hash.encode(),
            self.subject_attributes.encode(),
            encode_uint(self.created_at),
            encode_uint(self.expires_at),
        )

    @classmethod
    def read(cls, decoder: Decoder) -> CredentialData:
        """Read a credential's data. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        fields = decoder.array()
        subject = Identifier.read(decoder) if fields.optional() else None
        subject_latest_change_hash = ChangeHash.read(decoder) if fields.optional() else None
        fields.require()
        subject_attributes = Attributes.read(decoder)
        fields.require()
        created_at = decoder.uint(64)
        fields.require()
        expires_at = decoder.uint(64)
        fields.close()
        return cls(subject, subject_latest_change_hash, subject_attributes, created_at, expires_at)

    @classmethod
    def decode(cls, data: bytes) -> CredentialData:
        """Return the data at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))


class Credential(SignedData):
    """A credential as received, without what proves its key."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class CredentialAndPurposeKey:
    """A credential and what proves its key; also the body of a message. Its text form is hexadecimal."""

    credential: Credential
    purpose_key_attestation: PurposeKeyAttestation

    def encode(self) -> bytes:
        """Return the encoded array of two."""
        return encode_array(self.credential.encode(), self.purpose_key_attestation.encode())

    def __str__(self) -> str:
        return self.encode().hex()

    @classmethod
    def parse(cls, text: str) -> CredentialAndPurposeKey:
        """Return the credential that hexadecimal `text` (either case) spells.

        Raises:
            DecodeError: not hexadecimal, or another shape.
        """
        return cls.decode(decode_hex(text.strip()))

    @classmethod
    def read(cls, decoder: Decoder) -> CredentialAndPurposeKey:
        """Read a credential with its attestation. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        fields = decoder.array()
        fields.require()
        credential = Credential.read(decoder)
        fields.require()
        purpose_key_attestation = PurposeKeyAttestation.read(decoder)
        fields.close()
        return cls(credential, purpose_key_attestation)

    @classmethod
    def decode(cls, data: bytes) -> CredentialAndPurposeKey:
        """Return the value at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))
