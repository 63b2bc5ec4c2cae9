"""The group of all commands, imported lazily; errors become one line and an exit code."""

from __future__ import annotations

import functools
import io
import sys
from pathlib import Path

import click

from genkit.cli.last_words import last_words
from genkit.cli.output import echo, echo_lines
from genkit.cli.process import STOPPED
from genkit.errors import GenkitError, Interrupted, PluginError, of_system, one_line
from genkit.registry.discovery import Offer, registry
from genkit.registry.specs import CommandSpec

SETTINGS = Path("genkit.toml")


@functools.cache
def _load_plugins() -> None:
    with last_words():
        registry()


def listed() -> dict[str, Offer[CommandSpec]]:
    """Return the commands by the name they are listed under."""
    _load_plugins()
    return {offer.spec.name: offer for offer in registry().offers(CommandSpec)}


class LazyGroup(click.Group):
    """Finds commands by name in the registry and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, including plugins'."""
        return list(listed())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module; raises UnknownName, AmbiguousName or PluginError."""
        try:
            _load_plugins()
            offer = registry().find(CommandSpec, cmd_name)
            command = offer.spec.load()
            if not isinstance(command, click.Command):
                raise PluginError(f"command {offer.qualified!r} is {command!r}, not a click command")
        except GenkitError:
            if ctx.resilient_parsing:  # a broken command must not break completion
                return None
            raise
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by group from their specs, importing none."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, offer in listed().items():
            groups.setdefault(offer.spec.group, []).append((name, offer.spec.summary))
        for title, rows in groups.items():
            with formatter.section(one_line(title)):
                formatter.write_dl([(one_line(name), one_line(summary)) for name, summary in rows])


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        echo(f"genkit {version('genkit-toolkit')}")
        ctx.exit()


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with: genkit eval --model dcgan   (trains a small DCGAN on the embedded digits and measures it)",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
@click.pass_context
def group(ctx: click.Context) -> None:
    """Train, measure and rank generative image models.

    A setting comes from its flag, else its GENKIT_* environment variable, else genkit.toml in the current folder
    ([eval] count = 1000), else the default.
    """
    if SETTINGS.exists() and ctx.invoked_subcommand is not None:
        from genkit.cli.settings import default_map

        ctx.default_map = default_map(SETTINGS, group, ctx)


def run() -> int:
    """Run the command line of this process and return its exit code."""
    try:
        code = group.main(prog_name="genkit", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except GenkitError as error:
        echo(f"{error}" if isinstance(error, Interrupted) else f"Error: {error}", err=True)
        return error.exit_code
    except (OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is None:  # raised by a library for reasons of its own
            raise
        echo(f"Error: {of_system(error)}", err=True)
        return GenkitError.exit_code
    except click.exceptions.Abort as error:  # click's own for Ctrl-C, and for EOFError, which any code may raise
        if isinstance(error.__cause__, EOFError):
            raise error.__cause__ from None
        echo("stopped", err=True)
        return STOPPED
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        echo_lines(shown.getvalue(), err=True, nl=False)
        return error.exit_code
