"""Ockam for Python: secure channels between applications and devices that have never met.

The paved path. Everything here is safe to use as it is; what is below (`ockam.secure_channel.noise`, `ockam.runtime`)
is sharper and named so.

Nothing is imported before it is asked for, so that `import ockam` and `ockam --help` are quick.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ockam.core import Address, Route, Routed, route
    from ockam.enrollment.workers.enrollee import Enrollee
    from ockam.enrollment.workers.enroller import Enroller
    from ockam.enrollment.workers.enrollment import Enrollment
    from ockam.enrollment.workers.service import EnrollmentService, EnrollmentServiceOptions
    from ockam.errors import DecodeError, Kind, Misuse, NotFound, OckamError, Origin, PeerError, TimedOut
    from ockam.identity.access_control import (
        CredentialAccessControl,
        IdentityAnyIdAccessControl,
        IdentityIdAccessControl,
    )
    from ockam.identity.change_history import Comparison
    from ockam.identity.credential_retriever import (
        CachedCredentialRetriever,
        MemoryCredentialRetriever,
        RefreshTiming,
    )
    from ockam.identity.identifier import Identifier
    from ockam.node import Node, run
    from ockam.portal import StreamRefused
    from ockam.portal.workers.streams import StreamServer
    from ockam.relay.workers.relay import Relay
    from ockam.relay.workers.remote import RemoteRelay
    from ockam.relay.workers.service import RelayService, RelayServiceOptions
    from ockam.runtime import Context, DelayedEvent, Echo, Echoer, Hop, Processor, Uppercase, Worker
    from ockam.secure_channel import TrustEveryone, TrustIdentifier, TrustIdentifiers, TrustPolicy
    from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
    from ockam.secure_channel.workers.channel import SecureChannel
    from ockam.secure_channel.workers.listener import SecureChannelListener
    from ockam.transport.tcp import TcpConnection, TcpListener, TcpTransport
    from ockam.vault.software.sealing import SealingKey

__version__ = "0.1.0"

__all__ = [
    "Address",
    "CachedCredentialRetriever",
    "Comparison",
    "Context",
    "CredentialAccessControl",
    "DecodeError",
    "DelayedEvent",
    "Echo",
    "Echoer",
    "Enrollee",
    "Enroller",
    "Enrollment",
    "EnrollmentService",
    "EnrollmentServiceOptions",
    "Hop",
    "Identifier",
    "IdentityAnyIdAccessControl",
    "IdentityIdAccessControl",
    "Kind",
    "MemoryCredentialRetriever",
    "Misuse",
    "Node",
    "NotFound",
    "OckamError",
    "Origin",
    "PeerError",
    "Processor",
    "RefreshTiming",
    "Relay",
    "RelayService",
    "RelayServiceOptions",
    "RemoteRelay",
    "Route",
    "Routed",
    "SealingKey",
    "SecureChannel",
    "SecureChannelListener",
    "SecureChannelListenerOptions",
    "SecureChannelOptions",
    "StreamRefused",
    "StreamServer",
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

# Silent unless the program configures logging: without a handler, Python would print warnings.
logging.getLogger("ockam").addHandler(logging.NullHandler())

# Where each public name lives: the imports above, once more.
_MODULES = {
    "Address": "ockam.core",
    "Route": "ockam.core",
    "Routed": "ockam.core",
    "route": "ockam.core",
    "DecodeError": "ockam.errors",
    "Kind": "ockam.errors",
    "Misuse": "ockam.errors",
    "NotFound": "ockam.errors",
    "OckamError": "ockam.errors",
    "Origin": "ockam.errors",
    "PeerError": "ockam.errors",
    "TimedOut": "ockam.errors",
    "CredentialAccessControl": "ockam.identity.access_control",
    "IdentityAnyIdAccessControl": "ockam.identity.access_control",
    "IdentityIdAccessControl": "ockam.identity.access_control",
    "Comparison": "ockam.identity.change_history",
    "CachedCredentialRetriever": "ockam.identity.credential_retriever",
    "MemoryCredentialRetriever": "ockam.identity.credential_retriever",
    "RefreshTiming": "ockam.identity.credential_retriever",
    "Identifier": "ockam.identity.identifier",
    "Node": "ockam.node",
    "run": "ockam.node",
    "StreamRefused": "ockam.portal",
    "StreamServer": "ockam.portal.workers.streams",
    "Relay": "ockam.relay.workers.relay",
    "RemoteRelay": "ockam.relay.workers.remote",
    "RelayService": "ockam.relay.workers.service",
    "RelayServiceOptions": "ockam.relay.workers.service",
    "Context": "ockam.runtime",
    "DelayedEvent": "ockam.runtime",
    "Echo": "ockam.runtime",
    "Echoer": "ockam.runtime",
    "Hop": "ockam.runtime",
    "Processor": "ockam.runtime",
    "Uppercase": "ockam.runtime",
    "Worker": "ockam.runtime",
    "TrustEveryone": "ockam.secure_channel",
    "TrustIdentifier": "ockam.secure_channel",
    "TrustIdentifiers": "ockam.secure_channel",
    "TrustPolicy": "ockam.secure_channel",
    "Enrollee": "ockam.enrollment.workers.enrollee",
    "Enroller": "ockam.enrollment.workers.enroller",
    "Enrollment": "ockam.enrollment.workers.enrollment",
    "EnrollmentService": "ockam.enrollment.workers.service",
    "EnrollmentServiceOptions": "ockam.enrollment.workers.service",
    "SecureChannelListenerOptions": "ockam.secure_channel.options",
    "SecureChannelOptions": "ockam.secure_channel.options",
    "SecureChannel": "ockam.secure_channel.workers.channel",
    "SecureChannelListener": "ockam.secure_channel.workers.listener",
    "TcpConnection": "ockam.transport.tcp",
    "TcpListener": "ockam.transport.tcp",
    "TcpTransport": "ockam.transport.tcp",
    "SealingKey": "ockam.vault.software.sealing",
}


if not TYPE_CHECKING:  # the imports above say more to a type checker than a function could

    def __getattr__(name: str) -> object:
        """Import a public name at its first use."""
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(module), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
