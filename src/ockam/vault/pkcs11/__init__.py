"""Keys on a PKCS#11 token: a smart card, a security module, a TPM. Needs the extra `pkcs11`."""

from ockam.vault.interfaces import Vault
from ockam.vault.pkcs11.secure_channel import Pkcs11SecureChannelVault
from ockam.vault.pkcs11.signing import Pkcs11SigningVault
from ockam.vault.pkcs11.token import Pkcs11Token
from ockam.vault.software.verifying import SoftwareVerifyingVault

__all__ = ["Pkcs11SecureChannelVault", "Pkcs11SigningVault", "Pkcs11Token", "create_pkcs11_vault"]


def create_pkcs11_vault(token: Pkcs11Token) -> Vault:
    """Return a vault whose secrets are all on one token, which must offer Ed25519 and X25519 for that."""
    signing = Pkcs11SigningVault(token)
    return Vault(
        identity=signing,
        credential=signing,
        secure_channel=Pkcs11SecureChannelVault(token),
        verifying=SoftwareVerifyingVault(),
    )
