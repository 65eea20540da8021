"""The same node, blocking: for scripts and notebooks.

    from ockam.sync import Node

    with Node() as node:
        ...

An event loop runs in a thread of its own, one per node; every method waits for what it does, and raises what it raises.
Values (routes, identifiers, options, errors) are those of `ockam`.
"""

from ockam.sync.context import Context
from ockam.sync.handles import (
    FlowControls,
    RemoteRelay,
    SecureChannel,
    SecureChannelListener,
    TcpConnection,
    TcpListener,
    TcpTransport,
)
from ockam.sync.node import Node
from ockam.sync.stream import Stream, StreamServer
from ockam.sync.worker import Worker

__all__ = [
    "Context",
    "FlowControls",
    "Node",
    "RemoteRelay",
    "SecureChannel",
    "SecureChannelListener",
    "Stream",
    "StreamServer",
    "TcpConnection",
    "TcpListener",
    "TcpTransport",
    "Worker",
]
