"""Crashes, lost answers and restarts: the same bytes, the same answer, and at most one channel."""

from __future__ import annotations

import asyncio
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from ockam import Node, route
from ockam.core.access_control import ALLOW_ALL
from ockam.core.message import LocalMessage
from ockam.enrollment.enrollee_state import Waiting, decode_state
from ockam.enrollment.errors import NoAnswer
from ockam.enrollment.pending import State
from ockam.enrollment.service import Silence
from ockam.enrollment.workers import onboarding
from ockam.enrollment.workers.enrollee import Enrollee, EnrolleeStep
from ockam.enrollment.workers.events import Enrolled, Ignored, Resent
from tests.asynchronous import asynchronous
from tests.enrollment.workers.test_enrollment import WhoAsks
from tests.enrollment.workers.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from ockam.enrollment.workers.events import ServiceEvent
    from ockam.identity.identifier import Identifier


def killed(home: Path) -> Path:
    """Return a copy of a home as `kill -9` at this instant would leave it."""
    copy = home.with_name(home.name + " after kill")
    shutil.copytree(home, copy)
    return copy


async def waiting_message(device: Enrollee) -> bytes:
    """Return the bytes that a device sends again and again, as they are on its disk."""
    stored = await device._repository.state()
    assert stored is not None
    state = decode_state(stored)
    assert isinstance(state, Waiting)
    return state.message


async def sent_in_vain(world: World, device: Enrollee) -> bytes:
    """Let a device that is not approved yet send its message, and give up; return the message."""
    enrolling = asyncio.create_task(device.enroll(await world.bundle()))
    await world.ignored(Silence.UNKNOWN_ENROLLEE)
    enrolling.cancel()
    await asyncio.gather(enrolling, return_exceptions=True)
    return await waiting_message(device)


async def forgotten(world: World, message: bytes) -> None:
    """Wait until the service has forgotten the answer to a message."""
    database = world.service_node._enrollments._database()
    while await database.read(  # noqa: ASYNC110 - it is told to nobody
        lambda connection: connection.execute(
            "SELECT 1 FROM enrollment_answer WHERE message_id = ?", (sha256(message).digest(),)
        ).fetchone()
    ):
        await asyncio.sleep(0)


@asynchronous
async def test_a_device_that_was_killed_sends_the_same_bytes_and_gets_the_stored_answer(tmp_path: Path) -> None:
    async with World() as world:
        home = tmp_path / "device"
        device = await world.device("Robot Axiom", await world.node(home=home))
        offer = device.offer
        message = await sent_in_vain(world, device)
        # It was killed before its message was taken; who took it is another matter.
        again = await world.device("Robot Axiom", await world.node(home=killed(home)))
        assert again.offer == offer
        assert again.status.step is EnrolleeStep.WAITING
        await world.enroller.approve([offer])
        stranger = await world.stranger()
        await stranger.send(message)
        await stranger.receive()
        enrolled = await world.event(Enrolled)
        enrollment = await again.enroll()
        assert (await world.event(Resent)).message_id == sha256(message).digest()
        assert enrollment.identifier == enrolled.identifier
        # The keys of the channel were in the process that is gone.
        assert enrollment.channel is None
        await enrollment.renew_credential()
        assert len(await world.service.list(State.ENROLLED)) == 1


@asynchronous
async def test_killed_after_the_acceptance_was_stored(tmp_path: Path) -> None:
    async with World() as world:
        home = tmp_path / "device"
        node = await world.node(home=home)
        former = await world.enrolled("Robot Axiom", node, site="berlin")
        node = await world.node(home=killed(home))
        device = await world.device("another name", node)
        status = device.status
        assert (status.step, status.pet_name, status.identifier) == (
            EnrolleeStep.ENROLLED,
            "Robot Axiom",
            former.identifier,
        )
        enrollment = device.enrollment
        assert enrollment is not None
        assert (enrollment.attributes, enrollment.relay_name) == (former.attributes, former.relay_name)
        assert enrollment.channel is None
        await enrollment.create_relay()
        assert await device.enroll() is enrollment


