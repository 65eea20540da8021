"""The temporary address of a question: takes the first message that comes, and keeps it for whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from ockam.core.message import LocalMessage
    from ockam.errors import OckamError
    from ockam.runtime.mailbox import Mailbox

__all__ = ["Answer"]


class Answer:
    """What somebody waits for."""

    __slots__ = ("future",)

    def __init__(self, future: asyncio.Future[LocalMessage]) -> None:
        self.future = future

    def receive(self, message: LocalMessage, source: Mailbox) -> None:
        """Take the answer; whatever comes after it is dropped."""
        if not self.future.done():
            message.own_payload()
            self.future.set_result(message)

    def fail(self, error: OckamError) -> None:
        """Let whoever waits know that nothing will come."""
        if not self.future.done():
            self.future.set_exception(error)
