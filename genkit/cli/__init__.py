"""The command line: a lazy group over the registry's commands. A thin face; the library does the work."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from genkit.errors import GenkitError, Interrupted, OptionsError, suggestion
from genkit.registry import registry
from genkit.specs import CommandSpec


class LazyGroup(click.Group):
    """Finds commands by name in the registry and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, plugins' too."""
        return [offer.spec.name for offer in registry().offers(CommandSpec)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = registry().find(CommandSpec, cmd_name).spec.load()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for an unknown one."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            near = suggestion(args[0], self.list_commands(ctx))
            raise click.UsageError(f"there is no command {args[0]!r}.{near}  (genkit --help lists them)", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by group from their specs, importing none."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for offer in registry().offers(CommandSpec):
            groups.setdefault(offer.spec.group, []).append((offer.spec.name, offer.spec.summary))
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"genkit {version('genkit-toolkit')}")
        ctx.exit()


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="First: genkit eval --model dcgan   (trains a small DCGAN on embedded real digits and measures it)",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
@click.pass_context
def group(ctx: click.Context) -> None:
    """Train, measure and rank generative image models.

    Settings: a flag, else GENKIT_* in the environment, else genkit.toml here ([eval] count = 1000), else the default.
    """
    ctx.default_map = _settings_file(Path("genkit.toml"))


def _settings_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionsError(f"{path} can't be read: {error}") from error


def main() -> None:
    """Run the command line: one line for an error raised on purpose, a traceback for a bug."""
    try:
        code = group.main(prog_name="genkit", standalone_mode=False)
    except GenkitError as error:
        click.echo(f"{error}" if isinstance(error, Interrupted) else f"Error: {error}", err=True)
        code = error.exit_code
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
