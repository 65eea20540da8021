"""The local link between a device and an enroller's station."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import pytest

from ockam import SecureChannelOptions, route
from ockam.core.access_control import ALLOW_ALL
from ockam.enrollment.errors import ServiceUnreachable, StationEnded
from ockam.enrollment.link import CodeNotConfirmed, Commit, EnrolleeLink, LinkParties, Nonce, Reveal
from ockam.enrollment.pending import State
from ockam.enrollment.service import Silence
from ockam.enrollment.workers.enrollee import EnrolleeStep
from ockam.enrollment.workers.events import Approved, BundlesIssued, Enrolled
from tests.asynchronous import asynchronous
from tests.enrollment.parties import Device
from tests.enrollment.workers.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from ockam.enrollment.messages import EnrolleeOffer
    from ockam.enrollment.workers.station import EnrollerStation
    from ockam.transport.tcp import TcpListener


class Station(World):
    """A world with a station, and a person there."""

    station: EnrollerStation
    station_listener: TcpListener

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments
        self.agrees = True
        self.codes: asyncio.Queue[tuple[str, EnrolleeOffer]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        tcp = await self.enroller_node.create_tcp_transport()
        self.station_listener = await tcp.listen("127.0.0.1:0")
        self.station = await self.enroller.start_station(self.station_listener, confirm=self.confirm, **self.arguments)
        return self

    @property
    def address(self) -> str:
        """Where devices connect."""
        return self.station_listener.socket_address

    async def confirm(self, code: str, offer: EnrolleeOffer) -> bool:
        """Ask the person."""
        self.codes.put_nowait((code, offer))
        return self.agrees


async def agrees(_code: str) -> bool:
    return True


@asynchronous
async def test_a_device_enrolls_through_a_station() -> None:
    async with Station(attributes={"site": "berlin"}, expires_in=1000) as world:
        shown: list[str] = []

        async def compare(code: str) -> bool:
            shown.append(code)
            return True

        device = await world.device("Robot Axiom")
        enrollment = await device.enroll_through(world.address, confirm=compare)
        code, offer = await world.codes.get()
        assert shown == [code]
        assert len(code) == 6
        assert offer.pet_name == "Robot Axiom"
        assert enrollment.attributes["site"] == "berlin"
        approved = await world.event(Approved)
        assert approved.record.expires_at == world.clock() + 1000
        assert world.station.served == 1
        # The identities of the link are in memory only, and neither is the device's.
        assert world.station.identifier != enrollment.identifier
        assert await device.enroll_through("127.0.0.1:1", confirm=agrees) is enrollment


@asynchronous
async def test_many_devices_at_one_station() -> None:
    async with Station() as world:
        devices = [await world.device(f"device {number}") for number in range(5)]
        enrollments = await asyncio.gather(
            *(device.enroll_through(world.address, confirm=agrees) for device in devices)
        )
        assert len({enrollment.identifier for enrollment in enrollments}) == 5
        assert world.station.served == 5


@asynchronous
async def test_a_code_that_the_device_does_not_confirm() -> None:
    async def disagrees(_code: str) -> bool:
        return False

    async with Station() as world:
        device = await world.device()
        with pytest.raises(CodeNotConfirmed):
            await device.enroll_through(world.address, confirm=disagrees)
        assert device.status.step is EnrolleeStep.OFFERED
        assert world.service.statistics()["received"] == 0


@asynchronous
async def test_a_code_that_the_station_does_not_confirm() -> None:
    async with Station() as world:
        world.agrees = False
        device = await world.device()
        with pytest.raises(StationEnded):
            await device.enroll_through(world.address, confirm=agrees)
        assert world.station.served == 0
        assert await world.enroller.queued() == ()
        assert not await world.service.list()
        # Once more, and this time the person agrees.
        world.agrees = True
        assert (await device.enroll_through(world.address, confirm=agrees)).service == world.service_identifier


@asynchronous
async def test_nobody_at_the_address() -> None:
    async with World() as world:
        device = await world.device()
        with pytest.raises(ServiceUnreachable):
            await device.enroll_through("127.0.0.1:1", confirm=agrees)


@asynchronous
async def test_a_station_that_only_hands_out_bundles() -> None:
    async with Station(approve=False) as world:
        device = await world.device()
        enrolling = asyncio.create_task(device.enroll_through(world.address, confirm=agrees))
        await world.ignored(Silence.UNKNOWN_ENROLLEE)
        await world.enroller.approve([device.offer])
        assert (await enrolling).service == world.service_identifier


@asynchronous
async def test_a_station_serves_while_the_service_is_away(tmp_path: Path) -> None:
    async with Station() as world:
        # A stock of bundles; then the service cannot be reached, but by the devices, when it is back.
        await world.enroller.stock_bundles(3)
        await world.event(BundlesIssued)
        port, identifier = world.listener.port, world.service_identifier
        await world.listener.close()
        for channel in world.service_node.secure_channels.channels:
            await channel.close()
        device = await world.device()
        enrolling = asyncio.create_task(device.enroll_through(world.address, confirm=agrees))
        await world.codes.get()
        while not world.station.served:  # noqa: ASYNC110 - it is told to nobody
            await asyncio.sleep(0)
        assert [queued.entry.pet_name for queued in await world.enroller.queued()] == ["Robot Axiom"]
        assert not await world.service.list()
        tcp = await world.service_node.create_tcp_transport()
        listener = await tcp.listen(f"127.0.0.1:{port}")
        for worker in ("api", "enrollment"):
            world.service_node.flow_controls.add_consumer(worker, listener.flow_control_id)
        # The station tries again by itself; nobody has to wait for its timer here.
        world.station._more.set()
        assert (await enrolling).service == identifier
        assert await world.enroller.queued() == ()


@asynchronous
async def test_a_station_without_bundles_ends_the_link() -> None:
    async with Station() as world:
        await world.service_node.shutdown()
        device = await world.device()
        with pytest.raises(StationEnded):
            await device.enroll_through(world.address, confirm=agrees)
        # What was confirmed is not lost.
        assert len(await world.enroller.queued()) == 1


@asynchronous
async def test_a_reveal_that_breaks_the_commitment_and_messages_out_of_order() -> None:
    async with Station() as world:
        for fault in ("broken", "second commitment", "garbage", "reveal first"):
            node = await world.node()
            identifier = await node.create_identity()
            connection = await (await node.create_tcp_transport()).connect(world.address)
            options = SecureChannelOptions(timeout=5)
            channel = await node.create_secure_channel(identifier, route(connection, "api"), options)
            context = node.new_detached(incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
            node.flow_controls.add_consumer(context.address, channel.flow_control_id)
            station = route(channel, "enroller")
            offer = Device("man in the middle").state.offer
            link = EnrolleeLink(LinkParties(identifier.value, channel.their_identifier.value, offer.eik), b"\x01" * 16)
            await context.send(station, offer.encode())
            if fault == "reveal first":
                await context.send(station, Reveal(bytes(16)).encode())
            else:
                await context.send(station, link.commit().encode())
                Nonce.decode((await context.receive(timeout=None)).body)
            match fault:
                case "broken":
                    await context.send(station, Reveal(b"\x02" * 16).encode())
                case "second commitment":
                    await context.send(station, Commit(bytes(32)).encode())
                case "garbage":
                    await context.send(station, b"\xff")
                case _:
                    pass
            await channel.wait_closed()
        assert world.codes.empty()
        assert world.station.served == 0


@asynchronous
async def test_a_device_that_waits_already_goes_through_the_link_again(tmp_path: Path) -> None:
    async with Station(approve=False) as world:
        node = await world.node(home=tmp_path)
        device = await world.device(node=node)
        enrolling = asyncio.create_task(device.enroll_through(world.address, confirm=agrees))
        await world.ignored(Silence.UNKNOWN_ENROLLEE)
        enrolling.cancel()
        await asyncio.gather(enrolling, return_exceptions=True)
        former = device.status.bundle_fingerprint
        await node.shutdown()
        device = await world.device(node=await world.node(home=tmp_path))
        await world.enroller.approve([device.offer])
        # The same bundle for the same device, and so the same message.
        enrollment = await device.enroll_through(world.address, confirm=agrees)
        assert enrollment.channel is None
        assert former is not None
        await world.event(Enrolled)
        assert len(await world.service.list(State.ENROLLED)) == 1
