"""Where an enrollment service keeps its tables: `--database` takes a path or a URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import click

if TYPE_CHECKING:
    from ockam.storage.postgres.url import PostgresUrl

__all__ = ["DatabaseArgument", "database_argument", "database_of_environment", "library_location"]

DatabaseArgument: TypeAlias = "Path | PostgresUrl"

_SQLITE: Final = "sqlite:///"
_VARIABLES: Final = ("OCKAM_DATABASE_CONNECTION_URL", "OCKAM_DATABASE_INSTANCE")


def database_argument(value: str | PostgresUrl) -> DatabaseArgument:
    """Return what a path, a `sqlite:///PATH` or a `postgres://` URL names; a type for click.

    An error does not repeat a URL of PostgreSQL: there may be a password in it.
    """
    if not isinstance(value, str):
        return value
    if value.startswith(_SQLITE):
        return Path(value.removeprefix(_SQLITE))
    scheme, found, _ = value.partition("://")
    if found and scheme.startswith("postgres"):
        from ockam.errors import Misuse
        from ockam.storage.postgres.url import PostgresUrl

        try:
            return PostgresUrl.parse(value)
        except Misuse as error:
            raise click.BadParameter(str(error)) from None
    if found:
        raise click.BadParameter(f"`{scheme}` is not supported: give a path, sqlite:///PATH or postgres://….")
    return Path(value)


def library_location(database: DatabaseArgument | None) -> Path | str | None:
    """Return the database as the library's options take it."""
    return database if database is None or isinstance(database, Path) else database.with_password


# Click names the value in the help after the function.
database_argument.__name__ = "url|path"


def database_of_environment() -> PostgresUrl | None:
    """Return what OCKAM_DATABASE_CONNECTION_URL, or OCKAM_DATABASE_INSTANCE with its login, says."""
    if not any(os.environ.get(name) for name in _VARIABLES):
        return None
    from ockam.errors import Misuse
    from ockam.storage.postgres.url import PostgresUrl

    try:
        return PostgresUrl.from_environment(os.environ)
    except Misuse as error:
        raise click.UsageError(str(error)) from None
