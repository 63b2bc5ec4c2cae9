"""The models of the page on any family, taken from it as they stand: checked, trained, measured, resumed exactly."""

from __future__ import annotations

import pytest
import torch
from pages import DOCS, blocks, offered

from genkit.conformance import check
from genkit.evaluation.evaluate import evaluate
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec
from genkit.training import checkpoint
from genkit.training.api import resume, train
from genkit.training.runs import find_runs, load
from genkit.training.settings import Settings

PAGE = DOCS / "howto" / "any-family.md"
MODELS = {"tiny-diffusion": "diffusion", "tiny-flow": "flow", "tiny-codes": "codes"}
STAGES = [(name, stage) for name in MODELS for stage in range(2 if name == "tiny-codes" else 1)]
STEPS = 20
BATCH = 16
EVERY_STEP = Settings(checkpoint_seconds=0.0, keep=2, previews=0)


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """Install the page's package for the tests of this module."""
    with offered(PAGE, tmp_path_factory.mktemp("families")):
        yield


@pytest.mark.parametrize("module", MODELS.values())
def test_a_model_of_the_page_is_short(module):
    assert len(blocks(PAGE)[f"src/genkit_families/{module}.py"].splitlines()) <= 90


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_the_page_passes_every_check(name, families):
    report = check(name)
    assert report.ok, str(report)
    assert {"hooks-light", "sample-seeded", "checkpoint", "training-repeats", "resume"} <= set(report.named("passed"))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_the_page_learns_draws_and_is_measured(name, families, digits, tmp_path):
    values = []
    for images in (640, 32_000):
        run = train(name, digits, images=images, batch=64, root=tmp_path, device="cpu")
        record = evaluate(run, metrics="fid,bits_per_dim,class_accuracy,mse", count=500).record
        values.append({score.metric: score.value for score in record.scores})
    early, late = values
    assert late["fid"] < early["fid"] / 3
    assert ("bits_per_dim" in late) == (name == "tiny-flow")
    if name == "tiny-flow":
        assert late["bits_per_dim"] < 2.6 < early["bits_per_dim"]
    if name == "tiny-diffusion":
        assert late["class_accuracy"] > 0.6 > early["class_accuracy"]
        drawn = load(run).sample(200, generator=torch.Generator().manual_seed(0))  # of classes that it draws itself
        assert drawn.shape == (200, *digits.info().shape)
    if name == "tiny-codes":
        assert late["mse"] < early["mse"] / 3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_a_model_of_the_page_resumes_exactly_within_every_stage(name, stage, families, digits, tmp_path):
    stages = registry().find(ModelSpec, name).spec.load().stages
    settings = {"images": STEPS * BATCH * stages, "batch": BATCH, "device": "cpu", "settings": EVERY_STEP}
    whole = train(name, digits, root=tmp_path / "whole", **settings)

    def stop(event):
        if event["kind"] == "checkpoint" and event["step"] == stage * STEPS + STEPS // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(name, digits, root=tmp_path / "cut", on_event=stop, **settings)
    (cut,) = find_runs(tmp_path / "cut")
    ends = [checkpoint.load(run.newest_checkpoint())[0] for run in (whole, resume(cut, dataset=digits))]
    assert ends[0].keys() == ends[1].keys()
    assert [key for key in ends[0] if not torch.equal(ends[0][key], ends[1][key])] == []


@pytest.mark.slow
def test_the_flows_bound_adds_up_to_at_most_1_over_all_images_there_are(families):
    from genkit.models import DataInfo

    flow = registry().find(ModelSpec, "tiny-flow").spec.load()
    torch.manual_seed(0)
    model = flow(flow.Options(width=16), DataInfo((1, 2, 2), levels=3)).eval()
    images = torch.cartesian_prod(*[torch.arange(3)] * 4).view(81, 1, 2, 2) / 2
    with torch.no_grad():
        bound = model.log_likelihood(images, generator=torch.Generator().manual_seed(0), importance_samples=1000)
    assert 0.5 < float(bound.exp().sum()) < 1.02
