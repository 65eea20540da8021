"""`python -m tests.fuzz`: run every target, or those named, for some seconds each."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

from tests.fuzz.harness import Finding, all_targets, fuzz

MAX_MEMORY = 1 << 30  # bytes of address space over what is in use: an unchecked length ends in MemoryError, a finding


def limit_memory() -> None:
    """Cap the address space of this process, where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # not on every system

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main() -> int:
    """Return 0 when no target had a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="per target (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="other seed, other inputs (default: 0; -1: the clock)")
    parser.add_argument("names", nargs="*", metavar="TARGET", help="default: all")
    arguments = parser.parse_args()

    seed = time.time_ns() if arguments.seed == -1 else arguments.seed
    known = {target.name: target for target in all_targets()}
    if unknown := set(arguments.names) - set(known):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    limit_memory()
    findings = 0
    for name in arguments.names or known:
        try:
            report = fuzz(known[name], seed=seed, seconds=arguments.seconds)
        except Finding as finding:
            findings += 1
            print(f"{name:<24} FINDING (seed {seed})\n{finding}", flush=True)
        else:
            print(f"{name:<24} {report}", flush=True)
    print(f"fuzz: {len(arguments.names or known)} targets, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
