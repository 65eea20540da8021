"""Enrollments per second: the three parties' protocol cores in one process, joined by bytes."""

from __future__ import annotations


def enrollments_per_second(rounds: int) -> list[float]:
    """Return one rate per round; none while the enrollment cores are not there."""
    return []
