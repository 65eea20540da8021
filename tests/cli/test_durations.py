from __future__ import annotations

import pytest

from ockam.cli.durations import InvalidDuration, duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800), ("500ms", 0.5), ("007s", 7)],
)
def test_what_people_write(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "1.5m", "abc10s", "10 s", "10S", "-1s", "+1", "1h30m", "1m\n", "\u0661", "9" * 13, "1us"]
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidDuration):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(86400, "1d"), (90000, "25h"), (5400, "90m"), (60, "1m"), (59, "59s"), (0.5, "0.5s"), (0, "0s")],
)
def test_duration_text(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
