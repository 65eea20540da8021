"""Keys of one enrollment beyond the key agreement, and what is sealed with them.

    T = SHA-256(SHA-256(bundle) || x3dh)
    HKDF-SHA256(salt = h, IKM = K0, info = "ockam enrollment v1" || T, 128 bytes)
        = identity key || answer key || k1 (service to enrollee) || k2 (enrollee to service)

    identity = AES-256-GCM(identity key, 12 zero bytes, AAD = bundle_id || x3dh, ...)     one message per key
    answer   = AES-256-GCM(answer key, random nonce, AAD = SHA-256(message), ...)
    proof    = signature over SHA-256 of VersionedData [1, 18, [T]]

K1 of the agreement seals the X3DH message and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ockam.encoding.cbor import encode_array, encode_bytes, encode_uint

if TYPE_CHECKING:
    from ockam.enrollment.x3dh import Agreement

# Fixed by the protocol. Data types of VersionedData that the Enrollment Service adds.
DATA_TYPE_BUNDLE: Final = 16
DATA_TYPE_PROOF: Final = 18
NONCE_SIZE: Final = 12
_INFO: Final = b"ockam enrollment v1"
_ZERO_NONCE: Final = bytes(NONCE_SIZE)


@dataclass(frozen=True, slots=True)
class ChannelKeys:
    """Keys of the channel that follows. In memory of one process only: never stored, never used twice."""

    k1: bytes = field(repr=False)
    k2: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """All keys of one enrollment message."""

    transcript: bytes
    identity_key: bytes = field(repr=False)
    answer_key: bytes = field(repr=False)
    channel: ChannelKeys

    @classmethod
    def derive(cls, agreement: Agreement, bundle_hash: bytes, x3dh: bytes) -> SessionKeys:
        """Derive the keys from the agreement, SHA-256 of the bundle data and the 176 bytes of x3dh."""
        transcript = sha256(bundle_hash + x3dh).digest()
        hkdf = HKDF(algorithm=SHA256(), length=128, salt=agreement.h, info=_INFO + transcript)
        okm = hkdf.derive(agreement.k0)
        return cls(transcript, okm[:32], okm[32:64], ChannelKeys(okm[64:96], okm[96:]))

    @property
    def proof_hash(self) -> bytes:
        """The 32 bytes that the device's latest primary key signs."""
        return sha256(versioned(DATA_TYPE_PROOF, encode_array(encode_bytes(self.transcript)))).digest()

    def seal_identity(self, bundle_id: bytes, x3dh: bytes, plaintext: bytes) -> bytes:
        """Seal the device's identity. Called once per message, or the zero nonce would repeat."""
        return AESGCM(self.identity_key).encrypt(_ZERO_NONCE, plaintext, bundle_id + x3dh)

    def open_identity(self, bundle_id: bytes, x3dh: bytes, ciphertext: bytes) -> bytes | None:
        """Open unauthenticated bytes; None when they do not open."""
        try:
            return AESGCM(self.identity_key).decrypt(_ZERO_NONCE, ciphertext, bundle_id + x3dh)
        except (InvalidTag, ValueError):
            return None


def seal_answer(answer_key: bytes, nonce: bytes, message_id: bytes, plaintext: bytes) -> bytes:
    """Seal an answer to the message with id `message_id`; `nonce` is 12 fresh random bytes."""
    return AESGCM(answer_key).encrypt(nonce, plaintext, message_id)


def open_answer(answer_key: bytes, nonce: bytes, message_id: bytes, ciphertext: bytes) -> bytes | None:
    """Open unauthenticated bytes; None when they do not open."""
    try:
        return AESGCM(answer_key).decrypt(nonce, ciphertext, message_id)
    except (InvalidTag, ValueError):
        return None


def versioned(data_type: int, inner: bytes) -> bytes:
    """Return VersionedData [1, data_type, inner]."""
    return encode_array(encode_uint(1), encode_uint(data_type), encode_bytes(inner))
