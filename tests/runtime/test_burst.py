"""A burst runs at once, and still as if a task of its own ran it."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from ockam.runtime import Runtime
from ockam.runtime.burst import BurstRunner
from ockam.testing import FixedClock, FixedRandom

VARIABLE: ContextVar[str] = ContextVar("variable", default="outside")


def new_runtime() -> Runtime:
    return Runtime(FixedClock(1_700_000_000), FixedRandom("burst"))


def in_callback(runner: BurstRunner) -> asyncio.Future[asyncio.Task[None] | None]:
    """Run a burst as an I/O callback does: outside of any task."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[asyncio.Task[None] | None] = loop.create_future()
    loop.call_soon(lambda: result.set_result(runner.run()))
    return result


def test_a_burst_that_never_waits_is_over_when_run_returns() -> None:
    done: list[str] = []

    async def burst() -> None:
        done.append("done")

    async def main() -> None:
        runtime = new_runtime()
        runner = BurstRunner(runtime, burst)
        for count in (1, 2, 3):
            assert await in_callback(runner) is None
            assert done == ["done"] * count
        runner.close()
        await runtime.shutdown()
        assert runtime.statistics()["tasks"] == 0

    asyncio.run(main())


def test_a_burst_that_waits_goes_on_in_a_task_that_it_sees_as_the_current_one() -> None:
    seen: list[asyncio.Task[Any] | None] = []

    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()
        all_seen = asyncio.Event()

        async def burst() -> None:
            seen.append(asyncio.current_task())
            await gate
            seen.append(asyncio.current_task())
            if len(seen) == 4:
                all_seen.set()

        runtime = new_runtime()
        runner = BurstRunner(runtime, burst)
        task = await in_callback(runner)
        assert task is not None
        assert seen == [task]
        # A second burst meanwhile gets a task of its own.
        other = await in_callback(runner)
        assert other is not None
        assert other is not task
        gate.set_result(None)
        await all_seen.wait()
        assert {seen[2], seen[3]} == {task, other}
        await runtime.shutdown()

    asyncio.run(main())


def test_timeouts_work_from_the_first_step_on() -> None:
    async def main() -> None:
        caught = asyncio.Event()

        async def burst() -> None:
            try:
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            except TimeoutError:
                caught.set()

        runtime = new_runtime()
        assert await in_callback(BurstRunner(runtime, burst)) is not None
        await caught.wait()
        await runtime.shutdown()

    asyncio.run(main())


def test_context_variables_neither_leak_nor_get_lost() -> None:
    seen: list[str] = []

    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()
        ended = asyncio.Event()

        async def burst() -> None:
            VARIABLE.set("inside")
            await gate
            seen.append(VARIABLE.get())
            ended.set()

        runtime = new_runtime()
        loop = asyncio.get_running_loop()
        started = loop.create_future()

        def callback() -> None:
            BurstRunner(runtime, burst).run()
            started.set_result(VARIABLE.get())

        loop.call_soon(callback)
        assert await started == "outside"
        gate.set_result(None)
        await ended.wait()
        assert seen == ["inside"]
        await runtime.shutdown()

    asyncio.run(main())


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_cancellation_reaches_the_burst_wherever_it_waits(turns: int) -> None:
    cancelled: list[str] = []

    async def burst() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("cancelled")
            raise

    async def main() -> None:
        runtime = new_runtime()
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[asyncio.Task[None] | None] = loop.create_future()

        def callback() -> None:
            task = BurstRunner(runtime, burst).run()
            if turns == 0 and task is not None:
                task.cancel()  # before the task has noticed that it was given something to do
            taken.set_result(task)

        loop.call_soon(callback)
        task = await taken
        assert task is not None
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)  # callbacks of a task run in the turn after it
        assert cancelled == ["cancelled"]
        await runtime.shutdown()

    asyncio.run(main())


def test_errors_of_the_future_it_waits_for_reach_the_burst() -> None:
    caught: list[str] = []

    async def main() -> None:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended = asyncio.Event()

        async def burst() -> None:
            for _ in range(2):
                try:
                    await gate
                except ValueError as error:
                    caught.append(str(error))
            ended.set()

        runtime = new_runtime()
        assert await in_callback(BurstRunner(runtime, burst)) is not None
        gate.set_exception(ValueError("broken"))
        await ended.wait()
        assert caught == ["broken", "broken"]
        await runtime.shutdown()

    asyncio.run(main())


def test_inside_a_task_a_burst_gets_a_task() -> None:
    ran: list[str] = []

    async def burst() -> None:
        ran.append("ran")

    async def main() -> None:
        runtime = new_runtime()
        task = BurstRunner(runtime, burst).run()
        assert task is not None
        assert not ran
        await task
        assert ran
        await runtime.shutdown()

    asyncio.run(main())


def test_closing_lets_a_waiting_burst_finish() -> None:
    ended: list[str] = []

    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()

        async def burst() -> None:
            await gate
            ended.append("ended")

        runtime = new_runtime()
        runner = BurstRunner(runtime, burst)
        task = await in_callback(runner)
        assert task is not None
        runner.close()
        gate.set_result(None)
        await task
        assert ended
        assert runtime.statistics()["tasks"] == 0
        await runtime.shutdown()

    asyncio.run(main())
