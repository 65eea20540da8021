"""Bad input at the worker `enrollment`, which is open to strangers: silence, and nothing changes."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ockam import Route, TimedOut, route
from ockam.core.address import Address
from ockam.core.message import LocalMessage
from ockam.core.request import Method, Request
from ockam.enrollment.enrollee import AcceptedAnswer, Offered, RejectedAnswer
from ockam.enrollment.messages import MAX_MESSAGE_BYTES, EnrollmentMessage, RejectReason
from ockam.enrollment.pending import State
from ockam.enrollment.service import Silence
from ockam.enrollment.workers.events import Enrolled, Ignored, Rejected
from ockam.testing import FixedRandom
from tests.asynchronous import asynchronous
from tests.enrollment.parties import Device
from tests.enrollment.workers.world import Stranger, World

if TYPE_CHECKING:
    from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle


async def approved(world: World, name: str = "raw", **fields: object) -> tuple[Device, SignedEnrollmentBundle]:
    """Return a device without a node, approved, and a bundle for it."""
    device = Device(name)
    await world.enroller.approve([device.state.offer], **fields)  # type: ignore[arg-type]
    return device, await world.bundle()


@asynchronous
async def test_what_is_no_message_gets_silence_and_changes_nothing() -> None:
    async with World() as world:
        device, bundle = await approved(world)
        made = await device.message(bundle)
        stranger = await world.stranger()
        good = made.state.message
        before = world.service_node.statistics()
        for data in (b"", b"\x00", good[:-1], good + b"\x00", b"\x84" + good[1:-300], bytes(MAX_MESSAGE_BYTES + 1)):
            await stranger.send(data)
            await world.ignored(Silence.MALFORMED)
        # Nothing was answered: the first thing that comes back is the answer to the genuine message.
        await stranger.send(good)
        answer = device.take(made, (await stranger.receive()).body)
        assert isinstance(answer, AcceptedAnswer)
        statistics = world.service.statistics()
        assert (statistics["ignored_malformed"], statistics["answered"]) == (6, 1)
        assert before["workers"] <= world.service_node.statistics()["workers"] <= before["workers"] + 4


@asynchronous
async def test_messages_that_fit_nothing_known() -> None:
    async with World() as world:
        device, bundle = await approved(world)
        message = EnrollmentMessage.decode((await device.message(bundle)).state.message)
        stranger = await world.stranger()
        unknown = replace(message, bundle_id=bytes(16))
        await stranger.send(unknown.encode())
        await world.ignored(Silence.UNKNOWN_BUNDLE)
        # Another bundle of the same service: the keys do not fit.
        elsewhere = replace(message, bundle_id=(await world.bundle()).contents().bundle_id)
        await stranger.send(elsewhere.encode())
        await world.ignored(Silence.DOES_NOT_OPEN)
        nobody = Device("nobody")
        await stranger.send((await nobody.message(await world.bundle())).state.message)
        await world.ignored(Silence.UNKNOWN_ENROLLEE)
        altered = replace(message, x3dh=message.x3dh[:-1] + bytes([message.x3dh[-1] ^ 1]))
        await stranger.send(altered.encode())
        await world.ignored(Silence.DOES_NOT_OPEN)
        low_order = replace(message, x3dh=bytes(32) + message.x3dh[32:])
        await stranger.send(low_order.encode())
        await world.ignored(Silence.LOW_ORDER_KEY)
        (record,) = await world.service.list()
        assert record.state is State.PENDING


@asynchronous
async def test_a_flood_from_one_source_costs_one_bucket() -> None:
    async with World() as world:
        stranger = await world.stranger()
        context = stranger.context
        for number in range(10_000):
            await context.send(route(stranger.connection, "enrollment"), number.to_bytes(4, "big"))
        await world.ignored(Silence.SOURCE_TOO_FAST)
        statistics = world.service.statistics()
        while statistics["received"] < 10_000:
            await world.event(Ignored)
            statistics = world.service.statistics()
        assert (statistics["sources"], statistics["bundles"], statistics["answered"]) == (1, 0, 0)
        assert statistics["ignored_malformed"] + statistics["ignored_source_too_fast"] == 10_000
        # A second later the same machine is served again.
        world.clock.advance(1)
        device, bundle = await approved(world)
        made = await device.message(bundle)
        await stranger.send(made.state.message)
        assert isinstance(device.take(made, (await stranger.receive()).body), AcceptedAnswer)


@pytest.mark.slow
def test_a_million_messages_of_strangers_leave_nothing_behind() -> None:
    async def main() -> None:
        async with World() as world:
            world.unsubscribe()
            stranger = await world.stranger()
            source = stranger.context.mailboxes[0]
            door, random = world.service._door, FixedRandom("strangers")
            shapes = [b"", random(600), b"\x84\x01\x50" + random(600)]
            valid = EnrollmentMessage(bytes(16), bytes(176), bytes(300)).encode()
            for number in range(1_000_000):
                if number % 2000 == 0:
                    world.clock.advance(1)
                    await asyncio.sleep(0)
                if number == 100_000:
                    before = memory_pages()
                data = valid if number % 100 == 0 else shapes[number % 3]
                # Each from a host of its own, as far as the service can tell.
                first = Address.random(number.to_bytes(16, "big"))
                door.receive(LocalMessage(route("enrollment"), Route((first, source.address)), data), source)
            while door._handling:  # noqa: ASYNC110 - it is told to nobody
                await asyncio.sleep(0)
            statistics = world.service.statistics()
            assert (statistics["received"], statistics["answered"]) == (1_000_000, 0)
            assert statistics["sources"] <= 4096
            assert memory_pages() - before < 16 * 1024 * 1024 // resource.getpagesize()

    asyncio.run(main())


def memory_pages() -> int:
    """Return how many pages of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@asynchronous
