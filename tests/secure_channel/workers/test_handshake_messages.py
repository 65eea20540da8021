"""Handshake messages that are wrong, late, repeated or cut: nothing changes, and the genuine ones still count."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ockam.core.route import Route, route
from ockam.errors import Kind, Origin, TimedOut
from ockam.node import Node
from ockam.runtime import NodeStopping
from ockam.secure_channel.decryptor import Decryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.errors import AuthenticationFailed
from ockam.secure_channel.options import SecureChannelOptions
from ockam.secure_channel.workers import handshake as handshake_module
from ockam.secure_channel.workers import listener as listener_module
from tests.asynchronous import asynchronous, settle, until
from tests.identity.world import World
from tests.interop.raw import RawChannel, RawConnection
from tests.runtime.running import Recorder
from tests.secure_channel.workers.scripted import (
    OWN,
    Failures,
    Listening,
    Script,
    initiate,
    listening,
    message_1,
    message_2,
    message_3,
    respond,
    take_message_3,
)
from tests.transport.tcp.raw_peers import dialled_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ockam.runtime.context import Context
    from ockam.secure_channel.handshake import TransportKeys
    from ockam.secure_channel.workers.channel import SecureChannel
    from ockam.transport.tcp import TcpConnection


def flip(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "one byte": lambda data: data[:1],
    "cut": lambda data: data[:-1],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "longer": lambda data: data + b"\x00",
    "first bit": lambda data: flip(data, 0),
    "in the static key": lambda data: flip(data, 40),
    "in the payload": lambda data: flip(data, len(data) // 2),
    "last bit": lambda data: flip(data, -1),
    "zeros": lambda data: bytes(len(data)),
    "as long as can be": lambda data: bytes(65535),
    "longer than can be": lambda data: bytes(65536),
}


@asynccontextmanager
async def raw(here: Listening) -> AsyncIterator[RawConnection]:
    async with RawConnection.open(here.address) as peer:
        assert await peer.read_version() == 1
        yield peer


def channel_of(peer: RawConnection, remote: Route, keys: TransportKeys) -> RawChannel:
    return RawChannel(peer, remote, Encryptor(keys.encrypt_key), Decryptor(keys.decrypt_key))


async def works(channel: RawChannel) -> None:
    await channel.send(channel.seal("works"))
    assert await channel.receive() == "works"


# ---- the node is the responder ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage", [DAMAGED[name] for name in ("nothing", "one byte", "cut", "zeros", "longer than can be")]
)
def test_a_bad_message_1_is_not_answered(damage: Callable[[bytes], bytes]) -> None:
    @asynchronous
    async def check() -> None:
        script = await Script.make()
        async with listening() as here, raw(here) as peer:
            start = here.counts()
            await peer.send(route("listener"), OWN, damage(message_1(script.initiator())))
            await works(await initiate(peer, script))  # whose message 2 is the first thing that comes
            workers, _, _ = here.counts()
            assert workers <= start[0] + 3

    check()


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_bad_message_3_changes_nothing(damage: Callable[[bytes], bytes]) -> None:
    @asynchronous
    async def check() -> None:
        script = await Script.make()
        async with listening() as here, raw(here) as peer:
            core = script.initiator()
            first = message_1(core)
            await peer.send(route("listener"), OWN, first)
            onward, remote, second = await peer.receive()
            assert onward == OWN
            third, keys = message_3(core, second, script.payload())
            for wrong in (damage(third), first, second):
                await peer.send(remote, OWN, wrong)
            assert here.channels.half_open == 1
            await peer.send(remote, OWN, third)
            await works(channel_of(peer, remote, keys))
            assert here.channels.half_open == 0

    check()


@asynchronous
async def test_messages_repeated_after_the_handshake_are_dropped() -> None:
    script = await Script.make()
    async with listening() as here, raw(here) as peer:
        core = script.initiator()
        first = message_1(core)
        await peer.send(route("listener"), OWN, first)
        _, remote, second = await peer.receive()
        third, keys = message_3(core, second, script.payload())
        await peer.send(remote, OWN, third)
        channel = channel_of(peer, remote, keys)
        for message in (first, second, third):
            await peer.send(remote, OWN, message)
        await works(channel)
        # The same message 1 again: another responder, with another ephemeral key.
        await peer.send(route("listener"), OWN, first)
        _, other, again = await peer.receive()
        assert other != remote
        assert again != second
        await peer.send(other, OWN, third)  # does not open there
        await works(channel)
        assert len(here.node.secure_channels.channels) == 1


@asynchronous
async def test_ciphertext_right_behind_message_3_is_delivered_and_ahead_of_it_is_lost() -> None:
    script = await Script.make()
    async with listening() as here, raw(here) as peer:
        core = script.initiator()
        await peer.send(route("listener"), OWN, message_1(core))
        _, remote, second = await peer.receive()
        third, keys = message_3(core, second, script.payload())
        channel = channel_of(peer, remote, keys)
        await channel.send(channel.seal("ahead"))
        await peer.send(remote, OWN, third)
        for number in range(100):
            await channel.send(channel.seal(f"{number}"))
        answers = await channel.answers_until("99")
        assert answers == [f"{number}" for number in range(100)]


def test_what_waits_behind_a_verification_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake_module, "WAITING_MESSAGES_MAX", 10)
    monkeypatch.setattr(handshake_module, "WAITING_MESSAGES_BUSY", 5)

    @asynchronous
    async def check() -> None:
        script = await Script.make()
        async with listening() as here, raw(here) as peer:
            may_load = asyncio.Event()
            services = here.node.channel_services
            of = services.own_payloads.of

            async def slow(*arguments: object) -> object:
                await may_load.wait()
                return await of(*arguments)  # type: ignore[arg-type] # as they came

            monkeypatch.setattr(services.own_payloads, "of", slow)
            core = script.initiator()
            sender = here.node.new_detached(incoming=here.node.runtime.table[b"app"].incoming)
            sends = [asyncio.create_task(_send(here.node.context, sender, message_1(core)))]
            await settle()
            (responder,) = here.channels._half_open
            address = responder.end.decryptor_remote.address
            sends += [asyncio.create_task(here.node.send(address, b"%d" % number)) for number in range(20)]
            await settle()
            assert len(responder._waiting) == 10
            assert not all(task.done() for task in sends)  # the later ones wait
            may_load.set()
            await asyncio.gather(*sends)
            await works(await initiate(peer, script))

    check()


async def _send(context: Context, answers_to: Context, first: bytes) -> None:
    from ockam.core.message import LocalMessage

    await context.forward(LocalMessage(route("listener"), route(answers_to), first))


# ---- timeouts and the cap --------------------------------------------------------------------------------------------


def test_a_responder_gives_a_silent_initiator_up() -> None:
    @asynchronous
    async def check() -> None:
        script = await Script.make()
        async with listening(timeout=0.05) as here, raw(here) as peer:
            start = here.counts()
            core = script.initiator()
            await peer.send(route("listener"), OWN, message_1(core))
            _, remote, second = await peer.receive()
            assert here.counts() != start
            await until(lambda: here.counts() == start and not here.channels.half_open)
            await peer.send(remote, OWN, message_3(core, second, script.payload())[0])  # too late
            assert await peer.echo("still here", "hop", "echoer") == "still here"
            assert here.node.secure_channels.channels == ()

    check()


def test_a_flood_of_message_1_does_not_keep_an_honest_initiator_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "MAX_HALF_OPEN", 8)

    @asynchronous
    async def check() -> None:
        script = await Script.make()
        async with listening() as here, raw(here) as peer:
            first = message_1(script.initiator())
            for _ in range(50):
                await peer.send(route("listener"), OWN, first)
                await peer.receive()
                assert here.channels.half_open <= 8
            await works(await initiate(peer, script))
            assert here.channels.half_open == 7
            assert len(here.node.runtime.workers()) < 30

    check()


@asynchronous
async def test_an_initiator_times_out_and_leaves_nothing_behind() -> None:
    async with Node(clock=World().clock) as node, dialled_peer(node) as (connection, peer):
        assert await peer.read_version() == 1
        alice = await node.create_identity()
        await settle()
        start = node.statistics()
        with pytest.raises(TimedOut, match=r"^timeout") as error:
            await node.create_secure_channel(alice, route(connection, "x"), SecureChannelOptions(timeout=0.02))
        assert (error.value.origin, error.value.kind) == (Origin.NODE, Kind.TIMEOUT)
        await until(lambda: node.statistics() == start)
        creating = asyncio.create_task(node.create_secure_channel(alice, route(connection, "x")))
        await settle()
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
        await until(lambda: node.statistics() == start)
        creating = asyncio.create_task(node.create_secure_channel(alice, route(connection, "x")))
        await settle()
        await node.shutdown()
        with pytest.raises((TimedOut, NodeStopping)):
            await creating


# ---- the node is the initiator ---------------------------------------------------------------------------------------


@asynccontextmanager
async def initiating() -> AsyncIterator[tuple[Node, TcpConnection, RawConnection, asyncio.Task[SecureChannel]]]:
    async with Node(clock=World().clock) as node, dialled_peer(node) as (connection, peer):
        assert await peer.read_version() == 1
        alice = await node.create_identity()
        yield (
            node,
            connection,
            peer,
            asyncio.create_task(node.create_secure_channel(alice, route(connection, "listener"))),
        )


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_bad_message_2_changes_nothing(damage: Callable[[bytes], bytes]) -> None:
    @asynchronous
    async def check() -> None:
        script = await Script.make()
        async with initiating() as (node, _, peer, creating):
            onward, back, first = await peer.receive()
            assert (onward, len(back), len(first)) == (route("listener"), 1, 32)
            core = script.responder()
            second = message_2(core, first, script.payload())
            for wrong in (damage(second), first):
                await peer.send(back, route("somebody else"), wrong)
            await peer.send(back, OWN, second)
            onward, again, third = await peer.receive()
            assert (onward, again) == (OWN, back)  # where the genuine one came from
            keys = take_message_3(core, third)
            channel = await creating
            assert channel.remote_route.tail() == OWN
            asking = asyncio.create_task(node.send_and_receive(route(channel, "x"), "works", reply=str))
            raw_channel = channel_of(peer, back, keys)
            onward, outer_return, frame = await peer.receive()
            assert (onward, outer_return) == (OWN, Route())  # ciphertext leaves with an empty return route
            assert raw_channel._decryptor.open(frame)[0] == 0
            with pytest.raises(AuthenticationFailed):
                raw_channel._decryptor.open(b"\x00" * 7 + b"\x01" + frame[8:])
            asking.cancel()
            # After the handshake its messages are nothing but bad ciphertext.
            for wrong in (first, second, third):
                await peer.send(back, OWN, wrong)
            assert not channel.is_closed

    check()


@asynchronous
async def test_a_responder_that_refuses_looks_like_a_timeout_of_what_is_asked() -> None:
    from ockam.secure_channel import TrustIdentifiers

    with Failures() as failures:
        async with listening(trust_policy=TrustIdentifiers([])) as here, Node(clock=here.clock) as node:
            alice = await node.create_identity()
            channel = await node.create_secure_channel(alice, route(f"1#{here.address}", "listener"))
            with pytest.raises(TimedOut):
                await node.send_and_receive(route(channel, "echoer"), "hello", reply=str, timeout=0.05)
            assert failures.has("handshake failed")
            assert here.channels.half_open == 0


@asynchronous
async def test_the_whole_handshake_against_a_scripted_responder() -> None:
    script = await Script.make()
    async with initiating() as (node, connection, peer, creating):
        raw_channel = await respond(peer, script)
        channel = await creating
        assert "peer" in repr(channel)
        assert channel.their_identifier == script.identifier
        assert node.secure_channels.of_peer(script.identifier) == [channel]
        assert node.secure_channels.by_encryptor(channel.address) is channel
        assert node.secure_channels.by_decryptor(channel.decryptor_address) is channel
        assert node.secure_channels.by_decryptor(channel.address) is None
        await channel.close()
        _, _, frame = await peer.receive()
        assert raw_channel._decryptor.open(frame)[1].hex() == "8282028040"
        await channel.close()
        await channel.wait_closed()
        assert node.secure_channels.by_encryptor(channel.address) is None
        assert not connection.is_closed


@asynchronous
async def test_the_initiator_does_not_follow_the_responder() -> None:
    script = await Script.make()
    async with initiating() as (node, _, peer, creating):
        raw_channel = await respond(peer, script)
        channel = await creating
        recorder = Recorder()
        await node.start_worker("recorder", recorder)
        node.flow_controls.add_consumer("recorder", channel.flow_control_id)
        before = channel.remote_route
        for body in ("0", "1", "2"):
            await peer.send(raw_channel._remote, route("elsewhere"), raw_channel.seal(body, "recorder"))
            await recorder.next()
        assert channel.remote_route == before
