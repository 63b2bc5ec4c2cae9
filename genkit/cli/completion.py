"""genkit completion"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from genkit.cli.help import Command
from genkit.cli.output import echo_lines


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(genkit completion bash)"
    zsh:   eval "$(genkit completion zsh)"
    fish:  genkit completion fish > ~/.config/fish/completions/genkit.fish
    """
    from genkit.cli.commands import group

    cls = get_completion_class(shell)
    assert cls is not None
    echo_lines(cls(group, {}, "genkit", "_GENKIT_COMPLETE").source())
