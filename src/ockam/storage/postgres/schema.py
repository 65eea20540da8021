"""The schema in PostgreSQL: the same migrations, in its types.

BLOB is BYTEA and INTEGER is BIGINT, so that times beyond 2038 fit; texts compare byte by byte, as in SQLite. A table
without a primary key gets the column `rowid` that SQLite's tables have by themselves.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ockam.storage.sqlite.enrollment_events import EVENTS

if TYPE_CHECKING:
    from ockam.storage.migrations.migration import Migration

__all__ = ["MIGRATING", "advisory_key", "statements_of"]

MIGRATING: Final = "migration"
"""The turn of whoever brings the schema up to date."""

_TYPES: Final = (
    (re.compile(r"\bINTEGER PRIMARY KEY AUTOINCREMENT\b"), "BIGSERIAL PRIMARY KEY"),
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    (re.compile(r"\bBLOB\b"), "BYTEA"),
    (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'),
)


def advisory_key(what: str) -> int:
    """Return the number of a turn, for PostgreSQL's advisory locks."""
    return int.from_bytes(sha256(b"ockam " + what.encode()).digest()[:8], "big", signed=True)


def statements_of(migration: Migration) -> tuple[str, ...]:
    """Return the statements of a migration for PostgreSQL."""
    return (*map(_translated, migration.statements), *_FURTHER.get((migration.version, migration.name), ()))


def _translated(statement: str) -> str:
    for pattern, replacement in _TYPES:
        statement = pattern.sub(replacement, statement)
    if statement.startswith("CREATE TABLE") and "PRIMARY KEY" not in statement:
        statement = statement.rstrip().removesuffix(")") + ", rowid BIGINT GENERATED ALWAYS AS IDENTITY)"
    return statement


_FURTHER: Final[dict[tuple[int, str], tuple[str, ...]]] = {
    (1, "identity_and_vault"): (
        "DROP INDEX credential_index",
        """CREATE UNIQUE INDEX credential_index
            ON credential (issuer_identifier, subject_identifier, scope, node_name)""",
    ),
    # An event's number is given before its transaction commits. Whoever takes one shares the turn that readers of
    # events take for themselves, so that none of them passes a number that is still to come.
    (2, "enrollment"): (
        f"""CREATE FUNCTION next_enrollment_event_number() RETURNS BIGINT LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock_shared({advisory_key(EVENTS)});
                RETURN nextval('enrollment_event_number_seq');
            END $$""",
        "ALTER TABLE enrollment_event ALTER COLUMN number SET DEFAULT next_enrollment_event_number()",
    ),
}
