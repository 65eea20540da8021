"""Errors of identities, purpose keys and credentials, named as in the reference.

Source:
    reference ockam_identity/src/error.rs; origin Identity, kind Unknown except where it says otherwise.
"""

from __future__ import annotations

from ockam.errors import Kind, Misuse, NotFound, OckamError, Origin, PeerError


class IdentityError(OckamError):
    """Something about an identity is wrong."""

    default_origin = Origin.IDENTITY
    default_kind = Kind.UNKNOWN


class InvalidKeyType(IdentityError, PeerError):
    """The attested key is for another purpose: a channel key where a credential key is needed, or the reverse."""


class InvalidKeyData(IdentityError, PeerError):
    """The attested key is not the key the other party proved to hold."""


class InvalidIdentifier(IdentityError, Misuse):
    """An identifier is the letter I and 64 hexadecimal digits."""

    default_kind = Kind.PARSE


class EmptyIdentity(IdentityError, PeerError):
    """The change history has no change."""


class IdentityVerificationFailed(IdentityError, PeerError):
    """The change history does not prove the identity it claims."""


class PurposeKeyAttestationVerificationFailed(IdentityError, PeerError):
    """The purpose key attestation does not hold: wrong signature, out of date, or outdated by a rotation."""


class CredentialVerificationFailed(IdentityError, PeerError):
    """The credential does not hold: not signed by that issuer, out of date, or about another subject."""


class UnknownAuthority(IdentityError, PeerError):
    """The credential was issued by an identity that is not among the accepted authorities."""


class NoCredentialRetriever(IdentityError, Misuse):
    """No way to get a credential was configured."""


class UnknownCredentialVersion(IdentityError, PeerError):
    """The credential is of a version this library does not know."""


class InvalidCredentialDataType(IdentityError, PeerError):
    """The signed data is not that of a credential."""


class UnknownIdentityVersion(IdentityError, PeerError):
    """A change is of a version this library does not know."""


class InvalidIdentityDataType(IdentityError, PeerError):
    """The signed data is not that of a change."""


class InvalidPurposeKeyAttestationDataType(IdentityError, PeerError):
    """The signed data is not that of a purpose key attestation."""


class SecureChannelTrustCheckFailed(IdentityError, PeerError):
    """The trust policy does not accept the other party's identity."""


class ConsistencyError(IdentityError, PeerError):
    """The presented change history is older than the one known, or contradicts it."""


class WrongSecretKey(IdentityError, Misuse):
    """The secret key is not the one of the identity's latest change."""


class NoCredential(IdentityError, NotFound):
    """There is no valid credential to present."""


class IdentityNotFound(IdentityError, NotFound):
    """The change history of this identity is not known here: import it first."""

    # Reference: a missing history is an error of ockam_core, not of ockam_identity.
    default_origin = Origin.CORE
    default_kind = Kind.NOT_FOUND


class AttestationOutsideKeyWindow(IdentityError, Misuse):
    """The identity's key cannot attest now: its window is over or has not begun. Rotate the identity."""

    default_kind = Kind.MISUSE


class InvalidTimeToLive(IdentityError, Misuse):
    """A time to live is a positive number of seconds, small enough for a 64-bit timestamp."""

    default_kind = Kind.MISUSE


class CredentialOutlivesAttestation(IdentityError, Misuse):
    """The credential would be valid longer than its issuer's key is attested: every verifier would refuse it.

    Ask for a shorter time to live, or rotate the issuer's identity.
    """

    default_kind = Kind.MISUSE
