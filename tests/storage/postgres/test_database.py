"""PostgreSQL alone: migrations, connections that are lost, locks, and what its errors say."""

from __future__ import annotations

import asyncio
import itertools
import logging
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ockam.enrollment.pending import EventKind
from ockam.errors import NotFound
from ockam.identity.attributes import AttributesEntry
from ockam.identity.identifier import Identifier
from ockam.storage import (
    CannotOpenDatabase,
    DatabaseClosed,
    DatabaseLocked,
    DatabaseReadOnly,
    SchemaTooNew,
    StorageError,
)
from ockam.storage.errors import DatabaseUnreachable, OutcomeUnknown
from ockam.storage.migrations import MIGRATIONS
from ockam.storage.migrations.migration import Migration
from ockam.storage.sql import RowTaken, take_turns
from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository
from ockam.storage.sqlite.enrollment_events import add_event
from ockam.storage.sqlite.identity import create_sqlite_repositories
from ockam.vault.software import SoftwareVerifyingVault
from tests.asynchronous import asynchronous

psycopg = pytest.importorskip("psycopg", reason="ockam[postgres] is not installed")

from ockam.storage.postgres import connection as postgres_connection  # noqa: E402 - not without psycopg
from ockam.storage.postgres.database import POOL_SIZE, PostgresDatabase  # noqa: E402
from ockam.storage.postgres.url import PostgresUrl  # noqa: E402
from tests.storage.postgres.cluster import PASSWORD  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ockam.storage.sql import Connection
    from tests.storage.postgres.cluster import Cluster

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[3]
TABLE = (Migration(1, "numbers", ("CREATE TABLE number (value INTEGER PRIMARY KEY, filler BLOB)",)),)
SECOND = Migration(2, "more", ("CREATE TABLE more (value INTEGER)", "INSERT INTO more VALUES (1)"))
ALICE, BOB = Identifier(b"\1" * 32), Identifier(b"\2" * 32)


@pytest.fixture
def empty(cluster: Cluster) -> PostgresUrl:
    return cluster.new_database("template0")


@pytest.fixture
def numbers(empty: PostgresUrl) -> Iterator[PostgresDatabase]:
    with PostgresDatabase(empty, migrations=TABLE) as database:
        yield database


def insert(value: int, filler: bytes = b"") -> Callable[[Connection], int]:
    return lambda connection: connection.execute("INSERT INTO number VALUES (?, ?)", (value, filler)).rowcount


