"""MultiAddr: where something can be reached, as text a person types and as bytes a peer sends.

`/ip4/127.0.0.1/tcp/4000/secure/api/service/echo` names a transport, then workers behind it.
"""

from ockam.multiaddr.codec import MultiAddr
from ockam.multiaddr.errors import InvalidMultiAddr, MalformedMultiAddr, UnresolvableMultiAddr
from ockam.multiaddr.protocol import Part, Protocol
from ockam.multiaddr.resolve import Resolved, local_route, multiaddr_of_address, multiaddr_of_route, resolve

__all__ = [
    "InvalidMultiAddr",
    "MalformedMultiAddr",
    "MultiAddr",
    "Part",
    "Protocol",
    "Resolved",
    "UnresolvableMultiAddr",
    "local_route",
    "multiaddr_of_address",
    "multiaddr_of_route",
    "resolve",
]
