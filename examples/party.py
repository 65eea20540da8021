"""The other processes of the demo: `ockam` commands and devices, followed by what they say on stdout."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

EXAMPLES: Final = Path(__file__).resolve().parent
OCKAM: Final = (sys.executable, "-m", "ockam")
DEVICE: Final = (sys.executable, str(EXAMPLES / "device.py"))
WAIT_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


class PartyFailed(Exception):
    """A process ended, or took too long, before it said what was waited for."""


class Party:
    """A process that says what happens, one JSON object a line.

    Attributes:
        name: for people.
        events: everything it has said so far.
        status: its exit code, once it has been stopped.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.events: list[dict[str, Any]] = []
        self.status: int | None = None
        self._process = process
        self._changed = asyncio.Condition()
        self._ended = False

    async def wait_for(self, *names: str, skip: int = 0, **fields: object) -> dict[str, Any]:
        """Return the first event, after the first `skip` ones, of one of these names and with these fields.

        Raises:
            PartyFailed: it did not come.
        """

        def found() -> dict[str, Any] | None:
            for event in self.events[skip:]:
                if event["event"] in names and fields.items() <= event.items():
                    return event
            return None

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS), self._changed:
                await self._changed.wait_for(lambda: self._ended or found() is not None)
        event = found()
        if event is None:
            why = "ended" if self._ended else f"said nothing of it in {WAIT_SECONDS:g} s"
            raise PartyFailed(f"{self.name} {why}; waited for: {' or '.join(names)} {fields or ''}")
        return event

    async def do(self, command: str, *answers: str) -> dict[str, Any]:
        """Write a command to its stdin and return the next event of one of these names."""
        assert self._process.stdin is not None
        skip = len(self.events)
        self._process.stdin.write(command.encode() + b"\n")
        await self._process.stdin.drain()
        return await self.wait_for(*answers, skip=skip)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def stop(self) -> None:
        """End it, gently at first. Twice is allowed."""
        if self.status is not None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                self.status = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            self.status = await self._process.wait()

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, name: str, *command: str, home: Path) -> AsyncIterator[Party]:
        """Start a process; it is stopped when the block ends."""
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment(home)
        )
        party = cls(name, process)
        reading = asyncio.create_task(party._read())
        try:
            yield party
        finally:
            await party.stop()
            await reading


async def ockam(home: Path, *arguments: str) -> tuple[int, Any, str]:
    """Run a command to its end; return exit code, JSON of its result, and what it said on stderr."""
    process = await asyncio.create_subprocess_exec(
        *OCKAM,
        *arguments,
        "--output",
        "json",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(home),
    )
    async with asyncio.timeout(WAIT_SECONDS):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(stdout) if stdout else None, stderr.decode()


async def ockam_must(home: Path, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    """Run a command that has to succeed; return its result.

    Raises:
        PartyFailed: it did not.
    """
    status, result, stderr = await ockam(home, *arguments)
    if status != 0:
        raise PartyFailed(f"`ockam {' '.join(arguments[:3])}` failed ({status}): {stderr.strip()}")
    return result


def environment(home: Path) -> Mapping[str, str]:
    """The variables of one party: its home is its own."""
    return {**os.environ, "OCKAM_HOME": str(home), "PYTHONUTF8": "1"}
