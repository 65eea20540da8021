from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ockam import CredentialAccessControl, Echoer, Node, SecureChannelOptions, TimedOut, TrustIdentifier, route
from ockam.core.message import Routed, peer_identifier
from ockam.enrollment.pending import State
from ockam.enrollment.workers.events import Enrolled
from ockam.runtime import Context, Worker
from tests.asynchronous import asynchronous
from tests.enrollment.workers.world import World
from tests.portal.workers.talking import echo

if TYPE_CHECKING:
    from ockam.enrollment.workers.enrollment import Enrollment
    from ockam.secure_channel.workers.channel import SecureChannel


class WhoAsks(Worker[str]):
    """Answers with the identifier of the peer."""

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        """Answer."""
        await ctx.send(message.return_route, (peer_identifier(message) or b"").hex())


@asynchronous
async def test_three_parties() -> None:
    async with World() as world:
        device = await world.device("Robot Axiom")
        (record,) = await world.enroller.approve([device.offer], attributes={"site": "berlin"})
        assert (record.state, record.pet_name) == (State.PENDING, "Robot Axiom")
        enrollment = await device.enroll(await world.bundle())
        assert enrollment.service == world.service_identifier == world.enroller.service
        assert enrollment.relay_name == record.short
        assert enrollment.attributes == {"enrolled": "true", "ockam-relay": record.short, "site": "berlin"}
        assert enrollment.routes == (f"/ip4/127.0.0.1/tcp/{world.listener.port}/secure/api",)
        event = await world.event(Enrolled)
        assert (event.record.id, event.identifier) == (record.id, enrollment.identifier)
        shown = await world.enroller.show(record.short)
        assert (shown.state, shown.identifier) == (State.ENROLLED, enrollment.identifier)
        assert await world.service.list(State.ENROLLED) == (shown,)


@asynchronous
async def test_both_sides_talk_at_once_over_the_keys_of_the_enrollment() -> None:
    async with World() as world:
        node = await world.node()
        enrollment = await world.enrolled("one", node)
        channel = enrollment.channel
        assert channel is not None
        assert (channel.identifier, channel.their_identifier) == (enrollment.identifier, world.service_identifier)
        await world.service_node.start_worker("who", WhoAsks())
        world.service_node.flow_controls.add_consumer("who", world.service.channels.flow_control_id)
        # Enough to pass several rekeys.
        for _ in range(100):
            answer = await node.send_and_receive(route(channel, "who"), "", reply=str)
            assert answer == enrollment.identifier.value.hex()
        await node.start_worker("who", WhoAsks())
        node.flow_controls.add_consumer("who", channel.flow_control_id)
        (back,) = world.service_node.secure_channels.of_peer(enrollment.identifier)
        answer = await world.service_node.send_and_receive(route(back, "who"), "", reply=str)
        assert answer == world.service_identifier.value.hex()
        await channel.close()
        await back.wait_closed()
        assert not world.service_node.secure_channels.of_peer(enrollment.identifier)


@asynchronous
async def test_streams_pass_both_ways_through_the_channel_of_the_enrollment() -> None:
    async with World() as world:
        node = await world.node()
        enrollment = await world.enrolled("one", node)
        assert enrollment.channel is not None
        allowed = world.service.channels.flow_control_id
        await world.service_node.start_stream_server("echo", echo, consumer_of=[allowed])
        await node.start_stream_server("echo", echo, consumer_of=[enrollment.channel.flow_control_id])
        (back,) = world.service_node.secure_channels.of_peer(enrollment.identifier)
        for channel in (enrollment.channel, back):
            reader, writer = await channel.open_stream("echo")
            assert writer.get_extra_info("peer_identifier") == channel.their_identifier
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await writer.wait_closed()


@asynchronous
async def test_a_lost_channel_is_replaced_by_an_ordinary_one() -> None:
    async with World() as world:
        node = await world.node()
        enrollment = await world.enrolled("one", node)
        assert enrollment.channel is not None
        await enrollment.channel.close()
        channel = await enrollment.open_channel()
        assert channel is enrollment.channel
        assert not channel.is_closed
        former = enrollment.credential
        world.clock.advance(3600)
        assert await enrollment.renew_credential() != former
        assert enrollment.credential_expires_at == world.clock() + 24 * 3600


async def offer_echo(node: Node, enrollment: Enrollment, **required: str) -> None:
    """Let other members reach worker `echoer` of a device through the service's relay."""
    to_service = await enrollment.open_channel()
    await enrollment.create_relay()
    options = enrollment.listener_options([to_service.flow_control_id])
    listener = await node.create_secure_channel_listener(enrollment.identifier, "api", options)
    control = CredentialAccessControl(required, enrollment.service, node.identities)
    await node.start_worker("echoer", Echoer(), incoming=control)
    node.flow_controls.add_consumer("echoer", listener.flow_control_id)


