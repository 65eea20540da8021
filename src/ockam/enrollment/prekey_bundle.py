"""The 160 bytes of prekeys, as the older X3DH key exchange defined them, and the secret keys behind them.

    offset  size
         0    32   identity public key of the service IK_S (X25519)
        32    32   signed prekey SPK, made for this bundle
        64    64   XEdDSA signature by IK_S over the 32 bytes of SPK
       128    32   one-time prekey OPK, always there

Source: the older X3DH enrollment design, generation A and B (same bytes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ockam.enrollment import xeddsa
from ockam.enrollment.errors import LowOrderKey, WrongBundleLength

PREKEY_BUNDLE_SIZE: Final = 160
KEY_SIZE: Final = 32


class IdentityKey(Protocol):
    """An X25519 key that agrees and signs; where its secret lives is the vault's matter."""

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        ...

    def exchange(self, peer: bytes) -> bytes:
        """Return the 32 bytes shared with `peer`; raise `LowOrderKey` when they are all zero."""
        ...

    def sign(self, message: bytes, nonce: bytes) -> bytes:
        """Return the XEdDSA signature over `message`, made with 64 random bytes."""
        ...


class SecretKey:
    """An X25519 secret held in this process: EIK, EK, SPK, OPK, and IK_S of a software vault.

    Args:
        secret: 32 random bytes; clamped on use, kept as given.
    """

    __slots__ = ("_key", "_public", "secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_SIZE:
            raise ValueError("an X25519 secret has 32 bytes")
        self.secret = secret
        self._key = X25519PrivateKey.from_private_bytes(secret)
        self._public: bytes | None = None

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key, computed once when first asked for."""
        if self._public is None:
            self._public = self._key.public_key().public_bytes_raw()
        return self._public

    def exchange(self, peer: bytes) -> bytes:
        """Return the 32 bytes shared with the public key `peer` (unauthenticated).

        Raises:
            LowOrderKey: the result is all zero. Reference: neither generation of the retired crate checked.
        """
        try:
            return self._key.exchange(X25519PublicKey.from_public_bytes(peer))
        except ValueError:
            raise LowOrderKey from None

    def sign(self, message: bytes, nonce: bytes) -> bytes:
        """Return the XEdDSA signature of `message`, made with 64 fresh random bytes."""
        return xeddsa.sign(self.secret, message, nonce)


@dataclass(frozen=True, slots=True)
class PrekeyBundle:
    """Public prekeys of one responder, not verified until `is_signed` was asked."""

    identity: bytes
    signed_prekey: bytes
    signature: bytes
    one_time_prekey: bytes

    @classmethod
    def create(cls, identity: IdentityKey, signed_prekey: bytes, one_time_prekey: bytes, nonce: bytes) -> PrekeyBundle:
        """Sign the public key `signed_prekey` with `identity`, using 64 random bytes."""
        return cls(identity.public, signed_prekey, identity.sign(signed_prekey, nonce), one_time_prekey)

    def is_signed(self) -> bool:
        """Say whether the identity key in the bundle signed its prekey."""
        return xeddsa.verify(self.identity, self.signed_prekey, self.signature)

    def encode(self) -> bytes:
        """Return the 160 bytes."""
        return self.identity + self.signed_prekey + self.signature + self.one_time_prekey

    @classmethod
    def decode(cls, data: bytes) -> PrekeyBundle:
        """Cut 160 unauthenticated bytes into their parts.

        Raises:
            WrongBundleLength: any other length.
        """
        if len(data) != PREKEY_BUNDLE_SIZE:
            raise WrongBundleLength
        return cls(data[:32], data[32:64], data[64:128], data[128:])
