"""Properties of every VAE of the package: all shapes, presets, a line in the README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from genkit_vaes.plugin import genkit_models

from genkit.latent.editing import Masked, Search, search_latents
from genkit.latent.walks import walk_along, walk_between
from genkit.models import Batch, DataInfo, Step, capabilities
from genkit.registry.specs import ModelSpec
from genkit.training.phases import PhaseRunner
from genkit.training.runs import make_model, model_class

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 30, 21)]
SPECS = {spec.name: spec for spec in genkit_models()}
SMALL: dict[str, dict[str, Any]] = {
    "vae": {"width": 16},
    "iwae": {"width": 16, "importance_samples": 2},
    "vamp-vae": {"width": 4, "pseudo_inputs": 3},
    "flow-vae": {"width": 4, "flow_width": 8, "latent": 5},
    "hvae": {"width": 6, "mixtures": 2},
    "vq-vae": {"width": 4, "codes": 8, "size": 4},
}
LIKELIHOODS = {
    "vae": ("gaussian", "bernoulli"),
    "iwae": ("gaussian", "bernoulli"),
    "conv-vae": ("logistic", "mixture", "categorical", "bernoulli"),
    "hvae": ("logistic", "mixture", "categorical", "bernoulli"),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SPECS)
def test_it_trains_and_draws_on_every_shape(name: str, shape: tuple[int, int, int]) -> None:
    for likelihood in LIKELIHOODS.get(name, ("",)):
        options = SMALL.get(name, {"width": 4}) | ({"likelihood": likelihood} if likelihood else {})
        torch.manual_seed(0)
        model = make_model(name, options, DataInfo(shape, levels=17))
        images = torch.randint(0, 17, (4, *shape)) / 16
        phases = model.phases()
        runner = PhaseRunner(model, phases, 0, torch.device("cpu"))
        model.train()
        for phase in phases:
            runner.run(phase, Batch(images), runner.step(0, 0, 4, 0, phase.name))
        model.eval()
        drawn = model.sample(2, generator=torch.Generator().manual_seed(0))
        reconstructed = model.reconstruct(images)  # type: ignore[operator]
        assert drawn.shape == (2, *shape) and reconstructed.shape == images.shape
        assert drawn.min() >= 0 and drawn.max() <= 1
        if "log_likelihood" in capabilities(model):
            bound = model.log_likelihood(images, generator=torch.Generator(), importance_samples=2)  # type: ignore[operator]
            assert bound.shape == (4,) and bound.isfinite().all()


@pytest.mark.parametrize("name", SPECS)
def test_its_losses_are_finite_and_float32_under_autocast(name: str) -> None:
    torch.manual_seed(0)
    model = make_model(name, SMALL.get(name, {"width": 4}), DataInfo((1, 8, 8), levels=17))
    images = torch.randint(0, 17, (4, 1, 8, 8)) / 16
    for phase in model.phases():
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(phase.name, Batch(images), Step(0, 0, torch.Generator().manual_seed(0)))
        assert loss.dtype == torch.float32
        loss.backward()
        assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("name", SPECS)
def test_its_latents_can_be_walked_through_and_searched(name: str) -> None:
    torch.manual_seed(0)
    model = make_model(name, SMALL.get(name, {"width": 4}), DataInfo((1, 8, 8), levels=17))
    assert walk_between(model, 2, 3).shape == walk_along(model, [0, 1], 3).shape == (6, 1, 8, 8)
    mask = torch.ones(8, 8).triu()
    target = torch.rand(2, 1, 8, 8) * mask
    found = search_latents(model, target, Masked(mask), Search(steps=2, starts=2))
    torch.testing.assert_close(found * mask, target)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("name", SPECS)
def test_it_has_presets_for_two_cores_and_for_a_gpu(name: str) -> None:
    presets = dict(model_class(name).presets)
    assert set(presets) == {"digits", "mnist", "default", "gpu"}
    gpu = presets.pop("gpu")
    assert all(gpu.images >= 5 * preset.images for preset in presets.values())


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_readme_has_its_paper(spec: ModelSpec) -> None:
    readme = Path(__file__).parents[1].joinpath("README.md").read_text()
    (row,) = (line for line in readme.splitlines() if line.startswith(f"| `{spec.name}` |"))
    assert spec.paper and spec.paper in row
