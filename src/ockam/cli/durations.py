"""Durations, as people write them: `90`, `90s`, `15m`, `24h`, `7d`, `500ms`. A number alone is seconds."""

from __future__ import annotations

import re
from typing import Final

import click

__all__ = ["InvalidDuration", "duration", "duration_text", "parse_duration", "whole_duration"]

# Source: the reference's command; unlike there the whole text must match, so that `1.5m` is not read as 5 minutes.
_DURATION: Final = re.compile(r"([0-9]{1,12})(d|h|m|s|ms)?")
_MILLISECONDS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1, None: 1000}


class InvalidDuration(ValueError):
    """Not a duration."""


def parse_duration(text: str) -> float:
    """Return the seconds that `text` spells.

    Raises:
        InvalidDuration: it is not a whole number with one of the units, or without.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidDuration(
            f"`{text}` is no duration: a whole number and d, h, m, s or ms, such as 24h, are expected"
        )
    number, unit = match.groups()
    return int(number) * _MILLISECONDS[unit] / 1000


def duration_text(seconds: float) -> str:
    """Return a duration for people, in its largest whole unit: 5400 s is `90m`."""
    for unit in ("d", "h", "m", "s"):
        size = _MILLISECONDS[unit] // 1000
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def duration(text: str) -> float:
    """Return an option's value in seconds; a type for click."""
    try:
        return parse_duration(text)
    except InvalidDuration as error:
        raise click.BadParameter(str(error)) from error


def whole_duration(text: str) -> int:
    """Return an option's value in whole seconds, as the protocol counts; a type for click."""
    seconds = duration(text)
    if seconds != int(seconds):
        raise click.BadParameter(f"`{text}`: whole seconds are expected.")
    return int(seconds)


# Click names the value in the help after the function.
duration.__name__ = whole_duration.__name__ = "duration"
