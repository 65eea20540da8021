"""Secrets of an enrollment that are no identity's keys: 32 bytes each, by name, in the node's vault.

They are kept beside the X25519 secrets, so whatever protects those at rest protects these.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ockam.vault.interfaces import X25519KeyHandle

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.vault.interfaces import SecretsRepository

__all__ = ["EnrollmentSecrets"]

SECRET_SIZE: Final = 32


class EnrollmentSecrets:
    """Makes a secret when it is first asked for.

    Args:
        repository: of the vault.
        random: the system's random source.
    """

    def __init__(self, repository: SecretsRepository, random: Callable[[int], bytes]) -> None:
        self._repository = repository
        self._random = random

    async def secret(self, name: bytes) -> bytes:
        """Return the 32 bytes of that name; the same ones from now on, for every process that shares the vault."""
        found = await self.stored(name)
        if found is None:
            await self._repository.add_x25519_secret(_handle(name), self._random(SECRET_SIZE))
            found = await self.stored(name)
            assert found is not None  # added above, if not by somebody else before
        return found

    async def stored(self, name: bytes) -> bytes | None:
        """Return the 32 bytes of that name if there are any; makes none."""
        return await self._repository.x25519_secret(_handle(name))


def _handle(name: bytes) -> X25519KeyHandle:
    return X25519KeyHandle(sha256(b"ockam enrollment secret " + name).digest())