async def test_a_bundle_is_tried_only_so_often() -> None:
    async with World() as world:
        device, bundle = await approved(world)
        message = EnrollmentMessage.decode((await device.message(bundle)).state.message)
        stranger = await world.stranger()
        for number in range(12):
            await stranger.send(
                replace(message, x3dh=message.x3dh[:-1] + bytes([message.x3dh[-1] ^ (number + 1)])).encode()
            )
        for _ in range(12):
            await world.event(Ignored)
        statistics = world.service.statistics()
        assert (statistics["ignored_does_not_open"], statistics["ignored_bundle_too_fast"]) == (10, 2)


@asynchronous
async def test_expired_bundle_expired_approval_and_cancelled_approval() -> None:
    async with World() as world:
        stranger = await world.stranger()
        device = Device("short-lived bundle")
        await world.enroller.approve([device.state.offer])
        (bundle,) = await world.enroller.request_bundles(1, expires_in=10)
        made = await device.message(bundle)
        late, late_bundle = await approved(world, "short-lived approval", expires_in=10)
        late_made = await late.message(late_bundle)
        gone, gone_bundle = await approved(world, "cancelled")
        gone_made = await gone.message(gone_bundle)
        await world.enroller.cancel(gone.id.hex())
        world.clock.advance(10)
        await stranger.send(made.state.message)
        await world.ignored(Silence.EXPIRED_BUNDLE)
        for message in (late_made, gone_made):
            await stranger.send(message.state.message)
            await world.ignored(Silence.NOT_PENDING)
        states = {record.pet_name: record.state for record in await world.service.list()}
        assert states == {
            "short-lived bundle": State.PENDING,
            "short-lived approval": State.EXPIRED,
            "cancelled": State.CANCELLED,
        }


@asynchronous
async def test_a_bundle_and_an_approval_of_two_enrollers_do_not_go_together() -> None:
    async with World() as world:
        node = await world.node()
        other_identifier = await node.create_identity()
        await world.service.add_enroller(other_identifier)
        other = await world.enroller_of(node, other_identifier)
        device = Device("between")
        await other.approve([device.state.offer])
        stranger = await world.stranger()
        await stranger.send((await device.message(await world.bundle())).state.message)
        await world.ignored(Silence.OTHER_ENROLLER)
        (bundle,) = await other.request_bundles(1)
        made = await device.message(bundle)
        await stranger.send(made.state.message)
        assert isinstance(device.take(made, (await stranger.receive()).body), AcceptedAnswer)


@asynchronous
async def test_an_approval_that_comes_later_still_works() -> None:
    async with World() as world:
        device = await world.device()
        enrolling = asyncio.create_task(device.enroll(await world.bundle()))
        await world.ignored(Silence.UNKNOWN_ENROLLEE)
        await world.enroller.approve([device.offer])
        assert (await enrolling).service == world.service_identifier


