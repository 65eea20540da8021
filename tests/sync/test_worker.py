from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ockam import Context, Misuse, OckamError, Routed
from ockam import Worker as AsynchronousWorker
from ockam.core.access_control import ALLOW_ALL
from ockam.runtime.errors import NodeStopping, UnknownAddress
from ockam.sync import Node, Worker
from ockam.sync import worker as worker_module

if TYPE_CHECKING:
    from ockam import sync


class Counter(Worker[str]):
    """Counts words."""

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()
        self.ended = threading.Event()

    def initialize(self, ctx: sync.Context) -> None:
        self.total = 0

    def handle_message(self, ctx: sync.Context, message: Routed[str]) -> None:
        self.threads.add(threading.current_thread())
        if message.body == "fail":
            raise ValueError("a mistake")
        self.total += len(message.body.split())
        ctx.send(message.return_route, str(self.total))

    def shutdown(self, ctx: sync.Context) -> None:
        self.ended.set()


def test_a_worker_with_plain_functions(caplog: pytest.LogCaptureFixture) -> None:
    with Node() as node:
        counter = Counter()
        node.start_worker("counter", counter)
        assert node.send_and_receive("counter", "one two", reply=str) == "2"
        node.send("counter", "fail")
        node.send("counter", b"\xff no string")
        assert node.send_and_receive("counter", "three", reply=str) == "3"
        assert "a mistake" in caplog.text
        assert threading.main_thread() not in counter.threads
        node.stop_address("counter")
        assert counter.ended.is_set()


class Raw(Worker):  # type: ignore[type-arg]  # without a type argument bodies are bytes
    def handle_message(self, ctx: sync.Context, message: Routed[bytes]) -> None:
        assert isinstance(message.body, bytes)
        ctx.send(message.return_route, message.body[::-1])


class Nothing(Worker[None]):
    def handle_message(self, ctx: sync.Context, message: Routed[None]) -> None:
        ctx.send(message.return_route, repr(message.body))


def test_bodies_are_decoded_as_the_class_says() -> None:
    with Node() as node:
        node.start_worker("raw", Raw())
        node.start_worker("nothing", Nothing())
        node.start_worker("hooks", Worker[str]())
        node.send("hooks", "ignored")
        assert node.send_and_receive("raw", b"abc") == b"cba"
        assert node.send_and_receive("nothing", None, reply=str) == "None"


class OnTheLoop(AsynchronousWorker[str]):
    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        await ctx.send(message.return_route, threading.current_thread().name)


def test_an_asynchronous_worker_runs_on_the_loop() -> None:
    with Node() as node:
        node.start_worker("loop", OnTheLoop())
        assert node.send_and_receive("loop", "", reply=str) == "ockam.sync"


class Front(Worker[str]):
    """Asks others, and waits for them, as plain functions may."""

    def handle_message(self, ctx: sync.Context, message: Routed[str]) -> None:
        if ctx.address.value == b"front":
            answer = ctx.send_and_receive("back", message.body + " front", reply=str)
            helper = ctx.start_worker("helper", Front())
            assert helper in ctx.list_workers()
            ctx.stop_address(helper)
        else:
            answer = message.body + " back"
        ctx.send(message.return_route, answer)


def test_handlers_may_wait_for_each_other() -> None:
    with Node() as node:
        node.start_worker("front", Front())
        node.start_worker("back", Front())
        assert node.send_and_receive("front", "to", reply=str) == "to front back"


class Leaving(Worker[str]):
    def __init__(self) -> None:
        self.ended = threading.Event()
        self.errors: list[OckamError] = []

    def handle_message(self, ctx: sync.Context, message: Routed[str]) -> None:
        ctx.stop()
        try:
            ctx.stop()
        except UnknownAddress as error:
            self.errors.append(error)
        ctx.send(message.return_route, "gone")

    def shutdown(self, ctx: sync.Context) -> None:
        self.ended.set()


def test_a_handler_may_stop_its_worker() -> None:
    with Node() as node:
        leaving = Leaving()
        node.start_worker("leaving", leaving)
        assert node.send_and_receive("leaving", "", reply=str) == "gone"
        assert leaving.ended.wait(10)
        with pytest.raises(UnknownAddress):
            node.stop_address("leaving")


class Closing(Worker[str]):
    """Tries to close its own node."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def handle_message(self, ctx: sync.Context, message: Routed[str]) -> None:
        try:
            self.node.close()
        except Misuse as error:
            ctx.send(message.return_route, error.message)


def test_a_handler_cannot_close_its_node() -> None:
    with Node() as node:
        node.start_worker("closing", Closing(node))
        assert "tell the main thread" in node.send_and_receive("closing", "", reply=str)


class Failing(Worker[str]):
    def initialize(self, ctx: sync.Context) -> None:
        raise ValueError("not today")


def test_a_worker_that_fails_to_initialize_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    with Node() as node:
        address = node.start_worker("failing", Failing())
        while address in node.list_workers():
            pass
    assert "not today" in caplog.text


class Waiting(Worker[str]):
    """Waits inside of a handler for what never comes."""

    def __init__(self) -> None:
        self.waits = threading.Event()
        self.error: BaseException | None = None

    def handle_message(self, ctx: sync.Context, message: Routed[str]) -> None:
        context = ctx.new_detached(incoming=ALLOW_ALL)
        self.waits.set()
        try:
            context.receive(timeout=None)
        except BaseException as error:
            self.error = error


def test_closing_the_node_ends_a_handler_that_waits() -> None:
    waiting = Waiting()
    before = threading.active_count()
    with Node() as node:
        node.start_worker("waiting", waiting)
        node.send("waiting", "")
        assert waiting.waits.wait(10)
    assert isinstance(waiting.error, NodeStopping)
    assert threading.active_count() == before


class Stuck(Worker[str]):
    def __init__(self) -> None:
        self.is_in = threading.Event()
        self.may_end = threading.Event()

    def handle_message(self, ctx: sync.Context, message: Routed[str]) -> None:
        self.is_in.set()
        self.may_end.wait()


def test_a_handler_that_is_stuck_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_module, "CLOSE_SECONDS", 0.01)
    stuck, queued = Stuck(), Stuck()
    node = Node(worker_threads=1)
    node.start()
    node.start_worker("stuck", stuck)
    node.send("stuck", "")
    assert stuck.is_in.wait(10)
    node.start_worker("queued", queued)
    node.shutdown(timeout=0.01)
    assert "left behind" in caplog.text
    stuck.may_end.set()


def test_a_handler_after_the_end_is_told_so() -> None:
    with Node() as node:
        pass
    with pytest.raises(NodeStopping):
        node._threads.submit(lambda: None)
