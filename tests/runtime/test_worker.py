from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from ockam.core.address import Address
from ockam.errors import OckamError
from ockam.runtime import Context, Processor, UnknownAddress, Worker
from ockam.runtime.worker import body_type
from tests.asynchronous import asynchronous, settle
from tests.runtime.running import Recorder, Stuck, running

if TYPE_CHECKING:
    from ockam.core.message import Routed


class Slow(Recorder):
    """Initializes when told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.ready = asyncio.Event()
        self.error = error

    async def initialize(self, ctx: Context) -> None:
        await self.ready.wait()
        if self.error is not None:
            raise self.error


@asynchronous
async def test_messages_wait_for_initialize_and_come_in_order() -> None:
    async with running() as app:
        worker = Slow()
        await app.start_worker("slow", worker)
        assert app.is_worker_registered_at("slow")
        for number in range(50):
            await app.send("slow", b"%d" % number)
        await settle()
        assert worker.messages.empty()
        worker.ready.set()
        assert [await worker.next() for _ in range(50)] == [b"%d" % number for number in range(50)]


@pytest.mark.parametrize("error", [ValueError("no"), OckamError("no"), asyncio.CancelledError()])
def test_a_worker_that_fails_to_initialize_ends_and_frees_its_address(error: BaseException) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            worker = Slow(error)
            await app.start_worker("slow", worker)
            await app.send("slow", b"1")
            worker.ready.set()
            await worker.ended.wait()
            assert worker.messages.empty()
            with pytest.raises(UnknownAddress):
                await app.send("slow", b"2")
            again = Recorder()
            await app.start_worker("slow", again)
            await app.send("slow", b"3")
            assert await again.next() == b"3"

    check()


class Picky(Worker[str]):
    def __init__(self) -> None:
        self.bodies: asyncio.Queue[str] = asyncio.Queue()

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        if message.body == "bad":
            raise ValueError("bad")
        if message.body == "refused":
            raise OckamError("refused")
        if message.body == "cancelled":
            raise asyncio.CancelledError
        self.bodies.put_nowait(message.body)

    async def shutdown(self, ctx: Context) -> None:
        raise RuntimeError("cannot even end")


@asynchronous
async def test_a_worker_goes_on_after_any_error_in_its_handler() -> None:
    async with running() as app:
        worker = Picky()
        await app.start_worker("picky", worker)
        for body in ("bad", "refused", "cancelled", "good"):
            await app.send("picky", body)
        await app.send("picky", b"\xff no string")
        await app.send("picky", b"")
        await app.send("picky", "last")
        assert [await worker.bodies.get() for _ in range(2)] == ["good", "last"]
        await app.stop_address("picky")  # an error in `shutdown` is logged


def test_errors_of_a_handler_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ockam.runtime"):
        test_a_worker_goes_on_after_any_error_in_its_handler()
    texts = [record.getMessage() for record in caplog.records]
    assert any("failed on a message" in text for text in texts)
    assert any("could not handle a message: refused" in text for text in texts)
    assert any("failed to shut down" in text for text in texts)


@asynchronous
async def test_stopping_cancels_the_handler_drops_what_waits_and_lets_the_worker_clean_up() -> None:
    async with running() as app:
        worker = Stuck()
        await app.start_worker("stuck", worker)
        await app.send("stuck", b"1")
        await app.send("stuck", b"2")
        await worker.handling.wait()
        stopping = asyncio.create_task(app.stop_address("stuck"))
        await asyncio.sleep(0)
        assert not app.is_worker_registered_at("stuck")  # gone at once
        await stopping
        assert worker.cancelled.is_set()
        assert worker.ended.is_set()
        assert worker.handled == 0
        with pytest.raises(UnknownAddress, match="No such alias: 0#stuck"):
            await app.stop_address("stuck")


class Alternating(Worker[bytes]):
    """Lets others run in the middle of every message."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.done = asyncio.Event()

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        self.log.append(f"begin {message.body.decode()}")
        await asyncio.sleep(0)
        self.log.append(f"end {message.body.decode()}")
        if message.body == b"4":
            self.done.set()


@asynchronous
async def test_one_message_is_handled_at_a_time() -> None:
    async with running() as app:
        worker = Alternating()
        await app.start_worker("w", worker)
        for number in range(5):
            await app.send("w", b"%d" % number)
            await asyncio.sleep(0)
        await worker.done.wait()
        assert worker.log == [f"{what} {number}" for number in range(5) for what in ("begin", "end")]


class Restless(Worker[bytes]):
    """Sends itself a message for every one it gets, and never waits."""

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        await ctx.send(ctx.address, message.body)


class Failing(Processor):
    async def process(self, ctx: Context) -> bool:
        raise ValueError


class Busy(Processor):
    async def process(self, ctx: Context) -> bool:
        return True


@asynchronous
async def test_one_bad_worker_never_hurts_another() -> None:
    async with running() as app:
        await app.start_worker("restless", Restless())
        await app.send("restless", b"again")
        await app.start_processor("failing", Failing())
        await app.start_processor("busy", Busy())
        good = Recorder()
        await app.start_worker("good", good)
        for _ in range(10):
            await app.send("good", b"x")
            assert await good.next() == b"x"


