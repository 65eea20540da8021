"""Runs `ockam` as a user would: another process, its own home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OCKAM = (sys.executable, "-m", "ockam")
WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, Any]:
        """The JSON form of an error."""
        (line,) = self.stderr.splitlines()
        error: dict[str, Any] = json.loads(line)["error"]
        return error


def environment(home: Path) -> dict[str, str]:
    """The variables of a user whose nodes are in `home`."""
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "QUIET", "NO_INPUT"}}
    return {**kept, "OCKAM_HOME": str(home), "PYTHONUTF8": "1"}


def ockam(home: Path, *arguments: str, stdin: str = "", expect: int | None = 0) -> Result:
    """Run a command to its end."""
    done = subprocess.run(
        [*OCKAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(home),
        timeout=WAIT_SECONDS,
        check=False,
    )
    result = Result(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr or "-vvv" in arguments, done.stderr
    assert expect is None or result.status == expect, result
    return result
