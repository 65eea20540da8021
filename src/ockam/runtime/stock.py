"""Stock workers: hop, echo, uppercase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.runtime.worker import DirectWorker, Worker

if TYPE_CHECKING:
    from ockam.core.message import LocalMessage, Routed
    from ockam.runtime.context import Context
    from ockam.runtime.mailbox import Busy, Mailbox

__all__ = ["Echo", "Echoer", "Hop", "Uppercase"]


class Hop(DirectWorker):
    """Passes every message on: takes its own address off the onward route and puts it on the return route."""

    def receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Pass one message on."""
        return self.runtime.deliver(self.mailbox, message.step_forward(self.mailbox.address))


class Echoer(Worker[str]):
    """Sends every text back; anything else fails. Source: reference ockam_node `Echoer`."""

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        """Send one text back."""
        await ctx.send(message.return_route, message.body)


class Echo(Worker[bytes]):
    """Sends every body back as it is. Source: reference ockam_api service `echo`."""

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        """Send one body back."""
        await ctx.send(message.return_route, message.body)


class Uppercase(Worker[str]):
    """Sends every text back in capitals."""

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        """Send one text back in capitals."""
        await ctx.send(message.return_route, message.body.upper())
