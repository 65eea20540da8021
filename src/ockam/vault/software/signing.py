"""Signing keys held by this process, made from injected randomness.

Source:
    reference ockam_vault/src/software/vault_for_signing/vault_for_signing.rs.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from ockam.vault.errors import InvalidSecret, InvalidSecretLength, KeyNotFound, SecretsSealed
from ockam.vault.interfaces import SecretsRepository, SigningKeyHandle, SigningKeyType, SigningSecret
from ockam.vault.keys import EcdsaP256PublicKey, Ed25519PublicKey, VerifyingPublicKey
from ockam.vault.signatures import EcdsaP256Signature, Ed25519Signature, Signature
from ockam.vault.software.cache import LruCache
from ockam.vault.software.sealing import is_sealed

SIGNING_SECRET_SIZE: Final = 32
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
LOADED_KEYS_LIMIT: Final = 1024

_ECDSA_SHA256: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class _Ed25519Key:
    __slots__ = ("_private", "public")

    def __init__(self, seed: bytes) -> None:
        self._private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self.public: VerifyingPublicKey = Ed25519PublicKey(self._private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> Signature:
        return Ed25519Signature(self._private.sign(data))


class _P256Key:
    __slots__ = ("_private", "public")

    def __init__(self, scalar: bytes) -> None:
        self._private = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
        self.public: VerifyingPublicKey = EcdsaP256PublicKey(
            self._private.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
        )

    def sign(self, data: bytes) -> Signature:
        # RFC 6979 nonce, SHA-256 of the data, s not lowered.
        r, s = utils.decode_dss_signature(self._private.sign(data, _ECDSA_SHA256))
        return EcdsaP256Signature(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


_LoadedKey: TypeAlias = _Ed25519Key | _P256Key


class SoftwareSigningVault:
    """Signs with secrets of a repository; loaded key objects are kept.

    Args:
        secrets: where secrets are stored.
        random: returns that many random bytes.
    """

    def __init__(self, secrets: SecretsRepository, random: Callable[[int], bytes]) -> None:
        self._secrets = secrets
        self._random = random
        self._loaded: LruCache[SigningKeyHandle, _LoadedKey] = LruCache(LOADED_KEYS_LIMIT)

    async def generate_signing_key(self, key_type: SigningKeyType) -> SigningKeyHandle:
        """Make a key from 32 random bytes and persist it."""
        secret = self._random(SIGNING_SECRET_SIZE)
        # A P-256 scalar must be in 1 … n-1; 1 in 2^32 draws is not.
        while key_type is SigningKeyType.ECDSA_P256 and not _is_p256_scalar(secret):
            secret = self._random(SIGNING_SECRET_SIZE)
        return await self.import_signing_key(SigningSecret(key_type, secret))

    async def import_signing_key(self, secret: SigningSecret) -> SigningKeyHandle:
        """Persist a secret made elsewhere and return its handle.

        Raises:
            InvalidSecretLength: not 32 bytes.
            InvalidSecret: not a P-256 scalar.
        """
        key = _load(secret)
        handle = _handle_of(key.public)
        await self._secrets.store_signing_secret(handle, secret)
        self._loaded.keep(handle, key)
        return handle

    async def sign(self, handle: SigningKeyHandle, data: bytes) -> Signature:
        """Sign `data`.

        Raises:
            KeyNotFound: no such key.
        """
        return (await self._key(handle)).sign(data)

    async def public_key(self, handle: SigningKeyHandle) -> VerifyingPublicKey:
        """Return the public half.

        Raises:
            KeyNotFound: no such key.
        """
        return (await self._key(handle)).public

    async def handle_of(self, public_key: VerifyingPublicKey) -> SigningKeyHandle:
        """Return SHA-256 of the public key; existence is not checked."""
        return _handle_of(public_key)

    async def delete_signing_key(self, handle: SigningKeyHandle) -> bool:
        """Delete a key; True if there was one."""
        self._loaded.forget(handle)
        return await self._secrets.delete_signing_secret(handle)

    async def number_of_keys(self) -> int:
        """Return how many signing keys the repository holds."""
        return len(await self._secrets.signing_secret_handles())

    async def _key(self, handle: SigningKeyHandle) -> _LoadedKey:
        key = self._loaded.find(handle)
        if key is None:
            secret = await self._secrets.signing_secret(handle)
            if secret is None:
                raise KeyNotFound
            if is_sealed(secret.secret):
                raise SecretsSealed
            key = _load(secret)
            self._loaded.keep(handle, key)
        return key


def _handle_of(public_key: VerifyingPublicKey) -> SigningKeyHandle:
    return SigningKeyHandle(sha256(public_key.value).digest())


def _is_p256_scalar(secret: bytes) -> bool:
    return 0 < int.from_bytes(secret, "big") < P256_ORDER


def _load(secret: SigningSecret) -> _LoadedKey:
    if len(secret.secret) != SIGNING_SECRET_SIZE:
        raise InvalidSecretLength
    if secret.key_type is SigningKeyType.ED25519:
        return _Ed25519Key(secret.secret)
    if not _is_p256_scalar(secret.secret):
        raise InvalidSecret
    return _P256Key(secret.secret)
