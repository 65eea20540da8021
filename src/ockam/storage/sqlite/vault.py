"""Secrets in SQLite, as they are given: in plain text as in the reference, where the file's mode (0600) protects them.

`SealedSecretsRepository` over this one gives sealed secrets; they go into the same columns.

Source:
    reference ockam_vault/src/storage/secrets_repository_sql.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ockam.errors import Kind, Origin
from ockam.storage.errors import DatabaseDamaged
from ockam.storage.sql import upsert
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType, SigningSecret, X25519KeyHandle
from ockam.vault.software.sealing import is_sealed

if TYPE_CHECKING:
    from ockam.storage.sql import Connection, SqlDatabase

__all__ = ["SqliteSecretsRepository"]

_SECRET_SIZE: Final = 32
_STORE_SIGNING_SECRET: Final = upsert("signing_secret", "handle", "handle", "secret_type", "secret")
_STORE_X25519_SECRET: Final = upsert("x25519_secret", "handle", "handle", "secret")
_ADD_X25519: Final = "INSERT INTO x25519_secret (handle, secret) VALUES (?, ?) ON CONFLICT DO NOTHING"


class SqliteSecretsRepository:
    """Secrets by handle. The vault keeps loaded keys, so nothing is kept here."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def store_signing_secret(self, handle: SigningKeyHandle, secret: SigningSecret) -> None:
        """Store a signing secret."""
        row = (handle.value, secret.key_type.value, secret.secret)
        await self._database.run(lambda connection: connection.execute(_STORE_SIGNING_SECRET, row))

    async def signing_secret(self, handle: SigningKeyHandle) -> SigningSecret | None:
        """Return a signing secret, None if there is none.

        Raises:
            DatabaseDamaged: the row holds no secret of a known type.
        """
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT secret_type, secret FROM signing_secret WHERE handle = ?", (handle.value,)
            ).fetchone()
        )
        if row is None:
            return None
        try:
            key_type = SigningKeyType(row[0])
        except ValueError:
            raise _damaged() from None
        return SigningSecret(key_type, _checked(row[1]))

    async def signing_secret_handles(self) -> tuple[SigningKeyHandle, ...]:
        """Return the handles of all signing secrets."""
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT handle FROM signing_secret").fetchall()
        )
        return tuple(SigningKeyHandle(row[0]) for row in rows)

    async def delete_signing_secret(self, handle: SigningKeyHandle) -> bool:
        """Delete a signing secret; True if there was one."""
        return await self._database.run(
            lambda connection: (
                connection.execute("DELETE FROM signing_secret WHERE handle = ?", (handle.value,)).rowcount > 0
            )
        )

    async def store_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        """Store a 32-byte X25519 secret."""
        row = (handle.value, secret)
        await self._database.run(lambda connection: connection.execute(_STORE_X25519_SECRET, row))

    async def add_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        """Store a 32-byte X25519 secret unless there is one of that handle; of several at once the first one stays."""
        row = (handle.value, secret)
        await self._database.run(lambda connection: connection.execute(_ADD_X25519, row))

    async def x25519_secret(self, handle: X25519KeyHandle) -> bytes | None:
        """Return an X25519 secret, None if there is none.

        Raises:
            DatabaseDamaged: the row holds no secret.
        """
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT secret FROM x25519_secret WHERE handle = ?", (handle.value,)
            ).fetchone()
        )
        return None if row is None else _checked(row[0])

    async def x25519_secret_handles(self) -> tuple[X25519KeyHandle, ...]:
        """Return the handles of all X25519 secrets."""
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT handle FROM x25519_secret").fetchall()
        )
        return tuple(X25519KeyHandle(row[0]) for row in rows)

    async def delete_x25519_secret(self, handle: X25519KeyHandle) -> bool:
        """Delete an X25519 secret; True if there was one."""
        return await self._database.run(
            lambda connection: (
                connection.execute("DELETE FROM x25519_secret WHERE handle = ?", (handle.value,)).rowcount > 0
            )
        )

    async def delete_all(self) -> None:
        """Delete every secret, in one transaction."""
        await self._database.run(_delete_all)


def _delete_all(connection: Connection) -> None:
    for table in ("signing_secret", "x25519_secret", "aead_secret"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant


def _checked(secret: object) -> bytes:
    if not isinstance(secret, bytes) or not (len(secret) == _SECRET_SIZE or is_sealed(secret)):
        raise _damaged()
    return secret


def _damaged() -> DatabaseDamaged:
    return DatabaseDamaged("a stored secret is damaged", origin=Origin.API, kind=Kind.SERIALIZATION)