@asynchronous
async def test_two_devices_race_for_one_bundle() -> None:
    async with World() as world:
        one, two = await world.device("one"), await world.device("two")
        await world.enroller.approve([one.offer, two.offer])
        bundle = await world.bundle()
        racing = [asyncio.create_task(device.enroll(bundle)) for device in (one, two)]
        done, waiting = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(waiting)) == (1, 1)
        await world.ignored(Silence.USED_BUNDLE)
        assert len(await world.service.list(State.ENROLLED)) == len(await world.service.list(State.PENDING)) == 1
        # The other one gets its turn with a bundle of its own.
        (loser,) = waiting
        loser.cancel()
        await asyncio.gather(loser, return_exceptions=True)
        loser_device = two if two.enrollment is None else one
        assert (await loser_device.enroll(await world.bundle())).service == world.service_identifier


async def answered(stranger: Stranger, world: World, data: bytes) -> bytes:
    await stranger.send(data)
    answer = await stranger.receive()
    # A reject starts nothing.
    assert str(answer.return_route.recipient) == "0#enrollment"
    assert not world.service_node.secure_channels.of_peer(world.service_identifier)
    return answer.body


@asynchronous
async def test_rejects_are_sealed_and_counted_once_and_end_the_record() -> None:
    async with World() as world:
        device, bundle = await approved(world)
        stranger = await world.stranger()
        other_key = device.random(32)
        first = None
        for number in range(5):
            world.clock.advance(10)
            device.now = world.clock()
            made = await device.message(bundle, attested_key=other_key)
            body = await answered(stranger, world, made.state.message)
            rejected = device.take(made, body)
            assert isinstance(rejected, RejectedAnswer)
            assert rejected.rejected.reason == RejectReason.INVALID_IDENTITY
            assert (await world.event(Rejected)).reason is RejectReason.INVALID_IDENTITY
            first = first or made
            # Replays get the same bytes, at most one a second, and are not counted.
            world.clock.advance(1)
            for _ in range(3):
                await stranger.send(made.state.message)
            assert (await stranger.receive()).body == body
            while world.service.statistics().get("ignored_resent_just_now", 0) < 2 * (number + 1):
                await world.event(Ignored)
            (record,) = await world.service.list()
            assert record.state is (State.PENDING if number < 4 else State.REJECTED)


@asynchronous
async def test_a_stolen_bundle_enrolls_nobody() -> None:
    async with World() as world:
        device, bundle = await approved(world)
        # The thief knows everything that is public of the approved device: its enrollment key, not the secret of it.
        thief = Device("thief")
        message = EnrollmentMessage.decode((await thief.message(bundle)).state.message)
        claimed = replace(message, x3dh=message.x3dh[:32] + device.id + message.x3dh[64:])
        stranger = await world.stranger()
        await stranger.send(claimed.encode())
        await world.ignored(Silence.DOES_NOT_OPEN)
        assert not await world.service.list(State.ENROLLED)


@asynchronous
async def test_an_identity_that_is_enrolled_cannot_be_enrolled_again() -> None:
    async with World() as world:
        stranger = await world.stranger()
        device, bundle = await approved(world)
        made = await device.message(bundle)
        await stranger.send(made.state.message)
        assert isinstance(device.take(made, (await stranger.receive()).body), AcceptedAnswer)
        enrolled = await world.event(Enrolled)
        # The same identity under another enrollment key, and after its revocation.
        device.state = Offered(device.random(32), "again")
        await world.enroller.approve([device.state.offer])
        for _ in range(2):
            made = await device.message(await world.bundle())
            rejected = device.take(made, await answered(stranger, world, made.state.message))
            assert isinstance(rejected, RejectedAnswer)
            assert rejected.rejected.reason == RejectReason.IDENTITY_NOT_ALLOWED
            if (await world.service.show(enrolled.record.short)).state is State.ENROLLED:
                await world.service.remove(enrolled.record.short)


@asynchronous
async def test_only_the_door_is_open_to_strangers() -> None:
    async with World() as world:
        stranger = await world.stranger()
        request = Request("/", Method.POST, None, 1).encode()
        for worker in ("enrollment_service", "credential_issuer", "forwarding_service", "static_forwarding_service"):
            with pytest.raises(TimedOut):
                await stranger.node.send_and_receive(route(stranger.connection, worker), request, timeout=0.05)
        assert not await world.service.list()
