"""Rows of the Enrollment Service: reading them, and the two changes that many conditions guard."""

# ruff: noqa: S608 - statements are put together from constants of this file only; values are always bound.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ockam.encoding.cbor import Decoder
from ockam.enrollment.api_messages import EnrolleeRecord, read_attributes
from ockam.enrollment.attributes import encode_attributes, sorted_attributes
from ockam.enrollment.errors import AmbiguousIdentifier, RecordConflict, RecordNotFound
from ockam.enrollment.pending import EventKind, State, pending_expiry, short_form
from ockam.identity.identifier import Identifier
from ockam.storage.sql import ROW_TAKEN
from ockam.storage.sqlite import enrollment_upkeep as upkeep
from ockam.storage.sqlite.enrollment_events import add_event, detail

if TYPE_CHECKING:
    from ockam.enrollment.api_messages import ApprovalEntry
    from ockam.enrollment.pending import IdentifierPrefix
    from ockam.enrollment.repository import Enrollment
    from ockam.storage.sql import Connection

RECORD: Final = "id, pet_name, state, added_by, created_at, expires_at, enrolled_at, identifier, attributes"
STILL_PENDING: Final = "state = 0 AND (expires_at IS NULL OR expires_at > :now)"


FOR_UPDATE: Final = " /*pg FOR UPDATE */"


class LostRace(Exception):
    """Rolls back the job: something changed since the checks."""


def enroll_row(connection: Connection, enrollment: Enrollment, now: int) -> None:
    """Check 8: each change where still possible; raise `LostRace` and change nothing where not."""
    used = connection.execute(
        "UPDATE enrollment_bundle SET used = 1, secrets = NULL WHERE bundle_id = ? AND used = 0 AND expires_at > ?",
        (enrollment.bundle_id, now),
    )
    if used.rowcount != 1:
        raise LostRace
    attributes = encode_attributes(sorted_attributes(enrollment.attributes))
    try:
        enrolled = connection.execute(
            f"""UPDATE enrollee SET state = 1, eik = NULL, enrolled_at = :now, identifier = :identifier,
                relay_name = :relay_name, member_attributes = :attributes, change_history = :history
                WHERE id = :id AND {STILL_PENDING}""",
            {
                "id": enrollment.enrollment_identifier,
                "identifier": enrollment.identifier.value,
                "relay_name": enrollment.relay_name,
                "attributes": attributes,
                "history": enrollment.history,
                "now": now,
            },
        )
        if enrolled.rowcount != 1:
            raise LostRace
        connection.execute(
            "INSERT INTO enrollment_answer VALUES (?, ?, ?, 1, ?)",
            (enrollment.message_id, enrollment.enrollment_identifier, enrollment.answer, now),
        )
    except ROW_TAKEN:
        # The identity was enrolled under another record in between, or this message was rejected.
        raise LostRace from None
    hashed = detail(enrollment.message_id, enrollment.identifier.value, attributes)
    add_event(connection, now, EventKind.ENROLLED, enrollment.enrollment_identifier, None, hashed)


def approve_entry(
    connection: Connection, entry: ApprovalEntry, added_by: Identifier, default_seconds: int, now: int
) -> EnrolleeRecord:
    """Add one pending record, or return the equal one that is there; raise `RecordConflict`."""
    identifier = entry.enrollment_identifier
    row = connection.execute(
        f"SELECT {RECORD}, entry_hash FROM enrollee WHERE id = ?{FOR_UPDATE}", (identifier,)
    ).fetchone()
    if row is not None:
        record = record_of(row[:-1]).as_of(now)
        same_enroller = record.added_by == added_by
        if same_enroller and record.state is State.EXPIRED:
            # Approving again what has expired starts it anew; the row gets its event first, if it had none.
            upkeep.expire(connection, identifier, now)
            connection.execute("DELETE FROM enrollee WHERE id = ?", (identifier,))
        elif same_enroller and row[-1] == entry.digest:
            return record
        else:
            raise RecordConflict(f"{short_form(identifier)} is there already with other fields or by another enroller")
    attributes = sorted_attributes(entry.attributes)
    record = EnrolleeRecord(
        identifier,
        entry.pet_name,
        State.PENDING,
        added_by,
        now,
        pending_expiry(now, entry.expires_in_seconds, default_seconds),
        None,
        None,
        attributes,
    )
    connection.execute(
        """INSERT INTO enrollee (id, eik, pet_name, state, added_by, created_at, expires_at, attributes, entry_hash)
            VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?)""",
        (
            identifier,
            entry.eik,
            entry.pet_name,
            added_by.value,
            now,
            record.expires_at,
            encode_attributes(attributes),
            entry.digest,
        ),
    )
    add_event(connection, now, EventKind.APPROVED, identifier, added_by, detail(record.encode()))
    return record


def find_record(
    connection: Connection, prefix: IdentifierPrefix, viewer: Identifier | None, *, to_change: bool = False
) -> EnrolleeRecord:
    """Return the one record with this prefix that the viewer sees, its state as stored; `to_change` locks it."""
    seen, values = ("", ()) if viewer is None else (" AND added_by = ?", (viewer.value,))
    rows = connection.execute(
        f"SELECT {RECORD} FROM enrollee WHERE id BETWEEN ? AND ?{seen} LIMIT 2{FOR_UPDATE if to_change else ''}",
        (prefix.low, prefix.high, *values),
    ).fetchall()
    if not rows:
        raise RecordNotFound
    if len(rows) > 1:
        raise AmbiguousIdentifier
    return record_of(rows[0])


def row_of(connection: Connection, identifier: bytes, columns: str = RECORD) -> Any:  # noqa: ANN401 - rows have no type
    """Return columns of one enrollee, None if there is none."""
    return connection.execute(f"SELECT {columns} FROM enrollee WHERE id = ?", (identifier,)).fetchone()


def record_of(row: tuple[Any, ...]) -> EnrolleeRecord:
    """Return the record of a row of `RECORD`."""
    identifier, name, state, added_by, created_at, expires_at, enrolled_at, identity, attributes = row
    return EnrolleeRecord(
        identifier,
        name,
        State(state),
        Identifier(added_by),
        created_at,
        expires_at,
        enrolled_at,
        None if identity is None else Identifier(identity),
        read_attributes(Decoder(attributes)),
    )


def bundles_of_request(connection: Connection, owner: Identifier, request_id: bytes) -> tuple[bytes, ...] | None:
    """Return the signed bundles of an earlier request, None if it is new."""
    rows = connection.execute(
        "SELECT signed FROM enrollment_bundle WHERE owner = ? AND request_id = ? ORDER BY position",
        (owner.value, request_id),
    ).fetchall()
    return tuple(row[0] for row in rows) or None


def count(connection: Connection, statement: str, values: tuple[Any, ...] | dict[str, Any]) -> int:
    """Return the one number that a statement selects."""
    return int(connection.execute(statement, values).fetchone()[0])
