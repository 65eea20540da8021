"""The enroller: pinning, the cache of bundles, the queue on its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ockam import Misuse, Node
from ockam.enrollment.enroller import OfferState
from ockam.enrollment.errors import NoBundleLeft, ServiceUnreachable, WrongService
from ockam.enrollment.messages import EnrolleeOffer
from ockam.enrollment.pending import State
from ockam.secure_channel.errors import SecureChannelTrustCheckFailed
from tests.asynchronous import asynchronous
from tests.enrollment.parties import Device
from tests.enrollment.workers.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from ockam.enrollment.workers.enroller import Enroller


async def enroller_at(home: Path, world: World, to: str | None) -> tuple[Node, Enroller]:
    """Return an enroller with a disk, which the service knows."""
    node = await world.node(home=home)
    identifier = await node.ensure_identity("enroller")
    await world.service.add_enroller(identifier)
    return node, await node.create_enroller(identifier, to)


@pytest.mark.parametrize(
    "form",
    [
        "/ip4/127.0.0.1/tcp/{}",
        "/ip4/127.0.0.1/tcp/{}/secure/api",
        "/ip4/127.0.0.1/tcp/{}/service/api",
        "/ip4/127.0.0.1/tcp/{}/service/enrollment",
        "/ip4/127.0.0.1/tcp/{}/secure/api/service/enrollment_service",
        "/dnsaddr/localhost/tcp/{}",
    ],
)
def test_every_form_of_the_way_to_the_service(form: str) -> None:
    @asynchronous
    async def ask() -> None:
        async with World() as world:
            to = form.format(world.listener.port)
            enroller = await world.enroller_node.create_enroller(world.enroller_identifier, to)
            assert await enroller.wait_connected() == world.service_identifier
            assert await enroller.list() == ()

    ask()


@asynchronous
async def test_the_service_is_pinned_at_first_use(tmp_path: Path) -> None:
    async with World() as world, World() as other:
        node, enroller = await enroller_at(tmp_path, world, world.service.enroller_route)
        assert enroller.service is None
        await enroller.stock_bundles(1)
        assert enroller.service == world.service_identifier
        again = await node.create_enroller(enroller.identifier, other.service.enroller_route)
        assert again.service == world.service_identifier
        with pytest.raises(SecureChannelTrustCheckFailed):
            await again.list()
        with pytest.raises(WrongService, match=str(world.service_identifier)):
            await node.create_enroller(enroller.identifier, None, other.service_identifier)


@asynchronous
async def test_the_given_service_must_answer() -> None:
    async with World() as world, World() as other:
        enroller = await world.enroller_node.create_enroller(
            world.enroller_identifier, other.service.enroller_route, world.service_identifier
        )
        with pytest.raises(SecureChannelTrustCheckFailed):
            await enroller.request_bundles(1)


@asynchronous
async def test_the_queue_is_on_the_disk_and_goes_out_when_the_service_is_there(tmp_path: Path) -> None:
    async with World(service_home=tmp_path / "service") as world:
        home = tmp_path / "enroller"
        to = world.service.enroller_route
        node, enroller = await enroller_at(home, world, to)
        await enroller.stock_bundles(2)
        port = world.listener.port
        await world.service_node.shutdown()
        offers = [Device(f"device {number}").state.offer for number in range(3)]
        with pytest.raises(ServiceUnreachable):
            await enroller.approve(offers)
        await enroller.queue(offers[:2], attributes={"site": "berlin"}, expires_in=1000)
        await enroller.queue([EnrolleeOffer(bytes(32), "no key")])
        await enroller.queue([offers[2].text])
        with pytest.raises(ServiceUnreachable):
            await enroller.flush_queue()
        await node.shutdown()
        world.service_node = await world.node(home=tmp_path / "service")
        await world.start_service(port)
        # Nothing is lost on a restart of either.
        _, enroller = await enroller_at(home, world, to)
        assert [bundle.can_be_handed_out(world.clock()) for bundle in await enroller.bundles()] == [True, True]
        assert len(await enroller.queued()) == 4
        flushed = await enroller.flush_queue()
        assert {record.pet_name for record in flushed.approved} == {"device 0", "device 1", "device 2"}
        (refused,) = flushed.refused
        assert (refused.entry.pet_name, refused.state) == ("no key", OfferState.REFUSED)
        assert refused.reason is not None
        assert refused.reason.startswith("eik: ")
        assert await enroller.queued() == ()
        assert len(await world.service.list(State.PENDING)) == 3


@asynchronous
async def test_a_lost_connection_is_made_again() -> None:
    async with World() as world:
        await world.enroller.list()
        for channel in world.service_node.secure_channels.channels:
            await channel.close()
        assert len(await world.enroller.request_bundles(3)) == 3
        assert world.enroller._open is not None
        await world.enroller._open.close()
        assert await world.enroller.list() == ()


@asynchronous
async def test_offline_without_a_way() -> None:
    async with World() as world:
        enroller = await world.enroller_node.create_enroller(world.enroller_identifier)
        offer = Device("one").state.offer
        with pytest.raises(Misuse):
            await enroller.approve([offer])
        with pytest.raises(NoBundleLeft):
            await enroller.take_bundle(offer)
