"""Purpose keys of own identities: found again, or made, attested and stored.

Source:
    reference ockam_identity/src/purpose_keys/purpose_key_creation.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ockam.errors import EnvironmentFault, OckamError
from ockam.identity import issuing, verification
from ockam.identity.errors import AttestationOutsideKeyWindow, IdentityNotFound, InvalidKeyType
from ockam.identity.purpose_key import (
    CredentialPurposeKey,
    CredentialSigning,
    Purpose,
    PurposeKeyAttestation,
    PurposeKeyAttestationData,
    PurposePublicKey,
    SecureChannelPurposeKey,
    SecureChannelStatic,
)
from ockam.identity.timestamp import PURPOSE_KEY_TTL_SECONDS, is_ahead
from ockam.vault import errors as vault_errors
from ockam.vault.interfaces import SigningKeyType

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.identity.change_history import Identity
    from ockam.identity.identifier import Identifier
    from ockam.identity.repository import PurposeKeyRepository
    from ockam.vault.interfaces import Vault


_VAULT_CANNOT_SAY: Final = (
    EnvironmentFault,
    vault_errors.CannotUnseal,
    vault_errors.SecretsSealed,
    vault_errors.VaultAccessDenied,
)
"""Whether a key is there is not known: making another one would leave two, and the old attestation without its key."""


class OwnPurposeKeys:
    """One key per own identity and purpose, loaded once.

    Args:
        vault: holds primary keys and purpose keys.
        repository: where attestations are.
        now: the clock, whole seconds since 1970.
    """

    def __init__(self, vault: Vault, repository: PurposeKeyRepository, now: Callable[[], int]) -> None:
        self._vault = vault
        self._repository = repository
        self._now = now
        self._secure_channel_keys: dict[Identifier, SecureChannelPurposeKey] = {}
        self._credential_keys: dict[Identifier, CredentialPurposeKey] = {}

    async def secure_channel(self, identity: Identity) -> SecureChannelPurposeKey:
        """Return the static key; the same object until a rotation or the attestation's end.

        Raises:
            KeyNotFound: not an own identity.
            AttestationOutsideKeyWindow: its primary key cannot attest now.
        """
        cached = self._secure_channel_keys.get(identity.identifier)
        if cached is not None and self._still_holds(cached.data, identity):
            return cached
        key = await self._load_secure_channel_key(identity) or await self._create_secure_channel_key(identity)
        self._secure_channel_keys[identity.identifier] = key
        return key

    async def credential(self, identity: Identity) -> CredentialPurposeKey:
        """Return the key that signs credentials.

        Raises:
            KeyNotFound: not an own identity.
            AttestationOutsideKeyWindow: its primary key cannot attest now.
        """
        cached = self._credential_keys.get(identity.identifier)
        if cached is not None and self._still_holds(cached.data, identity):
            return cached
        key = await self._load_credential_key(identity) or await self._create_credential_key(identity)
        self._credential_keys[identity.identifier] = key
        return key

    async def renew_credential(self, identity: Identity) -> CredentialPurposeKey:
        """Make a new credential key though the old one still holds.

        Raises:
            KeyNotFound: not an own identity.
            AttestationOutsideKeyWindow: its primary key cannot attest now.
        """
        key = self._credential_keys[identity.identifier] = await self._create_credential_key(identity)
        return key

    def attestation_window(self, identity: Identity) -> tuple[int, int]:
        """Return from when to when (seconds) an attestation made now would hold.

        Raises:
            AttestationOutsideKeyWindow: its primary key cannot attest now.
        """
        # Reference: does not cut the window to the primary key's, and then makes attestations that everyone refuses.
        now = self._now()
        key = identity.latest_change.data
        created_at = max(now, key.attestations_valid_from)
        expires_at = min(created_at + PURPOSE_KEY_TTL_SECONDS, key.attestations_valid_until)
        if is_ahead(created_at, now) or expires_at < now:
            raise AttestationOutsideKeyWindow
        return created_at, expires_at

    async def _load_secure_channel_key(self, identity: Identity) -> SecureChannelPurposeKey | None:
        # Reference: any error about a stored key means: make a new one. Not so for a vault that is away, or locked.
        try:
            attestation, data = await self._stored_attestation(identity, Purpose.SECURE_CHANNEL)
            if not isinstance(data.public_key, SecureChannelStatic):
                raise InvalidKeyType
            vault = self._vault.secure_channel
            key = await vault.x25519_private_key(await vault.x25519_handle_of(data.public_key.key))
        except _VAULT_CANNOT_SAY:
            raise
        except OckamError:
            return None
        return SecureChannelPurposeKey(attestation, data, key)

    async def _create_secure_channel_key(self, identity: Identity) -> SecureChannelPurposeKey:
        vault = self._vault.secure_channel
        self.attestation_window(identity)  # raises before a key is made
        key = await vault.x25519_private_key(await vault.generate_static_x25519_key())
        attestation, data = await self._attest(identity, SecureChannelStatic(key.public))
        return SecureChannelPurposeKey(attestation, data, key)

    async def _load_credential_key(self, identity: Identity) -> CredentialPurposeKey | None:
        try:
            attestation, data = await self._stored_attestation(identity, Purpose.CREDENTIALS)
            if not isinstance(data.public_key, CredentialSigning):
                raise InvalidKeyType
            handle = await self._vault.credential.handle_of(data.public_key.key)
            await self._vault.credential.public_key(handle)
        except _VAULT_CANNOT_SAY:
            raise
        except OckamError:
            return None
        return CredentialPurposeKey(attestation, data, handle)

    async def _create_credential_key(self, identity: Identity) -> CredentialPurposeKey:
        self.attestation_window(identity)
        try:
            handle = await self._vault.credential.generate_signing_key(SigningKeyType.ED25519)
        except vault_errors.InvalidKeyType:
            # Key services of clouds make P-256 keys only.
            handle = await self._vault.credential.generate_signing_key(SigningKeyType.ECDSA_P256)
        public_key = await self._vault.credential.public_key(handle)
        attestation, data = await self._attest(identity, CredentialSigning(public_key))
        return CredentialPurposeKey(attestation, data, handle)

    async def _stored_attestation(
        self, identity: Identity, purpose: Purpose
    ) -> tuple[PurposeKeyAttestation, PurposeKeyAttestationData]:
        attestation = await self._repository.purpose_key(identity.identifier, purpose)
        if attestation is None:
            raise IdentityNotFound("there is no such purpose key")
        data = verification.verify_purpose_key_attestation(
            attestation, identity, self._now(), self._vault.verifying, identity.identifier
        )
        return attestation, data

    async def _attest(
        self, identity: Identity, public_key: PurposePublicKey
    ) -> tuple[PurposeKeyAttestation, PurposeKeyAttestationData]:
        created_at, expires_at = self.attestation_window(identity)
        data = PurposeKeyAttestationData(
            identity.identifier, identity.latest_change_hash, public_key, created_at, expires_at
        )
        signer = self._vault.identity
        primary_key = await signer.handle_of(identity.latest_public_key)
        attestation = await issuing.issue_attestation(data, primary_key, signer, self._vault.verifying)
        await self._repository.set_purpose_key(identity.identifier, public_key.PURPOSE, attestation)
        return attestation, data

    def _still_holds(self, data: PurposeKeyAttestationData, identity: Identity) -> bool:
        try:
            verification.check_attestation_data(data, identity, self._now())
        except OckamError:
            return False
        return True
