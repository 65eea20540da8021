"""Columns that hold secrets: AES-256-GCM under a key of the vault, bound to their place.

sealed = nonce 12, random || AES-256-GCM(key, nonce, AAD = place, secret)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ockam.errors import Misuse
from ockam.storage.errors import DatabaseDamaged

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12


class SealedColumn:
    """Seals and opens values of one column.

    Args:
        key: 32 secret bytes, kept in the vault and not in this database's tables beside the values.
        random: the system's random source.
    """

    def __init__(self, key: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        if len(key) != KEY_SIZE:
            raise Misuse("a storage key has 32 bytes")
        self._aead = AESGCM(key)
        self._random = random

    def seal(self, place: bytes, secret: bytes) -> bytes:
        """Return `secret` sealed for the row and column that `place` names."""
        nonce = self._random(_NONCE_SIZE)
        return nonce + self._aead.encrypt(nonce, secret, place)

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """Return the secret.

        Raises:
            DatabaseDamaged: altered, from another place, or sealed with another key.
        """
        try:
            return self._aead.decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], place)
        except (InvalidTag, ValueError):
            raise DatabaseDamaged("a stored secret does not open with the vault's key") from None
