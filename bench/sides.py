"""One round of every cell, for the reference and for us."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import Any

from servers import CpuSeconds, free_address, output_of, script, server

SPIN_MICROSECONDS = 75
START_UPS = 5

CHANNEL_CELLS = (
    "handshakes",
    "handshakes_with_credentials",
    "handshakes_first_contact",
    "round_trips",
    "one_way_64",
    "one_way_1024",
    "one_way_32768",
)
NO_SPIN_CELLS = {"round_trips_no_spin": "round_trips"}
# Cells of rounds that the reference's benchmark does not have: compared with one of ours instead.
COUNTERPARTS = {"handshakes_with_credentials": "handshakes"}


def reference_round(peer: str) -> tuple[dict[str, float], float]:
    """Run the reference's own benchmark; return operations per second by cell, and processor seconds in all."""
    cpu = CpuSeconds()
    address = free_address()
    with server([peer, "responder", address], address, cpu):
        lines = output_of([peer, "bench", address], cpu).splitlines()
    result = json.loads(next(line for line in lines if line.startswith("{")))
    one_way = {f"one_way_{size}": cell["msgs_per_s"] for size, cell in result["one_way"].items()}
    return {
        "handshakes": result["handshakes_per_s"],
        # It verifies every signature each time, so a first contact costs it the same.
        "handshakes_first_contact": result["handshakes_per_s"],
        "round_trips": result["round_trips_per_s"],
        "round_trips_no_spin": result["round_trips_per_s"],
        **one_way,
    }, cpu.total


def our_round(cells: list[str]) -> tuple[dict[str, float], dict[str, Any], float]:
    """Run our cells; return operations per second and processor time per operation by cell, and seconds in all."""
    cpu = CpuSeconds()
    results: dict[str, dict[str, float]] = {}
    spinning = [cell for cell in cells if cell in CHANNEL_CELLS]
    if spinning:
        results |= _our_cells(spinning, SPIN_MICROSECONDS, cpu)
    for cell in cells:
        if cell in NO_SPIN_CELLS:
            counterpart = NO_SPIN_CELLS[cell]
            results[cell] = _our_cells([counterpart], 0, cpu)[counterpart]
    rates = {name: result.pop("per_second") for name, result in results.items()}
    return rates, dict(results), cpu.total


def _our_cells(cells: list[str], spin: int, cpu: CpuSeconds) -> dict[str, dict[str, float]]:
    address = free_address()
    with server(script("responder.py", "--listen", address, "--spin", str(spin)), address, cpu):
        asking = script("initiator.py", "--connect", address, "--spin", str(spin), "--cells", ",".join(cells))
        result: dict[str, dict[str, float]] = json.loads(output_of(asking, cpu))
    return result


def start_up_milliseconds(cell: str) -> list[float]:
    """Return how long a fresh interpreter takes for `import ockam` or `ockam --help`, beyond its own start."""
    code = {
        "import_ockam": "import ockam",
        # `import ockam` alone is lazy: this is what a program pays.
        "import_node": "from ockam import Node; Node",
        "ockam_help": "import sys; sys.argv = ['ockam', '--help']; from ockam.cli.app import main; main()",
    }[cell]
    if cell == "ockam_help" and find_spec("ockam.cli.app") is None:
        return []
    _run_milliseconds(code)  # the first run reads files from the disk
    return [_run_milliseconds(code) - _run_milliseconds("pass") for _ in range(START_UPS)]


def _run_milliseconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1e3
