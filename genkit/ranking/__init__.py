"""Ranking: comparable records become boards, and what several boards say together."""

from genkit.ranking.board import Board, rank
from genkit.ranking.boards import Leaderboard, leaderboard
from genkit.ranking.rows import Moment, Row

__all__ = ["Board", "Leaderboard", "Moment", "Row", "leaderboard", "rank"]
