"""genkit.toml: a table for each command, whose settings are named like the command's flags.

[eval]
count = 10_000
metrics = ["fid", "kid"]

[runs.list]
json = true
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from genkit.cli.parameters import NAMES
from genkit.errors import OptionsError, suggestion
from genkit.files.reading import read_toml, reason


def default_map(path: Path, group: click.Group, ctx: click.Context) -> dict[str, Any]:
    """Return the settings of the command that ``ctx`` invokes, in the form of click's default map.

    Raises OptionsError for a file that can't be read, a section that is not a command, and a setting of this command
    that has no such flag or the wrong type.
    """
    try:
        document = read_toml(path)
    except (OSError, ValueError) as error:
        raise OptionsError(f"{path} can't be read: {reason(error)}") from error
    known = group.list_commands(ctx)
    for name in document:
        if name not in known:
            raise _unknown(f"{path} has a section [{name}], but there is no such command", name, known)
    invoked = str(ctx.invoked_subcommand)
    command = group.get_command(ctx, invoked)
    if invoked not in document or command is None:
        return {}
    return {invoked: _section(document[invoked], command, f"{path}: [{invoked}]")}


def _section(values: Any, command: click.Command, where: str) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise OptionsError(f"{where} is {values!r}, but must be a table of settings")
    options = {
        flag[2:]: option
        for option in command.params
        if isinstance(option, click.Option)
        for flag in option.opts
        if flag.startswith("--")
    }
    commands = command.commands if isinstance(command, click.Group) else {}
    found: dict[str, Any] = {}
    for given, value in values.items():
        name = given.replace("_", "-")
        if name in commands:
            found[name] = _section(value, commands[name], f"{where[:-1]}.{name}]")
        elif name in options:
            found[str(options[name].name)] = _setting(value, options[name], f"{where} {given}")
        else:
            raise _unknown(
                f"{where} has a setting {given!r}, but the command has no such flag", name, [*options, *commands]
            )
    return found


def _setting(value: Any, option: click.Option, where: str) -> Any:
    """Return a value in the form its flag takes: a bool, a list of strings if the flag repeats, or a string."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise OptionsError(f"{where} is {value!r}, but must be true or false")
        return value
    parts = value if isinstance(value, list) else [value]
    if any(isinstance(part, list | Mapping) for part in parts):
        raise OptionsError(f"{where} is {value!r}, but must be one value or a list of values")
    if option.multiple:
        return [str(part) for part in parts]
    if isinstance(value, list) and option.type is not NAMES:
        raise OptionsError(f"{where} is {value!r}, but must be one value")
    return ",".join(map(str, parts))


def _unknown(complaint: str, name: str, known: Iterable[str]) -> OptionsError:
    known = sorted(known)
    return OptionsError(f"{complaint}.{suggestion(name, known)} There are: {', '.join(known)}")
