"""Every target on its corpus and on a fixed number of mutations; and the harness on decoders that are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ockam.errors import DecodeError
from tests.fuzz.harness import Finding, Target, all_targets, fuzz, run_one

TARGETS = all_targets()
EXECUTIONS = 400


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_corpus_is_accepted(target: Target) -> None:
    corpus = target.corpus()
    assert corpus
    assert {data.hex(): run_one(target, data) for data in corpus if run_one(target, data) is not None} == {}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_mutations_are_answered_as_the_invariant_says(target: Target) -> None:
    report = fuzz(target, seed=1, executions=EXECUTIONS)
    assert report.executions == EXECUTIONS


@given(st.sampled_from(TARGETS), st.binary(max_size=200))
def test_arbitrary_bytes_are_answered_as_the_invariant_says(target: Target, data: bytes) -> None:
    run_one(target, data)


def planted(data: bytes) -> None:
    if not data:
        raise DecodeError("empty")
    if data[0] == 0x9F:
        raise IndexError("planted")


def test_the_harness_finds_a_planted_mistake() -> None:
    target = Target("multiaddr", planted, DecodeError)
    with pytest.raises(Finding, match="IndexError: planted"):
        fuzz(target, seed=0, executions=20_000)


def test_the_same_seed_gives_the_same_run() -> None:
    runs: list[list[bytes]] = []
    for _ in range(2):
        seen: list[bytes] = []
        fuzz(Target("multiaddr", seen.append, DecodeError), seed=7, executions=200)
        runs.append(seen)
    assert runs[0] == runs[1]
