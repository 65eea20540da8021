"""What repositories need of a database, so that one piece of SQL serves SQLite and PostgreSQL.

Repositories are written in the SQL that both speak, with SQLite's placeholders (`?` and `:name`). What only PostgreSQL
reads stands in comments that begin with `pg`: `SELECT … /*pg FOR UPDATE */`. SQLite has one writer at a time, so a
write decides on what it finds; PostgreSQL has many, so a write that decides on a row locks it, and one that decides on
rows that may not be there yet calls `take_turns`.

A write that meets a row which another transaction has just inserted (`ROW_TAKEN`) is run again, and then finds it.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["ROW_TAKEN", "Connection", "Cursor", "RowTaken", "SqlDatabase", "take_turns", "upsert"]

T = TypeVar("T")
Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any]"


class Cursor(Protocol):
    """The rows of one statement."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchone(self) -> Any:  # noqa: ANN401 - rows have no type
        """Return the next row, None after the last."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection inside of one job: `sqlite3.Connection`, or the same for PostgreSQL."""

    def execute(self, statement: str, parameters: Parameters = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]], /) -> Cursor:
        """Run one statement for each row of parameters."""


class SqlDatabase(Protocol):
    """An open database: `Database` or `PostgresDatabase`."""

    async def run(self, function: Callable[[Connection], T]) -> T:
        """Run a write in a transaction, and return its result once that is on the disk; it may run twice."""

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run a read and return its result; it sees every write that was reported as done."""

    def run_blocking(self, function: Callable[[Connection], T]) -> T:
        """Do as `run` does, for a caller without an event loop."""

    def read_blocking(self, function: Callable[[Connection], T]) -> T:
        """Do as `read` does, for a caller without an event loop."""

    def close(self) -> None:
        """Finish everything that was asked for, then close. Twice is allowed."""

    def statistics(self) -> dict[str, int]:
        """Return how many writes were made, in how many commits."""


class RowTaken(Exception):
    """PostgreSQL found another row with the same unique value."""


ROW_TAKEN: Final = (sqlite3.IntegrityError, RowTaken)
"""What to catch where a unique value may be taken."""


def take_turns(connection: Connection, what: str) -> None:
    """Wait until no other transaction holds the turn `what`, and hold it to the end of this one.

    Nothing to do in SQLite, where whole transactions take turns.
    """
    hold = getattr(connection, "hold", None)
    if hold is not None:
        hold(what)


def upsert(table: str, key: str, *columns: str) -> str:
    """Return the statement that stores a row in place of the one with the same key.

    Args:
        table: name of the table.
        key: its columns `columns[…]` that are unique together, separated by commas.
        columns: all that are given, in this order.
    """
    keys = {name.strip() for name in key.replace("/*pg", "").replace("*/", "").split(",")}
    changed = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in keys)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - constants
        f" ON CONFLICT ({key}) DO UPDATE SET {changed}"
    )
