"""The schema, version by version.

To change the schema, add a module with the next number and append its `MIGRATION`; never change one that was released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.storage.migrations import (
    v0001_identity_and_vault,
    v0002_enrollment,
    v0003_policy,
    v0004_secure_channel,
)

if TYPE_CHECKING:
    from ockam.storage.migrations.migration import Migration

__all__ = ["MIGRATIONS"]

MIGRATIONS: list[Migration] = [
    v0001_identity_and_vault.MIGRATION,
    v0002_enrollment.MIGRATION,
    v0003_policy.MIGRATION,
    v0004_secure_channel.MIGRATION,
]
"""In order; the version of a migration is its place in this list, from 1."""
