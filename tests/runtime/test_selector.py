from __future__ import annotations

import asyncio
import selectors
import socket
from typing import Any

import pytest

from ockam.node import run
from ockam.runtime import PollingSelector


class Counting(selectors.DefaultSelector):
    """Notes how it was asked to wait, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self.ready: list[Any] = []

    def select(self, timeout: float | None = None) -> list[Any]:
        self.waits.append(timeout)
        return self.ready


def polling(
    monkeypatch: pytest.MonkeyPatch, spin: int = 1, processors: int | None = 2
) -> tuple[PollingSelector, Counting]:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    inner = Counting()
    monkeypatch.setattr("selectors.DefaultSelector", lambda: inner)
    return PollingSelector(spin), inner


def test_an_idle_node_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    selector, inner = polling(monkeypatch, 1_000_000)
    for _ in range(10):
        selector.select(None)
        selector.select(60.0)
    assert inner.waits == [None, 60.0] * 10  # no polling before there was any traffic
    selector.close()


def test_after_traffic_it_polls_for_a_while_and_then_sleeps_again(monkeypatch: pytest.MonkeyPatch) -> None:
    selector, inner = polling(monkeypatch, 1)
    inner.ready = ["something"]
    selector.select(None)
    inner.waits.clear()
    assert selector.select(None) is inner.ready
    assert inner.waits == [0]  # found by polling
    inner.ready = []
    for _ in range(64):
        inner.waits.clear()
        selector.select(None)
        assert inner.waits[-1] is None
        assert set(inner.waits[:-1]) <= {0}
    inner.waits.clear()
    for _ in range(10):
        selector.select(None)
    assert inner.waits == [None] * 10
    selector.close()


@pytest.mark.parametrize(("spin", "processors"), [(0, 2), (50, 1), (50, None)])
def test_it_never_polls_if_it_must_not(monkeypatch: pytest.MonkeyPatch, spin: int, processors: int | None) -> None:
    selector, inner = polling(monkeypatch, spin, processors)
    inner.ready = ["something"]
    for _ in range(3):
        selector.select(None)
    assert inner.waits == [None] * 3
    selector.close()


def test_it_does_not_poll_before_a_short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    selector, inner = polling(monkeypatch, 50)
    inner.ready = ["something"]
    selector.select(None)
    inner.waits.clear()
    selector.select(0.0005)
    assert inner.waits == [0.0005]
    selector.close()


def test_waiting_callbacks_run_before_every_other_look(monkeypatch: pytest.MonkeyPatch) -> None:
    selector, inner = polling(monkeypatch, 50)
    inner.ready = ["something"]
    selector.select(None)
    inner.waits.clear()
    found = [bool(selector.select(0)) for _ in range(4)]
    # Never twice without looking: whoever keeps the loop busy does not keep the sockets waiting.
    assert found == [False, True, False, True]
    assert inner.waits == [0, 0]
    selector.close()


def test_it_is_a_selector() -> None:
    left, right = socket.socketpair()
    with left, right:
        selector = PollingSelector(10)
        key = selector.register(left, selectors.EVENT_READ, "data")
        right.send(b"x")
        assert selector.select(1) == [(key, selectors.EVENT_READ)]
        assert selector.select(1) == [(key, selectors.EVENT_READ)]
        selector.modify(left, selectors.EVENT_WRITE, "other")
        assert selector.get_key(left).data == "other"
        assert len(selector.get_map()) == 1
        selector.unregister(left)
        selector.close()


def test_a_program_runs_on_it() -> None:
    async def main() -> int:
        left, right = socket.socketpair()
        with left, right:
            for sock in (left, right):
                sock.setblocking(False)
            loop = asyncio.get_running_loop()
            for _ in range(3):
                await loop.sock_sendall(left, b"x")
                assert await loop.sock_recv(right, 1) == b"x"
        return 7

    assert run(main()) == 7
    assert run(main(), spin_microseconds=0) == 7
