"""genkit against the installed references on the same features: write docs/reference/parity.md.

uv run python benchmarks/parity.py

Features are digits-cnn's of real digits and of the same digits under noise, 1,437 x 64 each, as float64, so that what
differs is the metric and not the network; tests/evaluation/test_presets.py compares whole evaluations of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from genkit import metrics
from genkit.data import open_dataset
from genkit.features import load_extractor
from genkit.metrics.kernel import Subsets

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "parity.md"
Row = tuple[str, str, float, float]


def features() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real features, generated features and generated logits, float64."""
    images = torch.from_numpy(open_dataset("digits").train.uint8(slice(None)))
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)) * 30
    noisy = (images + noise).clamp(0, 255).to(torch.uint8)
    extractor = load_extractor("digits-cnn")
    real, generated = extractor(images), extractor(noisy)
    return tuple(np.asarray(each, np.float64) for each in (real.features, generated.features, generated.logits))


def frechet(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    moments = [(x.mean(0), np.cov(x, rowvar=False)) for x in (real, generated)]
    ours = metrics.frechet_distance(real, generated).value
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (real, generated)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)
    yield "Frechet distance", "torch-fidelity", ours, theirs["frechet_inception_distance"]
    yield "Frechet distance", "pytorch-fid", ours, calculate_frechet_distance(*moments[0], *moments[1])
    tensors = [torch.from_numpy(each) for pair in moments for each in pair]
    yield "Frechet distance", "torchmetrics", ours, float(_compute_fid(*tensors))
    single = metrics.frechet_distance(real.astype(np.float32), generated.astype(np.float32), mean_dtype="float32").value
    statistics = [fid_features_to_statistics(torch.from_numpy(x.astype(np.float32))) for x in (real, generated)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)
    yield "Frechet distance, float32 means", "torch-fidelity", single, theirs["frechet_inception_distance"]


def memorization(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    from torchmetrics.image.mifid import _mifid_compute

    one, two = torch.from_numpy(real), torch.from_numpy(generated)
    theirs = _mifid_compute(one.mean(0), one.T.cov(), one, two.mean(0), two.T.cov(), two)
    yield "MiFID", "torchmetrics", metrics.memorization_distance(real, generated).value, float(theirs)


def kernels(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    from torch_fidelity.metric_kid import kid_features_to_metric

    one, two = torch.from_numpy(real), torch.from_numpy(generated)
    theirs = kid_features_to_metric(one, two, kid_subsets=1, kid_subset_size=len(real), verbose=False)
    ours = metrics.kernel_distance(real, generated).value
    yield "KID, all pairs", "torch-fidelity, one subset of all", ours, theirs["kernel_inception_distance_mean"]
    theirs = kid_features_to_metric(one, two, verbose=False)
    ours = metrics.kernel_distance(real, generated, subsets=Subsets()).value
    yield "KID, 100 subsets of 1,000", "torch-fidelity", ours, theirs["kernel_inception_distance_mean"]


def scores(logits: np.ndarray) -> Iterator[Row]:
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torchmetrics.image.inception import InceptionScore

    theirs = isc_features_to_metric(torch.from_numpy(logits))
    ours = metrics.inception_score(logits).value
    yield "Inception score, 10 splits", "torch-fidelity", ours, theirs["inception_score_mean"]
    order = np.random.RandomState(2020).permutation(len(logits))
    metric = InceptionScore(feature=torch.nn.Identity(), splits=10)
    metric.features = [torch.from_numpy(logits[order])]
    unshuffled: Callable[[int], torch.Tensor] = torch.arange
    shuffle, torch.randperm = torch.randperm, unshuffled  # type: ignore[assignment]
    try:
        mean, _ = metric.compute()
    finally:
        torch.randperm = shuffle
    ours = metrics.inception_score(logits, rule="torchmetrics").value
    yield "Inception score, torch.chunk's splits", "torchmetrics, in the same order", ours, float(mean)


def neighbours(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    from prdc import compute_prdc
    from torch_fidelity.metric_prc import prc_features_to_metric

    theirs = prc_features_to_metric(torch.from_numpy(generated), torch.from_numpy(real), verbose=False)
    ours = metrics.precision_recall(real, generated)
    yield "Precision, k = 3", "torch-fidelity", ours.precision.value, theirs["precision"]
    yield "Recall, k = 3", "torch-fidelity", ours.recall.value, theirs["recall"]
    theirs = compute_prdc(real, generated, nearest_k=5)
    ours = metrics.precision_recall(real, generated, k=5, strict=True)
    yield "Precision, k = 5", "prdc", ours.precision.value, theirs["precision"]
    yield "Recall, k = 5", "prdc", ours.recall.value, theirs["recall"]
    both = metrics.density_coverage(real, generated)
    yield "Density, k = 5", "prdc", both.density.value, theirs["density"]
    yield "Coverage, k = 5", "prdc", both.coverage.value, theirs["coverage"]


def reconstructions() -> Iterator[Row]:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    images = open_dataset("digits").test.images(slice(None))
    moved = (images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    theirs = peak_signal_noise_ratio(moved, images, data_range=1.0, dim=(1, 2, 3))
    errors = (moved.double() - images.double()).square().mean((1, 2, 3)).numpy()
    yield "PSNR", "torchmetrics", metrics.mean_score(-10 * np.log10(errors)).value, float(theirs)


def main() -> None:
    real, generated, logits = features()
    rows = [
        *frechet(real, generated),
        *memorization(real, generated),
        *kernels(real, generated),
        *scores(logits),
        *neighbours(real, generated),
        *reconstructions(),
    ]
    packages = ("torch-fidelity", "torchmetrics", "pytorch-fid", "prdc", "torch")
    lines = [
        "# Parity",
        "",
        "genkit's metrics against the installed references on the same features (1,437 real digits and the same under",
        f"noise, 64 dimensions): {', '.join(f'{name} {version(name)}' for name in packages)}.",
        "`benchmarks/parity.py` writes this page.",
        "",
        "| metric | reference | genkit | reference's value | relative difference |",
        "|---|---|---|---|---|",
    ]
    for metric, reference, ours, theirs in rows:
        difference = abs(ours - theirs) / abs(theirs)
        lines.append(f"| {metric} | {reference} | {ours:.9g} | {theirs:.9g} | {difference:.1e} |")
    PAGE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
