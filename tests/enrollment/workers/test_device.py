"""The device: bundles it refuses, rejects, wrong clocks, ways to the service."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ockam import Misuse
from ockam.core.access_control import ALLOW_ALL
from ockam.enrollment.errors import (
    BundleExpired,
    BundleNotUnderstood,
    BundleRefused,
    EnrollmentRejected,
    InvalidField,
    NoAnswer,
    UnusableCredential,
    WrongService,
)
from ockam.enrollment.messages import RejectReason
from ockam.enrollment.workers.enrollee import EnrolleeStep
from ockam.enrollment.workers.events import Enrolled, Rejected
from ockam.identity.identifier import Identifier
from ockam.testing import FixedClock
from tests.asynchronous import asynchronous
from tests.enrollment.workers.world import World

if TYPE_CHECKING:
    from pathlib import Path

DAY = 24 * 3600


@asynchronous
async def test_bundles_that_are_refused_before_anything_is_sent() -> None:
    async with World() as world, World() as elsewhere:
        device = await world.device(service=world.service_identifier)
        await world.enroller.approve([device.offer])
        bundle = await world.bundle()
        altered = replace(bundle, bundle=bundle.bundle[:-1] + bytes([bundle.bundle[-1] ^ 1]))
        swapped = replace(bundle, history=(await elsewhere.bundle()).history)
        for bad, error in (
            (bundle.encode()[:-1], BundleNotUnderstood),
            (bundle.text[:-4], BundleNotUnderstood),
            (b"", BundleNotUnderstood),
            (altered, BundleRefused),
            (swapped, BundleRefused),
            (await elsewhere.bundle(), WrongService),
        ):
            with pytest.raises(error):
                await device.enroll(bad)
        world.clock.advance(7 * DAY)
        with pytest.raises(BundleExpired):
            await device.enroll(bundle)
        assert world.service.statistics()["received"] == 0
        assert device.status.step is EnrolleeStep.OFFERED
        with pytest.raises(Misuse):
            await device.enroll()


@asynchronous
async def test_pet_names_are_checked_on_the_device() -> None:
    async with World() as world:
        with pytest.raises(InvalidField):
            await world.device("a\nb")
        assert (await world.device("Róbot ✓")).offer.pet_name == "Róbot ✓"


@pytest.mark.parametrize("form", ["bytes", "text", "text in bytes"])
def test_every_form_of_a_bundle(form: str) -> None:
    @asynchronous
    async def enroll() -> None:
        async with World() as world:
            device = await world.device()
            await world.enroller.approve([device.offer])
            bundle = await world.bundle()
            given: str | bytes = bundle.encode() if form == "bytes" else bundle.text
            await device.enroll(f"{given}\n".encode() if isinstance(given, str) and "bytes" in form else given)
            await world.event(Enrolled)

    enroll()


@asynchronous
async def test_a_clock_that_is_ahead_is_set_aside_after_a_reject(tmp_path: Path) -> None:
    async with World() as world:
        ahead = FixedClock(world.clock() + DAY)
        node = await world.node(home=tmp_path, clock=ahead)
        device = await world.device(node=node)
        await world.enroller.approve([device.offer])
        enrollment = await device.enroll(await world.bundle())
        assert (await world.event(Rejected)).reason is RejectReason.INVALID_TIMES
        await world.event(Enrolled)
        assert enrollment.channel is not None
        # Everything on the node goes by the service's time now, also in the next process.
        assert (await enrollment.connect()).their_identifier == world.service_identifier
        await enrollment.renew_credential()
        await node.shutdown()
        node = await world.node(home=tmp_path, clock=ahead)
        later = (await world.device(node=node)).enrollment
        assert later is not None
        await later.connect()
        await later.create_relay()


@asynchronous
async def test_a_clock_that_is_behind_starts_at_the_bundle() -> None:
    async with World() as world:
        node = await world.node(clock=FixedClock(1000))
        enrollment = await world.enrolled("without a battery", node)
        assert not [event for event in world.seen if isinstance(event, Rejected)]
        assert (await enrollment.connect()).their_identifier == world.service_identifier
        await enrollment.renew_credential()


@asynchronous
async def test_a_reject_is_an_error_and_the_device_may_try_again() -> None:
    async with World() as world:
        node = await world.node()
        enrollment = await world.enrolled("one", node)
        # Its state is lost, its identity is not: the service does not take it twice.
        device = await world.device(node=node)
        assert device.enrollment is not None
        await device._repository.delete_state()
        device = await world.device(node=node)
        await world.enroller.approve([device.offer])
        with pytest.raises(EnrollmentRejected) as caught:
            await device.enroll(await world.bundle())
        assert (caught.value.reason, caught.value.service_time) == (
            RejectReason.IDENTITY_NOT_ALLOWED,
            world.clock(),
        )
        assert device.status.step is EnrolleeStep.OFFERED
        await device.forget()
        await world.enroller.approve([device.offer])
        assert (await device.enroll(await world.bundle())).identifier != enrollment.identifier


@asynchronous
async def test_a_credential_that_does_not_verify_here_can_be_asked_for_again() -> None:
    async with World(credential_ttl=60) as world:
        clock = FixedClock(world.clock())
        node = await world.node(clock=clock)
        device = await world.device(node=node)
        await world.enroller.approve([device.offer])
        with pytest.raises(NoAnswer):
            await device.enroll(await world.bundle(), wait=0)
        # The message is on the disk; now the clock jumps past the end of what the service will answer.
        clock.advance(3600)
        with pytest.raises(UnusableCredential):
            await device.enroll()
        clock.advance(-3600)
        world.clock.advance(1)
        assert (await device.enroll()).service == world.service_identifier


@asynchronous
async def test_a_second_route_is_used_when_the_first_leads_nowhere() -> None:
    async with World() as world:
        nowhere = await (await world.node()).create_tcp_transport()
        closed = await nowhere.listen("127.0.0.1:0")
        await closed.close()
        silent = await nowhere.listen("127.0.0.1:0")
        core = world.service._core
        routes = (
            f"/ip4/127.0.0.1/tcp/{closed.port}/service/enrollment",
            f"/ip4/127.0.0.1/tcp/{silent.port}/service/enrollment",
            *core.settings.bundle_routes,
        )
        core.settings = replace(core.settings, bundle_routes=routes)
        enrollment = await world.enrolled("one", await world.node())
        assert enrollment.channel is not None
        assert len(enrollment.routes) == 3


@asynchronous
async def test_a_wrong_service_cannot_answer() -> None:
    async with World() as world:
        device = await world.device()
        # Somebody sits at the address of the service, takes the message and answers what he likes.
        bundle = await world.bundle()
        port = world.listener.port
        await world.service_node.shutdown()
        impostor = await world.node()
        listener = await (await impostor.create_tcp_transport()).listen(f"127.0.0.1:{port}")
        context = impostor.new_detached("enrollment", incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        impostor.flow_controls.add_consumer("enrollment", listener.flow_control_id)

        async def answer() -> None:
            for body in (b"", b"\x83\x01\x4c" + bytes(12) + b"\x41\x00", bytes(100_000)):
                message = await context.receive(timeout=None)
                await context.send(message.return_route, body)
                await context.send(message.return_route, message.body)

        task = impostor.runtime.new_task(answer())
        with pytest.raises(NoAnswer):
            await device.enroll(bundle, wait=0.2)
        await task
        assert device.status.step is EnrolleeStep.WAITING


@asynchronous
async def test_a_device_with_a_pinned_service_does_not_go_on_with_another(tmp_path: Path) -> None:
    async with World() as world:
        node = await world.node(home=tmp_path)
        device = await world.device(node=node)
        with pytest.raises(NoAnswer):
            await device.enroll(await world.bundle(), wait=0.05)
        await node.shutdown()
        pinned = await world.device(node=await world.node(home=tmp_path), service=Identifier(bytes(32)))
        with pytest.raises(WrongService):
            await pinned.enroll()
