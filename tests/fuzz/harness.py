"""A mutation fuzzer in plain Python: no native code, no instrumentation, the same inputs for the same seed.

A target is one decoder. Its inputs are mutations of a pool that begins with the corpus; an input joins the pool when
the target did something new with it: another error text, or an accepted input of another size class. That stands in
for coverage feedback well enough to walk into a format field by field.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from ockam.errors import DecodeError, OckamError
from tests.fuzz import targets
from tests.fuzz.mutation import mutate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Finding", "Report", "Target", "all_targets", "fuzz", "inputs", "run_one"]

CORPUS: Final = Path(__file__).parent / "corpus"
MAX_POOL: Final = 2000
# No decoder may take longer for one input of at most MAX_INPUT bytes. Generous: a shared machine stalls.
MAX_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """One decoder under test.

    Attributes:
        name: of its module in tests/fuzz/targets and of its corpus file.
        check: takes any bytes; raises a refusal for what is no valid encoding, AssertionError for a broken invariant.
        refusal: the only exception that is an answer; any other is a finding.
    """

    name: str
    check: Callable[[bytes], None]
    refusal: type[OckamError]

    def corpus(self) -> list[bytes]:
        """The seeds: a line of hex each, comments after `#`."""
        lines = (CORPUS / f"{self.name}.hex").read_text().splitlines()
        return [bytes.fromhex(line.partition("#")[0]) for line in lines if line and not line.startswith("#")]


class Finding(AssertionError):
    """An input that a decoder answered in a way its invariant does not allow."""

    def __init__(self, target: Target, data: bytes, why: str) -> None:
        super().__init__(f"{target.name}: {why}\ninput ({len(data)} bytes): {data.hex()}")
        self.data = data


@dataclass(slots=True)
class Report:
    """What a run did with one target."""

    executions: int = 0
    accepted: int = 0
    novelties: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.executions:>8} inputs, {self.accepted:>7} accepted, {len(self.novelties):>3} different answers"


def all_targets() -> list[Target]:
    """Every module of tests/fuzz/targets as a target, by name."""
    found = []
    for module_info in pkgutil.iter_modules(targets.__path__):
        module = importlib.import_module(f"{targets.__name__}.{module_info.name}")
        found.append(Target(module_info.name, module.check, getattr(module, "REFUSAL", DecodeError)))
    return sorted(found, key=lambda target: target.name)


def run_one(target: Target, data: bytes) -> str | None:
    """Give one input to a target.

    Returns:
        The text of the refusal, or None where the input was accepted.

    Raises:
        Finding: another exception, a broken invariant, or too slow.
    """
    started = time.monotonic()
    try:
        target.check(data)
        answer = None
    except target.refusal as refusal:
        answer = f"{type(refusal).__name__}: {refusal}"
    except Exception as error:
        raise Finding(target, data, f"{type(error).__name__}: {error}") from error
    if time.monotonic() - started > MAX_SECONDS:
        raise Finding(target, data, f"took more than {MAX_SECONDS} seconds")
    return answer


def inputs(pool: list[bytes], random: Random) -> Iterator[bytes]:
    """Endless mutations of a pool that may grow meanwhile; the pool itself comes first."""
    yield from list(pool)
    while True:
        yield mutate(random.choice(pool), pool, random)


def fuzz(target: Target, *, seed: int, seconds: float | None = None, executions: int | None = None) -> Report:
    """Run a target until the time or the number of executions is used up.

    Raises:
        Finding: at the first input that breaks the invariant.
    """
    report = Report()
    pool = target.corpus() or [b""]
    deadline = None if seconds is None else time.monotonic() + seconds
    for data in inputs(pool, Random(f"{seed}:{target.name}")):
        if report.executions == executions or (deadline is not None and time.monotonic() > deadline):
            break
        answer = run_one(target, data)
        report.executions += 1
        report.accepted += answer is None
        # Numbers in an error text are positions and sizes: the same answer.
        novelty = f"accepted, {len(data).bit_length()} bits of size" if answer is None else re.sub(r"\d+", "N", answer)
        if novelty not in report.novelties:
            report.novelties.add(novelty)
            if len(pool) < MAX_POOL:
                pool.append(data)
    return report
