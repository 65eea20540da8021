"""What all commands share: the global options, long help from files, lazy loading, and running on a node.

Global options may stand before or behind the noun and the verb. A command's long help is `help/<noun>_<verb>.txt`;
the first line of its docstring is what lists of commands show.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ockam.cli.logs import configure_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from ockam.cli.settings import Settings

__all__ = ["Command", "Group", "LazyGroup", "MissingCommand", "run"]

T = TypeVar("T")

HELP_DIRECTORY: Final = Path(__file__).parent / "help"
CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class MissingCommand(click.UsageError):
    """A noun without a verb; the message is the help."""


class _WithGlobalOptions(click.Command):
    """A command that also takes the global options; they are listed by `ockam --help` alone."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - click's
        named.setdefault("context_settings", CONTEXT)
        super().__init__(*arguments, **named)
        taken = {name for parameter in self.params for name in parameter.opts}
        options = global_options(hidden=self.name != "ockam")
        self.params.extend(option for option in options if taken.isdisjoint(option.opts))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the long help, as it is in its file."""
        path = HELP_DIRECTORY / f"{'_'.join(ctx.command_path.split()[1:]) or 'ockam'}.txt"
        if not path.is_file():
            super().format_help_text(ctx, formatter)
            return
        formatter.write_paragraph()
        with formatter.indentation():
            indent = " " * formatter.current_indent
            for line in path.read_text(encoding="utf-8").rstrip().splitlines():
                formatter.write(f"{indent}{line}".rstrip() + "\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say where the global options are."""
        super().format_epilog(ctx, formatter)
        if ctx.parent is not None:
            formatter.write("\nOptions of every command (--output json, --home, --quiet, …): `ockam --help`.\n")


class Command(_WithGlobalOptions):
    """A verb."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's
        """Run it, with the logs that were asked for."""
        configure_logs(ctx.obj)
        return super().invoke(ctx)


class Group(_WithGlobalOptions, click.Group):
    """A noun."""

    command_class: type[click.Command] | None = Command

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - click's
        named.setdefault("subcommand_metavar", "COMMAND [ARGS]...")
        super().__init__(*arguments, no_args_is_help=False, **named)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help if there is no verb."""
        if not args and not ctx.resilient_parsing:
            raise MissingCommand(ctx.get_help())
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Keep the order in which they are defined: that of use."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs, each with the first line of its docstring, whole."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(200)) for name, command in commands if command and not command.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or name the one that was probably meant."""
        from difflib import get_close_matches

        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            close = get_close_matches(name, self.list_commands(ctx), 1)
            meant = f" Did you mean `{close[0]}`?" if close else ""
            ctx.fail(f"There is no command `{ctx.command_path} {name}`.{meant}")
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group whose members are imported when they are used.

    Args:
        nouns: name to summary; the noun `x` is `ockam.cli.commands.x.group`.
    """

    def __init__(self, *arguments: Any, nouns: Mapping[str, str], **named: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*arguments, **named)
        self._nouns = nouns

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The nouns, in the order of the table."""
        return list(self._nouns)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a noun."""
        if cmd_name not in self._nouns:
            return None
        command = import_module(f"ockam.cli.commands.{cmd_name}").group
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the nouns without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._nouns.items()))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part."""
    import asyncio

    return asyncio.run(main)


def global_options(*, hidden: bool) -> list[click.Option]:
    """Return the options that every command has."""

    def option(*names: str, help: str, keep: Callable[[Settings, Any], None], **named: Any) -> click.Option:  # noqa: A002, ANN401 - click's
        def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:  # noqa: ANN401 - click's
            if value:
                keep(ctx.obj, value)

        return click.Option(list(names), help=help, callback=callback, expose_value=False, hidden=hidden, **named)

    return [
        option(
            "--output",
            type=click.Choice(["plain", "json"]),
            help="How to print results, events and errors [default: plain].",
            keep=lambda settings, value: setattr(settings, "output", value),
        ),
        option(
            "--compact-output",
            is_flag=True,
            help="JSON in a single line.",
            keep=_compact,
        ),
        option(
            "-q",
            "--quiet",
            is_flag=True,
            help="Print results and errors only, and ask nothing.",
            keep=lambda settings, value: setattr(settings, "quiet", value),
        ),
        option(
            "-v",
            "--verbose",
            count=True,
            help="Write logs to stderr; -vv and -vvv write more.",
            keep=lambda settings, value: setattr(settings, "verbose", settings.verbose + value),
        ),
        option(
            "--no-color",
            is_flag=True,
            help="No colours, on a terminal either.",
            keep=lambda settings, value: setattr(settings, "color", False),
        ),
        option(
            "--no-input",
            is_flag=True,
            help="Ask nothing.",
            keep=lambda settings, value: setattr(settings, "ask", False),
        ),
        option(
            "--home",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIRECTORY",
            help="Where nodes keep their state [default: $OCKAM_HOME, or ~/.ockam].",
            keep=lambda settings, value: setattr(settings, "home", value),
        ),
    ]


def _compact(settings: Settings, value: bool) -> None:
    settings.output, settings.compact = "json", value
