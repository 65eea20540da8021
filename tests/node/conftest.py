"""A node in each configuration; those that need a service are marked `services`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.node.configurations import (
    Configuration,
    DatabaseConfiguration,
    HomeConfiguration,
    MemoryConfiguration,
    SoftHsmConfiguration,
)
from tests.storage.conftest import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["cluster", "configuration"]

POSTGRES = pytest.param("postgres", marks=pytest.mark.services)
SOFTHSM = pytest.param("softhsm", marks=pytest.mark.services)


def _configuration(kind: str, request: pytest.FixtureRequest, folder: Path) -> Configuration:
    match kind:
        case "memory":
            return MemoryConfiguration()
        case "home":
            return HomeConfiguration(folder)
        case "postgres":
            return DatabaseConfiguration(request.getfixturevalue("cluster").new_database())
        case _:
            from tests.vault.pkcs11.softhsm import softhsm

            return SoftHsmConfiguration(folder, softhsm())


@pytest.fixture(params=["memory", "home", POSTGRES, SOFTHSM])
def configuration(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Configuration]:
    """Each configuration of a node."""
    made = _configuration(request.param, request, tmp_path)
    try:
        yield made
    finally:
        made.close()
