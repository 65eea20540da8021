"""What an enroller and a device keep on their own disks, in SQLite."""

# ruff: noqa: S608 - statements are put together from constants of this file only; values are always bound.

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ockam.encoding.cbor import Decoder
from ockam.enrollment.api_messages import ApprovalEntry
from ockam.enrollment.enroller import MIN_LIFE_SECONDS, CachedBundle, OfferState, QueuedOffer
from ockam.identity.identifier import Identifier
from ockam.storage.sql import take_turns, upsert
from ockam.storage.sqlite.sealed_column import SealedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ockam.storage.sql import Connection, SqlDatabase

__all__ = ["SqliteDeviceStateRepository", "SqliteEnrollerRepository"]

_STORE_SERVICE: Final = upsert("enroller_service", "one", "one", "identifier")
_STORE_DEVICE: Final = upsert("enrollee_device", "name", "name", "state")
_BUNDLE: Final = "bundle_id, service, signed, expires_at, received_at, handed_to, handed_at"
DEFAULT_DEVICE_NAME: Final = "default"


class SqliteEnrollerRepository:
    """Implements `ockam.enrollment.enroller.EnrollerRepository`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def pinned_service(self) -> Identifier | None:
        """Return the service whose bundles are accepted, None before first use."""
        row = await self._database.read(
            lambda connection: connection.execute("SELECT identifier FROM enroller_service").fetchone()
        )
        return None if row is None else Identifier(row[0])

    async def pin_service(self, service: Identifier) -> None:
        """Store it."""
        await self._execute(_STORE_SERVICE, (1, service.value))

    async def add_bundles(self, bundles: Sequence[CachedBundle]) -> int:
        """Store bundles that are new; return how many."""
        rows = [
            (b.bundle_id, b.service.value, b.signed, b.expires_at, b.received_at, b.handed_to, b.handed_at)
            for b in bundles
        ]
        statement = "INSERT INTO enroller_bundle VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return await self._database.run(lambda connection: connection.executemany(statement, rows).rowcount)

    async def take_bundle(self, enrollment_identifier: bytes, now: int) -> CachedBundle | None:
        """Mark one usable bundle as handed out and return it; the same device gets the same again."""

        def take(connection: Connection) -> CachedBundle | None:
            take_turns(connection, f"bundle of {enrollment_identifier.hex()}")
            row = connection.execute(
                f"SELECT {_BUNDLE} FROM enroller_bundle WHERE handed_to = ? AND expires_at > ?",
                (enrollment_identifier, now),
            ).fetchone()
            if row is not None:
                return _bundle(row)
            row = connection.execute(
                f"""SELECT {_BUNDLE} FROM enroller_bundle WHERE handed_at IS NULL AND expires_at > ?
                    ORDER BY expires_at LIMIT 1 /*pg FOR UPDATE SKIP LOCKED */""",
                (now + MIN_LIFE_SECONDS,),
            ).fetchone()
            if row is None:
                return None
            bundle = _bundle(row).hand_to(enrollment_identifier, now)
            # An expired bundle that this device had before gives up its claim.
            connection.execute(
                "UPDATE enroller_bundle SET handed_to = NULL WHERE handed_to = ?", (enrollment_identifier,)
            )
            connection.execute(
                "UPDATE enroller_bundle SET handed_to = ?, handed_at = ? WHERE bundle_id = ?",
                (bundle.handed_to, bundle.handed_at, bundle.bundle_id),
            )
            return bundle

        return await self._database.run(take)

    async def bundles(self) -> tuple[CachedBundle, ...]:
        """Return all bundles, soonest expiry first."""
        return await self._database.read(
            lambda connection: tuple(
                _bundle(row) for row in connection.execute(f"SELECT {_BUNDLE} FROM enroller_bundle ORDER BY expires_at")
            )
        )

    async def delete_expired_bundles(self, now: int) -> int:
        """Delete bundles that no device can use; return how many."""
        return await self._execute("DELETE FROM enroller_bundle WHERE expires_at <= ?", (now,))

    async def queue_offer(self, offer: QueuedOffer) -> None:
        """Store an offer; one with the same enrollment key is replaced unless the service took it already."""
        await self._execute(
            """INSERT INTO enroller_offer (id, entry, queued_at, state, reason) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET entry = excluded.entry, queued_at = excluded.queued_at,
                state = excluded.state, reason = excluded.reason WHERE enroller_offer.state <> 1""",
            (offer.enrollment_identifier, offer.entry.encode(), offer.queued_at, int(offer.state), offer.reason),
        )

    async def update_offer(self, offer: QueuedOffer) -> None:
        """Store what became of an offer."""
        await self._execute(
            "UPDATE enroller_offer SET state = ?, reason = ? WHERE id = ?",
            (int(offer.state), offer.reason, offer.enrollment_identifier),
        )

    async def offers(self, state: OfferState | None = None) -> tuple[QueuedOffer, ...]:
        """Return offers in the order of queueing."""
        condition, values = ("", ()) if state is None else (" WHERE state = ?", (int(state),))
        statement = f"SELECT entry, queued_at, state, reason FROM enroller_offer{condition} ORDER BY position"
        rows = await self._database.read(lambda connection: connection.execute(statement, values).fetchall())
        return tuple(
            QueuedOffer(ApprovalEntry.read(Decoder(entry)), queued_at, OfferState(number), reason)
            for entry, queued_at, number, reason in rows
        )

    async def _execute(self, statement: str, values: tuple[Any, ...]) -> int:
        return await self._database.run(lambda connection: connection.execute(statement, values).rowcount)


class SqliteDeviceStateRepository:
    """Implements `ockam.enrollment.enroller.DeviceStateRepository`.

    Args:
        database: open, with the schema of this version.
        key: 32 secret bytes of the device's vault, under which the state is sealed.
        random: the system's random source.
        name: of this device, where one home holds several.
    """

    def __init__(
        self,
        database: SqlDatabase,
        key: bytes,
        random: Callable[[int], bytes] = os.urandom,
        name: str = DEFAULT_DEVICE_NAME,
    ) -> None:
        self._database = database
        self._column = SealedColumn(key, random)
        self._name = name
        self._place = b"enrollee_device " + name.encode()

    async def state(self) -> bytes | None:
        """Return the stored state, None at first contact."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT state FROM enrollee_device WHERE name = ?", (self._name,)
            ).fetchone()
        )
        return None if row is None else self._column.open(self._place, row[0])

    async def store_state(self, state: bytes) -> None:
        """Replace the state durably."""
        sealed = self._column.seal(self._place, state)
        await self._execute(_STORE_DEVICE, (self._name, sealed))

    async def delete_state(self) -> None:
        """Forget the state."""
        await self._execute("DELETE FROM enrollee_device WHERE name = ?", (self._name,))

    async def _execute(self, statement: str, values: tuple[Any, ...]) -> None:
        await self._database.run(lambda connection: connection.execute(statement, values).rowcount)


def _bundle(row: tuple[Any, ...]) -> CachedBundle:
    bundle_id, service, signed, expires_at, received_at, handed_to, handed_at = row
    return CachedBundle(bundle_id, Identifier(service), signed, expires_at, received_at, handed_to, handed_at)
