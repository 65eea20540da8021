"""Starting and stopping the processes of a measurement, and the processor time they used."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
START_SECONDS = 30.0
LISTEN_STATE = "0A"
QUIET = {"OCKAM_LOG_LEVEL": "off"}
"""The reference logs to its standard output; without this every handshake would write lines."""


@dataclass
class CpuSeconds:
    """Processor time of the processes that a block ran."""

    total: float = field(default=0.0)


def free_address() -> str:
    """Return an address of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def is_listening(address: str) -> bool:
    """Tell it from the kernel's tables: a probing connection would disturb a server that counts its peers."""
    port = f":{int(address.rsplit(':', 1)[1]):04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table) as lines:
            for line in lines:
                columns = line.split()
                if columns[1].endswith(port) and columns[3] == LISTEN_STATE:
                    return True
    return False


@contextlib.contextmanager
def server(command: list[str], address: str, cpu: CpuSeconds) -> Iterator[None]:
    """Run a server for as long as the block takes; add its processor time to `cpu`."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **QUIET})
    try:
        give_up = time.monotonic() + START_SECONDS
        while not is_listening(address):
            if process.poll() is not None or time.monotonic() > give_up:
                raise SystemExit(f"{' '.join(command)} did not start to listen on {address}")
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu.total += usage.ru_utime + usage.ru_stime


def output_of(command: list[str], cpu: CpuSeconds) -> str:
    """Run a program to its end and return what it says; add its processor time to `cpu`."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **QUIET}) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{output}")
    cpu.total += usage.ru_utime + usage.ru_stime
    return output


def script(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a program of this folder."""
    return [sys.executable, str(HERE / name), *arguments]
