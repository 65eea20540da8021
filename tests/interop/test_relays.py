"""Relays: the tutorial's worker and the registration service, with the reference at any of the three places."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from ockam import Address, Echoer, Hop, Node, Relay, RelayServiceOptions, SecureChannelListenerOptions, route
from tests.interop.nodes import ANY_PORT, Responder, ask, reference_responder, responder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.interop.reference import Reference

pytestmark = pytest.mark.interop


@contextlib.asynccontextmanager
async def our_tutorial_middle(connect: str) -> AsyncIterator[str]:
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(connect)
        await node.start_worker("forward_to_bob", Relay(route(connection)))
        listener = await tcp.listen(ANY_PORT)
        node.flow_controls.add_consumer("forward_to_bob", listener.flow_control_id)
        yield str(listener.socket_address)


@contextlib.asynccontextmanager
async def our_relay_node() -> AsyncIterator[str]:
    """Run what the reference peer's mode `middle` runs."""
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(ANY_PORT)
        await node.create_relay_service(
            RelayServiceOptions(
                prefix="forward_to_",
                aliases=["static_forwarding_service"],
                service_consumer_of=[listener.flow_control_id],
                relays_consumer_of=[listener.flow_control_id],
            )
        )
        await node.start_worker("hop", Hop())
        node.flow_controls.add_consumer("hop", listener.flow_control_id)
        yield str(listener.socket_address)


@contextlib.asynccontextmanager
async def our_relayed(relay: str) -> AsyncIterator[Responder]:
    """Run what the reference peer's mode `relayed` runs, without its own listener."""
    async with Node() as node:
        bob = await node.create_identity()
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(relay)
        channels = await node.create_secure_channel_listener(
            bob, "bob_listener", SecureChannelListenerOptions(consumer_of=[connection.flow_control_id])
        )
        await node.start_worker("echoer", Echoer())
        node.flow_controls.add_consumer("echoer", channels.flow_control_id)
        await node.start_worker("plain_echoer", Echoer())
        node.flow_controls.add_consumer("plain_echoer", connection.flow_control_id)
        remote = await node.create_relay(route(connection), "bob")
        assert remote.remote_address == Address.local("forward_to_bob")
        yield Responder(relay, bob)


async def ask_plainly(connect: str, *hops: str) -> None:
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(connect)
        for i in range(20):
            reply = await node.send_and_receive(route(connection, *hops), f"Hello {i}", reply=str, timeout=30)
            assert reply == f"Hello {i}"


# ---- the tutorial's relay --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["ours", "reference"])
def test_tutorial_relay_of_the_reference(extended: Reference, side: str) -> None:
    async def main() -> None:
        async with (
            responder(side, extended) as bob,
            extended.start("middle-dial", ANY_PORT, bob.address) as middle,
        ):
            address = (await middle.json())["ready"]
            assert await ask(address, "forward_to_bob", "bob_listener") == bob.identifier
            await ask_plainly(address, "forward_to_bob", "plain_echoer")
            await ask_plainly(address, "hop", "forward_to_bob", "hop", "plain_echoer")

    asyncio.run(main())


def test_our_tutorial_relay_from_us_to_the_reference(reference: Reference) -> None:
    async def main() -> None:
        async with reference_responder(reference) as bob, our_tutorial_middle(bob.address) as address:
            assert await ask(address, "forward_to_bob", "bob_listener") == bob.identifier
            await ask_plainly(address, "forward_to_bob", "plain_echoer")

    asyncio.run(main())


@pytest.mark.parametrize("side", ["ours", "reference"])
def test_our_tutorial_relay_for_the_reference(reference: Reference, side: str) -> None:
    async def main() -> None:
        async with responder(side, reference) as bob, our_tutorial_middle(bob.address) as address:
            answer = await reference.answer("secure", address, "Hello", "echoer", "forward_to_bob", "bob_listener")
            assert answer == {"reply": "Hello", "them": str(bob.identifier)}
            assert await reference.run("send", address, "Hello", "forward_to_bob", "plain_echoer") == "Hello"

    asyncio.run(main())


# ---- the relay service -----------------------------------------------------------------------------------------------


def test_the_reference_relays_for_the_reference_to_us(reference: Reference) -> None:
    async def main() -> None:
        async with reference.start("middle", ANY_PORT) as middle:
            relay = (await middle.json())["ready"]
            async with reference.start("relayed", ANY_PORT, relay) as program:
                assert (await program.json())["relay"] == "forward_to_bob"
                bob = (await program.json())["identifier"]
                assert str(await ask(relay, "forward_to_bob", "bob_listener")) == bob
                await ask_plainly(relay, "forward_to_bob", "plain_echoer")

    asyncio.run(main())


def test_the_reference_relays_for_us(reference: Reference) -> None:
    async def main() -> None:
        async with reference.start("middle", ANY_PORT) as middle:
            relay = (await middle.json())["ready"]
            async with our_relayed(relay) as bob:
                assert await ask(relay, "forward_to_bob", "bob_listener") == bob.identifier
                await ask_plainly(relay, "forward_to_bob", "plain_echoer")
                answer = await reference.answer("secure", relay, "Hello", "echoer", "forward_to_bob", "bob_listener")
                assert answer == {"reply": "Hello", "them": str(bob.identifier)}

    asyncio.run(main())


def test_we_relay_for_the_reference(reference: Reference) -> None:
    async def main() -> None:
        async with our_relay_node() as relay, reference.start("relayed", ANY_PORT, relay) as program:
            assert (await program.json())["relay"] == "forward_to_bob"
            bob = (await program.json())["identifier"]
            assert str(await ask(relay, "forward_to_bob", "bob_listener")) == bob
            await ask_plainly(relay, "forward_to_bob", "plain_echoer")
            answer = await reference.answer("secure", relay, "Hello", "echoer", "forward_to_bob", "bob_listener")
            assert answer == {"reply": "Hello", "them": bob}

    asyncio.run(main())


def test_we_relay_for_us_and_the_reference_asks(reference: Reference) -> None:
    async def main() -> None:
        async with our_relay_node() as relay, our_relayed(relay) as bob:
            answer = await reference.answer("secure", relay, "Hello", "echoer", "forward_to_bob", "bob_listener")
            assert answer == {"reply": "Hello", "them": str(bob.identifier)}
            assert await reference.run("send", relay, "Hello", "forward_to_bob", "plain_echoer") == "Hello"

    asyncio.run(main())


def test_we_name_a_relay_for_the_reference(extended: Reference) -> None:
    async def main() -> None:
        async with our_relay_node() as relay, extended.start("register", relay) as program:
            name = (await program.json())["relay"]
            assert name.startswith("forward_to_")
            await ask_plainly(relay, name, "plain_echoer")

    asyncio.run(main())


def test_the_last_registration_of_a_name_wins(extended: Reference) -> None:
    async def main() -> None:
        async with our_relay_node() as relay, extended.start("register", relay, "bob") as first:
            assert (await first.json())["relay"] == "forward_to_bob"
            async with extended.start("register", relay, "bob") as second:
                assert (await second.json())["relay"] == "forward_to_bob"
                await ask_plainly(relay, "forward_to_bob", "plain_echoer")

    asyncio.run(main())
