"""Texts that may be given as an argument, in a file, or on stdin (`-`): offers and bundles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from ockam.cli.failures import UnusableText

__all__ = ["STDIN", "read_bytes", "read_lines"]

STDIN: Final = "-"
MAX_BYTES: Final = 4 * 1024 * 1024
"""Chosen by us: far above a thousand offers in one file."""


def read_bytes(argument: str, prefix: str) -> bytes:
    """Return what an argument stands for.

    Args:
        argument: the text itself if it starts with `prefix`, `-` for stdin, else a file.
        prefix: of the text form.

    Raises:
        UnusableText: none of these.
    """
    if argument.lstrip().startswith(prefix):
        return argument.encode()
    try:
        data = _read(argument)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UnusableText(
            f"`{_shortened(argument)}` is neither a text that starts with `{prefix}` nor a file ({why}).",
            "Give the text, its file, or - for stdin.",
        ) from error
    if len(data) > MAX_BYTES:
        raise UnusableText(f"`{_shortened(argument)}` has more than {MAX_BYTES} bytes.")
    return data


def read_lines(argument: str, prefix: str) -> list[str]:
    """Return the lines that an argument stands for; a file may hold several, empty ones do not count.

    Raises:
        UnusableText: nothing is there, or no text.
    """
    try:
        lines = read_bytes(argument, prefix).decode("utf-8").split()
    except UnicodeDecodeError as error:
        raise UnusableText(f"`{_shortened(argument)}` is not text.") from error
    if not lines:
        raise UnusableText(f"`{_shortened(argument)}` is empty: a text that starts with `{prefix}` is expected.")
    return lines


def _read(argument: str) -> bytes:
    if argument == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(argument).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _shortened(argument: str) -> str:
    return argument if len(argument) <= 60 else f"{argument[:57]}..."
