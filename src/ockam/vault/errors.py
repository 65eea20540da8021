"""Errors of the vaults, numbered and sorted as the reference sorts them.

Source:
    reference ockam_vault/src/error.rs; origin Vault, kinds as listed there.
"""

from ockam.errors import EnvironmentFault, Kind, Misuse, OckamError, Origin, PeerError


class VaultError(OckamError):
    """A vault could not do what was asked."""

    default_origin = Origin.VAULT
    default_kind = Kind.INVALID


class InvalidPublicKey(VaultError, PeerError):
    """The 32 bytes are not an Ed25519 public key: they name no point of the curve."""

    default_kind = Kind.MISUSE


class InvalidKeyType(VaultError, Misuse):
    """This vault cannot make or use keys of that type."""

    default_kind = Kind.MISUSE


class SignatureAndPublicKeyTypesDontMatch(VaultError, PeerError):
    """The signature is of another kind than the key it should be verified with."""


class KeyNotFound(VaultError, Misuse):
    """The vault holds no secret for this handle: it was deleted, or belongs to another vault."""


class InvalidSecretLength(VaultError, Misuse):
    """A secret has the wrong length: Ed25519, P-256 and X25519 secrets are 32 bytes each."""


class InvalidSecret(VaultError, Misuse):
    """The bytes are not a secret key of this type (a P-256 scalar must be in 1 … n-1)."""


class InvalidPublicLength(VaultError, PeerError):
    """A public key has the wrong length."""


class InvalidSignatureSize(VaultError, PeerError):
    """A signature has the wrong length: both kinds are 64 bytes."""


class InvalidEcdsaInput(VaultError, PeerError):
    """A P-256 public key is not a point of the curve, or r or s of a signature is outside 1 … n-1."""

    default_kind = Kind.UNKNOWN


class InvalidSharedSecret(VaultError, PeerError):
    """The other party's X25519 key is of low order: the shared secret would be known to everyone."""


# --- sealed secrets ---------------------------------------------------------------------------------------------------


class CannotUnseal(VaultError, Misuse):
    """The secrets do not open: the passphrase or key file is a wrong one, or what is stored was altered."""

    default_kind = Kind.INVALID


class SecretsSealed(VaultError, Misuse):
    """The secrets are sealed. Open the vault with their passphrase or key file."""

    default_kind = Kind.MISUSE


class SecretNotSealed(VaultError, Misuse):
    """A secret of this store is not sealed, and might not be ours. Seal the store (`seal_existing`) before using it."""

    default_kind = Kind.MISUSE


class SealedSecretDamaged(VaultError, EnvironmentFault):
    """A sealed secret was altered, or moved from another place. Restore it from a backup."""

    default_kind = Kind.INVALID


# --- vaults in other places: tokens and services ----------------------------------------------------------------------


class ExtraMissing(VaultError, Misuse):
    """This vault needs a package that is not installed."""

    default_kind = Kind.MISUSE


class OperationUnsupported(VaultError, Misuse):
    """The token or service behind this vault does not offer what this operation needs."""

    default_kind = Kind.UNSUPPORTED


class VaultAccessDenied(VaultError, Misuse):
    """The token or service refused us: look at the PIN, the credentials or the permissions."""

    default_kind = Kind.MISUSE


class VaultUnavailable(VaultError, EnvironmentFault):
    """The token or service behind this vault cannot be reached now. Nothing was done; try again when it is back."""

    default_kind = Kind.IO
