"""Secrets of an enrollment that are neither signing nor channel keys: 32 bytes each, by name, in the vault's table."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ockam.storage.errors import DatabaseDamaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.storage.sql import Connection, SqlDatabase

__all__ = ["SqliteEnrollmentSecrets"]

SECRET_SIZE: Final = 32
_TYPE: Final = "Enrollment"


class SqliteEnrollmentSecrets:
    """Makes a secret when it is first asked for.

    Args:
        database: of the vault.
        random: the system's random source.
    """

    def __init__(self, database: SqlDatabase, random: Callable[[int], bytes]) -> None:
        self._database = database
        self._random = random

    async def secret(self, name: bytes) -> bytes:
        """Return the 32 bytes of that name; the same ones from now on.

        Raises:
            DatabaseDamaged: the row holds something else.
        """
        handle = _handle(name)
        new = self._random(SECRET_SIZE)

        def find_or_make(connection: Connection) -> object:
            connection.execute("INSERT INTO aead_secret VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (handle, _TYPE, new))
            return connection.execute("SELECT secret FROM aead_secret WHERE handle = ?", (handle,)).fetchone()[0]

        return _checked(await self._database.run(find_or_make))

    async def stored(self, name: bytes) -> bytes | None:
        """Return the 32 bytes of that name if there are any; makes none.

        Raises:
            DatabaseDamaged: the row holds something else.
        """
        handle = _handle(name)
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT secret FROM aead_secret WHERE handle = ?", (handle,)
            ).fetchone()
        )
        return None if row is None else _checked(row[0])


def _handle(name: bytes) -> bytes:
    return sha256(b"ockam enrollment secret " + name).digest()


def _checked(secret: object) -> bytes:
    if not isinstance(secret, bytes) or len(secret) != SECRET_SIZE:
        raise DatabaseDamaged("a stored secret is damaged")
    return secret
