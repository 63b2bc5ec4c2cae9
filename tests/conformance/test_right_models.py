"""Every installed model keeps the contract; to register a model is to be tested."""

from __future__ import annotations

import pytest

from genkit.conformance import check
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec

MODELS = [offer.qualified for offer in registry().offers(ModelSpec)]
SMALL = {name: {"width": 64, "layers": 2, "channels": 16} for name in MODELS if name.startswith("genkit-tokens:")}
"""The options of models whose default size takes minutes; the same code, and they learn as much."""
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", MODELS)
def test_an_installed_model_passes_every_check(name: str) -> None:
    report = check(name, options=SMALL.get(name))
    assert report.ok, str(report)
    assert {"hooks-light", "sample-images", "checkpoint", "training-repeats"} <= set(report.named("passed"))


def test_nothing_about_the_plugins_models_is_unverified() -> None:
    for name in ("genkit-gans:gan", "genkit-vaes:vae"):
        if name in MODELS:
            assert not [result for result in check(name).results if result.reason.startswith("unverified")]
