"""A board as JSON and CSV."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from genkit.files import text
from genkit.ranking.board import Board
from genkit.ranking.rows import Row


def document(board: Board) -> dict[str, Any]:
    """A board as plain JSON values."""
    return {
        "dataset": board.dataset,
        "score": board.score,
        "direction": board.direction,
        "fingerprint": board.fingerprint,
        "blind_to_memorisation": list(board.blind_to_memorisation),
        **({"mixed_code": {name: list(codes) for name, codes in mixed.items()}} if (mixed := board.mixed_code) else {}),
        "rows": [_row(row, "model") for row in board.rows] + [_row(row, "baseline") for row in board.calibration],
        "failed": [
            {"model": each.job.model, "seed": each.job.seed, "options": each.job.options, "reason": each.reason}
            for each in board.failed
        ],
        **({"unreadable": list(board.problems)} if board.problems else {}),
        "left_out": [{"record": record, "reason": reason} for record, reason in board.left_out],
    }


def _row(row: Row, kind: str) -> dict[str, Any]:
    costs = [record.training.seconds for record in row.records if record.training]
    parameters = row.other.get("parameters")
    return {
        "kind": kind,
        "model": row.label,
        "rank_best": row.best_rank,
        "rank_worst": row.worst_rank,
        "value": row.value,
        "ci_low": row.ci_low,
        "ci_high": row.ci_high,
        "noise": row.noise,
        "evaluation_stderr": row.evaluation_stderr,
        "seeds": row.seeds,
        "values": [score.value for score in row.values()],
        "best_checkpoint": row.best_value,
        "seconds_to_best": row.time_to_best,
        "n": row.score.n if row.score else None,
        "scores": {name: score.value for name, score in row.other.items()},
        "blank": row.blank,
        "runs": [record.training.run for record in row.records if record.training],
        "parameters": parameters.value if parameters else None,
        "train_seconds": fmean(costs) if costs else None,
    }


def comma_separated(board: Board) -> str:
    """A board as CSV with a header line."""
    rows = document(board)["rows"]
    plain = [key for key in rows[0] if key not in ("scores", "values", "blank", "runs")] if rows else []
    names = list(dict.fromkeys(name for row in rows for name in row["scores"] if name not in plain))
    cells = [
        [*(row[key] for key in plain), *(row["scores"].get(name) for name in names), " ".join(row["runs"])]
        for row in rows
    ]
    return text.comma_separated([[*plain, *names, "runs"], *cells])
