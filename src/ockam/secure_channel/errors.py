"""What can go wrong in a secure channel, and whose fault it is.

Nothing here is ever told to the peer: a channel end logs the reason and stays silent.

Source: reference ockam_identity error.rs, ockam_key_exchange_xx; names and kinds as in the sheet of the protocol.
"""

from ockam.errors import AlreadyExists, Kind, Misuse, NotFound, OckamError, Origin, PeerError
from ockam.identity.errors import InvalidKeyData, InvalidKeyType, SecureChannelTrustCheckFailed

__all__ = [
    "AuthenticationFailed",
    "CredentialRefused",
    "DuplicateSecureChannel",
    "HandshakeInternalError",
    "InvalidKeyData",
    "InvalidKeyType",
    "InvalidNonce",
    "MessageLengthMismatch",
    "MessageTooLong",
    "NonceOverflow",
    "OwnPayloadTooLong",
    "PersistentSecureChannelNotFound",
    "PersistentSupportIsLimited",
    "SecureChannelTrustCheckFailed",
    "UnexpectedEvent",
    "UnexpectedMessage",
    "UnknownChannelMsgDestination",
]


class MessageLengthMismatch(PeerError):
    """Message length mismatch: the handshake message is shorter than its fixed part."""

    default_origin = Origin.KEY_EXCHANGE
    default_kind = Kind.MISUSE


class MessageTooLong(PeerError):
    """The handshake message exceeded the maximum allowed message length for noise (65535 bytes)."""

    default_origin = Origin.KEY_EXCHANGE
    default_kind = Kind.INVALID


class OwnPayloadTooLong(Misuse):
    """Our own handshake payload does not fit into a Noise message of 65535 bytes.

    The change history or the credential is too large; send the credential later, as a refresh.
    """

    default_origin = Origin.KEY_EXCHANGE
    default_kind = Kind.INVALID


class AuthenticationFailed(PeerError):
    """The message was not encrypted with the expected key, or was changed on its way."""

    default_origin = Origin.VAULT
    default_kind = Kind.INVALID


class UnexpectedMessage(PeerError):
    """A handshake message arrived in a state in which none is awaited."""

    default_origin = Origin.CHANNEL
    default_kind = Kind.INVALID


class UnexpectedEvent(Misuse):
    """The handshake was given an event that does not belong to its state."""

    default_origin = Origin.CHANNEL
    default_kind = Kind.INVALID


class InvalidNonce(PeerError):
    """The message was seen before, or its nonce is too far away from the newest one."""

    default_origin = Origin.IDENTITY
    default_kind = Kind.UNKNOWN


class CredentialRefused(PeerError):
    """The issuer gives us no credential. Is this identity one of its members?"""

    default_origin = Origin.IDENTITY
    default_kind = Kind.NOT_FOUND


class NonceOverflow(OckamError):
    """The channel has used up its nonces. Create a new secure channel."""

    default_origin = Origin.IDENTITY
    default_kind = Kind.UNKNOWN


class UnknownChannelMsgDestination(Misuse):
    """The message was sent to an address of the channel that takes no such message."""

    default_origin = Origin.IDENTITY
    default_kind = Kind.UNKNOWN


class DuplicateSecureChannel(AlreadyExists):
    """A secure channel with this encryptor address is registered already."""

    default_origin = Origin.IDENTITY
    default_kind = Kind.UNKNOWN


class PersistentSupportIsLimited(Misuse):
    """Only key-exchange-only channels can be persisted: choose key_exchange_only first."""

    default_origin = Origin.IDENTITY
    default_kind = Kind.UNKNOWN


class PersistentSecureChannelNotFound(NotFound):
    """No persisted secure channel has this decryptor address."""

    default_origin = Origin.IDENTITY
    default_kind = Kind.UNKNOWN


class HandshakeInternalError(OckamError):
    """The handshake is in a state that cannot happen. This is a defect of the library; please report it."""

    default_origin = Origin.IDENTITY
    default_kind = Kind.UNKNOWN
