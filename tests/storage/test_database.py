from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ockam.errors import EnvironmentFault, NotFound
from ockam.storage import (
    CannotOpenDatabase,
    Database,
    DatabaseClosed,
    DatabaseDamaged,
    DatabaseLocked,
    DatabaseReadOnly,
    DiskFull,
    SchemaTooNew,
    StorageError,
)
from ockam.storage.errors import storage_error
from ockam.storage.migrations import MIGRATIONS
from ockam.storage.migrations.migration import Migration

if TYPE_CHECKING:
    from pathlib import Path

TABLE = (Migration(1, "numbers", ("CREATE TABLE number (value INTEGER PRIMARY KEY, filler BLOB)",)),)
SECOND = Migration(2, "more", ("CREATE TABLE more (value INTEGER)", "INSERT INTO more VALUES (1)"))

Job = Callable[[sqlite3.Connection], object]


def insert(value: int, filler: bytes = b"") -> Job:
    return lambda connection: connection.execute("INSERT INTO number VALUES (?, ?)", (value, filler)).rowcount


def values(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT value FROM number ORDER BY value")]


def held(database: Database, *jobs: Job) -> list[object]:
    """Run jobs in one batch: the thread is held back until all of them are in the queue."""

    async def main() -> list[object]:
        gate = threading.Event()
        first = asyncio.ensure_future(database.read(lambda _: gate.wait(10)))
        waiting = [asyncio.ensure_future(database.run(job)) for job in jobs]
        await asyncio.sleep(0)  # one turn of the loop: every task has asked
        gate.set()
        await first
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    return asyncio.run(main())


def test_writes_that_wait_together_share_one_commit(tmp_path: Path) -> None:
    with Database(tmp_path / "database", migrations=TABLE) as database:
        assert held(database, *(insert(value) for value in range(100))) == [1] * 100
        assert database.statistics() == {"commits": 1, "writes": 100}
        assert database.read_blocking(values) == list(range(100))


def test_a_write_that_fails_is_rolled_back_alone(tmp_path: Path) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        insert(50)(connection)
        raise NotFound("for a reason of its own")

    with Database(tmp_path / "database", migrations=TABLE) as database:
        first, own, constraint, last = held(database, insert(1), fails, insert(1), insert(2))
        assert (first, last) == (1, 1)
        assert isinstance(own, NotFound)
        assert isinstance(constraint, StorageError)
        assert isinstance(constraint.__cause__, sqlite3.IntegrityError)
        assert database.read_blocking(values) == [1, 2]
        assert database.statistics()["commits"] == 1


def test_when_the_whole_transaction_is_lost_every_write_gets_its_own(tmp_path: Path) -> None:
    def gives_up(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")  # what SQLite itself may do on a full disk
        raise sqlite3.OperationalError("lost")

    with Database(tmp_path / "database", migrations=TABLE) as database:
        first, lost, last = held(database, insert(1), gives_up, insert(2))
        assert (first, last) == (1, 1)
        assert isinstance(lost, StorageError)
        assert database.read_blocking(values) == [1, 2]


def test_when_the_commit_fails_every_write_is_tried_alone(tmp_path: Path) -> None:
    migrations = (
        Migration(
            1,
            "numbers",
            (
                "CREATE TABLE number (value INTEGER PRIMARY KEY, filler BLOB)",
                "CREATE TABLE child (parent INTEGER REFERENCES number (value) DEFERRABLE INITIALLY DEFERRED)",
            ),
        ),
    )
    with Database(tmp_path / "database", migrations=migrations) as database:
        orphan: Job = lambda connection: connection.execute("INSERT INTO child VALUES (7)")  # noqa: E731
        first, failed, last = held(database, insert(1), orphan, insert(2))
        assert (first, last) == (1, 1)
        assert isinstance(failed, StorageError)
        assert database.read_blocking(values) == [1, 2]


def test_a_full_disk_is_said_and_nothing_is_half_stored(tmp_path: Path) -> None:
    with Database(tmp_path / "database", migrations=TABLE) as database:
        database.read_blocking(lambda connection: connection.execute("PRAGMA max_page_count = 12").fetchone())
        small, big, after = held(database, insert(1), insert(2, bytes(100_000)), insert(3))
        assert (small, after) == (1, 1)
        assert isinstance(big, DiskFull)
        assert isinstance(big, EnvironmentFault)
        assert "disk is full" in str(big)
        assert database.read_blocking(values) == [1, 3]
        database.read_blocking(lambda connection: connection.execute("PRAGMA max_page_count = 1000").fetchone())
        assert database.run_blocking(insert(2, bytes(100_000))) == 1
    with Database(tmp_path / "database", migrations=TABLE) as database:
        assert database.read_blocking(values) == [1, 2, 3]


def test_a_disk_too_full_to_open(tmp_path: Path) -> None:
    path = tmp_path / "database"
    Database(path, migrations=TABLE).close()
    filler = Migration(2, "big", ("PRAGMA max_page_count = 1", "CREATE TABLE big (value)"))
    with pytest.raises(DiskFull):
        Database(path, migrations=(*TABLE, filler))
    with Database(path, migrations=TABLE) as database:
        assert database.run_blocking(insert(1)) == 1


def test_a_database_locked_by_another_connection_is_said(tmp_path: Path) -> None:
    path = tmp_path / "database"
    with Database(path, migrations=TABLE, busy_timeout_milliseconds=1) as database:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseLocked, match="locked by another process"):
            database.run_blocking(insert(1))
        assert database.read_blocking(values) == []
        with pytest.raises(DatabaseLocked):
            Database(path, migrations=(*TABLE, SECOND), busy_timeout_milliseconds=1)
        other.execute("ROLLBACK")
        other.close()
        assert database.run_blocking(insert(1)) == 1


def test_a_write_alone_meets_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "database"
    with Database(path, migrations=TABLE, busy_timeout_milliseconds=1) as database:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

        def gives_up(connection: sqlite3.Connection) -> None:
            connection.execute("ROLLBACK")
            other.execute("BEGIN IMMEDIATE")
            raise sqlite3.OperationalError("lost")

        first, second = held(database, insert(1), gives_up)
        assert isinstance(first, DatabaseLocked)
        assert isinstance(second, DatabaseLocked)
        other.close()
        assert database.run_blocking(insert(1)) == 1


def test_reading_only(tmp_path: Path) -> None:
    path = tmp_path / "database"
    with Database(path, migrations=TABLE) as writer:
        writer.run_blocking(insert(1))
        with Database(path, migrations=TABLE, read_only=True) as reader:
            assert reader.read_blocking(values) == [1]
            writer.run_blocking(insert(2))
            assert reader.read_blocking(values) == [1, 2]
            with pytest.raises(DatabaseReadOnly):
                reader.run_blocking(insert(3))
            with pytest.raises(DatabaseReadOnly):
                reader.read_blocking(insert(3))
        with pytest.raises(StorageError, match="older schema"):
            Database(path, migrations=(*TABLE, SECOND), read_only=True)
    with pytest.raises(CannotOpenDatabase):
        Database(tmp_path / "nothing", read_only=True)


def test_the_schema_grows_version_by_version(tmp_path: Path) -> None:
    path = tmp_path / "database"
    Database(path, migrations=TABLE).close()
    for _ in range(2):
        with Database(path, migrations=(*TABLE, SECOND)) as database:
            rows = database.read_blocking(lambda connection: connection.execute("SELECT * FROM _migrations").fetchall())
            assert rows == [(1, "numbers"), (2, "more")]
            assert database.read_blocking(lambda connection: connection.execute("SELECT * FROM more").fetchall()) == [
                (1,)
            ]
    for read_only in (False, True):
        with pytest.raises(SchemaTooNew, match="schema version 2, this program knows 1"):
            Database(path, migrations=TABLE, read_only=read_only)


def test_a_migration_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "database"
    Database(path, migrations=TABLE).close()
    with pytest.raises(StorageError):
        Database(path, migrations=(*TABLE, Migration(2, "bad", ("CREATE TABLE half (x)", "NONSENSE"))))
    with Database(path, migrations=(*TABLE, SECOND)) as database, pytest.raises(StorageError, match="no such table"):
        database.read_blocking(lambda connection: connection.execute("SELECT * FROM half"))


KILLED = """
import sys
from pathlib import Path
from ockam.storage import Database
from ockam.storage.migrations.migration import Migration

rows = "WITH RECURSIVE row (x) AS (SELECT 1 UNION ALL SELECT 1 FROM row)"
endless = f"INSERT INTO half {rows} SELECT randomblob(4000) FROM row"
table = Migration(1, "numbers", ("CREATE TABLE number (value INTEGER PRIMARY KEY, filler BLOB)",))
Database(Path(sys.argv[1]), migrations=(table, Migration(2, "half", ("CREATE TABLE half (x BLOB)", endless))))
"""


def test_a_process_killed_in_the_middle_of_a_migration_leaves_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "database"
    with Database(path, migrations=TABLE) as database:
        database.run_blocking(insert(1))
    wal = path.with_name(path.name + "-wal")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as process:
        try:
            # More than SQLite keeps in memory: pages of the migration are in the file when the process dies.
            while not wal.exists() or wal.stat().st_size < 4_000_000:
                assert process.poll() is None
                os.sched_yield()
        finally:
            process.kill()
    assert wal.stat().st_size >= 4_000_000
    with Database(path, migrations=(*TABLE, SECOND)) as database:
        assert database.read_blocking(values) == [1]
        tables = database.read_blocking(
            lambda connection: connection.execute("SELECT name FROM sqlite_master").fetchall()
        )
        assert ("half",) not in tables
        assert ("more",) in tables


def test_the_migrations_of_this_version_are_numbered_in_order() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    with Database(None) as database:
        tables = database.read_blocking(
            lambda connection: {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        )
    assert tables > {"identity", "named_identity", "purpose_key", "signing_secret", "x25519_secret", "_migrations"}


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "database"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(DatabaseDamaged):
        Database(path)
    with pytest.raises(CannotOpenDatabase):
        Database(tmp_path / "no" / "such" / "directory")


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "database"
    path.touch(mode=0o644)
    with Database(path, migrations=TABLE) as database:
        database.run_blocking(insert(1))
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        pragmas = database.read_blocking(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "secure_delete", "busy_timeout")
            ]
        )
        assert pragmas == ["wal", 2, 1, 10_000]


