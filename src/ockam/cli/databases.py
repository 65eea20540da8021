"""Where an enrollment service keeps its tables: `--database` takes a path or a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

__all__ = ["database_path"]

_SQLITE: Final = "sqlite:///"


def database_path(text: str) -> Path:
    """Return the path of the SQLite file that a path or a `sqlite:///PATH` names; a type for click."""
    if text.startswith(_SQLITE):
        return Path(text.removeprefix(_SQLITE))
    if "://" in text:
        raise click.BadParameter(f"`{text.partition('://')[0]}` is not supported: give a path, or sqlite:///PATH.")
    return Path(text)


# Click names the value in the help after the function.
database_path.__name__ = "url|path"
