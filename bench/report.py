"""From the rounds to bench/results.json and a table."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Cell:
    """What one cell measured, round by round; a round that has both sides gives a ratio.

    `against_handshakes` are ratios to our own cell `handshakes` of the same round, where that is the comparison.
    """

    name: str
    unit: str
    ours: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    against_handshakes: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        against = {"against_handshakes": round(median(self.against_handshakes), 3)} if self.against_handshakes else {}
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": _summary(self.ours),
            "reference": _summary(self.reference) if self.reference else None,
            "ratio": round(median(self.ratios), 3) if self.ratios else None,
            **against,
        }

    def cpu_as_json(self) -> dict[str, float]:
        keys = self.cpu[0] if self.cpu else {}
        return {key: round(median(sample[key] for sample in self.cpu), 2) for key in keys}


def _summary(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "min": None, "max": None}
    return {"median": round(median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "cryptography": _version("cryptography"),
        "uvloop": _version("uvloop"),
        # What `ockam.run` chooses: its own polling selector while it spins, else uvloop's loop where that is installed.
        "event_loop": {"spinning": "asyncio", "no_spin": "uvloop" if _version("uvloop") else "asyncio"},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def table(cells: Sequence[Cell]) -> str:
    """Return the results as text."""
    lines = [
        f"{'cell':<28}{'unit':<14}{'ours':>12}{'min … max':>24}{'reference':>12}{'min … max':>24}{'ratio':>8}"
        f"{'/handshakes':>13}{'CPU µs':>10}{'peer µs':>9}"
    ]
    for cell in cells:
        ours, cpu = _summary(cell.ours), cell.cpu_as_json()
        reference = _summary(cell.reference) if cell.reference else None
        lines.append(
            f"{cell.name:<28}{cell.unit:<14}{_number(ours['median']):>12}{_range(ours):>24}"
            f"{_number(reference['median'] if reference else None):>12}{_range(reference):>24}"
            f"{_ratio(cell.ratios):>8}{_ratio(cell.against_handshakes):>13}"
            f"{_number(cpu.get('cpu_microseconds')):>10}{_number(cpu.get('peer_cpu_microseconds')):>9}"
        )
    return "\n".join(lines)


def _ratio(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f}" if ratios else "-"


def _range(summary: dict[str, float | None] | None) -> str:
    return "-" if summary is None else f"{_number(summary['min'])} … {_number(summary['max'])}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
