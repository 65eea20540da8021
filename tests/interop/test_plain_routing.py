"""Routed messages without a channel, between us and the reference, both ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ockam import Node, route
from tests.interop.nodes import our_responder, reference_responder

if TYPE_CHECKING:
    from tests.interop.reference import Reference

pytestmark = pytest.mark.interop

BODIES = ["", "Hello Ockam!", "Ünïcødé ✓", "x" * 23, "x" * 256, "x" * 65536, "x" * (1 << 20)]


async def echo(connect: str, *hops: str) -> None:
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(connect)
        for body in BODIES:
            assert await node.send_and_receive(route(connection, *hops), body, reply=str, timeout=30) == body


@pytest.mark.parametrize("hops", [["plain_echoer"], ["hop", "plain_echoer"], ["hop", "hop", "hop", "plain_echoer"]])
def test_the_reference_answers_us(reference: Reference, hops: list[str]) -> None:
    async def main() -> None:
        async with reference_responder(reference) as bob:
            await echo(bob.address, *hops)

    asyncio.run(main())


@pytest.mark.parametrize("hops", [["plain_echoer"], ["hop", "plain_echoer"], ["hop", "hop", "hop", "plain_echoer"]])
@pytest.mark.parametrize("body", ["Hello Ockam!", "Ünïcødé ✓", "x" * 65536])
def test_we_answer_the_reference(reference: Reference, hops: list[str], body: str) -> None:
    async def main() -> None:
        async with our_responder() as bob:
            assert await reference.run("send", bob.address, body, *hops) == body

    asyncio.run(main())


def test_we_answer_many_messages_of_one_connection(extended: Reference) -> None:
    async def main() -> None:
        async with our_responder() as bob:
            answer = await extended.answer("send-many", bob.address, "500", "Hello", "hop", "plain_echoer")
            assert answer == {"replies": 500}

    asyncio.run(main())


def test_many_connections_at_once(reference: Reference) -> None:
    async def main() -> None:
        async with reference_responder(reference) as bob, our_responder() as our_bob:
            await asyncio.gather(*(echo(bob.address, "plain_echoer") for _ in range(10)))
            replies = await asyncio.gather(
                *(reference.run("send", our_bob.address, f"Hello {i}", "plain_echoer") for i in range(10))
            )
            assert replies == [f"Hello {i}" for i in range(10)]

    asyncio.run(main())
