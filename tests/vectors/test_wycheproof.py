"""Project Wycheproof's vectors against the software vault and the primitives it stands on."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ockam.vault import (
    EcdsaP256PublicKey,
    EcdsaP256Signature,
    Ed25519PublicKey,
    Ed25519Signature,
    InvalidSharedSecret,
    InvalidSignatureSize,
    VaultError,
    X25519PublicKey,
)
from ockam.vault.software import SoftwareDiffieHellmanKey, SoftwareVerifyingVault

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parent / "data" / "wycheproof"


def cases(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    document = json.loads((DATA / f"{name}_test.json").read_text())
    count = 0
    for group in document["testGroups"]:
        for test in group["tests"]:
            count += 1
            yield group, test
    assert count == document["numberOfTests"]


def data(case: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(case[name])


def test_ed25519() -> None:
    vault = SoftwareVerifyingVault()
    for group, test in cases("ed25519"):
        key = Ed25519PublicKey(data(group["publicKey"], "pk"))
        if len(data(test, "sig")) != 64:
            with pytest.raises(InvalidSignatureSize):
                Ed25519Signature(data(test, "sig"))
            assert test["result"] == "invalid"
            continue
        good = vault.verify(key, data(test, "msg"), Ed25519Signature(data(test, "sig")))
        assert good is (test["result"] == "valid"), test


def test_ecdsa_p256() -> None:
    vault = SoftwareVerifyingVault()
    for group, test in cases("ecdsa_secp256r1_sha256_p1363"):
        key = EcdsaP256PublicKey(data(group["publicKey"], "uncompressed"))
        try:
            good = vault.verify(key, data(test, "msg"), EcdsaP256Signature(data(test, "sig")))
        except VaultError:
            good = False
        assert good is (test["result"] == "valid"), test


def test_x25519() -> None:
    for _, test in cases("x25519"):
        key = SoftwareDiffieHellmanKey(data(test, "private"))
        peer = X25519PublicKey(data(test, "public"))
        if data(test, "shared") == bytes(32):
            with pytest.raises(InvalidSharedSecret):
                key.exchange(peer)
        else:
            assert key.exchange(peer) == data(test, "shared"), test


def test_aes_256_gcm() -> None:
    for group, test in cases("aes_gcm"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        cipher = AESGCM(data(test, "key"))
        sealed = data(test, "ct") + data(test, "tag")
        if test["result"] == "valid":
            assert cipher.encrypt(data(test, "iv"), data(test, "msg"), data(test, "aad")) == sealed
            assert cipher.decrypt(data(test, "iv"), sealed, data(test, "aad")) == data(test, "msg")
        else:
            with pytest.raises(InvalidTag):
                cipher.decrypt(data(test, "iv"), sealed, data(test, "aad"))


def test_hkdf_sha256() -> None:
    for _, test in cases("hkdf_sha256"):
        if test["result"] == "valid":
            derived = HKDF(hashes.SHA256(), test["size"], data(test, "salt"), data(test, "info"))
            assert derived.derive(data(test, "ikm")) == data(test, "okm"), test


def test_hmac_sha256() -> None:
    for group, test in cases("hmac_sha256"):
        tag = hmac.digest(data(test, "key"), data(test, "msg"), "sha256")[: group["tagSize"] // 8]
        assert (tag == data(test, "tag")) is (test["result"] == "valid"), test
