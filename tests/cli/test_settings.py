from __future__ import annotations

from pathlib import Path

import pytest

from ockam.cli.settings import InvalidNodeName, Settings


def test_the_environment_gives_the_defaults() -> None:
    settings = Settings.of_environment({"OCKAM_HOME": "/srv/ockam", "QUIET": "true", "NO_INPUT": "1", "NO_COLOR": "x"})
    assert settings == Settings(quiet=True, ask=False, color=False, home=Path("/srv/ockam"))
    settings = Settings.of_environment({"QUIET": "false", "NO_INPUT": "0", "NO_COLOR": ""})
    assert settings == Settings(home=Path("~/.ockam").expanduser())


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["enroller", "--output", "json"], "json"),
        (["--output=json"], "json"),
        (["--compact-output"], "json"),
        (["--output", "plain"], "plain"),
        (["message", "send", "json"], "plain"),
    ],
)
def test_errors_of_the_command_line_come_in_the_form_that_is_wanted(arguments: list[str], output: str) -> None:
    assert Settings.of_environment({}, arguments).output == output


def test_a_node_has_a_directory() -> None:
    assert Settings(home=Path("/h")).node_home("service-1") == Path("/h/nodes/service-1")


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "é", "x" * 65])
def test_a_name_stays_in_the_home(name: str) -> None:
    with pytest.raises(InvalidNodeName):
        Settings().node_home(name)
