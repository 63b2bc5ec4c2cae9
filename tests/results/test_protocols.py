"""Each preset's parameters give its reference's own number on the same features; tests/evaluation has whole images."""

from __future__ import annotations

import numpy as np
import pytest
import references
import torch

from genkit.errors import DataError
from genkit.evaluation.samples import QUANTISATION
from genkit.metrics import Evidence
from genkit.registry.discovery import registry
from genkit.registry.specs import MetricSpec
from genkit.results.protocols import PROTOCOLS


def features(n, seed, scale=1.0, d=8):
    """Float32 rows far from 0, which tell means in single precision from exact ones."""
    rows = np.random.default_rng(seed).standard_normal((n, d)) * scale + 5
    return rows.astype(np.float32)


REAL, GENERATED = features(1400, 0), features(1200, 1, 1.05)
EXACT = REAL.astype(np.float64), GENERATED.astype(np.float64)
"""For kernels, whose products genkit computes in the features' precision."""
LOGITS = np.random.default_rng(2).standard_normal((1009, 10)).astype(np.float32) * 3


def measured(preset, metric, real=REAL, generated=GENERATED, logits=LOGITS):
    """A metric of features as an evaluation under a preset measures it."""
    spec = registry().find(MetricSpec, metric).spec
    parameters = {**spec.defaults, **PROTOCOLS[preset].parameters.get(metric, {})}
    evidence = Evidence.of_arrays(
        real_features=real, generated_features=generated, generated_logits=logits, parameters=parameters
    )
    return spec.load()(evidence)


def fidelity_moments(rows):
    metric_fid = pytest.importorskip("torch_fidelity.metric_fid")
    found = metric_fid.fid_features_to_statistics(torch.from_numpy(rows))
    return found["mu"], found["sigma"]


@pytest.mark.parametrize(
    ("preset", "moments"),
    [
        ("genkit", references.moments),
        ("torch-fidelity", fidelity_moments),
        ("torchmetrics", references.moments),
        ("clean-fid", lambda rows: references.moments(rows, np.float32)),
        ("pytorch-fid", references.moments),
        ("stylegan3", references.stylegan3_moments),
    ],
)
def test_frechet_distances_are_of_the_references_moments(preset, moments):
    expected = references.frechet(moments(REAL), moments(GENERATED))
    assert measured(preset, "fid").value == pytest.approx(expected, rel=1e-9)


def torch_fidelitys(real, generated):
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    two = torch.from_numpy(generated), torch.from_numpy(real)
    return metric_kid.kid_features_to_metric(*two, verbose=False)[metric_kid.KEY_METRIC_KID_MEAN]


def torchmetrics(real, generated):
    kid = pytest.importorskip("torchmetrics.image.kid")
    metric = kid.KernelInceptionDistance(torch.nn.Identity())
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(generated), real=False)
    return metric.compute()[0].item()


@pytest.fixture
def seeded(monkeypatch):
    monkeypatch.setattr(torch, "randperm", references.randperm())


@pytest.mark.slow  # a hundred subsets of a thousand rows each, twice
@pytest.mark.filterwarnings("ignore:Metric `Kernel")
@pytest.mark.parametrize(
    ("preset", "reference"),
    [
        ("torch-fidelity", torch_fidelitys),
        ("torchmetrics", torchmetrics),
        ("clean-fid", references.kernel),
        ("stylegan3", references.kernel),
    ],
)
def test_kernel_distances_are_over_the_references_subsets(preset, reference, seeded):
    expected = reference(*EXACT)
    assert measured(preset, "kid", *EXACT).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("preset", ["clean-fid", "stylegan3"])
def test_subsets_shrink_to_the_smaller_set(preset):
    pair = EXACT[0][:70], EXACT[1][:60]
    assert measured(preset, "kid", *pair).value == pytest.approx(references.kernel(*pair), rel=1e-9)


@pytest.mark.parametrize("preset", ["torch-fidelity", "torchmetrics"])
def test_subsets_do_not_shrink(preset):
    with pytest.raises(DataError, match="subsets of 1000 rows"):
        measured(preset, "kid", REAL[:999])


def fidelitys_inception(logits):
    metric_isc = pytest.importorskip("torch_fidelity.metric_isc")
    found = metric_isc.isc_features_to_metric(torch.from_numpy(logits))
    return found[metric_isc.KEY_METRIC_ISC_MEAN], found[metric_isc.KEY_METRIC_ISC_STD]


def torchmetrics_inception(logits):
    inception = pytest.importorskip("torchmetrics.image.inception")
    metric = inception.InceptionScore(torch.nn.Identity())
    metric.update(torch.from_numpy(logits).double())
    return [each.item() for each in metric.compute()]


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore`")
@pytest.mark.parametrize("n", [1009, 22])
@pytest.mark.parametrize(
    ("preset", "reference"),
    [
        ("torch-fidelity", fidelitys_inception),
        ("torchmetrics", torchmetrics_inception),
        ("stylegan3", references.stylegan3_inception),
    ],
)
def test_inception_scores_and_their_deviation_are_of_the_references_splits(preset, reference, n, seeded):
    mean, deviation = reference(LOGITS[:n])
    found = measured(preset, "is", logits=LOGITS[:n])
    assert found.value == pytest.approx(mean, rel=1e-9)
    assert references.deviation(found) == pytest.approx(deviation, rel=1e-8)


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_samples_become_levels_as_the_reference_makes_them(preset):
    images = torch.rand((4, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    images = torch.cat([images, torch.linspace(0, 1, 3 * 256).view(1, 3, 16, 16)])
    expected = {
        "torchmetrics": lambda x: (x * 255).byte(),
        "stylegan3": lambda x: ((2 * x - 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8),
    }.get(preset, lambda x: (x * 255).round().byte())
    assert torch.equal(QUANTISATION[PROTOCOLS[preset].quantisation](images), expected(images))
