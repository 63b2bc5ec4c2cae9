"""A checkpoint is measured as if training had ended there: what training would still have fitted is fitted."""

from __future__ import annotations

import pytest
import torch

from genkit.evaluation.closed_form import load_for_evaluation
from genkit.training.api import train
from genkit.training.runs import load
from genkit.training.settings import Settings

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def rae(digits, tmp_path_factory):
    """A run whose mixture was fitted after its last step, as one that ended at its milestone's images."""
    root = tmp_path_factory.mktemp("runs")
    return [
        train("rae-gmm", digits, images=images, batch=64, milestones=kept, root=root, device="cpu")
        for images, kept in ((1280, 1), (640, 0))
    ]


def equal(one, other):
    states = one.state_dict(), other.state_dict()
    return {name for name in states[0] if not torch.equal(states[0][name], states[1][name])}


def test_a_milestones_closed_forms_are_fitted_to_its_own_weights(rae, digits):
    whole, half = rae
    (path,) = whole.milestones()
    model = load_for_evaluation(whole, path, digits.train, CPU)
    assert not torch.equal(model.means, load(whole, checkpoint_path=path).means)
    ended = load(half)
    assert all(torch.equal(a, b) for a, b in zip(model.encoder.parameters(), ended.encoder.parameters(), strict=True))
    mean = model.weights @ model.means
    assert mean == pytest.approx(
        ended.weights @ ended.means, abs=1e-4
    )  # a mixture has the mean of what it is fitted to
    assert torch.equal(load_for_evaluation(whole, path, digits.train, CPU).means, model.means)
    assert not model.training


def test_the_last_checkpoint_is_as_it_is(rae, digits):
    assert equal(load_for_evaluation(rae[0], rae[0].newest_checkpoint(), digits.train, CPU), load(rae[0])) == set()


@pytest.mark.parametrize("raw", [False, True])
def test_averages_are_those_of_the_milestone(toy_models, digits, tmp_path, raw):
    run = train("toy-gan", digits, images=320, batch=16, milestones=1, root=tmp_path, device="cpu")
    (path,) = run.milestones()
    assert (
        equal(load_for_evaluation(run, path, digits.train, CPU, raw=raw), load(run, checkpoint_path=path, raw=raw))
        == set()
    )


def test_averages_take_over_what_is_fitted_and_nothing_is_fitted_before_a_stage_that_is_trained(
    toy_models, digits, tmp_path, monkeypatch
):
    settings = Settings(checkpoint_seconds=0.0, keep=100)
    run = train("toy-stages", digits, images=320, batch=16, root=tmp_path, device="cpu", settings=settings)
    first = run.checkpoints()[0]
    assert equal(load_for_evaluation(run, first, digits.train, CPU), load(run, checkpoint_path=first)) == set()
    monkeypatch.setattr("toys.ToyStages.phases", lambda self: [])
    for raw in (False, True):
        model = load_for_evaluation(run, first, digits.train, CPU, raw=raw)
        assert model.prepared.tolist() == [1, 1, 1]
        assert equal(model, load(run, checkpoint_path=first, raw=raw)) == {"prepared", "shift.spread"}
