"""A board as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from genkit.files.text import markdown
from genkit.ranking.board import Board
from genkit.report.text import grid, heading, notes


def leaderboard(board: Board, wanted: Sequence[str] = ()) -> str:
    """Return a board as a Markdown table, with names escaped. ``wanted`` as in genkit.report.text.columns."""
    rows = grid(board, wanted)
    lines = ["| " + " | ".join(markdown(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    marks = "".join(f"\n\n{markdown(note)}" for note in notes(board, wanted))
    return f"{markdown(heading(board))}\n\n" + "\n".join(lines) + marks
