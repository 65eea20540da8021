"""One step of the schema."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """SQL statements that lead from the version before to this one.

    Attributes:
        version: place in the list, from 1.
        name: what it is about; kept in the table of migrations.
        statements: run in order, in one transaction with all other pending migrations.
    """

    version: int
    name: str
    statements: tuple[str, ...]
