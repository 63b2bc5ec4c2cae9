"""genkit check"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkit.cli.completions import complete_model
from genkit.cli.help import Command, option
from genkit.cli.options import json_option
from genkit.cli.output import echo, echo_json

if TYPE_CHECKING:
    from genkit.conformance import Result


@click.command(cls=Command)
@click.argument("name", shell_complete=complete_model)
@option("-o", "--option", "assignments", multiple=True, metavar="KEY=VALUE", help="Option of the model; repeatable.")
@json_option
@click.pass_context
def command(ctx: click.Context, name: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Check a model against the contract: what passed, what failed, what was skipped and why.

    Exits with 1 if a check fails. Takes well under a minute for a small model.
    """
    from genkit.conformance import check
    from genkit.options import parse_assignments

    def show(result: Result) -> None:
        echo(f"  {result}", err=as_json)

    report = check(name, options=parse_assignments(assignments), on_result=show)
    if as_json:
        echo_json(report.to_json())
    else:
        echo(report.summary)
    ctx.exit(0 if report.ok else 1)
