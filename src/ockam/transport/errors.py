"""Errors of the transports. Kinds as the reference's `TransportError`."""

from __future__ import annotations

from ockam.errors import EnvironmentFault, Misuse, Origin

__all__ = ["BindFailed", "ConnectionTimedOut", "InvalidSocketAddress", "PeerNotFound", "TransportFailed"]


class InvalidSocketAddress(Misuse):
    """Not a socket address. To listen, write `ip:port`; to connect, `host:port`, `[ipv6]:port` or a port alone."""

    default_origin = Origin.TRANSPORT


class PeerNotFound(Misuse):
    """Nothing listens there. Check the address, and that the other node is running."""

    default_origin = Origin.TRANSPORT


class ConnectionTimedOut(EnvironmentFault):
    """connection timed out"""  # noqa: D415 - the reference's words

    default_origin = Origin.TRANSPORT


class BindFailed(EnvironmentFault):
    """The address cannot be listened on: it is in use, or not one of this machine."""

    default_origin = Origin.TRANSPORT


class TransportFailed(EnvironmentFault):
    """The network failed."""

    default_origin = Origin.TRANSPORT
