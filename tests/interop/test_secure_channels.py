"""Secure channels between us and the reference, in both roles, past several changes of keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ockam import Identifier, Node, OckamError, Route, SecureChannelOptions, route
from ockam.secure_channel import TrustIdentifier
from tests.interop.nodes import ANY_PORT, ROUND_TRIPS, ask, our_responder, reference_responder

if TYPE_CHECKING:
    from tests.interop.reference import Reference

pytestmark = pytest.mark.interop

STRANGER = "I923829d0397a06fa862be5a87b7966959b8ef99ab6455b843ca9131a747b4819"

IDENTITIES = [
    pytest.param("ed25519", "1", id="rotated"),
    pytest.param("p256", "0", id="P-256"),
    pytest.param("p256", "2", id="mixed, ends with P-256"),
    pytest.param("p256", "3", id="mixed, ends with Ed25519"),
]


def test_we_open_a_channel(reference: Reference) -> None:
    async def main() -> None:
        async with reference_responder(reference) as bob:
            assert await ask(bob.address, "bob_listener") == bob.identifier

    asyncio.run(main())


def test_the_reference_opens_a_channel(reference: Reference) -> None:
    async def main() -> None:
        async with our_responder() as bob:
            answer = await reference.answer("secure", bob.address, "Hello Ockam!", "echoer", "bob_listener")
            assert answer == {"reply": "Hello Ockam!", "them": str(bob.identifier)}

    asyncio.run(main())


def test_the_reference_opens_many_channels_at_once(reference: Reference) -> None:
    async def main() -> None:
        async with our_responder() as bob:
            answers = await asyncio.gather(
                *(reference.answer("secure", bob.address, f"{i}", "echoer", "bob_listener") for i in range(8))
            )
            assert answers == [{"reply": f"{i}", "them": str(bob.identifier)} for i in range(8)]

    asyncio.run(main())


def test_we_use_many_channels_at_once(reference: Reference) -> None:
    """They are opened one after the other: the reference's storage fails ("deadlocked") if handshakes coincide."""

    async def use(node: Node, to_echoer: Route, name: int) -> None:
        for i in range(ROUND_TRIPS):
            assert await node.send_and_receive(to_echoer, f"{name} {i}", reply=str) == f"{name} {i}"

    async def main() -> None:
        async with reference_responder(reference) as bob, Node() as node:
            alice = await node.create_identity()
            tcp = await node.create_tcp_transport()
            connection = await tcp.connect(bob.address)
            routes = []
            for _ in range(8):
                channel = await node.create_secure_channel(alice, route(connection, "bob_listener"))
                routes.append(route(channel, "echoer"))
                assert await node.send_and_receive(routes[-1], "open", reply=str) == "open"
            await asyncio.gather(*(use(node, to_echoer, name) for name, to_echoer in enumerate(routes)))

    asyncio.run(main())


@pytest.mark.parametrize("size", [64, 1024, 32768, 1 << 20])
def test_one_way_streams_arrive_whole(reference: Reference, size: int) -> None:
    count = max(4, min(2000, (16 << 20) // size))

    async def main() -> None:
        async with reference_responder(reference) as bob, Node() as node:
            alice = await node.create_identity()
            tcp = await node.create_tcp_transport()
            connection = await tcp.connect(bob.address)
            channel = await node.create_secure_channel(alice, route(connection, "bob_listener"))
            for _ in range(count):
                await node.send(route(channel, "sink"), "x" * size)
            assert await node.send_and_receive(route(channel, "sink"), "total", reply=str) == str(size * count)

    asyncio.run(main())


@pytest.mark.parametrize(("key_type", "rotations"), IDENTITIES)
def test_we_open_a_channel_to_other_kinds_of_identities(extended: Reference, key_type: str, rotations: str) -> None:
    async def main() -> None:
        async with extended.start("responder-as", ANY_PORT, key_type, rotations) as program:
            ready = await program.json()
            assert str(await ask(ready["ready"], "bob_listener")) == ready["identifier"]

    asyncio.run(main())


@pytest.mark.parametrize(("key_type", "rotations"), IDENTITIES)
def test_other_kinds_of_identities_open_a_channel(extended: Reference, key_type: str, rotations: str) -> None:
    async def main() -> None:
        async with our_responder() as bob:
            answer = await extended.answer(
                "secure-as", bob.address, "Hello", "echoer", key_type, rotations, "bob_listener"
            )
            assert answer == {"channel": True, "reply": "Hello", "them": str(bob.identifier), "attributes": None}

    asyncio.run(main())


def test_we_accept_the_expected_responder_only(reference: Reference) -> None:
    async def main() -> None:
        async with reference_responder(reference) as bob:
            policy = TrustIdentifier(bob.identifier)
            await ask(bob.address, "bob_listener", options=SecureChannelOptions(trust_policy=policy, timeout=10))
            other = TrustIdentifier(Identifier.parse(STRANGER))
            with pytest.raises(OckamError):
                await ask(bob.address, "bob_listener", options=SecureChannelOptions(trust_policy=other, timeout=1))

    asyncio.run(main())


def test_the_reference_accepts_the_expected_responder_only(extended: Reference) -> None:
    async def main() -> None:
        async with our_responder() as bob:
            accepted, refused = await asyncio.gather(
                extended.answer("secure-trust", bob.address, "Hello", "echoer", str(bob.identifier), "bob_listener"),
                extended.answer("secure-trust", bob.address, "Hello", "echoer", STRANGER, "bob_listener"),
            )
            assert (accepted["channel"], accepted.get("reply")) == (True, "Hello")
            assert refused["channel"] is False

    asyncio.run(main())


def test_the_reference_serves_trusted_initiators_only(extended: Reference) -> None:
    async def ask_once(node: Node, identity: Identifier, connect: str) -> str:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(connect)
        channel = await node.create_secure_channel(identity, route(connection, "bob_listener"))
        return await node.send_and_receive(route(channel, "echoer"), "Hello", reply=str, timeout=2)

    async def main() -> None:
        async with Node() as node:
            trusted, stranger = await node.create_identity(), await node.create_identity()
            async with extended.start("responder-trust", ANY_PORT, str(trusted)) as program:
                address = (await program.json())["ready"]
                assert await ask_once(node, trusted, address) == "Hello"
                # The initiator cannot see the refusal: its channel swallows what is sent.
                with pytest.raises(OckamError):
                    await ask_once(node, stranger, address)

    asyncio.run(main())


def test_we_serve_trusted_initiators_only(extended: Reference) -> None:
    async def main() -> None:
        trust_nobody_real = TrustIdentifier(Identifier.parse(STRANGER))
        async with our_responder(trust_policy=trust_nobody_real) as bob:
            answer = await extended.answer(
                "secure-trust", bob.address, "Hello", "echoer", str(bob.identifier), "bob_listener"
            )
            assert answer["channel"] is True
            assert "Timeout" in answer["error"]

    asyncio.run(main())
