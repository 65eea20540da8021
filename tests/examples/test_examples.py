"""The example programs do what they say, run as their readers would run them."""

from __future__ import annotations

import ast
import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from ockam import Identifier
from tests.program import EXAMPLES, example

if TYPE_CHECKING:
    from pathlib import Path

HELLO = "App Received: Hello Ockam!"
ANY_PORT = "127.0.0.1:0"
ROUTING = "04_routing_over_transport"
TWO_HOPS = "04_routing_over_transport_two_hops"
CHANNEL = "05_secure_channel_over_two_transport_hops"
CREDENTIALS = "06_credentials_exchange"

PROGRAMS = sorted(EXAMPLES.glob("[0-9]*.py"))


async def run(name: str, *arguments: str) -> list[str]:
    async with example(name, *arguments) as program:
        assert await program.ended() == 0, program.output
        return program.lines


@pytest.mark.parametrize("name", ["01_node", "02_worker", "03_routing", "03_routing_many_hops"])
def test_on_one_node(name: str) -> None:
    assert asyncio.run(run(name)) == [HELLO]


def test_04_over_one_hop() -> None:
    async def main() -> None:
        async with example(f"{ROUTING}_responder", "--listen", ANY_PORT) as responder:
            address = await responder.starts("Listening on ")
            assert await run(f"{ROUTING}_initiator", "--connect", address, "--route", "echoer") == [HELLO]

    asyncio.run(main())


def test_04_over_two_hops() -> None:
    async def main() -> None:
        async with example(f"{TWO_HOPS}_responder", "--listen", ANY_PORT) as responder:
            address = await responder.starts("Listening on ")
            async with example(f"{TWO_HOPS}_middle", "--listen", ANY_PORT, "--connect", address) as middle:
                address = await middle.starts("Listening on ")
                assert await run(f"{TWO_HOPS}_initiator", "--connect", address) == [HELLO]

    asyncio.run(main())


def test_05() -> None:
    async def main() -> None:
        async with example(f"{CHANNEL}_responder", "--listen", ANY_PORT) as responder:
            address = await responder.starts("Listening on ")
            Identifier.parse(await responder.expect(lambda line: line.startswith("I")))
            direct = ("--connect", address, "--route", "bob_listener")
            assert await run(f"{CHANNEL}_initiator", *direct) == [HELLO]
            async with example(f"{CHANNEL}_middle", "--listen", ANY_PORT, "--connect", address) as middle:
                relayed = ("--connect", await middle.starts("Listening on "))
                assert await run(f"{CHANNEL}_initiator", *relayed) == [HELLO]
                lines = await run(f"{CHANNEL}_initiator", *relayed, "--message", "Ünïcødé ✓")
                assert lines == ["App Received: Ünïcødé ✓"]

    asyncio.run(main())


def test_06() -> None:
    async def main() -> None:
        async with example(f"{CREDENTIALS}_issuer", "--listen", ANY_PORT) as issuer:
            issuer_at = await issuer.starts("Listening on ")
            async with example(f"{CREDENTIALS}_server", "--listen", ANY_PORT, "--issuer", issuer_at) as server:
                arguments = ("--connect", await server.starts("Listening on "), "--issuer", issuer_at)
                assert await run(f"{CREDENTIALS}_client", *arguments) == ["Received: Hello Ockam!"]

    asyncio.run(main())


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_every_example_is_short_and_says_how_to_run_it(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) < 80
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert re.search(rf"^\$ python examples/{re.escape(path.name)}", docstring, re.MULTILINE), docstring
