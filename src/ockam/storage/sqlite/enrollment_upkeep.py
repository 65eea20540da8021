"""Changes of the Enrollment Service's rows that end something: cancel, revoke, expire, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ockam.enrollment.pending import ANSWER_SECONDS, RECORD_RETENTION_SECONDS, EventKind, State
from ockam.enrollment.repository import Purged
from ockam.storage.sql import take_turns
from ockam.storage.sqlite.enrollment_events import add_event, detail

if TYPE_CHECKING:
    from ockam.identity.identifier import Identifier
    from ockam.storage.sql import Connection

# Chosen by us: rows that one purge handles of each kind, so that it holds up nobody for long.
PURGE_SLICE: Final = 1000


def end(connection: Connection, identifier: bytes, state: State, now: int) -> None:
    """Set a state that a pending record ends in; its enrollment key is deleted."""
    connection.execute(
        "UPDATE enrollee SET state = ?, ended_at = ?, eik = NULL WHERE id = ?", (int(state), now, identifier)
    )


def cancel(connection: Connection, identifier: bytes, actor: Identifier | None, now: int) -> None:
    """Cancel a pending record."""
    end(connection, identifier, State.CANCELLED, now)
    add_event(connection, now, EventKind.CANCELLED, identifier, actor, detail(identifier))


def revoke(connection: Connection, identifier: bytes, actor: Identifier, now: int) -> None:
    """Revoke an enrolled device. Its row stays for ever; the credential in a stored answer is given out no more."""
    connection.execute("UPDATE enrollee SET state = ? WHERE id = ?", (int(State.REVOKED), identifier))
    connection.execute("DELETE FROM enrollment_answer WHERE enrollee = ?", (identifier,))
    add_event(connection, now, EventKind.REVOKED, identifier, actor, detail(identifier))


def expire(connection: Connection, identifier: bytes, now: int) -> None:
    """Mark a record whose time is over, unless it is marked already."""
    changed = connection.execute(
        "UPDATE enrollee SET state = ?, ended_at = expires_at, eik = NULL"
        " WHERE id = ? AND state = 0 AND expires_at <= ?",
        (int(State.EXPIRED), identifier, now),
    )
    if changed.rowcount:
        add_event(connection, now, EventKind.EXPIRED, identifier, None, detail(identifier))


def remove_enroller(connection: Connection, identifier: Identifier, actor: Identifier | None, now: int) -> bool:
    """Remove an enroller; its pending records are cancelled and its unused bundles deleted."""
    take_turns(connection, f"enroller {identifier}")
    known = connection.execute("DELETE FROM enroller WHERE identifier = ?", (identifier.value,)).rowcount
    pending = connection.execute(
        "SELECT id, expires_at FROM enrollee WHERE added_by = ? AND state = 0 ORDER BY id /*pg FOR UPDATE */",
        (identifier.value,),
    ).fetchall()
    for enrollment_identifier, expires_at in pending:
        if expires_at is not None and expires_at <= now:
            expire(connection, enrollment_identifier, now)
        else:
            cancel(connection, enrollment_identifier, actor, now)
    connection.execute("DELETE FROM enrollment_bundle WHERE owner = ? AND used = 0", (identifier.value,))
    return bool(known or pending)


def void_unused_bundles(connection: Connection) -> int:
    """Delete all unused bundles."""
    return connection.execute("DELETE FROM enrollment_bundle WHERE used = 0").rowcount


def purge(connection: Connection, now: int) -> Purged:
    """Do one slice of the upkeep."""
    expired = connection.execute(
        "SELECT id FROM enrollee WHERE state = 0 AND expires_at <= ? LIMIT ?", (now, PURGE_SLICE)
    ).fetchall()
    for (identifier,) in expired:
        expire(connection, identifier, now)
    bundles = connection.execute(
        """DELETE FROM enrollment_bundle WHERE bundle_id IN
            (SELECT bundle_id FROM enrollment_bundle WHERE expires_at <= ? LIMIT ?)""",
        (now, PURGE_SLICE),
    ).rowcount
    # A reject is kept while its record is pending: forgotten, a replay of its message would count again.
    answers = connection.execute(
        """DELETE FROM enrollment_answer WHERE message_id IN
            (SELECT message_id FROM enrollment_answer WHERE created_at <= ? AND
                (accepted = 1 OR NOT EXISTS
                    (SELECT 1 FROM enrollee WHERE enrollee.id = enrollment_answer.enrollee AND enrollee.state = 0))
                LIMIT ?)""",
        (now - ANSWER_SECONDS, PURGE_SLICE),
    ).rowcount
    records = connection.execute(
        "DELETE FROM enrollee WHERE id IN (SELECT id FROM enrollee WHERE ended_at <= ? LIMIT ?)",
        (now - RECORD_RETENTION_SECONDS, PURGE_SLICE),
    ).rowcount
    return Purged(len(expired), bundles, answers, records)
