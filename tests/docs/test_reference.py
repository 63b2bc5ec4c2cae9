"""The reference lists every public name, so that none is added without a line of documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import genkit
import genkit.metrics
import genkit.models.likelihoods
from genkit.registry import hookspecs

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
DIRECTIVE = re.compile(r"^\.\. auto(?:function|class):: (\S+)$", re.MULTILINE)
DOCUMENTED = {name for page in REFERENCE.glob("*.md") for name in DIRECTIVE.findall(page.read_text())}


@pytest.mark.parametrize("name", [name for name in genkit.__all__ if name != "metrics"])
def test_every_public_name_of_genkit_is_documented(name):
    assert f"genkit.{name}" in DOCUMENTED, f"docs/reference/api.md lacks genkit.{name}"


@pytest.mark.parametrize("name", genkit.metrics.__all__)
def test_every_metric_function_is_documented(name):
    assert f"genkit.metrics.{name}" in DOCUMENTED, f"docs/reference/api.md lacks genkit.metrics.{name}"


@pytest.mark.parametrize("name", [n for n in genkit.models.likelihoods.__all__ if n != "Binarisation"])
def test_every_likelihood_is_documented(name):
    assert f"genkit.models.likelihoods.{name}" in DOCUMENTED


@pytest.mark.parametrize(
    "name",
    [
        *("models.gan.GANOptions", "models.gan.ConditionalGAN", "data.dataset.Split", "data.source.Item"),
        *("data.source.Source", "data.source.SourceItems", "data.source.DatasetRequest"),
        *("benchmark.engine.EngineRequest", "benchmark.engine.Engine", "benchmark.engine.Future"),
        *("features.extractor.Extractor", "features.extractor.FeatureRequest", "metrics.Evidence"),
    ],
)
def test_what_a_plugin_is_given_or_inherits_is_documented(name):
    assert f"genkit.{name}" in DOCUMENTED, f"docs/reference/api.md lacks genkit.{name}"


def test_every_attribute_that_a_model_states_is_documented():
    listed = re.search(
        r"autoclass:: genkit.GenerativeModel\n   :members: (.*)\n   :undoc-members:", (REFERENCE / "api.md").read_text()
    )
    stated = {
        name for name in vars(genkit.GenerativeModel)["__annotations__"] if name not in ("Options", "augmentation")
    }
    assert stated <= set(listed.group(1).split(", "))


def test_every_hook_is_documented():
    text = (REFERENCE / "api.md").read_text()
    for name in vars(hookspecs):
        assert not name.startswith("genkit_") or name in text, f"docs/reference/api.md lacks the hook {name}"
