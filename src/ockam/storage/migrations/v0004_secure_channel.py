"""The table of persisted key-exchange-only channels; their keys are in `aead_secret`.

Names, columns and keys are the reference's final schema.

Source:
    reference ockam_node/src/storage/database/migrations/.
"""

from __future__ import annotations

from typing import Final

from ockam.storage.migrations.migration import Migration

MIGRATION: Final = Migration(
    version=4,
    name="secure_channel",
    statements=(
        # role: `initiator` or `responder`.
        """CREATE TABLE secure_channel (
            role TEXT NOT NULL,
            my_identifier TEXT NOT NULL,
            their_identifier TEXT NOT NULL,
            decryptor_remote_address TEXT PRIMARY KEY,
            decryptor_api_address TEXT NOT NULL,
            decryption_key_handle BLOB NOT NULL
        )""",
    ),
)
