from __future__ import annotations

import asyncio

from ockam.core.access_control import ALLOW_ALL
from ockam.runtime.worker import MAX_QUEUED_BYTES
from tests.asynchronous import asynchronous, settle
from tests.runtime.running import Recorder, Stuck, running

BODY = bytes(64 * 1024)
FIT = MAX_QUEUED_BYTES // len(BODY)


@asynchronous
async def test_a_slow_worker_makes_its_senders_wait_and_nobody_else() -> None:
    async with running() as app:
        slow, quick = Stuck(), Recorder()
        await app.start_worker("slow", slow)
        await app.start_worker("quick", quick)
        sent = [0, 0]

        async def flood(sender: int) -> None:
            context = app.new_detached(outgoing=ALLOW_ALL)
            for _ in range(100):
                await context.send("slow", BODY)
                sent[sender] += 1

        senders = [asyncio.create_task(flood(sender)) for sender in (0, 1)]
        await settle(200)
        assert FIT - 2 <= sum(sent) <= FIT + 2  # what waits is bounded
        await app.send("quick", b"at once")
        assert await quick.next() == b"at once"
        slow.may_go_on.set()
        await asyncio.gather(*senders)
        await settle()
        assert slow.handled == 200


@asynchronous
async def test_senders_go_on_when_the_worker_is_stopped() -> None:
    async with running() as app:
        slow = Stuck()
        await app.start_worker("slow", slow)
        sending = asyncio.create_task(app.send("slow", bytes(2 * MAX_QUEUED_BYTES)))
        await settle()
        waiting = asyncio.create_task(app.send("slow", bytes(2 * MAX_QUEUED_BYTES)))
        await settle()
        assert sending.done()  # the handler has it
        assert not waiting.done()
        await app.stop_address("slow")
        await waiting


@asynchronous
async def test_senders_wait_for_a_context_that_does_not_receive() -> None:
    async with running() as app:
        context = app.new_detached("c", incoming=ALLOW_ALL)
        waiting = asyncio.create_task(app.send("c", bytes(2 * MAX_QUEUED_BYTES)))
        await settle()
        assert not waiting.done()
        await context.receive()
        await waiting
        waiting = asyncio.create_task(app.send("c", bytes(2 * MAX_QUEUED_BYTES)))
        await settle()
        await app.stop_address("c")  # and not `context.stop`
        await waiting
