"""Verification of histories, attestations and credentials: pure, in the reference's order.

The order decides which error a peer's mistake is reported as. `verifier` may raise where a signature cannot be
judged (kinds that do not match, a key that is no point); that is a refusal as well.

Source:
    reference ockam_identity/src/identity/verification.rs, purpose_keys/purpose_key_verification.rs,
    credentials/credentials_verification.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockam.identity.change import Change, ChangeData
from ockam.identity.change_history import ChangeHistory, Identity, VerifiedChange
from ockam.identity.credential import CredentialAndPurposeKey, CredentialData
from ockam.identity.errors import (
    CredentialVerificationFailed,
    IdentityVerificationFailed,
    InvalidCredentialDataType,
    InvalidIdentityDataType,
    InvalidKeyType,
    InvalidPurposeKeyAttestationDataType,
    PurposeKeyAttestationVerificationFailed,
    UnknownAuthority,
    UnknownCredentialVersion,
    UnknownIdentityVersion,
)
from ockam.identity.identifier import ChangeHash, Identifier
from ockam.identity.purpose_key import CredentialSigning, PurposeKeyAttestation, PurposeKeyAttestationData
from ockam.identity.timestamp import is_ahead
from ockam.identity.versioned_data import VERSION, DataType, VersionedData

if TYPE_CHECKING:
    from collections.abc import Collection

    from ockam.vault.interfaces import VerifyingVault


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    """A credential that holds.

    Attributes:
        issuer: who says so; one of the accepted authorities.
        subject: about whom.
        data: everything it says.
    """

    issuer: Identifier
    subject: Identifier
    data: CredentialData

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes that are UTF-8 text."""
        return self.data.subject_attributes.text()

    @property
    def created_at(self) -> int:
        """When it was issued, in seconds."""
        return self.data.created_at

    @property
    def expires_at(self) -> int:
        """The last second in which it is valid."""
        return self.data.expires_at


# --- change histories -------------------------------------------------------------------------------------------------


def verify_change_history(
    history: ChangeHistory, verifier: VerifyingVault, expected: Identifier | None = None
) -> Identity:
    """Return the identity that a history proves. Takes an unauthenticated history.

    Neither the dates against the clock nor valid_from against valid_until are looked at.

    Raises:
        UnknownIdentityVersion: a change is not of version 1.
        InvalidIdentityDataType: a change holds other data.
        DecodeError: a change's data has another shape.
        IdentityVerificationFailed: the changes do not follow from each other, a signature is wrong, there is no
            change, or it is not the expected identity.
        VaultError: a key or signature that cannot be judged.
    """
    changes: list[VerifiedChange] = []
    for change in history.changes:
        changes.append(_follow(change, changes[-1] if changes else None, verifier))
    for index, change in enumerate(history.changes):
        verified = changes[index]
        if index:
            _verify_previous_signature(change, verified, changes[index - 1], verifier)
        # Reference: a previous_signature on the first change is neither checked nor refused.
        if not verifier.verify(verified.primary_public_key, verified.change_hash.value, change.signature):
            raise IdentityVerificationFailed
    if not changes:
        raise IdentityVerificationFailed
    identifier = Identifier(changes[0].change_hash.value)
    if expected is not None and identifier != expected:
        raise IdentityVerificationFailed
    return Identity(identifier, tuple(changes), history)


def _follow(change: Change, previous: VerifiedChange | None, verifier: VerifyingVault) -> VerifiedChange:
    change_hash = ChangeHash(verifier.sha256(change.data))
    versioned = VersionedData.decode(change.data)
    if versioned.version != VERSION:
        raise UnknownIdentityVersion
    if versioned.data_type != DataType.CHANGE:
        raise InvalidIdentityDataType
    data = ChangeData.decode(versioned.data)
    if previous is None:
        if data.previous_change is not None:
            raise IdentityVerificationFailed
    elif (
        # Versions never fall: there is one version, checked above.
        # Reference: a gap between the windows of two changes is allowed.
        previous.data.attestations_valid_from > data.attestations_valid_from
        or data.previous_change != previous.change_hash
    ):
        raise IdentityVerificationFailed
    return VerifiedChange(data, change_hash)


def _verify_previous_signature(
    change: Change, verified: VerifiedChange, previous: VerifiedChange, verifier: VerifyingVault
) -> None:
    if change.previous_signature is None or not verifier.verify(
        previous.primary_public_key, verified.change_hash.value, change.previous_signature
    ):
        raise IdentityVerificationFailed


# --- purpose key attestations -----------------------------------------------------------------------------------------


