"""Messages that wait for an access control which has to look something up, such as attributes in a database.

Those from one worker to one address pass in order: while one waits, later ones queue up behind it, even if the control
would answer for them at once.
"""

from __future__ import annotations

import inspect
import logging
from collections import deque
from typing import TYPE_CHECKING

from ockam.core.message import LocalMessage, RelayMessage
from ockam.runtime.worker import MAX_QUEUED_BYTES, MESSAGE_OVERHEAD_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from ockam.runtime.mailbox import Mailbox
    from ockam.runtime.router import Runtime

__all__ = ["HeldMessages"]

log = logging.getLogger("ockam.runtime")


class HeldMessages:
    """The messages of `source` that wait to reach `mailbox`."""

    def __init__(self, runtime: Runtime, source: Mailbox, mailbox: Mailbox) -> None:
        self._runtime = runtime
        self._source = source
        self._mailbox = mailbox
        self._waiting: deque[tuple[LocalMessage, int, Awaitable[bool] | None]] = deque()
        self._bytes = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._controls = [source.outgoing] if mailbox.deferred else [source.outgoing, mailbox.incoming]
        self._ended = False

    def add(
        self, message: LocalMessage, control: int = 0, answer: Awaitable[bool] | None = None
    ) -> HeldMessages | None:
        """Hold a message; return this if its sender should wait.

        Args:
            message: is ours from now on.
            control: the control to begin with: 0 the outgoing one, 1 the incoming one.
            answer: what that control has answered already, if it was asked.
        """
        message.own_payload()
        self._waiting.append((message, control, answer))
        self._bytes += len(message.payload) + MESSAGE_OVERHEAD_BYTES
        return self if self._bytes > MAX_QUEUED_BYTES else None

    async def wait_writable(self) -> None:
        """Wait until less than half of what may wait does."""
        while self._bytes > MAX_QUEUED_BYTES // 2 and not self._ended:
            waiter = self._runtime.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    async def pass_on(self) -> None:
        """Let every message pass that may, until none waits."""
        try:
            while self._waiting:
                message, control, answer = self._waiting[0]
                await self._pass(message, control, answer)
                self._waiting.popleft()
                self._bytes -= len(message.payload) + MESSAGE_OVERHEAD_BYTES
                if self._bytes <= MAX_QUEUED_BYTES // 2:
                    self._wake()
        finally:
            self._ended = True
            for _, _, answer in self._waiting:
                if inspect.iscoroutine(answer):
                    answer.close()
            self._runtime.release(self._source, self._mailbox)
            self._wake()

    async def _pass(self, message: LocalMessage, control: int, answer: Awaitable[bool] | None) -> None:
        source, mailbox = self._source, self._mailbox
        try:
            for index in range(control, len(self._controls)):
                asked = RelayMessage(source.address, mailbox.address, message)
                verdict = answer if answer is not None else self._controls[index].is_authorized(asked)
                answer = None
                if verdict is not True and not (inspect.isawaitable(verdict) and await verdict):
                    log.warning("a message from %s to %s was refused", source.address, mailbox.address)
                    return
            if self._runtime.table.get(mailbox.address.value) is not mailbox:
                return
            busy = mailbox.receive(message, source)
            self._runtime.flush()
            if busy is not None:
                await busy.wait_writable()
        except Exception:
            log.exception("a message from %s to %s could not be passed on", source.address, mailbox.address)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
