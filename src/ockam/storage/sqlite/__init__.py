"""The stores over SQLite."""

from ockam.storage.sqlite.identity import create_sqlite_repositories
from ockam.storage.sqlite.vault import SqliteSecretsRepository

__all__ = ["SqliteSecretsRepository", "create_sqlite_repositories"]