def test_closing_finishes_what_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "database"
    database = Database(path, migrations=TABLE)
    gate = threading.Event()
    with ThreadPoolExecutor(20) as pool:
        results = [pool.submit(database.run_blocking, insert(value)) for value in range(19)]
        held_back = pool.submit(database.read_blocking, lambda _: gate.wait(10))
        gate.set()
        held_back.result()
        assert [result.result() for result in results] == [1] * 19
    database.close()
    database.close()
    with pytest.raises(DatabaseClosed):
        database.run_blocking(insert(1))
    with Database(path, migrations=TABLE) as again:
        assert again.read_blocking(values) == list(range(19))


def test_a_write_asked_for_before_closing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "database"
    database = Database(path, migrations=TABLE)

    async def main() -> None:
        gate = threading.Event()
        first = asyncio.ensure_future(database.read(lambda _: gate.wait(10)))
        write = asyncio.ensure_future(database.run(insert(1)))
        await asyncio.sleep(0)
        closing = asyncio.get_running_loop().run_in_executor(None, database.close)
        gate.set()
        assert await write == 1
        await first
        await closing

    asyncio.run(main())


def test_a_caller_that_is_cancelled_does_not_disturb_the_others(tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        gate = threading.Event()
        first = asyncio.ensure_future(database.read(lambda _: gate.wait(10)))
        cancelled, other = (asyncio.ensure_future(database.run(insert(value))) for value in (1, 2))
        await asyncio.sleep(0)
        cancelled.cancel()
        gate.set()
        assert await other == 1
        await first
        assert cancelled.cancelled()

    with Database(tmp_path / "database", migrations=TABLE) as database:
        asyncio.run(main(database))
        assert database.read_blocking(values) == [1, 2]


def test_an_event_loop_that_is_gone_does_not_disturb_the_thread(tmp_path: Path) -> None:
    gate = threading.Event()

    async def leave(database: Database) -> None:
        write = asyncio.ensure_future(database.run(lambda connection: gate.wait(10) and insert(1)(connection)))
        await asyncio.sleep(0)
        write.cancel()

    with Database(tmp_path / "database", migrations=TABLE) as database:
        asyncio.run(leave(database))
        gate.set()
        assert database.read_blocking(values) in ([], [1])
        database.run_blocking(insert(2))
        assert database.read_blocking(values) == [1, 2]


def test_a_thousand_writes_at_once_keep_their_order(tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        results = await asyncio.gather(*(database.run(insert(value)) for value in range(1000)))
        assert results == [1] * 1000

    with Database(tmp_path / "database", migrations=TABLE) as database:
        asyncio.run(main(database))
        assert database.read_blocking(values) == list(range(1000))
        assert database.statistics()["commits"] < 100


WRITER = """
import asyncio, sys
from pathlib import Path
from ockam.storage import Database
from ockam.storage.migrations.migration import Migration

async def main():
    table = Migration(1, "numbers", ("CREATE TABLE number (value INTEGER PRIMARY KEY, filler BLOB)",))
    database = Database(Path(sys.argv[1]), migrations=(table,))
    async def write(value):
        await database.run(lambda connection: connection.execute("INSERT INTO number VALUES (?, ?)", (value, b"")))
        print(value, flush=True)
    value = 0
    while True:
        await asyncio.gather(*(write(value + offset) for offset in range(8)))
        value += 8

asyncio.run(main())
"""


def test_what_was_reported_as_stored_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "database"
    for lines in (1, 20, 75):
        path.unlink(missing_ok=True)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            assert process.stdout is not None
            reported = [int(process.stdout.readline()) for _ in range(lines)]
            process.send_signal(signal.SIGKILL)
            reported += [int(line) for line in process.stdout.read().splitlines()]
        with Database(path, migrations=TABLE) as database:
            stored = database.read_blocking(values)
            assert set(reported) <= set(stored)
            assert stored == list(range(len(stored)))
            assert database.run_blocking(insert(-1)) == 1


def test_an_unknown_error_keeps_its_text() -> None:
    assert "the database failed: odd" in str(storage_error(sqlite3.Error("odd")))
