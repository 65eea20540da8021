"""One PostgreSQL database, and a few threads that own a connection each.

    event loop                     threads, at most `pool_size`
    run(write 1) ─┐              ┌▶ BEGIN, write 1, COMMIT ─┐
    run(write 2) ─┼─▶ queue ─────┼▶ BEGIN, write 2, COMMIT ─┼─▶ futures resolved
    read(read 3) ─┘              └▶ read 3                  ┘

Each write is a transaction of its own, at read committed; commits that come together share the server's flush. (In
batches as for SQLite the locks of many writes would be held until the last of them is done, against other processes.)
Rows that a write decides on and others may change are locked by the write itself: `ockam.storage.sql`.

A write runs again when it meets a row that was inserted meanwhile, or a deadlock; and when its connection turns out to
be dead before the commit was asked for, once, over a new one. If it is lost during the commit nobody knows whether the
write was made: `OutcomeUnknown`. While the server is away operations fail at once, and work again when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Self, TypeVar, cast

import psycopg

from ockam.storage.errors import (
    CannotOpenDatabase,
    DatabaseClosed,
    DatabaseReadOnly,
    OutcomeUnknown,
    SchemaTooNew,
    StorageError,
)
from ockam.storage.jobs import Job, resolve
from ockam.storage.migrations import MIGRATIONS
from ockam.storage.postgres.connection import (
    PostgresConnection,
    connect,
    may_run_again,
    storage_error,
)
from ockam.storage.postgres.schema import MIGRATING, statements_of
from ockam.storage.postgres.url import PostgresUrl
from ockam.storage.sql import RowTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ockam.storage.migrations.migration import Migration
    from ockam.storage.sql import Connection

__all__ = ["POOL_SIZE", "PostgresDatabase"]

T = TypeVar("T")

# Chosen by us: more connections do not make commits faster on a server of two cores (docs/storage.md).
POOL_SIZE: Final = 8
MAX_RUNS: Final = 5


class PostgresDatabase:
    """An open database; implements `ockam.storage.sql.SqlDatabase`.

    Args:
        url: where it is.
        migrations: the schema this program knows.
        read_only: open without the right to write; the schema must be up to date.
        pool_size: connections at most; one is opened now, others when there is something to do for them.

    Raises:
        SchemaTooNew: a newer program made its schema.
        StorageError: it cannot be reached or opened.
    """

    def __init__(
        self,
        url: PostgresUrl | str,
        *,
        migrations: Sequence[Migration] = MIGRATIONS,
        read_only: bool = False,
        pool_size: int = POOL_SIZE,
    ) -> None:
        self.url = url if isinstance(url, PostgresUrl) else PostgresUrl.parse(url)
        self.read_only = read_only
        self._migrations = tuple(migrations)
        self._pool_size = max(1, pool_size)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._unfinished = 0
        self._threads: list[threading.Thread] = []
        self._commits = self._writes = self._lost = 0
        try:
            connection = self._open()
        except psycopg.Error as error:
            raise storage_error(error, self.url) from error
        with self._lock:
            self._start_thread(connection)

    async def run(self, function: Callable[[Connection], T]) -> T:
        """Run a write in a transaction of its own, and return its result once that is on the server's disk.

        Args:
            function: works on the connection alone and may run more than once; it must neither commit nor roll back.

        Raises:
            StorageError: it was not stored.
            OutcomeUnknown: it may have been stored.
            Exception: what `function` raised; it was not stored.
        """
        return await self._submit(function, writes=True)

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run a read and return its result; it sees every write that was reported as done, whoever made it.

        Raises:
            StorageError: it could not be read.
            Exception: what `function` raised.
        """
        return await self._submit(function, writes=False)

    def run_blocking(self, function: Callable[[Connection], T]) -> T:
        """Do as `run` does, for a caller without an event loop."""
        return self._submit_blocking(function, writes=True)

    def read_blocking(self, function: Callable[[Connection], T]) -> T:
        """Do as `read` does, for a caller without an event loop."""
        return self._submit_blocking(function, writes=False)

    def close(self) -> None:
        """Finish everything that was asked for, then close the connections. Twice is allowed."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def statistics(self) -> dict[str, int]:
        """Return how many writes were made, in how many commits, over how many connections, and how many were lost."""
        return {
            "commits": self._commits,
            "writes": self._writes,
            "connections": len(self._threads),
            "lost_connections": self._lost,
        }

    def _submit(self, function: Callable[[Connection], T], *, writes: bool) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._enqueue(Job(function, writes=writes, loop=loop, deliver=future))
        return future

    def _submit_blocking(self, function: Callable[[Connection], T], *, writes: bool) -> T:
        future: Future[T] = Future()
        self._enqueue(Job(function, writes=writes, loop=None, deliver=future))
        return future.result()

    def _enqueue(self, job: Job) -> None:
        with self._lock:
            if self._closed:
                raise DatabaseClosed
            if job.writes and self.read_only:
                raise DatabaseReadOnly
            self._unfinished += 1
            if self._unfinished > len(self._threads) and len(self._threads) < self._pool_size:
                self._start_thread(None)
            self._queue.put(job)

    def _start_thread(self, connection: PostgresConnection | None) -> None:
        name = f"ockam-postgres-{len(self._threads)}"
        thread = threading.Thread(target=self._work, args=(connection,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- on a thread --------------------------------------------------------------------------------------------------

    def _work(self, connection: PostgresConnection | None) -> None:
        try:
            while (job := self._queue.get()) is not None:
                connection = self._perform(job, connection)
                with self._lock:
                    self._unfinished -= 1
                resolve([job])
        finally:
            if connection is not None:
                connection.raw.close()

    def _perform(self, job: Job, connection: PostgresConnection | None) -> PostgresConnection | None:
        """Run a job to its end, keep its outcome, and return the connection for the next one."""
        may_be_dead = connection is not None  # from long ago; then a new one is tried
        runs = 0
        while True:
            runs += 1
            try:
                if connection is None:
                    connection = connect(self.url, read_only=self.read_only)
                job.result = self._write(connection, job) if job.writes else _read(connection, job)
            except Exception as error:
                again = may_run_again(error) and runs < MAX_RUNS
                if connection is not None:
                    _roll_back(connection)
                    if not connection.is_open:
                        again = may_be_dead and isinstance(error, psycopg.Error)
                        may_be_dead, connection = False, None
                        self._count_lost()
                if again:
                    continue
                job.error = self._error_of(error)
            return connection

    def _write(self, connection: PostgresConnection, job: Job) -> object:
        connection.raw.execute(b"BEGIN")
        result = job.function(connection)
        try:
            ended = connection.raw.execute(b"COMMIT")
        except psycopg.OperationalError as error:
            if connection.is_open:
                raise
            raise OutcomeUnknown from error
        # What a function made of an error of the database, the database made nothing of.
        if ended.statusmessage != "COMMIT":
            raise StorageError("the database failed: the transaction was rolled back")
        with self._lock:
            self._commits += 1
            self._writes += 1
        return result

    def _error_of(self, error: Exception) -> BaseException:
        if not isinstance(error, psycopg.Error | RowTaken):
            return error
        failure = storage_error(error, self.url)
        failure.__cause__ = error
        return failure

    def _count_lost(self) -> None:
        with self._lock:
            self._lost += 1

    # --- the schema ---------------------------------------------------------------------------------------------------

    def _open(self) -> PostgresConnection:
        connection = connect(self.url, read_only=self.read_only)
        try:
            encoding = connection.raw.info.parameter_status("server_encoding")
            if encoding != "UTF8":
                raise CannotOpenDatabase(f"the database has the encoding {encoding}: create it with UTF8")
            self._migrate(connection)
        except BaseException:
            connection.raw.close()
            raise
        return connection

    def _migrate(self, connection: PostgresConnection) -> None:
        # Without a lock where there is nothing to do, as nearly always; with it where there is, or seems to be.
        if not self._pending(connection):
            return
        raw = connection.raw
        raw.execute(b"BEGIN")
        try:
            raw.execute(b"SET LOCAL lock_timeout = '60s'")
            connection.hold(MIGRATING)
            raw.execute(b"CREATE TABLE IF NOT EXISTS _migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL)")
            for migration in self._pending(connection):
                for statement in statements_of(migration):
                    raw.execute(statement.encode())
                raw.execute(b"INSERT INTO _migrations VALUES (%s, %s)", (migration.version, migration.name))
            raw.execute(b"COMMIT")
        except BaseException:
            _roll_back(connection)
            raise

    def _pending(self, connection: PostgresConnection) -> tuple[Migration, ...]:
        (known,) = connection.execute("SELECT to_regclass('_migrations') IS NOT NULL").fetchone() or (False,)
        row = connection.execute("SELECT max(version) FROM _migrations").fetchone() if known else None
        done = cast("int", (row and row[0]) or 0)
        if done > len(self._migrations):
            raise SchemaTooNew(
                f"the database has schema version {done}, this program knows {len(self._migrations)}: use a newer one"
            )
        if self.read_only and done < len(self._migrations):
            raise StorageError("the database has an older schema: open it once for writing")
        return self._migrations[done:]


def _read(connection: PostgresConnection, job: Job) -> object:
    result = job.function(connection)
    if connection.is_in_transaction:  # it took a turn
        connection.raw.execute(b"COMMIT")
    return result


def _roll_back(connection: PostgresConnection) -> None:
    if connection.is_open and connection.is_in_transaction:
        with contextlib.suppress(psycopg.Error):
            connection.raw.execute(b"ROLLBACK")
