"""genkit leaderboard"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import click

from genkit.cli.common import (
    NAMES,
    WEIGHTS,
    complete_measured,
    echo_json,
    json_option,
    left_out,
    refuse,
    store_option,
    terminal_width,
)

if TYPE_CHECKING:
    from genkit.report.leaderboard import Leaderboard


@click.command()
@click.option(
    "--dataset",
    "datasets",
    type=NAMES,
    shell_complete=complete_measured,
    help="The data set, the newest record's by default; of several, comma-separated, also average ranks.",
)
@click.option("--score", help="Rank by this score or metric, as kid; by default the one by which most can be ranked.")
@click.option("--columns", type=NAMES, help="Further columns: names of scores or metrics, comma-separated, or all.")
@click.option("--chances", is_flag=True, help="Also show the chance that each model is better than each other.")
@click.option("--agreement", is_flag=True, help="Also show how much the scores agree (Kendall's tau).")
@click.option("--weights", type=WEIGHTS, help="Also order by weighted mean rank, as fid=2,recall=1.")
@click.option("--why", is_flag=True, help="List the records left out, with the difference that excluded them.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the report, one page, to a file.")
@json_option
@click.option("--md", "as_md", is_flag=True, help="Print Markdown.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@store_option
@click.pass_context
def command(
    ctx: click.Context,
    datasets: list[str] | None,
    score: str | None,
    columns: list[str] | None,
    chances: bool,
    agreement: bool,
    weights: dict[str, float] | None,
    why: bool,
    html: Path | None,
    as_json: bool,
    as_md: bool,
    as_csv: bool,
    root: str,
) -> None:
    """Rank what was measured; only scores of one protocol stand on a board.

    \b
    genkit leaderboard --score kid --columns all
    genkit leaderboard --runs benchmarks/results/mnist --html mnist.html
    """
    from genkit.errors import UsageError
    from genkit.report import markdown, summary, tabular, text
    from genkit.report.leaderboard import leaderboard

    if as_json + as_md + as_csv > 1:
        raise UsageError("choose one of --json, --md and --csv")
    if as_csv:
        refuse(ctx, ("columns", "chances", "agreement", "weights", "why"), "does not go with --csv, which is the board")
    found = leaderboard(root, dataset=datasets, score=score)
    board = found.board
    for problem in board.problems:
        left_out(problem)
    if html is not None:
        _write(found, html)
    asked = summary.Asked(chances, agreement, weights or {})
    if as_json:
        echo_json({**tabular.document(board), **summary.document(found, asked)})
        return
    if as_csv:
        click.echo(tabular.comma_separated(board), nl=False)
        return
    wanted, below = columns or [], summary.parts(found, asked)
    click.echo(markdown.leaderboard(board, wanted) if as_md else text.leaderboard(board, wanted, terminal_width()))
    for part in below:
        click.echo(f"\n```\n{part}\n```" if as_md else f"\n{part}")
    _excluded(found, wanted, why)
    if datasets is None:
        _elsewhere(found)


def _write(found: Leaderboard, page: Path) -> None:
    from genkit.errors import GenkitError
    from genkit.paths import write_atomic

    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(page, found.html().encode())
    except OSError as error:
        raise GenkitError(f"the report can't be written to {page}: {error.strerror or error}") from error
    click.echo(f"report {page}", err=True)


def _excluded(found: Leaderboard, wanted: list[str], why: bool) -> None:
    """Say on stderr what the board leaves out, with ``why``, or if nothing is left to rank, one by one."""
    from genkit.report import text

    board = found.board
    if not board.rows:
        click.echo(f"nothing here can be ranked by {board.score}", err=True)
    if why or not board.rows:
        for record, reason in board.left_out:
            left_out(f"{record}: {reason}")
        for row in board.rows:
            for name in text.columns(board, wanted):
                if name in row.blank:
                    click.echo(f"{row.label} has no {name} here: {row.blank[name]}", err=True)
    elif board.left_out:
        records = "1 record" if len(board.left_out) == 1 else f"{len(board.left_out)} records"
        reason, count = Counter(reason for _, reason in board.left_out).most_common(1)[0]
        most = f", {count} of them: {shorten(reason, 80)}" if count > 1 else ""
        click.echo(f"{records} left out{most}: add --why to see which, and why", err=True)


def _elsewhere(found: Leaderboard) -> None:
    """Say on stderr which other data sets have records here."""
    others = Counter(record.dataset for record in found.records if record.dataset != found.board.dataset)
    if others:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(others.items()))
        click.echo(f"also here, with --dataset: {listed}", err=True)
