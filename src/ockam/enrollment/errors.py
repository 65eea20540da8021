"""What can go wrong in an enrollment, and what to do about it."""

from __future__ import annotations

from ockam.core.request import Status
from ockam.errors import EnvironmentFault, Kind, Misuse, Origin, PeerError, TimedOut

__all__ = [
    "AmbiguousIdentifier",
    "AnswerNotUnderstood",
    "BundleExpired",
    "BundleFromTheFuture",
    "BundleNotUnderstood",
    "BundleRefused",
    "EnrollmentRejected",
    "Forbidden",
    "InvalidBundleAttestation",
    "InvalidBundleHistory",
    "InvalidBundlePrekeySignature",
    "InvalidBundleSignature",
    "InvalidField",
    "InvalidPrekeySignature",
    "InvalidState",
    "LowOrderKey",
    "MessageLengthMismatch",
    "MethodNotAllowed",
    "NoAnswer",
    "NoBundleLeft",
    "NoUsableRoute",
    "NotServed",
    "PathNotFound",
    "QuotaPassed",
    "RecordConflict",
    "RecordNotFound",
    "RequestRefused",
    "ServiceUnreachable",
    "StationEnded",
    "UnsupportedSuite",
    "UnusableCredential",
    "WrongBundleLength",
    "WrongService",
]


# ---- key exchange ----------------------------------------------------------------------------------------------------


class LowOrderKey(PeerError):
    """A public key of small order was offered: the shared secret would be zero for everyone."""

    default_origin = Origin.KEY_EXCHANGE
    default_kind = Kind.INVALID


class InvalidPrekeySignature(PeerError):
    """The signed prekey was not signed by the identity key beside it. Ask the enroller for another bundle."""

    default_origin = Origin.KEY_EXCHANGE
    default_kind = Kind.INVALID


class InvalidState(Misuse):
    """invalid state"""  # noqa: D415 - the words of the reference

    default_origin = Origin.KEY_EXCHANGE
    default_kind = Kind.INVALID


class MessageLengthMismatch(PeerError):
    """message length mismatch"""  # noqa: D415 - the words of the reference

    default_origin = Origin.KEY_EXCHANGE
    default_kind = Kind.MISUSE


# ---- bundles: each refusal says which --------------------------------------------------------------------------------


class BundleRefused(PeerError):
    """The enrollment bundle cannot be used. Ask the enroller for another one."""

    default_kind = Kind.INVALID


class BundleNotUnderstood(BundleRefused):
    """The enrollment bundle is damaged: its bytes are not a complete bundle in canonical form. Copy it again."""


class WrongBundleLength(BundleNotUnderstood):
    """The prekeys in the bundle are not 160 bytes long. Copy the bundle again."""


class UnsupportedSuite(BundleRefused):
    """The bundle asks for algorithms that this version does not have. Update this program."""

    default_kind = Kind.UNSUPPORTED


class InvalidBundlePrekeySignature(BundleRefused, InvalidPrekeySignature):
    """The prekeys in the bundle are not signed by the service's enrollment key. Do not use this bundle."""


class InvalidBundleSignature(BundleRefused):
    """The bundle is not signed by the service's credential key: it was altered. Do not use this bundle."""


class InvalidBundleAttestation(BundleRefused):
    """The credential key in the bundle is not attested by the service named in it, or not at this time."""


class InvalidBundleHistory(BundleRefused):
    """The change history in the bundle does not verify, or is not that of the service named in it."""


class BundleExpired(BundleRefused):
    """The bundle has expired. Ask the enroller for a fresh one, and check this machine's clock."""

    default_kind = Kind.TIMEOUT


class BundleFromTheFuture(BundleRefused):
    """The bundle was made more than a minute ahead of this machine's clock. Set the clock."""


class WrongService(BundleRefused):
    """The bundle is of another service than the one that was asked for (`--service`)."""

    default_kind = Kind.CONFLICT


class NoUsableRoute(BundleRefused):
    """The bundle has no route that this device can use to reach the service."""

    default_kind = Kind.UNSUPPORTED


# ---- answers ---------------------------------------------------------------------------------------------------------


class AnswerNotUnderstood(PeerError):
    """The answer does not open with this message's key. It is ignored: anyone can send such bytes."""


class UnusableCredential(PeerError):
    """The service accepted this device but its credential does not verify here. Check this machine's clock."""


class EnrollmentRejected(PeerError):
    """The service rejects this device.

    Attributes:
        reason: a `RejectReason`, or a number that this version does not know.
        service_time: seconds since 1970.
    """

    default_kind = Kind.INVALID

    def __init__(self, reason: int, text: str, service_time: int) -> None:
        super().__init__(f"the service rejects this device: {text}")
        self.reason = reason
        self.service_time = service_time


class NoAnswer(TimedOut):
    """The service did not answer: it cannot be reached, the device is not approved yet, or the bundle was used.

    The message is kept: enroll again, and the same bytes are sent, also after an approval that comes later.
    """


# ---- the way to the service, and the local link ----------------------------------------------------------------------


class ServiceUnreachable(EnvironmentFault):
    """The other node cannot be reached. Check its address, and that it is running."""


class NoBundleLeft(EnvironmentFault):
    """There is no bundle to hand out. Request some while the service can be reached."""

    default_kind = Kind.RESOURCE_EXHAUSTED


class StationEnded(PeerError):
    """The enroller ended the link: it did not confirm the code, or has no bundle left."""


# ---- requests to the service -----------------------------------------------------------------------------------------


class RequestRefused(PeerError):
    """The enrollment service refuses the request.

    Attributes:
        status: what the response says.
    """

    status: Status = Status.BAD_REQUEST


class InvalidField(RequestRefused):
    """A field of the request is not allowed.

    Attributes:
        field: its name.
    """

    default_kind = Kind.INVALID

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class RecordNotFound(RequestRefused):
    """No such enrollee. It was never approved, was purged, or belongs to another enroller."""

    status = Status.NOT_FOUND
    default_kind = Kind.NOT_FOUND


class RecordConflict(RequestRefused):
    """The enrollee exists already with other fields, by another enroller, or in a state that does not allow this."""

    status = Status.CONFLICT
    default_kind = Kind.CONFLICT


class AmbiguousIdentifier(RequestRefused):
    """More than one enrollee starts with these digits. Give more of them."""

    status = Status.CONFLICT
    default_kind = Kind.CONFLICT


class QuotaPassed(RequestRefused):
    """The enroller has as many unused bundles or pending enrollees as it may. Use or cancel some first."""

    status = Status.CONFLICT
    default_kind = Kind.RESOURCE_EXHAUSTED


class Forbidden(RequestRefused):
    """Only enrollers and administrators may ask this."""

    status = Status.FORBIDDEN
    default_kind = Kind.INVALID


class PathNotFound(RequestRefused):
    """The enrollment service has no such path."""

    status = Status.NOT_FOUND
    default_kind = Kind.NOT_FOUND


class MethodNotAllowed(RequestRefused):
    """The enrollment service has no such request."""

    status = Status.METHOD_NOT_ALLOWED
    default_kind = Kind.UNSUPPORTED


class NotServed(RequestRefused):
    """The enrollment service does not serve this request yet."""

    status = Status.NOT_IMPLEMENTED
    default_kind = Kind.UNSUPPORTED
