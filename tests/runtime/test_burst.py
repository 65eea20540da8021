"""Bursts that begin inside the I/O callback which ends a batch."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ockam.core.message import LocalMessage, Routed
from ockam.core.route import route
from ockam.runtime import Context, Worker
from tests.asynchronous import asynchronous, settle, until
from tests.runtime.running import Recorder, Stuck, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def batch(app: Context, *messages: tuple[str, bytes]) -> None:
    """Deliver messages as an I/O callback does, and wait until that has returned."""
    loop, runtime = asyncio.get_running_loop(), app.runtime
    returned: asyncio.Future[None] = loop.create_future()

    def callback() -> None:
        runtime.begin_batch()
        try:
            for address, body in messages:
                runtime.deliver(runtime.table[b"app"], LocalMessage(route(address), app.mailboxes[0].route, body))
        finally:
            runtime.end_batch()
            returned.set_result(None)

    loop.call_soon(callback)
    await returned


class Calling(Worker[bytes]):
    """Does what it is given."""

    def __init__(
        self, handle: Callable[[Context], Awaitable[object]], end: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        self.handle = handle
        self.end = end
        self.done = 0
        self.ended = asyncio.Event()

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        await self.handle(ctx)
        self.done += 1

    async def shutdown(self, ctx: Context) -> None:
        if self.end is not None:
            await self.end()
        self.ended.set()


async def twice(app: Context, address: str) -> None:
    for _ in range(2):
        await batch(app, (address, b"warm up"))
        await settle()


@asynchronous
async def test_a_burst_that_never_waits_has_ended_when_the_callback_has() -> None:
    async with running() as app:
        recorder = Recorder()
        await app.start_worker("r", recorder)
        await settle()
        await batch(app, ("r", b"0"))  # makes the task that stands by
        await settle()
        await batch(app, ("r", b"1"), ("r", b"2"))
        assert recorder.messages.qsize() == 3
        assert app.runtime.statistics()["tasks"] == 0


@asynchronous
async def test_a_burst_that_waits_goes_on_in_a_task_and_in_order() -> None:
    async with running() as app:
        worker = Stuck()
        await app.start_worker("stuck", worker)
        await settle()
        for _ in range(3):
            await batch(app, ("stuck", b""), ("stuck", b""))
            assert worker.handling.is_set()
        worker.may_go_on.set()
        await settle()
        assert worker.handled == 6
        await twice(app, "stuck")
        await batch(app, ("stuck", b""))
        assert worker.handled == 9


@pytest.mark.parametrize("before", [0, 1])
def test_a_handler_that_is_cancelled_from_inside_hurts_nobody(before: int) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            gone.cancel()

            async def wait(ctx: Context) -> None:
                await gone

            bad, good = Calling(wait), Recorder()
            await app.start_worker("bad", bad)
            await app.start_worker("good", good)
            await settle()
            for _ in range(before + 1):
                await batch(app, ("bad", b""), ("bad", b""), ("good", b"1"))
                assert await good.next() == b"1"
            await app.send("good", b"2")
            assert await good.next() == b"2"

    check()


@pytest.mark.parametrize("waits", [False, True])
def test_a_worker_that_stops_itself_in_a_burst_lives_to_see_it(waits: bool) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            stops = False

            async def stop(ctx: Context) -> None:
                if not stops:
                    return
                if waits:
                    await asyncio.sleep(0)
                await ctx.stop()
                await asyncio.sleep(0)

            worker = Calling(stop, lambda: asyncio.sleep(0))
            await app.start_worker("leaving", worker)
            await settle()
            await batch(app, ("leaving", b""))
            await settle()
            stops = True
            await batch(app, ("leaving", b""))
            await settle()
            assert worker.ended.is_set()
            assert worker.done == 2
            assert app.runtime.statistics()["tasks"] == 0

    check()


@pytest.mark.parametrize("before", [False, True])
def test_a_burst_is_cancelled_before_its_task_had_a_turn(before: bool) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            stuck = Stuck()
            await app.start_worker("stuck", stuck)
            stopper = Calling(lambda ctx: ctx.stop_address("stuck"))
            await app.start_worker("stopper", stopper)
            await settle()
            if before:  # its task is there already
                stuck.may_go_on.set()
                await twice(app, "stuck")
                stuck.may_go_on.clear()
            await batch(app, ("stuck", b""), ("stopper", b""))
            await settle()
            assert stuck.cancelled.is_set()
            assert stuck.ended.is_set()
            assert stopper.done == 1
            assert app.runtime.statistics()["tasks"] == 0

    check()


class Unimpressed(Worker[bytes]):
    """Takes no notice of being cancelled, once."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.ended = asyncio.Event()

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        if message.body == b"warm up":
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            if message.body == b"waits":
                await asyncio.sleep(0)

    async def shutdown(self, ctx: Context) -> None:
        self.ended.set()


@pytest.mark.parametrize("body", [b"", b"waits"])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_handler_that_takes_no_notice_of_being_cancelled(body: bytes, at_once: bool) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            worker = Unimpressed()
            await app.start_worker("w", worker)
            stopper = Calling(lambda ctx: ctx.stop_address("w"))
            await app.start_worker("stopper", stopper)
            await settle()
            await twice(app, "w")
            assert worker.cancelled == 0
            if at_once:
                await batch(app, ("w", body), ("stopper", b""))
            else:
                await batch(app, ("w", body))
                await settle()
                await batch(app, ("stopper", b""))
            await settle()
            assert worker.cancelled == 1
            assert worker.ended.is_set()
            assert stopper.done == 1

    check()


@asynchronous
async def test_timeouts_and_context_variables_in_a_burst() -> None:
    async with running() as app:
        seen: list[str] = []

        async def wait(ctx: Context) -> None:
            task = asyncio.current_task()
            assert task is not None
            try:
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            except TimeoutError:
                seen.append("timeout")
            assert asyncio.current_task() is task
            assert task.cancelling() == 0

        worker = Calling(wait)
        await app.start_worker("w", worker)
        await settle()
        for number in range(1, 4):
            await batch(app, ("w", b""))
            await until(partial(lambda wanted: worker.done >= wanted, number))
        assert seen == ["timeout"] * 3


@asynchronous
async def test_two_workers_that_keep_each_other_busy_leave_room_for_others() -> None:
    async with running() as app:

        def ball(to: str) -> Callable[[Context], Awaitable[object]]:
            return lambda ctx: ctx.send(to, b"")

        await app.start_worker("a", Calling(ball("b")))
        await app.start_worker("b", Calling(ball("a")))
        recorder = Recorder()
        await app.start_worker("r", recorder)
        await settle()
        await batch(app, ("a", b""))
        await batch(app, ("r", b"1"))
        assert await recorder.next() == b"1"
