"""Audit events: each is a row that commits with the change it tells of."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ockam.encoding.cbor import encode_array, encode_bytes
from ockam.storage.sql import take_turns

if TYPE_CHECKING:
    from ockam.enrollment.pending import EventKind
    from ockam.identity.identifier import Identifier
    from ockam.storage.sql import Connection

EVENTS: Final = "enrollment events"
"""Whoever reads events takes this turn; whoever adds one shares it (ockam.storage.postgres.schema)."""


def detail(*items: bytes) -> bytes:
    """Return the SHA-256 of an array of byte strings."""
    return sha256(encode_array(*map(encode_bytes, items))).digest()


def read_events(connection: Connection, after: int, count: int) -> list[Any]:
    """Return up to `count` rows with a number above `after`, in order, and none that a later call would find between.

    Numbers are given before the commit: in PostgreSQL every transaction that has got one must end first.
    """
    take_turns(connection, EVENTS)
    return connection.execute(
        """SELECT number, time, kind, enrollee, actor, detail_hash FROM enrollment_event
            WHERE number > ? ORDER BY number LIMIT ?""",
        (after, count),
    ).fetchall()


def add_event(
    connection: Connection,
    time: int,
    kind: EventKind,
    enrollment_identifier: bytes | None,
    actor: Identifier | None,
    detail_hash: bytes,
) -> None:
    """Add one event; the sealer gives it its place in the log."""
    connection.execute(
        "INSERT INTO enrollment_event (time, kind, enrollee, actor, detail_hash) VALUES (?, ?, ?, ?, ?)",
        (time, int(kind), enrollment_identifier, None if actor is None else actor.value, detail_hash),
    )
