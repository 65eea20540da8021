"""The Enrollment Service's tables in SQLite.

Every method is one job of the database's group commit: it decides on what it finds inside the transaction, and what
it returned is on the disk. Deleted and replaced values are overwritten (secure_delete); private prekeys are sealed.
"""

# ruff: noqa: S608 - statements are put together from constants of this file only; values are always bound.

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from ockam.encoding.cbor import Decoder
from ockam.enrollment.api_messages import EnrolleeRecord, read_attributes
from ockam.enrollment.attributes import encode_attributes, sorted_attributes
from ockam.enrollment.errors import AmbiguousIdentifier, QuotaPassed, RecordConflict, RecordNotFound
from ockam.enrollment.pending import (
    PAGE_SIZE,
    EventKind,
    State,
    pending_expiry,
    short_form,
    state_after_delete,
    state_after_reject,
)
from ockam.enrollment.repository import (
    EnrollmentEvent,
    EnrollmentOutcome,
    KnownIdentity,
    Member,
    MessageLookup,
    Purged,
    StoredBundle,
    StoredEnrollee,
)
from ockam.identity.identifier import Identifier
from ockam.storage.sqlite import enrollment_upkeep as upkeep
from ockam.storage.sqlite.enrollment_events import add_event, detail
from ockam.storage.sqlite.sealed_column import SealedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ockam.enrollment.api_messages import ApprovalEntry, ListQuery, PatchRequest
    from ockam.enrollment.pending import IdentifierPrefix
    from ockam.enrollment.repository import Enrollment, IssuedBundle
    from ockam.storage.database import Database

__all__ = ["SqliteEnrollmentRepository"]

_RECORD: Final = "id, pet_name, state, added_by, created_at, expires_at, enrolled_at, identifier, attributes"
_STILL_PENDING: Final = "state = 0 AND (expires_at IS NULL OR expires_at > :now)"


class _LostRace(Exception):
    """Rolls back the job: something changed since the checks."""


