"""The asking side of our benchmark: the cells of the reference peer's mode `bench`, with its counts.

Prints one JSON object: per cell the operations per second, and the processor time per operation of both processes.

$ python bench/initiator.py --connect 127.0.0.1:4000 --spin 75 --cells round_trips,one_way_64
{"round_trips": {"per_second": 20345.1, "cpu_microseconds": 71.2, "peer_cpu_microseconds": 64.0}, ...}
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder import cpu_microseconds

from ockam import Identifier, Node, SecureChannel, SecureChannelOptions, route, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HANDSHAKES = 200
ROUND_TRIPS = 20_000
STREAMS = {64: 200_000, 1024: 100_000, 32 * 1024: 10_000}
WARM_UP_HANDSHAKES = 20
WARM_UP_ROUND_TRIPS = 1000
WARM_UP_MESSAGES = 1000


@dataclass
class Bench:
    """One connection to the responder, and what the cells need of it."""

    node: Node
    address: str
    alice: Identifier

    async def connect(self) -> None:
        tcp = await self.node.create_tcp_transport()
        self.connection = await tcp.connect(self.address)

    async def open(self) -> SecureChannel:
        options = SecureChannelOptions(timeout=30)
        return await self.node.create_secure_channel(self.alice, route(self.connection, "bob_listener"), options)

    async def peer_cpu(self) -> int:
        return int(await self.node.send_and_receive(route(self.connection, "usage"), "", reply=str))

    async def timed(self, operations: int, work: Awaitable[None]) -> dict[str, float]:
        peer_cpu, cpu, start = await self.peer_cpu(), cpu_microseconds(), time.perf_counter()
        await work
        seconds = time.perf_counter() - start
        cpu = cpu_microseconds() - cpu
        return {
            "per_second": operations / seconds,
            "cpu_microseconds": cpu / operations,
            "peer_cpu_microseconds": (await self.peer_cpu() - peer_cpu) / operations,
        }


async def handshakes(bench: Bench) -> dict[str, float]:
    """One identity opens all channels, as in the reference's bench: a peer that returns."""

    async def work(count: int) -> None:
        for _ in range(count):
            await bench.open()

    await work(WARM_UP_HANDSHAKES)
    return await bench.timed(HANDSHAKES, work(HANDSHAKES))


async def handshakes_with_credentials(bench: Bench) -> dict[str, float]:
    """As `handshakes`, but both sides have an authority: ours presents a credential, theirs verifies and stores it."""
    ours = await bench.node.identities.export_identity(bench.alice)
    answer = json.loads(await bench.node.send_and_receive(route(bench.connection, "issuer"), ours, reply=str))
    authority = await bench.node.import_identity(bytes.fromhex(answer["authority"]))
    options = SecureChannelOptions(authority=authority, credential=bytes.fromhex(answer["credential"]), timeout=30)
    to_listener = route(bench.connection, "bob_members")

    async def work(count: int) -> None:
        for _ in range(count):
            await bench.node.create_secure_channel(bench.alice, to_listener, options)

    await work(WARM_UP_HANDSHAKES)
    result = await bench.timed(HANDSHAKES, work(HANDSHAKES))
    channel = await bench.node.create_secure_channel(bench.alice, to_listener, options)
    assert await bench.node.send_and_receive(route(channel, "members"), "let in", reply=str) == "let in"
    return result


async def handshakes_first_contact(bench: Bench) -> dict[str, float]:
    """Neither side has ever seen the other: a node of its own, with its own identity, opens each channel."""
    async with AsyncExitStack() as nodes:
        devices = []
        for _ in range(HANDSHAKES):
            node = await nodes.enter_async_context(Node())
            device = Bench(node, bench.address, await node.create_identity())
            await device.connect()
            # The static key and its attestation exist before the first contact, as on a device.
            await node.identities.secure_channel_purpose_key(device.alice)
            devices.append(device)

        async def work() -> None:
            for device in devices:
                await device.open()

        return await bench.timed(HANDSHAKES, work())


async def round_trips(bench: Bench) -> dict[str, float]:
    to_echoer = route(await bench.open(), "echoer")

    async def work(count: int) -> None:
        for _ in range(count):
            await bench.node.send_and_receive(to_echoer, "Hello Ockam!", reply=str)

    await work(WARM_UP_ROUND_TRIPS)
    return await bench.timed(ROUND_TRIPS, work(ROUND_TRIPS))


def one_way(size: int) -> Callable[[Bench], Awaitable[dict[str, float]]]:
    async def cell(bench: Bench) -> dict[str, float]:
        to_sink = route(await bench.open(), "sink")
        body = "x" * size

        async def work(count: int) -> None:
            for _ in range(count):
                await bench.node.send(to_sink, body)
            total = await bench.node.send_and_receive(to_sink, "total", reply=str, timeout=120)
            assert int(total) == size * count

        await work(min(WARM_UP_MESSAGES, STREAMS[size] // 10))
        return await bench.timed(STREAMS[size], work(STREAMS[size]))

    return cell


CELLS: dict[str, Callable[[Bench], Awaitable[dict[str, float]]]] = {
    "handshakes": handshakes,
    "handshakes_with_credentials": handshakes_with_credentials,
    "handshakes_first_contact": handshakes_first_contact,
    "round_trips": round_trips,
    **{f"one_way_{size}": one_way(size) for size in STREAMS},
}


async def main(connect: str, cells: list[str]) -> None:
    async with Node() as node:
        bench = Bench(node, connect, await node.create_identity())
        await bench.connect()
        results = {}
        for name in cells:
            results[name] = await CELLS[name](bench)
            await asyncio.sleep(0.05)
        print(json.dumps(results), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connect", required=True)
    parser.add_argument("--spin", type=int, default=0, help="microseconds to poll before sleeping")
    parser.add_argument("--cells", default=",".join(CELLS))
    arguments = parser.parse_args()
    run(main(arguments.connect, arguments.cells.split(",")), spin_microseconds=arguments.spin)
