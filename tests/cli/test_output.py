from __future__ import annotations

import io
import json

import pytest

from ockam.cli.failures import ExitCode, Failure
from ockam.cli.output import Output, facts, printable, table
from ockam.cli.settings import Settings


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal = terminal
        self._name = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read only here
        return self._name

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        text.encode(self._name)
        return super().write(text)


def printed(settings: Settings, *, terminal: bool, plain: str | None, machine: str | None) -> str:
    stdout = Stream(terminal=terminal)
    Output(settings, stdout, Stream()).result({"b": 1, "a": "ä"}, plain=plain, machine=machine)
    return stdout.getvalue()


JSON = '{\n  "a": "ä",\n  "b": 1\n}'


@pytest.mark.parametrize(
    ("terminal", "plain", "machine", "text"),
    [
        (True, "for people", "bare", "for people\n"),
        (True, None, "bare", "bare\n"),
        (True, None, None, JSON + "\n"),
        (False, "for people", "bare", "bare"),
        (False, "for people", None, JSON),
    ],
)
def test_plain_output(terminal: bool, plain: str | None, machine: str | None, text: str) -> None:
    assert printed(Settings(), terminal=terminal, plain=plain, machine=machine) == text


@pytest.mark.parametrize("terminal", [True, False])
def test_json_output(terminal: bool) -> None:
    end = "\n" if terminal else ""
    assert printed(Settings(output="json"), terminal=terminal, plain="x", machine="y") == JSON + end
    compact = Settings(output="json", compact=True)
    assert printed(compact, terminal=terminal, plain="x", machine="y") == '{"a": "ä", "b": 1}' + end


def test_events_are_lines() -> None:
    plain, as_json = Stream(), Stream()
    Output(Settings(), plain, Stream()).event("ready", ["one", "two"], routes=["/x"])
    Output(Settings(output="json"), as_json, Stream()).event("ready", "one", routes=["/x"])
    assert plain.getvalue() == "one\ntwo\n"
    assert as_json.getvalue() == '{"event": "ready", "routes": ["/x"]}\n'


FAILURE = Failure(ExitCode.UNAVAILABLE, "OCK503", "nothing listens there\nat all", "Start it.")


def test_errors_say_what_to_do_next_even_quietly() -> None:
    stderr = Stream()
    Output(Settings(quiet=True), Stream(), stderr).error(FAILURE)
    assert stderr.getvalue() == "  ✗ Nothing listens there\n    at all.\n  > Start it.\n"


def test_errors_as_json() -> None:
    stderr = Stream()
    Output(Settings(output="json"), Stream(), stderr).error(FAILURE)
    assert json.loads(stderr.getvalue()) == {
        "error": {"code": "OCK503", "hint": "Start it.", "message": "nothing listens there\nat all", "retryable": True}
    }


def test_notes_are_for_people_who_want_them() -> None:
    stderr = Stream()
    output = Output(Settings(), Stream(), stderr)
    output.ok("done")
    output.note("look")
    output.warn("careful")
    assert stderr.getvalue() == "  ✔ done\n  > look\n  ! careful\n"
    quiet = Stream()
    Output(Settings(quiet=True), Stream(), quiet).note("look")
    assert quiet.getvalue() == ""


def test_colours_are_for_terminals_that_may_have_them() -> None:
    coloured, plain = Stream(terminal=True), Stream(terminal=True)
    Output(Settings(), Stream(), coloured).ok("done")
    Output(Settings(color=False), Stream(), plain).ok("done")
    assert coloured.getvalue().startswith("  \x1b[38;2;168;201;125m✔\x1b[0m done")
    assert plain.getvalue() == "  ✔ done\n"


def test_an_old_terminal_gets_what_it_can_show() -> None:
    stdout, stderr = Stream(encoding="ascii"), Stream(encoding="ascii")
    output = Output(Settings(), stdout, stderr)
    output.ok("Möwe")
    output.result({}, machine="Möwe")
    assert stderr.getvalue() == "  + M\\xf6we\n"
    assert stdout.getvalue() == "M\\xf6we"


def test_columns_are_aligned_by_what_is_seen() -> None:
    text = table(["NAME", "STATE"], [["倉庫", "pending"], ["Cafe\u0301", "enrolled"], ["Robot Axiom", "-"]])
    assert text.splitlines() == [
        "NAME         STATE",
        "倉庫         pending",
        "Cafe\u0301         enrolled",
        "Robot Axiom  -",
    ]


def test_facts() -> None:
    assert facts({"identifier": "Iab", "routes": ["/a", "/b"], "none": []}).splitlines() == [
        "identifier  Iab",
        "routes      /a",
        "            /b",
        "none        -",
    ]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\rb", "\u202etxt.exe", "a\u2028b"])
def test_strangers_names_do_not_move_the_cursor(text: str) -> None:
    shown = printable(text)
    assert shown != text
    assert "\N{REPLACEMENT CHARACTER}" in shown
