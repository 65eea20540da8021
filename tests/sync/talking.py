"""Two blocking nodes with a channel between them, over TCP on this machine."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockam import SecureChannelListenerOptions, SecureChannelOptions, TrustIdentifier, route
from ockam.sync import Node, SecureChannel, SecureChannelListener, TcpConnection, TcpListener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ockam import Identifier

__all__ = ["Pair", "connected"]


@dataclass
class Pair:
    """A client with an open channel to a server."""

    server: Node
    client: Node
    alice: Identifier
    bob: Identifier
    listener: TcpListener
    channels: SecureChannelListener
    connection: TcpConnection
    channel: SecureChannel


@contextlib.contextmanager
def connected() -> Iterator[Pair]:
    """Yield both; they are closed at the end."""
    with Node() as server, Node() as client:
        alice, bob = client.create_identity(), server.create_identity()
        listener = server.create_tcp_transport().listen("127.0.0.1:0")
        channels = server.create_secure_channel_listener(
            bob, "api", SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        )
        connection = client.create_tcp_transport().connect(listener.socket_address)
        options = SecureChannelOptions(trust_policy=TrustIdentifier(bob), timeout=10)
        channel = client.create_secure_channel(alice, route(connection, "api"), options)
        yield Pair(server, client, alice, bob, listener, channels, connection, channel)
