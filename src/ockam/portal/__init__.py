"""Portals and streams: bytes in order, between two workers, in messages that the reference's portals understand."""

from ockam.portal.errors import InvalidPortalMessage, StreamRefused, UnexpectedPortalMessage
from ockam.portal.messages import Disconnect, Payload, Ping, Pong, PortalMessage, decode_portal_message

__all__ = [
    "Disconnect",
    "InvalidPortalMessage",
    "Payload",
    "Ping",
    "Pong",
    "PortalMessage",
    "StreamRefused",
    "UnexpectedPortalMessage",
    "decode_portal_message",
]
