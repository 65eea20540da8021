"""Child processes whose output is read line by line: our own example programs, and those of other implementations."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

__all__ = ["EXAMPLES", "Program", "ProgramFailed", "example"]

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
WAIT_SECONDS = 60.0
LONGEST_LINE_BYTES = 1 << 24


class ProgramFailed(AssertionError):
    """A child process ended, or took too long, before it said what a test waits for."""


class Program:
    """A running child process. Standard error is read together with standard output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []

    async def expect(self, is_wanted: Callable[[str], bool]) -> str:
        """Return the next line that `is_wanted`; the others are kept in `lines`."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while data := await self._process.stdout.readline():
                    line = data.decode().rstrip("\n")
                    self.lines.append(line)
                    if is_wanted(line):
                        return line
        except TimeoutError:
            raise ProgramFailed(f"still waiting after {WAIT_SECONDS:g} s; output so far:\n{self.output}") from None
        raise ProgramFailed(f"the program ended; its output:\n{self.output}")

    async def starts(self, text: str) -> str:
        """Return the rest of the next line that starts with `text`."""
        return (await self.expect(lambda line: line.startswith(text))).removeprefix(text)

    async def json(self) -> dict[str, Any]:
        """Return the next line that is a JSON object."""
        result: dict[str, Any] = json.loads(await self.expect(lambda line: line.startswith("{")))
        return result

    async def write(self, line: str) -> None:
        """Write one line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def ended(self) -> int:
        """Return the exit code, once it has ended by itself."""
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS):
            rest = await self._process.stdout.read()
            self.lines.extend(rest.decode().splitlines())
            return await self._process.wait()

    @property
    def output(self) -> str:
        """What it has said so far."""
        return "\n".join(self.lines)

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, *command: str | Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[Program]:
        """Run a command; stop it, if it has not ended, when the block ends."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            limit=LONGEST_LINE_BYTES,
        )
        assert process.stdin is not None
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            process.stdin.close()
            await process.communicate()


def example(name: str, *arguments: str) -> contextlib.AbstractAsyncContextManager[Program]:
    """Run an example program of ours, named without `.py`."""
    return Program.start(sys.executable, EXAMPLES / f"{name}.py", *arguments)
