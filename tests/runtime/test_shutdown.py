from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ockam.runtime import Context, Hop, Mailbox, NodeStopping, Worker
from tests.asynchronous import asynchronous, settle
from tests.runtime.running import Recorder, running

if TYPE_CHECKING:
    from ockam.core.message import Routed


class Noting(Worker[bytes]):
    """Notes when it ends."""

    def __init__(self, name: str, ends: list[str]) -> None:
        self.name = name
        self.ends = ends

    async def shutdown(self, ctx: Context) -> None:
        self.ends.append(f"begin {self.name}")
        await asyncio.sleep(0)
        self.ends.append(f"end {self.name}")


@asynchronous
async def test_workers_are_stopped_by_priority_each_group_awaited() -> None:
    async with running() as app:
        ends: list[str] = []
        for priority in (1, 4, 7, 2, 5):
            await app.start_worker(f"w{priority}", Noting(str(priority), ends), shutdown_priority=priority)
        await app.start_worker("w4b", Noting("4b", ends))
        await settle()
        await app.shutdown_node()
        groups = [name for name in ends if name.startswith("end")]
        assert groups == ["end 7", "end 5", "end 4", "end 4b", "end 2", "end 1"]
        assert ends.index("begin 4b") < ends.index("end 4")  # together
        assert ends.index("end 7") < ends.index("begin 5")
        assert app.list_workers() == []
        await app.runtime.wait_stopped()
        await app.shutdown_node()  # again: nothing
        with pytest.raises(NodeStopping, match=r"^The node is shutting down$"):
            await app.start_worker("new", Recorder())
        with pytest.raises(NodeStopping):
            app.new_detached()


class NeverEnding(Worker[bytes]):
    """Does not want to end; `stubborn` ones do not even take a cancellation."""

    def __init__(self, stubborn: bool, release: asyncio.Event) -> None:
        self.stubborn = stubborn
        self.release = release
        self.cancelled = asyncio.Event()
        self.begun = asyncio.Event()

    async def shutdown(self, ctx: Context) -> None:
        self.begun.set()
        while not self.release.is_set():
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                if not self.stubborn:
                    raise


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_worker_that_never_stops_is_cancelled_and_the_others_still_end(
    stubborn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ockam.runtime.router.CANCEL_SECONDS", 0.01)

    @asynchronous
    async def check() -> None:
        async with running() as app:
            release = asyncio.Event()
            worker, ends = NeverEnding(stubborn, release), list[str]()
            await app.start_worker("never", worker, shutdown_priority=5)
            await app.start_worker("later", Noting("later", ends), shutdown_priority=2)
            closed: list[str] = []
            app.runtime.add_worker(
                [Mailbox(app.runtime.random_address(), lambda _message, _source: None)],
                priority=1,
                on_stop=lambda: closed.append("socket"),
            )
            await settle()
            await app.shutdown_node(0.01)
            assert worker.cancelled.is_set()
            assert ends[0] == "begin later"
            assert closed == ["socket"]  # what the system has is given back in any case
            release.set()
            await settle()

    check()


class Ending(Worker[bytes]):
    """Shuts the node down."""

    def __init__(self) -> None:
        self.after = asyncio.Event()

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        await ctx.shutdown_node()
        self.after.set()


@asynchronous
async def test_a_worker_may_shut_the_node_down_and_lives_to_see_it() -> None:
    async with running() as app:
        worker, ends = Ending(), list[str]()
        await app.start_worker("ending", worker)
        await app.start_worker("later", Noting("later", ends), shutdown_priority=1)
        await app.send("ending", b"")
        await app.runtime.wait_stopped()
        await worker.after.wait()
        assert ends == ["begin later", "end later"]


@asynchronous
async def test_a_shutdown_goes_on_without_the_one_who_asked_for_it() -> None:
    async with running() as app:
        ends: list[str] = []
        await app.start_worker("w", Noting("w", ends))
        asking = asyncio.create_task(app.shutdown_node())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await app.runtime.wait_stopped()
        assert ends == ["begin w", "end w"]


@asynchronous
async def test_tasks_of_the_node_are_cancelled_and_failures_logged() -> None:
    async with running() as app:

        async def fail() -> None:
            raise ValueError

        async def wait() -> None:
            await asyncio.Event().wait()

        app.runtime.new_task(fail())
        waiting = app.runtime.new_task(wait())
        await settle()
        assert app.runtime.statistics()["tasks"] == 1
        await app.shutdown_node()
        assert waiting.cancelled()
        assert app.runtime.statistics() == {"workers": 0, "addresses": 0, "tasks": 0}


@asynchronous
async def test_a_failure_to_stop_is_logged() -> None:
    async with running() as app:

        def fail() -> None:
            raise ValueError

        address = app.runtime.random_address()
        app.runtime.add_worker([Mailbox(address, lambda _message, _source: None)], on_stop=fail)
        await app.stop_address(address)
        app.runtime.stop_soon(address)  # nobody there: nothing
        await app.start_worker("hop", Hop())
        record = app.runtime.record_of(app.address)
        assert record is not None
        await record.run_on_stop()
        await record.run_on_stop()
