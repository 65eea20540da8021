"""Identities, purpose keys, attributes and credentials in SQLite.

Reads go through memory and are written through on every change, so a peer that returns costs no query. What memory
holds is always a value whose commit is on the disk.

Source:
    reference ockam_identity/src/identities/storage/*_sql.rs, purpose_keys/storage/purpose_keys_repository_sql.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ockam.encoding.cbor import Decoder
from ockam.errors import OckamError
from ockam.identity.attributes import AttributesEntry, encode_attribute_map, read_attribute_map
from ockam.identity.change_history import ChangeHistory, Comparison, Identity, compare, compare_change_hashes
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.errors import ConsistencyError
from ockam.identity.identifier import Identifier
from ockam.identity.purpose_key import PurposeKeyAttestation
from ockam.identity.repository import Repositories
from ockam.identity.verification import verify_change_history
from ockam.storage.errors import DatabaseDamaged
from ockam.storage.sql import upsert
from ockam.storage.sqlite.named_identity import SqliteNamedIdentityRepository
from ockam.vault.software.cache import LruCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.identity.identifier import ChangeHash
    from ockam.identity.purpose_key import Purpose
    from ockam.storage.sql import Connection, SqlDatabase
    from ockam.vault.interfaces import VerifyingVault

__all__ = [
    "SqliteAttributesRepository",
    "SqliteChangeHistoryRepository",
    "SqliteCredentialRepository",
    "SqlitePurposeKeyRepository",
    "create_sqlite_repositories",
]

DEFAULT_NODE_NAME: Final = "default"
REMEMBERED_ROWS: Final = 4096
# SQLite's integers are signed: a time from 2^63 on, further away than the sun's end, is stored as the last one.
MAX_INTEGER: Final = 2**63 - 1

_STORE_IDENTITY: Final = upsert("identity", "identifier", "identifier", "change_history")
_STORE_PURPOSE_KEY: Final = upsert(
    "purpose_key", "identifier, purpose", "identifier", "purpose", "purpose_key_attestation"
)
_STORE_ATTRIBUTES: Final = upsert(
    "identity_attributes",
    "identifier, node_name",
    "identifier",
    "attributes",
    "added",
    "expires",
    "attested_by",
    "node_name",
)
# Reference: one row for all nodes, which takes the name of the node that stored it last. In PostgreSQL, where several
# nodes share a database, each has its own.
_STORE_CREDENTIAL: Final = upsert(
    "credential",
    "issuer_identifier, subject_identifier, scope /*pg , node_name */",
    "subject_identifier",
    "issuer_identifier",
    "scope",
    "credential",
    "expires_at",
    "node_name",
)


def create_sqlite_repositories(
    database: SqlDatabase, verifier: VerifyingVault, node_name: str = DEFAULT_NODE_NAME
) -> Repositories:
    """Return repositories over an open database.

    Args:
        database: where rows are.
        verifier: verifies stored change histories again when they are loaded.
        node_name: whose attributes and credentials these are.
    """
    attributes = SqliteAttributesRepository(database, node_name)
    return Repositories(
        SqliteChangeHistoryRepository(database, verifier, attributes),
        SqlitePurposeKeyRepository(database),
        attributes,
        SqliteCredentialRepository(database, node_name),
        SqliteNamedIdentityRepository(database),
    )


class SqliteAttributesRepository:
    """Table identity_attributes: one entry per subject and node."""

    def __init__(self, database: SqlDatabase, node_name: str) -> None:
        self._database = database
        self._node_name = node_name
        self._memory: LruCache[Identifier, AttributesEntry] = LruCache(REMEMBERED_ROWS)
        self._absent: LruCache[Identifier, bool] = LruCache(REMEMBERED_ROWS)

    async def put_attributes(self, subject: Identifier, entry: AttributesEntry) -> None:
        """Store an entry in place of the one before."""
        row = (
            str(subject),
            encode_attribute_map(entry.attributes),
            min(entry.added_at, MAX_INTEGER),
            None if entry.expires_at is None else min(entry.expires_at, MAX_INTEGER),
            None if entry.attested_by is None else str(entry.attested_by),
            self._node_name,
        )
        # The old entry must not be believed while the new one is on its way to the disk, nor after a failure.
        self._memory.forget(subject)
        await self._database.run(lambda connection: connection.execute(_STORE_ATTRIBUTES, row))
        self._absent.forget(subject)
        self._memory.keep(subject, entry)

    async def attributes(self, subject: Identifier, attested_by: Identifier) -> AttributesEntry | None:
        """Return the entry if it is from that authority; expired ones too.

        Raises:
            DatabaseDamaged: the row cannot be read.
        """
        entry = self._memory.find(subject)
        if entry is None and not self._absent.find(subject):
            entry = await self._load(subject)
        return entry if entry is not None and entry.attested_by == attested_by else None

    def remembered_attributes(self, subject: Identifier, attested_by: Identifier) -> AttributesEntry | None:
        """Return the entry if it is in memory and from that authority."""
        entry = self._memory.find(subject)
        return entry if entry is not None and entry.attested_by == attested_by else None

    async def delete_expired_attributes(self, now: int) -> None:
        """Delete every entry with expires_at ≤ `now` (seconds)."""
        self._memory.forget_where(lambda entry: entry.is_expired(now))
        await self._database.run(
            lambda connection: connection.execute(
                "DELETE FROM identity_attributes WHERE expires <= ? AND node_name = ?", (now, self._node_name)
            )
        )

    def forget(self, subject: Identifier) -> None:
        """Drop what memory holds about a subject; its row was deleted."""
        self._memory.forget(subject)

    async def _load(self, subject: Identifier) -> AttributesEntry | None:
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT attributes, added, expires, attested_by FROM identity_attributes"
                " WHERE identifier = ? AND node_name = ?",
                (str(subject), self._node_name),
            ).fetchone()
        )
        if row is None:
            self._absent.keep(subject, True)
            return None
        try:
            attested_by = None if row[3] is None else Identifier.parse(row[3])
            entry = AttributesEntry(read_attribute_map(Decoder(row[0])), row[1], row[2], attested_by)
        except OckamError as error:
            raise DatabaseDamaged(f"the stored attributes of {subject} are damaged") from error
        self._memory.keep(subject, entry)
        return entry


class SqliteChangeHistoryRepository:
    """Table identity: verified when stored, and again when loaded."""

    def __init__(self, database: SqlDatabase, verifier: VerifyingVault, attributes: SqliteAttributesRepository) -> None:
        self._database = database
        self._verifier = verifier
        self._attributes = attributes
        self._memory: LruCache[Identifier, Identity] = LruCache(REMEMBERED_ROWS)

    async def update_identity(self, identity: Identity, *, ignore_older: bool = False) -> None:
        """Store an identity that is unknown or newer than the one known, in one transaction; equal: do nothing.

        Raises:
            ConsistencyError: older than the one known (unless ignored), or in conflict with it.
        """
        known = self._memory.find(identity.identifier)
        relation = None if known is None else compare(identity, known)
        if relation is None or relation is Comparison.NEWER:
            hashes = [change.change_hash for change in identity.changes]
            history = identity.change_history.encoded.hex()
            # If this task is cancelled while the history is on its way to the disk, the next reader asks the disk.
            self._memory.forget(identity.identifier)
            relation = await self._database.run(
                lambda connection: _update_identity(connection, identity.identifier, hashes, history)
            )
            if relation is Comparison.NEWER:
                self._remember(identity)
        if relation is Comparison.CONFLICT or (relation is Comparison.OLDER and not ignore_older):
            raise ConsistencyError

    async def store_change_history(self, identity: Identity) -> None:
        """Store an identity without comparing it."""
        row = (str(identity.identifier), identity.change_history.encoded.hex())
        await self._database.run(lambda connection: connection.execute(_STORE_IDENTITY, row))
        self._memory.keep(identity.identifier, identity)

    async def change_history(self, identifier: Identifier) -> Identity | None:
        """Return the identity, None if it is not known.

        Raises:
            DatabaseDamaged: the stored history does not verify.
        """
        known = self._memory.find(identifier)
        if known is not None:
            return known
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT change_history FROM identity WHERE identifier = ?", (str(identifier),)
            ).fetchone()
        )
        if row is None:
            return None
        identity = self._verified(row[0], identifier)
        self._remember(identity)
        return identity

    async def change_histories(self) -> tuple[Identity, ...]:
        """Return all identities.

        Raises:
            DatabaseDamaged: a stored history does not verify.
        """
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT change_history FROM identity ORDER BY rowid").fetchall()
        )
        return tuple(self._verified(row[0], None) for row in rows)

    async def delete_change_history(self, identifier: Identifier) -> None:
        """Delete an identity, and the attributes known about it."""
        await self._database.run(lambda connection: _delete_identity(connection, identifier))
        self._memory.forget(identifier)
        self._attributes.forget(identifier)

    def _remember(self, identity: Identity) -> None:
        # Another task may have stored a longer history while this one waited.
        known = self._memory.find(identity.identifier)
        if known is None or compare(identity, known) is Comparison.NEWER:
            self._memory.keep(identity.identifier, identity)

    def _verified(self, text: str, identifier: Identifier | None) -> Identity:
        try:
            return verify_change_history(ChangeHistory.parse(text), self._verifier, identifier)
        except OckamError as error:
            raise DatabaseDamaged("a stored change history is damaged") from error


def _update_identity(
    connection: Connection, identifier: Identifier, hashes: Sequence[ChangeHash], history: str
) -> Comparison:
    row = connection.execute(
        "SELECT change_history FROM identity WHERE identifier = ? /*pg FOR UPDATE */", (str(identifier),)
    ).fetchone()
    relation = Comparison.NEWER
    if row is None:
        # Not the one that replaces: who meets a row that was stored meanwhile must compare with it.
        connection.execute(
            "INSERT INTO identity (identifier, change_history) VALUES (?, ?)", (str(identifier), history)
        )
    else:
        try:
            known = ChangeHistory.parse(row[0])
        except OckamError as error:
            raise DatabaseDamaged("a stored change history is damaged") from error
        relation = compare_change_hashes(hashes, known.change_hashes())
        if relation is Comparison.NEWER:
            connection.execute(
                "UPDATE identity SET change_history = ? WHERE identifier = ?", (history, str(identifier))
            )
    return relation


def _delete_identity(connection: Connection, identifier: Identifier) -> None:
    connection.execute("DELETE FROM identity WHERE identifier = ?", (str(identifier),))
    connection.execute("DELETE FROM identity_attributes WHERE identifier = ?", (str(identifier),))


class SqlitePurposeKeyRepository:
    """Table purpose_key: one attestation per identity and purpose. `Identities` keeps loaded ones."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def set_purpose_key(self, subject: Identifier, purpose: Purpose, attestation: PurposeKeyAttestation) -> None:
        """Store an attestation in place of the one before."""
        row = (str(subject), purpose.value, attestation.encode())
        await self._database.run(lambda connection: connection.execute(_STORE_PURPOSE_KEY, row))

    async def purpose_key(self, subject: Identifier, purpose: Purpose) -> PurposeKeyAttestation | None:
        """Return the attestation, None if there is none.

        Raises:
            DecodeError: the row holds no attestation.
        """
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT purpose_key_attestation FROM purpose_key WHERE identifier = ? AND purpose = ?",
                (str(subject), purpose.value),
            ).fetchone()
        )
        return None if row is None else PurposeKeyAttestation.decode(row[0])

    async def delete_purpose_key(self, subject: Identifier, purpose: Purpose) -> None:
        """Delete an attestation."""
        await self._database.run(
            lambda connection: connection.execute(
                "DELETE FROM purpose_key WHERE identifier = ? AND purpose = ?", (str(subject), purpose.value)
            )
        )


