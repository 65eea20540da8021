"""One change of an identity: a new primary key, signed by itself and by the key before it.

    Change      82 <data: bytes> <signature>                          the first change
                83 <data: bytes> <signature> <previous_signature>     every later one
    data        VersionedData, type 1, of ChangeData
    ChangeData  85 <previous_change: ChangeHash or null> <primary_public_key> <revoke_all_purpose_keys: bool>
                   <attestations_valid_from> <attestations_valid_until>

The change hash is SHA-256 of `data`; both signatures are over that hash.

Source:
    reference ockam_identity/src/models/change_history.rs.
"""

from __future__ import annotations

from dataclasses import dataclass

from ockam.encoding.cbor import NULL, Decoder, encode_array, encode_bool, encode_bytes, encode_struct, encode_uint
from ockam.identity.identifier import ChangeHash
from ockam.vault.keys import VerifyingPublicKey, read_verifying_public_key
from ockam.vault.signatures import Signature, read_known_signature, read_signature


@dataclass(frozen=True, slots=True)
class ChangeData:
    """What a change says. Times are in seconds; the window bounds attestations, not the identity itself."""

    previous_change: ChangeHash | None
    primary_public_key: VerifyingPublicKey
    revoke_all_purpose_keys: bool
    attestations_valid_from: int
    attestations_valid_until: int

    def encode(self) -> bytes:
        """Return the encoded array of five."""
        return encode_array(
            NULL if self.previous_change is None else self.previous_change.encode(),
            self.primary_public_key.encode(),
            encode_bool(self.revoke_all_purpose_keys),
            encode_uint(self.attestations_valid_from),
            encode_uint(self.attestations_valid_until),
        )

    @classmethod
    def read(cls, decoder: Decoder) -> ChangeData:
        """Read a change's data. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        fields = decoder.array()
        previous_change = ChangeHash.read(decoder) if fields.optional() else None
        fields.require()
        primary_public_key = read_verifying_public_key(decoder)
        fields.require()
        revoke_all_purpose_keys = decoder.bool()
        fields.require()
        attestations_valid_from = decoder.uint(64)
        fields.require()
        attestations_valid_until = decoder.uint(64)
        fields.close()
        return cls(
            previous_change,
            primary_public_key,
            revoke_all_purpose_keys,
            attestations_valid_from,
            attestations_valid_until,
        )

    @classmethod
    def decode(cls, data: bytes) -> ChangeData:
        """Return the data at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))


@dataclass(frozen=True, slots=True)
class Change:
    """A change as received: `data` stays the bytes that were signed."""

    data: bytes
    signature: Signature
    previous_signature: Signature | None = None

    def encode(self) -> bytes:
        """Return the encoded array of two or three."""
        previous = None if self.previous_signature is None else self.previous_signature.encode()
        return encode_struct(encode_bytes(self.data), self.signature.encode(), previous)

    @classmethod
    def read(cls, decoder: Decoder) -> Change:
        """Read a change. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        fields = decoder.array()
        fields.require()
        data = decoder.bytes()
        fields.require()
        signature = read_signature(decoder)
        previous_signature = read_known_signature(decoder) if fields.optional() else None
        fields.close()
        return cls(data, signature, previous_signature)

    @classmethod
    def decode(cls, data: bytes) -> Change:
        """Return the change at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))
