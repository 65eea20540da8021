"""The reference peer: a program built from the published crate, in this folder's `peer/`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.program import Program, ProgramFailed

if TYPE_CHECKING:
    import contextlib

__all__ = ["Reference"]


class Reference:
    """The reference peer: a program built from the published crate."""

    def __init__(self, path: str) -> None:
        self.path = path

    def start(self, *arguments: str) -> contextlib.AbstractAsyncContextManager[Program]:
        """Run it in a mode."""
        # Its log goes to the standard output, too.
        return Program.start(self.path, *arguments, environment={"OCKAM_LOG_LEVEL": "off"})

    async def run(self, *arguments: str) -> str:
        """Run it in a mode that ends by itself, and return what it says.

        Raises:
            ProgramFailed: it says so by its exit code.
        """
        async with self.start(*arguments) as program:
            if await program.ended() != 0:
                raise ProgramFailed(f"{arguments[0]} failed:\n{program.output}")
            return program.output

    async def answer(self, *arguments: str) -> dict[str, Any]:
        """Run it in a mode that says one JSON object."""
        result: dict[str, Any] = json.loads(await self.run(*arguments))
        return result