@asynchronous
async def test_an_answer_that_got_lost_is_sent_again_and_the_channel_starts_once() -> None:
    async with World() as world:
        node = await world.node()
        device = await world.device("one", node)
        message = await sent_in_vain(world, device)
        await world.enroller.approve([device.offer])
        # The answer to the first sending goes astray, to somebody who has sent the same bytes.
        stranger = await world.stranger()
        await stranger.send(message)
        astray = await stranger.receive()
        identifier = (await world.event(Enrolled)).identifier
        (channel_of_service,) = world.service_node.secure_channels.of_peer(identifier)
        assert astray.return_route.recipient == channel_of_service.decryptor_address
        # The device gets the stored answer, and begins the one channel that waits for it.
        enrollment = await device.enroll()
        await world.event(Resent)
        assert enrollment.channel is not None
        assert enrollment.channel.remote_route.recipient == channel_of_service.decryptor_address
        await world.service_node.start_worker("who", WhoAsks())
        world.service_node.flow_controls.add_consumer("who", world.service.channels.flow_control_id)
        who = route(enrollment.channel, "who")
        assert await node.send_and_receive(who, "", reply=str) == identifier.value.hex()
        assert world.service_node.secure_channels.of_peer(identifier) == [channel_of_service]
        assert world.service.statistics()["waiting_channels"] == 0
        # The device has spoken: its answer is forgotten, and the same bytes are nothing any more.
        await forgotten(world, message)
        await stranger.send(message)
        await world.ignored(Silence.USED_BUNDLE)


@asynchronous
async def test_a_resent_answer_starts_no_channel_when_the_services_end_is_gone() -> None:
    async with World() as world:
        device = await world.device()
        message = await sent_in_vain(world, device)
        await world.enroller.approve([device.offer])
        stranger = await world.stranger()
        await stranger.send(message)
        await stranger.receive()
        identifier = (await world.event(Enrolled)).identifier
        (channel_of_service,) = world.service_node.secure_channels.of_peer(identifier)
        await channel_of_service.close()
        enrollment = await device.enroll()
        assert enrollment.channel is None
        assert not world.service_node.secure_channels.of_peer(identifier)
        assert (await enrollment.connect()).their_identifier == world.service_identifier


@asynchronous
async def test_a_thousand_replays_get_the_same_bytes_once_a_second() -> None:
    async with World() as world:
        device = await world.device()
        message = await sent_in_vain(world, device)
        await world.enroller.approve([device.offer])
        stranger = await world.stranger()
        await stranger.send(message)
        first = (await stranger.receive()).body
        await world.event(Enrolled)
        for times in range(1, 4):
            world.clock.advance(1)
            for _ in range(300):
                await stranger.send(message)
            assert (await stranger.receive()).body == first
            while world.service.statistics().get("ignored_resent_just_now", 0) < 299 * times:
                await world.event(Ignored)
        assert world.service.statistics()["answered"] == 4
        assert len(world.service_node.secure_channels.channels) == 2  # the enroller's, and one


@asynchronous
async def test_a_service_that_was_killed_after_its_commit_gives_the_stored_answer(tmp_path: Path) -> None:
    async with World(service_home=tmp_path / "service") as world:
        device = await world.device()
        message = await sent_in_vain(world, device)
        await world.enroller.approve([device.offer])
        stranger = await world.stranger()
        await stranger.send(message)
        await stranger.receive()
        await world.event(Enrolled)
        identifier, port = world.service_identifier, world.listener.port
        await world.service_node.shutdown()
        world.service_node = await world.node(home=killed(tmp_path / "service"))
        await world.start_service(port)
        assert world.service_identifier == identifier
        enrollment = await device.enroll()
        # The keys of the channel were in the process that is gone.
        assert enrollment.channel is None
        assert not (await enrollment.open_channel()).is_closed
        assert len(await world.service.list(State.ENROLLED)) == 1


@asynchronous
async def test_bundles_and_approvals_outlive_the_service(tmp_path: Path) -> None:
    async with World(service_home=tmp_path / "service") as world:
        device = await world.device()
        bundle = await world.bundle()
        await world.enroller.approve([device.offer])
        port = world.listener.port
        await world.service_node.shutdown()
        with pytest.raises(NoAnswer):
            await device.enroll(bundle, wait=0.05)
        world.service_node = await world.node(home=tmp_path / "service")
        await world.start_service(port)
        # The message that was made while nobody listened; it goes out over a new connection.
        enrollment = await device.enroll()
        assert enrollment.channel is not None
        # The enroller finds its way back too.
        assert len(await world.enroller.list(State.ENROLLED)) == 1


@asynchronous
async def test_a_bundle_that_was_used_gets_no_answer_and_another_one_does() -> None:
    async with World() as world:
        node = await world.node()
        used = await world.bundle()
        other = await world.device("other")
        device = await world.device("one", node)
        await world.enroller.approve([other.offer, device.offer])
        await other.enroll(used)
        with pytest.raises(NoAnswer):
            await device.enroll(used, wait=0.05)
        message = await waiting_message(device)
        fresh = await world.bundle()
        enrollment = await device.enroll(fresh)
        assert enrollment.channel is not None
        assert sha256(message).digest() not in {event.message_id for event in world.seen if isinstance(event, Resent)}


