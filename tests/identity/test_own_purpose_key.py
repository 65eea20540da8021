"""Purpose keys in vaults of other kinds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ockam.identity.identities import Identities
from ockam.storage.memory import create_memory_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.vault.errors import InvalidKeyType, VaultUnavailable
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType
from ockam.vault.keys import EcdsaP256PublicKey
from ockam.vault.software import MemorySecretsRepository, SoftwareSigningVault, create_software_vault

if TYPE_CHECKING:
    from ockam.vault.keys import VerifyingPublicKey

NOW = 1_735_689_600


class CloudVault(SoftwareSigningVault):
    """Makes P-256 keys only, and can be away."""

    is_away = False

    async def generate_signing_key(self, key_type: SigningKeyType) -> SigningKeyHandle:
        if key_type is not SigningKeyType.ECDSA_P256:
            raise InvalidKeyType("this vault makes P-256 keys only")
        return await super().generate_signing_key(key_type)

    async def public_key(self, handle: SigningKeyHandle) -> VerifyingPublicKey:
        if self.is_away:
            raise VaultUnavailable
        return await super().public_key(handle)


def with_cloud_vault() -> tuple[Identities, CloudVault]:
    random = FixedRandom("cloud")
    cloud = CloudVault(MemorySecretsRepository(), random)
    vault = replace(create_software_vault(None, random), credential=cloud)
    return Identities(vault, create_memory_repositories(), FixedClock(NOW)), cloud


def test_credentials_are_signed_where_only_p256_is_to_be_had() -> None:
    async def main() -> None:
        identities, _ = with_cloud_vault()
        issuer, subject = await identities.create_identity(), await identities.create_identity()
        credential = await identities.issue_credential(issuer, subject, {"role": "sensor"}, 3600)
        verified = await identities.verify_credential(credential, subject, [issuer])
        assert verified.attributes == {"role": "sensor"}
        key = await identities.credential_purpose_key(issuer)
        assert isinstance(await identities.vault.credential.public_key(key.handle), EcdsaP256PublicKey)

    asyncio.run(main())


def test_a_vault_that_is_away_is_no_reason_for_a_new_key() -> None:
    async def main() -> None:
        identities, cloud = with_cloud_vault()
        issuer = await identities.create_identity()
        key = await identities.credential_purpose_key(issuer)
        restarted = Identities(identities.vault, identities.repositories, identities.now)
        cloud.is_away = True
        with pytest.raises(VaultUnavailable):
            await restarted.credential_purpose_key(issuer)
        cloud.is_away = False
        assert (await restarted.credential_purpose_key(issuer)).handle == key.handle

    asyncio.run(main())
