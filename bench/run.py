"""Compares us with the reference, side by side on this machine, and writes bench/results.json.

Each round measures every cell for both, in alternating order (ABBA), so that a machine that gets busier in between
hurts both; a cell's ratio is the median of its rounds' ratios. Two processes each side, over loopback TCP. The
reference peer is the program that OCKAM_PEER names (modes `responder` and `bench`).

$ OCKAM_PEER=$(tests/interop/build_peer.sh) python bench/run.py
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import median

import sides
from enrollments import enrollments_per_second
from raw import ping_pong
from report import Cell, machine, table

RESULTS = Path(__file__).with_name("results.json")

UNITS = {
    "handshakes": "handshakes/s",
    "handshakes_with_credentials": "handshakes/s",
    "handshakes_first_contact": "handshakes/s",
    "round_trips": "messages/s",
    "round_trips_no_spin": "messages/s",
    "one_way_64": "messages/s",
    "one_way_1024": "messages/s",
    "one_way_32768": "messages/s",
    "enrollments": "enrollments/s",
    "import_ockam": "ms",
    "import_node": "ms",
    "ockam_help": "ms",
}
COMPARED = (*sides.CHANNEL_CELLS, *sides.NO_SPIN_CELLS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="two rounds only")
    parser.add_argument("--only", metavar="CELL,...", help=f"of {', '.join(UNITS)}")
    parser.add_argument("--no-reference", action="store_true", help="measure us alone")
    parser.add_argument("--output", type=Path, default=RESULTS, help="default: %(default)s")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else list(UNITS)
    if unknown := [name for name in names if name not in UNITS]:
        parser.error(f"no such cells: {', '.join(unknown)}")
    peer = None if arguments.no_reference else os.environ.get("OCKAM_PEER")
    if peer is None and not arguments.no_reference:
        parser.error("set OCKAM_PEER to the reference peer (tests/interop/build_peer.sh), or give --no-reference")
    cells = {name: Cell(name, UNITS[name]) for name in names}
    document = measure(cells, 2 if arguments.quick else arguments.rounds, peer)
    arguments.output.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    print(table(list(cells.values())))
    raw = document["details"]["raw_round_trips_per_second"]
    print(f"\nraw round trips/s: {', '.join(f'{value:,}' for value in raw)}; load {os.getloadavg()[0]:.1f}")
    print(f"written to {arguments.output}")


def measure(cells: dict[str, Cell], rounds: int, peer: str | None) -> dict[str, object]:
    """Run the rounds, fill the cells, and return the whole document."""
    compared = [name for name in cells if name in COMPARED]
    about = machine()
    raw: list[int] = []
    cpu_seconds: dict[str, list[float]] = {"ours": [], "reference": []}
    for number in range(rounds if compared else 0):
        raw.append(round(ping_pong()))
        results: dict[str, dict[str, float]] = {}
        # ABBA: the order changes from round to round.
        for side in ("reference", "ours") if number % 2 == 0 else ("ours", "reference"):
            if side == "ours":
                results[side], cpu, seconds = sides.our_round(compared)
                for name, sample in cpu.items():
                    cells[name].cpu.append(sample)
            elif peer is not None and any(name not in sides.COUNTERPARTS for name in compared):
                results[side], seconds = sides.reference_round(peer)
            else:
                continue
            cpu_seconds[side].append(round(seconds, 2))
        for name in compared:
            ours = results["ours"][name]
            cells[name].ours.append(ours)
            if name in results.get("reference", {}):
                cells[name].reference.append(results["reference"][name])
                cells[name].ratios.append(ours / results["reference"][name])
            if (counterpart := sides.COUNTERPARTS.get(name)) in results["ours"]:
                cells[name].against_handshakes.append(ours / results["ours"][counterpart])
        print(f"round {number + 1} of {rounds}: {_progress(cells, compared)}", file=sys.stderr, flush=True)
    for name in cells:
        if name == "enrollments":
            cells[name].ours.extend(enrollments_per_second(rounds))
        elif name not in COMPARED:
            cells[name].ours.extend(sides.start_up_milliseconds(name))
    raw = raw or [round(ping_pong())]
    return {
        "cells": [cell.as_json() for cell in cells.values()],
        "machine": about,
        "details": {
            "rounds": rounds,
            "raw_round_trips_per_second": raw,
            "spin_microseconds": sides.SPIN_MICROSECONDS,
            "cpu_microseconds_per_operation": {name: cell.cpu_as_json() for name, cell in cells.items() if cell.cpu},
            "cpu_seconds_per_round": {side: median(values) for side, values in cpu_seconds.items() if values},
        },
    }


def _progress(cells: dict[str, Cell], names: list[str]) -> str:
    return ", ".join(
        f"{name} {cells[name].ours[-1]:,.0f}" + (f" ({cells[name].ratios[-1]:.2f}x)" if cells[name].ratios else "")
        for name in names
    )


if __name__ == "__main__":
    main()
