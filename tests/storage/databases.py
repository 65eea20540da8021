"""Databases of both kinds for the tests that are the same over both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from ockam.storage.opening import open_database

if TYPE_CHECKING:
    from pathlib import Path

    from ockam.storage.opening import DatabaseLocation
    from ockam.storage.sql import SqlDatabase
    from tests.storage.postgres.cluster import Cluster

__all__ = ["Databases", "PostgresDatabases", "SqliteDatabases"]


class Databases(Protocol):
    """Databases by name."""

    kind: str

    def location(self, name: str) -> DatabaseLocation:
        """Return where the database of that name is."""

    def open(self, name: str = "database") -> SqlDatabase:
        """Open a database; it is closed at the end."""

    def close(self) -> None:
        """Close those that are open."""


class _Opened(ABC):
    def __init__(self) -> None:
        self._opened: list[SqlDatabase] = []

    @abstractmethod
    def location(self, name: str) -> DatabaseLocation:
        """Return where the database of that name is."""

    def open(self, name: str = "database") -> SqlDatabase:
        database = open_database(self.location(name))
        self._opened.append(database)
        return database

    def close(self) -> None:
        for database in self._opened:
            database.close()


class SqliteDatabases(_Opened):
    """Files in a folder."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def location(self, name: str) -> DatabaseLocation:
        return self._folder / name


class PostgresDatabases(_Opened):
    """Databases of a server, created as they are asked for."""

    kind = "postgres"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster
        self._locations: dict[str, DatabaseLocation] = {}

    def location(self, name: str) -> DatabaseLocation:
        if name not in self._locations:
            self._locations[name] = self._cluster.new_database()
        return self._locations[name]
