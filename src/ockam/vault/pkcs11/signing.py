"""Signing keys on a token."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ockam.vault.errors import InvalidKeyType, InvalidSecret, InvalidSecretLength
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType, SigningSecret
from ockam.vault.keys import EcdsaP256PublicKey, Ed25519PublicKey, VerifyingPublicKey
from ockam.vault.pkcs11.keys import KeyKind, TokenKeys
from ockam.vault.signatures import EcdsaP256Signature, Ed25519Signature, Signature

if TYPE_CHECKING:
    from ockam.vault.pkcs11.keys import FoundKey
    from ockam.vault.pkcs11.token import Pkcs11Token

__all__ = ["SIGNING_KEY_TYPES", "Pkcs11SigningVault"]

SIGNING_KEY_TYPES: Final = frozenset({SigningKeyType.ED25519, SigningKeyType.ECDSA_P256})
"""What this back end can make, where the token has the mechanisms."""

SECRET_SIZE: Final = 32
_KINDS: Final = {SigningKeyType.ED25519: KeyKind.ED25519, SigningKeyType.ECDSA_P256: KeyKind.P256}


class Pkcs11SigningVault:
    """Signs on the token, in a worker thread: a token may take tens of milliseconds.

    Handles are the CKA_ID of keys. ECDSA nonces are the token's own, not those of RFC 6979.
    """

    def __init__(self, token: Pkcs11Token) -> None:
        self._token = token
        self._keys = TokenKeys(token, _KINDS.values())

    async def generate_signing_key(self, key_type: SigningKeyType) -> SigningKeyHandle:
        """Make a key on the token.

        Raises:
            InvalidKeyType: the token has no such mechanism.
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        return await asyncio.to_thread(self._generate, _KINDS[key_type])

    async def import_signing_key(self, secret: SigningSecret) -> SigningKeyHandle:
        """Store a secret made elsewhere on the token; it cannot be read from there again.

        Raises:
            InvalidSecretLength: not 32 bytes.
            InvalidSecret: not a P-256 scalar.
            OperationUnsupported: the token takes no secrets from outside.
            VaultError: as `generate_signing_key`.
        """
        point = _public_of(secret)
        kind = _KINDS[secret.key_type]
        return SigningKeyHandle(await asyncio.to_thread(self._keys.import_key, kind, secret.secret, point))

    async def sign(self, handle: SigningKeyHandle, data: bytes) -> Signature:
        """Sign `data`.

        Raises:
            KeyNotFound: not on the token.
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        return await asyncio.to_thread(self._sign, handle, data)

    async def public_key(self, handle: SigningKeyHandle) -> VerifyingPublicKey:
        """Return the public half.

        Raises:
            KeyNotFound: not on the token.
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        found = await asyncio.to_thread(self._keys.find, handle.value)
        return EcdsaP256PublicKey(found.public) if found.kind is KeyKind.P256 else Ed25519PublicKey(found.public)

    async def handle_of(self, public_key: VerifyingPublicKey) -> SigningKeyHandle:
        """Return the CKA_ID of the key with this public half; SHA-256 of the public key if the token has none.

        Raises:
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        kind = KeyKind.P256 if isinstance(public_key, EcdsaP256PublicKey) else KeyKind.ED25519
        return SigningKeyHandle(await asyncio.to_thread(self._keys.id_of, kind, public_key.value))

    async def delete_signing_key(self, handle: SigningKeyHandle) -> bool:
        """Destroy a key; True if there was one.

        Raises:
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        return await asyncio.to_thread(self._keys.delete, handle.value)

    def _generate(self, kind: KeyKind) -> SigningKeyHandle:
        if not self._token.offers(*kind.mechanisms):
            raise InvalidKeyType(f"the token {self._token.label!r} has no mechanism for {kind.value} keys")
        return SigningKeyHandle(self._keys.generate(kind)[0])

    def _sign(self, handle: SigningKeyHandle, data: bytes) -> Signature:
        mechanism = self._token.pkcs11.Mechanism

        def sign(key: FoundKey) -> Signature:
            if key.kind is KeyKind.ED25519:
                return Ed25519Signature(bytes(key.private.sign(data, mechanism=mechanism.EDDSA)))
            # Few tokens hash for ECDSA; all take the digest. The answer is r ‖ s.
            digest = sha256(data).digest()
            return EcdsaP256Signature(bytes(key.private.sign(digest, mechanism=mechanism.ECDSA)))

        return self._keys.use(handle.value, sign)


def _public_of(secret: SigningSecret) -> bytes:
    if len(secret.secret) != SECRET_SIZE:
        raise InvalidSecretLength
    if secret.key_type is SigningKeyType.ED25519:
        return ed25519.Ed25519PrivateKey.from_private_bytes(secret.secret).public_key().public_bytes_raw()
    try:
        private = ec.derive_private_key(int.from_bytes(secret.secret, "big"), ec.SECP256R1())
    except ValueError as error:
        raise InvalidSecret from error
    return private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
