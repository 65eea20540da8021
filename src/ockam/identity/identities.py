"""Everything one does with identities, over a vault, a store and a clock.

`Identities` decides nothing itself: what is made is in `issuing`, what is checked in `verification`; here the pieces
are put together with what is stored.

Source:
    reference ockam_identity/src/identities/, purpose_keys/purpose_key_creation.rs, credentials/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.errors import AlreadyExists, Misuse, Origin
from ockam.identity import issuing, verification
from ockam.identity.attributes import PROJECT_MEMBER_SCHEMA, Attributes, AttributesEntry
from ockam.identity.change_history import ChangeHistory, Comparison, Identity, compare
from ockam.identity.credential import CredentialData
from ockam.identity.errors import (
    CredentialOutlivesAttestation,
    IdentityNotFound,
    PurposeKeyAttestationVerificationFailed,
    WrongSecretKey,
)
from ockam.identity.identifier import Identifier
from ockam.identity.own_purpose_key import OwnPurposeKeys
from ockam.identity.repository import NamedIdentity, can_be_name
from ockam.identity.timestamp import IDENTITY_TTL_SECONDS, end_of
from ockam.vault.interfaces import SigningKeyType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.purpose_key import (
        CredentialPurposeKey,
        PurposeKeyAttestation,
        PurposeKeyAttestationData,
        SecureChannelPurposeKey,
    )
    from ockam.identity.repository import Repositories
    from ockam.identity.verification import VerifiedCredential
    from ockam.vault.interfaces import SigningKeyHandle, Vault


class Identities:
    """Own and foreign identities.

    Args:
        vault: holds our secrets and verifies signatures.
        repositories: what is known.
        now: the clock, whole seconds since 1970.
    """

    def __init__(self, vault: Vault, repositories: Repositories, now: Callable[[], int]) -> None:
        self.vault = vault
        self.repositories = repositories
        self.now = now
        self._own_keys = OwnPurposeKeys(vault, repositories.purpose_keys, now)

    # --- identities -------------------------------------------------------------------------------------------------

    async def create_identity(
        self,
        name: str | None = None,
        key_type: SigningKeyType = SigningKeyType.ED25519,
        attestations_valid_from: int | None = None,
        ttl_seconds: int = IDENTITY_TTL_SECONDS,
    ) -> Identifier:
        """Make a new identity with a random key, and store it.

        Args:
            name: what to call it here; None: nothing.
            key_type: kind of its primary key.
            attestations_valid_from: when its attestations begin, in seconds; None: now.
            ttl_seconds: how long after that they may last.

        Raises:
            AlreadyExists: the name is taken.
            Misuse: the name is not text that can be stored: it has a NUL, or bytes that were not UTF-8.
            InvalidTimeToLive: ttl_seconds is not positive.
        """
        if name is not None and not can_be_name(name):
            raise Misuse(f"{name!r} is no name: it has a NUL, or is not UTF-8", origin=Origin.IDENTITY)
        if name is not None and await self.repositories.named_identities.named_identity(name) is not None:
            raise AlreadyExists(f"an identity named {name!r} exists already")
        valid_from = self.now() if attestations_valid_from is None else attestations_valid_from
        valid_until = end_of(valid_from, ttl_seconds)
        key = await self.vault.identity.generate_signing_key(key_type)
        identity = await issuing.issue_first_change(
            key, valid_from, valid_until, self.vault.identity, self.vault.verifying
        )
        await self.repositories.change_histories.update_identity(identity)
        if name is not None:
            await self.repositories.named_identities.store_named_identity(NamedIdentity(name, identity.identifier))
        return identity.identifier

    async def rotate_identity(
        self,
        identifier: Identifier,
        key_type: SigningKeyType = SigningKeyType.ED25519,
        ttl_seconds: int = IDENTITY_TTL_SECONDS,
        *,
        revoke_all_purpose_keys: bool = False,
    ) -> Identity:
        """Give an own identity a new primary key, store the longer history, delete the old key.

        Purpose keys are attested anew when they are next used. Peers that hold the old history refuse the new
        attestations until they see the new one.

        Raises:
            IdentityNotFound: not known here.
            KeyNotFound: not an own identity.
            InvalidTimeToLive: ttl_seconds is not positive.
        """
        identity = await self.identity(identifier)
        signer = self.vault.identity
        old_key = await signer.handle_of(identity.latest_public_key)
        await signer.public_key(old_key)  # raises KeyNotFound before a new key is made
        # A clock that went back must not make a history nobody accepts.
        valid_from = max(self.now(), identity.latest_change.data.attestations_valid_from)
        valid_until = end_of(valid_from, ttl_seconds)
        new_key = await signer.generate_signing_key(key_type)
        rotated = await issuing.issue_rotation(
            identity,
            old_key,
            new_key,
            valid_from,
            valid_until,
            signer,
            self.vault.verifying,
            revoke_all_purpose_keys=revoke_all_purpose_keys,
        )
        # Reference: deletes the old secret before the new history is stored. We store first: whatever happens between
        # the two, there is a history and the key to it.
        await self.repositories.change_histories.update_identity(rotated)
        await signer.delete_signing_key(old_key)
        return rotated

    async def import_identity(
        self, change_history: bytes, expected: Identifier | None = None, ignore_older: bool = False
    ) -> Identifier:
        """Verify a change history that was handed over as a whole, and store it. Takes unauthenticated bytes.

        Args:
            change_history: the encoding, to its last byte.
            expected: if given, the identity it must prove.
            ignore_older: accept a history older than the one known, without storing it.

        Raises:
            DecodeError: not a change history, or bytes follow it.
            ConsistencyError: older than the history known, or in conflict with it.
            IdentityError, VaultError: it does not verify.
        """
        # Reference: ignores bytes after the history, so a changed count makes an older history of the same identity.
        history = ChangeHistory.decode_exactly(change_history)
        return (await self.import_change_history(history, expected, ignore_older=ignore_older)).identifier

    async def import_change_history(
        self, history: ChangeHistory, expected: Identifier | None = None, *, ignore_older: bool = False
    ) -> Identity:
        """Verify a decoded, unauthenticated change history as it comes in a handshake, and store it.

        Raises:
            ConsistencyError: older than the history known, or in conflict with it.
            IdentityError, VaultError, DecodeError: it does not verify.
        """
        known = await self._known(history)
        if known is not None and expected in (None, known.identifier):
            return known
        identity = verification.verify_change_history(history, self.vault.verifying, expected)
        await self.repositories.change_histories.update_identity(identity, ignore_older=ignore_older)
        return identity

    async def import_private_identity(
        self, change_history: bytes, key: SigningKeyHandle, expected: Identifier | None = None
    ) -> Identifier:
        """Import an identity whose primary key is already in the identity vault. Takes unauthenticated bytes.

        Raises:
            WrongSecretKey: `key` is not the key of its latest change; the history is stored all the same.
            KeyNotFound: the vault has no such key.
            DecodeError, ConsistencyError, IdentityError, VaultError: as for `import_identity`.
        """
        identifier = await self.import_identity(change_history, expected)
        identity = await self.identity(identifier)
        if await self.vault.identity.public_key(key) != identity.latest_public_key:
            raise WrongSecretKey
        return identifier

    async def identity(self, identifier: Identifier) -> Identity:
        """Return a known identity.

        Raises:
            IdentityNotFound: not known here.
        """
        identity = await self.repositories.change_histories.change_history(identifier)
        if identity is None:
            raise IdentityNotFound(f"the identity {identifier} is not known here: import its change history first")
        return identity

    async def export_identity(self, identifier: Identifier) -> bytes:
        """Return the encoded change history of a known identity.

        Raises:
            IdentityNotFound: not known here.
        """
        return (await self.identity(identifier)).export()

    async def compare_identity(self, change_history: bytes) -> Comparison:
        """Verify a change history, and return how it relates to the one known. Takes unauthenticated bytes.

        Raises:
            IdentityNotFound: nothing is known of that identity.
            DecodeError, IdentityError, VaultError: it does not verify.
        """
        history = ChangeHistory.decode_exactly(change_history)
        presented = verification.verify_change_history(history, self.vault.verifying)
        return compare(presented, await self.identity(presented.identifier))

    async def _known(self, history: ChangeHistory) -> Identity | None:
        # A history equal to a stored one was verified before it was stored, and verifying is a pure function.
        if not history.changes:
            return None
        identifier = Identifier(self.vault.verifying.sha256(history.changes[0].data))
        known = await self.repositories.change_histories.change_history(identifier)
        return known if known is not None and known.change_history == history else None

    # --- purpose keys -----------------------------------------------------------------------------------------------

    async def secure_channel_purpose_key(self, identifier: Identifier) -> SecureChannelPurposeKey:
        """Return an own identity's static key, loaded; make, attest and store one if there is no valid one.

        The same object is returned until a rotation or the attestation's end.

        Raises:
            IdentityNotFound: not known here.
            KeyNotFound: not an own identity.
            AttestationOutsideKeyWindow: its primary key cannot attest now.
        """
        return await self._own_keys.secure_channel(await self.identity(identifier))

    async def credential_purpose_key(self, identifier: Identifier) -> CredentialPurposeKey:
        """Return an own identity's credential key; make, attest and store one if there is no valid one.

        Raises:
            IdentityNotFound: not known here.
            KeyNotFound: not an own identity.
            AttestationOutsideKeyWindow: its primary key cannot attest now.
        """
        return await self._own_keys.credential(await self.identity(identifier))

    async def verify_purpose_key_attestation(
        self, attestation: PurposeKeyAttestation, subject: Identifier | None
    ) -> PurposeKeyAttestationData:
        """Return what an unauthenticated attestation says, once it holds.

        Args:
            attestation: as received.
            subject: if given, whose it must be.

        Raises:
            IdentityNotFound: the subject's change history is not known here.
            IdentityError, VaultError, DecodeError: it does not hold.
        """
        data = verification.read_attestation_data(attestation)
        if subject is not None and data.subject != subject:
            raise PurposeKeyAttestationVerificationFailed
        identity = await self.identity(data.subject)
        return verification.verify_purpose_key_attestation(
            attestation, identity, self.now(), self.vault.verifying, subject
        )

    # --- credentials ------------------------------------------------------------------------------------------------

    async def issue_credential(
        self,
        issuer: Identifier,
        subject: Identifier,
        attributes: Mapping[str, str],
        ttl_seconds: int,
        schema: int = PROJECT_MEMBER_SCHEMA,
    ) -> CredentialAndPurposeKey:
        """Return a credential about `subject`, whose change history must be known here.

        Args:
            issuer: an own identity.
            subject: whom it is about.
            attributes: what it says.
            ttl_seconds: how long it is valid.
            schema: what the attributes mean (0 … 2^64-1).

        Raises:
            IdentityNotFound: issuer or subject is not known here.
            KeyNotFound: the issuer is not an own identity.
            InvalidTimeToLive: ttl_seconds is not positive.
            CredentialOutlivesAttestation: the issuer's credential key is attested for a shorter time.
        """
        subject_identity = await self.identity(subject)
        purpose_key = await self.credential_purpose_key(issuer)
        # Not before its attestation, or everyone refuses it; the two differ only after a clock went back.
        created_at = max(self.now(), purpose_key.data.created_at)
        expires_at = end_of(created_at, ttl_seconds)
        if expires_at > purpose_key.data.expires_at:
            # Reference: issues a credential nobody accepts. We renew the key if that helps, and refuse if not.
            identity = await self.identity(issuer)
            created_at, attested_until = self._own_keys.attestation_window(identity)
            expires_at = end_of(created_at, ttl_seconds)
            if expires_at > attested_until:
                raise CredentialOutlivesAttestation
            purpose_key = await self._own_keys.renew_credential(identity)
        data = CredentialData(
            subject,
            subject_identity.latest_change_hash,
            Attributes.from_text(attributes, schema),
            created_at,
            expires_at,
        )
        return await issuing.issue_credential(data, purpose_key, self.vault.credential, self.vault.verifying)

    async def verify_credential(
        self,
        credential_and_purpose_key: CredentialAndPurposeKey,
        subject: Identifier | None,
        authorities: Collection[Identifier],
    ) -> VerifiedCredential:
        """Return what an unauthenticated credential says, once it holds.

        Args:
            credential_and_purpose_key: as received.
            subject: if given, whom it must be about.
            authorities: the issuers whose word counts; their change histories must be known here.

        Raises:
            IdentityNotFound: the issuer's change history is not known here.
            IdentityError, VaultError, DecodeError: it does not hold.
        """
        attestation = verification.read_attestation_data(credential_and_purpose_key.purpose_key_attestation)
        issuer = await self.identity(attestation.subject)
        return verification.verify_credential(
            credential_and_purpose_key, issuer, self.now(), self.vault.verifying, subject, authorities
        )

    async def receive_presented_credential(
        self,
        subject: Identifier,
        authorities: Collection[Identifier],
        credential_and_purpose_key: CredentialAndPurposeKey,
    ) -> VerifiedCredential:
        """Verify a credential that `subject` presented, and keep its attributes in place of those kept before.

        Raises:
            IdentityNotFound: the issuer's change history is not known here.
            IdentityError, VaultError, DecodeError: it does not hold; nothing is kept.
        """
        verified = await self.verify_credential(credential_and_purpose_key, subject, authorities)
        entry = AttributesEntry(
            dict(verified.data.subject_attributes.map), self.now(), verified.expires_at, verified.issuer
        )
        await self.repositories.attributes.put_attributes(subject, entry)
        return verified

    async def attributes(self, subject: Identifier, authority: Identifier) -> AttributesEntry | None:
        """Return what `authority` says about `subject`; None if nothing, or if it expired."""
        entry = await self.repositories.attributes.attributes(subject, authority)
        if entry is not None and entry.is_expired(self.now()):
            await self.repositories.attributes.delete_expired_attributes(self.now())
            return None
        return entry

    def remembered_attributes(self, subject: Identifier, authority: Identifier) -> AttributesEntry | None:
        """Return `attributes` without waiting if they are in memory and not expired; None says nothing."""
        entry = self.repositories.attributes.remembered_attributes(subject, authority)
        return None if entry is None or entry.is_expired(self.now()) else entry
