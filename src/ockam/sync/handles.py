"""What a node makes, blocking: connections, listeners, channels, relays. They stand in routes as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ockam.sync.stream import Stream

if TYPE_CHECKING:
    from ockam.core.address import Address
    from ockam.core.flow_control import FlowControlId
    from ockam.core.flow_control import FlowControls as PlainFlowControls
    from ockam.core.route import Route, RouteLike
    from ockam.identity.identifier import Identifier
    from ockam.relay.workers.remote import RemoteRelay as AsynchronousRemoteRelay
    from ockam.secure_channel.workers.channel import SecureChannel as AsynchronousChannel
    from ockam.secure_channel.workers.channel import StreamOptions
    from ockam.secure_channel.workers.listener import SecureChannelListener as AsynchronousChannelListener
    from ockam.sync.loop_thread import LoopThread
    from ockam.transport.tcp.connection import TcpConnection as AsynchronousConnection
    from ockam.transport.tcp.listener import TcpListener as AsynchronousListener
    from ockam.transport.tcp.transport import TcpTransport as AsynchronousTransport

__all__ = [
    "FlowControls",
    "RemoteRelay",
    "SecureChannel",
    "SecureChannelListener",
    "TcpConnection",
    "TcpListener",
    "TcpTransport",
]


class FlowControls:
    """Which workers are open to which sources of messages from outside."""

    def __init__(self, loop: LoopThread, controls: PlainFlowControls) -> None:
        self._loop = loop
        self._controls = controls

    def add_consumer(self, address: Address | str, flow_control_id: FlowControlId) -> None:
        """Let messages under `flow_control_id` reach `address`; neither has to exist yet."""
        self._loop.call(lambda: self._controls.add_consumer(address, flow_control_id))

    def remove_consumer(self, address: Address | str, flow_control_id: FlowControlId) -> None:
        """Take back what `add_consumer` allowed."""
        self._loop.call(lambda: self._controls.remove_consumer(address, flow_control_id))


class TcpTransport:
    """The node's TCP transport. Connections are not shared: every `connect` opens a new one."""

    def __init__(self, loop: LoopThread, transport: AsynchronousTransport) -> None:
        self._loop = loop
        self._transport = transport

    def listen(self, address: str) -> TcpListener:
        """Take connections in at `address`, `ip:port`; port 0 lets the system choose.

        Raises:
            InvalidSocketAddress: not an IP address and a port.
            BindFailed: the address is in use, or not one of this machine.
        """
        return TcpListener(self._loop, self._loop.run(lambda: self._transport.listen(address)))

    def connect(
        self, peer: str, *, timeout: float | None = None, consumer_of: tuple[FlowControlId, ...] = ()
    ) -> TcpConnection:
        """Open a connection to `host:port`.

        Raises:
            PeerNotFound: nothing listens there, or the name is not known.
            ConnectionTimedOut: no answer in time.
        """
        connection = self._loop.run(lambda: self._transport.connect(peer, timeout=timeout, consumer_of=consumer_of))
        return TcpConnection(self._loop, connection)

    def disconnect(self, connection: TcpConnection | Address) -> None:
        """Close a connection."""
        self._loop.run(lambda: self._transport.disconnect(connection.address))

    @property
    def connections(self) -> tuple[TcpConnection, ...]:
        """The open connections."""
        return tuple(
            TcpConnection(self._loop, connection) for connection in self._loop.call(lambda: self._transport.connections)
        )

    @property
    def listeners(self) -> tuple[TcpListener, ...]:
        """The listeners, closed ones included."""
        return tuple(
            TcpListener(self._loop, listener) for listener in self._loop.call(lambda: self._transport.listeners)
        )


class TcpListener:
    """Takes connections in until it is closed; closing it leaves them open."""

    def __init__(self, loop: LoopThread, listener: AsynchronousListener) -> None:
        self._loop = loop
        self._listener = listener

    @property
    def address(self) -> Address:
        """The listening worker."""
        return self._listener.address

    @property
    def socket_address(self) -> str:
        """Where it listens, `ip:port`."""
        return self._listener.socket_address

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    @property
    def flow_control_id(self) -> FlowControlId:
        """Consumers of it are reachable from every connection this listener takes in."""
        return self._listener.flow_control_id

    def close(self) -> None:
        """Take no more connections."""
        self._loop.run(self._listener.close)

    def __repr__(self) -> str:
        return repr(self._listener)


