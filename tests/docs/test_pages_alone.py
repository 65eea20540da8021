"""An implementation from the pages alone: nothing of this package is imported, only examples and what the text says."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DOCS: Final = Path(__file__).parents[2] / "docs"
EXAMPLE: Final = re.compile(r"```hex name=(\w+)\n(.*?)```", re.DOTALL)


def shown(page: str) -> dict[str, bytes]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return {name: bytes.fromhex(re.sub(r";.*", "", body)) for name, body in EXAMPLE.findall(text)}


IDENTITIES: Final = shown("identities.md")
CHANNEL: Final = shown("secure-channels.md")
ENROLLMENT: Final = shown("enrollment.md")


def hashed(data: bytes) -> bytes:
    return sha256(data).digest()


def public(secret: int) -> bytes:
    return X25519PrivateKey.from_private_bytes(bytes([secret]) * 32).public_key().public_bytes_raw()


def agreed(secret: int, peer: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(bytes([secret]) * 32).exchange(X25519PublicKey.from_public_bytes(peer))


def test_identities() -> None:
    data, history = IDENTITIES["change_data"], IDENTITIES["change_history"]
    primary = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    assert hashed(data) == IDENTITIES["identifier"]
    assert data[12:44] == primary.public_key().public_bytes_raw()
    signature = bytes.fromhex("8200815840") + primary.sign(hashed(data))
    assert history == b"\x81\x82\x58" + bytes([len(data)]) + data + signature
    attestation = IDENTITIES["attestation"]
    signed = attestation[3:124]
    assert signed.endswith(public(2) + bytes.fromhex("1a6553f1001a6eb9f280"))
    assert attestation == b"\x82\x58\x79" + signed + bytes.fromhex("8200815840") + primary.sign(hashed(signed))


class Noise:
    """The initiator's view of a handshake."""

    def __init__(self) -> None:
        self.h = self.ck = b"OCKAM_XX_25519_AES256_GCM_SHA256"
        self.k, self.n = b"", 0
        self.mix_hash(b"")

    def mix_hash(self, data: bytes) -> None:
        self.h = hashed(self.h + data)

    def hkdf(self, data: bytes) -> tuple[bytes, bytes]:
        key = hmac.digest(self.ck, data, "sha256")
        first = hmac.digest(key, b"\x01", "sha256")
        return first, hmac.digest(key, first + b"\x02", "sha256")

    def mix_key(self, data: bytes) -> None:
        self.ck, self.k = self.hkdf(data)
        self.n = 0

    def decrypt(self, ciphertext: bytes) -> bytes:
        plaintext = AESGCM(self.k).decrypt(bytes(4) + self.n.to_bytes(8, "big"), ciphertext, self.h)
        self.n += 1
        self.mix_hash(ciphertext)
        return plaintext


def test_a_secure_channel() -> None:
    message_1, message_2, message_3 = (CHANNEL[f"message_{number}"] for number in (1, 2, 3))
    assert message_1 == public(0xA1)
    noise = Noise()
    noise.mix_hash(message_1)
    noise.mix_hash(b"")
    noise.mix_hash(message_2[:32])
    noise.mix_key(agreed(0xA1, message_2[:32]))
    static = noise.decrypt(message_2[32:80])
    assert static == public(0x12)
    noise.mix_key(agreed(0xA1, static))
    assert noise.decrypt(message_2[80:]) == CHANNEL["handshake_payload"]
    assert noise.decrypt(message_3[:48]) == public(0x02)
    noise.mix_key(agreed(0x02, message_2[:32]))
    assert noise.decrypt(message_3[48:]) == b"\x83" + IDENTITIES["change_history"] + IDENTITIES["attestation"] + b"\x80"
    assert noise.h == CHANNEL["handshake_hash"]
    assert noise.hkdf(b"") == (CHANNEL["k1"], CHANNEL["k2"])


def opened(key: bytes, frame: bytes) -> bytes:
    return AESGCM(key).decrypt(bytes(4) + frame[:8], frame[8:], None)


