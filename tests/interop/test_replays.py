"""What a channel end does with frames that come late, twice or broken: the reference's and ours do the same."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.interop.nodes import responder
from tests.interop.raw import RawChannel, RawConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.interop.reference import Reference

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("side", ["ours", "reference"])]

WINDOW = 32


def with_channel(side: str, reference: Reference, script: Callable[[RawChannel], Awaitable[None]]) -> None:
    async def main() -> None:
        async with responder(side, reference) as bob, RawConnection.open(bob.address) as connection:
            assert await connection.read_version() == 1
            await script(await RawChannel.open(connection))

    asyncio.run(main())


def test_frames_in_order(side: str, reference: Reference) -> None:
    async def script(channel: RawChannel) -> None:
        bodies = [str(i) for i in range(200)]
        for body in bodies:
            await channel.send(channel.seal(body))
        assert await channel.answers_until("199") == bodies

    with_channel(side, reference, script)


@pytest.mark.parametrize("block", [2, 7, 16, 32])
def test_reordering_inside_the_window(side: str, reference: Reference, block: int) -> None:
    async def script(channel: RawChannel) -> None:
        frames = [(str(i), channel.seal(str(i))) for i in range(320)]
        shuffle = random.Random(block).shuffle
        order: list[str] = []
        for start in range(0, len(frames), block):
            part = frames[start : start + block]
            shuffle(part)
            for body, frame in part:
                order.append(body)
                await channel.send(frame)
        await channel.send(channel.seal("end"))
        assert await channel.answers_until("end") == [*order, "end"]

    with_channel(side, reference, script)


def test_replays_are_dropped(side: str, reference: Reference) -> None:
    async def script(channel: RawChannel) -> None:
        frames: list[bytes] = []
        for i in range(150):
            frames.append(channel.seal(str(i)))
            await channel.send(frames[-1])
            for back in (0, 1, 5, WINDOW - 1, WINDOW, WINDOW + 1, 64, 100):
                if back <= i:
                    await channel.send(frames[i - back])
        await channel.send(channel.seal("end"))
        assert await channel.answers_until("end") == [*map(str, range(150)), "end"]

    with_channel(side, reference, script)


def test_edges_of_the_window(side: str, reference: Reference) -> None:
    async def script(channel: RawChannel) -> None:
        frames = [channel.seal(str(i)) for i in range(200)]
        # nonce, and whether it is accepted after those before it
        steps = [
            (33, False),  # top 0: at most 32 ahead
            (32, True),
            (0, True),  # 32 behind
            (0, False),
            (64, True),
            (31, False),  # 33 behind
            (32, False),  # seen
            (33, True),  # 31 behind, with the previous key
            (97, False),
            (96, True),
            (64, False),
            (95, True),  # one behind, with the key before
            (96, False),
            (97, True),
        ]
        for nonce, _ in steps:
            await channel.send(frames[nonce])
        await channel.send(frames[98])
        expected = [str(nonce) for nonce, is_accepted in steps if is_accepted]
        assert await channel.answers_until("98") == [*expected, "98"]

    with_channel(side, reference, script)


def test_lost_frames(side: str, reference: Reference) -> None:
    async def script(channel: RawChannel) -> None:
        frames = [channel.seal(str(i)) for i in range(400)]
        arriving = list(range(0, 400, WINDOW))  # 31 lost each time
        for nonce in arriving:
            await channel.send(frames[nonce])
        assert await channel.answers_until(str(arriving[-1])) == [*map(str, arriving)]

    with_channel(side, reference, script)


def test_broken_frames_leave_no_trace(side: str, reference: Reference) -> None:
    async def script(channel: RawChannel) -> None:
        rng = random.Random(1)
        for i in range(100):
            frame = channel.seal(str(i))
            for _ in range(3):
                position = rng.randrange(8, len(frame))
                await channel.send(frame[:position] + bytes((frame[position] ^ 1,)) + frame[position + 1 :])
            for broken in (b"", frame[:7], frame[:8], frame[:23], frame + b"\0", bytes(24)):
                await channel.send(broken)
            # a nonce that is acceptable, and another key: a derived key must be thrown away
            await channel.send((i + WINDOW).to_bytes(8, "big") + frame[8:])
            await channel.send(frame)
            assert await channel.receive() == str(i)

    with_channel(side, reference, script)


def test_messages_that_are_none(side: str, reference: Reference) -> None:
    """They are authentic, so their nonces are used up, and the channel goes on."""

    async def script(channel: RawChannel) -> None:
        for plaintext in (b"", b"\x00", b"\xff", b"\x82\x82\x09\x80\x40", b"\x82\x82\x00\x80\x40"):
            await channel.send(channel._encryptor.seal(plaintext))
        await channel.send(channel.seal("no such worker", worker="nowhere"))
        await channel.send(channel.seal("not open to the channel", worker="plain_echoer"))
        await channel.send(channel.seal("end"))
        assert await channel.answers_until("end") == ["end"]

    with_channel(side, reference, script)
