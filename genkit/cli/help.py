"""Commands whose help shows options in sections, and groups and commands that list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from genkit.cli.output import results_apart
from genkit.cli.ranks import is_first
from genkit.errors import Interrupted, PluginError, UsageError
from genkit.files.guard import ended, place
from genkit.registry.fence import Exit, no_exit

F = TypeVar("F", bound=Callable[..., Any])

GENERAL = "Options"


OTHER_FLAGS = {
    "output": ("--out", "--grid", "--html", "--runs"),
    "output-dir": ("--out", "--runs"),
    "outdir": ("--out", "--runs"),
    "batch-size": ("--batch",),
    "epochs": ("--images", "--minutes"),
    "steps": ("--images",),
    "iterations": ("--images",),
    "kimg": ("--images",),
    "data": ("--dataset",),
    "data-path": ("--dataset",),
    **dict.fromkeys(("label", "cls"), ("--class",)),
    **dict.fromkeys(("bf16", "fp16", "amp", "mixed-precision", "dtype"), ("--precision",)),
    "gpu": ("--device",),
    "cuda": ("--device",),
    "num-samples": ("--count",),
    **dict.fromkeys(("n", "num"), ("--count",)),
    "checkpoint": ("--run", "--resume"),
    "image-size": ("--size",),
    "resolution": ("--size",),
    "gray": ("--grey",),
}
"""Flags of other tools -> those of genkit that may be meant; the first that the command has is named."""

MODEL_OPTIONS = {
    **dict.fromkeys(("lr", "learning-rate", "g-lr", "rate"), "learning_rate"),
    "d-lr": "d_learning_rate",
    **dict.fromkeys(("latent", "latent-dim", "z-dim", "nz"), "latent"),
    **dict.fromkeys(("width", "channels", "ngf", "ndf"), "width"),
    "beta": "beta",
    "augment": "augment",
    "aug": "augment",
    "kl-warmup": "kl_warmup",
}
"""Flags that people try -> the option of a model that is meant."""


class Option(click.Option):
    """An option with the section of the help page that it stands in."""

    def __init__(self, *args: Any, section: str = GENERAL, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


def option(*flags: str, section: str = GENERAL, **settings: Any) -> Callable[[F], F]:
    """Add an option to a command, as click.option does, in a section of its help page."""
    settings.setdefault("cls", Option)
    return click.option(*flags, section=section, **settings)


def options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Join several options into one decorator; they keep their order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


class Command(click.Command):
    """A command whose help shows its options by section, general ones last."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command: only its results reach stdout, and no code that it calls ends it as the user does."""
        try:
            with no_exit(), results_apart():
                return super().invoke(ctx)
        except Exit as error:
            raise PluginError(f"{error}, at {place(error)}: mend it there") from error
        except (KeyboardInterrupt, Interrupted, SystemExit, GeneratorExit) as error:
            if not ended(error):
                raise
            raise PluginError(
                f"{type(error).__name__} was raised at {place(error)}, though nobody stopped genkit: mend it there"
            ) from error

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does; raises UsageError for a flag given twice, and for common names of flags of others.

        Of processes that were launched together, which are all told the same, the first says what is wrong.
        """
        try:
            return self._parsed(ctx, args)
        except (click.UsageError, UsageError):
            if not is_first():
                ctx.exit(UsageError.exit_code)
            raise

    def _parsed(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            try:
                _, _, order = self.make_parser(ctx).parse_args(list(args))
            except click.NoSuchOption as error:
                if hint := self._flag_for(error.option_name):
                    raise UsageError(f"there is no flag {error.option_name}: {hint}") from error
                raise
            for param in order:
                single = isinstance(param, click.Option) and not (param.multiple or param.is_flag or param.count)
                if single and order.count(param) > 1:
                    raise UsageError(f"{max(param.opts, key=len)} is given {order.count(param)} times: give it once")
        return super().parse_args(ctx, args)

    def _flag_for(self, flag: str) -> str:
        """Return what to give instead of a flag that other tools have, or an empty string."""
        own = {name for param in self.params for name in param.opts}
        asked = flag.lstrip("-").replace("_", "-").lower()
        found = next((name for name in OTHER_FLAGS.get(asked, ()) if name in own), "")
        if found:
            return f"use {found}"
        if "--option" in own and asked in MODEL_OPTIONS:
            return f"an option of the model is given as -o {MODEL_OPTIONS[asked]}=VALUE (genkit models NAME lists them)"
        return ""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list of options for each section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            row = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if row is not None:
                sections.setdefault(getattr(param, "section", GENERAL), []).append(row)
        general = sections.pop(GENERAL, [])
        for title, rows in [*sections.items(), (GENERAL, general)]:
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class ListCommand(Command):
    """A command that lists: ``genkit metrics list`` is ``genkit metrics``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Drop a leading ``list``."""
        return super().parse_args(ctx, args[1:] if args[:1] == ["list"] else args)


class ListingGroup(click.Group):
    """A group that lists when called bare: ``genkit runs --json`` is ``genkit runs list --json``."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert ``list`` where no command is named, after the group's own options."""
        own = {flag for param in self.params for flag in param.opts}
        start = 0
        while start < len(args) and args[start].partition("=")[0] in own:
            start += 1 if "=" in args[start] else 2
        rest = args[start:]
        bare = start <= len(args) and (not rest or (rest[0].startswith("-") and rest[0] not in ctx.help_option_names))
        if bare and not ctx.resilient_parsing:
            args = [*args[:start], "list", *rest]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their whole first sentence."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(limit=1000)) for name, command in commands])
