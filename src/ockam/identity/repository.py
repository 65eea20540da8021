"""What identities need stored, as interfaces; `ockam.storage` implements them.

Source:
    reference ockam_identity/src/identities/storage/, purpose_keys/storage/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ockam.identity.attributes import AttributesEntry
    from ockam.identity.change_history import Identity
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier
    from ockam.identity.purpose_key import Purpose, PurposeKeyAttestation


class ChangeHistoryRepository(Protocol):
    """Verified identities, own and foreign."""

    async def update_identity(self, identity: Identity, *, ignore_older: bool = False) -> None:
        """Store an identity that is unknown or newer than the one known, in one transaction; equal: do nothing.

        Args:
            identity: as presented.
            ignore_older: do nothing for an older history, instead of raising.

        Raises:
            ConsistencyError: the presented history is older than the known one, or conflicts with it.
        """

    async def store_change_history(self, identity: Identity) -> None:
        """Store an identity without comparing it."""

    async def change_history(self, identifier: Identifier) -> Identity | None:
        """Return the identity, None if it is not known."""

    async def change_histories(self) -> tuple[Identity, ...]:
        """Return all identities."""

    async def delete_change_history(self, identifier: Identifier) -> None:
        """Delete an identity, and the attributes known about it."""


class PurposeKeyRepository(Protocol):
    """One attestation per identity and purpose."""

    async def set_purpose_key(self, subject: Identifier, purpose: Purpose, attestation: PurposeKeyAttestation) -> None:
        """Store an attestation in place of the one before."""

    async def purpose_key(self, subject: Identifier, purpose: Purpose) -> PurposeKeyAttestation | None:
        """Return the attestation, None if there is none."""

    async def delete_purpose_key(self, subject: Identifier, purpose: Purpose) -> None:
        """Delete an attestation."""


class AttributesRepository(Protocol):
    """One entry per subject: the attributes of the last authority replace those of another."""

    async def put_attributes(self, subject: Identifier, entry: AttributesEntry) -> None:
        """Store an entry in place of the one before."""

    async def attributes(self, subject: Identifier, attested_by: Identifier) -> AttributesEntry | None:
        """Return the entry if it is from that authority; expired ones too."""

    def remembered_attributes(self, subject: Identifier, attested_by: Identifier) -> AttributesEntry | None:
        """Return the entry if it is in memory; None says nothing, ask `attributes` then."""

    async def delete_expired_attributes(self, now: int) -> None:
        """Delete every entry with expires_at ≤ `now` (seconds)."""


class CredentialRepository(Protocol):
    """Credentials we hold, by subject, issuer and scope (free text)."""

    async def put_credential(
        self,
        subject: Identifier,
        issuer: Identifier,
        scope: str,
        expires_at: int | None,
        credential: CredentialAndPurposeKey,
    ) -> None:
        """Store a credential in place of the one before."""

    async def credential(self, subject: Identifier, issuer: Identifier, scope: str) -> CredentialAndPurposeKey | None:
        """Return the credential, None if there is none."""

    async def delete_credential(self, subject: Identifier, issuer: Identifier, scope: str) -> None:
        """Delete a credential."""


@dataclass(frozen=True, slots=True)
class NamedIdentity:
    """An own identity and the name it has here."""

    name: str
    identifier: Identifier
    vault_name: str = "default"
    is_default: bool = False


def can_be_name(text: str) -> bool:
    """Tell whether every storage can keep this text: no NUL (PostgreSQL), no half of a surrogate pair (not UTF-8)."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


class NamedIdentityRepository(Protocol):
    """Names of own identities; both names and identifiers are unique."""

    async def store_named_identity(self, named: NamedIdentity) -> None:
        """Store a name; a default one takes that mark from the others.

        Raises:
            AlreadyExists: the name or the identifier is taken.
        """

    async def named_identity(self, name: str) -> NamedIdentity | None:
        """Return the identity of that name, None if there is none."""

    async def name_of(self, identifier: Identifier) -> NamedIdentity | None:
        """Return the named identity with that identifier, None if there is none."""

    async def default_named_identity(self) -> NamedIdentity | None:
        """Return the default identity, None if there is none."""

    async def named_identities(self) -> tuple[NamedIdentity, ...]:
        """Return all named identities, by name."""

    async def set_default_named_identity(self, name: str) -> None:
        """Make an identity the only default one.

        Raises:
            NotFound: no such name.
        """

    async def delete_named_identity(self, name: str) -> bool:
        """Delete a name; True if there was one. The identity's history stays."""


@dataclass(frozen=True, slots=True)
class Repositories:
    """All that identities need stored."""

    change_histories: ChangeHistoryRepository
    purpose_keys: PurposeKeyRepository
    attributes: AttributesRepository
    credentials: CredentialRepository
    named_identities: NamedIdentityRepository
