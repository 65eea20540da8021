"""The same behaviour in memory and in both databases, and what only these have."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ockam.policy import (
    HAS_CREDENTIAL,
    Action,
    Bool,
    Expression,
    Ident,
    PolicyRepositories,
    Resource,
    ResourcePolicy,
    ResourceType,
    ResourceTypePolicy,
    Str,
    UnstorablePolicy,
    call,
    parse_expression,
)
from ockam.storage import Database, DatabaseDamaged
from ockam.storage.memory_policy import create_memory_policy_repositories
from ockam.storage.migrations import MIGRATIONS
from ockam.storage.sqlite.policy import create_sqlite_policy_repositories
from tests.identity.world import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ockam.storage.sql import SqlDatabase
    from tests.storage.databases import Databases

HANDLE = Action.HANDLE_MESSAGE
ADMINS = parse_expression('(= subject.role "admin")')


@pytest.fixture
def repositories(storage: SqlDatabase | None) -> PolicyRepositories:
    return create_memory_policy_repositories() if storage is None else create_sqlite_policy_repositories(storage)


def test_policies_of_resources(repositories: PolicyRepositories) -> None:
    async def main() -> None:
        policies = repositories.resource_policies
        assert await policies.policy("outlet", HANDLE) is None
        assert await policies.policies() == ()
        one, two = ResourcePolicy("outlet", HANDLE, ADMINS), ResourcePolicy("inlet", HANDLE, HAS_CREDENTIAL)
        await policies.store_policy(one)
        await policies.store_policy(two)
        assert await policies.policy("outlet", HANDLE) == one
        assert await policies.policies() == (two, one)
        assert await policies.policies("outlet") == (one,)
        assert await policies.policies("else") == ()
        replaced = ResourcePolicy("outlet", HANDLE, HAS_CREDENTIAL)
        await policies.store_policy(replaced)
        assert await policies.policies("outlet") == (replaced,)
        await policies.delete_policy("outlet", HANDLE)
        await policies.delete_policy("outlet", HANDLE)
        assert await policies.policies() == (two,)

    run(main())


def test_policies_of_types(repositories: PolicyRepositories) -> None:
    async def main() -> None:
        policies = repositories.resource_type_policies
        assert await policies.policy(ResourceType.RELAY, HANDLE) is None
        one = ResourceTypePolicy(ResourceType.TCP_INLET, HANDLE, ADMINS)
        two = ResourceTypePolicy(ResourceType.RELAY, HANDLE, HAS_CREDENTIAL)
        await policies.store_policy(one)
        await policies.store_policy(two)
        assert await policies.policy(ResourceType.TCP_INLET, HANDLE) == one
        assert await policies.policies() == (two, one)
        assert await policies.policies(ResourceType.TCP_INLET) == (one,)
        replaced = ResourceTypePolicy(ResourceType.TCP_INLET, HANDLE, HAS_CREDENTIAL)
        await policies.store_policy(replaced)
        assert await policies.policy(ResourceType.TCP_INLET, HANDLE) == replaced
        await policies.delete_policy(ResourceType.TCP_INLET, HANDLE)
        await policies.delete_policy(ResourceType.TCP_INLET, HANDLE)
        assert await policies.policies() == (two,)

    run(main())


def test_resources(repositories: PolicyRepositories) -> None:
    async def main() -> None:
        resources, policies = repositories.resources, repositories.resource_policies
        assert await resources.resource("x") is None
        first, second = Resource("x", ResourceType.RELAY), Resource("x", ResourceType.ECHOER)
        for resource in (first, first, second, Resource("y", ResourceType.ECHOER)):
            await resources.store_resource(resource)
        assert await resources.resource("x") == first
        for name in ("x", "y"):
            await policies.store_policy(ResourcePolicy(name, HANDLE, ADMINS))
        await resources.delete_resource("x")
        assert await resources.resource("x") is None
        assert await resources.resource("y") is not None
        assert [policy.resource_name for policy in await policies.policies()] == ["y"]

    run(main())


@pytest.mark.parametrize(
    "expression",
    [
        Bool(True),
        Ident("subject.x"),
        call("=", Ident('a) (or "x"')),
        call("=", Ident("true"), Bool(True)),
        call("=", Ident("1"), Ident("")),
        call("=", Str("x" * 20_000)),
    ],
)
def test_what_would_read_as_something_else_is_not_stored(
    repositories: PolicyRepositories, expression: Expression
) -> None:
    async def main() -> None:
        with pytest.raises(UnstorablePolicy, match="cannot be stored"):
            await repositories.resource_policies.store_policy(ResourcePolicy("x", HANDLE, expression))
        with pytest.raises(UnstorablePolicy, match="cannot be stored"):
            await repositories.resource_type_policies.store_policy(
                ResourceTypePolicy(ResourceType.RELAY, HANDLE, expression)
            )
        assert await repositories.resource_policies.policies() == ()

    run(main())


async def rows(database: SqlDatabase, table: str) -> list[tuple[str, ...]]:
    query = f"SELECT * FROM {table}"  # noqa: S608 - the names below
    return await database.read(lambda connection: connection.execute(query).fetchall())


def test_rows_are_those_of_the_reference(database: SqlDatabase) -> None:
    async def main() -> None:
        repositories = create_sqlite_policy_repositories(database, "node1")
        await repositories.resource_policies.store_policy(ResourcePolicy("o", HANDLE, ADMINS))
        relay = ResourceTypePolicy(ResourceType.RELAY, HANDLE, HAS_CREDENTIAL)
        await repositories.resource_type_policies.store_policy(relay)
        await repositories.resources.store_resource(Resource("o", ResourceType.TCP_OUTLET))
        tables = {
            "resource_policy": ("o", "handle_message", '(= subject.role "admin")', "node1"),
            "resource_type_policy": ("relay", "handle_message", "(= subject.has_credential true)", "node1"),
            "resource": ("o", "tcp-outlet", "node1"),
        }
        for table, row in tables.items():
            assert [found[: len(row)] for found in await rows(database, table)] == [row]
        other = create_sqlite_policy_repositories(database, "node2")
        assert await other.resource_policies.policies() == ()
        assert await other.resource_type_policies.policy(ResourceType.RELAY, HANDLE) is None
        assert await other.resources.resource("o") is None
        await other.resources.delete_resource("o")
        await other.resource_policies.delete_policy("o", HANDLE)
        assert await repositories.resource_policies.policy("o", HANDLE) is not None

    run(main())


def test_policies_are_there_after_a_restart(databases: Databases) -> None:
    async def main() -> None:
        policy = ResourcePolicy("outlet", HANDLE, ADMINS)
        with closing(databases.open()) as database:
            await create_sqlite_policy_repositories(database).resource_policies.store_policy(policy)
        with closing(databases.open()) as database:
            assert await create_sqlite_policy_repositories(database).resource_policies.policies() == (policy,)

    run(main())


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("resource_policy", ("x", "handle_message", "true", "default")),
        ("resource_policy", ("x", "handle_message", "(" * 10_000, "default")),
        ("resource_policy", ("x", "handle", "(and)", "default")),
        ("resource_type_policy", ("relay", "handle_message", "subject.x", "default")),
        ("resource_type_policy", ("relai", "handle_message", "(and)", "default")),
        ("resource", ("x", "relai", "default")),
    ],
)
def test_damaged_rows_are_told(database: SqlDatabase, table: str, row: tuple[str, ...]) -> None:
    async def main() -> None:
        places = ", ".join("?" * len(row))
        await database.run(
            lambda connection: connection.execute(f"INSERT INTO {table} VALUES ({places})", row)  # noqa: S608
        )
        repositories = create_sqlite_policy_repositories(database)
        reads: dict[str, Callable[[], Awaitable[object]]] = {
            "resource_policy": repositories.resource_policies.policies,
            "resource_type_policy": repositories.resource_type_policies.policies,
            "resource": lambda: repositories.resources.resource("x"),
        }
        with pytest.raises(DatabaseDamaged):
            await reads[table]()

    run(main())


def test_a_database_without_policies_gets_the_tables(tmp_path: Path) -> None:
    with Database(tmp_path / "database", migrations=MIGRATIONS[:2]):
        pass
    with Database(tmp_path / "database") as database:
        rows = database.read_blocking(
            lambda connection: connection.execute("SELECT name FROM _migrations WHERE version = 3").fetchall()
        )
    assert rows == [("policy",)]
