"""Persisted key-exchange-only channels in SQLite: table `secure_channel`, keys in `aead_secret`.

Source:
    reference ockam_identity/src/secure_channels/storage/secure_channel_repository_sql.rs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ockam.core.address import Address
from ockam.errors import OckamError
from ockam.identity.identifier import Identifier
from ockam.secure_channel.noise import Role
from ockam.secure_channel.repository import PersistedSecureChannel
from ockam.storage.errors import DatabaseDamaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.storage.sql import Connection, SqlDatabase

__all__ = ["SqliteSecureChannelRepository"]

_HANDLE_SIZE: Final = 8
_ROLES: Final = {Role.INITIATOR: "initiator", Role.RESPONDER: "responder"}
_COLUMNS: Final = (
    "SELECT role, my_identifier, their_identifier, decryptor_remote_address, decryptor_api_address, type, secret"
    " FROM secure_channel LEFT JOIN aead_secret ON handle = decryption_key_handle"
)


class SqliteSecureChannelRepository:
    """Channels by the address of their decryptor.

    Args:
        database: of the vault.
        random: makes the handles of keys.
    """

    def __init__(self, database: SqlDatabase, random: Callable[[int], bytes] = os.urandom) -> None:
        self._database = database
        self._random = random

    async def store_secure_channel(self, channel: PersistedSecureChannel) -> None:
        """Store a channel and its key, in one transaction."""
        handle = self._random(_HANDLE_SIZE)
        key = (handle, channel.key_type, channel.decryption_key)
        row = (
            _ROLES[channel.role],
            str(channel.my_identifier),
            str(channel.their_identifier),
            str(channel.decryptor_remote),
            str(channel.decryptor_api),
            handle,
        )

        def store(connection: Connection) -> None:
            _delete(connection, str(channel.decryptor_remote))
            connection.execute("INSERT INTO aead_secret VALUES (?, ?, ?)", key)
            connection.execute("INSERT INTO secure_channel VALUES (?, ?, ?, ?, ?, ?)", row)

        await self._database.run(store)

    async def secure_channel(self, decryptor_remote: Address) -> PersistedSecureChannel | None:
        """Return a channel, None if there is none.

        Raises:
            DatabaseDamaged: the row cannot be read, or its key is not there.
        """
        row = await self._database.read(
            lambda connection: connection.execute(
                f"{_COLUMNS} WHERE decryptor_remote_address = ?", (str(decryptor_remote),)
            ).fetchone()
        )
        return None if row is None else _channel(row)

    async def secure_channels(self) -> tuple[PersistedSecureChannel, ...]:
        """Return all channels.

        Raises:
            DatabaseDamaged: a row cannot be read, or its key is not there.
        """
        rows = await self._database.read(
            lambda connection: connection.execute(f"{_COLUMNS} ORDER BY decryptor_remote_address").fetchall()
        )
        return tuple(_channel(row) for row in rows)

    async def delete_secure_channel(self, decryptor_remote: Address) -> bool:
        """Delete a channel and its key; True if there was one."""
        return await self._database.run(lambda connection: _delete(connection, str(decryptor_remote)))


def _delete(connection: Connection, decryptor_remote: str) -> bool:
    connection.execute(
        "DELETE FROM aead_secret WHERE handle IN"
        " (SELECT decryption_key_handle FROM secure_channel WHERE decryptor_remote_address = ?)",
        (decryptor_remote,),
    )
    found = connection.execute("DELETE FROM secure_channel WHERE decryptor_remote_address = ?", (decryptor_remote,))
    return found.rowcount > 0


def _channel(row: tuple[Any, ...]) -> PersistedSecureChannel:
    role, mine, theirs, remote, api, key_type, key = row
    try:
        return PersistedSecureChannel(
            next(known for known, text in _ROLES.items() if text == role),
            Identifier.parse(mine),
            Identifier.parse(theirs),
            Address.parse(remote),
            Address.parse(api),
            str(key_type),
            bytes(key),
        )
    except (OckamError, StopIteration, TypeError) as error:
        raise DatabaseDamaged("a stored secure channel is damaged") from error
