"""Tables of the Enrollment Service, and of enrollers and devices on their own disks."""

from __future__ import annotations

from typing import Final

from ockam.storage.migrations.migration import Migration

MIGRATION: Final = Migration(
    version=2,
    name="enrollment",
    statements=(
        # ---- the service -------------------------------------------------------------------------------------------
        # secrets: both private prekeys, sealed; NULL once used. position: place in its request.
        """CREATE TABLE enrollment_bundle (
            bundle_id BLOB PRIMARY KEY,
            owner BLOB NOT NULL,
            request_id BLOB,
            position INTEGER NOT NULL,
            signed BLOB NOT NULL,
            bundle_hash BLOB NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            history_changes INTEGER NOT NULL,
            used INTEGER NOT NULL DEFAULT 0,
            secrets BLOB
        )""",
        """CREATE UNIQUE INDEX enrollment_bundle_request ON enrollment_bundle (owner, request_id, position)
            WHERE request_id IS NOT NULL""",
        "CREATE INDEX enrollment_bundle_unused ON enrollment_bundle (owner, expires_at) WHERE used = 0",
        "CREATE INDEX enrollment_bundle_expiry ON enrollment_bundle (expires_at)",
        # id: SHA-256 of eik. eik: NULL once no longer pending. identifier: of enrolled and of revoked devices.
        # attributes: as the enroller gave them; member_attributes: as in the credential. Both CBOR maps of texts.
        """CREATE TABLE enrollee (
            id BLOB PRIMARY KEY,
            eik BLOB,
            pet_name TEXT,
            state INTEGER NOT NULL,
            added_by BLOB NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER,
            enrolled_at INTEGER,
            ended_at INTEGER,
            identifier BLOB UNIQUE,
            attributes BLOB NOT NULL,
            entry_hash BLOB NOT NULL,
            rejects INTEGER NOT NULL DEFAULT 0,
            relay_name TEXT UNIQUE,
            member_attributes BLOB,
            change_history BLOB
        )""",
        "CREATE INDEX enrollee_order ON enrollee (created_at, id)",
        "CREATE INDEX enrollee_owner ON enrollee (added_by, created_at, id)",
        "CREATE INDEX enrollee_pending ON enrollee (added_by, expires_at) WHERE state = 0",
        "CREATE INDEX enrollee_name ON enrollee (pet_name)",
        "CREATE INDEX enrollee_expiry ON enrollee (expires_at) WHERE state = 0",
        "CREATE INDEX enrollee_ended ON enrollee (ended_at) WHERE ended_at IS NOT NULL",
        """CREATE TABLE enrollment_answer (
            message_id BLOB PRIMARY KEY,
            enrollee BLOB NOT NULL,
            answer BLOB NOT NULL,
            accepted INTEGER NOT NULL,
            created_at INTEGER NOT NULL
        )""",
        "CREATE INDEX enrollment_answer_enrollee ON enrollment_answer (enrollee)",
        "CREATE INDEX enrollment_answer_age ON enrollment_answer (created_at)",
        "CREATE TABLE enroller (identifier BLOB PRIMARY KEY, added_at INTEGER NOT NULL)",
        # sealed_index: place in the audit log, given by the sealer.
        """CREATE TABLE enrollment_event (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            time INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            enrollee BLOB,
            actor BLOB,
            detail_hash BLOB NOT NULL,
            sealed_index INTEGER UNIQUE
        )""",
        # ---- an enroller -------------------------------------------------------------------------------------------
        "CREATE TABLE enroller_service (one INTEGER PRIMARY KEY CHECK (one = 1), identifier BLOB NOT NULL)",
        """CREATE TABLE enroller_bundle (
            bundle_id BLOB PRIMARY KEY,
            service BLOB NOT NULL,
            signed BLOB NOT NULL,
            expires_at INTEGER NOT NULL,
            received_at INTEGER NOT NULL,
            handed_to BLOB UNIQUE,
            handed_at INTEGER
        )""",
        "CREATE INDEX enroller_bundle_usable ON enroller_bundle (expires_at) WHERE handed_at IS NULL",
        """CREATE TABLE enroller_offer (
            position INTEGER PRIMARY KEY AUTOINCREMENT,
            id BLOB NOT NULL UNIQUE,
            entry BLOB NOT NULL,
            queued_at INTEGER NOT NULL,
            state INTEGER NOT NULL,
            reason TEXT
        )""",
        # ---- a device ----------------------------------------------------------------------------------------------
        # state: sealed, replaced as a whole.
        "CREATE TABLE enrollee_device (name TEXT PRIMARY KEY, state BLOB NOT NULL)",
    ),
)
