"""A fixed clock, fixed randomness, and identities over memory; the objects most tests begin with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockam.identity import (
    Attributes,
    Credential,
    CredentialAndPurposeKey,
    CredentialData,
    CredentialPurposeKey,
    DataType,
    Identifier,
    Identities,
    PurposeKeyAttestation,
    PurposeKeyAttestationData,
    Repositories,
    VersionedData,
)
from ockam.storage import create_memory_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.vault.software import create_software_vault

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ockam.vault import SigningKeyHandle, Vault

T0 = 1_735_689_600
YEAR = 31_536_000


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


@dataclass
class World:
    """One node's view; two worlds share nothing but bytes."""

    seed: str = "a"
    clock: FixedClock = field(default_factory=lambda: FixedClock(T0))
    repositories: Repositories = field(default_factory=create_memory_repositories)

    def __post_init__(self) -> None:
        self.vault: Vault = create_software_vault(random=FixedRandom(self.seed))
        self.identities = Identities(self.vault, self.repositories, self.clock)

    async def learn(self, other: World, identifier: Identifier) -> None:
        """Import what the other world exports."""
        await self.identities.import_identity(await other.identities.export_identity(identifier), identifier)

    async def primary_key(self, identifier: Identifier) -> SigningKeyHandle:
        identity = await self.identities.identity(identifier)
        return await self.vault.identity.handle_of(identity.latest_public_key)

    async def forge_attestation(
        self,
        data: PurposeKeyAttestationData,
        version: int = 1,
        data_type: int = DataType.PURPOSE_KEY_ATTESTATION,
        key: SigningKeyHandle | None = None,
    ) -> PurposeKeyAttestation:
        """Sign whatever is given, as the reference would not."""
        encoded = VersionedData(version, data_type, data.encode()).encode()
        signer = key or await self.primary_key(data.subject)
        return PurposeKeyAttestation(
            encoded, await self.vault.identity.sign(signer, self.vault.verifying.sha256(encoded))
        )

    async def forge_credential(
        self,
        purpose_key: CredentialPurposeKey,
        subject: Identifier | None,
        created_at: int,
        expires_at: int,
        version: int = 1,
        data_type: int = DataType.CREDENTIAL,
    ) -> CredentialAndPurposeKey:
        """Sign whatever is given, as `issue_credential` would not."""
        data = CredentialData(subject, None, Attributes.from_text({"role": "forger"}), created_at, expires_at)
        encoded = VersionedData(version, data_type, data.encode()).encode()
        signature = await self.vault.credential.sign(purpose_key.handle, self.vault.verifying.sha256(encoded))
        return CredentialAndPurposeKey(Credential(encoded, signature), purpose_key.attestation)
