"""Where a run's pictures are from."""

from __future__ import annotations

import hashlib

from genkit.training.api import train
from genkit.training.origin import origin_of, weights_of
from genkit.training.runs import load


def test_an_origin_names_run_and_weights_by_their_hashes(digits, tmp_path):
    run = train("ppca", digits, root=tmp_path)
    model, path = load(run), run.newest_checkpoint()
    origin = origin_of(run, model, path, "sample", seed=4, count=9)
    assert (origin.kind, origin.seed, origin.count, origin.size) == ("sample", 4, 9, (8, 8))
    assert origin.run_sha256 == hashlib.sha256((run.path / "run.json").read_bytes()).hexdigest()
    assert origin.checkpoint_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (origin.run, origin.dataset, origin.dataset_sha256) == (run.id, "digits", digits.sha256)
    assert str(tmp_path) not in repr(origin)
    unsaved = origin_of(run, model, None, "preview", seed=0)
    assert unsaved.checkpoint == unsaved.checkpoint_sha256 == ""


def test_weights_are_raw_if_asked_for_or_without_averages(digits, tmp_path):
    model = load(train("ppca", digits, root=tmp_path))
    model.ema = 0.99
    assert (weights_of(model, raw=False), weights_of(model, raw=True)) == ("ema", "raw")
    model.ema = 0.0
    assert weights_of(model, raw=False) == "raw"
