"""X25519 keys on a token: static ones. Ephemeral ones live in this process, as the session keys they lead to do."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import x25519

from ockam.vault.errors import InvalidSecretLength, InvalidSharedSecret, OperationUnsupported
from ockam.vault.interfaces import X25519KeyHandle
from ockam.vault.keys import X25519PublicKey
from ockam.vault.pkcs11.keys import KeyKind, TokenKeys
from ockam.vault.software.cache import LruCache
from ockam.vault.software.secure_channel import SoftwareDiffieHellmanKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.vault.interfaces import DiffieHellmanKey
    from ockam.vault.pkcs11.keys import FoundKey
    from ockam.vault.pkcs11.token import Pkcs11Token

__all__ = ["Pkcs11DiffieHellmanKey", "Pkcs11SecureChannelVault"]

X25519_SIZE: Final = 32
LOADED_KEYS_LIMIT: Final = 1024

_P: Final = 2**255 - 19
_LOW_ORDER: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
        0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
    }
)
"""u-coordinates of small order, on the curve and its twist: tokens answer them with any error, or a useless secret."""


class Pkcs11DiffieHellmanKey:
    """One X25519 secret on a token."""

    __slots__ = ("_key_id", "_keys", "_public", "_token")

    def __init__(self, token: Pkcs11Token, keys: TokenKeys, key_id: bytes, public: X25519PublicKey) -> None:
        self._token = token
        self._keys = keys
        self._key_id = key_id
        self._public = public

    @property
    def public(self) -> X25519PublicKey:
        """The public half."""
        return self._public

    def exchange(self, peer: X25519PublicKey) -> bytes:
        """Return the 32-byte shared secret. Blocks the calling thread until the token has answered.

        Raises:
            InvalidSharedSecret: the peer's key is of low order.
            KeyNotFound: the key was deleted.
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        if (int.from_bytes(peer.value, "little") & (2**255 - 1)) % _P in _LOW_ORDER:
            raise InvalidSharedSecret
        pkcs11 = self._token.pkcs11

        def derive(key: FoundKey) -> bytes:
            shared = key.private.derive_key(
                pkcs11.KeyType.GENERIC_SECRET,
                8 * X25519_SIZE,
                mechanism=pkcs11.Mechanism.ECDH1_DERIVE,
                mechanism_param=(pkcs11.KDF.NULL, None, peer.value),
                template={pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True},
            )
            try:
                return bytes(shared[pkcs11.Attribute.VALUE])
            finally:
                shared.destroy()  # or each would stay until the session ends

        secret = self._keys.use(self._key_id, derive)
        if len(secret) != X25519_SIZE or not any(secret):
            raise InvalidSharedSecret
        return secret


class Pkcs11SecureChannelVault:
    """Makes and keeps static X25519 keys on a token that has the mechanisms for it.

    `exchange` of a loaded key is synchronous, as the handshake needs it: a token that takes 20 ms stops the event loop
    for 20 ms, once or twice in a handshake. Messages of an open channel never reach the token.

    Args:
        token: where static keys are.
        random: returns that many random bytes; for ephemeral keys.
    """

    def __init__(self, token: Pkcs11Token, random: Callable[[int], bytes] = os.urandom) -> None:
        self._token = token
        self._random = random
        self._keys = TokenKeys(token, (KeyKind.X25519,))
        self._loaded: LruCache[X25519KeyHandle, DiffieHellmanKey] = LruCache(LOADED_KEYS_LIMIT)

    async def generate_static_x25519_key(self) -> X25519KeyHandle:
        """Make a key on the token.

        Raises:
            OperationUnsupported: the token has no such mechanism.
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        return X25519KeyHandle(await asyncio.to_thread(self._generate))

    def generate_ephemeral_x25519_key(self) -> DiffieHellmanKey:
        """Make a key in this process that is never stored."""
        return SoftwareDiffieHellmanKey(self._random(X25519_SIZE))

    async def import_static_x25519_key(self, secret: bytes) -> X25519KeyHandle:
        """Store a 32-byte secret on the token; it cannot be read from there again.

        Raises:
            InvalidSecretLength: not 32 bytes.
            OperationUnsupported: the token takes no secrets from outside.
            VaultError: as `generate_static_x25519_key`.
        """
        if len(secret) != X25519_SIZE:
            raise InvalidSecretLength
        point = x25519.X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        return X25519KeyHandle(await asyncio.to_thread(self._keys.import_key, KeyKind.X25519, secret, point))

    async def x25519_public_key(self, handle: X25519KeyHandle) -> X25519PublicKey:
        """Return the public half.

        Raises:
            KeyNotFound: not on the token.
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        return (await self.x25519_private_key(handle)).public

    async def x25519_private_key(self, handle: X25519KeyHandle) -> DiffieHellmanKey:
        """Return the key; the same object each time.

        Raises:
            KeyNotFound: not on the token.
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        found = await asyncio.to_thread(self._keys.find, handle.value)
        key = self._loaded.find(handle)
        if key is None:
            key = Pkcs11DiffieHellmanKey(self._token, self._keys, handle.value, X25519PublicKey(found.public))
            self._loaded.keep(handle, key)
        return key

    async def x25519_handle_of(self, public_key: X25519PublicKey) -> X25519KeyHandle:
        """Return the CKA_ID of the key with this public half; SHA-256 of the public key if the token has none.

        Raises:
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        return X25519KeyHandle(await asyncio.to_thread(self._keys.id_of, KeyKind.X25519, public_key.value))

    async def delete_static_x25519_key(self, handle: X25519KeyHandle) -> bool:
        """Destroy a key; True if there was one.

        Raises:
            VaultAccessDenied: the PIN was refused.
            VaultUnavailable: the token is away.
        """
        self._loaded.forget(handle)
        return await asyncio.to_thread(self._keys.delete, handle.value)

    def _generate(self) -> bytes:
        if not self._token.offers(*KeyKind.X25519.mechanisms):
            raise OperationUnsupported(f"the token {self._token.label!r} has no mechanism for X25519 keys")
        return self._keys.generate(KeyKind.X25519)[0]
