"""Ockam for Python: secure channels between applications and devices that have never met.

The paved path. Everything here is safe to use as it is; what is below (`ockam.secure_channel.noise`, `ockam.runtime`, …) is
sharper and named so.
"""

from ockam.core import Address, Route, Routed, route
from ockam.errors import DecodeError, Kind, Misuse, NotFound, OckamError, Origin, PeerError, TimedOut
from ockam.identity.access_control import (
    CredentialAccessControl,
    IdentityAnyIdAccessControl,
    IdentityIdAccessControl,
)
from ockam.identity.identifier import Identifier
from ockam.node import Node, run
from ockam.relay.workers.relay import Relay
from ockam.relay.workers.remote import RemoteRelay
from ockam.relay.workers.service import RelayService, RelayServiceOptions
from ockam.runtime import Context, DelayedEvent, Echo, Echoer, Hop, Processor, Uppercase, Worker
from ockam.secure_channel import TrustEveryone, TrustIdentifier, TrustIdentifiers, TrustPolicy
from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
from ockam.secure_channel.workers.channel import SecureChannel
from ockam.secure_channel.workers.listener import SecureChannelListener
from ockam.transport.tcp import TcpConnection, TcpListener, TcpTransport

__version__ = "0.1.0"

__all__ = [
    "Address",
    "Context",
    "CredentialAccessControl",
    "DecodeError",
    "DelayedEvent",
    "Echo",
    "Echoer",
    "Hop",
    "Identifier",
    "IdentityAnyIdAccessControl",
    "IdentityIdAccessControl",
    "Kind",
    "Misuse",
    "Node",
    "NotFound",
    "OckamError",
    "Origin",
    "PeerError",
    "Processor",
    "Relay",
    "RelayService",
    "RelayServiceOptions",
    "RemoteRelay",
    "Route",
    "Routed",
    "SecureChannel",
    "SecureChannelListener",
    "SecureChannelListenerOptions",
    "SecureChannelOptions",
    "TcpConnection",
    "TcpListener",
    "TcpTransport",
    "TimedOut",
    "TrustEveryone",
    "TrustIdentifier",
    "TrustIdentifiers",
    "TrustPolicy",
    "Uppercase",
    "Worker",
    "__version__",
    "route",
    "run",
]
