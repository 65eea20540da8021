"""Yes-or-no questions to the person at the terminal, while everything else goes on."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ockam.cli.output import Output

__all__ = ["Questions"]


class Questions:
    """Asks one question at a time.

    Args:
        output: where questions are written.
        yes: answer everything with yes (`--yes`), without asking.

    Raises:
        click.UsageError: no `--yes`, and nobody is there to answer.
    """

    def __init__(self, output: Output, *, yes: bool) -> None:
        if not yes and not output.can_ask():
            raise click.UsageError("There is no terminal to confirm the code at: give --yes, or run it in a terminal.")
        self._output = output
        self._yes = yes
        self._one_at_a_time = asyncio.Lock()

    async def confirm(self, text: str) -> bool:
        """Ask; everything that does not begin with a `y` is a no."""
        if self._yes:
            return True
        async with self._one_at_a_time:
            self._output.question(f"{text} [y/N]")
            answer = await _line()
            return answer.strip().lower().startswith("y")


async def _line() -> str:
    # Not in a thread: one that waits for a line would keep the program from ending.
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def readable() -> None:
        if not line.done():
            line.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), readable)
    try:
        return await line
    finally:
        loop.remove_reader(sys.stdin.fileno())