@asynchronous
async def test_a_long_burst_stays_in_order() -> None:
    async with running() as app:
        worker = Recorder()
        await app.start_worker("w", worker)
        for number in range(1000):
            await app.send("w", b"%d" % number)
        assert [await worker.next() for _ in range(1000)] == [b"%d" % number for number in range(1000)]


@asynchronous
async def test_a_body_that_its_sender_changes_later_arrives_as_it_was_sent() -> None:
    async with running() as app:
        worker = Recorder()
        await app.start_worker("w", worker)
        body = bytearray(b"before")
        await app.send("w", body)
        await app.send("w", memoryview(body))
        body[:] = b"after!"
        assert await worker.next() == b"before"
        assert await worker.next() == b"before"
        body[:] = b"before"
        await app.send("app", body)
        body[:] = b"after!"
        assert (await app.receive()).body == b"before"


@asynchronous
async def test_a_view_of_wide_items_is_sent_as_its_bytes() -> None:
    async with running() as app:
        worker = Recorder()
        await app.start_worker("w", worker)
        await app.send("w", memoryview(b"12345678").cast("I"))
        await app.send("w", memoryview(b"12345678")[::2])
        assert await worker.next() == b"12345678"
        assert await worker.next() == b"1357"


class Leaving(Worker[bytes]):
    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.shut = 0

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        await ctx.stop()
        self.left.set()

    async def shutdown(self, ctx: Context) -> None:
        self.shut += 1


@asynchronous
async def test_a_worker_may_stop_itself() -> None:
    async with running() as app:
        worker = Leaving()
        await app.start_worker("leaving", worker)
        await app.send("leaving", b"")
        await worker.left.wait()
        assert worker.shut == 1
        assert app.list_workers() == [Address.local("app")]


class Counting(Processor):
    def __init__(self, rounds: int, error: Exception | None = None) -> None:
        self.rounds = rounds
        self.error = error
        self.ended = asyncio.Event()

    async def initialize(self, ctx: Context) -> None:
        if self.error is not None:
            raise self.error

    async def process(self, ctx: Context) -> bool:
        self.rounds -= 1
        if self.rounds == 2:
            raise ValueError("one round fails")
        return self.rounds > 0

    async def shutdown(self, ctx: Context) -> None:
        self.ended.set()
        raise ValueError("and so does the end")


@asynchronous
async def test_a_processor_runs_until_it_says_so() -> None:
    async with running() as app:
        processor = Counting(5)
        await app.start_processor("p", processor)
        await processor.ended.wait()
        assert processor.rounds == 0
        assert not app.is_worker_registered_at("p")


@asynchronous
async def test_a_processor_that_fails_to_initialize_ends() -> None:
    async with running() as app:
        processor = Counting(5, ValueError("no"))
        await app.start_processor("p", processor)
        await processor.ended.wait()
        assert processor.rounds == 5


class Endless(Processor):
    def __init__(self) -> None:
        self.cancelled = False
        self.working = asyncio.Event()
        self.ended = asyncio.Event()

    async def process(self, ctx: Context) -> bool:
        self.working.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return True

    async def shutdown(self, ctx: Context) -> None:
        self.ended.set()


@asynchronous
async def test_stopping_a_processor_cancels_it() -> None:
    async with running() as app:
        processor = Endless()
        await app.start_processor("p", processor)
        await processor.working.wait()
        await app.stop_address("p")
        assert processor.cancelled
        assert processor.ended.is_set()


@asynchronous
async def test_a_processor_may_by_default_neither_send_nor_receive() -> None:
    class Talking(Processor):
        def __init__(self) -> None:
            self.sent = asyncio.Event()

        async def process(self, ctx: Context) -> bool:
            await ctx.send("w", b"from a processor")
            self.sent.set()
            return False

    async with running() as app:
        worker, processor = Recorder(), Talking()
        await app.start_worker("w", worker)
        await app.start_processor("p", processor)
        await processor.sent.wait()
        await app.send("w", b"from app")
        assert await worker.next() == b"from app"


def test_the_body_type_comes_from_the_class() -> None:
    class Untyped(Worker):  # type: ignore[type-arg]
        pass

    class Nothing(Worker[None]):
        pass

    class Texts(Worker[str]):
        pass

    class More(Texts):
        pass

    class Lists(Worker[list[str]]):  # no class to decode with
        pass

    assert [body_type(cls()) for cls in (Untyped, Nothing, Texts, More, Lists)] == [bytes, type(None), str, str, bytes]


@asynchronous
async def test_a_default_worker_and_processor_do_nothing() -> None:
    async with running() as app:
        await app.start_worker("w", Worker[bytes]())
        await app.send("w", b"")
        await app.start_processor("p", Processor())
        await settle()
        assert app.list_workers() == [Address.local("app"), Address.local("w")]
        await app.stop_address("w")
