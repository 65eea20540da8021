"""The programs of examples 04 and 05, with the reference peer in any of their places."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.interop.nodes import ANY_PORT
from tests.program import example

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.interop.reference import Reference

pytestmark = pytest.mark.interop

ROUTING = "04_routing_over_transport"
TWO_HOPS = "04_routing_over_transport_two_hops"
CHANNEL = "05_secure_channel_over_two_transport_hops"
HELLO = "App Received: Hello Ockam!"
SIDES = ["ours", "reference"]


@contextlib.asynccontextmanager
async def started_example(name: str, *arguments: str) -> AsyncIterator[str]:
    async with example(name, "--listen", ANY_PORT, *arguments) as program:
        yield await program.starts("Listening on ")


@contextlib.asynccontextmanager
async def started_reference(reference: Reference, mode: str, *arguments: str) -> AsyncIterator[str]:
    async with reference.start(mode, ANY_PORT, *arguments) as program:
        yield (await program.json())["ready"]


def started(
    side: str, name: str, reference: Reference, mode: str, *, connect: str | None = None
) -> contextlib.AbstractAsyncContextManager[str]:
    if side == "ours":
        return started_example(name, *(() if connect is None else ("--connect", connect)))
    return started_reference(reference, mode, *(() if connect is None else (connect,)))


async def run_example(name: str, *arguments: str) -> None:
    async with example(name, *arguments) as program:
        assert await program.ended() == 0, program.output
        assert program.lines == [HELLO]


def test_04_with_the_reference_as_responder(reference: Reference) -> None:
    async def main() -> None:
        async with started_reference(reference, "responder") as address:
            await run_example(f"{ROUTING}_initiator", "--connect", address, "--route", "plain_echoer")
            await run_example(f"{ROUTING}_initiator", "--connect", address, "--route", "hop,plain_echoer")

    asyncio.run(main())


def test_04_with_the_reference_as_initiator(reference: Reference) -> None:
    async def main() -> None:
        async with started_example(f"{ROUTING}_responder") as address:
            assert await reference.run("send", address, "Hello Ockam!", "echoer") == "Hello Ockam!"

    asyncio.run(main())


@pytest.mark.parametrize("initiator", SIDES)
@pytest.mark.parametrize("middle", SIDES)
@pytest.mark.parametrize("responder", SIDES)
def test_04_two_hops(
    reference: Reference, request: pytest.FixtureRequest, responder: str, middle: str, initiator: str
) -> None:
    if middle == "reference":
        request.getfixturevalue("extended")

    async def main() -> None:
        worker = "echoer" if responder == "ours" else "plain_echoer"
        hops = ("forward_to_responder", worker)
        async with (
            started(responder, f"{TWO_HOPS}_responder", reference, "responder") as bob,
            started(middle, f"{TWO_HOPS}_middle", reference, "middle-dial", connect=bob) as address,
        ):
            if initiator == "ours":
                await run_example(f"{TWO_HOPS}_initiator", "--connect", address, "--route", ",".join(hops))
            else:
                assert await reference.run("send", address, "Hello Ockam!", *hops) == "Hello Ockam!"

    asyncio.run(main())


async def ask_through_channel(reference: Reference, initiator: str, address: str, *hops: str) -> None:
    if initiator == "ours":
        await run_example(f"{CHANNEL}_initiator", "--connect", address, "--route", ",".join(hops))
    else:
        answer = json.loads(await reference.run("secure", address, "Hello Ockam!", "echoer", *hops))
        assert answer["reply"] == "Hello Ockam!"


@pytest.mark.parametrize("initiator", SIDES)
@pytest.mark.parametrize("middle", SIDES)
@pytest.mark.parametrize("responder", SIDES)
def test_05(reference: Reference, request: pytest.FixtureRequest, responder: str, middle: str, initiator: str) -> None:
    if middle == "reference":
        request.getfixturevalue("extended")

    async def main() -> None:
        async with (
            started(responder, f"{CHANNEL}_responder", reference, "responder") as bob,
            started(middle, f"{CHANNEL}_middle", reference, "middle-dial", connect=bob) as address,
        ):
            await ask_through_channel(reference, initiator, address, "forward_to_bob", "bob_listener")

    asyncio.run(main())


@pytest.mark.parametrize("initiator", SIDES)
@pytest.mark.parametrize("responder", SIDES)
def test_05_without_a_middle(reference: Reference, responder: str, initiator: str) -> None:
    async def main() -> None:
        async with started(responder, f"{CHANNEL}_responder", reference, "responder") as bob:
            await ask_through_channel(reference, initiator, bob, "bob_listener")

    asyncio.run(main())


def test_05_initiator_through_the_reference_relay(reference: Reference) -> None:
    async def main() -> None:
        async with (
            started_reference(reference, "middle") as relay,
            reference.start("relayed", ANY_PORT, relay) as bob,
        ):
            assert (await bob.json())["relay"] == "forward_to_bob"
            await ask_through_channel(reference, "ours", relay, "forward_to_bob", "bob_listener")

    asyncio.run(main())
