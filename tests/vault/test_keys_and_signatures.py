from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError, Kind, Origin
from ockam.vault import (
    EcdsaP256PublicKey,
    EcdsaP256Signature,
    Ed25519PublicKey,
    Ed25519Signature,
    InvalidPublicLength,
    InvalidSignatureSize,
    KeyNotFound,
    X25519PublicKey,
    read_signature,
    read_verifying_public_key,
)
from ockam.vault.errors import InvalidEcdsaInput, InvalidPublicKey
from ockam.vault.signatures import read_known_signature

if TYPE_CHECKING:
    from collections.abc import Callable

ED25519 = Ed25519PublicKey(bytes(range(32)))
P256 = EcdsaP256PublicKey(b"\x04" + bytes(range(64)))


def test_keys_and_signatures_encode_as_enums() -> None:
    assert ED25519.encode() == bytes.fromhex("8200815820") + bytes(range(32))
    assert P256.encode() == bytes.fromhex("8201815841") + b"\x04" + bytes(range(64))
    assert X25519PublicKey(bytes(32)).encode() == bytes.fromhex("5820") + bytes(32)
    assert Ed25519Signature(bytes(64)).encode() == bytes.fromhex("8200815840") + bytes(64)
    assert EcdsaP256Signature(bytes(64)).encode() == bytes.fromhex("8201815840") + bytes(64)


@pytest.mark.parametrize("key", [ED25519, P256])
def test_a_verifying_key_reads_back(key: Ed25519PublicKey | EcdsaP256PublicKey) -> None:
    assert read_verifying_public_key(Decoder(key.encode())) == key


@pytest.mark.parametrize("signature", [Ed25519Signature(bytes(64)), EcdsaP256Signature(bytes(64))])
def test_a_signature_reads_back(signature: Ed25519Signature | EcdsaP256Signature) -> None:
    assert read_signature(Decoder(signature.encode())) == signature


def test_further_fields_are_skipped() -> None:
    data = bytes.fromhex("82009f5820") + bytes(range(32)) + bytes.fromhex("01f6ff")
    decoder = Decoder(data)
    assert read_verifying_public_key(decoder) == ED25519
    assert decoder.remaining() == 0


@pytest.mark.parametrize(
    "data",
    [
        "",
        "80",
        "8300815820" + "00" * 32,
        "8202815820" + "00" * 32,
        "820080",
        "820081581f" + "00" * 31,
        "8201815820" + "00" * 32,
        "820081" + "80",
        "82008158" + "20",
        "9f00815820" + "00" * 32 + "ff",
    ],
)
def test_anything_else_is_no_key_and_no_signature(data: str) -> None:
    for read in (read_verifying_public_key, read_signature):
        with pytest.raises(DecodeError):
            read(Decoder(bytes.fromhex(data)))


def test_an_unknown_signature_in_an_optional_field_is_skipped() -> None:
    decoder = Decoder(bytes.fromhex("82078301024103") + b"\x01")
    assert read_known_signature(decoder) is None
    assert decoder.uint() == 1


@pytest.mark.parametrize(
    ("make", "sizes", "error"),
    [
        (Ed25519PublicKey, (31, 33), InvalidPublicLength),
        (EcdsaP256PublicKey, (33, 64), InvalidPublicLength),
        (X25519PublicKey, (0, 31), InvalidPublicLength),
        (Ed25519Signature, (63, 65), InvalidSignatureSize),
        (EcdsaP256Signature, (63, 70), InvalidSignatureSize),
    ],
)
def test_the_constructor_checks_the_length(
    make: Callable[[bytes], object], sizes: tuple[int, ...], error: type[Exception]
) -> None:
    for size in sizes:
        with pytest.raises(error):
            make(bytes(size))


def test_errors_have_the_kinds_of_the_reference() -> None:
    assert (KeyNotFound().origin, KeyNotFound().kind) == (Origin.VAULT, Kind.INVALID)
    assert InvalidPublicKey().kind is Kind.MISUSE
    assert InvalidEcdsaInput().kind is Kind.UNKNOWN
    assert "holds no secret" in str(KeyNotFound())