class TcpConnection:
    """One connection; put it into a route to send over it."""

    def __init__(self, loop: LoopThread, connection: AsynchronousConnection) -> None:
        self._loop = loop
        self._connection = connection

    @property
    def address(self) -> Address:
        """The sending worker."""
        return self._connection.address

    @property
    def receiver_address(self) -> Address:
        """The worker that arriving messages come from."""
        return self._connection.receiver_address

    @property
    def socket_address(self) -> str:
        """The peer, `ip:port`."""
        return self._connection.socket_address

    @property
    def flow_control_id(self) -> FlowControlId:
        """Arriving messages reach only consumers of it (or of the listener's)."""
        return self._connection.flow_control_id

    @property
    def is_closed(self) -> bool:
        """Whether nothing is sent or received any more."""
        return self._connection.is_closed

    def statistics(self) -> dict[str, int]:
        """Return what has passed: whole frames, and bytes of the socket."""
        return self._loop.call(self._connection.statistics)

    def close(self) -> None:
        """Write what is queued, then close the connection. Twice is allowed."""
        self._loop.run(self._connection.close)

    def __repr__(self) -> str:
        return repr(self._connection)


class SecureChannelListener:
    """Takes channels in until it is closed; closing it leaves them open."""

    def __init__(self, loop: LoopThread, listener: AsynchronousChannelListener) -> None:
        self._loop = loop
        self._listener = listener

    @property
    def address(self) -> Address:
        """Where initiators send their first message."""
        return self._listener.address

    @property
    def identifier(self) -> Identifier:
        """Who it is."""
        return self._listener.identifier

    @property
    def flow_control_id(self) -> FlowControlId:
        """Consumers of it are reachable from every channel this listener takes in."""
        return self._listener.flow_control_id

    def close(self) -> None:
        """Take no more channels in. Twice is allowed."""
        self._loop.run(self._listener.close)

    def __repr__(self) -> str:
        return repr(self._listener)


class SecureChannel:
    """An established secure channel. Put it into a route to send through it."""

    def __init__(self, loop: LoopThread, channel: AsynchronousChannel) -> None:
        self._loop = loop
        self._channel = channel

    @property
    def address(self) -> Address:
        """The encryptor's address, which stands for the channel in routes."""
        return self._channel.address

    @property
    def their_identifier(self) -> Identifier:
        """Whom the peer has proven to be."""
        return self._channel.their_identifier

    @property
    def identifier(self) -> Identifier:
        """Our own identity in this channel."""
        return self._channel.identifier

    @property
    def flow_control_id(self) -> FlowControlId:
        """Messages from the peer reach only consumers of it."""
        return self._channel.flow_control_id

    @property
    def remote_route(self) -> Route:
        """The route to the peer's decryptor."""
        return self._channel.remote_route

    @property
    def is_closed(self) -> bool:
        """Whether nothing passes any more."""
        return self._channel.is_closed

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return a frame for the peer's `decrypt`: these bytes and nothing else."""
        return self._loop.call(lambda: self._channel.encrypt(plaintext))

    def decrypt(self, frame: bytes) -> bytes:
        """Return what the peer has encrypted."""
        return self._loop.call(lambda: self._channel.decrypt(frame))

    def update_remote_node_route(self, new_route: RouteLike) -> None:
        """Reach the same peer over another route from now on."""
        self._loop.call(lambda: self._channel.update_remote_node_route(new_route))

    def open_stream(self, to: RouteLike, **options: Unpack[StreamOptions]) -> Stream:
        """Open a byte stream through the channel: `Node.open_stream` with `route(channel, to)`.

        Raises:
            TimedOut: no confirmation in time. One that refuses may say nothing.
            StreamRefused: the other end does not take the stream.
        """
        return Stream(self._loop, *self._loop.run(lambda: self._channel.open_stream(to, **options)))

    def close(self) -> None:
        """Tell the peer, as far as possible, and end the channel."""
        self._loop.run(self._channel.close)

    def wait_closed(self) -> None:
        """Wait until the channel has ended, by either side."""
        self._loop.run(self._channel.wait_closed)

    def __repr__(self) -> str:
        return repr(self._channel)


class RemoteRelay:
    """A relay on another node that leads here."""

    def __init__(self, loop: LoopThread, relay: AsynchronousRemoteRelay) -> None:
        self._loop = loop
        self._relay = relay

    @property
    def address(self) -> Address:
        """The registering worker on this node."""
        return self._relay.address

    @property
    def name(self) -> str | None:
        """What was asked for; None for any."""
        return self._relay.name

    @property
    def remote_address(self) -> Address | None:
        """The relay's address on that node."""
        return self._relay.remote_address

    @property
    def remote_route(self) -> Route:
        """The route to the relay from this node."""
        return self._relay.remote_route

    def close(self) -> None:
        """Take nothing more through the relay."""
        self._loop.run(self._relay.close)
