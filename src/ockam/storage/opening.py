"""Opens a database by its path or URL: SQLite, or PostgreSQL where `ockam[postgres]` is installed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from ockam.errors import Misuse, Origin
from ockam.storage.database import Database
from ockam.storage.postgres.url import SCHEMES, PostgresUrl

if TYPE_CHECKING:
    from ockam.storage.sql import SqlDatabase

__all__ = ["DatabaseLocation", "is_postgres", "open_database"]

DatabaseLocation: TypeAlias = "str | os.PathLike[str] | PostgresUrl"


def is_postgres(where: DatabaseLocation) -> bool:
    """Tell whether a path or URL is one of PostgreSQL."""
    return isinstance(where, PostgresUrl) or os.fspath(where).partition("://")[0] in SCHEMES


def open_database(where: DatabaseLocation, *, read_only: bool = False) -> SqlDatabase:
    """Return an open database with the schema of this version.

    Args:
        where: a path, `sqlite://PATH` or `postgres://user:password@host:port/database`.
        read_only: an existing one, to look at it.

    Raises:
        Misuse: there is no database of that kind, or the extra is not installed.
        StorageError: it cannot be opened.
    """
    if is_postgres(where):
        url = where if isinstance(where, PostgresUrl) else PostgresUrl.parse(os.fspath(where))
        try:
            from ockam.storage.postgres.database import PostgresDatabase
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("ockam"):
                raise
            raise _missing(error.name) from error
        except ImportError as error:  # psycopg without its binary part and without libpq
            raise _missing("psycopg[binary]") from error
        return PostgresDatabase(url, read_only=read_only)
    assert not isinstance(where, PostgresUrl)  # it is PostgreSQL's
    text = os.fspath(where)
    scheme, colon, rest = text.partition("://")
    if colon and scheme != "sqlite":
        raise Misuse(
            f"{scheme}: there is no database of this kind; give a path, sqlite://PATH or postgres://…",
            origin=Origin.NODE,
        )
    return Database(rest if colon else text.removeprefix("sqlite:"), read_only=read_only)


def _missing(package: str) -> Misuse:
    return Misuse(f"PostgreSQL needs the package {package}: install ockam[postgres]", origin=Origin.NODE)
