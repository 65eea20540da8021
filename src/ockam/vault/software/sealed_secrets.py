"""Any secrets repository, with every secret sealed before it is stored.

The key ring (see `sealing`) is kept in the same repository, under a handle that no key can have. Handles and types of
keys stay readable; the secrets do not. Nothing is written before the first secret is stored.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from ockam.vault.errors import SealedSecretDamaged, SecretNotSealed
from ockam.vault.interfaces import SigningKeyHandle, SigningSecret, X25519KeyHandle
from ockam.vault.software.sealing import KeyRing, SealingKey, is_sealed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ockam.vault.interfaces import SecretsRepository

__all__ = ["SealedSecretsRepository", "secrets_are_sealed"]

log = logging.getLogger("ockam.vault")

KEY_RING_HANDLE: Final = X25519KeyHandle(b"ockam sealed secrets")
"""20 bytes: handles of keys are SHA-256 digests, 32 bytes."""


async def secrets_are_sealed(repository: SecretsRepository) -> bool:
    """Tell whether a repository, not the sealed one over it, holds sealed secrets: it then needs its key."""
    return await repository.x25519_secret(KEY_RING_HANDLE) is not None


class SealedSecretsRepository:
    """Seals what it stores in another repository, and opens what it reads there.

    Args:
        repository: holds sealed secrets and the key ring. Nobody else may write to it meanwhile.
        key: opens the ring.
        random: returns that many random bytes.
    """

    def __init__(
        self, repository: SecretsRepository, key: SealingKey, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._repository = repository
        self._key = key
        self._random = random
        self._ring: KeyRing | None = None
        self._ring_is_stored = False
        # One operation at a time: a ring is made once, and no secret slips by while all are sealed anew.
        self._lock = asyncio.Lock()

    async def unlock(self) -> None:
        """Open the key ring now, and not when the first secret is needed, so that a wrong passphrase shows at once.

        Raises:
            CannotUnseal: a wrong passphrase or key file, or the ring was altered.
            SecretNotSealed: the repository holds secrets that are not sealed: `seal_existing`.
        """
        async with self._open():
            if not self._ring_is_stored and (
                await self._repository.signing_secret_handles() or await self._repository.x25519_secret_handles()
            ):
                raise SecretNotSealed

    async def seal_existing(self) -> int:
        """Seal the secrets that are stored as they are, and return how many there were; for a store from before.

        May be repeated after a crash. Whoever wrote to the store before this call is trusted to have written our keys.

        Raises:
            CannotUnseal: some are sealed already, with another passphrase or key file.
        """
        count = 0
        async with self._open() as ring:
            await self._store_ring(ring)
            for handle, secret in await self._stored_signing_secrets():
                if not is_sealed(secret.secret):
                    await self._repository.store_signing_secret(handle, _sealed_signing(ring, handle, secret))
                    count += 1
            for x25519_handle, x25519_secret in await self._stored_x25519_secrets():
                if not is_sealed(x25519_secret):
                    sealed = ring.seal(_x25519_place(x25519_handle), x25519_secret)
                    await self._repository.store_x25519_secret(x25519_handle, sealed)
                    count += 1
        return count

    async def reseal(self, key: SealingKey) -> None:
        """Seal everything anew, under a new passphrase or key file; the old one no longer opens anything afterwards.

        The first step makes the new key the valid one. After a crash later than that, secrets not yet sealed anew
        open with the old inner key, which the ring still holds; repeating the call ends the work. A secret that is
        damaged, or not sealed, stays as it is, with a warning in the log.

        Raises:
            CannotUnseal: the present key is a wrong one.
        """
        async with self._open() as ring:
            if len(ring) > 1:  # an earlier call was interrupted
                ring = await self._move_to_newest(ring, self._key)
            ring = ring.rotated()
            await self._replace_ring(ring, key)
            await self._move_to_newest(ring, key)

    # --- SecretsRepository ------------------------------------------------------------------------------------------

    async def store_signing_secret(self, handle: SigningKeyHandle, secret: SigningSecret) -> None:
        """Seal and store a signing secret.

        Raises:
            CannotUnseal: a wrong passphrase or key file.
        """
        async with self._open() as ring:
            await self._store_ring(ring)
            await self._repository.store_signing_secret(handle, _sealed_signing(ring, handle, secret))

    async def signing_secret(self, handle: SigningKeyHandle) -> SigningSecret | None:
        """Return a signing secret, None if there is none.

        Raises:
            CannotUnseal: a wrong passphrase or key file.
            SecretNotSealed: it is stored as it is.
            SealedSecretDamaged: it was altered, or belongs to another handle.
        """
        async with self._open() as ring:
            secret = await self._repository.signing_secret(handle)
            if secret is None:
                return None
            return SigningSecret(secret.key_type, ring.open(_signing_place(handle, secret), secret.secret))

    async def signing_secret_handles(self) -> tuple[SigningKeyHandle, ...]:
        """Return the handles of all signing secrets; needs no key."""
        return await self._repository.signing_secret_handles()

    async def delete_signing_secret(self, handle: SigningKeyHandle) -> bool:
        """Delete a signing secret; True if there was one."""
        async with self._lock:
            return await self._repository.delete_signing_secret(handle)

    async def store_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        """Seal and store an X25519 secret.

        Raises:
            CannotUnseal: a wrong passphrase or key file.
        """
        async with self._open() as ring:
            await self._store_ring(ring)
            await self._repository.store_x25519_secret(handle, ring.seal(_x25519_place(handle), secret))

    async def add_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        """Seal and store an X25519 secret unless there is one of that handle.

        Raises:
            CannotUnseal: a wrong passphrase or key file.
        """
        async with self._open() as ring:
            await self._store_ring(ring)
            await self._repository.add_x25519_secret(handle, ring.seal(_x25519_place(handle), secret))

    async def x25519_secret(self, handle: X25519KeyHandle) -> bytes | None:
        """Return an X25519 secret, None if there is none.

        Raises:
            CannotUnseal: a wrong passphrase or key file.
            SecretNotSealed: it is stored as it is.
            SealedSecretDamaged: it was altered, or belongs to another handle.
        """
        async with self._open() as ring:
            sealed = await self._repository.x25519_secret(handle)
            return None if sealed is None else ring.open(_x25519_place(handle), sealed)

    async def x25519_secret_handles(self) -> tuple[X25519KeyHandle, ...]:
        """Return the handles of all X25519 secrets; needs no key."""
        handles = await self._repository.x25519_secret_handles()
        return tuple(handle for handle in handles if handle != KEY_RING_HANDLE)

    async def delete_x25519_secret(self, handle: X25519KeyHandle) -> bool:
        """Delete an X25519 secret; True if there was one."""
        if handle == KEY_RING_HANDLE:
            return False
        async with self._lock:
            return await self._repository.delete_x25519_secret(handle)

    async def delete_all(self) -> None:
        """Delete every secret and the key ring, in one transaction; needs no key."""
        async with self._lock:
            await self._repository.delete_all()
            self._ring = None
            self._ring_is_stored = False

    # --- the key ring -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[KeyRing]:
        async with self._lock:
            if self._ring is None:
                stored = await self._repository.x25519_secret(KEY_RING_HANDLE)
                if stored is None:
                    self._ring = KeyRing.create(self._random)
                else:
                    # In a thread: deriving a key from a passphrase takes a good part of a second.
                    self._ring = await asyncio.to_thread(KeyRing.decode, stored, self._key, self._random)
                    self._ring_is_stored = True
            yield self._ring

    async def _store_ring(self, ring: KeyRing) -> None:
        if not self._ring_is_stored:
            await self._replace_ring(ring, self._key)

    async def _replace_ring(self, ring: KeyRing, key: SealingKey) -> None:
        encoded = await asyncio.to_thread(ring.encode, key)
        # Should this fail or be cancelled, done or not: the key we seal with is in the old ring and in the new one.
        await self._repository.store_x25519_secret(KEY_RING_HANDLE, encoded)
        self._ring, self._ring_is_stored, self._key = ring, True, key

    async def _move_to_newest(self, ring: KeyRing, key: SealingKey) -> KeyRing:
        for handle, secret in await self._stored_signing_secrets():
            plain = _opened(ring, _signing_place(handle, secret), secret.secret)
            if plain is not None:
                sealed_signing = _sealed_signing(ring, handle, SigningSecret(secret.key_type, plain))
                await self._repository.store_signing_secret(handle, sealed_signing)
        for x25519_handle, sealed in await self._stored_x25519_secrets():
            place = _x25519_place(x25519_handle)
            plain = _opened(ring, place, sealed)
            if plain is not None:
                await self._repository.store_x25519_secret(x25519_handle, ring.seal(place, plain))
        newest = ring.newest_only()
        await self._replace_ring(newest, key)
        return newest

    async def _stored_signing_secrets(self) -> list[tuple[SigningKeyHandle, SigningSecret]]:
        handles = await self._repository.signing_secret_handles()
        found = [(handle, await self._repository.signing_secret(handle)) for handle in handles]
        return [(handle, secret) for handle, secret in found if secret is not None]

    async def _stored_x25519_secrets(self) -> list[tuple[X25519KeyHandle, bytes]]:
        handles = [handle for handle in await self._repository.x25519_secret_handles() if handle != KEY_RING_HANDLE]
        found = [(handle, await self._repository.x25519_secret(handle)) for handle in handles]
        return [(handle, secret) for handle, secret in found if secret is not None]


def _sealed_signing(ring: KeyRing, handle: SigningKeyHandle, secret: SigningSecret) -> SigningSecret:
    return SigningSecret(secret.key_type, ring.seal(_signing_place(handle, secret), secret.secret))


def _opened(ring: KeyRing, place: bytes, sealed: bytes) -> bytes | None:
    try:
        return ring.open(place, sealed)
    except (SealedSecretDamaged, SecretNotSealed) as error:
        log.warning("left as it is, a secret that cannot be sealed anew: %s", error)
        return None


def _signing_place(handle: SigningKeyHandle, secret: SigningSecret) -> bytes:
    return b"signing\0" + secret.key_type.value.encode() + b"\0" + handle.value


def _x25519_place(handle: X25519KeyHandle) -> bytes:
    return b"x25519\0" + handle.value