def values(connection: Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT value FROM number ORDER BY value")]


def rows(database: PostgresDatabase, statement: str) -> list[Any]:
    return database.read_blocking(lambda connection: connection.execute(statement).fetchall())


# ---- the schema ------------------------------------------------------------------------------------------------------

OPEN = "import sys; from ockam.storage import open_database; open_database(sys.argv[1]).close()"


def python(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, env={"PYTHONPATH": f"{ROOT / 'src'}"}
    )


def test_processes_that_start_together_migrate_once(empty: PostgresUrl) -> None:
    processes = [python(OPEN, empty.with_password) for _ in range(4)]
    assert [process.wait(30) for process in processes] == [0] * 4
    with PostgresDatabase(empty) as database:
        assert rows(database, "SELECT version, name FROM _migrations ORDER BY version") == [
            (migration.version, migration.name) for migration in MIGRATIONS
        ]


def test_the_schema_grows_and_a_newer_one_is_refused(empty: PostgresUrl) -> None:
    PostgresDatabase(empty, migrations=TABLE).close()
    with pytest.raises(StorageError, match="older schema"):
        PostgresDatabase(empty, migrations=(*TABLE, SECOND), read_only=True)
    for _ in range(2):
        with PostgresDatabase(empty, migrations=(*TABLE, SECOND)) as database:
            assert rows(database, "SELECT * FROM _migrations ORDER BY version") == [(1, "numbers"), (2, "more")]
            assert [row[0] for row in rows(database, "SELECT * FROM more")] == [1]
    for read_only in (False, True):
        with pytest.raises(SchemaTooNew, match="schema version 2, this program knows 1"):
            PostgresDatabase(empty, migrations=TABLE, read_only=read_only)


def test_a_migration_that_fails_leaves_the_version_before(empty: PostgresUrl) -> None:
    PostgresDatabase(empty, migrations=TABLE).close()
    with pytest.raises(StorageError, match="syntax error"):
        PostgresDatabase(empty, migrations=(*TABLE, Migration(2, "bad", ("CREATE TABLE half (x TEXT)", "NONSENSE"))))
    with PostgresDatabase(empty, migrations=(*TABLE, SECOND)) as database, pytest.raises(StorageError, match="half"):
        rows(database, "SELECT * FROM half")


KILLED = """
import sys
from ockam.storage.migrations.migration import Migration
from ockam.storage.postgres.database import PostgresDatabase
PostgresDatabase(sys.argv[1], migrations=[Migration(1, "half", ("CREATE TABLE half (x TEXT)", "SELECT pg_sleep(600)"))])
"""


def test_a_process_killed_in_the_middle_of_a_migration_leaves_nothing(cluster: Cluster, empty: PostgresUrl) -> None:
    child = python(KILLED, empty.with_password)
    active = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'"
    while not cluster.execute(active):
        assert child.poll() is None
    child.kill()
    child.wait()
    # It waits until the server has seen that its client is gone.
    with PostgresDatabase(empty, migrations=TABLE) as database:
        assert rows(database, "SELECT to_regclass('half')") == [(None,)]
        assert database.run_blocking(insert(1)) == 1


def test_reading_only(empty: PostgresUrl) -> None:
    with pytest.raises(StorageError, match="older schema"):
        PostgresDatabase(empty, migrations=TABLE, read_only=True)
    with PostgresDatabase(empty, migrations=TABLE) as writer:
        writer.run_blocking(insert(1))
        with PostgresDatabase(empty, migrations=TABLE, read_only=True) as reader:
            assert reader.read_blocking(values) == [1]
            for write in (reader.run_blocking, reader.read_blocking):
                with pytest.raises(DatabaseReadOnly):
                    write(insert(2))


def test_times_beyond_2038(cluster: Cluster) -> None:
    with PostgresDatabase(cluster.new_database()) as database:
        assert not rows(
            database,
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type IN ('integer', 'smallint')",
        )


def test_commits_wait_for_the_disk_whatever_the_servers_default_is(cluster: Cluster, empty: PostgresUrl) -> None:
    cluster.execute(f"ALTER DATABASE {empty.database} SET synchronous_commit = off")
    with PostgresDatabase(empty, migrations=TABLE) as database:
        assert rows(database, "SHOW synchronous_commit") == [("on",)]
        assert rows(database, "SHOW transaction_isolation") == [("read committed",)]


# ---- writes ----------------------------------------------------------------------------------------------------------


def test_a_write_that_fails_is_rolled_back_alone(numbers: PostgresDatabase) -> None:
    def fails(connection: Connection) -> None:
        insert(50)(connection)
        raise NotFound("for a reason of its own")

    def swallows(connection: Connection) -> None:
        insert(60)(connection)
        with pytest.raises(RowTaken):
            insert(1)(connection)

    numbers.run_blocking(insert(1, b"\0\xff"))
    with pytest.raises(NotFound):
        numbers.run_blocking(fails)
    with pytest.raises(StorageError, match="rolled back"):
        numbers.run_blocking(swallows)
    with pytest.raises(StorageError, match="taken"):
        numbers.run_blocking(insert(1))
    assert rows(numbers, "SELECT * FROM number") == [(1, b"\0\xff")]
    assert numbers.read_blocking(lambda connection: connection.execute("SELECT '5%', 7 % 4").fetchone()) == ("5%", 3)


@asynchronous
async def test_the_pool_is_bounded(empty: PostgresUrl) -> None:
    database = PostgresDatabase(empty, migrations=TABLE, pool_size=3)
    gate = threading.Event()
    inside = threading.Semaphore(0)

    def waits(connection: Connection) -> int:
        inside.release()
        gate.wait(10)
        return int(connection.execute("SELECT pg_backend_pid()").fetchone()[0])

    waiting = [asyncio.ensure_future(database.run(waits)) for _ in range(20)]
    for _ in range(3):
        await asyncio.to_thread(inside.acquire)
    assert database.statistics()["connections"] == 3
    waiting.pop().cancel()
    gate.set()
    assert len(set(await asyncio.gather(*waiting))) <= 3
    database.close()
    database.close()
    with pytest.raises(DatabaseClosed):
        await database.run(waits)


@asynchronous
async def test_writes_that_lock_each_other_out_are_run_again(numbers: PostgresDatabase) -> None:
    for value in (1, 2):
        await numbers.run(insert(value))
    both = threading.Barrier(2, timeout=10)
    runs: list[int] = []

    def update(first: int, second: int) -> Callable[[Connection], None]:
        def change(connection: Connection) -> None:
            runs.append(first)
            connection.execute("UPDATE number SET filler = ? WHERE value = ?", (b"x", first))
            if runs.count(first) == 1:
                both.wait()
            connection.execute("UPDATE number SET filler = ? WHERE value = ?", (b"x", second))

        return change

    await asyncio.gather(numbers.run(update(1, 2)), numbers.run(update(2, 1)))
    assert len(runs) > 2


@asynchronous
async def test_a_lock_that_is_held_too_long_is_said(empty: PostgresUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "LOCK_TIMEOUT_MILLISECONDS", 20)
    gate, inside = threading.Event(), threading.Event()
    with PostgresDatabase(empty, migrations=TABLE) as database:

        def holds(connection: Connection) -> None:
            take_turns(connection, "something")
            inside.set()
            gate.wait(10)

        holding = asyncio.ensure_future(database.run(holds))
        await asyncio.to_thread(inside.wait)
        with pytest.raises(DatabaseLocked):
            await database.run(lambda connection: take_turns(connection, "something"))
        gate.set()
        await holding


@asynchronous
async def test_a_reader_of_events_passes_none_that_is_still_to_come(cluster: Cluster) -> None:
    with PostgresDatabase(cluster.new_database()) as database:
        repository = SqliteEnrollmentRepository(database, bytes(32))
        gate, inside = threading.Event(), threading.Event()

        def add(connection: Connection) -> None:
            add_event(connection, 1, EventKind.APPROVED, None, None, bytes(32))

        def add_slowly(connection: Connection) -> None:
            add(connection)
            inside.set()
            gate.wait(10)

        slow = asyncio.ensure_future(database.run(add_slowly))
        await asyncio.to_thread(inside.wait)
        await database.run(add)
        reading = asyncio.ensure_future(repository.events(0, 10))
        waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not await asyncio.to_thread(cluster.execute, waits):
            assert not reading.done()
        gate.set()
        assert [event.number for event in await reading] == [1, 2]
        await slow


@asynchronous
async def test_nodes_on_one_database_have_their_own_rows(cluster: Cluster) -> None:
    with PostgresDatabase(cluster.new_database()) as database:
        one, two = (create_sqlite_repositories(database, SoftwareVerifyingVault(), name) for name in ("one", "two"))
        entries = [AttributesEntry({b"k": value}, 1, 2**40, BOB) for value in (b"1", b"2")]
        for repositories, entry in zip((one, two), entries, strict=True):
            await repositories.attributes.put_attributes(ALICE, entry)
        again = create_sqlite_repositories(database, SoftwareVerifyingVault(), "one")
        assert await again.attributes.attributes(ALICE, BOB) == entries[0]
        assert await two.attributes.attributes(ALICE, BOB) == entries[1]
        assert rows(database, "SELECT expires FROM identity_attributes") == [(2**40,)] * 2


# ---- the server goes away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_restarts_under_load(cluster: Cluster, empty: PostgresUrl, mode: str) -> None:
    async def scenario() -> None:
        stored: set[int] = set()
        unknown: set[int] = set()
        failed: list[StorageError] = []
        numbers = itertools.count()
        enough, gone, back, enough_again = (asyncio.Event() for _ in range(4))

        async def write(database: PostgresDatabase) -> None:
            while not enough_again.is_set():
                number = next(numbers)
                try:
                    await database.run(insert(number))
                    stored.add(number)
                    if number > 50:
                        enough.set()
                    if back.is_set() and number > last + 50:
                        enough_again.set()
                except StorageError as error:
                    if isinstance(error, OutcomeUnknown):
                        unknown.add(number)
                    else:
                        failed.append(error)
                    gone.set()
                    await back.wait()

        with PostgresDatabase(empty, migrations=TABLE) as database:
            writers = [asyncio.ensure_future(write(database)) for _ in range(20)]
            await enough.wait()
            await asyncio.to_thread(cluster.stop, mode)
            await gone.wait()
            with pytest.raises(DatabaseUnreachable, match=r"cannot be reached|ended the connection"):
                await database.read(values)
            await asyncio.to_thread(cluster.start)
            last = next(numbers)
            back.set()
            await asyncio.gather(*writers)
            found = set(await database.read(values))
            assert database.statistics()["connections"] <= POOL_SIZE
        assert stored <= found <= stored | unknown
        assert {type(error) for error in failed} <= {DatabaseUnreachable}
        assert not any(PASSWORD in str(error) for error in failed)

    asyncio.run(asyncio.wait_for(scenario(), 120))


def test_a_connection_that_died_while_idle_is_replaced(cluster: Cluster, numbers: PostgresDatabase) -> None:
    numbers.run_blocking(insert(1))
    pid = numbers.read_blocking(lambda connection: connection.execute("SELECT pg_backend_pid()").fetchone()[0])
    cluster.execute(f"SELECT pg_terminate_backend({pid})")
    assert numbers.run_blocking(insert(2)) == 1
    assert numbers.read_blocking(values) == [1, 2]
    assert numbers.statistics()["lost_connections"] == 1


def test_a_connection_lost_in_the_commit_leaves_it_open_whether_it_was_stored(
    cluster: Cluster, numbers: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = psycopg.Connection.execute

    def dies(self: Any, query: Any, *arguments: Any, **settings: Any) -> Any:
        if query == b"COMMIT":
            cluster.execute(f"SELECT pg_terminate_backend({self.info.backend_pid})")
        return execute(self, query, *arguments, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", dies)
        with pytest.raises(OutcomeUnknown, match="may have been stored"):
            numbers.run_blocking(insert(1))
    assert numbers.run_blocking(insert(2)) == 1


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_errors_say_what_is_wrong_and_never_the_password(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "another p@ssword"
    cases = (
        (cluster.url(password=wrong), CannotOpenDatabase, "password authentication failed"),
        (cluster.url("nowhere"), CannotOpenDatabase, "does not exist"),
        (PostgresUrl("127.0.0.1", 1, "db", "user", wrong), DatabaseUnreachable, "cannot be reached"),
        (PostgresUrl("nowhere.invalid", 1, "db", "user", wrong), DatabaseUnreachable, "cannot be reached"),
    )
    for url, kind, text in cases:
        with pytest.raises(kind, match=text) as caught:
            PostgresDatabase(url)
        said = f"{caught.value!r} {caught.value} {caught.value.__cause__}"
        assert wrong not in said
        assert PASSWORD not in said
    assert wrong not in caplog.text
    assert wrong not in cluster.log()
    assert PASSWORD not in cluster.log()
    cluster.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(CannotOpenDatabase, match="create it with UTF8"):
        PostgresDatabase(cluster.url("latin"))


def test_a_text_with_nul_is_refused(numbers: PostgresDatabase) -> None:
    with pytest.raises(StorageError, match="NUL"):
        numbers.read_blocking(lambda connection: connection.execute("SELECT ?::text", ("a\0b",)))


def test_over_a_unix_socket(cluster: Cluster) -> None:
    url = cluster.new_database()
    over_socket = PostgresUrl(str(cluster.folder), url.port, url.database, url.user, url.password)
    with PostgresDatabase(over_socket.with_password, read_only=True) as database:
        assert rows(database, "SELECT inet_client_addr()") == [(None,)]


# ---- backup ----------------------------------------------------------------------------------------------------------


def test_backup_and_restore_as_documented(cluster: Cluster, empty: PostgresUrl) -> None:
    (line,) = (
        line for line in (ROOT / "docs/storage.md").read_text().splitlines() if "pg_dump" in line and "|" in line
    )
    source = cluster.new_database()
    with PostgresDatabase(source) as database:
        repository = SqliteEnrollmentRepository(database, bytes(32))
        asyncio.run(repository.add_enroller(ALICE, 1))
        database.run_blocking(lambda connection: add_event(connection, 1, EventKind.APPROVED, None, None, bytes(32)))
    command = (
        line.strip()
        .replace('"$DATABASE"', f"'{source.with_password}'")
        .replace('"$RESTORED"', f"'{empty.with_password}'")
    )
    cluster.tool("sh", "-c", command)
    with closing(PostgresDatabase(empty)) as database:
        repository = SqliteEnrollmentRepository(database, bytes(32))

        async def look() -> None:
            assert await repository.enrollers() == (ALICE,)
            await repository.void_unused_bundles(1)
            await database.run(lambda connection: add_event(connection, 1, EventKind.APPROVED, None, None, bytes(32)))
            assert [event.number for event in await repository.events(0, 10)] == [1, 2]

        asyncio.run(look())
