"""The report of a leaderboard: one self-contained HTML page that makes no requests."""

from __future__ import annotations

import base64
import datetime
from typing import TYPE_CHECKING

from genkit.files.text import cleaned, json_text
from genkit.ranking.milestones import split_milestones
from genkit.report import tabular
from genkit.report.critical import diagram
from genkit.report.details import DETAILS, details
from genkit.report.heat import agreement, by_class, chances, ranks
from genkit.report.html import environment
from genkit.report.pictures import GRIDS, exhibits, real_test
from genkit.report.plots import plots
from genkit.report.standings import standings
from genkit.report.text import heading

if TYPE_CHECKING:
    from genkit.report.leaderboard import Leaderboard


def leaderboard_page(leaderboard: Leaderboard) -> str:
    """Return a leaderboard as one HTML page: table, matrices, plots, pictures and details.

    All names are escaped, also in the scripts' data. The page's Content-Security-Policy forbids all requests.
    """
    from plotly.offline import get_plotlyjs

    board = leaderboard.board
    shown = exhibits(leaderboard)
    last, earlier = split_milestones([record for record in leaderboard.records if record.dataset == board.dataset])
    html: str = (
        environment()
        .get_template("leaderboard/page.html")
        .render(
            leaderboard=leaderboard,
            board=board,
            heading=heading(board),
            made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            records=len(last),
            milestones=sum(map(len, earlier.values())),
            table=standings(board, DETAILS),
            matrices=[
                table
                for table in (chances(board), ranks(leaderboard.boards), agreement(leaderboard.agreement))
                if table
            ],
            diagram=diagram(leaderboard.across) if leaderboard.across else None,
            classes=by_class(board),
            plots=cleaned(plots(board, shown, leaderboard.sweep_plots)),
            shown=shown,
            real_test=real_test(shown),
            grids=GRIDS,
            details=details(board),
            downloads=_downloads(leaderboard),
            plotly=get_plotlyjs(),
        )
    )
    return html


def _downloads(leaderboard: Leaderboard) -> list[tuple[str, str]]:
    """File names and ``data:`` URLs."""
    board = leaderboard.board
    texts = {
        "json": ("application/json", json_text(tabular.document(board))),
        "csv": ("text/csv", tabular.comma_separated(board)),
    }
    return [
        (f"leaderboard.{suffix}", f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}")
        for suffix, (kind, text) in texts.items()
    ]