async def through_relay(node: Node, enrollment: Enrollment, peer: Enrollment) -> SecureChannel:
    """Open a channel from one member to another through the service's relay."""
    to_service = await enrollment.open_channel()
    options = enrollment.channel_options(TrustIdentifier(peer.identifier))
    return await node.create_secure_channel(
        enrollment.identifier, route(to_service, f"forward_to_{peer.relay_name}", "api"), options
    )


@asynchronous
async def test_two_devices_reach_each_other_through_the_relay_of_the_service() -> None:
    async with World() as world:
        node_a, node_b = await world.node(), await world.node()
        a = await world.enrolled("a", node_a, site="berlin")
        b = await world.enrolled("b", node_b, site="berlin")
        await offer_echo(node_a, a, site="berlin", enrolled="true")
        channel = await through_relay(node_b, b, a)
        for text in ("hello", "x" * 100_000):
            assert await node_b.send_and_receive(route(channel, "echoer"), text, reply=str) == text
        # A saw B's credential and the other way round.
        attributes = await node_b.identities.attributes(a.identifier, a.service)
        assert attributes is not None
        assert attributes.attributes[b"site"] == b"berlin"


@asynchronous
async def test_a_policy_keeps_out_members_and_strangers_without_the_attributes() -> None:
    async with World() as world:
        node_a, node_b = await world.node(), await world.node()
        a = await world.enrolled("a", node_a, site="berlin")
        b = await world.enrolled("b", node_b, site="paris")
        await offer_echo(node_a, a, site="berlin")
        channel = await through_relay(node_b, b, a)
        with pytest.raises(TimedOut):
            await node_b.send_and_receive(route(channel, "echoer"), "hello", reply=str, timeout=0.05)
        # Without a credential the channel is there, and leads nowhere.
        to_service = await b.open_channel()
        hidden = await node_b.create_identity()
        plain = await node_b.create_secure_channel(
            hidden, route(to_service, f"forward_to_{a.relay_name}", "api"), SecureChannelOptions(timeout=5)
        )
        with pytest.raises(TimedOut):
            await node_b.send_and_receive(route(plain, "echoer"), "hello", reply=str, timeout=0.05)


@asynchronous
async def test_a_relay_is_given_only_by_the_name_in_the_credential() -> None:
    async with World() as world:
        node_a, node_b = await world.node(), await world.node()
        a, b = await world.enrolled("a", node_a), await world.enrolled("b", node_b)
        await offer_echo(node_a, a)
        to_service = await b.open_channel()
        for name in (a.relay_name, "*", "other", f"{b.relay_name}x"):
            with pytest.raises(TimedOut):
                await node_b.create_relay(route(to_service), name, timeout=0.05)
        # A revoked device gets none, even while its credential lasts.
        c_node = await world.node()
        c = await world.enrolled("c", c_node)
        await world.service.remove(c.enrollment_identifier.hex())
        with pytest.raises(TimedOut):
            await c.create_relay(timeout=0.05)
        # A's relay still leads to A.
        channel = await through_relay(node_b, b, a)
        assert await node_b.send_and_receive(route(channel, "echoer"), "hello", reply=str) == "hello"
        # Not without a channel, and not over one without a credential.
        stranger = await world.stranger()
        with pytest.raises(TimedOut):
            await stranger.node.create_relay(route(stranger.connection), b.relay_name, timeout=0.05)
        nobody = await stranger.node.create_identity()
        plain = await stranger.node.create_secure_channel(nobody, route(stranger.connection, "api"))
        with pytest.raises(TimedOut):
            await stranger.node.create_relay(route(plain), b.relay_name, timeout=0.05)


@asynchronous
async def test_many_devices_at_once() -> None:
    async with World() as world:
        nodes = [await world.node() for _ in range(8)]
        devices = [await world.device(f"device {number}", node) for number, node in enumerate(nodes)]
        await world.enroller.approve([device.offer for device in devices])
        bundles = await world.enroller.request_bundles(len(devices))
        enrollments = await asyncio.gather(
            *(device.enroll(bundle) for device, bundle in zip(devices, bundles, strict=True))
        )
        assert len({enrollment.identifier for enrollment in enrollments}) == len(devices)
        assert len({enrollment.relay_name for enrollment in enrollments}) == len(devices)
        assert len(await world.service.list(State.ENROLLED)) == len(devices)
