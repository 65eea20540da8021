"""Write docs/cli.md from the command's own help, and check that the links between the pages hold.

Run by `make docs`. With --check nothing is written, and the exit status says whether docs/cli.md is up to date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockam.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cli.md"
INTRODUCTION = "# The `ockam` command\n\nMade by `make docs` from the command's own help: change it there.\n"
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def sections(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    """One section per command, depth first, in the order of the help."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=100, max_content_width=100)
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                yield from sections(child, context, child_name)


def root_command() -> click.Command:
    """The command group that `ockam` runs."""
    commands = [value for value in vars(app).values() if isinstance(value, click.Command)]
    return next(command for command in commands if isinstance(command, click.Group) or len(commands) == 1)


def broken_links() -> list[str]:
    """Links between Markdown pages of this repository that lead nowhere."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/*.md")]
    return [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]


def main() -> int:
    """Return 0 when the page is written (or up to date) and every link leads somewhere."""
    text = "\n".join([INTRODUCTION, *sections(root_command(), None, "ockam")])
    stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text
    broken = broken_links()
    for line in broken:
        print(f"broken link: {line}")
    if "--check" in sys.argv[1:]:
        if stale:
            print("docs/cli.md is out of date: run `make docs`")
        return 1 if stale or broken else 0
    if stale:
        PAGE.write_text(text, encoding="utf-8")
    print(f"docs/cli.md: {text.count(chr(10) + '## ')} commands{'' if stale else ', unchanged'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
