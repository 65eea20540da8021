"""Looking into the home of a node that may be running."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ockam.cli.failures import Conflict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam.cli.databases import DatabaseArgument
    from ockam.enrollment.device_status import EnrolleeStatus
    from ockam.enrollment.repository import EnrollmentRepository
    from ockam.identity.repository import Repositories
    from ockam.storage.home import Home

__all__ = [
    "has_node",
    "read_only_device",
    "read_only_enrollments",
    "read_only_home",
    "read_only_repositories",
    "require_node",
]

# Whoever only looks at records needs no key: what is sealed, the private prekeys, is not among what is shown.
_NO_KEY: Final = bytes(32)


def has_node(path: Path) -> bool:
    """Tell whether there is a node whose home is `path`."""
    from ockam.storage.home import DATABASE_NAME

    return (path / DATABASE_NAME).exists()


def require_node(path: Path) -> None:
    """Go on only if there is a node whose home is `path`.

    Raises:
        Conflict: there is none.
    """
    if not has_node(path):
        raise Conflict(
            f"There is no node {path.name} in {path.parents[1]}.",
            "Make it first, or choose another home with --home or OCKAM_HOME.",
        )


@asynccontextmanager
async def read_only_home(path: Path) -> AsyncIterator[Home]:
    """Open a home to look at it, even while its node runs.

    Raises:
        Conflict: there is no such node.
    """
    from ockam.storage.home import Home

    require_node(path)
    home = Home.open_read_only(path)
    try:
        yield home
    finally:
        home.close()


@asynccontextmanager
async def read_only_repositories(path: Path) -> AsyncIterator[Repositories]:
    """Open the identities of a home in the same way."""
    from ockam.storage.sqlite.identity import create_sqlite_repositories
    from ockam.vault.software.verifying import SoftwareVerifyingVault

    async with read_only_home(path) as home:
        yield create_sqlite_repositories(home.database, SoftwareVerifyingVault())


@asynccontextmanager
async def read_only_enrollments(path: Path, database: DatabaseArgument | None) -> AsyncIterator[EnrollmentRepository]:
    """Open the tables of an enrollment service in the same way.

    Args:
        path: the home of its node.
        database: of its tables, if they are not in the home.
    """
    from ockam.storage.opening import open_database
    from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository

    if database is None:
        async with read_only_home(path) as home:
            yield SqliteEnrollmentRepository(home.database, _NO_KEY)
        return
    if isinstance(database, Path) and not database.exists():
        raise Conflict(f"There is no database {database}.")
    tables = await asyncio.to_thread(open_database, database, read_only=True)
    try:
        yield SqliteEnrollmentRepository(tables, _NO_KEY)
    finally:
        tables.close()


async def read_only_device(path: Path) -> EnrolleeStatus:
    """Return how far the device of a home is, even while its node runs.

    Raises:
        Conflict: there is no such node, or it is no device.
    """
    from ockam.enrollment.device_status import device_status
    from ockam.enrollment.enrollee_state import decode_state
    from ockam.enrollment.secrets import EnrollmentSecrets
    from ockam.enrollment.workers.enrollee import IDENTITY_NAME
    from ockam.node.enrollment import DEVICE_STORAGE
    from ockam.storage.sqlite.enrollment_local import SqliteDeviceStateRepository
    from ockam.storage.sqlite.identity import create_sqlite_repositories
    from ockam.storage.sqlite.vault import SqliteSecretsRepository
    from ockam.vault.software.verifying import SoftwareVerifyingVault

    async with read_only_home(path) as home:
        secrets = EnrollmentSecrets(SqliteSecretsRepository(home.database), os.urandom)
        key = await secrets.stored(DEVICE_STORAGE)
        state = None if key is None else await SqliteDeviceStateRepository(home.database, key).state()
        if state is None:
            raise Conflict(f"The node {path.name} is no device yet.", "Make its offer first: ockam enrollee offer.")
        repositories = create_sqlite_repositories(home.database, SoftwareVerifyingVault())
        named = await repositories.named_identities.named_identity(IDENTITY_NAME)
        return device_status(decode_state(state), named.identifier if named is not None else None)
