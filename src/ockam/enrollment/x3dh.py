"""The older X3DH key agreement: shared primitives, the three-party generation A and the two-party generation B.

    IKM = 32 x ff || DH1 || DH2 || DH3 || DH4                                        (160 bytes)
    K0 || K1 = HKDF-SHA256(salt = 32 x 00, IKM, info = CSUITE, 64 bytes)
    h = SHA-256(SHA-256(CSUITE) || IKM)

Generation A, enrollment message (176 bytes):

    offset  size
         0    32   EK, ephemeral public key, for this message only
        32    32   SHA-256(EIK)
        64   112   AES-256-GCM(K1, nonce = EK[:12], AAD = EK || SHA-256(EIK) || CSUITE || h,
                               IK_E 32 || XEdDSA by EIK over IK_E 64)

Stricter than the retired crate, which accepted both: all-zero DH results and forged prekey signatures are refused.
Generation B is here for its recorded exchanges; enrollment uses A.

Source: git history of the reference, `ockam_key_exchange_x3dh`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ockam.enrollment import xeddsa
from ockam.enrollment.errors import InvalidPrekeySignature, InvalidState, MessageLengthMismatch
from ockam.enrollment.prekey_bundle import PREKEY_BUNDLE_SIZE, IdentityKey, PrekeyBundle, SecretKey
from ockam.errors import PeerError

# Fixed by the protocol.
CSUITE: Final = b"X3DH_25519_AESGCM_SHA256".ljust(32, b"\0")
ENROLLMENT_SIZE: Final = 176
_SALT: Final = bytes(32)
_PREFIX: Final = b"\xff" * 32
_SHA256_CSUITE: Final = sha256(CSUITE).digest()


class EnrollmentDoesNotOpen(PeerError):
    """The sealed part of an enrollment message does not open with the keys agreed."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides share: two keys and the state hash."""

    k0: bytes = field(repr=False)
    k1: bytes = field(repr=False)
    h: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedEnrollment:
    """The inside of an enrollment message; the signature is not verified yet."""

    enrollee_identity: bytes
    signature: bytes

    def is_signed_by(self, eik: bytes) -> bool:
        """Say whether the enrollment key `eik` (32 bytes, public) signed the identity key."""
        return xeddsa.verify(eik, self.enrollee_identity, self.signature)


def agree(dh1: bytes, dh2: bytes, dh3: bytes, dh4: bytes) -> Agreement:
    """Derive keys and state hash from four 32-byte results."""
    ikm = b"".join((_PREFIX, dh1, dh2, dh3, dh4))
    okm = HKDF(algorithm=SHA256(), length=64, salt=_SALT, info=CSUITE).derive(ikm)
    return Agreement(okm[:32], okm[32:], sha256(_SHA256_CSUITE + ikm).digest())


# ---- generation A ----------------------------------------------------------------------------------------------------


def enrollee_agreement(eik: SecretKey, ek: SecretKey, bundle: PrekeyBundle) -> Agreement:
    """Return the device's side. `bundle` must be verified.

    Raises:
        LowOrderKey: a key in the bundle is of small order.
    """
    return agree(
        eik.exchange(bundle.signed_prekey),
        ek.exchange(bundle.identity),
        ek.exchange(bundle.signed_prekey),
        ek.exchange(bundle.one_time_prekey),
    )


def service_agreement(
    identity: IdentityKey, signed_prekey: SecretKey, one_time_prekey: SecretKey, eik: bytes, ek: bytes
) -> Agreement:
    """Return the service's side, for a known EIK and an unauthenticated EK.

    Raises:
        LowOrderKey: one of them is of small order.
    """
    return agree(
        signed_prekey.exchange(eik),
        identity.exchange(ek),
        signed_prekey.exchange(ek),
        one_time_prekey.exchange(ek),
    )


def seal_enrollment(agreement: Agreement, eik: SecretKey, ek: bytes, enrollee_identity: bytes, nonce: bytes) -> bytes:
    """Return the 176-byte message: `enrollee_identity` (IK_E, public) signed by `eik`, with 64 random bytes."""
    head = ek + sha256(eik.public).digest()
    plaintext = enrollee_identity + eik.sign(enrollee_identity, nonce)
    # EK serves one message, so a nonce made of it is used once under a key that is used once.
    return head + AESGCM(agreement.k1).encrypt(ek[:12], plaintext, head + CSUITE + agreement.h)


