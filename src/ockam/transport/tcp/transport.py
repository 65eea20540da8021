"""The TCP transport of a node: connects, listens, and knows what is open."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Final

from ockam.core.address import Address, TransportType
from ockam.core.route import Route, RouteLike
from ockam.core.route import route as make_route
from ockam.errors import Kind, Misuse, NotFound, Origin
from ockam.transport.errors import BindFailed, ConnectionTimedOut, InvalidSocketAddress, PeerNotFound, TransportFailed
from ockam.transport.host_port import HostPort
from ockam.transport.tcp.connection import Mode, TcpConnection
from ockam.transport.tcp.listener import TcpListener

if TYPE_CHECKING:
    from ockam.core.flow_control import FlowControlId
    from ockam.runtime.router import Runtime

__all__ = ["TcpTransport"]

log = logging.getLogger("ockam.transport.tcp")

# Source: reference ockam_transport_tcp keepalive of dialled sockets.
KEEPALIVE_IDLE_SECONDS: Final = 300
KEEPALIVE_INTERVAL_SECONDS: Final = 75
KEEPALIVE_PROBES: Final = 2
LISTEN_BACKLOG: Final = 1024


class TcpTransport:
    """One per node. Connections are not shared: every `connect` opens a new one."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._connections: dict[Address, TcpConnection] = {}
        self._listeners: list[TcpListener] = []

    async def listen(self, address: str) -> TcpListener:
        """Take connections in at `address`.

        Args:
            address: `ip:port`; port 0 lets the system choose.

        Raises:
            InvalidSocketAddress: not an IP address and a port.
            BindFailed: the address is in use, or not one of this machine.
        """
        where = HostPort.parse(address)
        if not where.is_ip:
            raise InvalidSocketAddress(f"{address!r}: to listen, write an IP address and a port: 127.0.0.1:4000")
        sock = socket.socket(socket.AF_INET6 if ":" in where.host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((where.host, where.port))
            sock.listen(LISTEN_BACKLOG)
            listener = TcpListener(self._runtime, sock, self._accept)
        except OSError as error:
            sock.close()
            raise BindFailed(f"cannot listen on {where}: {error.strerror or error}") from error
        except BaseException:
            sock.close()
            raise
        self._listeners.append(listener)
        return listener

    async def connect(
        self, peer: str, *, timeout: float | None = None, consumer_of: tuple[FlowControlId, ...] = ()
    ) -> TcpConnection:
        """Open a connection.

        Args:
            peer: `host:port`, `ip:port`, `[ipv6]:port`, or a port of this machine.
            timeout: seconds; by default the system's own limit.
            consumer_of: messages under these flow controls may be sent over this connection.

        Raises:
            InvalidSocketAddress: `peer` is none of these.
            PeerNotFound: nothing listens there, or the name is not known.
            ConnectionTimedOut: no answer in time.
            TransportFailed: the network failed otherwise.
            NodeStopping: the node is shutting down.
        """
        where = HostPort.parse(peer)
        try:
            async with asyncio.timeout(timeout):
                sock = await self._dial(where)
        except TimeoutError:
            raise ConnectionTimedOut(f"connection timed out: {where}") from None
        try:
            connection = self._open(sock, str(where), Mode.OUTGOING, None)
        except OSError as error:
            raise TransportFailed(f"the connection to {where} ended at once: {error}") from error
        for flow_control_id in consumer_of:
            self._runtime.flow_controls.add_consumer(connection.address, flow_control_id)
        return connection

    async def disconnect(self, connection: TcpConnection | Address) -> None:
        """Close a connection.

        Raises:
            NotFound: there is none with that sending worker.
        """
        found = self._connections.get(connection.address)
        if found is None:
            raise NotFound("no such connection", origin=Origin.TRANSPORT)
        await found.close()

    async def resolve(self, hops: RouteLike) -> Route:
        """Return the route with its one TCP address replaced by a connection that is opened for it.

        Raises:
            Misuse: more than one transport hop, or one of a transport that is not there.
        """
        wanted = make_route(hops)
        remote = [index for index, address in enumerate(wanted) if not address.is_local]
        if not remote:
            return wanted
        if len(remote) > 1:
            raise Misuse("only one transport hop is allowed in a route", origin=Origin.TRANSPORT, kind=Kind.INVALID)
        (index,) = remote
        address = wanted.addresses[index]
        if address.transport_type != TransportType.TCP:
            raise NotFound(f"the transport is not registered for address {address}", origin=Origin.TRANSPORT)
        connection = await self.connect(address.value.decode(errors="replace"))
        return Route((*wanted.addresses[:index], connection.address, *wanted.addresses[index + 1 :]))

    @property
    def connections(self) -> tuple[TcpConnection, ...]:
        """The open connections."""
        return tuple(self._connections.values())

    @property
    def listeners(self) -> tuple[TcpListener, ...]:
        """The listeners, closed ones included."""
        return tuple(self._listeners)

    def connection(self, address: Address) -> TcpConnection | None:
        """Return the open connection whose sending worker has this address."""
        return self._connections.get(address)

    async def _dial(self, where: HostPort) -> socket.socket:
        loop = self._runtime.loop
        try:
            found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise PeerNotFound(f"no host is called {where.host}: {error.strerror}") from error
        failure: OSError | None = None
        for family, kind, protocol, _, address in found:
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:
                failure = error
                continue
            try:
                sock.setblocking(False)
                await loop.sock_connect(sock, address)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        if isinstance(failure, ConnectionRefusedError):
            raise PeerNotFound(f"nothing listens at {where}. Is the other node running?") from failure
        raise TransportFailed(f"cannot connect to {where}: {failure}") from failure

    def _accept(self, sock: socket.socket, peer: str, listener: TcpListener) -> None:
        if self._runtime.is_stopping:
            sock.close()
            return
        try:
            self._open(sock, peer, Mode.INCOMING, listener.flow_control_id)
        except OSError as error:  # the peer is gone already
            log.info("a connection from %s ended at once: %s", peer, error)

    def _open(self, sock: socket.socket, peer: str, mode: Mode, spawner: FlowControlId | None) -> TcpConnection:
        connection = TcpConnection(self._runtime, sock, peer, mode, spawner, self._closed)
        self._connections[connection.address] = connection
        try:
            if mode is Mode.OUTGOING:
                _keep_alive(sock)
            connection.start()
        except BaseException:
            self._closed(connection)
            sock.close()
            raise
        return connection

    def _closed(self, connection: TcpConnection) -> None:
        self._connections.pop(connection.address, None)


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        option = getattr(socket, name, None)  # not on every system
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
