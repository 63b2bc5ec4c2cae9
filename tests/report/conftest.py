"""A leaderboard that has all that a page can show, with hostile names."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from making import record, score, training

from genkit.data.images import png
from genkit.ranking.board import rank
from genkit.report.leaderboard import Leaderboard
from genkit.results import store
from genkit.results.jobs import Job, Outcome

HOSTILE = "<script>alert(1)</script>"
MARKED = "<b>wgan</b>&amp;"
"""Names that scripts, and Plotly, would take for markup."""
MODELS = ("vae", "dcgan", HOSTILE, MARKED)
PARAMETERS = (200_000.0, 30_000.0, 9_500.0, 40.0)
"""Of another order than their texts are."""
PNG = png(np.zeros((8, 8, 3), np.uint8))
EXHIBITS = {
    "samples.png": PNG,
    "memorised.png": PNG,
    "memorised.json": json.dumps({"ratio": [0.12, 0.9], "sample": [1, 2], "training": [3, 4]}).encode(),
    "reconstructions.png": PNG,
    "curves.json": json.dumps({"images": [1, 2, 3], "curves": {"loss": [3, None, 1], HOSTILE: [1, 2, 3]}}).encode(),
}


def records(dataset="digits", seeds=2):
    """Four models, the best first, with costs, classes and a column that one of them lacks; a baseline at another n."""
    found = []
    for place, name in enumerate(MODELS):
        for seed in range(seeds):
            value = 2.0 * (1 + place) * math.exp(0.02 * seed)
            trained = training(seed=seed, seconds=30.0 * (1 + place))
            scores = [
                score(value, half=0.1),
                score(1 - value / 20, name="recall[digits-cnn]", half=0.01, direction="higher"),
                score(value, name="fid_per_class[digits-cnn]", half=0.1, parts={"zero": value, HOSTILE: 2 * value}),
                score(PARAMETERS[place], name="parameters", half=0, choices={}),
            ]
            if place == 0:
                scores.append(score(-90.0, name="elbo", half=1, direction="higher", unit="nats", choices={}))
            absent = {} if place == 0 else {"elbo": f"{name} has no likelihood bound"}
            options = {"latent": 20, HOSTILE: HOSTILE, "rate": None, "nested": {"ddof": 1}}
            facts = {"options": options, "dataset": dataset, "absent": absent, "command": HOSTILE}
            found.append(record(name, *scores, trained=trained, **facts))
            early = dataclasses.replace(trained, images=1000, finished=False, seconds=1.0, checkpoint_sha256="1" * 64)
            if place == 0:
                found.append(record(name, score(value / 2), trained=early, **facts))
    found.append(record("copycat", score(0.1, half=0.01), kind="baseline", dataset=dataset))
    found.append(record("real test", score(0.5, half=0.01), kind="baseline", dataset=dataset))
    smaller = score(0.4, name="fid[digits-cnn]@360", half=0.05, n=360, choices={"samples.count": 360})
    found.append(record("blurred", smaller, kind="baseline", dataset=dataset))
    found.append(record("noise", score(90.0), kind="baseline", dataset=dataset))
    found.append(record(HOSTILE, score(3.0, choices={"samples.count": 9}), options={"other": 1}, dataset=dataset))
    return found


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """All there can be: two data sets, several seeds, checkpoints, exhibits, a failed job, a problem."""
    folder = tmp_path_factory.mktemp("store")
    known = records()
    for each in known[:8]:
        store.add(folder, each, EXHIBITS)
    origins = store.read(folder).origins
    job = Job("hvae", "genkit-vaes", "0.1.0", {}, "sha", 3, 1000, 64, {})
    board = dataclasses.replace(
        rank(known, dataset="digits", score="fid"),
        failed=(Outcome(job, "failed", reason=f"the loss is not finite {HOSTILE}"),),
        problems=(f"{HOSTILE} is not a record",),
    )
    elsewhere = (rank(records("fashion"), dataset="fashion", score="fid"),)
    return Leaderboard(board, elsewhere=elsewhere, records=tuple(known), origins=origins)


@pytest.fixture(scope="session")
def page(whole):
    return whole.html()
