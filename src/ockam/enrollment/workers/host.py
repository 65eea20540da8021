"""What the parties of an enrollment need of the node they run on, and the ways to other nodes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from ockam.core.address import Address, TransportType
from ockam.core.request import Method, Request, Response
from ockam.core.route import Route
from ockam.core.route import route as make_route
from ockam.enrollment.errors import ServiceUnreachable
from ockam.errors import OckamError, PeerError, TimedOut
from ockam.multiaddr import MultiAddr, resolve
from ockam.multiaddr.protocol import Protocol
from ockam.runtime.errors import UnknownAddress
from ockam.secure_channel.noise import Role
from ockam.secure_channel.trust_policy import TrustEveryone, TrustIdentifier
from ockam.secure_channel.workers.handshake import HandshakeWorker, Terms
from ockam.transport.errors import ConnectionTimedOut, PeerNotFound, TransportFailed
from ockam.transport.host_port import HostPort

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier
    from ockam.identity.identities import Identities
    from ockam.runtime.clock import NodeClock
    from ockam.runtime.context import Context
    from ockam.runtime.router import Runtime
    from ockam.secure_channel.workers.channel import SecureChannel
    from ockam.secure_channel.workers.handshake import ChannelServices
    from ockam.transport.tcp.connection import TcpConnection
    from ockam.transport.tcp.transport import TcpTransport

__all__ = [
    "API",
    "CREDENTIAL_ISSUER",
    "ENROLLER",
    "ENROLLMENT",
    "ENROLLMENT_SERVICE",
    "ChannelEnded",
    "Host",
    "OpenChannel",
    "Way",
    "service_way",
    "unless_closed",
]

T = TypeVar("T")

# Fixed by the protocol: addresses of workers.
API: Final = "api"
ENROLLMENT: Final = "enrollment"
ENROLLMENT_SERVICE: Final = "enrollment_service"
CREDENTIAL_ISSUER: Final = "credential_issuer"
ENROLLER: Final = "enroller"
# Chosen by us.
CONNECT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Way:
    """How another node is reached: a TCP address, if it is not this node itself, and workers behind it."""

    peer: str | None
    hops: Route

    @classmethod
    def parse(cls, text: str) -> Way:
        """Read `host:port`, or a MultiAddr.

        Raises:
            OckamError: neither of them, or a transport other than TCP.
        """
        text = text.strip()
        if not text.startswith("/"):
            return cls(str(HostPort.parse(text)), Route())
        found = resolve(MultiAddr.parse(text))
        if found.transport is None:
            return cls(None, found.route)
        if found.transport.transport_type != TransportType.TCP:
            raise TransportFailed(f"`{text}`: only TCP is spoken here so far")
        return cls(found.transport.value.decode(), found.route)

    def ending_in(self, worker: str) -> Way:
        """Return the way to another worker in place of the last one."""
        return Way(self.peer, self.hops.without_recipient().append(worker))


def service_way(text: str) -> tuple[Way, str]:
    """Return the way to a service's channel listener, and the worker behind it that takes requests.

    Args:
        text: the route for enrollers, the route of a bundle, or only the transport part of either.
    """
    way = Way.parse(text)
    parts = MultiAddr.parse(text).parts if text.strip().startswith("/") else ()
    workers = [part for part in parts if part.protocol in (Protocol.SECURE, Protocol.SERVICE, Protocol.WORKER)]
    secure = [index for index, part in enumerate(workers) if part.protocol is Protocol.SECURE]
    if not workers:
        return Way(way.peer, Route((Address.local(API),))), ENROLLMENT_SERVICE
    if secure:
        listener, behind = way.hops.addresses[: secure[-1] + 1], way.hops.addresses[secure[-1] + 1 :]
        worker = behind[0].value.decode() if behind else ENROLLMENT_SERVICE
        return Way(way.peer, Route(listener)), worker
    if way.hops.recipient == Address.local(ENROLLMENT):
        return way.ending_in(API), ENROLLMENT_SERVICE
    return way, ENROLLMENT_SERVICE


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """A channel, and the connection that was made for it."""

    channel: SecureChannel
    connection: TcpConnection | None

    async def close(self) -> None:
        """Close both."""
        await self.channel.close()
        if self.connection is not None and not self.connection.is_closed:
            await self.connection.close()


@dataclass(frozen=True, slots=True)
class Host:
    """The node, as far as an enrollment needs it.

    Attributes:
        context: the node's own.
        services: what channels of the node's identities are made of.
        tcp: its transport.
        clock: its time.
        random: the system's random source.
        fresh_services: makes services whose identities are in memory only, for a link between strangers.
    """

    context: Context
    services: ChannelServices
    tcp: TcpTransport
    clock: NodeClock
    random: Callable[[int], bytes]
    fresh_services: Callable[[], ChannelServices]

    @property
    def runtime(self) -> Runtime:
        """The node's workers."""
        return self.services.runtime

    @property
    def identities(self) -> Identities:
        """The node's identities."""
        return self.services.identities

    def now(self) -> int:
        """Return the time in seconds."""
        return self.clock()

    async def connect(self, way: Way) -> tuple[TcpConnection | None, Route]:
        """Open a connection if the way needs one; return it, and the route over it.

        Raises:
            ServiceUnreachable: nothing answers there.
        """
        if way.peer is None:
            return None, way.hops
        try:
            connection = await self.tcp.connect(way.peer, timeout=CONNECT_SECONDS)
        except (PeerNotFound, ConnectionTimedOut, TransportFailed) as error:
            raise ServiceUnreachable(error.message) from error
        return connection, Route((connection.address, *way.hops.addresses))

    async def open_channel(
        self,
        way: Way,
        identifier: Identifier,
        trusted: Identifier | None,
        *,
        timeout: float,
        authority: Identifier | None = None,
        credential: CredentialAndPurposeKey | None = None,
        services: ChannelServices | None = None,
    ) -> OpenChannel:
        """Open a channel to the listener at the end of `way`; its connection is closed with it.

        Args:
            way: to the listener.
            identifier: our own.
            trusted: who it must be; None: anybody.
            timeout: seconds.
            authority: whose credentials count.
            credential: what we present.
            services: in place of the node's own.

        Raises:
            ServiceUnreachable: nothing answers there.
            OckamError: the other side is not whom we trust.
        """
        connection, route = await self.connect(way)
        policy = TrustEveryone() if trusted is None else TrustIdentifier(trusted)
        terms = Terms(identifier, policy, authority, credential, timeout)
        try:
            channel = await HandshakeWorker(services or self.services, terms, Role.INITIATOR).initiate(route)
        except TimedOut as error:
            await _close(connection)
            raise ServiceUnreachable(error.message) from error
        except BaseException:
            await _close(connection)
            raise
        if connection is not None:
            self.runtime.new_task(_close_after(channel, connection))
        return OpenChannel(channel, connection)

    async def ask(
        self, channel: SecureChannel, worker: str, method: Method, path: str, body: bytes | None, timeout: float
    ) -> Response:
        """Send a request to a worker at the other end of a channel, and return the response.

        Raises:
            TimedOut: no answer in `timeout` seconds.
            ServiceUnreachable: the channel ended before an answer came.
        """
        number = int.from_bytes(self.random(4), "big") or 1
        request = Request(path, method, body, number).encode()
        answer = self.context.send_and_receive(make_route(channel, worker), request, reply=Response, timeout=timeout)
        try:
            return await unless_closed(channel, answer)
        except TimedOut:
            raise
        except (ChannelEnded, UnknownAddress) as error:
            raise ServiceUnreachable("the channel to the service has ended") from error

    def send_quietly(self, action: Callable[[], object]) -> bool:
        """Do one sending; a way that is gone meanwhile is like a message that gets lost. False then."""
        try:
            action()
        except OckamError:
            return False
        self.runtime.flush()
        return True


async def unless_closed(channel: SecureChannel, awaitable: Awaitable[T]) -> T:
    """Await something, but not longer than a channel lives.

    Raises:
        ChannelEnded: the channel was closed first.
    """
    task = asyncio.ensure_future(awaitable)
    closed = asyncio.ensure_future(channel.wait_closed())
    try:
        await asyncio.wait((task, closed), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ChannelEnded
        return task.result()
    finally:
        for other in (task, closed):
            other.cancel()
        await asyncio.gather(task, closed, return_exceptions=True)


class ChannelEnded(PeerError):
    """The other side has closed the channel."""


async def _close(connection: TcpConnection | None) -> None:
    if connection is not None and not connection.is_closed:
        await connection.close()


async def _close_after(channel: SecureChannel, connection: TcpConnection) -> None:
    await channel.wait_closed()
    await _close(connection)
