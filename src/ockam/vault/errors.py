"""Errors of the vaults, numbered and sorted as the reference sorts them.

Source:
    reference ockam_vault/src/error.rs; origin Vault, kinds as listed there.
"""

from ockam.errors import Kind, Misuse, OckamError, Origin, PeerError


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
