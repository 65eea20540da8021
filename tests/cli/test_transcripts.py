"""Sessions as a user sees them: commands typed at a terminal, and what the terminal shows.

A transcript (tests/transcripts/*.txt) is read line by line:

    # a comment
    @service                 start a service that $ENROLLER may use; sets $ROUTE and $SERVICE
    @station                 start the enroller's station; sets $STATION
    $ ockam enroller create  run by sh at a terminal, in an empty directory that is also the home
    > y                      typed at it
    what the terminal shows; <identifier>, <id> (20 digits), <digits>, <offer>, <bundle>, <time> and <any> stand for one
    [69]                     the exit code, if it is not 0
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.cli.command_line import OCKAM, ROOT, WAIT_SECONDS, environment, ockam
from tests.cli.staying import staying

if TYPE_CHECKING:
    from pathlib import Path

TRANSCRIPTS = sorted((ROOT / "tests" / "transcripts").glob("*.txt"))
PLACEHOLDERS = {
    "identifier": "I[0-9a-f]{64}",
    "id": "[0-9a-f]{20}",
    "digits": "[0-9]+",
    "offer": "ockam-offer:1:[A-Za-z0-9_-]+",
    "bundle": "ockam-bundle:1:[A-Za-z0-9_-]+",
    "time": "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}Z",
    "any": ".*",
}


class Session:
    """One user at one terminal."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home = home
        self.environment = environment(home) | {"NO_COLOR": "1", "TERM": "dumb"}
        self._stack = stack
        # The user's command `ockam` is this checkout's.
        commands = home / "bin"
        commands.mkdir()
        script = commands / "ockam"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(OCKAM)} "$@"\n')
        script.chmod(0o755)
        self.environment["PATH"] = f"{commands}:{self.environment['PATH']}"

    def start_service(self) -> None:
        enroller = ockam(self.home, "enroller", "create").stdout
        start = ("enrollment", "service", "start", "--listen", "127.0.0.1:0", "--enroller", enroller)
        ready = self._stack.enter_context(staying(self.home, *start)).wait_for("ready")
        route = f"/ip4/127.0.0.1/tcp/{ready['listen'].rpartition(':')[2]}"
        self.environment |= {"ENROLLER": enroller, "SERVICE": ready["identifier"], "ROUTE": route}

    def start_station(self) -> None:
        start = ("enroller", "station", "--listen", "127.0.0.1:0", "--yes")
        self.environment["STATION"] = self._stack.enter_context(staying(self.home, *start)).wait_for("ready")["listen"]

    def run(self, command: str, typed: list[str]) -> tuple[list[str], int]:
        """What the terminal shows, and the exit code."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["sh", "-c", command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.home,
            env=self.environment,
            start_new_session=True,
        )
        os.close(theirs)
        for line in typed:
            os.write(ours, line.encode() + b"\n")
        shown = bytearray()
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux: every program at the terminal has ended
                break
            if not data:
                break
            shown += data
        os.close(ours)
        return shown.decode().replace("\r\n", "\n").splitlines(), process.wait(WAIT_SECONDS)


def steps(text: str) -> list[list[str]]:
    """Each command or directive with the lines that follow it."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith(("$ ", "@")):
            found.append([line])
        else:
            found[-1].append(line)
    return found


def pattern(line: str) -> str:
    parts = re.split(r"<(\w+)>", line)
    return "".join(PLACEHOLDERS[part] if number % 2 else re.escape(part) for number, part in enumerate(parts))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        session = Session(tmp_path, stack)
        for first, *rest in steps(path.read_text(encoding="utf-8")):
            if first == "@service":
                session.start_service()
                continue
            if first == "@station":
                session.start_station()
                continue
            typed = [line.removeprefix("> ") for line in rest if line.startswith("> ")]
            status = next((int(line[1:-1]) for line in rest if re.fullmatch(r"\[\d+\]", line)), 0)
            expected = [line for line in rest if not line.startswith("> ") and not re.fullmatch(r"\[\d+\]", line)]
            command = first.removeprefix("$ ")
            shown, got = session.run(command, typed)
            assert got == status, (command, shown)
            differ = len(shown) != len(expected) or not all(
                re.fullmatch(pattern(wanted), line) for wanted, line in zip(expected, shown, strict=True)
            )
            assert not differ, "\n".join([f"$ {command}", "--- shown:", *shown, "--- expected:", *expected])


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 4
