"""Records for tests of records, store, ranking and reports: few arguments, sound defaults; changed documents."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from genkit.files.integrity import sealed, unsealed
from genkit.results.records import Record, RecordedScore, Subject, Training

CHOICES = {"data.name": "digits", "samples.count": 5000, "features.extractor": "digits-cnn"}
SWEPT = ("fid[digits-cnn]", "class_accuracy[digits-cnn]", "recall[digits-cnn]", "precision[digits-cnn]")
_ticks = itertools.count()


def score(value, *, name="fid[digits-cnn]", half=1.0, **changes):
    """A score with a symmetric interval of half-width ``half``."""
    facts = {
        "name": name,
        "metric": name.partition("[")[0],
        "version": 1,
        "direction": "lower",
        "value": value,
        "stderr": half / 1.96,
        "ci_low": value - half,
        "ci_high": value + half,
        "method": "two-sample block jackknife",
        "n": 5000,
        "choices": dict(CHOICES),
    }
    return RecordedScore(**{**facts, **changes})


def training(*, seed=0, **changes):
    """Where the weights come from; every call without ``run`` is another run."""
    facts = {
        "run": f"{next(_ticks):04x}",
        "checkpoint_sha256": "0" * 64,
        "seed": seed,
        "images": 400_000,
        "budget": "400,000 images",
        "batch": 64,
        "seconds": 60.0,
        "weights": "ema",
    }
    return Training(**{**facts, **changes})


def record(name, *scores, kind="model", options=None, trained=None, dist="genkit-gans", **changes):
    """A record on digits; each call is newer than the one before."""
    tick = next(_ticks)
    facts = {
        "created": f"2026-01-01T{tick // 3600:02d}:{tick // 60 % 60:02d}:{tick % 60:02d}.000+00:00",
        "dataset": "digits",
        "subject": Subject(name, kind=kind, dist=dist, options=options or {}),
        "protocol": {"data": {"name": "digits"}, "samples": {"count": 5000}},
        "scores": scores,
        "training": trained if trained is not None or kind != "model" else training(),
    }
    return Record(**{**facts, **changes})


def point(trained, names=SWEPT, /, *, value=1.0, own=None, options=None, choices=None, **sampling):
    """A record of a run whose own guidance is 1, unless ``own`` says otherwise, drawn with ``sampling``."""
    known = {**CHOICES, **(choices or {})}
    scores = [score(value + place, name=name, choices=known) for place, name in enumerate(names)]
    trained = replace(trained, sampling={"guidance": 1.0} if own is None else own)
    protocol = {"data": {"name": "digits"}, "samples": {"count": known["samples.count"]}}
    made = record("gpt", *scores, trained=trained, options=options, protocol=protocol)
    return replace(made, subject=replace(made.subject, sampling=sampling))


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a document that genkit wrote, such as run.json, and let its own hash fit again."""
    document = unsealed(path.read_bytes(), path)
    change(document)
    path.write_bytes(sealed(document))