class SqliteEnrollmentRepository:
    """Implements `ockam.enrollment.repository.EnrollmentRepository`.

    Args:
        database: open, with the schema of this version.
        key: 32 secret bytes of the service's vault, under which private prekeys are sealed.
        random: the system's random source.
    """

    def __init__(self, database: Database, key: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        self._database = database
        self._prekeys = SealedColumn(key, random)

    # ---- bundles ---------------------------------------------------------------------------------------------------

    async def bundles_of_request(self, owner: Identifier, request_id: bytes) -> tuple[bytes, ...] | None:
        """Return the signed bundles made for this request before, None if it is new."""
        return await self._database.read(lambda connection: _bundles_of_request(connection, owner, request_id))

    async def add_bundles(
        self, bundles: Sequence[IssuedBundle], owner: Identifier, request_id: bytes | None, quota: int | None, now: int
    ) -> tuple[bytes, ...]:
        """Store bundles and return the signed ones to hand out; raise `QuotaPassed`."""
        rows = [
            (
                bundle.bundle_id,
                owner.value,
                request_id,
                position,
                bundle.signed,
                bundle.bundle_hash,
                now,
                bundle.expires_at,
                bundle.history_changes,
                self._prekeys.seal(bundle.bundle_id, bundle.signed_prekey + bundle.one_time_prekey),
            )
            for position, bundle in enumerate(bundles)
        ]

        def store(connection: sqlite3.Connection) -> tuple[bytes, ...]:
            earlier = None if request_id is None else _bundles_of_request(connection, owner, request_id)
            if earlier is not None:
                return earlier
            if quota is not None:
                unused = "SELECT count(*) FROM enrollment_bundle WHERE owner = ? AND used = 0 AND expires_at > ?"
                if _count(connection, unused, (owner.value, now)) + len(rows) > quota:
                    raise QuotaPassed
            connection.executemany(
                """INSERT INTO enrollment_bundle (bundle_id, owner, request_id, position, signed, bundle_hash,
                    created_at, expires_at, history_changes, secrets) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                rows,
            )
            for bundle in bundles:
                add_event(connection, now, EventKind.BUNDLE_ISSUED, None, owner, bundle.bundle_hash)
            return tuple(bundle.signed for bundle in bundles)

        return await self._database.run(store)

    # ---- approvals -------------------------------------------------------------------------------------------------

    async def approve(
        self,
        entries: Sequence[ApprovalEntry],
        added_by: Identifier,
        quota: int | None,
        default_seconds: int,
        now: int,
    ) -> tuple[EnrolleeRecord, ...]:
        """Add pending records, all or none; raise `RecordConflict` or `QuotaPassed`."""

        def store(connection: sqlite3.Connection) -> tuple[EnrolleeRecord, ...]:
            records = [_approve(connection, entry, added_by, default_seconds, now) for entry in entries]
            if quota is not None:
                pending = f"SELECT count(*) FROM enrollee WHERE added_by = :owner AND {_STILL_PENDING}"
                if _count(connection, pending, {"owner": added_by.value, "now": now}) > quota:
                    raise QuotaPassed
            return tuple(records)

        return await self._database.run(store)

    async def find(self, prefix: IdentifierPrefix, viewer: Identifier | None, now: int) -> EnrolleeRecord:
        """Return the one record with this prefix; raise `RecordNotFound` or `AmbiguousIdentifier`."""
        return await self._database.read(lambda connection: _find(connection, prefix, viewer).as_of(now))

    async def list(self, query: ListQuery, viewer: Identifier | None, now: int) -> tuple[EnrolleeRecord, ...]:
        """Return one page of records, oldest first."""
        conditions, values = ["1"], dict[str, Any](now=now, size=PAGE_SIZE, offset=query.page * PAGE_SIZE)
        if viewer is not None:
            conditions.append("added_by = :viewer")
            values["viewer"] = viewer.value
        if query.name is not None:
            # A range, so that the index is used; U+10FFFF is above every name that is allowed.
            conditions.append("pet_name >= :name AND pet_name < :name || char(1114111)")
            values["name"] = query.name
        match query.state:
            case None:
                pass
            case State.PENDING:
                conditions.append(f"({_STILL_PENDING})")
            case State.EXPIRED:
                conditions.append("(state = 2 OR (state = 0 AND expires_at <= :now))")
            case state:
                conditions.append("state = :state")
                values["state"] = int(state)
        statement = (
            f"SELECT {_RECORD} FROM enrollee WHERE {' AND '.join(conditions)}"
            " ORDER BY created_at, id LIMIT :size OFFSET :offset"
        )
        return await self._database.read(
            lambda connection: tuple(_record(row).as_of(now) for row in connection.execute(statement, values))
        )

    async def update(
        self, prefix: IdentifierPrefix, viewer: Identifier | None, change: PatchRequest, actor: Identifier, now: int
    ) -> EnrolleeRecord:
        """Extend or relabel a pending record; raise as `find`, and `RecordConflict`."""

        def store(connection: sqlite3.Connection) -> EnrolleeRecord:
            record = _find(connection, prefix, viewer).as_of(now)
            if record.state is not State.PENDING:
                raise RecordConflict(f"the enrollee is {record.state.name.lower()}, not pending")
            expires_at, attributes = record.expires_at, record.attributes
            if change.expires_in_seconds is not None:
                expires_at = pending_expiry(now, change.expires_in_seconds)
            if change.attributes is not None:
                attributes = sorted_attributes(change.attributes)
            connection.execute(
                "UPDATE enrollee SET expires_at = ?, attributes = ? WHERE id = ?",
                (expires_at, encode_attributes(attributes), record.id),
            )
            updated = _record(_row_of(connection, record.id))
            add_event(connection, now, EventKind.APPROVED, record.id, actor, detail(updated.encode()))
            return updated

        return await self._database.run(store)

    async def remove(
        self, prefix: IdentifierPrefix, viewer: Identifier | None, actor: Identifier, now: int
    ) -> EnrolleeRecord:
        """Cancel a pending record or revoke an enrolled one; raise as `find`, and `RecordConflict`."""

        def store(connection: sqlite3.Connection) -> EnrolleeRecord:
            record = _find(connection, prefix, viewer).as_of(now)
            state = state_after_delete(record.state)
            if state is record.state:
                return record
            if state is State.CANCELLED:
                upkeep.cancel(connection, record.id, actor, now)
            else:
                upkeep.revoke(connection, record.id, actor, now)
            return _record(_row_of(connection, record.id))

        return await self._database.run(store)

    # ---- messages --------------------------------------------------------------------------------------------------

    async def lookup(self, bundle_id: bytes, enrollment_identifier: bytes, message_id: bytes) -> MessageLookup:
        """Return what is known of a message."""

        def read(connection: sqlite3.Connection) -> tuple[Any, Any, Any]:
            answer = connection.execute(
                "SELECT answer FROM enrollment_answer WHERE message_id = ?", (message_id,)
            ).fetchone()
            bundle = connection.execute(
                """SELECT bundle_id, owner, expires_at, used, bundle_hash, history_changes, secrets
                    FROM enrollment_bundle WHERE bundle_id = ?""",
                (bundle_id,),
            ).fetchone()
            if answer is not None or bundle is None:
                return answer, bundle, None
            return answer, bundle, _row_of(connection, enrollment_identifier, f"{_RECORD}, eik")

        answer, bundle, enrollee = await self._database.read(read)
        return MessageLookup(
            None if bundle is None else self._stored_bundle(bundle),
            None if enrollee is None else StoredEnrollee(_record(enrollee[:-1]), enrollee[-1]),
            None if answer is None else answer[0],
        )

    async def known_identity(self, identifier: Identifier) -> KnownIdentity:
        """Return what is known of a device's identity."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT id, state, change_history FROM enrollee WHERE identifier = ?", (identifier.value,)
            ).fetchone()
        )
        if row is None:
            return KnownIdentity()
        return KnownIdentity(row[1] == State.REVOKED, row[0] if row[1] == State.ENROLLED else None, row[2])

    async def enroll(self, enrollment: Enrollment, now: int) -> EnrollmentOutcome:
        """Check 8, in one transaction."""
        try:
            await self._database.run(lambda connection: _enroll(connection, enrollment, now))
        except _LostRace:
            return EnrollmentOutcome.LOST_RACE
        return EnrollmentOutcome.ENROLLED

    async def store_reject(
        self, enrollment_identifier: bytes, message_id: bytes, answer: bytes, reason: int, now: int
    ) -> bytes | None:
        """Store a reject and count it once; None when the record is no longer pending."""

        def store(connection: sqlite3.Connection) -> bytes | None:
            stored = connection.execute(
                "SELECT answer FROM enrollment_answer WHERE message_id = ?", (message_id,)
            ).fetchone()
            if stored is not None:
                return bytes(stored[0])
            row = connection.execute(
                f"SELECT rejects FROM enrollee WHERE id = :id AND {_STILL_PENDING}",
                {"id": enrollment_identifier, "now": now},
            ).fetchone()
            if row is None:
                return None
            rejects = row[0] + 1
            connection.execute(
                "INSERT INTO enrollment_answer VALUES (?, ?, ?, 0, ?)", (message_id, enrollment_identifier, answer, now)
            )
            ended = state_after_reject(rejects) is State.REJECTED
            connection.execute(
                "UPDATE enrollee SET rejects = :rejects WHERE id = :id",
                {"rejects": rejects, "id": enrollment_identifier},
            )
            if ended:
                upkeep.end(connection, enrollment_identifier, State.REJECTED, now)
            hashed = detail(message_id, bytes([reason, rejects]))
            add_event(connection, now, EventKind.REJECTED, enrollment_identifier, None, hashed)
            return answer

        return await self._database.run(store)

    # ---- members ---------------------------------------------------------------------------------------------------

    async def member(self, identifier: Identifier) -> Member | None:
        """Return an enrolled or revoked device by its identity."""
        row = await self._database.read(
            lambda connection: connection.execute(
                """SELECT id, state, member_attributes, relay_name, change_history, enrolled_at
                    FROM enrollee WHERE identifier = ?""",
                (identifier.value,),
            ).fetchone()
        )
        if row is None:
            return None
        attributes = read_attributes(Decoder(row[2]))
        return Member(row[0], identifier, State(row[1]), attributes, row[3], row[4], row[5])

    async def device_spoke(self, identifier: Identifier) -> None:
        """Forget the stored answer of a device that has shown that it holds it."""
        statement = """DELETE FROM enrollment_answer WHERE accepted = 1
            AND enrollee = (SELECT id FROM enrollee WHERE identifier = ?)"""
        await self._database.run(lambda connection: connection.execute(statement, (identifier.value,)).rowcount)

    # ---- enrollers and upkeep --------------------------------------------------------------------------------------

    async def add_enroller(self, identifier: Identifier, now: int) -> None:
        """Allow an enroller."""
        statement = "INSERT OR IGNORE INTO enroller VALUES (?, ?)"
        await self._database.run(lambda connection: connection.execute(statement, (identifier.value, now)).rowcount)

    async def remove_enroller(self, identifier: Identifier, actor: Identifier | None, now: int) -> bool:
        """Remove an enroller with its pending records and unused bundles; False if unknown."""
        return await self._database.run(lambda connection: upkeep.remove_enroller(connection, identifier, actor, now))

    async def enrollers(self) -> tuple[Identifier, ...]:
        """Return the allowed enrollers."""
        return await self._database.read(
            lambda connection: tuple(
                Identifier(row[0]) for row in connection.execute("SELECT identifier FROM enroller ORDER BY added_at")
            )
        )

    async def void_unused_bundles(self, now: int) -> int:
        """Delete all unused bundles, as after a restored backup."""
        return await self._database.run(upkeep.void_unused_bundles)

    async def purge(self, now: int) -> Purged:
        """Mark what has expired, delete what is no longer needed; in slices, call it again while it does something."""
        return await self._database.run(lambda connection: upkeep.purge(connection, now))

    async def events(self, after: int, count: int) -> tuple[EnrollmentEvent, ...]:
        """Return up to `count` audit events with a number above `after`, in order."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                """SELECT number, time, kind, enrollee, actor, detail_hash FROM enrollment_event
                    WHERE number > ? ORDER BY number LIMIT ?""",
                (after, count),
            ).fetchall()
        )
        return tuple(
            EnrollmentEvent(number, time, kind, enrollee, None if actor is None else Identifier(actor), hashed)
            for number, time, kind, enrollee, actor, hashed in rows
        )

    def _stored_bundle(self, row: tuple[Any, ...]) -> StoredBundle:
        bundle_id, owner, expires_at, used, bundle_hash, history_changes, sealed = row
        secrets = None if sealed is None or used else self._prekeys.open(bundle_id, sealed)
        return StoredBundle(
            bundle_id,
            Identifier(owner),
            expires_at,
            bool(used),
            bundle_hash,
            history_changes,
            None if secrets is None else secrets[:32],
            None if secrets is None else secrets[32:],
        )


def _enroll(connection: sqlite3.Connection, enrollment: Enrollment, now: int) -> None:
    used = connection.execute(
        "UPDATE enrollment_bundle SET used = 1, secrets = NULL WHERE bundle_id = ? AND used = 0 AND expires_at > ?",
        (enrollment.bundle_id, now),
    )
    if used.rowcount != 1:
        raise _LostRace
    attributes = encode_attributes(sorted_attributes(enrollment.attributes))
    try:
        enrolled = connection.execute(
            f"""UPDATE enrollee SET state = 1, eik = NULL, enrolled_at = :now, identifier = :identifier,
                relay_name = :relay_name, member_attributes = :attributes, change_history = :history
                WHERE id = :id AND {_STILL_PENDING}""",
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
            raise _LostRace
        connection.execute(
            "INSERT INTO enrollment_answer VALUES (?, ?, ?, 1, ?)",
            (enrollment.message_id, enrollment.enrollment_identifier, enrollment.answer, now),
        )
    except sqlite3.IntegrityError:
        # The identity was enrolled under another record in between, or this message was rejected.
        raise _LostRace from None
    hashed = detail(enrollment.message_id, enrollment.identifier.value, attributes)
    add_event(connection, now, EventKind.ENROLLED, enrollment.enrollment_identifier, None, hashed)


def _approve(
    connection: sqlite3.Connection, entry: ApprovalEntry, added_by: Identifier, default_seconds: int, now: int
) -> EnrolleeRecord:
    identifier = entry.enrollment_identifier
    row = _row_of(connection, identifier, f"{_RECORD}, entry_hash")
    if row is not None:
        record = _record(row[:-1]).as_of(now)
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


def _find(connection: sqlite3.Connection, prefix: IdentifierPrefix, viewer: Identifier | None) -> EnrolleeRecord:
    rows = connection.execute(
        f"""SELECT {_RECORD} FROM enrollee WHERE id BETWEEN :low AND :high
            AND (:viewer IS NULL OR added_by = :viewer) LIMIT 2""",
        {"low": prefix.low, "high": prefix.high, "viewer": None if viewer is None else viewer.value},
    ).fetchall()
    if not rows:
        raise RecordNotFound
    if len(rows) > 1:
        raise AmbiguousIdentifier
    return _record(rows[0])


def _row_of(connection: sqlite3.Connection, identifier: bytes, columns: str = _RECORD) -> Any:  # noqa: ANN401 - rows have no type
    return connection.execute(f"SELECT {columns} FROM enrollee WHERE id = ?", (identifier,)).fetchone()


def _record(row: tuple[Any, ...]) -> EnrolleeRecord:
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


def _bundles_of_request(
    connection: sqlite3.Connection, owner: Identifier, request_id: bytes
) -> tuple[bytes, ...] | None:
    rows = connection.execute(
        "SELECT signed FROM enrollment_bundle WHERE owner = ? AND request_id = ? ORDER BY position",
        (owner.value, request_id),
    ).fetchall()
    return tuple(row[0] for row in rows) or None


def _count(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...] | dict[str, Any]) -> int:
    return int(connection.execute(statement, values).fetchone()[0])
