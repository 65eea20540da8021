from __future__ import annotations

from typing import Any

import pytest

from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError, Kind, Misuse, NotFound, Origin, PeerError
from ockam.identity import (
    Attributes,
    AttributesEntry,
    Change,
    ChangeData,
    ChangeHash,
    ChangeHistory,
    ConsistencyError,
    Credential,
    CredentialAndPurposeKey,
    CredentialData,
    CredentialSigning,
    Identifier,
    IdentityNotFound,
    InvalidIdentifier,
    InvalidTimeToLive,
    PurposeKeyAttestation,
    PurposeKeyAttestationData,
    SecureChannelStatic,
    VersionedData,
    encode_attribute_map,
    read_purpose_public_key,
)
from ockam.identity.timestamp import end_of, is_ahead
from ockam.vault import Ed25519PublicKey, Ed25519Signature, X25519PublicKey

IDENTIFIER = Identifier(bytes(range(32)))
HASH = ChangeHash(bytes(range(32)))
KEY = Ed25519PublicKey(bytes(32))
SIGNATURE = Ed25519Signature(bytes(64))
ATTESTATION = PurposeKeyAttestation(b"data", SIGNATURE)
CREDENTIAL = Credential(b"data", SIGNATURE)

DECODERS = [
    Change,
    ChangeData,
    ChangeHistory,
    Credential,
    CredentialAndPurposeKey,
    CredentialData,
    PurposeKeyAttestation,
    PurposeKeyAttestationData,
    VersionedData,
    Attributes,
    AttributesEntry,
]
SAMPLES = [
    Change(b"data", SIGNATURE),
    Change(b"data", SIGNATURE, SIGNATURE),
    ChangeData(None, KEY, False, 0, 2**64 - 1),
    ChangeData(HASH, KEY, True, 1, 2),
    ChangeHistory(()),
    ChangeHistory((Change(b"1", SIGNATURE), Change(b"2", SIGNATURE, SIGNATURE))),
    CREDENTIAL,
    CredentialAndPurposeKey(CREDENTIAL, ATTESTATION),
    CredentialData(None, None, Attributes(7, {}), 1, 2),
    CredentialData(IDENTIFIER, HASH, Attributes(1, {b"\xff": b"\x00"}), 1, 2),
    ATTESTATION,
    PurposeKeyAttestationData(IDENTIFIER, HASH, SecureChannelStatic(X25519PublicKey(bytes(32))), 1, 2),
    PurposeKeyAttestationData(IDENTIFIER, HASH, CredentialSigning(KEY), 1, 2),
    VersionedData(1, 2, b"data"),
    Attributes(1, {b"b": b"1", b"aa": b"2"}),
    AttributesEntry({b"k": b"v"}, 1),
    AttributesEntry({b"k": b"\xff\x00"}, 1, 2, IDENTIFIER),
]


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: type(value).__name__)
def test_values_read_back_as_they_were_written(value: Change) -> None:
    data = value.encode()
    assert type(value).decode(data) == value
    assert type(value).decode(data + b"trailing") == value
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            type(value).decode(data[:size])


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("data", [b"", b"\x00", b"\xf6", b"\x80", b"\xa0", b"\x9f", b"\xbf\xff", b"\x60"])
def test_anything_else_is_a_decode_error(decoder: type[Any], data: bytes) -> None:
    if decoder is ChangeHistory and data == b"\x80":
        assert ChangeHistory.decode(data).changes == ()
        return
    with pytest.raises(DecodeError):
        decoder.decode(data)


def test_identifiers() -> None:
    text = "I" + bytes(range(32)).hex()
    assert str(IDENTIFIER) == text
    assert repr(IDENTIFIER) == f"Identifier({text})"
    assert Identifier.parse(f"\t{text[0]}{text[1:].upper()} \n") == IDENTIFIER
    assert str(HASH) == text[1:]
    for bad in (text[1:], text + "0", text + "00", text[:-2], text[:-1] + "g", "i" + text[1:], "I 0" + text[3:]):
        with pytest.raises(InvalidIdentifier):
            Identifier.parse(bad)
    for size in (20, 31, 33):
        with pytest.raises(InvalidIdentifier):
            Identifier(bytes(size))
        with pytest.raises(InvalidIdentifier):
            ChangeHash(bytes(size))
        with pytest.raises(DecodeError):
            Identifier.read(Decoder(bytes((0x58, size)) + bytes(size)))


