"""Names of own identities in SQLite.

Source:
    reference ockam_api, table named_identity (ockam_node database migrations).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ockam.errors import AlreadyExists, NotFound
from ockam.identity.identifier import Identifier
from ockam.identity.repository import NamedIdentity
from ockam.storage.sql import ROW_TAKEN, take_turns

if TYPE_CHECKING:
    from ockam.storage.sql import Connection, SqlDatabase

__all__ = ["SqliteNamedIdentityRepository"]

_NAMED: Final = "SELECT name, identifier, vault_name, is_default FROM named_identity"


class SqliteNamedIdentityRepository:
    """Table named_identity: names of own identities."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def store_named_identity(self, named: NamedIdentity) -> None:
        """Store a name; a default one takes that mark from the others.

        Raises:
            AlreadyExists: the name or the identifier is taken.
        """
        await self._database.run(lambda connection: _store_named_identity(connection, named))

    async def named_identity(self, name: str) -> NamedIdentity | None:
        """Return the identity of that name, None if there is none."""
        return await self._one(f"{_NAMED} WHERE name = ?", name)

    async def name_of(self, identifier: Identifier) -> NamedIdentity | None:
        """Return the named identity with that identifier, None if there is none."""
        return await self._one(f"{_NAMED} WHERE identifier = ?", str(identifier))

    async def default_named_identity(self) -> NamedIdentity | None:
        """Return the default identity, None if there is none."""
        return await self._one(f"{_NAMED} WHERE is_default = 1")

    async def named_identities(self) -> tuple[NamedIdentity, ...]:
        """Return all named identities, by name."""
        rows = await self._database.read(lambda connection: connection.execute(f"{_NAMED} ORDER BY name").fetchall())
        return tuple(_named_identity(row) for row in rows)

    async def set_default_named_identity(self, name: str) -> None:
        """Make an identity the only default one.

        Raises:
            NotFound: no such name.
        """
        await self._database.run(lambda connection: _set_default(connection, name))

    async def delete_named_identity(self, name: str) -> bool:
        """Delete a name; True if there was one. The identity's history stays."""
        return await self._database.run(
            lambda connection: connection.execute("DELETE FROM named_identity WHERE name = ?", (name,)).rowcount > 0
        )

    async def _one(self, statement: str, *values: str) -> NamedIdentity | None:
        row = await self._database.read(lambda connection: connection.execute(statement, values).fetchone())
        return None if row is None else _named_identity(row)


def _named_identity(row: tuple[str, str, str | None, int]) -> NamedIdentity:
    return NamedIdentity(row[0], Identifier.parse(row[1]), row[2] or "default", bool(row[3]))


def _store_named_identity(connection: Connection, named: NamedIdentity) -> None:
    row = (str(named.identifier), named.name, named.vault_name)
    try:
        connection.execute(
            "INSERT INTO named_identity (identifier, name, vault_name, is_default) VALUES (?, ?, ?, 0)", row
        )
    except ROW_TAKEN:
        raise AlreadyExists(f"the name {named.name!r} or its identity is taken") from None
    if named.is_default:
        _set_default(connection, named.name)


def _set_default(connection: Connection, name: str) -> None:
    take_turns(connection, "default identity")
    if connection.execute("UPDATE named_identity SET is_default = 1 WHERE name = ?", (name,)).rowcount == 0:
        raise NotFound(f"no identity is named {name!r}")
    connection.execute("UPDATE named_identity SET is_default = 0 WHERE name <> ?", (name,))
