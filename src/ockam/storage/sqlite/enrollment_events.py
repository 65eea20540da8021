"""Audit events: each is a row that commits with the change it tells of."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from ockam.encoding.cbor import encode_array, encode_bytes

if TYPE_CHECKING:
    import sqlite3

    from ockam.enrollment.pending import EventKind
    from ockam.identity.identifier import Identifier


def detail(*items: bytes) -> bytes:
    """Return the SHA-256 of an array of byte strings."""
    return sha256(encode_array(*map(encode_bytes, items))).digest()


def add_event(
    connection: sqlite3.Connection,
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
