"""Errors of storage: the machine's fault, each with what to do about it."""

from __future__ import annotations

import sqlite3
from typing import Final

from ockam.errors import EnvironmentFault, Kind, Misuse, Origin


class StorageError(EnvironmentFault):
    """The database failed; nothing of the failed operation was stored (but see `OutcomeUnknown`)."""

    default_origin = Origin.NODE
    default_kind = Kind.IO


class DiskFull(StorageError):
    """The disk is full: nothing was stored. Free some space and try again."""

    default_kind = Kind.RESOURCE_EXHAUSTED


class DatabaseLocked(StorageError):
    """The database is locked by another process. Wait for it, or end it."""

    default_kind = Kind.NOT_READY


class DatabaseReadOnly(StorageError):
    """The database is open for reading only, or its file may not be written."""

    default_kind = Kind.UNSUPPORTED


class DatabaseDamaged(StorageError):
    """The file is damaged, or is not a database of this library. Restore it from a backup."""

    default_kind = Kind.INVALID


class CannotOpenDatabase(StorageError):
    """The database file cannot be opened: look at its path and permissions."""


class DatabaseUnreachable(StorageError):
    """The database server cannot be reached, or ended the connection. Try again when it is back."""

    default_kind = Kind.NOT_READY


class OutcomeUnknown(DatabaseUnreachable):
    """The connection to the database server was lost during a commit: it may have been stored. Look, or do it again."""


class SchemaTooNew(StorageError):
    """The database was written by a newer version of this library. Use that version."""

    default_kind = Kind.UNSUPPORTED


class DatabaseClosed(StorageError):
    """The database was closed."""

    default_kind = Kind.SHUTDOWN


class HomeInUse(StorageError, Misuse):
    """Another process uses this home directory. End it, or choose another home."""

    default_kind = Kind.CONFLICT


_BY_PRIMARY_CODE: Final[dict[int, type[StorageError]]] = {
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_BUSY: DatabaseLocked,
    sqlite3.SQLITE_LOCKED: DatabaseLocked,
    sqlite3.SQLITE_READONLY: DatabaseReadOnly,
    sqlite3.SQLITE_CORRUPT: DatabaseDamaged,
    sqlite3.SQLITE_NOTADB: DatabaseDamaged,
    sqlite3.SQLITE_CANTOPEN: CannotOpenDatabase,
    sqlite3.SQLITE_PERM: CannotOpenDatabase,
}


def storage_error(error: sqlite3.Error) -> StorageError:
    """Return the error to raise for one of SQLite."""
    code = getattr(error, "sqlite_errorcode", None)
    found = None if code is None else _BY_PRIMARY_CODE.get(code & 0xFF)
    return StorageError(f"the database failed: {error}") if found is None else found()
