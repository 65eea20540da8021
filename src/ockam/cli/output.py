"""How everything is printed: results on stdout; notes, questions and errors on stderr.

    a result has up to three forms: plain (for people), machine (one bare value, for pipes), JSON
    --output plain, stdout is a terminal      plain, else machine, else JSON
    --output plain, stdout is not a terminal  machine, else JSON, else plain
    --output json                             JSON, always; keys sorted

A program that stays tells what happens as events: one line each, with --output json one JSON object each. Results end
without a newline unless stdout is a terminal; events always end with one.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ockam.cli.failures import Failure
    from ockam.cli.settings import Settings

__all__ = ["Output", "facts", "printable", "table"]

_ICONS: Final = {
    "ok": ("✔", "+", (168, 201, 125)),
    "info": (">", ">", (13, 202, 240)),
    "warning": ("!", "!", (255, 154, 0)),
    "error": ("✗", "x", (255, 0, 0)),
}


class Output:
    """Where a command's words go.

    Args:
        settings: of this call.
        stdout: for results and events.
        stderr: for everything else.
    """

    def __init__(self, settings: Settings, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self._settings = settings
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr

    # ---- stdout ------------------------------------------------------------------------------------------------------

    def result(self, value: object, *, plain: str | None = None, machine: str | None = None) -> None:
        """Print what the command was run for.

        Args:
            value: what `json` can print; every command has it.
            plain: for people.
            machine: one bare value.
        """
        text = self._json(value)
        if self._settings.output == "plain":
            forms = (plain, machine) if self._stdout.isatty() else (machine, None)
            chosen = next((form for form in forms if form is not None), None)
            if chosen is None and (self._stdout.isatty() or value is None):
                chosen = plain
            text = chosen if chosen is not None else text
        text = text.rstrip("\n")
        self._write(self._stdout, text + "\n" if text and self._stdout.isatty() else text)

    def event(self, name: str, plain: str | Iterable[str], /, **fields: object) -> None:
        """Say on stdout that something happened, at once.

        Args:
            name: the `event` of the JSON object.
            plain: line or lines for people.
            fields: the rest of the JSON object.
        """
        if self._settings.output == "json":
            text = json.dumps({"event": name, **fields}, sort_keys=True, ensure_ascii=False)
        else:
            text = plain if isinstance(plain, str) else "\n".join(plain)
        self._write(self._stdout, text + "\n")

    # ---- stderr ------------------------------------------------------------------------------------------------------

    def ok(self, text: str) -> None:
        """Tell a person that something worked."""
        self._note("ok", text)

    def note(self, text: str) -> None:
        """Tell a person something."""
        self._note("info", text)

    def warn(self, text: str) -> None:
        """Warn a person."""
        self._note("warning", text)

    def error(self, failure: Failure) -> None:
        """Say what happened and what to do next, also with --quiet."""
        if self._settings.output == "json":
            text = json.dumps({"error": failure.as_json()}, sort_keys=True, ensure_ascii=False)
            self._write(self._stderr, text + "\n")
            return
        self._line("error", _sentence(failure.message))
        if failure.hint:
            self._line("info", failure.hint)

    def can_ask(self) -> bool:
        """Whether a person is there to answer."""
        settings = self._settings
        return settings.ask and not settings.quiet and sys.stdin.isatty() and self._stderr.isatty()

    def question(self, text: str) -> None:
        """Write a question, without a newline behind it."""
        self._write(self._stderr, f"  ? {text} ")

    def _note(self, kind: str, text: str) -> None:
        if not self._settings.quiet:
            self._line(kind, text)

    def _line(self, kind: str, text: str) -> None:
        icon, plain_icon, color = _ICONS[kind]
        if not _can_show(self._stderr, icon):
            icon = plain_icon
        if self._settings.color and self._stderr.isatty():
            icon = click.style(icon, fg=color)
        first, *rest = text.splitlines() or [""]
        self._write(self._stderr, "".join([f"  {icon} {first}\n", *(f"    {line}\n" for line in rest)]))

    # ------------------------------------------------------------------------------------------------------------------

    def _json(self, value: object) -> str:
        indent = None if self._settings.compact else 2
        return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=indent)

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns, with a line of headers."""
    lines = [list(headers), *(list(map(printable, row)) for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def facts(pairs: Mapping[str, str | Sequence[str]]) -> str:
    """Return one line per fact, names and values aligned; a list of values has a line for each."""
    width = max(map(len, pairs))
    lines = []
    for name, value in pairs.items():
        values = [value] if isinstance(value, str) else list(value)
        for number, text in enumerate(values or ["-"]):
            lines.append(f"{name if number == 0 else '':<{width}}  {printable(text)}")
    return "\n".join(lines)


def printable(text: str) -> str:
    """Return text of strangers without characters that could move the cursor or reverse the line."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character
        for character in text
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _can_show(stream: Any, text: str) -> bool:  # noqa: ANN401 - any text stream
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
