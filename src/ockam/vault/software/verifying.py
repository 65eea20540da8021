"""Verification of signatures, with a memory of the ones that were good.

A verdict is a pure function of key, data and signature, so a success may be remembered without an
expiry. Failures are not remembered: a peer could fill the memory with them for free. Everything
that depends on time or on stored state is decided elsewhere, every time.

Source:
    reference ockam_vault/src/software/vault_for_verifying_signatures/.
"""

from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from ockam.vault.errors import InvalidEcdsaInput, InvalidPublicKey, SignatureAndPublicKeyTypesDontMatch
from ockam.vault.keys import EcdsaP256PublicKey, Ed25519PublicKey, VerifyingPublicKey
from ockam.vault.signatures import EcdsaP256Signature, Ed25519Signature, Signature
from ockam.vault.software.cache import LruCache
from ockam.vault.software.signing import P256_ORDER

VERDICTS_LIMIT: Final = 4096

_ECDSA_SHA256: Final = ec.ECDSA(hashes.SHA256())
_UNCOMPRESSED: Final = 0x04

# The field and the constant of edwards25519: -x² + y² = 1 + d·x²·y² (RFC 8032 section 5.1).
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P


class SoftwareVerifyingVault:
    """Verifies signatures and remembers up to `verdicts_limit` good ones."""

    def __init__(self, verdicts_limit: int = VERDICTS_LIMIT) -> None:
        self._good: LruCache[bytes, bool] = LruCache(verdicts_limit)

    def sha256(self, data: bytes) -> bytes:
        """Return the 32-byte digest."""
        return sha256(data).digest()

    def verify(self, public_key: VerifyingPublicKey, data: bytes, signature: Signature) -> bool:
        """Tell whether `signature` is one of `data` under `public_key`. Takes unauthenticated values.

        Ed25519: cofactorless, S canonical, R compared byte for byte, small-order keys not refused.

        Raises:
            SignatureAndPublicKeyTypesDontMatch: key and signature are of different kinds.
            InvalidPublicKey: the Ed25519 key is not a point.
            InvalidEcdsaInput: the P-256 key is not a point, or r or s is out of range.
        """
        # Variants are equal numbers for keys and signatures of one kind; key lengths differ between kinds.
        if public_key.VARIANT != signature.VARIANT:
            raise SignatureAndPublicKeyTypesDontMatch
        memory_key = public_key.value + signature.value + sha256(data).digest()
        if self._good.find(memory_key):
            return True
        match public_key, signature:
            case Ed25519PublicKey(), Ed25519Signature():
                good = _verify_ed25519(public_key.value, data, signature.value)
            case EcdsaP256PublicKey(), EcdsaP256Signature():
                good = _verify_p256(public_key.value, data, signature.value)
            case _:  # pragma: no cover - excluded by the comparison of the variants above
                raise SignatureAndPublicKeyTypesDontMatch
        if good:
            self._good.keep(memory_key, True)
        return good

    def statistics(self) -> dict[str, int]:
        """Return the number of remembered verdicts."""
        return {"remembered_verdicts": len(self._good)}


def _verify_ed25519(public_key: bytes, data: bytes, signature: bytes) -> bool:
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except InvalidSignature:
        # OpenSSL does not tell a bad key from a bad signature; the reference does.
        if not _is_edwards_point(public_key):
            raise InvalidPublicKey from None
        return False
    return True


def _verify_p256(public_key: bytes, data: bytes, signature: bytes) -> bool:
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if public_key[0] != _UNCOMPRESSED or not 0 < r < P256_ORDER or not 0 < s < P256_ORDER:
        raise InvalidEcdsaInput
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError as error:
        raise InvalidEcdsaInput from error
    try:
        key.verify(utils.encode_dss_signature(r, s), data, _ECDSA_SHA256)
    except InvalidSignature:
        return False
    return True


def _is_edwards_point(public_key: bytes) -> bool:
    # Decompression succeeds if (y² - 1) / (d·y² + 1) is a square; y ≥ p and the sign of x = 0 are let
    # through, as in curve25519-dalek.
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    # v is never 0: -1/d is not a square. u/v is a square exactly when u·v is.
    return pow(u * v, (_P - 1) // 2, _P) in (0, 1)
