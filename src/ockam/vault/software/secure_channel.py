"""X25519 keys held by this process.

Source:
    reference ockam_vault/src/software/vault_for_secure_channels/; secrets are stored unclamped.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric import x25519

from ockam.vault.errors import InvalidSecretLength, InvalidSharedSecret, KeyNotFound, SecretsSealed
from ockam.vault.interfaces import DiffieHellmanKey, SecretsRepository, X25519KeyHandle
from ockam.vault.keys import X25519PublicKey
from ockam.vault.software.cache import LruCache
from ockam.vault.software.sealing import is_sealed

X25519_SECRET_SIZE: Final = 32
LOADED_KEYS_LIMIT: Final = 1024


class SoftwareDiffieHellmanKey:
    """One loaded X25519 secret.

    Args:
        secret: 32 bytes, clamped when used (RFC 7748).

    Raises:
        InvalidSecretLength: not 32 bytes.
    """

    __slots__ = ("_private", "_public")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != X25519_SECRET_SIZE:
            raise InvalidSecretLength
        self._private = x25519.X25519PrivateKey.from_private_bytes(secret)
        self._public = X25519PublicKey(self._private.public_key().public_bytes_raw())

    @property
    def public(self) -> X25519PublicKey:
        """The public half."""
        return self._public

    def exchange(self, peer: X25519PublicKey) -> bytes:
        """Return the 32-byte shared secret.

        Raises:
            InvalidSharedSecret: the peer's key is of low order and the result all zero.
        """
        try:
            return self._private.exchange(x25519.X25519PublicKey.from_public_bytes(peer.value))
        except ValueError as error:
            # Reference: ockam_vault returns the all-zero secret and goes on; we refuse such a peer.
            raise InvalidSharedSecret from error


class SoftwareSecureChannelVault:
    """Makes and keeps X25519 keys; loaded key objects are kept.

    Args:
        secrets: where static secrets are stored.
        random: returns that many random bytes.
    """

    def __init__(self, secrets: SecretsRepository, random: Callable[[int], bytes]) -> None:
        self._secrets = secrets
        self._random = random
        self._loaded: LruCache[X25519KeyHandle, DiffieHellmanKey] = LruCache(LOADED_KEYS_LIMIT)

    async def generate_static_x25519_key(self) -> X25519KeyHandle:
        """Make and persist a new key."""
        return await self.import_static_x25519_key(self._random(X25519_SECRET_SIZE))

    def generate_ephemeral_x25519_key(self) -> DiffieHellmanKey:
        """Make a key that is never stored."""
        return SoftwareDiffieHellmanKey(self._random(X25519_SECRET_SIZE))

    async def import_static_x25519_key(self, secret: bytes) -> X25519KeyHandle:
        """Persist a 32-byte secret and return its handle.

        Raises:
            InvalidSecretLength: not 32 bytes.
        """
        key = SoftwareDiffieHellmanKey(secret)
        handle = _handle_of(key.public)
        await self._secrets.store_x25519_secret(handle, secret)
        self._loaded.keep(handle, key)
        return handle

    async def x25519_public_key(self, handle: X25519KeyHandle) -> X25519PublicKey:
        """Return the public half.

        Raises:
            KeyNotFound: no such key.
        """
        return (await self.x25519_private_key(handle)).public

    async def x25519_private_key(self, handle: X25519KeyHandle) -> DiffieHellmanKey:
        """Return the loaded key; the same object each time.

        Raises:
            KeyNotFound: no such key.
        """
        key = self._loaded.find(handle)
        if key is None:
            secret = await self._secrets.x25519_secret(handle)
            if secret is None:
                raise KeyNotFound
            if is_sealed(secret):
                raise SecretsSealed
            key = SoftwareDiffieHellmanKey(secret)
            self._loaded.keep(handle, key)
        return key

    async def x25519_handle_of(self, public_key: X25519PublicKey) -> X25519KeyHandle:
        """Return SHA-256 of the public key; existence is not checked."""
        return _handle_of(public_key)

    async def delete_static_x25519_key(self, handle: X25519KeyHandle) -> bool:
        """Delete a key; True if there was one."""
        self._loaded.forget(handle)
        return await self._secrets.delete_x25519_secret(handle)


def _handle_of(public_key: X25519PublicKey) -> X25519KeyHandle:
    return X25519KeyHandle(sha256(public_key.value).digest())
