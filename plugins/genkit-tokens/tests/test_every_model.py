"""Properties of every token model of the package: all shapes, presets, a line in the README."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from genkit_tokens.borrowed import borrow, hash_of
from genkit_tokens.plugin import genkit_models
from genkit_tokens.presets import MANY_IMAGES

from genkit.conformance.under_test import blobs
from genkit.errors import UsageError
from genkit.models import Batch, DataInfo, Step, capabilities
from genkit.registry.specs import ModelSpec
from genkit.training import checkpoint
from genkit.training.api import resume, train
from genkit.training.phases import PhaseRunner
from genkit.training.runs import find_runs, load, make_model, model_class
from genkit.training.settings import Settings

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 30, 21)]
SPECS = {spec.name: spec for spec in genkit_models()}
SMALL: dict[str, Any] = {"channels": 4, "width": 16, "layers": 1, "heads": 2}
CLASSES: dict[str, Any] = {"num_classes": 3, "class_frequencies": (0.2, 0.3, 0.5)}


@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "unlabelled"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SPECS)
def test_it_trains_and_draws_on_every_shape(name: str, shape: tuple[int, int, int], labelled: bool) -> None:
    torch.manual_seed(0)
    model = make_model(name, SMALL, DataInfo(shape, 17, **(CLASSES if labelled else {})))
    images = torch.randint(0, 17, (4, *shape)) / 16
    labels = torch.tensor([0, 1, 2, 0]) if labelled else None
    phases = model.phases()
    runner = PhaseRunner(model, phases, 0, torch.device("cpu"))
    for phase in phases:
        runner.train_mode(phase.stage)
        runner.run(phase, Batch(images, labels), runner.step(0, 0, 4, phase.stage, phase.name))
    model.eval()
    for condition in (labels, None):
        drawn = model.sample(4, generator=torch.Generator().manual_seed(0), condition=condition)
        assert drawn.shape == (4, *shape)
        assert drawn.min() >= 0 and drawn.max() <= 1
    assert model.reconstruct(images).shape == images.shape  # type: ignore[operator]
    if "log_likelihood" in capabilities(model):
        bound = model.log_likelihood(images, generator=torch.Generator())  # type: ignore[operator]
        assert bound.shape == (4,) and bound.isfinite().all()


@pytest.mark.parametrize("name", SPECS)
def test_its_losses_are_finite_and_float32_under_autocast(name: str) -> None:
    torch.manual_seed(0)
    model = make_model(name, SMALL, DataInfo((1, 8, 8), 17, **CLASSES))
    images, labels = torch.randint(0, 17, (4, 1, 8, 8)) / 16, torch.tensor([0, 1, 2, 0])
    for phase in model.phases():
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            step = Step(0, 0, torch.Generator().manual_seed(0), phase.stage)
            loss = model.loss(phase.name, Batch(images, labels), step)
            tokens = model.tokens(images)  # type: ignore[operator]
        assert loss.dtype == torch.float32
        loss.backward()
        assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
        assert tokens.equal(model.tokens(images))  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_a_training_killed_anywhere_ends_in_the_same_bits(name: str, tmp_path: Path) -> None:
    """Ten random moments, on both sides of the border between the stages, and the border itself."""
    data = blobs((1, 8, 8), 17, 3)
    options = {**SMALL, "dropout": 0.1, **({"codes": 8, "size": 3} if name == "var" else {"levels": [4, 3]})}
    settings: dict[str, Any] = {
        "options": options,
        "images": 24 * 16,
        "batch": 16,
        "device": "cpu",
        "settings": Settings(checkpoint_seconds=0.0, keep=2, previews=0),
    }
    whole = checkpoint.load(train(name, data, root=tmp_path / "whole", **settings).newest_checkpoint())[0]
    moments = random.Random(0).sample([moment for moment in range(1, 24) if moment != 6], 9)
    for moment in (6, *moments):
        folder = tmp_path / str(moment)

        def stop(event: dict[str, Any], moment: int = moment) -> None:
            if event["kind"] == "checkpoint" and event["step"] == moment:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(name, data, root=folder, on_event=stop, **settings)
        (cut,) = find_runs(folder)
        ended = checkpoint.load(resume(cut, dataset=data).newest_checkpoint())[0]
        assert ended.keys() == whole.keys()
        assert [key for key in whole if not torch.equal(whole[key], ended[key])] == []


def test_a_tokenizer_of_another_run_is_used_as_it_is(tmp_path: Path) -> None:
    data, options = blobs((1, 8, 8), 17, 3), {**SMALL, "levels": [4, 3]}
    budget: dict[str, Any] = {"batch": 16, "device": "cpu", "root": tmp_path}
    first = train("vq-gpt", data, options=options, images=160, **budget)
    second = train("maskgit", data, options={**options, "tokenizer": str(first.path)}, images=64, **budget)
    one, other = load(first), load(second)
    state, borrowed = one.tokenizer.state_dict(), other.tokenizer.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(state[name], borrowed[name]) for name in state)
    assert other.options.tokenizer == f"{first.path}@{hash_of(state)}" == second.config.options["tokenizer"]
    log = (second.path / "log.jsonl").read_text()
    assert "transformer" in log and "perplexity" not in log
    for changed, said in (({"channels": 8}, "-o channels=4"), ({"levels": [3, 3]}, r"-o levels=\[4, 3\]")):
        with pytest.raises(UsageError, match=said):  # the second has weights of the same shapes
            train("maskgit", data, options={**options, **changed, "tokenizer": str(first.path)}, images=64, **budget)
    with pytest.raises(UsageError, match="other levels"):
        train("maskgit", blobs((1, 8, 8), 9, 3), options={**options, "tokenizer": str(first.path)}, images=64, **budget)
    with pytest.raises(UsageError, match="no longer the one"):
        borrow(other, f"{first.path}@0123456789abcdef")


@pytest.mark.parametrize("name", SPECS)
def test_it_has_presets_for_two_cores_and_for_a_gpu(name: str) -> None:
    presets = dict(model_class(name).presets)
    assert {"digits", "mnist", "default", "gpu"} <= set(presets)
    gpu = presets.pop("gpu")
    assert all(gpu.images >= 5 * preset.images for preset in presets.values())


@pytest.mark.parametrize("name", SPECS)
def test_data_of_unknown_size_is_trained_on_with_dropout(name: str) -> None:
    presets = model_class(name).presets
    dropouts = {key: preset.options.get("dropout", 0.0) for key, preset in presets.items()}
    assert {dropouts[name] for name in MANY_IMAGES} == {0.0} and dropouts["default"] == 0.3


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_readme_has_its_paper(spec: ModelSpec) -> None:
    readme = Path(__file__).parents[1].joinpath("README.md").read_text()
    (row,) = (line for line in readme.splitlines() if line.startswith(f"| `{spec.name}` |"))
    assert spec.paper and spec.paper in row


def test_architectures_are_short() -> None:
    sources = Path(__file__).parents[1].joinpath("src/genkit_tokens").glob("*.py")
    assert all(len(path.read_text().splitlines()) <= 200 for path in sources)