def test_a_history_from_text_ends_where_the_text_ends() -> None:
    history = ChangeHistory((Change(b"data", SIGNATURE),))
    assert ChangeHistory.parse(f" {history.encoded.hex().upper()}\n") == history
    for bad in (history.encoded.hex() + "00", "8", "xx"):
        with pytest.raises(DecodeError):
            ChangeHistory.parse(bad)


def test_arrays_around_signed_data_become_canonical() -> None:
    change = bytes.fromhex("9f") + b"\x58\x04data" + SIGNATURE.encode() + bytes.fromhex("f60102ff")
    history = ChangeHistory.decode(bytes.fromhex("9f") + change + bytes.fromhex("ff"))
    assert history.encoded == ChangeHistory((Change(b"data", SIGNATURE),)).encoded


def test_a_previous_signature_of_an_unknown_kind_counts_as_none() -> None:
    data = bytes.fromhex("8344") + b"data" + SIGNATURE.encode() + bytes.fromhex("8205814100")
    assert Change.decode(data).previous_signature is None
    with pytest.raises(DecodeError):
        Change.decode(bytes.fromhex("8244") + b"data" + bytes.fromhex("8205814100"))


def test_a_credential_as_text() -> None:
    value = CredentialAndPurposeKey(CREDENTIAL, ATTESTATION)
    assert CredentialAndPurposeKey.parse(f" {value}\n") == value
    assert str(value) == value.encode().hex()


def test_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(DecodeError):
        read_purpose_public_key(Decoder(bytes.fromhex("820281") + X25519PublicKey(bytes(32)).encode()))


def test_attributes() -> None:
    attributes = Attributes.from_text({"role": "sensor", "name": "ä"}, schema=9)
    assert attributes.schema == 9
    assert attributes.text() == {"role": "sensor", "name": "ä"}
    assert str(attributes) == "name=ä;role=sensor"
    binary = Attributes(1, {b"\xff": b"1", b"k": b"\xff", b"ok": b"yes"})
    assert binary.text() == {"ok": "yes"}
    assert str(binary) == "k=**binary**;ok=yes;**binary**=1"


def test_of_equal_attribute_keys_the_last_counts() -> None:
    assert Attributes.decode(bytes.fromhex("8201a2416141314161 4132".replace(" ", ""))).map == {b"a": b"2"}


def test_an_attributes_entry_skips_what_it_does_not_know() -> None:
    data = bytes.fromhex("a503f604f60763666f6f01") + encode_attribute_map({b"k": b"v"}) + bytes.fromhex("0205")
    entry = AttributesEntry.decode(data)
    assert entry == AttributesEntry({b"k": b"v"}, 5)
    assert entry.text() == {"k": "v"}
    assert not entry.is_expired(2**63)
    assert AttributesEntry({}, 1, 10).is_expired(10)
    assert not AttributesEntry({}, 1, 10).is_expired(9)


def test_times() -> None:
    assert not is_ahead(160, 100)
    assert is_ahead(161, 100)
    assert end_of(100, 1) == 101
    for ttl_seconds in (0, -1, 2**64):
        with pytest.raises(InvalidTimeToLive):
            end_of(100, ttl_seconds)


def test_errors_have_the_origin_and_kind_of_the_reference() -> None:
    assert (ConsistencyError().origin, ConsistencyError().kind) == (Origin.IDENTITY, Kind.UNKNOWN)
    assert InvalidIdentifier().kind is Kind.PARSE
    assert (IdentityNotFound().origin, IdentityNotFound().kind) == (Origin.CORE, Kind.NOT_FOUND)
    assert isinstance(ConsistencyError(), PeerError)
    assert isinstance(InvalidIdentifier(), Misuse)
    assert isinstance(IdentityNotFound(), NotFound)
