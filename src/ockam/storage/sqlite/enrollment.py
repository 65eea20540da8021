"""The Enrollment Service's tables in SQLite.

Every method is one job of the database's group commit: it decides on what it finds inside the transaction, and what
it returned is on the disk. Deleted and replaced values are overwritten (secure_delete); private prekeys are sealed.
"""

# ruff: noqa: S608 - statements are put together from constants of this file only; values are always bound.

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ockam.encoding.cbor import Decoder
from ockam.enrollment.api_messages import EnrolleeRecord, read_attributes
from ockam.enrollment.attributes import encode_attributes, sorted_attributes
from ockam.enrollment.errors import QuotaPassed, RecordConflict
from ockam.enrollment.pending import (
    PAGE_SIZE,
    EventKind,
    State,
    pending_expiry,
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
from ockam.storage.sql import take_turns
from ockam.storage.sqlite import enrollment_rows as rows
from ockam.storage.sqlite import enrollment_upkeep as upkeep
from ockam.storage.sqlite.enrollment_events import add_event, detail, read_events
from ockam.storage.sqlite.sealed_column import SealedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ockam.enrollment.api_messages import ApprovalEntry, ListQuery, PatchRequest
    from ockam.enrollment.pending import IdentifierPrefix
    from ockam.enrollment.repository import Enrollment, IssuedBundle
    from ockam.storage.sql import Connection, SqlDatabase

__all__ = ["SqliteEnrollmentRepository"]


class SqliteEnrollmentRepository:
    """Implements `ockam.enrollment.repository.EnrollmentRepository`.

    Args:
        database: open, with the schema of this version.
        key: 32 secret bytes of the service's vault, under which private prekeys are sealed.
        random: the system's random source.
    """

    def __init__(self, database: SqlDatabase, key: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        self._database = database
        self._prekeys = SealedColumn(key, random)

    # ---- bundles ---------------------------------------------------------------------------------------------------

    async def bundles_of_request(self, owner: Identifier, request_id: bytes) -> tuple[bytes, ...] | None:
        """Return the signed bundles made for this request before, None if it is new."""
        return await self._database.read(lambda connection: rows.bundles_of_request(connection, owner, request_id))

    async def add_bundles(
        self, bundles: Sequence[IssuedBundle], owner: Identifier, request_id: bytes | None, quota: int | None, now: int
    ) -> tuple[bytes, ...]:
        """Store bundles and return the signed ones to hand out; raise `QuotaPassed`."""
        stored = [
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

        def store(connection: Connection) -> tuple[bytes, ...]:
            take_turns(connection, f"enroller {owner}")
            earlier = None if request_id is None else rows.bundles_of_request(connection, owner, request_id)
            if earlier is not None:
                return earlier
            if quota is not None:
                unused = "SELECT count(*) FROM enrollment_bundle WHERE owner = ? AND used = 0 AND expires_at > ?"
                if rows.count(connection, unused, (owner.value, now)) + len(stored) > quota:
                    raise QuotaPassed
            connection.executemany(
                """INSERT INTO enrollment_bundle (bundle_id, owner, request_id, position, signed, bundle_hash,
                    created_at, expires_at, history_changes, secrets) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                stored,
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

        def store(connection: Connection) -> tuple[EnrolleeRecord, ...]:
            take_turns(connection, f"enroller {added_by}")
            records = [rows.approve_entry(connection, entry, added_by, default_seconds, now) for entry in entries]
            if quota is not None:
                pending = f"SELECT count(*) FROM enrollee WHERE added_by = :owner AND {rows.STILL_PENDING}"
                if rows.count(connection, pending, {"owner": added_by.value, "now": now}) > quota:
                    raise QuotaPassed
            return tuple(records)

        return await self._database.run(store)

    async def find(self, prefix: IdentifierPrefix, viewer: Identifier | None, now: int) -> EnrolleeRecord:
        """Return the one record with this prefix; raise `RecordNotFound` or `AmbiguousIdentifier`."""
        return await self._database.read(lambda connection: rows.find_record(connection, prefix, viewer).as_of(now))

    async def list(self, query: ListQuery, viewer: Identifier | None, now: int) -> tuple[EnrolleeRecord, ...]:
        """Return one page of records, oldest first."""
        conditions, values = ["TRUE"], dict[str, Any](now=now, size=PAGE_SIZE, offset=query.page * PAGE_SIZE)
        if viewer is not None:
            conditions.append("added_by = :viewer")
            values["viewer"] = viewer.value
        if query.name is not None:
            # A range, so that the index is used; U+10FFFF is above every name that is allowed.
            conditions.append("pet_name >= :name AND pet_name < :above")
            values.update(name=query.name, above=query.name + "\U0010ffff")
        match query.state:
            case None:
                pass
            case State.PENDING:
                conditions.append(f"({rows.STILL_PENDING})")
            case State.EXPIRED:
                conditions.append("(state = 2 OR (state = 0 AND expires_at <= :now))")
            case state:
                conditions.append("state = :state")
                values["state"] = int(state)
        statement = (
            f"SELECT {rows.RECORD} FROM enrollee WHERE {' AND '.join(conditions)}"
            " ORDER BY created_at, id LIMIT :size OFFSET :offset"
        )
        return await self._database.read(
            lambda connection: tuple(rows.record_of(row).as_of(now) for row in connection.execute(statement, values))
        )

    async def update(
        self, prefix: IdentifierPrefix, viewer: Identifier | None, change: PatchRequest, actor: Identifier, now: int
    ) -> EnrolleeRecord:
        """Extend or relabel a pending record; raise as `find`, and `RecordConflict`."""

        def store(connection: Connection) -> EnrolleeRecord:
            record = rows.find_record(connection, prefix, viewer, to_change=True).as_of(now)
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
            updated = rows.record_of(rows.row_of(connection, record.id))
            add_event(connection, now, EventKind.APPROVED, record.id, actor, detail(updated.encode()))
            return updated

        return await self._database.run(store)

    async def remove(
        self, prefix: IdentifierPrefix, viewer: Identifier | None, actor: Identifier, now: int
    ) -> EnrolleeRecord:
        """Cancel a pending record or revoke an enrolled one; raise as `find`, and `RecordConflict`."""

        def store(connection: Connection) -> EnrolleeRecord:
            record = rows.find_record(connection, prefix, viewer, to_change=True).as_of(now)
            state = state_after_delete(record.state)
            if state is record.state:
                return record
            if state is State.CANCELLED:
                upkeep.cancel(connection, record.id, actor, now)
            else:
                upkeep.revoke(connection, record.id, actor, now)
                if record.identifier is not None:  # it may have been an enroller, by its credential
                    upkeep.remove_enroller(connection, record.identifier, actor, now)
            return rows.record_of(rows.row_of(connection, record.id))

        return await self._database.run(store)

    # ---- messages --------------------------------------------------------------------------------------------------

    async def lookup(self, bundle_id: bytes, enrollment_identifier: bytes, message_id: bytes) -> MessageLookup:
        """Return what is known of a message."""

        def read(connection: Connection) -> tuple[Any, Any, Any]:
            # The answer last: if another process enrolls the device in between, the answer is what counts.
            bundle = connection.execute(
                """SELECT bundle_id, owner, expires_at, used, bundle_hash, history_changes, secrets
                    FROM enrollment_bundle WHERE bundle_id = ?""",
                (bundle_id,),
            ).fetchone()
            enrollee = None if bundle is None else rows.row_of(connection, enrollment_identifier, f"{rows.RECORD}, eik")
            answer = connection.execute(
                "SELECT answer FROM enrollment_answer WHERE message_id = ?", (message_id,)
            ).fetchone()
            return answer, bundle, enrollee

        answer, bundle, enrollee = await self._database.read(read)
        return MessageLookup(
            None if bundle is None else self._stored_bundle(bundle),
            None if enrollee is None else StoredEnrollee(rows.record_of(enrollee[:-1]), enrollee[-1]),
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
            await self._database.run(lambda connection: rows.enroll_row(connection, enrollment, now))
        except rows.LostRace:
            return EnrollmentOutcome.LOST_RACE
        return EnrollmentOutcome.ENROLLED

    async def store_reject(
        self, enrollment_identifier: bytes, message_id: bytes, answer: bytes, reason: int, now: int
    ) -> bytes | None:
        """Store a reject and count it once; None when the record is no longer pending."""

        def store(connection: Connection) -> bytes | None:
            stored = connection.execute(
                "SELECT answer FROM enrollment_answer WHERE message_id = ?", (message_id,)
            ).fetchone()
            if stored is not None:
                return bytes(stored[0])
            row = connection.execute(
                f"SELECT rejects FROM enrollee WHERE id = :id AND {rows.STILL_PENDING}{rows.FOR_UPDATE}",
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
        statement = "INSERT INTO enroller VALUES (?, ?) ON CONFLICT DO NOTHING"
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
        found = await self._database.read(lambda connection: read_events(connection, after, count))
        return tuple(
            EnrollmentEvent(number, time, kind, enrollee, None if actor is None else Identifier(actor), hashed)
            for number, time, kind, enrollee, actor, hashed in found
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
