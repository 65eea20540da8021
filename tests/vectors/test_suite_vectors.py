"""The vectors of our own suites: what our code makes, and what a second implementation makes of the same secrets."""

from __future__ import annotations

import json
from hashlib import blake2s as library_blake2s
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tests.vectors.independent import SUITES, Handshake, blake2s, chacha20_poly1305, gcm, x25519
from tests.vectors.make_suite_vectors import make

PATH = Path(__file__).parents[2] / "docs" / "vectors" / "secure-channel-suites.json"
VECTORS: dict[str, Any] = json.loads(PATH.read_text())
SECRETS = {name: bytes.fromhex(secret) for name, secret in VECTORS["secrets"].items()}

each_suite = pytest.mark.parametrize("vector", VECTORS["suites"], ids=lambda vector: str(vector["suite"]))


def test_our_code_makes_the_file() -> None:
    assert make() == VECTORS


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 63, 64, 65, 128, 200])
def test_the_second_implementation_is_right(size: int) -> None:
    """Against libraries and RFC 7748: a mistake of its own would show here."""
    key, iv, data, associated = bytes(range(32)), bytes(range(12)), bytes(range(size)), b"associated"
    assert blake2s(data) == library_blake2s(data).digest()
    assert chacha20_poly1305(key, iv, associated, data) == ChaCha20Poly1305(key).encrypt(iv, data, associated)
    for key_size in (16, 32):
        expected = AESGCM(key[:key_size]).encrypt(iv, data, associated)
        assert gcm(key[:key_size], iv, associated, data) == expected
    nine = bytes((9,)) + bytes(31)
    assert x25519(nine, nine).hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"


@each_suite
def test_the_handshake_of_the_second_implementation(vector: dict[str, Any]) -> None:
    suite = SUITES[vector["suite"]]
    assert suite.key_size == vector["key_size"]
    made = Handshake(suite).run(
        (SECRETS["initiator_static"], SECRETS["initiator_ephemeral"]),
        (SECRETS["responder_static"], SECRETS["responder_ephemeral"]),
        bytes.fromhex(VECTORS["payload_2"]),
        bytes.fromhex(VECTORS["payload_3"]),
    )
    for name in ("message_1", "message_2", "message_3", "handshake_hash"):
        assert made[name].hex() == vector[name]
    for name in ("initiator_to_responder", "responder_to_initiator"):
        assert made[f"{name}_key"].hex() == vector[name]["keys"][0]


@each_suite
@pytest.mark.parametrize("direction", ["initiator_to_responder", "responder_to_initiator"])
def test_the_frames_of_the_second_implementation(vector: dict[str, Any], direction: str) -> None:
    """Past three rekeys."""
    suite, said = SUITES[vector["suite"]], vector[direction]
    keys = [bytes.fromhex(key) for key in said["keys"]]
    assert len(keys) == 4
    for key, following in pairwise(keys):
        assert suite.next_key(key) == following
    for nonce, expected in said["frames"].items():
        frame = suite.frame(keys[0], int(nonce), bytes.fromhex(expected["plaintext"]))
        assert frame.hex() == expected["frame"]
    assert int(max(said["frames"], key=int)) > 96
