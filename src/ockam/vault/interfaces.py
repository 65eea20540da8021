"""What a vault is: the interfaces behind which secret keys live.

Signing may happen in another machine (a KMS), so `SigningVault` is asynchronous. Verification needs
no secret and is plain synchronous code. Per-message encryption is not here: the secure channel keeps
its own cipher objects.

Source:
    reference ockam_vault/src/traits/; the two signing vaults (identity, credential) of
    ockam_identity/src/vault.rs.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

from ockam.vault.keys import VerifyingPublicKey, X25519PublicKey
from ockam.vault.signatures import Signature


class SigningKeyType(Enum):
    """Kinds of signing keys; the value is the text stored beside a secret."""

    ED25519 = "EdDSACurve25519"
    ECDSA_P256 = "ECDSASHA256CurveP256"


@dataclass(frozen=True, slots=True)
class SigningKeyHandle:
    """Names a signing secret inside its vault; not secret itself.

    The software vault uses SHA-256 of the public key (32 bytes); a KMS vault its own key id.
    """

    value: bytes


@dataclass(frozen=True, slots=True)
class X25519KeyHandle:
    """Names an X25519 secret inside its vault: SHA-256 of the public key, 32 bytes."""

    value: bytes


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A signing secret as stored: 32-byte Ed25519 seed, or 32-byte big-endian P-256 scalar."""

    key_type: SigningKeyType
    secret: bytes = field(repr=False)


@runtime_checkable
class DiffieHellmanKey(Protocol):
    """One X25519 secret, loaded. Keep the object: loading a secret costs as much as an exchange."""

    @property
    def public(self) -> X25519PublicKey:
        """The public half."""

    def exchange(self, peer: X25519PublicKey) -> bytes:
        """Return the 32-byte shared secret.

        Raises:
            InvalidSharedSecret: the peer's key is of low order and the result all zero.
        """


class SigningVault(Protocol):
    """Makes signing keys and signs with them."""

    async def generate_signing_key(self, key_type: SigningKeyType) -> SigningKeyHandle:
        """Make and persist a new key.

        Raises:
            InvalidKeyType: this vault does not make keys of this type.
        """

    async def sign(self, handle: SigningKeyHandle, data: bytes) -> Signature:
        """Sign `data`: EdDSA over it, or RFC 6979 ECDSA over its SHA-256 (no low-s rule).

        Raises:
            KeyNotFound: no such key.
        """

    async def public_key(self, handle: SigningKeyHandle) -> VerifyingPublicKey:
        """Return the public half.

        Raises:
            KeyNotFound: no such key.
        """

    async def handle_of(self, public_key: VerifyingPublicKey) -> SigningKeyHandle:
        """Return the handle a key with this public half has; whether the vault holds it is not checked."""

    async def delete_signing_key(self, handle: SigningKeyHandle) -> bool:
        """Delete a key; True if there was one."""


class SecureChannelVault(Protocol):
    """Makes and keeps X25519 keys."""

    async def generate_static_x25519_key(self) -> X25519KeyHandle:
        """Make and persist a new key."""

    def generate_ephemeral_x25519_key(self) -> DiffieHellmanKey:
        """Make a key that is never stored."""

    async def import_static_x25519_key(self, secret: bytes) -> X25519KeyHandle:
        """Persist a 32-byte secret and return its handle.

        Raises:
            InvalidSecretLength: not 32 bytes.
        """

    async def x25519_public_key(self, handle: X25519KeyHandle) -> X25519PublicKey:
        """Return the public half.

        Raises:
            KeyNotFound: no such key.
        """

    async def x25519_private_key(self, handle: X25519KeyHandle) -> DiffieHellmanKey:
        """Return the key, loaded; the same object each time.

        Raises:
            KeyNotFound: no such key.
        """

    async def x25519_handle_of(self, public_key: X25519PublicKey) -> X25519KeyHandle:
        """Return the handle a key with this public half has; whether the vault holds it is not checked."""

    async def delete_static_x25519_key(self, handle: X25519KeyHandle) -> bool:
        """Delete a key; True if there was one."""


class VerifyingVault(Protocol):
    """Hashes and verifies signatures; holds no secret."""

    def sha256(self, data: bytes) -> bytes:
        """Return the 32-byte digest."""

    def verify(self, public_key: VerifyingPublicKey, data: bytes, signature: Signature) -> bool:
        """Tell whether `signature` is one of `data` under `public_key`.

        Raises:
            SignatureAndPublicKeyTypesDontMatch: key and signature are of different kinds.
            InvalidPublicKey: the Ed25519 key is not a point.
            InvalidEcdsaInput: the P-256 key is not a point, or r or s is out of range.
        """


class SecretsRepository(Protocol):
    """Keeps secrets; stores are upserts by handle."""

    async def store_signing_secret(self, handle: SigningKeyHandle, secret: SigningSecret) -> None:
        """Store a signing secret."""

    async def signing_secret(self, handle: SigningKeyHandle) -> SigningSecret | None:
        """Return a signing secret, None if there is none."""

    async def signing_secret_handles(self) -> tuple[SigningKeyHandle, ...]:
        """Return the handles of all signing secrets."""

    async def delete_signing_secret(self, handle: SigningKeyHandle) -> bool:
        """Delete a signing secret; True if there was one."""

    async def store_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        """Store a 32-byte X25519 secret."""

    async def add_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        """Store a 32-byte X25519 secret unless there is one of that handle; of several at once the first one stays."""

    async def x25519_secret(self, handle: X25519KeyHandle) -> bytes | None:
        """Return an X25519 secret, None if there is none."""

    async def x25519_secret_handles(self) -> tuple[X25519KeyHandle, ...]:
        """Return the handles of all X25519 secrets."""

    async def delete_x25519_secret(self, handle: X25519KeyHandle) -> bool:
        """Delete an X25519 secret; True if there was one."""

    async def delete_all(self) -> None:
        """Delete every secret, in one transaction."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The four vaults an identity needs; any of them may be replaced on its own."""

    identity: SigningVault
    credential: SigningVault
    secure_channel: SecureChannelVault
    verifying: VerifyingVault
