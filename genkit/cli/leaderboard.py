"""genkit leaderboard"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.common import NAMES, complete_measured, echo_json, json_option, left_out, runs_option, terminal_width


@click.command()
@click.option("--dataset", shell_complete=complete_measured, help="The data set; the newest record's by default.")
@click.option("--score", help="Rank by this score or metric, as kid; the first of the newest record by default.")
@click.option("--columns", type=NAMES, help="Further columns: names of scores or metrics, comma-separated, or all.")
@click.option("--why", is_flag=True, help="List the records left out, with the difference that excluded them.")
@json_option
@click.option("--md", "as_md", is_flag=True, help="Print Markdown.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@runs_option
def command(
    dataset: str | None,
    score: str | None,
    columns: list[str] | None,
    why: bool,
    as_json: bool,
    as_md: bool,
    as_csv: bool,
    root: Path,
) -> None:
    """Rank what was measured; only scores of one protocol stand on a board."""
    from genkit.errors import UsageError
    from genkit.ranking import leaderboard
    from genkit.report import markdown, tabular, text

    if as_json + as_md + as_csv > 1:
        raise UsageError("choose one of --json, --md and --csv")
    board = leaderboard(root, dataset=dataset, score=score)
    for problem in board.problems:
        left_out(problem)
    if as_json:
        echo_json(tabular.document(board))
        return
    if as_csv:
        click.echo(tabular.comma_separated(board), nl=False)
        return
    wanted = columns or []
    click.echo(markdown.leaderboard(board, wanted) if as_md else text.leaderboard(board, wanted, terminal_width()))
    if why:
        for record, reason in board.left_out:
            left_out(f"{record}: {reason}")
        for row in board.rows:
            for name in text.columns(board, wanted):
                if name in row.blank:
                    click.echo(f"{row.label} has no {name} here: {row.blank[name]}", err=True)
    elif board.left_out:
        records = "1 record" if len(board.left_out) == 1 else f"{len(board.left_out)} records"
        click.echo(f"{records} left out: genkit leaderboard --why", err=True)