def open_enrollment(agreement: Agreement, message: bytes) -> OpenedEnrollment:
    """Open an unauthenticated message of 176 bytes.

    Raises:
        MessageLengthMismatch: not 176 bytes.
        EnrollmentDoesNotOpen: altered, or made for other keys.
    """
    if len(message) != ENROLLMENT_SIZE:
        raise MessageLengthMismatch
    head = message[:64]
    try:
        plaintext = AESGCM(agreement.k1).decrypt(message[:12], message[64:], head + CSUITE + agreement.h)
    except InvalidTag:
        raise EnrollmentDoesNotOpen from None
    return OpenedEnrollment(plaintext[:32], plaintext[32:])


def same_bytes(first: bytes, second: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(first, second)


# ---- generation B ----------------------------------------------------------------------------------------------------


class _Status(Enum):
    INITIAL = auto()
    WAITING_FOR_BUNDLE = auto()
    WAITING_TO_SEND_BUNDLE = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of a two-party exchange.

    Attributes:
        peer_identity: the other side's public identity key.
    """

    h: bytes = field(repr=False)
    encrypt_key: bytes = field(repr=False)
    decrypt_key: bytes = field(repr=False)
    peer_identity: bytes


class Initiator:
    """Generation B: sends IK_I || EK, then takes the bundle."""

    def __init__(self, identity: SecretKey, ephemeral: SecretKey) -> None:
        self._identity = identity
        self._ephemeral = ephemeral
        self._status = _Status.INITIAL

    def message_1(self) -> bytes:
        """Return 64 bytes, once."""
        if self._status is not _Status.INITIAL:
            raise InvalidState
        self._status = _Status.WAITING_FOR_BUNDLE
        return self._identity.public + self._ephemeral.public

    def receive_bundle(self, data: bytes) -> Completed:
        """Take message 2 (unauthenticated); after a refusal the right one is still accepted.

        Raises:
            MessageLengthMismatch: not 160 bytes.
            InvalidPrekeySignature: forged. Reference: accepted there, the result of verify was ignored.
            LowOrderKey: a key of small order.
        """
        if self._status is not _Status.WAITING_FOR_BUNDLE:
            raise InvalidState
        if len(data) != PREKEY_BUNDLE_SIZE:
            raise MessageLengthMismatch
        bundle = PrekeyBundle.decode(data)
        if not bundle.is_signed():
            raise InvalidPrekeySignature
        ek = self._ephemeral
        agreement = agree(
            self._identity.exchange(bundle.signed_prekey),
            ek.exchange(bundle.identity),
            ek.exchange(bundle.signed_prekey),
            ek.exchange(bundle.one_time_prekey),
        )
        self._status = _Status.DONE
        return Completed(agreement.h, agreement.k1, agreement.k0, bundle.identity)


class Responder:
    """Generation B: takes IK_I || EK, then sends the bundle."""

    def __init__(self, identity: SecretKey, signed_prekey: SecretKey, one_time_prekey: SecretKey) -> None:
        self._identity = identity
        self._signed_prekey = signed_prekey
        self._one_time_prekey = one_time_prekey
        self._status = _Status.INITIAL

    def receive_message_1(self, data: bytes) -> Completed:
        """Take message 1 (unauthenticated); after a refusal the right one is still accepted.

        Raises:
            MessageLengthMismatch: not 64 bytes.
            LowOrderKey: a key of small order.
        """
        if self._status is not _Status.INITIAL:
            raise InvalidState
        if len(data) != 64:
            raise MessageLengthMismatch
        peer, ek = data[:32], data[32:]
        agreement = service_agreement(self._identity, self._signed_prekey, self._one_time_prekey, peer, ek)
        self._status = _Status.WAITING_TO_SEND_BUNDLE
        return Completed(agreement.h, agreement.k0, agreement.k1, peer)

    def bundle(self, nonce: bytes) -> bytes:
        """Return message 2, once, signed with 64 random bytes."""
        if self._status is not _Status.WAITING_TO_SEND_BUNDLE:
            raise InvalidState
        self._status = _Status.DONE
        prekeys = PrekeyBundle.create(self._identity, self._signed_prekey.public, self._one_time_prekey.public, nonce)
        return prekeys.encode()
