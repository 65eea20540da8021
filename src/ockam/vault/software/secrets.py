"""A secrets repository in memory; gone with the process."""

from ockam.vault.interfaces import SigningKeyHandle, SigningSecret, X25519KeyHandle


class MemorySecretsRepository:
    """Keeps secrets in two dictionaries."""

    def __init__(self) -> None:
        self._signing: dict[SigningKeyHandle, SigningSecret] = {}
        self._x25519: dict[X25519KeyHandle, bytes] = {}

    async def store_signing_secret(self, handle: SigningKeyHandle, secret: SigningSecret) -> None:
        """Store a signing secret."""
        self._signing[handle] = secret

    async def signing_secret(self, handle: SigningKeyHandle) -> SigningSecret | None:
        """Return a signing secret, None if there is none."""
        return self._signing.get(handle)

    async def signing_secret_handles(self) -> tuple[SigningKeyHandle, ...]:
        """Return the handles of all signing secrets."""
        return tuple(self._signing)

    async def delete_signing_secret(self, handle: SigningKeyHandle) -> bool:
        """Delete a signing secret; True if there was one."""
        return self._signing.pop(handle, None) is not None

    async def store_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        """Store a 32-byte X25519 secret."""
        self._x25519[handle] = secret

    async def add_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        """Store a 32-byte X25519 secret unless there is one of that handle."""
        self._x25519.setdefault(handle, secret)

    async def x25519_secret(self, handle: X25519KeyHandle) -> bytes | None:
        """Return an X25519 secret, None if there is none."""
        return self._x25519.get(handle)

    async def x25519_secret_handles(self) -> tuple[X25519KeyHandle, ...]:
        """Return the handles of all X25519 secrets."""
        return tuple(self._x25519)

    async def delete_x25519_secret(self, handle: X25519KeyHandle) -> bool:
        """Delete an X25519 secret; True if there was one."""
        return self._x25519.pop(handle, None) is not None

    async def delete_all(self) -> None:
        """Delete every secret."""
        self._signing.clear()
        self._x25519.clear()
