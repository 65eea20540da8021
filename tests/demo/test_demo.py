"""The demonstration, as `make demo` runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.program import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.demo

LIMIT_SECONDS = 60


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=2 * LIMIT_SECONDS,
        check=False,
    )


def test_the_demo() -> None:
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    for step in ("pending   Robot Axiom", "enrolled  Robot Axiom", "expired   Sleepy Gate", "ignored   Sleepy Gate"):
        assert any(step in line for line in lines), step
    assert any("ignored   a message with a stolen bundle" in line for line in lines)
    assert any(line.endswith("is refused by Robot Axiom: site is not berlin") for line in lines)
    assert any(
        re.search(r"Robot Axiom -> Weather Mast: load [0-9. ]+, \d+ kB free, up [0-9.]+ s", line) for line in lines
    )
    assert any(re.search(r"wire taps [\d,]+ bytes of \d+ connections searched", line) for line in lines)
    table = [line for line in lines if line.endswith(("ciphertext only", "nothing"))]
    states = [re.split(r"  +", line)[3] for line in table]
    assert states == ["enrolled"] * 5 + ["expired", "ignored"]
    seconds = re.fullmatch(r"Everything is as it should be, after ([0-9.]+) s\.", lines[-1])
    assert seconds is not None
    assert float(seconds[1]) < LIMIT_SECONDS


def test_a_demo_that_goes_wrong_says_so(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.csv"
    fleet.write_text("offer,name,expires_in,site,enrolled\n,Robot Axiom,24h,berlin,true\n")
    done = demo("--fleet", str(fleet))
    assert done.returncode == 1
    assert "WRONG: `ockam enroller approve --from` failed (64)" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 thing is wrong")
    assert "Traceback" not in done.stdout + done.stderr