@asynchronous
async def test_forgetting_makes_a_new_device(tmp_path: Path) -> None:
    async with World() as world:
        node = await world.node(home=tmp_path / "device")
        former = await world.enrolled("Robot Axiom", node)
        device = await world.device(node=node)
        await world.service.remove(former.enrollment_identifier.hex())
        with pytest.raises(Exception, match="unauthorized member"):
            await former.renew_credential()
        await device.forget()
        assert device.status.step is EnrolleeStep.OFFERED
        await world.enroller.approve([device.offer])
        enrollment = await device.enroll(await world.bundle())
        assert enrollment.identifier != former.identifier


def test_a_home_without_enrollment_is_a_plain_device(tmp_path: Path) -> None:
    async def main() -> None:
        async with Node(home=tmp_path) as node:
            device = await node.create_enrollee("one")
            assert device.status.step is EnrolleeStep.OFFERED
            text = device.offer.text
        async with Node(home=tmp_path) as node:
            device = await node.create_enrollee()
            assert device.offer.text == text
            device = await node.create_enrollee("two")
            assert (device.offer.pet_name, device.offer.eik) == ("two", device.offer.eik)

    asyncio.run(main())


@asynchronous
async def test_a_member_whose_answer_is_gone_asks_for_a_credential(tmp_path: Path) -> None:
    async with World() as world:
        home = tmp_path / "device"
        node = await world.node(home=home)
        device = await world.device(node=node)
        message = await sent_in_vain(world, device)
        await node.shutdown()
        await world.enroller.approve([device.offer], attributes={"site": "berlin"})
        stranger = await world.stranger()
        await stranger.send(message)
        enrolled = await world.event(Enrolled)
        # Two days later.
        world.clock.advance(2 * 24 * 3600)
        await world.service._repository.purge(world.clock())
        again = await world.device(node=await world.node(home=killed(home)))
        again.recover_after = 0
        enrollment = await again.enroll()
        assert enrollment.identifier == enrolled.identifier
        assert enrollment.attributes == enrolled.attributes
        assert enrollment.relay_name == enrolled.record.short
        assert enrollment.channel is None
        await enrollment.create_relay()
        assert again.status.step is EnrolleeStep.ENROLLED


@asynchronous
async def test_a_device_that_is_no_member_asks_in_vain_and_goes_on_waiting() -> None:
    async with World() as world:
        device = await world.device()
        device.recover_after = 0
        enrolling = asyncio.create_task(device.enroll(await world.bundle()))
        for _ in range(10):
            await world.ignored(Silence.UNKNOWN_ENROLLEE)
        await world.enroller.approve([device.offer])
        assert (await enrolling).service == world.service_identifier


@asynchronous
async def test_a_channel_that_the_device_never_uses_is_ended() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onboarding, "WAIT_SECONDS", 0.01)
        async with World() as world:
            device = await world.device()
            message = await sent_in_vain(world, device)
            await world.enroller.approve([device.offer])
            stranger = await world.stranger()
            await stranger.send(message)
            identifier = (await world.event(Enrolled)).identifier
            for channel in world.service_node.secure_channels.of_peer(identifier):
                await channel.wait_closed()
            assert world.service.statistics()["waiting_channels"] == 0
            # The answer is still there, and says that no channel waits.
            world.clock.advance(1)
            enrollment = await device.enroll()
            assert enrollment.channel is None


@asynchronous
async def test_frames_and_garbage_right_behind_the_answer_are_no_trouble() -> None:
    async with World() as world:
        node = await world.node()
        device = await world.device(node=node)
        await sent_in_vain(world, device)
        # The service talks at once, as soon as it has answered, while the device still stores the acceptance.
        await node.start_worker("who", WhoAsks())
        told: list[Identifier] = []

        def talk(event: ServiceEvent) -> None:
            if isinstance(event, Enrolled):
                told.append(event.identifier)
                (channel,) = world.service_node.secure_channels.of_peer(event.identifier)
                context = world.service_node.new_detached(incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
                for number in range(10):
                    world.service_node.runtime.forward(
                        context.mailboxes[0],
                        LocalMessage(route(channel, "nowhere"), context.mailboxes[0].route, bytes([number])),
                    )

        world.service.on_event(talk)
        await world.enroller.approve([device.offer])
        enrollment = await device.enroll()
        assert told == [enrollment.identifier]
        assert enrollment.channel is not None
        node.flow_controls.add_consumer("who", enrollment.channel.flow_control_id)
        (back,) = world.service_node.secure_channels.of_peer(enrollment.identifier)
        answer = await world.service_node.send_and_receive(route(back, "who"), "", reply=str)
        assert answer == world.service_identifier.value.hex()
