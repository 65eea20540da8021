"""Everything in memory; gone with the process."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ockam.errors import AlreadyExists, NotFound
from ockam.identity.change_history import Comparison, Identity, compare
from ockam.identity.errors import ConsistencyError
from ockam.identity.repository import NamedIdentity, Repositories
from ockam.vault.software.secrets import MemorySecretsRepository

if TYPE_CHECKING:
    from ockam.identity.attributes import AttributesEntry
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier
    from ockam.identity.purpose_key import Purpose, PurposeKeyAttestation

__all__ = [
    "MemoryAttributesRepository",
    "MemoryChangeHistoryRepository",
    "MemoryCredentialRepository",
    "MemoryNamedIdentityRepository",
    "MemoryPurposeKeyRepository",
    "MemorySecretsRepository",
    "create_memory_repositories",
]


def create_memory_repositories() -> Repositories:
    """Return empty repositories."""
    attributes = MemoryAttributesRepository()
    return Repositories(
        MemoryChangeHistoryRepository(attributes),
        MemoryPurposeKeyRepository(),
        attributes,
        MemoryCredentialRepository(),
        MemoryNamedIdentityRepository(),
    )


class MemoryAttributesRepository:
    """One entry per subject."""

    def __init__(self) -> None:
        self._entries: dict[Identifier, AttributesEntry] = {}

    async def put_attributes(self, subject: Identifier, entry: AttributesEntry) -> None:
        """Store an entry in place of the one before."""
        self._entries[subject] = entry

    async def attributes(self, subject: Identifier, attested_by: Identifier) -> AttributesEntry | None:
        """Return the entry if it is from that authority; expired ones too."""
        return self.remembered_attributes(subject, attested_by)

    def remembered_attributes(self, subject: Identifier, attested_by: Identifier) -> AttributesEntry | None:
        """Return the entry if it is from that authority; expired ones too."""
        entry = self._entries.get(subject)
        return entry if entry is not None and entry.attested_by == attested_by else None

    async def delete_expired_attributes(self, now: int) -> None:
        """Delete every entry with expires_at ≤ `now` (seconds)."""
        for subject in [subject for subject, entry in self._entries.items() if entry.is_expired(now)]:
            del self._entries[subject]

    def delete_attributes(self, subject: Identifier) -> None:
        """Delete the entry of a subject, if there is one."""
        self._entries.pop(subject, None)


class MemoryChangeHistoryRepository:
    """Verified identities by identifier."""

    def __init__(self, attributes: MemoryAttributesRepository) -> None:
        self._identities: dict[Identifier, Identity] = {}
        self._attributes = attributes

    async def update_identity(self, identity: Identity, *, ignore_older: bool = False) -> None:
        """Store an identity that is unknown or newer than the one known; equal: do nothing.

        Raises:
            ConsistencyError: older than the one known (unless ignored), or in conflict with it.
        """
        known = self._identities.get(identity.identifier)
        relation = Comparison.NEWER if known is None else compare(identity, known)
        if relation is Comparison.NEWER:
            self._identities[identity.identifier] = identity
        elif relation is Comparison.CONFLICT or (relation is Comparison.OLDER and not ignore_older):
            raise ConsistencyError

    async def store_change_history(self, identity: Identity) -> None:
        """Store an identity without comparing it."""
        self._identities[identity.identifier] = identity

    async def change_history(self, identifier: Identifier) -> Identity | None:
        """Return the identity, None if it is not known."""
        return self._identities.get(identifier)

    async def change_histories(self) -> tuple[Identity, ...]:
        """Return all identities."""
        return tuple(self._identities.values())

    async def delete_change_history(self, identifier: Identifier) -> None:
        """Delete an identity, and the attributes known about it."""
        self._identities.pop(identifier, None)
        self._attributes.delete_attributes(identifier)


class MemoryPurposeKeyRepository:
    """One attestation per identity and purpose."""

    def __init__(self) -> None:
        self._attestations: dict[tuple[Identifier, Purpose], PurposeKeyAttestation] = {}

    async def set_purpose_key(self, subject: Identifier, purpose: Purpose, attestation: PurposeKeyAttestation) -> None:
        """Store an attestation in place of the one before."""
        self._attestations[subject, purpose] = attestation

    async def purpose_key(self, subject: Identifier, purpose: Purpose) -> PurposeKeyAttestation | None:
        """Return the attestation, None if there is none."""
        return self._attestations.get((subject, purpose))

    async def delete_purpose_key(self, subject: Identifier, purpose: Purpose) -> None:
        """Delete an attestation."""
        self._attestations.pop((subject, purpose), None)


class MemoryCredentialRepository:
    """Credentials we hold."""

    def __init__(self) -> None:
        self._credentials: dict[tuple[Identifier, Identifier, str], CredentialAndPurposeKey] = {}

    async def put_credential(
        self,
        subject: Identifier,
        issuer: Identifier,
        scope: str,
        expires_at: int | None,
        credential: CredentialAndPurposeKey,
    ) -> None:
        """Store a credential in place of the one before."""
        del expires_at  # only a column of the database
        self._credentials[subject, issuer, scope] = credential

    async def credential(self, subject: Identifier, issuer: Identifier, scope: str) -> CredentialAndPurposeKey | None:
        """Return the credential, None if there is none."""
        return self._credentials.get((subject, issuer, scope))

    async def delete_credential(self, subject: Identifier, issuer: Identifier, scope: str) -> None:
        """Delete a credential."""
        self._credentials.pop((subject, issuer, scope), None)


class MemoryNamedIdentityRepository:
    """Names of own identities."""

    def __init__(self) -> None:
        self._named: dict[str, NamedIdentity] = {}

    async def store_named_identity(self, named: NamedIdentity) -> None:
        """Store a name; a default one takes that mark from the others.

        Raises:
            AlreadyExists: the name or the identifier is taken.
        """
        if named.name in self._named or await self.name_of(named.identifier) is not None:
            raise AlreadyExists(f"the name {named.name!r} or its identity is taken")
        self._named[named.name] = named
        if named.is_default:
            await self.set_default_named_identity(named.name)

    async def named_identity(self, name: str) -> NamedIdentity | None:
        """Return the identity of that name, None if there is none."""
        return self._named.get(name)

    async def name_of(self, identifier: Identifier) -> NamedIdentity | None:
        """Return the named identity with that identifier, None if there is none."""
        return next((named for named in self._named.values() if named.identifier == identifier), None)

    async def default_named_identity(self) -> NamedIdentity | None:
        """Return the default identity, None if there is none."""
        return next((named for named in self._named.values() if named.is_default), None)

    async def named_identities(self) -> tuple[NamedIdentity, ...]:
        """Return all named identities, by name."""
        return tuple(named for _, named in sorted(self._named.items()))

    async def set_default_named_identity(self, name: str) -> None:
        """Make an identity the only default one.

        Raises:
            NotFound: no such name.
        """
        if name not in self._named:
            raise NotFound(f"no identity is named {name!r}")
        for other, named in self._named.items():
            self._named[other] = dataclasses.replace(named, is_default=other == name)

    async def delete_named_identity(self, name: str) -> bool:
        """Delete a name; True if there was one."""
        return self._named.pop(name, None) is not None
