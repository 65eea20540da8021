"""A service and an enroller on nodes of their own, over real sockets; time stands still until a test moves it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ockam import Node, route
from ockam.core.access_control import ALLOW_ALL
from ockam.enrollment.workers.events import Ignored
from ockam.enrollment.workers.service import EnrollmentServiceOptions
from ockam.testing import FixedClock
from tests.enrollment.model import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from ockam.core.message import Routed
    from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
    from ockam.enrollment.service import Silence
    from ockam.enrollment.workers.enrollee import Enrollee
    from ockam.enrollment.workers.enroller import Enroller
    from ockam.enrollment.workers.enrollment import Enrollment
    from ockam.enrollment.workers.events import ServiceEvent
    from ockam.enrollment.workers.service import EnrollmentService
    from ockam.identity.identifier import Identifier
    from ockam.transport.tcp import TcpConnection, TcpListener

__all__ = ["Stranger", "World", "at_once", "fast"]

E = TypeVar("E")


def fast(_attempt: int, _random: float) -> float:
    """Repeat messages every 10 ms."""
    return 0.01


def at_once(_attempt: int, _random: float) -> float:
    """Repeat messages without a pause."""
    return 0.0


class World:
    """`async with World() as world`: a service S, and an enroller R that it knows."""

    service: EnrollmentService
    enroller: Enroller
    listener: TcpListener

    def __init__(self, service_home: Path | None = None, **options: Any) -> None:
        self.clock = FixedClock(NOW)
        self._options = options
        self._service_home = service_home
        self._stack = AsyncExitStack()
        self._events: asyncio.Queue[ServiceEvent] = asyncio.Queue()
        self.seen: list[ServiceEvent] = []

    async def __aenter__(self) -> Self:
        self.service_node = await self.node(home=self._service_home)
        self.enroller_node = await self.node()
        self.enroller_identifier = await self.enroller_node.create_identity()
        await self.start_service()
        self.enroller = await self.enroller_of(self.enroller_node, self.enroller_identifier)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def node(self, **arguments: Any) -> Node:
        """Start a node that ends with the world."""
        node = Node(**({"clock": self.clock} | arguments))
        return await self._stack.enter_async_context(node)

    async def start_service(self, port: int = 0) -> None:
        """Start the service on its node."""
        tcp = await self.service_node.create_tcp_transport()
        self.listener = await tcp.listen(f"127.0.0.1:{port}")
        self.service_identifier: Identifier = await self.service_node.ensure_identity("service")
        options = EnrollmentServiceOptions(**({"enrollers": [self.enroller_identifier]} | self._options))
        self.service = await self.service_node.create_enrollment_service(
            self.service_identifier, self.listener, options
        )
        self.unsubscribe = self.service.on_event(self._events.put_nowait)

    async def enroller_of(self, node: Node, identifier: Identifier) -> Enroller:
        """Make an enroller of this service."""
        return await node.create_enroller(identifier, self.service.enroller_route)

    async def event(self, kind: type[E]) -> E:
        """Wait for the next event of a kind; the others are in `seen`."""
        while True:
            event = await self._events.get()
            self.seen.append(event)
            if isinstance(event, kind):
                return event

    async def ignored(self, reason: Silence) -> None:
        """Wait until a message was ignored for a reason."""
        while (await self.event(Ignored)).reason is not reason:
            pass

    async def device(self, name: str = "Robot Axiom", node: Node | None = None, **arguments: Any) -> Enrollee:
        """Make a device, on a node of its own."""
        enrollee = await (node or await self.node()).create_enrollee(name, **arguments)
        enrollee.retry_delay = fast
        return enrollee

    async def bundle(self) -> SignedEnrollmentBundle:
        """Get one bundle."""
        (bundle,) = await self.enroller.request_bundles(1)
        return bundle

    async def enrolled(self, name: str, node: Node, **attributes: str) -> Enrollment:
        """Enroll a device."""
        device = await self.device(name, node)
        await self.enroller.approve([device.offer], attributes=attributes)
        return await device.enroll(await self.bundle())

    async def stranger(self) -> Stranger:
        """Make a node that sends what it likes."""
        node = await self.node()
        tcp = await node.create_tcp_transport()
        return Stranger(node, await tcp.connect(self.listener.socket_address))


class Stranger:
    """Sends raw bytes to the service, and takes what comes back."""

    def __init__(self, node: Node, connection: TcpConnection) -> None:
        self.node = node
        self.connection = connection
        self.context = node.new_detached(incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        node.flow_controls.add_consumer(self.context.address, connection.flow_control_id)

    async def send(self, data: bytes, worker: str = "enrollment") -> None:
        """Send bytes to a worker."""
        await self.context.send(route(self.connection, worker), data)
        self.node.runtime.flush()

    async def receive(self) -> Routed[bytes]:
        """Wait for what comes back."""
        return await self.context.receive(timeout=None)
