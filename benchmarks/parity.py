"""genkit against the installed references on the same features: write docs/reference/parity.md.

uv run python benchmarks/parity.py

Features are digits-cnn's of real digits and of the same digits under noise, 1,437 x 64 each, as float64, so that what
differs is the metric and not the network; tests/evaluation/test_presets.py compares whole evaluations of images.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from genkit import metrics
from genkit.data import open_dataset
from genkit.features import load_extractor
from genkit.metrics.kid import Subsets

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


def files(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    """FID of two files of statistics, which ``--save-stats`` writes: genkit's command and pytorch-fid's own."""
    from pytorch_fid.inception import FID_WEIGHTS_URL

    from genkit.features.inception_layout import untrained_state

    wide = np.random.default_rng(0)
    mix = wide.normal(size=(2048, 2048)) / 45
    sets = {"64 features": (real, generated)}
    sets["2048 features"] = (wide.normal(size=(4000, 2048)) @ mix, 1.1 * wide.normal(size=(4000, 2048)) @ mix + 0.1)
    for what, pair in sets.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            hub = folder / "hub" / "checkpoints"
            hub.mkdir(parents=True)
            torch.save(untrained_state(), hub / Path(FID_WEIGHTS_URL).name)  # its command loads a network it won't run
            for side, rows in zip(("real", "generated"), pair, strict=True):
                np.save(folder / f"{side}.npy", rows)
                saving = ["--features", "given", "--metrics", "fid", "--save-stats", f"{side}.npz"]
                printed("genkit", "compare", f"{side}.npy", f"{side}.npy", *saving, folder=folder)
            ours = printed("genkit", "compare", "generated.npz", "real.npz", "--json", folder=folder)
            theirs = printed("pytorch-fid", "generated.npz", "real.npz", "--device", "cpu", folder=folder)
            value = json.loads(ours)["scores"][0]["value"]
            yield f"FID of statistics files, {what}", "pytorch-fid's command", value, float(theirs.split()[-1])


def printed(command: str, *arguments: str, folder: Path) -> str:
    """Run a command that is installed beside Python, with caches in its folder; return what it prints."""
    environment = {**os.environ, "TORCH_HOME": str(folder), "GENKIT_CACHE": str(folder / "cache")}
    path = str(Path(sys.executable).parent / command)
    done = subprocess.run([path, *arguments], capture_output=True, text=True, cwd=folder, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr}")
    return done.stdout


def memorization(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    from torchmetrics.image.mifid import _mifid_compute

    one, two = torch.from_numpy(real), torch.from_numpy(generated)
    theirs = _mifid_compute(one.mean(0), one.T.cov(), one, two.mean(0), two.T.cov(), two)
    yield "MiFID", "torchmetrics", metrics.memorization_distance(real, generated).value, float(theirs)


def kernels(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    from torch_fidelity.metric_kid import kid_features_to_metric

    # torch-fidelity's first input is the generated set
    two = torch.from_numpy(generated), torch.from_numpy(real)
    theirs = kid_features_to_metric(*two, kid_subsets=1, kid_subset_size=len(real), verbose=False)
    ours = metrics.kernel_distance(real, generated)
    yield "KID, all pairs", "torch-fidelity, one subset of all", ours.value, theirs["kernel_inception_distance_mean"]
    theirs = kid_features_to_metric(*two, verbose=False)
    ours = metrics.kernel_distance(real, generated, subsets=Subsets())
    yield "KID, 100 subsets of 1,000", "torch-fidelity", ours.value, theirs["kernel_inception_distance_mean"]
    yield "Its deviation over subsets", "torch-fidelity", _deviation(ours), theirs["kernel_inception_distance_std"]


def scores(logits: np.ndarray) -> Iterator[Row]:
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torchmetrics.image.inception import InceptionScore

    theirs = isc_features_to_metric(torch.from_numpy(logits))
    ours = metrics.inception_score(logits)
    yield "Inception score, 10 splits", "torch-fidelity", ours.value, theirs["inception_score_mean"]
    yield "Its deviation over splits", "torch-fidelity", _deviation(ours), theirs["inception_score_std"]
    order = np.random.RandomState(2020).permutation(len(logits))
    metric = InceptionScore(feature=torch.nn.Identity(), splits=10)
    metric.features = [torch.from_numpy(logits[order])]
    unshuffled: Callable[[int], torch.Tensor] = torch.arange
    shuffle, torch.randperm = torch.randperm, unshuffled  # type: ignore[assignment]
    try:
        mean, deviation = metric.compute()
    finally:
        torch.randperm = shuffle
    ours = metrics.inception_score(logits, rule="torchmetrics")
    yield "Inception score, torch.chunk's splits", "torchmetrics, in the same order", ours.value, float(mean)
    yield "Its deviation over splits, ddof 1", "torchmetrics, in the same order", _deviation(ours), float(deviation)


def _deviation(score: metrics.Score) -> float:
    """The standard deviation over splits or subsets, which the note ends in."""
    return float(score.note.split()[-1])


def neighbours(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    from prdc import compute_prdc
    from torch_fidelity.metric_prc import prc_features_to_metric

    theirs = prc_features_to_metric(torch.from_numpy(generated), torch.from_numpy(real), verbose=False)
    ours = metrics.precision_recall(real, generated)
    yield "Precision, k = 3", "torch-fidelity", ours.precision.value, theirs["precision"]
    yield "Recall, k = 3", "torch-fidelity", ours.recall.value, theirs["recall"]
    yield "F-score, k = 3", "torch-fidelity", metrics.f_measure(real, generated).value, theirs["f_score"]
    theirs = compute_prdc(real, generated, nearest_k=5)
    ours = metrics.precision_recall(real, generated, k=5, strict=True)
    yield "Precision, k = 5", "prdc", ours.precision.value, theirs["precision"]
    yield "Recall, k = 5", "prdc", ours.recall.value, theirs["recall"]
    both = metrics.density_coverage(real, generated)
    yield "Density, k = 5", "prdc", both.density.value, theirs["density"]
    yield "Coverage, k = 5", "prdc", both.coverage.value, theirs["coverage"]


def reconstructions() -> Iterator[Row]:
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    from genkit.metrics.ms_ssim import ms_ssim
    from genkit.metrics.ssim import ssim

    images = open_dataset("digits").test.images(slice(None))
    moved = (images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    theirs = peak_signal_noise_ratio(moved, images, data_range=1.0, dim=(1, 2, 3))
    errors = (moved.double() - images.double()).square().mean((1, 2, 3)).numpy()
    yield "PSNR", "torchmetrics", metrics.mean_score(-10 * np.log10(errors)).value, float(theirs)
    large, moved = (each.repeat_interleave(4, 2).repeat_interleave(4, 3) for each in (images, moved))
    both = metrics.Evidence.of_arrays(test_images=large.numpy(), reconstructions=moved.numpy())
    yield (
        "SSIM",
        "torchmetrics",
        ssim(both).value,
        float(structural_similarity_index_measure(moved, large, data_range=1.0)),
    )
    large, moved = (each[:60].repeat_interleave(6, 2).repeat_interleave(6, 3) for each in (large, moved))
    both = metrics.Evidence.of_arrays(test_images=large.numpy(), reconstructions=moved.numpy())
    theirs = multiscale_structural_similarity_index_measure(moved, large, data_range=1.0)
    yield "MS-SSIM", "torchmetrics", ms_ssim(both).value, float(theirs)


def definitions(real: np.ndarray, generated: np.ndarray) -> Iterator[Row]:
    """Metrics that no installed package has, against their definitions written out for all pairs in float64."""
    from scipy.spatial.distance import cdist

    from genkit.seeds import derive

    one, two = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (real, generated))
    within, other, across = (np.exp(-cdist(a, b, "sqeuclidean") / 200) for a, b in ((one, one), (two, two), (one, two)))
    cmmd = 1000 * (within.mean() + other.mean() - 2 * across.mean())
    yield "CMMD", "its definition", metrics.cmmd_distance(real, generated).value, cmmd
    values = np.linalg.eigvalsh(two @ two.T / len(two))
    values = values[values > 1e-15]
    vendi = np.exp(-(values * np.log(values)).sum())
    yield "Vendi score", "its definition", metrics.vendi_score(generated).value, vendi
    distances, apart = cdist(generated, real), cdist(real, real) + np.diag(np.full(len(real), np.inf))
    authentic = 100 * np.mean(distances.min(1) > apart.min(1)[distances.argmin(1)])
    yield "Authenticity", "its definition", metrics.authenticity(real, generated).value, authentic
    yield from clipped(real, generated)
    draws = torch.Generator().manual_seed(2020)
    unit = torch.randn(1000, real.shape[1], generator=draws).double().numpy()
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    one, two = (np.sort(x @ unit.T, axis=0) for x in (real, generated))
    mind = 3 * real.shape[1] * np.square(one - two).mean()
    yield "MIND", "its definition", metrics.monge_distance(real, generated).value, mind
    counts = np.linspace(min(5000, len(generated) // 10), len(generated), 15).astype(int)
    line = []
    for index, count in enumerate(counts):
        order = np.random.default_rng(derive(0, "frechet-infinity", index)).permutation(len(generated))
        line.append(metrics.frechet_distance(real, generated[order[:count]]).value)
    intercept = np.polyfit(1 / counts, line, 1)[1]
    ours = metrics.frechet_distance_infinity(real, generated).value
    yield "Frechet distance at infinity", "numpy.polyfit of 15 distances", ours, float(intercept)


def clipped(real: np.ndarray, generated: np.ndarray, k: int = 5) -> Iterator[Row]:
    from scipy.spatial.distance import cdist
    from scipy.stats import betabinom

    among, across, n = cdist(real, real), cdist(real, generated), len(real)
    radii = np.sort(among, axis=1)[:, k, None]
    balls = np.minimum(radii, np.median(radii))
    counts = (across <= balls).sum(0), (among <= balls).sum(0) - 1
    samples, ideal = (np.minimum(each, k).mean() for each in counts)
    ours = metrics.clipped_density_score(real, generated).value
    yield "Clipped density, k = 5", "its definition", ours, min(samples / ideal, 1.0)
    filled = (np.sort(across, axis=1)[:, :k] < radii).mean()
    few = np.arange(k)
    means = [1 - ((k - few) @ betabinom.pmf(few, i, k, n - k)) / k for i in range(k, len(generated) + 1)]
    theirs = np.searchsorted([*np.zeros(k), *means], filled) / (len(generated) + 1)
    yield "Clipped coverage, k = 5", "its definition", metrics.clipped_coverage_score(real, generated).value, theirs


def precisions() -> list[str]:
    """What the named protocols of lower precision move, with Inception of random weights in the published layout."""
    from genkit.features.inception_layout import untrained_state

    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((2, 96, 3, 8, 8), generator=generator)
    real, other = (torch.nn.functional.interpolate(x, 64, mode="bicubic").clamp(0, 1) for x in coarse)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pth"
        torch.save(untrained_state(), weights)
        found = {}
        for precision in ("float32", "bfloat16"):
            extractor = load_extractor("inception", weights=weights, choices={"precision": precision})
            found[precision] = [extractor((255 * x).to(torch.uint8)).features for x in (real, other)]
    exact, rough = (torch.cat(found[precision]) for precision in ("float32", "bfloat16"))
    largest = float((rough - exact).abs().max() / exact.abs().max())
    fids = [metrics.frechet_distance(*found[precision]).value for precision in ("float32", "bfloat16")]
    return [
        "",
        "## Precision",
        "",
        "`--protocol genkit-bfloat16` and `genkit-tf32` are protocols of their own: their scores stand on boards of their",
        "own. Measured here with Inception of random weights, two sets of 96 smooth images: bfloat16 moves a feature by at",
        f"most {largest:.1e} of the largest feature, and the Frechet distance from {fids[0]:.6g} to {fids[1]:.6g}",
        f"({abs(fids[1] - fids[0]) / fids[0]:.1e}). TF32 is a precision of NVIDIA's GPUs, and is not measured here: the",
        "machine had none. The precision stands in each record.",
    ]


def verified() -> dict[str, float]:
    """The largest difference that ``genkit verify`` finds of each metric: real digits, and a conv-vae's samples.

    Two sets of 100 real digits, enlarged to 32x32, through Inception of random weights, at 64 features (fewer than
    images) and at 2048 (more), under the protocols of either package; and two briefly trained runs.
    """
    import genkit
    from genkit.data.images import png
    from genkit.features.inception_layout import untrained_state

    digits = open_dataset("digits").train.uint8(slice(0, 200)).repeat(4, axis=2).repeat(4, axis=3)
    found: dict[str, float] = {}

    def note(evaluation: object, weights: Path | None = None) -> None:
        for check in genkit.verify(evaluation, weights=weights).compared:
            assert check.within, check
            metric = check.score.partition("[")[0].partition("@")[0]
            name = f"{metric}, singular" if "2048" in labels and metric in ("fid", "mifid") else metric
            found[name] = max(found.get(name, 0.0), check.difference or 0.0)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save(untrained_state(), folder / "weights.pth")
        for part, start in (("samples", 0), ("reference", 100)):
            (folder / part).mkdir()
            for place, image in enumerate(digits[start : start + 100]):
                (folder / part / f"{place:03d}.png").write_bytes(png(np.asarray(image).transpose(1, 2, 0)))
        common = ["fid", "kid", "mifid", "precision", "recall", "f_score"]
        for features, labels in (("inception-64", "64"), ("inception", "2048")):
            for protocol in ("torch-fidelity", "torchmetrics"):
                measured = genkit.compare(
                    str(folder / "samples"),
                    str(folder / "reference"),
                    features=features,
                    weights=folder / "weights.pth",
                    protocol=protocol,
                    parameters={"kid": {"subsets": 0}},
                    metrics=[*common, *(["is"] if labels == "2048" else [])],
                    folder=folder / protocol,
                )
                note(measured, folder / "weights.pth")
        labels = "digits-cnn"
        run = genkit.train("conv-vae", "digits", images=20_000, root=folder / "runs")
        note(genkit.evaluate(run, count=1437))
        run = genkit.train("conv-vae", f"folder:{folder / 'samples'}", images=2_000, batch=32, root=folder / "runs")
        note(genkit.evaluate(run, count=64, metrics=["psnr", "ssim"]))
        (folder / "large").mkdir()
        for place, image in enumerate(digits[:100].repeat(6, axis=2).repeat(6, axis=3)):
            (folder / "large" / f"{place:03d}.png").write_bytes(png(np.asarray(image).transpose(1, 2, 0)))
        run = genkit.train("conv-vae", f"folder:{folder / 'large'}", images=500, batch=20, root=folder / "runs")
        note(genkit.evaluate(run, count=64, metrics=["ms_ssim"]))
    return found


def tolerances(found: dict[str, float]) -> list[str]:
    """What ``genkit verify`` allows, and the largest differences of ``verified``."""
    from genkit.evaluation.verify import FLOORS, SINGULAR, TOLERANCES

    def row(name: str, tolerance: float, key: str) -> str:
        return f"| {name} | {tolerance:.0e} | {f'{found[key]:.1e}' if key in found else 'not measured'} |"

    return [
        "",
        "## What genkit verify allows",
        "",
        "`genkit verify` gives a record's own images to torch-fidelity and torchmetrics. Their numbers may differ from the",
        "recorded ones by these shares. Differences come from single precision: means and distances of features in the",
        "packages, and the rounding of convolutions where a package runs its own Inception. Values below a floor are",
        f"compared as if they were the floor ({', '.join(f'{name} {floor:g}' for name, floor in FLOORS.items())}).",
        "",
        "| metric | allowed | largest found |",
        "|---|---|---|",
        *(row(metric, tolerance, metric) for metric, tolerance in TOLERANCES.items()),
        *(row(f"{m} of no more images than features", SINGULAR, f"{m}, singular") for m in ("fid", "mifid")),
        "",
        "Found with two sets of 100 real digits through Inception of random weights (64 and 2048 features, both packages'",
        "protocols), and with conv-vaes of 8x8, 32x32 and 192x192 digits. Precision, recall and the F-score may differ by two",
        "images, if that is more: the packages' float32 distances put images that are on the border of the manifold on either",
        "side. With no more images than features the covariances are singular, and the packages' root of their product is",
        "inexact.",
    ]


def main() -> None:
    real, generated, logits = features()
    rows = [
        *frechet(real, generated),
        *files(real, generated),
        *memorization(real, generated),
        *kernels(real, generated),
        *scores(logits),
        *neighbours(real, generated),
        *reconstructions(),
        *definitions(real, generated),
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
    lines += tolerances(verified())
    lines += precisions()
    PAGE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
