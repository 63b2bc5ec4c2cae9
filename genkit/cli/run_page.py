"""What is shown of an evaluated run: its page, and of a tuned run its parent's scores and its new images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from genkit.cli.output import echo
from genkit.errors import of_system

if TYPE_CHECKING:
    from genkit.evaluation.evaluate import Evaluation
    from genkit.report.text import Calibration
    from genkit.results.records import Record, RecordedScore
    from genkit.training.runs import Run


def calibration_folder(run: Run, root: Path) -> Path:
    """Return where the calibration baselines of a run's data are kept."""
    return root / run.config.dataset_slug / "calibration"


def write_page(run: Run, record: Record, root: Path) -> tuple[str | None, Calibration]:
    """Write a run's page and return its path, and the calibration baselines that have scores of the same protocols.

    A page that can't be written is said on stderr, and its path is None: the record is kept.
    """
    from genkit.evaluation.calibration import calibration
    from genkit.files.writing import write_atomic
    from genkit.report.html import run_page

    fingerprints = {score.fingerprint for score in record.scores}
    known = calibration(calibration_folder(run, root))
    known = {**_parents_scores(run), **known}
    baselines = {name: scores for name, scores in known.items() if fingerprints & set(scores)}
    page = run.path / "report.html"
    try:
        write_atomic(page, run_page(record, run.path, baselines).encode())
    except OSError as error:
        echo(f"the record is kept, but its report is not written: {of_system(error)}", err=True)
        return None, baselines
    return str(page), baselines


def parent_name(run: Run) -> str:
    """Return what the column of a tuned run's parent is called; empty for other runs."""
    return f"parent {run.config.tuning.run}" if run.config.tuning is not None else ""


def _parents_scores(run: Run) -> dict[str, dict[str, RecordedScore]]:
    """Return the scores of a tuned run's parent by fingerprint, the newest of each, if it was measured here."""
    from genkit.results import store

    if run.config.tuning is None:
        return {}
    folder = run.path.parent / run.config.tuning.run
    of_parent = [
        record
        for record in store.known(folder)
        if record.at_own_point and record.training and record.training.checkpoint_sha256 == run.config.parent
    ]
    return {parent_name(run): {score.fingerprint: score for record in of_parent for score in record.scores}}


def concept_lines(done: Evaluation) -> list[str]:
    """Return what was measured of the images that a run was tuned to; nothing of other runs."""
    from genkit.report.concept import concept
    from genkit.results import store

    assert done.path is not None
    found = concept(store.exhibits(done.path.parent.parent, done.record.id))
    return found.lines() if found is not None else []