class SqliteCredentialRepository:
    """Table credential: by subject, issuer and scope."""

    def __init__(self, database: SqlDatabase, node_name: str) -> None:
        self._database = database
        self._node_name = node_name

    async def put_credential(
        self,
        subject: Identifier,
        issuer: Identifier,
        scope: str,
        expires_at: int | None,
        credential: CredentialAndPurposeKey,
    ) -> None:
        """Store a credential in place of the one before."""
        expires = None if expires_at is None else min(expires_at, MAX_INTEGER)
        row = (str(subject), str(issuer), scope, credential.encode(), expires, self._node_name)
        await self._database.run(lambda connection: connection.execute(_STORE_CREDENTIAL, row))

    async def credential(self, subject: Identifier, issuer: Identifier, scope: str) -> CredentialAndPurposeKey | None:
        """Return the credential, None if there is none.

        Raises:
            DecodeError: the row holds no credential.
        """
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT credential FROM credential"
                " WHERE subject_identifier = ? AND issuer_identifier = ? AND scope = ? AND node_name = ?",
                (str(subject), str(issuer), scope, self._node_name),
            ).fetchone()
        )
        return None if row is None else CredentialAndPurposeKey.decode(row[0])

    async def delete_credential(self, subject: Identifier, issuer: Identifier, scope: str) -> None:
        """Delete a credential."""
        await self._database.run(
            lambda connection: connection.execute(
                "DELETE FROM credential"
                " WHERE subject_identifier = ? AND issuer_identifier = ? AND scope = ? AND node_name = ?",
                (str(subject), str(issuer), scope, self._node_name),
            )
        )
