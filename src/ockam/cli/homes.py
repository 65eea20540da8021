"""Looking into the home of a node that may be running."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ockam.cli.failures import Conflict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ockam.identity.repository import Repositories
    from ockam.storage.home import Home

__all__ = ["read_only_home", "read_only_repositories"]


@asynccontextmanager
async def read_only_home(path: Path) -> AsyncIterator[Home]:
    """Open a home to look at it, even while its node runs.

    Raises:
        Conflict: there is no such node.
    """
    from ockam.storage.home import DATABASE_NAME, Home

    if not (path / DATABASE_NAME).exists():
        raise Conflict(
            f"There is no node {path.name} in {path.parents[1]}.",
            "Make it first, or choose another home with --home or OCKAM_HOME.",
        )
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
