"""One SQLite database, one thread that owns the connection, and group commit.

    event loop                                   thread
    run(write 1) ─┐
    run(write 2) ─┼─▶ queue ─▶ takes everything ─▶ BEGIN IMMEDIATE
    run(write 3) ─┘                                SAVEPOINT, write 1, RELEASE
                                                   SAVEPOINT, write 2, RELEASE      a write that fails is rolled back
                                                   SAVEPOINT, write 3, RELEASE      alone, the others stay
    futures resolved ◀─ one call per event loop ◀─ COMMIT                           one fsync for all

A write is only reported as done after its commit is on the disk (WAL, synchronous=FULL), so what a caller was told
survives `kill -9`. While a commit waits for the disk, new writes gather for the next one.

If the commit itself fails, or SQLite gave up the whole transaction (full disk), each write is tried once more in a
transaction of its own. Therefore a write must be a function of the connection alone: it may run twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar, cast

from ockam.storage.errors import (
    CannotOpenDatabase,
    DatabaseClosed,
    DatabaseReadOnly,
    SchemaTooNew,
    StorageError,
    storage_error,
)
from ockam.storage.jobs import Job, resolve
from ockam.storage.migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ockam.storage.migrations.migration import Migration

__all__ = ["Database"]

T = TypeVar("T")

BUSY_TIMEOUT_MILLISECONDS: Final = 10_000
MAX_BATCH: Final = 512
FILE_MODE: Final = 0o600


class _SqliteJob(Job):
    """A job that keeps what SQLite says."""

    __slots__ = ()

    def attempt(self, connection: sqlite3.Connection) -> bool:
        """Run the function and keep its result or error; tell whether it worked."""
        self.result = self.error = None
        try:
            self.result = self.function(connection)
        except sqlite3.Error as error:
            self.fail(error)
        except Exception as error:
            self.error = error
        return self.error is None

    def fail(self, error: sqlite3.Error) -> None:
        """Keep an error of SQLite."""
        self.result = None
        self.error = storage_error(error)
        self.error.__cause__ = error


class Database:
    """An open database.

    Args:
        path: the file, made with mode 0600 if it is not there; None: in memory.
        migrations: the schema this program knows.
        read_only: open an existing file without the right to write.
        busy_timeout_milliseconds: how long to wait for another process that is writing.

    Raises:
        SchemaTooNew: a newer program wrote it.
        StorageError: it cannot be opened, is damaged, or is locked.
    """

    def __init__(
        self,
        path: Path | str | None,
        *,
        migrations: Sequence[Migration] = MIGRATIONS,
        read_only: bool = False,
        busy_timeout_milliseconds: int = BUSY_TIMEOUT_MILLISECONDS,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.read_only = read_only
        self._migrations = tuple(migrations)
        self._busy_timeout_milliseconds = busy_timeout_milliseconds
        self._queue: queue.SimpleQueue[_SqliteJob | None] = queue.SimpleQueue()
        self._closed = False
        self._close_lock = threading.Lock()
        self._commits = 0
        self._writes = 0
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="ockam-database", daemon=True)
        self._thread.start()
        try:
            opened.result()
        except BaseException:
            self._closed = True
            self._thread.join()
            raise

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a write in the next commit and return its result once that is on the disk.

        Args:
            function: works on the connection alone and may run twice; it must neither commit nor roll back.

        Raises:
            StorageError: it was not stored.
            Exception: what `function` raised; it was not stored.
        """
        return await self._submit(function, writes=True)

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read and return its result; it sees every write that was reported as done.

        Raises:
            StorageError: it could not be read.
            Exception: what `function` raised.
        """
        return await self._submit(function, writes=False)

    def run_blocking(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Do as `run` does, for a caller without an event loop."""
        return self._submit_blocking(function, writes=True)

    def read_blocking(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Do as `read` does, for a caller without an event loop."""
        return self._submit_blocking(function, writes=False)

    def close(self) -> None:
        """Finish everything that was asked for, then close the file. Twice is allowed."""
        with self._close_lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def statistics(self) -> dict[str, int]:
        """Return how many writes were made, in how many commits."""
        return {"commits": self._commits, "writes": self._writes}

    def _submit(self, function: Callable[[sqlite3.Connection], T], *, writes: bool) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._enqueue(_SqliteJob(function, writes=writes, loop=loop, deliver=future))
        return future

    def _submit_blocking(self, function: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        future: Future[T] = Future()
        self._enqueue(_SqliteJob(function, writes=writes, loop=None, deliver=future))
        return future.result()

    def _enqueue(self, job: _SqliteJob) -> None:
        with self._close_lock:
            if self._closed:
                raise DatabaseClosed
            if job.writes and self.read_only:
                raise DatabaseReadOnly
            self._queue.put(job)

    # --- on the thread ----------------------------------------------------------------------------------------------

    def _run(self, opened: Future[None]) -> None:
        try:
            connection = self._open()
        except sqlite3.Error as error:
            failure = storage_error(error)
            failure.__cause__ = error
            opened.set_exception(failure)
            return
        except Exception as error:
            opened.set_exception(error)
            return
        opened.set_result(None)
        try:
            while self._serve(connection):
                pass
        finally:
            connection.close()

    def _serve(self, connection: sqlite3.Connection) -> bool:
        jobs: list[_SqliteJob] = []
        go_on = True
        item = self._queue.get()
        while item is not None:
            jobs.append(item)
            if len(jobs) == MAX_BATCH:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        else:
            go_on = False
        # A caller who needs to read its own write has waited for the write, so reads need no order among these.
        reads = [job for job in jobs if not job.writes]
        writes = [job for job in jobs if job.writes]
        for job in reads:
            job.attempt(connection)
        resolve(reads)
        if writes:
            if not self._commit_together(connection, writes):
                for job in writes:
                    self._commit_alone(connection, job)
            self._writes += len(writes)
            resolve(writes)
        return go_on

    def _commit_together(self, connection: sqlite3.Connection, jobs: list[_SqliteJob]) -> bool:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            for job in jobs:
                job.fail(error)
            return True
        try:
            for job in jobs:
                connection.execute("SAVEPOINT job")
                if not job.attempt(connection):
                    if not connection.in_transaction:
                        return False
                    connection.execute("ROLLBACK TO job")
                connection.execute("RELEASE job")
            connection.execute("COMMIT")
        except sqlite3.Error:
            _roll_back(connection)
            return False
        self._commits += 1
        return True

    def _commit_alone(self, connection: sqlite3.Connection, job: _SqliteJob) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            if job.attempt(connection):
                connection.execute("COMMIT")
                self._commits += 1
        except sqlite3.Error as error:
            job.fail(error)
        _roll_back(connection)

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            connection = sqlite3.connect(":memory:", isolation_level=None)
        else:
            connection = self._open_file(self.path)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_file(self, path: Path) -> sqlite3.Connection:
        if self.read_only:
            return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        # SQLite would make the file with the umask's mode; -wal and -shm take theirs from it.
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise CannotOpenDatabase(f"the database {path} cannot be opened: {error.strerror}") from error
        with contextlib.suppress(PermissionError):  # another user's file: its mode is that user's decision
            os.fchmod(descriptor, FILE_MODE)
        os.close(descriptor)
        return sqlite3.connect(path, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_milliseconds:d}")
        if not self.read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        self._migrate(connection)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if self.read_only:
            self._pending(connection)
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS _migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL)"
            )
            for migration in self._pending(connection):
                for statement in migration.statements:
                    connection.execute(statement)
                connection.execute("INSERT INTO _migrations VALUES (?, ?)", (migration.version, migration.name))
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise

    def _pending(self, connection: sqlite3.Connection) -> tuple[Migration, ...]:
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_migrations'").fetchone()
        version = connection.execute("SELECT max(version) FROM _migrations").fetchone()[0] if known else None
        done = cast("int", version or 0)
        if done > len(self._migrations):
            raise SchemaTooNew(
                f"the database has schema version {done}, this program knows {len(self._migrations)}: use a newer one"
            )
        if self.read_only and done < len(self._migrations):
            raise StorageError("the database has an older schema: open it once for writing")
        return self._migrations[done:]


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