def read_attestation_data(attestation: PurposeKeyAttestation) -> PurposeKeyAttestationData:
    """Return what an unauthenticated attestation says, to find its subject; nothing is verified yet.

    Raises:
        PurposeKeyAttestationVerificationFailed: not of version 1.
        InvalidPurposeKeyAttestationDataType: it holds other data.
        DecodeError: another shape.
    """
    versioned = VersionedData.decode(attestation.data)
    if versioned.version != VERSION:
        raise PurposeKeyAttestationVerificationFailed
    if versioned.data_type != DataType.PURPOSE_KEY_ATTESTATION:
        raise InvalidPurposeKeyAttestationDataType
    return PurposeKeyAttestationData.decode(versioned.data)


def check_attestation_data(data: PurposeKeyAttestationData, subject: Identity, now: int) -> None:
    """Check everything about an attestation that depends on time and on the subject's state.

    Args:
        data: what the attestation says.
        subject: the identity of `data.subject` as we know it.
        now: seconds.

    Raises:
        PurposeKeyAttestationVerificationFailed: not the latest change's, outside the key's window, from the future
            (more than 60 s) or expired.
    """
    latest = subject.latest_change
    if (
        data.subject != subject.identifier
        # Reference: only attestations of the latest change count, so a rotation ends all earlier ones.
        or data.subject_latest_change_hash != latest.change_hash
        or data.expires_at > latest.data.attestations_valid_until
        or data.created_at < latest.data.attestations_valid_from
        or is_ahead(data.created_at, now)
        or data.expires_at < now
    ):
        raise PurposeKeyAttestationVerificationFailed


def verify_purpose_key_attestation(
    attestation: PurposeKeyAttestation,
    subject: Identity,
    now: int,
    verifier: VerifyingVault,
    expected_subject: Identifier | None = None,
) -> PurposeKeyAttestationData:
    """Return what an attestation says, once it holds. Takes an unauthenticated attestation.

    Args:
        attestation: as received.
        subject: the identity it should be from, as we know it.
        now: seconds.
        verifier: judges the signature.
        expected_subject: if given, the subject it must name.

    Raises:
        PurposeKeyAttestationVerificationFailed: it does not hold.
        InvalidPurposeKeyAttestationDataType: it holds other data.
        DecodeError: another shape.
        VaultError: a key or signature that cannot be judged.
    """
    data = read_attestation_data(attestation)
    if expected_subject is not None and data.subject != expected_subject:
        raise PurposeKeyAttestationVerificationFailed
    check_attestation_data(data, subject, now)
    digest = verifier.sha256(attestation.data)
    if not verifier.verify(subject.latest_public_key, digest, attestation.signature):
        raise PurposeKeyAttestationVerificationFailed
    return data


# --- credentials ------------------------------------------------------------------------------------------------------


def verify_credential(
    credential_and_purpose_key: CredentialAndPurposeKey,
    issuer: Identity,
    now: int,
    verifier: VerifyingVault,
    expected_subject: Identifier | None,
    authorities: Collection[Identifier],
) -> VerifiedCredential:
    """Return what a credential says, once it holds. Takes an unauthenticated credential.

    Args:
        credential_and_purpose_key: as received.
        issuer: the identity that the attestation names, as we know it.
        now: seconds.
        verifier: judges the signatures.
        expected_subject: if given, the subject it must name.
        authorities: the issuers whose word counts.

    Raises:
        PurposeKeyAttestationVerificationFailed: the issuer's attestation does not hold.
        UnknownAuthority: the issuer is not among the authorities.
        InvalidKeyType: the attested key is not for credentials.
        UnknownCredentialVersion: not of version 1.
        InvalidCredentialDataType: it holds other data.
        CredentialVerificationFailed: it does not hold.
        DecodeError: another shape.
        VaultError: a key or signature that cannot be judged.
    """
    attestation = verify_purpose_key_attestation(
        credential_and_purpose_key.purpose_key_attestation, issuer, now, verifier
    )
    if attestation.subject not in authorities:
        raise UnknownAuthority
    if not isinstance(attestation.public_key, CredentialSigning):
        raise InvalidKeyType
    credential = credential_and_purpose_key.credential
    if not verifier.verify(attestation.public_key.key, verifier.sha256(credential.data), credential.signature):
        raise CredentialVerificationFailed
    versioned = VersionedData.decode(credential.data)
    if versioned.version != VERSION:
        raise UnknownCredentialVersion
    if versioned.data_type != DataType.CREDENTIAL:
        raise InvalidCredentialDataType
    data = CredentialData.decode(versioned.data)
    # Reference: subject_latest_change_hash and the schema are not looked at.
    if (
        data.subject is None
        or (expected_subject is not None and data.subject != expected_subject)
        or data.created_at < attestation.created_at
        or data.expires_at > attestation.expires_at
        or is_ahead(data.created_at, now)
        or data.expires_at < now
    ):
        raise CredentialVerificationFailed
    return VerifiedCredential(attestation.subject, data.subject, data)
