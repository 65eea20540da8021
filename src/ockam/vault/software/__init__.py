"""The vault in software: keys live in this process, primitives come from `cryptography`."""

import os
from collections.abc import Callable

from ockam.vault.interfaces import SecretsRepository, Vault
from ockam.vault.software.sealed_secrets import SealedSecretsRepository, secrets_are_sealed
from ockam.vault.software.sealing import ScryptCost, SealingKey
from ockam.vault.software.secrets import MemorySecretsRepository
from ockam.vault.software.secure_channel import SoftwareDiffieHellmanKey, SoftwareSecureChannelVault
from ockam.vault.software.signing import SoftwareSigningVault
from ockam.vault.software.verifying import SoftwareVerifyingVault

__all__ = [
    "MemorySecretsRepository",
    "ScryptCost",
    "SealedSecretsRepository",
    "SealingKey",
    "SoftwareDiffieHellmanKey",
    "SoftwareSecureChannelVault",
    "SoftwareSigningVault",
    "SoftwareVerifyingVault",
    "create_software_vault",
    "secrets_are_sealed",
]


def create_software_vault(
    secrets: SecretsRepository | None = None, random: Callable[[int], bytes] = os.urandom
) -> Vault:
    """Return a vault whose four parts share one secrets repository.

    Args:
        secrets: where secrets are stored; in memory if None.
        random: returns that many random bytes; the operating system's source unless given.
    """
    repository = MemorySecretsRepository() if secrets is None else secrets
    signing = SoftwareSigningVault(repository, random)
    return Vault(
        identity=signing,
        credential=signing,
        secure_channel=SoftwareSecureChannelVault(repository, random),
        verifying=SoftwareVerifyingVault(),
    )
