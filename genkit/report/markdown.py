"""A board as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from genkit.ranking.board import Board
from genkit.report.text import grid, heading, notes, plain


def leaderboard(board: Board, wanted: Sequence[str] = ()) -> str:
    """Return a board as a Markdown table, with names escaped. ``wanted`` as in genkit.report.text.columns."""
    rows = grid(board, wanted)
    lines = ["| " + " | ".join(_escape(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    marks = "".join(f"\n\n{_escape(note)}" for note in notes(board, wanted))
    return f"{_escape(heading(board))}\n\n" + "\n".join(lines) + marks


def _escape(text: str) -> str:
    text = " ".join(plain(text).split())
    for letter in "\\`*_[]<>|~&":
        text = text.replace(letter, "\\" + letter)
    return text
