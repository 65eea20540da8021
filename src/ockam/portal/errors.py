"""What can go wrong with a stream, and whose fault it is. Nothing of it is told to the peer but `Disconnect`."""

from ockam.errors import DecodeError, Kind, Origin, PeerError

__all__ = ["InvalidPortalMessage", "StreamRefused", "UnexpectedPortalMessage"]


class InvalidPortalMessage(DecodeError):
    """Not a portal message: an unknown tag, or cut short."""

    default_origin = Origin.TRANSPORT
    default_kind = Kind.PROTOCOL


class UnexpectedPortalMessage(PeerError):
    """A portal message that may not come at this point; it is dropped, and the stream goes on."""

    default_origin = Origin.TRANSPORT


class StreamRefused(PeerError):
    """The other side does not take the stream: what is behind it cannot be reached, or it has too many."""

    default_origin = Origin.TRANSPORT
