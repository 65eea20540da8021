"""Making changes, attestations and credentials: what is signed, and by which key.

Each of these hashes the encoded `VersionedData` and signs the 32-byte hash. Signing may happen elsewhere, so the
functions are asynchronous; they store nothing.

Source:
    reference ockam_identity/src/identities/identity_keys.rs, purpose_keys/purpose_key_creation.rs,
    credentials/credentials_creation.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.identity.change import Change, ChangeData
from ockam.identity.change_history import ChangeHistory, Identity
from ockam.identity.credential import Credential, CredentialAndPurposeKey, CredentialData
from ockam.identity.purpose_key import PurposeKeyAttestation, PurposeKeyAttestationData
from ockam.identity.verification import verify_change_history
from ockam.identity.versioned_data import VERSION, DataType, VersionedData

if TYPE_CHECKING:
    from ockam.identity.purpose_key import CredentialPurposeKey
    from ockam.vault.interfaces import SigningKeyHandle, SigningVault, VerifyingVault


async def issue_first_change(
    key: SigningKeyHandle,
    valid_from: int,
    valid_until: int,
    signer: SigningVault,
    verifier: VerifyingVault,
) -> Identity:
    """Return a new identity with one change.

    Args:
        key: the primary key, in `signer`.
        valid_from: when attestations begin, in seconds.
        valid_until: when attestations end, in seconds.
        signer: holds the key.
        verifier: hashes, and verifies the result.
    """
    data = _change_bytes(ChangeData(None, await signer.public_key(key), False, valid_from, valid_until))
    change = Change(data, await signer.sign(key, verifier.sha256(data)))
    return verify_change_history(ChangeHistory((change,)), verifier)


async def issue_rotation(
    identity: Identity,
    old_key: SigningKeyHandle,
    new_key: SigningKeyHandle,
    valid_from: int,
    valid_until: int,
    signer: SigningVault,
    verifier: VerifyingVault,
    *,
    revoke_all_purpose_keys: bool = False,
) -> Identity:
    """Return the identity with one more change, signed by the new and by the old key.

    Args:
        identity: as it is.
        old_key: the key of its latest change, in `signer`.
        new_key: the key to come, in `signer`.
        valid_from: when attestations begin, in seconds; not before the latest change's.
        valid_until: when attestations end, in seconds.
        signer: holds both keys.
        verifier: hashes, and verifies the result.
        revoke_all_purpose_keys: carried and signed; no verifier reads it.

    Raises:
        IdentityVerificationFailed: valid_from is before the latest change's, or old_key is not its key.
    """
    data = _change_bytes(
        ChangeData(
            identity.latest_change_hash,
            await signer.public_key(new_key),
            revoke_all_purpose_keys,
            valid_from,
            valid_until,
        )
    )
    digest = verifier.sha256(data)
    change = Change(data, await signer.sign(new_key, digest), await signer.sign(old_key, digest))
    history = ChangeHistory((*identity.change_history.changes, change))
    return verify_change_history(history, verifier, identity.identifier)


async def issue_attestation(
    data: PurposeKeyAttestationData, key: SigningKeyHandle, signer: SigningVault, verifier: VerifyingVault
) -> PurposeKeyAttestation:
    """Return an attestation signed by the subject's latest primary key."""
    encoded = VersionedData(VERSION, DataType.PURPOSE_KEY_ATTESTATION, data.encode()).encode()
    return PurposeKeyAttestation(encoded, await signer.sign(key, verifier.sha256(encoded)))


async def issue_credential(
    data: CredentialData, purpose_key: CredentialPurposeKey, signer: SigningVault, verifier: VerifyingVault
) -> CredentialAndPurposeKey:
    """Return a credential signed by the issuer's credential key, with that key's attestation."""
    encoded = VersionedData(VERSION, DataType.CREDENTIAL, data.encode()).encode()
    signature = await signer.sign(purpose_key.handle, verifier.sha256(encoded))
    return CredentialAndPurposeKey(Credential(encoded, signature), purpose_key.attestation)


def _change_bytes(data: ChangeData) -> bytes:
    return VersionedData(VERSION, DataType.CHANGE, data.encode()).encode()
