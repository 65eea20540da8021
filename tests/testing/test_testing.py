from __future__ import annotations

from hashlib import sha256

from ockam.testing import FixedClock, FixedRandom


def test_the_clock_stands_until_advanced() -> None:
    clock = FixedClock(1000)
    assert (clock(), clock()) == (1000, 1000)
    assert clock.advance(5) == 1005
    assert clock() == 1005


def test_the_random_stream_is_the_documented_one() -> None:
    random = FixedRandom("seed")
    assert random(32) == sha256(b"seed" + bytes(8)).digest()
    assert random(32) == sha256(b"seed" + bytes(7) + b"\x01").digest()


def test_the_random_stream_does_not_depend_on_the_sizes_asked_for() -> None:
    whole = FixedRandom(b"x")(100)
    pieces = FixedRandom(b"x")
    assert b"".join(pieces(size) for size in (1, 0, 40, 59)) == whole
    assert FixedRandom(b"y")(100) != whole
