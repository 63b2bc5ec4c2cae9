"""A sweep: one run measured at several values of its options of drawing, such as guidance.

Reference features are shared, and each point is a record of its own. Boards rank the run's own point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genkit.data import ImageDataset
from genkit.errors import UsageError
from genkit.evaluation.already_measured import missing
from genkit.evaluation.config import COUNT, EvalConfig
from genkit.evaluation.evaluate import Evaluation, evaluate, resolve_config
from genkit.evaluation.evaluator import Evaluator
from genkit.features.cache import Progress, quiet
from genkit.files.integrity import sha256_file
from genkit.models.drawing import draw_with, sampling_of
from genkit.results import store
from genkit.training.origin import weights_of
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import Run, load, named_run


def sweep(
    run: Run | Path | str,
    values: Mapping[str, Sequence[Any]],
    config: EvalConfig | None = None,
    *,
    dataset: ImageDataset | Path | str | None = None,
    evaluator: Evaluator | None = None,
    checkpoint: Path | None = None,
    raw: bool = False,
    on_point: Callable[[Evaluation], None] | None = None,
    progress: Progress = quiet,
    **options: Any,
) -> list[Evaluation]:
    """Measure a run at each combination of values, e.g. ``{"guidance": [1, 1.5, 2]}``; one record a point.

    A point that a record of the run's folder holds already, under the same protocol, is not measured again, so that a
    sweep that was interrupted goes on. ``on_point`` is called with each. Raises UsageError for no values, OptionsError
    for an option that the model does not draw with, before anything is measured; otherwise as ``evaluate``.
    """
    if not isinstance(run, Run):
        run = named_run(run)
    if not values or not all(values.values()):
        raise UsageError("a sweep needs an option of drawing and its values, such as guidance=1,1.5,2")
    points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
    for point in points:
        draw_with(run.make_model(), point, run.config.model)
    evaluator = evaluator or Evaluator(open_run_dataset(run, dataset), resolve_config(config, options, COUNT), progress)
    path = checkpoint or run.newest_checkpoint()
    done = []
    for point in points:
        found = _measured(run, path, point, evaluator, raw)
        done.append(found or evaluate(run, evaluator=evaluator, checkpoint=path, raw=raw, sampling=point))
        if on_point is not None:
            on_point(done[-1])
    return done


def _measured(
    run: Run, checkpoint: Path, point: Mapping[str, Any], evaluator: Evaluator, raw: bool
) -> Evaluation | None:
    """Return the record that holds a point under the evaluator's protocol, if there is one."""
    model = load(run, checkpoint_path=checkpoint, raw=raw, sampling=point)
    weights = sha256_file(checkpoint), weights_of(model, raw)
    for stored in store.scan(run.path, store.log_left_out):
        record = stored.record
        training = record.training
        same = training is not None and (training.checkpoint_sha256, training.weights) == weights
        if (
            same
            and record.subject.sampling == sampling_of(model)
            and not missing(evaluator, [record], evaluator.specs, model, evaluator.config.count)
        ):
            return Evaluation(record, Path(stored.path))
    return None
