"""Tables of identities, attributes, credentials, purpose keys and secrets.

Names, columns and keys are the reference's final schema.

Source:
    reference ockam_node/src/storage/database/migrations/.
"""

from __future__ import annotations

from typing import Final

from ockam.storage.migrations.migration import Migration

MIGRATION: Final = Migration(
    version=1,
    name="identity_and_vault",
    statements=(
        # Own and foreign identities; the history as hexadecimal text.
        "CREATE TABLE identity (identifier TEXT NOT NULL UNIQUE, change_history TEXT NOT NULL)",
        # Own identities.
        """CREATE TABLE named_identity (
            identifier TEXT NOT NULL UNIQUE,
            name TEXT UNIQUE,
            vault_name TEXT,
            is_default INTEGER DEFAULT 0
        )""",
        """CREATE TABLE identity_attributes (
            identifier TEXT NOT NULL,
            attributes BLOB NOT NULL,
            added INTEGER NOT NULL,
            expires INTEGER,
            attested_by TEXT,
            node_name TEXT NOT NULL DEFAULT 'default'
        )""",
        "CREATE UNIQUE INDEX identity_attributes_index ON identity_attributes (identifier, node_name)",
        """CREATE TABLE credential (
            subject_identifier TEXT NOT NULL,
            issuer_identifier TEXT NOT NULL,
            scope TEXT NOT NULL,
            credential BLOB NOT NULL,
            expires_at INTEGER,
            node_name TEXT NOT NULL DEFAULT 'default'
        )""",
        "CREATE UNIQUE INDEX credential_index ON credential (issuer_identifier, subject_identifier, scope)",
        """CREATE TABLE purpose_key (
            identifier TEXT NOT NULL,
            purpose TEXT NOT NULL,
            purpose_key_attestation BLOB NOT NULL
        )""",
        "CREATE UNIQUE INDEX purpose_key_index ON purpose_key (identifier, purpose)",
        "CREATE TABLE vault (name TEXT PRIMARY KEY, path TEXT, is_default INTEGER, is_kms INTEGER)",
        "CREATE TABLE signing_secret (handle BLOB PRIMARY KEY, secret_type TEXT NOT NULL, secret BLOB NOT NULL)",
        "CREATE TABLE x25519_secret (handle BLOB PRIMARY KEY, secret BLOB NOT NULL)",
        "CREATE TABLE aead_secret (handle BLOB PRIMARY KEY, type TEXT NOT NULL, secret BLOB NOT NULL)",
    ),
)
