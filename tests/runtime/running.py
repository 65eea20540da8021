"""A bare runtime with its context `app`, and workers that tell what they see."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ockam.core.access_control import ALLOW_ALL
from ockam.core.address import Address
from ockam.runtime import Context, Runtime, Worker
from ockam.runtime.context import detached_context
from ockam.testing import FixedClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam.core.message import RelayMessage, Routed

__all__ = ["Control", "Recorder", "Stuck", "running"]


@asynccontextmanager
async def running() -> AsyncIterator[Context]:
    """Yield the context of a runtime that is shut down at the end."""
    runtime = Runtime(FixedClock(), os.urandom)
    try:
        yield detached_context(runtime, Address.local("app"), incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
    finally:
        await runtime.shutdown()


class Recorder(Worker[bytes]):
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Routed[bytes]] = asyncio.Queue()
        self.ended = asyncio.Event()

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        self.messages.put_nowait(message)

    async def shutdown(self, ctx: Context) -> None:
        self.ended.set()

    async def next(self) -> bytes:
        """Return the next body."""
        return (await self.messages.get()).body


class Stuck(Worker[bytes]):
    """Handles nothing before it is told to."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.handled = 0
        self.handling = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.ended = asyncio.Event()

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        self.handling.set()
        try:
            await self.may_go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.handled += 1

    async def shutdown(self, ctx: Context) -> None:
        assert not self.handling.is_set() or self.cancelled.is_set() or self.may_go_on.is_set()
        self.ended.set()


class Control:
    """An access control that answers as it is told: at once, or later."""

    def __init__(self, answer: bool | Exception = True, *, waits: bool = False) -> None:
        self.answer = answer
        self.may_answer = asyncio.Event()
        self.waits = waits
        self.asked: list[RelayMessage] = []

    def is_authorized(self, message: RelayMessage) -> bool | asyncio.Task[bool]:
        self.asked.append(message)
        if self.waits:
            return asyncio.get_running_loop().create_task(self._later())
        return self._now()

    async def _later(self) -> bool:
        await self.may_answer.wait()
        return self._now()

    def _now(self) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
