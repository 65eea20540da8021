"""Storage: in memory, in SQLite and in PostgreSQL, behind the interfaces of the packages that need something stored."""

from ockam.storage.database import Database
from ockam.storage.errors import (
    CannotOpenDatabase,
    DatabaseClosed,
    DatabaseDamaged,
    DatabaseLocked,
    DatabaseReadOnly,
    DatabaseUnreachable,
    DiskFull,
    HomeInUse,
    OutcomeUnknown,
    SchemaTooNew,
    StorageError,
)
from ockam.storage.home import Home
from ockam.storage.key_file import create_key_file, read_key_file
from ockam.storage.memory import MemorySecretsRepository, create_memory_repositories
from ockam.storage.opening import open_database
from ockam.storage.sqlite.identity import create_sqlite_repositories
from ockam.storage.sqlite.vault import SqliteSecretsRepository

__all__ = [
    "CannotOpenDatabase",
    "Database",
    "DatabaseClosed",
    "DatabaseDamaged",
    "DatabaseLocked",
    "DatabaseReadOnly",
    "DatabaseUnreachable",
    "DiskFull",
    "Home",
    "HomeInUse",
    "MemorySecretsRepository",
    "OutcomeUnknown",
    "SchemaTooNew",
    "SqliteSecretsRepository",
    "StorageError",
    "create_key_file",
    "create_memory_repositories",
    "create_sqlite_repositories",
    "open_database",
    "read_key_file",
]
