"""The envelopes of what an identity signs: what is hashed is the inner one, encoded.

    VersionedData       83 <version: uint 8> <data_type: uint 8> <data: bytes, nested CBOR>
    SignedData          82 <VersionedData: bytes, nested CBOR> <signature>

Source:
    reference ockam_identity/src/models/versioned_data.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from ockam.encoding.cbor import Decoder, encode_array, encode_bytes, encode_uint
from ockam.vault.signatures import Signature, read_signature

VERSION: Final = 1


class DataType(IntEnum):
    """What the data is. Source: ockam_identity `*_DATA_TYPE` constants."""

    CHANGE = 1
    PURPOSE_KEY_ATTESTATION = 2
    CREDENTIAL = 3


@dataclass(frozen=True, slots=True)
class VersionedData:
    """Version (0 … 255), data type (0 … 255) and the encoded data."""

    version: int
    data_type: int
    data: bytes

    def encode(self) -> bytes:
        """Return the bytes to hash and sign."""
        return encode_array(encode_uint(self.version), encode_uint(self.data_type), encode_bytes(self.data))

    @classmethod
    def read(cls, decoder: Decoder) -> VersionedData:
        """Read an envelope. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        fields = decoder.array()
        fields.require()
        version = decoder.uint(8)
        fields.require()
        data_type = decoder.uint(8)
        fields.require()
        data = decoder.bytes()
        fields.close()
        return cls(version, data_type, data)

    @classmethod
    def decode(cls, data: bytes) -> VersionedData:
        """Return the envelope at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))


@dataclass(frozen=True, slots=True)
class SignedData:
    """`VersionedData` with one signature, as received: `data` stays the bytes that were signed."""

    data: bytes
    signature: Signature

    def encode(self) -> bytes:
        """Return the encoded array of two."""
        return encode_array(encode_bytes(self.data), self.signature.encode())

    @classmethod
    def read(cls, decoder: Decoder) -> Self:
        """Read signed data. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        fields = decoder.array()
        fields.require()
        data = decoder.bytes()
        fields.require()
        signature = read_signature(decoder)
        fields.close()
        return cls(data, signature)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return what stands at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))
