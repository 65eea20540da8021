"""Established channels, over sockets, between two nodes or a node and a scripted peer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ockam.core.address import Address
from ockam.core.message import SECURE_CHANNEL_IDENTIFIER, peer_identifier
from ockam.core.route import EMPTY_ROUTE, Route, route
from ockam.encoding.cbor import encode_bytes
from ockam.errors import OckamError, TimedOut
from ockam.identity.access_control import IdentityAnyIdAccessControl, IdentityIdAccessControl
from ockam.node import Node
from ockam.runtime import Echo, Echoer, Hop, UnknownAddress
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.errors import DuplicateSecureChannel, NonceOverflow
from ockam.secure_channel.messages import encode_payload
from ockam.secure_channel.noise import Role
from ockam.secure_channel.noise.suite import MAX_NONCE
from ockam.secure_channel.options import SecureChannelListenerOptions
from ockam.transport.framing import MAX_FRAME_BYTES, MessageTooLong
from tests.asynchronous import asynchronous, settle, until
from tests.interop.raw import RawChannel, RawConnection
from tests.runtime.running import Recorder
from tests.secure_channel.workers.scripted import Failures, Listening, Script, initiate, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam.core.access_control import AccessControl
    from ockam.identity import Identifier
    from ockam.secure_channel.workers.channel import SecureChannel


@asynccontextmanager
async def pair(*hops: str) -> AsyncIterator[tuple[Node, Identifier, SecureChannel, Listening]]:
    """Two nodes with a channel between them, over one TCP connection."""
    async with listening() as here, Node(clock=here.clock) as node:
        alice = await node.create_identity()
        connection = await (await node.create_tcp_transport()).connect(here.address)
        channel = await node.create_secure_channel(alice, route(connection, *hops, "listener"))
        yield node, alice, channel, here


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[Listening, RawChannel, Script]]:
    """A node, and a scripted initiator with an open channel to it."""
    script = await Script.make()
    async with listening() as here, RawConnection.open(here.address) as peer:
        assert await peer.read_version() == 1
        channel = await initiate(peer, script)
        await channel.send(channel.seal("up"))
        assert await channel.receive() == "up"
        yield here, channel, script


async def echo(node: Node, channel: SecureChannel, body: str = "hi", worker: str = "echoer") -> None:
    assert await node.send_and_receive(route(channel, worker), body, reply=str) == body


@asynchronous
async def test_messages_pass_both_ways_through_many_rekeys() -> None:
    async with pair() as (node, _, channel, _):
        for number in range(200):
            await echo(node, channel, str(number))
        many = [node.send_and_receive(route(channel, "echoer"), str(number), reply=str) for number in range(500)]
        assert await asyncio.gather(*many) == [str(number) for number in range(500)]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 4000, 4095, 4096, 65_536, 1024 * 1024, 5 * 1024 * 1024])
def test_payloads_of_any_size(size: int) -> None:
    @asynchronous
    async def check() -> None:
        async with pair() as (node, _, channel, here):
            await here.node.start_worker("echo", Echo())
            here.node.flow_controls.add_consumer("echo", here.channels.flow_control_id)
            body = (b"%08d" % size) * (size // 8 + 1)
            assert await node.send_and_receive(route(channel, "echo"), body[:size]) == body[:size]

    check()


@asynchronous
async def test_a_message_that_does_not_fit_fails_for_its_sender_only() -> None:
    async with pair() as (node, _, channel, _):
        with pytest.raises(MessageTooLong):
            await node.send(route(channel, "echoer"), bytes(MAX_FRAME_BYTES))
        await echo(node, channel)


@asynchronous
async def test_who_a_message_came_from() -> None:
    async with pair() as (node, alice, channel, here):
        recorder = Recorder()
        await here.node.start_worker("recorder", recorder)
        here.node.flow_controls.add_consumer("recorder", here.channels.flow_control_id)
        await node.send(route(channel, "recorder"), b"who?")
        message = await recorder.messages.get()
        (theirs,) = here.node.secure_channels.channels
        assert peer_identifier(message) == alice.value
        assert [(info.kind, info.data) for info in message.local_info] == [
            (SECURE_CHANNEL_IDENTIFIER, encode_bytes(alice.value))
        ]
        assert message.return_route == route(theirs, "app")
        assert message.onward_route == route("recorder")
        assert (theirs.their_identifier, theirs.identifier, theirs.role) == (alice, here.identifier, Role.RESPONDER)
        assert (channel.their_identifier, channel.identifier, channel.role) == (
            here.identifier,
            alice,
            Role.INITIATOR,
        )
        found = node.context.find_terminal_address(route(channel, "x"))
        assert found is not None
        assert found[0] == channel.address
        assert found[1].attributes == {SECURE_CHANNEL_IDENTIFIER: here.identifier.value.hex()}
        assert theirs.remote_route.recipient == channel.decryptor_address


@asynchronous
async def test_access_controls_on_the_peers_identity() -> None:
    async with pair() as (node, alice, channel, here):
        controls: dict[str, AccessControl] = {
            "alice": IdentityIdAccessControl(alice),
            "bob": IdentityIdAccessControl(here.identifier),
            "anybody": IdentityAnyIdAccessControl(),
        }
        for name, control in controls.items():
            await here.node.start_worker(name, Echoer(), incoming=control)
            here.node.flow_controls.add_consumer(name, here.channels.flow_control_id)
            here.node.flow_controls.add_consumer(name, here.tcp.flow_control_id)
        await echo(node, channel, worker="alice")
        await echo(node, channel, worker="anybody")
        with pytest.raises(TimedOut):
            await node.send_and_receive(route(channel, "bob"), "hi", timeout=0.05)
        plain = channel.remote_route.next
        with pytest.raises(TimedOut):
            await node.send_and_receive(route(plain, "anybody"), "hi", timeout=0.05)  # around the channel


@asynchronous
async def test_only_consumers_of_the_channel_or_its_listener_are_reachable() -> None:
    async with pair() as (node, _, channel, here):
        for worker in ("private", "hop", "app", "nobody"):
            await node.send(route(channel, worker), "refused")
        await echo(node, channel)
        (theirs,) = here.node.secure_channels.channels
        here.node.flow_controls.add_consumer("private", theirs.flow_control_id)
        await echo(node, channel, worker="private")
        # The other way: the initiator's workers are reached only by what it opens.
        await node.start_worker("mine", Echoer())
        with pytest.raises(TimedOut):
            await here.node.send_and_receive(route(theirs, "mine"), "hi", timeout=0.05)
        node.flow_controls.add_consumer("mine", channel.flow_control_id)
        await echo(here.node, theirs, worker="mine")


# ---- frames as an attacker sends them --------------------------------------------------------------------------------


@asynchronous
async def test_frames_that_are_replayed_forged_or_reordered() -> None:
    with Failures() as failures:
        async with scripted() as (_, channel, _):
            frames = [channel.seal(str(number)) for number in range(20)]
            for index in (3, 1, 0, 3, 2, 1):  # out of order, and again
                await channel.send(frames[index])
            for forged in (
                b"",
                frames[4][:7],
                frames[4][:8],
                frames[4][:20],
                frames[4][:-1],
                frames[4][:-1] + bytes((frames[4][-1] ^ 1,)),
                bytes(8) + frames[4][8:],
                (2**63).to_bytes(8, "big") + frames[4][8:],
                (40).to_bytes(8, "big") + frames[4][8:],
            ):
                await channel.send(forged)
            await channel.send(frames[5])
            assert await channel.answers_until("5") == ["3", "1", "0", "2", "5"]
            await channel.send(frames[4])  # its forgeries have not used it up
            assert await channel.receive() == "4"
            assert failures.has("dropped by a secure channel")


@asynchronous
async def test_a_plaintext_that_is_none_is_dropped() -> None:
    async with scripted() as (here, channel, _):
        onward, back = route("echoer").cbor, route("asker").cbor
        for plaintext in (
            b"",
            b"\xff",
            b"\x82",
            b"\x82\x82\x03\x80\x40",  # no such variant
            b"\x82\x82\x00\x81\x83" + onward + back,
            b"\x82\x82\x00\x81\x83" + onward + back + b"\x5a\xff\xff\xff\xff",
            encode_payload(EMPTY_ROUTE, route("asker"), b"\x01a"),
            encode_payload(Route((Address(1, b"127.0.0.1:1"),)), route("asker"), b"\x01a"),
            encode_payload(route("echoer"), EMPTY_ROUTE, b"\xff"),
        ):
            await channel.send(channel._encryptor.seal(plaintext))
        await channel.send(channel.seal("after"))
        assert await channel.receive() == "after"
        assert len(here.node.secure_channels.channels) == 1


@asynchronous
async def test_losing_31_messages_in_a_row_is_survived_across_a_rekey() -> None:
    async with scripted() as (_, channel, _):
        for _ in range(5):
            for _ in range(31):
                channel.seal("lost")
            await channel.send(channel.seal("arrives"))
            assert await channel.receive() == "arrives"
        for _ in range(32):
            channel.seal("lost")
        await channel.send(channel.seal("too late"))
        assert await channel._connection.echo("the node lives", "hop", "echoer") == "the node lives"


# ---- routes ----------------------------------------------------------------------------------------------------------


@asynchronous
async def test_the_responder_follows_the_route_of_authentic_new_messages_only() -> None:
    async with scripted() as (here, channel, _):
        connection, (theirs,) = channel._connection, here.node.secure_channels.channels
        (sender,) = (c.address for c in here.node._parts.tcp().connections)
        start = theirs.remote_route
        assert start == route(sender, "decryptor")
        frame = channel.seal("from elsewhere")
        await connection.send(channel._remote, route("elsewhere"), frame)
        onward, _, answer = await connection.receive()
        assert onward == route("elsewhere", "decryptor")
        assert theirs.remote_route == route(sender, "elsewhere", "decryptor")
        channel._decryptor.open(answer)
        late = channel.seal("1"), channel.seal("2")
        await connection.send(channel._remote, EMPTY_ROUTE, late[1])
        onward, _, _ = await connection.receive()
        assert onward == route("decryptor")
        # Late, replayed or forged: the route stays.
        await connection.send(channel._remote, route("attacker"), late[0])
        onward, _, _ = await connection.receive()
        assert onward == route("decryptor")
        await connection.send(channel._remote, route("attacker"), frame)
        await connection.send(channel._remote, route("attacker"), bytes(50))
        await connection.send(channel._remote, EMPTY_ROUTE, channel.seal("3"))
        onward, _, _ = await connection.receive()
        assert onward == route("decryptor")


@asynchronous
async def test_nonce_0_never_changes_the_route() -> None:
    script = await Script.make()
    async with listening() as here, RawConnection.open(here.address) as peer:
        assert await peer.read_version() == 1
        channel = await initiate(peer, script)
        await peer.send(channel._remote, route("elsewhere"), channel.seal("0"))
        onward, _, _ = await peer.receive()
        assert onward == route("decryptor")
        assert here.node.secure_channels.channels


@asynchronous
async def test_the_initiator_moves_to_another_route_and_the_responder_follows() -> None:
    async with pair() as (node, _, channel, here):
        await echo(node, channel)
        old = next(iter(node._parts.tcp().connections))
        new = await (await node.create_tcp_transport()).connect(here.address)
        channel.update_remote_node_route(route(new))
        await echo(node, channel, "over the new one")
        await old.close()
        await echo(node, channel, "and the old one is not needed")
        channel.update_remote_node_route(route(new, "hop"))
        await echo(node, channel, "over a hop")
        await new.close()
        with pytest.raises(UnknownAddress):
            await node.send(route(channel, "echoer"), "no way")
        assert not channel.is_closed
        third = await (await node.create_tcp_transport()).connect(here.address)
        channel.update_remote_node_route(third)
        await echo(node, channel, "restored")


@asynchronous
async def test_a_channel_over_hops() -> None:
    async with listening() as here, listening() as middle, Node(clock=here.clock) as node:
        alice = await node.create_identity()
        onward = await middle.node._parts.tcp().connect(here.address, consumer_of=(middle.tcp.flow_control_id,))
        first = await (await node.create_tcp_transport()).connect(middle.address)
        await until(lambda: len(middle.node._parts.tcp().connections) == 2)
        back = next(c for c in middle.node._parts.tcp().connections if c is not onward)
        # What a relay does by itself: the answers come from the dialled connection.
        middle.node.flow_controls.add_consumer(back.address, onward.flow_control_id)
        middle.node.flow_controls.add_consumer("hop", onward.flow_control_id)
        channel = await node.create_secure_channel(alice, route(first, "hop", onward.address, "hop", "listener"))
        await echo(node, channel, "over two hops")


@asynchronous
async def test_a_channel_inside_a_channel() -> None:
    async with pair() as (node, alice, outer, here):
        await here.node.create_secure_channel_listener(
            here.identifier, "inner_listener", SecureChannelListenerOptions(consumer_of=[here.channels.flow_control_id])
        )
        inner = await node.create_secure_channel(alice, route(outer, "inner_listener"))
        await until(lambda: len(here.node.secure_channels.channels) == 2)
        theirs = here.node.secure_channels.channels[-1]
        await here.node.start_worker("inside", Echoer())
        here.node.flow_controls.add_consumer("inside", theirs.flow_control_id)
        for number in range(70):
            await echo(node, inner, str(number), "inside")
        await echo(node, inner, "x" * 100_000, "inside")
        await outer.close()
        with pytest.raises(OckamError):
            await node.send(route(inner, "inside"), "nothing to carry it")
        await inner.close()


@asynchronous
async def test_two_channels_of_one_identity_are_independent() -> None:
    async with pair() as (node, alice, channel, here):
        other = await node.create_secure_channel(alice, route(channel.remote_route.next, "listener"))
        await echo(node, channel)
        await echo(node, other)
        assert node.secure_channels.of_peer(here.identifier) == [channel, other]
        await channel.close()
        await echo(node, other)
        with pytest.raises(UnknownAddress):
            await node.send(route(channel, "echoer"), "closed")


@asynchronous
async def test_a_channel_inside_one_node() -> None:
    async with listening() as here:
        alice = await here.node.create_identity()
        channel = await here.node.create_secure_channel(alice, "listener")
        for number in range(40):
            await echo(here.node, channel, str(number))


# ---- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["initiator", "responder", "encryptor", "decryptor", "node"])
def test_closing_ends_both_sides(side: str) -> None:
    @asynchronous
    async def check() -> None:
        async with listening() as here, Node(clock=here.clock) as node:
            alice = await node.create_identity()
            connection = await (await node.create_tcp_transport()).connect(here.address)
            await node.send_and_receive(route(connection, "hop", "echoer"), "", reply=str)
            await settle()
            start, start_there = node.statistics(), here.counts()
            channel = await node.create_secure_channel(alice, route(connection, "listener"))
            await echo(node, channel)
            (theirs,) = here.node.secure_channels.channels
            match side:
                case "initiator":
                    await channel.close()
                case "responder":
                    await theirs.close()
                case "encryptor":
                    await node.stop_address(channel.address)
                case "decryptor":
                    await node.stop_address(channel.decryptor_address)
                case _:
                    await node.shutdown()
            await channel.wait_closed()
            await theirs.wait_closed()
            assert channel.is_closed
            await until(lambda: here.counts() == start_there)
            if side != "node":
                await until(lambda: node.statistics() == start)
            assert here.node.flow_controls.producer(theirs.address) is None
            with pytest.raises(UnknownAddress):
                await here.node.send(route(theirs, "x"), b"")

    check()


@asynchronous
async def test_a_closed_listener_leaves_its_channels() -> None:
    async with pair() as (node, alice, channel, here):
        assert "listener" in repr(here.channels)
        await echo(node, channel)
        await here.channels.close()
        await here.channels.close()
        await echo(node, channel)
        with pytest.raises(OckamError):
            await here.node.create_secure_channel(alice, "listener")


@asynchronous
async def test_a_channel_that_has_used_up_its_nonces_ends() -> None:
    async with pair() as (node, _, channel, _):
        await echo(node, channel)
        assert isinstance(channel._encryptor, Encryptor)
        channel._encryptor._nonce = MAX_NONCE
        with pytest.raises(NonceOverflow):
            await node.send(route(channel, "echoer"), "one too many")
        await channel.wait_closed()


@asynchronous
async def test_an_encryptor_is_registered_once() -> None:
    async with pair() as (node, _, channel, _):
        with pytest.raises(DuplicateSecureChannel):
            node.secure_channels.add(channel)


@asynchronous
async def test_nothing_is_left_after_many_channels_and_failures() -> None:
    async with listening() as here, Node(clock=here.clock) as node:
        alice = await node.create_identity()
        connection = await (await node.create_tcp_transport()).connect(here.address)
        await node.start_worker("hop", Hop())
        node.flow_controls.add_consumer("hop", connection.flow_control_id)  # the answers come that way
        await node.send_and_receive(route(connection, "hop", "echoer"), "", reply=str)
        await settle()
        start, start_there, flows = node.statistics(), here.counts(), len(here.node.flow_controls._consumers)
        for _ in range(20):
            channel = await node.create_secure_channel(alice, route("hop", connection, "listener"))
            await echo(node, channel)
            await channel.close()
            with pytest.raises(UnknownAddress):
                await node.create_secure_channel(alice, "nowhere")
        await until(lambda: node.statistics() == start and here.counts() == start_there)
        assert len(here.node.flow_controls._consumers) == flows
