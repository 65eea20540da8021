"""The `ockam` command itself."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from ockam import __version__
from ockam.cli.command import LazyGroup, MissingCommand
from ockam.cli.failures import ExitCode, failure_of
from ockam.cli.output import Output
from ockam.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "root"]

NOUNS: Final = {
    "enrollment": "Run the service that devices enroll with, and see who did.",
    "enroller": "Hand bundles to devices and approve them.",
    "enrollee": "Enroll this device.",
    "identity": "Make identities of a node and show them.",
    "message": "Send a message to a worker.",
}

root = LazyGroup(name="ockam", nouns=NOUNS, help="End-to-end secure channels between applications and devices.")
root.params.append(
    click.Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        help="Print the version.",
        callback=lambda ctx, _, value: _print_version(ctx) if value else None,
    )
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit: 0 only on success."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    settings = Settings.of_environment(os.environ, arguments)
    sys.exit(_run(arguments, settings))


def _run(arguments: Sequence[str], settings: Settings) -> int:
    try:
        status = root.main(list(arguments), prog_name="ockam", standalone_mode=False, obj=settings)
    except MissingCommand as error:
        click.echo(error.message, err=True)
        return ExitCode.USAGE
    except BrokenPipeError:
        # Whoever read our output has seen enough. What is left in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.INTERNAL
    except (Exception, KeyboardInterrupt) as error:
        failure = failure_of(error)
        Output(settings).error(failure)
        return failure.status
    return status if isinstance(status, int) else 0


def _print_version(ctx: click.Context) -> None:
    click.echo(f"ockam {__version__}")
    ctx.exit()
