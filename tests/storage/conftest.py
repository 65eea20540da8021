"""The PostgreSQL server of the tests marked `services`, started when the first of them asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.storage.databases import Databases, PostgresDatabases, SqliteDatabases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ockam.storage.sql import SqlDatabase
    from tests.storage.postgres.cluster import Cluster

SQLITE = "sqlite"
POSTGRES = pytest.param("postgres", marks=pytest.mark.services)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("psycopg", reason="ockam[postgres] is not installed")
    from tests.storage.postgres.cluster import Cluster, binaries

    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    running = Cluster(found)
    try:
        yield running
    finally:
        running.remove()


def _databases(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Databases:
    return SqliteDatabases(tmp_path) if kind == SQLITE else PostgresDatabases(request.getfixturevalue("cluster"))


@pytest.fixture(params=[SQLITE, POSTGRES])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Databases of one kind, by name: the same name is the same database."""
    made = _databases(request.param, request, tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def database(databases: Databases) -> SqlDatabase:
    """A database of each kind."""
    return databases.open()


@pytest.fixture(params=["memory", SQLITE, POSTGRES])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlDatabase | None]:
    """A database of each kind, and None for what is kept in memory."""
    if request.param == "memory":
        yield None
        return
    made = _databases(request.param, request, tmp_path)
    try:
        yield made.open()
    finally:
        made.close()
