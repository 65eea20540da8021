"""Policies in SQLite, as text; read for every decision, so that a change by another process counts at once.

Source:
    reference ockam_abac/src/policy/storage/*_sql.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.policy.errors import PolicyParseError
from ockam.policy.parser import parse_expression
from ockam.policy.repository import PolicyRepositories, stored_text
from ockam.policy.resource import Action, Resource, ResourcePolicy, ResourceType, ResourceTypePolicy
from ockam.storage.errors import DatabaseDamaged
from ockam.storage.sqlite.identity import DEFAULT_NODE_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.storage.sql import Connection, SqlDatabase

__all__ = [
    "SqliteResourcePolicyRepository",
    "SqliteResourceRepository",
    "SqliteResourceTypePolicyRepository",
    "create_sqlite_policy_repositories",
]


def create_sqlite_policy_repositories(database: SqlDatabase, node_name: str = DEFAULT_NODE_NAME) -> PolicyRepositories:
    """Return repositories over an open database.

    Args:
        database: where rows are.
        node_name: whose policies these are.
    """
    return PolicyRepositories(
        SqliteResourcePolicyRepository(database, node_name),
        SqliteResourceTypePolicyRepository(database, node_name),
        SqliteResourceRepository(database, node_name),
    )


class _Table:
    """A table of policies: one per node, key and action. The names are from this module, never from outside."""

    def __init__(self, database: SqlDatabase, node_name: str, table: str, column: str) -> None:
        self._database = database
        self._node_name = node_name
        self._insert = (
            f"INSERT INTO {table} ({column}, action, expression, node_name) VALUES (?, ?, ?, ?)"  # noqa: S608
            f" ON CONFLICT (node_name, {column}, action) DO UPDATE SET expression = excluded.expression"
        )
        self._select = f"SELECT {column}, action, expression FROM {table} WHERE node_name = ?"  # noqa: S608
        self._of_key = f" AND {column} = ?"
        self._order = f" ORDER BY {column}, action"
        self._delete = f"DELETE FROM {table} WHERE node_name = ? AND {column} = ? AND action = ?"  # noqa: S608

    async def store(self, key: str, action: Action, text: str) -> None:
        row = (key, action.text, text, self._node_name)
        await self._database.run(lambda connection: connection.execute(self._insert, row))

    async def row(self, key: str, action: Action) -> Sequence[str] | None:
        def read(connection: Connection) -> Sequence[str] | None:
            statement = f"{self._select}{self._of_key} AND action = ?"
            found: Sequence[str] | None = connection.execute(statement, (self._node_name, key, action.text)).fetchone()
            return found

        return await self._database.read(read)

    async def rows(self, key: str | None) -> list[Sequence[str]]:
        def read(connection: Connection) -> list[Sequence[str]]:
            if key is None:
                return connection.execute(self._select + self._order, (self._node_name,)).fetchall()
            return connection.execute(self._select + self._of_key + self._order, (self._node_name, key)).fetchall()

        return await self._database.read(read)

    async def delete(self, key: str, action: Action) -> None:
        values = (self._node_name, key, action.text)
        await self._database.run(lambda connection: connection.execute(self._delete, values))


class SqliteResourcePolicyRepository:
    """Table resource_policy."""

    def __init__(self, database: SqlDatabase, node_name: str) -> None:
        self._table = _Table(database, node_name, "resource_policy", "resource_name")

    async def store_policy(self, policy: ResourcePolicy) -> None:
        """Store a policy in place of the one before.

        Raises:
            UnstorablePolicy: its text does not say the same.
        """
        await self._table.store(policy.resource_name, policy.action, stored_text(policy.expression))

    async def policy(self, resource_name: str, action: Action) -> ResourcePolicy | None:
        """Return the policy, None if there is none.

        Raises:
            DatabaseDamaged: the row cannot be read.
        """
        row = await self._table.row(resource_name, action)
        return None if row is None else _resource_policy(row)

    async def policies(self, resource_name: str | None = None) -> tuple[ResourcePolicy, ...]:
        """Return all policies, or all of one resource, by name.

        Raises:
            DatabaseDamaged: a row cannot be read.
        """
        return tuple(map(_resource_policy, await self._table.rows(resource_name)))

    async def delete_policy(self, resource_name: str, action: Action) -> None:
        """Delete a policy, if there is one."""
        await self._table.delete(resource_name, action)


class SqliteResourceTypePolicyRepository:
    """Table resource_type_policy."""

    def __init__(self, database: SqlDatabase, node_name: str) -> None:
        self._table = _Table(database, node_name, "resource_type_policy", "resource_type")

    async def store_policy(self, policy: ResourceTypePolicy) -> None:
        """Store a policy in place of the one before.

        Raises:
            UnstorablePolicy: its text does not say the same.
        """
        await self._table.store(policy.resource_type.text, policy.action, stored_text(policy.expression))

    async def policy(self, resource_type: ResourceType, action: Action) -> ResourceTypePolicy | None:
        """Return the policy, None if there is none.

        Raises:
            DatabaseDamaged: the row cannot be read.
        """
        row = await self._table.row(resource_type.text, action)
        return None if row is None else _resource_type_policy(row)

    async def policies(self, resource_type: ResourceType | None = None) -> tuple[ResourceTypePolicy, ...]:
        """Return all policies, or all of one type, by the name of the type.

        Raises:
            DatabaseDamaged: a row cannot be read.
        """
        rows = await self._table.rows(None if resource_type is None else resource_type.text)
        return tuple(map(_resource_type_policy, rows))

    async def delete_policy(self, resource_type: ResourceType, action: Action) -> None:
        """Delete a policy, if there is one."""
        await self._table.delete(resource_type.text, action)


class SqliteResourceRepository:
    """Table resource."""

    def __init__(self, database: SqlDatabase, node_name: str) -> None:
        self._database = database
        self._node_name = node_name

    async def store_resource(self, resource: Resource) -> None:
        """Store a resource; of one that is known, do nothing."""
        row = (resource.name, resource.type.text, self._node_name)
        await self._database.run(
            lambda connection: connection.execute(
                "INSERT INTO resource (resource_name, resource_type, node_name) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                row,
            )
        )

    async def resource(self, name: str) -> Resource | None:
        """Return the resource of that name, the one stored first; None if there is none.

        Raises:
            DatabaseDamaged: the row cannot be read.
        """
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT resource_type FROM resource WHERE node_name = ? AND resource_name = ? ORDER BY rowid",
                (self._node_name, name),
            ).fetchone()
        )
        if row is None:
            return None
        try:
            return Resource(name, ResourceType.parse(row[0]))
        except PolicyParseError as error:
            raise DatabaseDamaged(f"the stored resource {name} is damaged: {error}") from error

    async def delete_resource(self, name: str) -> None:
        """Delete the resources of that name, and their policies."""
        values = (self._node_name, name)

        def delete(connection: Connection) -> None:
            connection.execute("DELETE FROM resource WHERE node_name = ? AND resource_name = ?", values)
            connection.execute("DELETE FROM resource_policy WHERE node_name = ? AND resource_name = ?", values)

        await self._database.run(delete)


def _resource_policy(row: Sequence[str]) -> ResourcePolicy:
    name, action, expression = row
    try:
        return ResourcePolicy(name, Action.parse(action), parse_expression(expression))
    except PolicyParseError as error:
        raise DatabaseDamaged(f"the stored policy of {name} cannot be read: {error}") from error


def _resource_type_policy(row: Sequence[str]) -> ResourceTypePolicy:
    name, action, expression = row
    try:
        return ResourceTypePolicy(ResourceType.parse(name), Action.parse(action), parse_expression(expression))
    except PolicyParseError as error:
        raise DatabaseDamaged(f"the stored policy of {name} cannot be read: {error}") from error
