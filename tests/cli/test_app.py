from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

import ockam as package
from ockam.cli.app import NOUNS, root
from ockam.cli.command import HELP_DIRECTORY
from tests.cli.command_line import ockam

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, (*path, name))


COMMANDS = list(commands(root))


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_a_summary_and_help_for_every_parameter(
    path: tuple[str, ...], command: click.Command
) -> None:
    assert command.get_short_help_str(200).endswith("."), path
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, (path, parameter.name)


def test_every_command_has_a_long_help_and_every_long_help_a_command() -> None:
    texts = {file.stem: file.read_text(encoding="utf-8") for file in HELP_DIRECTORY.glob("*.txt")}
    assert texts.keys() == {"_".join(path) or "ockam" for path, _ in COMMANDS}
    assert max(len(line) for text in texts.values() for line in text.splitlines()) <= 100


def test_help(tmp_path: Path) -> None:
    result = ockam(tmp_path, "--help")
    assert all(f"  {noun}" in result.stdout for noun in NOUNS)
    assert ockam(tmp_path, "-h").stdout == result.stdout
    assert "--at" in ockam(tmp_path, "identity", "show", "--help").stdout


def test_help_and_import_load_nothing_heavy() -> None:
    program = """
import sys
before = set(sys.modules)
import ockam
assert len([name for name in set(sys.modules) - before if name.startswith("ockam")]) == 1, sys.modules.keys() - before
from ockam.cli.app import main
try:
    main([{arguments}])
except SystemExit as exit:
    assert not exit.code, exit.code
for name in ("asyncio", "sqlite3", "cryptography", "ockam.core", "ockam.node"):
    assert name not in sys.modules, name
"""
    for arguments in ("'--help'", "'--version'", "'enroller', '--help'", "'enrollment', 'service', 'start', '--help'"):
        done = subprocess.run(
            [sys.executable, "-c", program.format(arguments=arguments)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_version(tmp_path: Path) -> None:
    assert ockam(tmp_path, "--version").stdout == f"ockam {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["identiti"], "There is no command `ockam identiti`. Did you mean `identity`?", "See `ockam --help`."),
        (["identity", "sho"], "There is no command `ockam identity sho`.", "See `ockam identity --help`."),
        (["--colour"], "No such option", "See `ockam --help`."),
        (["message", "send", "x"], "Missing option", "See `ockam message send --help`."),
        (["identity", "list", "--at", "../x"], "`../x` is no name for a node", ""),
        (
            ["identity", "show", "--encoding", "hex"],
            "--encoding hex is for --full.",
            "See `ockam identity show --help`.",
        ),
    ],
)
def test_a_wrong_command_line_is_64(tmp_path: Path, arguments: list[str], message: str, hint: str) -> None:
    error = ockam(tmp_path, *arguments, "--output", "json", expect=64).error
    assert error["code"] == "OCK400"
    assert error["hint"] == hint
    assert message in error["message"]
    plain = ockam(tmp_path, *arguments, expect=64)
    assert plain.stdout == ""
    assert message in plain.stderr


def test_a_noun_alone_shows_its_help_and_fails(tmp_path: Path) -> None:
    for noun in ([], ["identity"]):
        result = ockam(tmp_path, *noun, expect=64)
        assert result.stdout == ""
        assert "Commands:" in result.stderr


def test_global_options_stand_anywhere(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for arguments in (
        ["--home", str(other), "identity", "create", "--compact-output"],
        ["identity", "--compact-output", "create", "--home", str(other)],
    ):
        result = ockam(tmp_path, *arguments)
        assert result.json["name"] == "default"
        assert "\n" not in result.stdout
    assert not (tmp_path / "nodes").exists()
    assert (other / "nodes" / "default" / "lock").exists()


def test_logs_are_on_stderr_and_only_when_asked_for(tmp_path: Path) -> None:
    closed = ("message", "send", "x", "--to", "/ip4/127.0.0.1/tcp/1/service/echo")
    assert len(ockam(tmp_path, *closed, expect=69).stderr.splitlines()) == 1
    logged = ockam(tmp_path, *closed, "-vvv", expect=69)
    assert "DEBUG" in logged.stderr
    assert logged.stdout == ""


def test_public_names_are_where_the_package_says() -> None:
    names = set(package.__all__) - {"__version__"}
    assert names == set(package._MODULES)
    assert names <= set(dir(package))
    for name in names:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        package.nothing  # type: ignore[attr-defined]  # noqa: B018
