"""The options that every command has, and where a node keeps its state.

    $OCKAM_HOME                    default ~/.ockam
    $OCKAM_HOME/nodes/NAME         one directory per node: its database and its lock (ockam.storage.home)

An enrollment service, an enroller and a device are nodes of their own, called `enrollment`, `enroller` and `enrollee`
unless they are given other names: one machine can play all three parts. One process at a time has a directory open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ENROLLEE", "ENROLLER", "SERVICE", "InvalidNodeName", "Settings"]

SERVICE: Final = "enrollment"
ENROLLER: Final = "enroller"
ENROLLEE: Final = "enrollee"

DEFAULT_HOME: Final = "~/.ockam"
_NODE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FALSE: Final = frozenset({"", "0", "false", "f", "no", "n", "off"})


class InvalidNodeName(ValueError):
    """A node's name has letters, digits, `-` and `_` only."""


@dataclass(slots=True)
class Settings:
    """What the options of every command said.

    Attributes:
        output: how results are printed.
        compact: JSON in one line.
        quiet: nothing but results and errors; no questions.
        verbose: 0 to 4; where logs begin (`ockam.cli.logs`).
        color: whether colours are allowed; they are used on a terminal only.
        ask: whether questions are allowed; they are asked on a terminal only.
        home: the directory of all nodes.
    """

    output: Literal["plain", "json"] = "plain"
    compact: bool = False
    quiet: bool = False
    verbose: int = 0
    color: bool = True
    ask: bool = True
    home: Path = field(default_factory=lambda: Path(DEFAULT_HOME).expanduser())

    @classmethod
    def of_environment(cls, environment: Mapping[str, str], arguments: Sequence[str] = ()) -> Settings:
        """Return the defaults of this environment.

        Args:
            environment: variables QUIET, NO_COLOR, NO_INPUT, OCKAM_HOME.
            arguments: looked through for the wish for JSON only, so that a command line that cannot be understood is
                refused in the form its caller reads.
        """
        # NO_COLOR counts whatever it says (no-color.org); the others may also say false.
        return cls(
            output="json" if _wants_json(arguments) else "plain",
            quiet=_is_true(environment.get("QUIET", "")),
            color=not environment.get("NO_COLOR"),
            ask=not _is_true(environment.get("NO_INPUT", "")),
            home=Path(environment.get("OCKAM_HOME") or DEFAULT_HOME).expanduser(),
        )

    def node_home(self, name: str) -> Path:
        """Return the directory of a node.

        Raises:
            InvalidNodeName: the name could leave the directory.
        """
        if not _NODE_NAME.fullmatch(name):
            raise InvalidNodeName(f"`{name}` is no name for a node: 1 to 64 letters, digits, `-` and `_` are allowed")
        return self.home / "nodes" / name


def _wants_json(arguments: Sequence[str]) -> bool:
    before = ["", *arguments]
    return "--compact-output" in arguments or any(
        argument == "--output=json" or (argument == "json" and previous == "--output")
        for previous, argument in zip(before, arguments, strict=False)
    )


def _is_true(text: str) -> bool:
    return text.lower() not in _FALSE