def test_frames_and_rekeying() -> None:
    k2 = CHANNEL["k2"]
    assert CHANNEL["frame_0"][:8] == bytes(8)
    assert opened(k2, CHANNEL["frame_0"]) == CHANNEL["channel_payload"]
    following = AESGCM(k2).encrypt(bytes(4) + b"\xff" * 8, bytes(32), None)[:32]
    assert following == CHANNEL["next_key"]
    assert int.from_bytes(CHANNEL["frame_32"][:8], "big") == 32
    assert opened(following, CHANNEL["frame_32"]) == CHANNEL["channel_payload"]
    assert opened(CHANNEL["k1"], CHANNEL["close_frame"]) == CHANNEL["close"]


def test_an_enrollment() -> None:
    bundle, x3dh, message = (ENROLLMENT[name] for name in ("bundle", "x3dh", "enrollment_message"))
    prekeys = ENROLLMENT["prekeys"]
    assert (prekeys[:32], prekeys[32:64], prekeys[128:]) == (public(0x41), public(0x51), public(0x52))
    assert prekeys in bundle
    suite = b"X3DH_25519_AESGCM_SHA256" + bytes(8)
    results = [agreed(0x61, public(0x51)), *(agreed(0x62, public(secret)) for secret in (0x41, 0x51, 0x52))]
    material = b"\xff" * 32 + b"".join(results)
    keys = HKDF(SHA256(), 64, bytes(32), suite).derive(material)
    h = hashed(hashed(suite) + material)

    assert x3dh[:64] == public(0x62) + hashed(public(0x61))
    inside = AESGCM(keys[32:]).decrypt(x3dh[:12], x3dh[64:], x3dh[:64] + suite + h)
    assert inside[:32] == public(0x02)
    transcript = hashed(hashed(bundle) + x3dh)
    assert transcript == ENROLLMENT["transcript"]
    derived = HKDF(SHA256(), 128, h, b"ockam enrollment v1" + transcript).derive(keys[:32])
    assert derived == ENROLLMENT["session_keys"]

    proof_hash = hashed(bytes.fromhex("83011258238158 20") + transcript)
    assert proof_hash == ENROLLMENT["proof_hash"]
    head = b"\x84\x01\x50" + b"\x54" * 16 + b"\x58\xb0" + x3dh + b"\x59"
    assert message.startswith(head)
    identity = AESGCM(derived[:32]).decrypt(bytes(12), message[len(head) + 2 :], b"\x54" * 16 + x3dh)
    proof = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32).sign(proof_hash)
    signature = bytes.fromhex("8200815840") + proof
    assert identity == b"\x83" + IDENTITIES["change_history"] + IDENTITIES["attestation"] + signature

    assert hashed(message) == ENROLLMENT["message_id"]
    rejected, accepted = ENROLLMENT["rejected"], ENROLLMENT["accepted"]
    reason = AESGCM(derived[32:64]).decrypt(rejected[3:15], rejected[17:], hashed(message))
    assert reason == b"\x82\x01\x83\x03\x6cdevice clock\x1a" + (1_700_000_000).to_bytes(4, "big")
    answer = AESGCM(derived[32:64]).decrypt(accepted[3:15], accepted[18:], hashed(message))
    assert answer.startswith(b"\x82\x00\x86\x82")


def test_the_code_of_a_link() -> None:
    x = IDENTITIES["identifier"] + hashed_history(CHANNEL["handshake_payload"]) + public(0x61) + b"\x81" * 16
    assert ENROLLMENT["link_commit"] == b"\x82\x02\x58\x20" + hashed(b"ockam enrollment commit" + x)
    number = int.from_bytes(hashed(b"ockam enrollment code" + x + b"\x82" * 16)[:8], "big") % 1_000_000
    assert f"```text name=link_code\n{number:06}\n```" in (DOCS / "enrollment.md").read_text(encoding="utf-8")


def hashed_history(payload: bytes) -> bytes:
    """The identifier in a handshake payload: array of three, history of one, change of two, data of 55 bytes."""
    assert payload.startswith(b"\x83\x81\x82\x58\x37")
    return hashed(payload[5 : 5 + 0x37])
