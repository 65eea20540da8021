"""Signing keys in Azure Key Vault or a Managed HSM: P-256 only. Needs the extra `azure`."""

from ockam.vault.azure.signing import AzureKeyVaultConfig, AzureSigningVault

__all__ = ["AzureKeyVaultConfig", "AzureSigningVault"]
