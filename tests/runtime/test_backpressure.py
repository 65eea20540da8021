from __future__ import annotations

import asyncio

import pytest

from ockam.core.access_control import ALLOW_ALL
from ockam.core.message import LocalMessage, Routed
from ockam.core.route import route
from ockam.runtime import Context, Worker
from ockam.runtime.worker import MAX_QUEUED_BYTES
from tests.asynchronous import asynchronous, settle
from tests.runtime.running import Recorder, Stuck, running
from tests.runtime.test_burst import batch

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


class SelfSending(Worker[bytes]):
    """Sends itself what it got, a few times, before it has handled it."""

    def __init__(self) -> None:
        self.handled = 0
        self.done = asyncio.Event()

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        self.handled += 1
        if self.handled == 1:
            for _ in range(3):
                await ctx.send(ctx.address, message.body)
        if self.handled == 4:
            self.done.set()


@pytest.mark.parametrize("in_batch", [False, True])
def test_nobody_waits_for_itself(in_batch: bool) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            worker = SelfSending()
            await app.start_worker("w", worker)
            await settle()
            body = bytes(MAX_QUEUED_BYTES + 1)
            if in_batch:
                await batch(app, ("w", body))
            else:
                await app.send("w", body)
            await worker.done.wait()
            await app.send("app", body)
            await app.forward(LocalMessage(route("app"), route("app"), body))
            await app.send_from_address("app", body, "app")
            await app.forward_from_address(LocalMessage(route("app"), route("app"), body), "app")
            for _ in range(4):
                await app.receive()

    check()


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
