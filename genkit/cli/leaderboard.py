"""genkit leaderboard"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import click

from genkit.cli.completions import complete_measured
from genkit.cli.help import Command, option
from genkit.cli.options import FILE, refuse, store_option
from genkit.cli.output import echo, echo_lines, json_document, left_out, terminal_width
from genkit.cli.parameters import NAMES, WEIGHTS
from genkit.errors import GenkitError, UsageError

if TYPE_CHECKING:
    from genkit.report.leaderboard import Leaderboard


@click.command(cls=Command)
@option(
    "--dataset",
    "datasets",
    type=NAMES,
    shell_complete=complete_measured,
    section="Ranking",
    help="Data set or its path, by default the newest record's; several, comma-separated, add average ranks.",
)
@option(
    "--score",
    section="Ranking",
    help="Rank by this score or metric, e.g. kid; by default the one that ranks the most entries.",
)
@option("--columns", type=NAMES, section="Tables", help="More columns: scores or metrics, comma-separated, or all.")
@option(
    "--chances", is_flag=True, section="Tables", help="Add the probability, for each pair, that one model is better."
)
@option("--agreement", is_flag=True, section="Tables", help="Add how much the scores agree (Kendall's tau).")
@option("--weights", type=WEIGHTS, section="Tables", help="Add an order by weighted mean rank, e.g. fid=2,recall=1.")
@option("--why", is_flag=True, section="Tables", help="List the records left out, each with the reason.")
@option("--html", type=FILE, section="Output", help="Write the report, one HTML page, to this file.")
@option("--json", "as_json", is_flag=True, section="Output", help="Print one JSON document.")
@option("--md", "as_md", is_flag=True, section="Output", help="Print Markdown.")
@option("--csv", "as_csv", is_flag=True, section="Output", help="Print CSV.")
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
    """Rank what was measured; a board holds scores of one protocol only.

    \b
    genkit leaderboard --score kid --columns all
    genkit leaderboard --runs benchmarks/results/mnist --html mnist.html
    """
    from genkit.files.text import fenced
    from genkit.report import markdown, summary, tabular, text
    from genkit.report.leaderboard import leaderboard
    from genkit.results.store import without_collection

    ctx.with_resource(without_collection())
    if as_json + as_md + as_csv > 1:
        raise UsageError("choose one of --json, --md and --csv")
    if as_csv:
        refuse(
            ctx,
            ("columns", "chances", "agreement", "weights", "why"),
            "does not go with --csv, which prints the board alone",
        )
    tables, wanted = summary.Sections(chances, agreement, weights or {}), columns or []

    def rendered(found: Leaderboard) -> tuple[Leaderboard, str, str]:
        page = ""
        if html is not None:
            from genkit.report.page import leaderboard_page  # brings jinja2 and plotly

            page = leaderboard_page(found)
        if as_json:
            return found, page, json_document({**tabular.document(found.board), **summary.document(found, tables)})
        if as_csv:
            return found, page, tabular.comma_separated(found.board).removesuffix("\n")
        below = summary.sections(found, tables)
        if as_md:
            parts = [markdown.leaderboard(found.board, wanted), *map(fenced, below)]
        else:
            parts = [text.leaderboard(found.board, wanted, terminal_width()), *below]
        return found, page, "\n\n".join(parts)

    found, page, shown = leaderboard(root, dataset=datasets, score=score).shown(rendered)
    for problem in found.board.problems:
        left_out(problem)
    if html is not None:
        _write(page, html)
    echo_lines(shown)
    if not as_json and not as_csv:
        _excluded(found, wanted, why)
    if datasets is None:
        _elsewhere(found)


def _write(page: str, path: Path) -> None:
    from genkit.files.writing import write_atomic

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, page.encode())
    except OSError as error:
        raise GenkitError(f"the report can't be written to {path}: {error.strerror or error}") from error
    echo(f"report {path}", err=True)


def _excluded(found: Leaderboard, wanted: list[str], why: bool) -> None:
    """Say on stderr what the board leaves out: one by one with ``why`` or if nothing is ranked, else how many."""
    from genkit.ranking.rows import describe
    from genkit.ranking.sweeps import plotted
    from genkit.report import text

    board = found.board
    points = plotted(found.sweep_plots)
    drawn = {describe(record) for point in points for record in point.records}
    others = [reason for record, reason in board.left_out if record not in drawn]
    if not board.rows:
        echo(f"nothing here can be ranked by {board.score}", err=True)
    if why or not board.rows:
        for record, reason in board.left_out:
            left_out(f"{record}: {reason}")
        for row in board.rows:
            for name in text.columns(board, wanted):
                if name in row.blank:
                    echo(f"{row.label} has no {name} here: {row.blank[name]}", err=True)
    elif others:
        records = "1 record" if len(others) == 1 else f"{len(others)} records"
        reason, count = Counter(others).most_common(1)[0]
        most = f", {count} of them: {shorten(reason, 80)}" if count > 1 else ""
        echo(f"{records} left out{most}: add --why to see which, and why", err=True)
    if points:
        swept = "1 point of a sweep is" if len(points) == 1 else f"{len(points)} points of sweeps are"
        echo(f"{swept} not ranked, but in the plots of the page that --html writes", err=True)


def _elsewhere(found: Leaderboard) -> None:
    """Say on stderr which other data sets have records here."""
    others = Counter(record.dataset for record in found.records if record.dataset != found.board.dataset)
    if others:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(others.items()))
        echo(f"also here, with --dataset: {listed}", err=True)
