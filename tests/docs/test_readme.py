"""What README.md tells a newcomer to type does what it says."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
LIMIT_SECONDS: Final = 60
OCKAM: Final = (sys.executable, "-m", "ockam")


def block(language: str, containing: str) -> str:
    (found,) = [body for body in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in body]
    return str(found)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_the_first_program() -> None:
    program = block("python", "Hello Ockam!")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    assert done.stdout == "Hello Ockam!\n", done.stderr


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", README))
    assert {"demo", "test"} <= named <= targets


def test_enrollment_from_the_command_line(tmp_path: Path) -> None:
    service, station, device = block("sh", "enrollment service start").splitlines()
    ports = {"4000": str(free_port()), "5000": str(free_port())}
    running: list[subprocess.Popen[str]] = []

    def start(command: str, *options: str) -> subprocess.Popen[str]:
        for documented, used in ports.items():
            command = command.replace(documented, used)
        # The command as it stands in the page, in the newcomer's shell; only ports, and that nobody is asked, are ours.
        script = f'ockam() {{ {" ".join(OCKAM)} "$@"; }}\n{command} {" ".join(options)}'
        process = subprocess.Popen(
            ["/bin/sh", "-c", script],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")},
            start_new_session=True,  # so that the shell and what it runs end together
        )
        running.append(process)
        return process

    def wait_for(process: subprocess.Popen[str], text: str) -> str:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if text in line:
                return seen
        raise AssertionError(seen)

    try:
        wait_for(start(service), "for enrollers")
        wait_for(start(station, "--yes"), "is ready for devices")
        output, _ = start(device, "--yes").communicate(timeout=LIMIT_SECONDS)
        assert re.search(r"^I[0-9a-f]{64}$", output, re.MULTILINE), output
    finally:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            process.wait(LIMIT_SECONDS)
            assert process.stdout is not None
            process.stdout.close()
