"""Attributes of an identity: in a credential, and as kept after the credential was checked.

    Attributes          82 <schema: uint 64> <map: bytes -> bytes>      keys in the order of their bytes
    AttributesEntry     map {1: attributes, 2: added_at, 3: expires_at, 4: attested_by}, absent ones left out
    attributes, stored  map: array of uint -> array of uint             each byte one small integer, not a byte string

Source:
    reference ockam_identity/src/models/credential_and_purpose_key.rs, identities/identity_attributes.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ockam.encoding.cbor import Decoder, encode_array, encode_array_head, encode_bytes, encode_map_head, encode_uint
from ockam.errors import DecodeError
from ockam.identity.identifier import Identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

# Reference: schema of a project member, the default of its credential issuer.
PROJECT_MEMBER_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes as a credential carries them. The schema (0 … 2^64-1) says what they mean; nobody checks it."""

    schema: int
    map: Mapping[bytes, bytes]

    @classmethod
    def from_text(cls, attributes: Mapping[str, str], schema: int = PROJECT_MEMBER_SCHEMA) -> Attributes:
        """Return attributes whose keys and values are UTF-8 text."""
        return cls(schema, {key.encode(): value.encode() for key, value in attributes.items()})

    def text(self) -> dict[str, str]:
        """Return the attributes that are UTF-8; the others are left out, as a policy does."""
        return attributes_text(self.map)

    def __str__(self) -> str:
        return ";".join(f"{_display(key)}={_display(value)}" for key, value in sorted(self.map.items()))

    def encode(self) -> bytes:
        """Return the encoded array of two."""
        # Reference: a BTreeMap, so `aa` comes before `b`; canonical CBOR would put the shorter key first.
        entries = b"".join(encode_bytes(key) + encode_bytes(value) for key, value in sorted(self.map.items()))
        return encode_array(encode_uint(self.schema), encode_map_head(len(self.map)) + entries)

    @classmethod
    def read(cls, decoder: Decoder) -> Attributes:
        """Read attributes; keys in any order, of equal ones the last counts. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        fields = decoder.array()
        fields.require()
        schema = decoder.uint(64)
        fields.require()
        entries = decoder.map()
        attributes: dict[bytes, bytes] = {}
        while entries.next():
            key = decoder.bytes()
            attributes[key] = decoder.bytes()
        fields.close()
        return cls(schema, attributes)

    @classmethod
    def decode(cls, data: bytes) -> Attributes:
        """Return the attributes at the start of unauthenticated `data`; what follows them is ignored.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))


@dataclass(frozen=True, slots=True)
class AttributesEntry:
    """What is known about a subject, and from whom. Times are in seconds.

    Attributes:
        attributes: keys and values, arbitrary bytes.
        added_at: when it was stored.
        expires_at: from this second on it no longer counts; None: never.
        attested_by: the issuer; None: ourselves.
    """

    attributes: Mapping[bytes, bytes]
    added_at: int
    expires_at: int | None = None
    attested_by: Identifier | None = None

    def text(self) -> dict[str, str]:
        """Return the attributes that are UTF-8; the others are left out."""
        return attributes_text(self.attributes)

    def is_expired(self, now: int) -> bool:
        """Tell whether the entry no longer counts; unlike a credential, it ends at expires_at, not after it."""
        return self.expires_at is not None and self.expires_at <= now

    def encode(self) -> bytes:
        """Return the encoded map."""
        entries = [
            encode_uint(1) + encode_attribute_map(self.attributes),
            encode_uint(2) + encode_uint(self.added_at),
        ]
        if self.expires_at is not None:
            entries.append(encode_uint(3) + encode_uint(self.expires_at))
        if self.attested_by is not None:
            entries.append(encode_uint(4) + self.attested_by.encode())
        return encode_map_head(len(entries)) + b"".join(entries)

    @classmethod
    def read(cls, decoder: Decoder) -> AttributesEntry:
        """Read an entry. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape, or a mandatory field is missing.
        """
        attributes: Mapping[bytes, bytes] | None = None
        added_at: int | None = None
        expires_at: int | None = None
        attested_by: Identifier | None = None
        entries = decoder.map()
        while entries.next():
            match decoder.uint(32):
                case 1:
                    attributes = read_attribute_map(decoder)
                case 2:
                    added_at = decoder.uint(64)
                case 3:
                    expires_at = None if _skip_null(decoder) else decoder.uint(64)
                case 4:
                    attested_by = None if _skip_null(decoder) else Identifier.read(decoder)
                case _:
                    decoder.skip()
        if attributes is None or added_at is None:
            raise DecodeError("attributes or the time they were added are missing")
        return cls(attributes, added_at, expires_at, attested_by)

    @classmethod
    def decode(cls, data: bytes) -> AttributesEntry:
        """Return the entry at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape, or a mandatory field is missing.
        """
        return cls.read(Decoder(data))


def encode_attribute_map(attributes: Mapping[bytes, bytes]) -> bytes:
    """Return attributes in the form in which they are stored: arrays of small integers."""
    entries = b"".join(
        _encode_small_integers(key) + _encode_small_integers(value) for key, value in sorted(attributes.items())
    )
    return encode_map_head(len(attributes)) + entries


def read_attribute_map(decoder: Decoder) -> dict[bytes, bytes]:
    """Read attributes in the form in which they are stored. Takes unauthenticated bytes.

    Raises:
        DecodeError: another shape.
    """
    entries = decoder.map()
    attributes: dict[bytes, bytes] = {}
    while entries.next():
        key = _read_small_integers(decoder)
        attributes[key] = _read_small_integers(decoder)
    return attributes


def attributes_text(attributes: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return the attributes whose key and value are UTF-8."""
    text: dict[str, str] = {}
    for key, value in attributes.items():
        try:
            text[key.decode()] = value.decode()
        except UnicodeDecodeError:
            continue
    return text


def _encode_small_integers(data: bytes) -> bytes:
    return encode_array_head(len(data)) + b"".join(map(encode_uint, data))


def _read_small_integers(decoder: Decoder) -> bytes:
    items = decoder.array()
    values = bytearray()
    while items.next():
        values.append(decoder.uint(8))
    return bytes(values)


def _skip_null(decoder: Decoder) -> bool:
    if not decoder.is_null():
        return False
    decoder.null()
    return True


def _display(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "**binary**"
