"""The built-in metrics of models: reconstruction, likelihood and cost."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import MetricSpec, Parameter

_LIKELIHOOD = ("data", "likelihood")


def model_metrics() -> Iterator[MetricSpec]:
    """All metrics of models, in the order of listings."""
    yield from _reconstruction()
    yield from _likelihood()
    yield from _cost()


def _reconstruction() -> Iterator[MetricSpec]:
    for name, direction, unit, summary, paper in (
        ("mse", "lower", "", "Mean squared error of reconstructed test images, pixels in [0, 1]", ""),
        ("psnr", "higher", "dB", "Peak signal-to-noise ratio of reconstructed test images", ""),
        ("ssim", "higher", "", "Structural similarity of reconstructed test images", "doi:10.1109/TIP.2003.819861"),
        (
            "ms_ssim",
            "higher",
            "",
            "Structural similarity of reconstructed test images at five scales; from 176 pixels",
            "doi:10.1109/ACSSC.2003.1292216",
        ),
        (
            "lpips",
            "lower",
            "",
            "Perceptual distance (AlexNet) between test images and their reconstructions",
            "arXiv:1801.03924",
        ),
    ):
        yield MetricSpec(
            name,
            f"genkit.metrics.{name}:{name}",
            direction="lower" if direction == "lower" else "higher",
            group="reconstruction",
            needs=("reconstruct",),
            depends_on=("data",),
            unit=unit,
            summary=summary,
            paper=paper,
        )
    yield MetricSpec(
        "rfid",
        "genkit.metrics.rfid:rfid",
        group="reconstruction",
        needs=("features", "reconstruct"),
        depends_on=("data", "features"),
        summary="Frechet distance between features of test images and of their reconstructions",
    )
    yield MetricSpec(
        "ppl",
        "genkit.metrics.ppl:ppl",
        group="samples",
        needs=("decode", "draw_latent"),
        depends_on=("data", "samples"),
        parameters={
            "epsilon": Parameter(1e-4, "step along a path", low=1e-8, high=1),
            "pairs": Parameter(2000, "paths", low=2),
        },
        summary="Perceptual path length (VGG-16): how abruptly images change along a latent path",
        paper="arXiv:1812.04948",
    )


def _likelihood() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "elbo",
        "genkit.metrics.elbo:elbo",
        direction="higher",
        group="likelihood",
        needs=("log_likelihood",),
        depends_on=_LIKELIHOOD,
        parameters={"importance_samples": Parameter(1, "draws per image of the bound", low=1)},
        unit="nats",
        summary="Evidence lower bound of test images, constants included, beta = 1",
        paper="arXiv:1312.6114",
    )
    yield MetricSpec(
        "nll",
        "genkit.metrics.nll:nll",
        group="likelihood",
        needs=("log_likelihood",),
        depends_on=_LIKELIHOOD,
        parameters={"importance_samples": Parameter(64, "draws per image of the bound", low=1)},
        unit="nats",
        summary="Importance-weighted bound on the negative log-likelihood of test images",
        paper="arXiv:1509.00519",
    )
    yield MetricSpec(
        "bits_per_dim",
        "genkit.metrics.bits_per_dim:bits_per_dim",
        group="likelihood",
        needs=("log_likelihood",),
        depends_on=_LIKELIHOOD,
        parameters={"importance_samples": Parameter(1, "draws per image of the bound", low=1)},
        unit="bits/dim",
        summary="Upper bound on the bits per pixel and channel; for models of the data's own grey levels",
    )
    yield MetricSpec(
        "kl",
        "genkit.metrics.kl:kl",
        group="likelihood",
        needs=("kl",),
        depends_on=_LIKELIHOOD,
        unit="nats",
        summary="KL divergence of posterior from prior over test images; neither extreme is good in itself",
    )
    yield MetricSpec(
        "active_units",
        "genkit.metrics.active_units:active_units",
        direction="higher",
        group="likelihood",
        needs=("posterior",),
        depends_on=_LIKELIHOOD,
        parameters={"threshold": Parameter(0.01, "variance above which a dimension is active", low=0)},
        summary="Latent dimensions whose posterior mean has a variance above 0.01 over test images",
        paper="arXiv:1509.00519",
    )


def _cost() -> Iterator[MetricSpec]:
    for name, direction, unit, depends_on, summary in (
        ("parameters", "lower", "", ("data",), "Number of the model's parameters"),
        ("latency", "lower", "ms", ("data", "hardware"), "Time to draw one image"),
        (
            "throughput",
            "higher",
            "images/s",
            ("data", "hardware", "samples"),
            "Images drawn per second, in full chunks",
        ),
        ("train_seconds", "lower", "s", ("data", "hardware"), "Duration of training"),
    ):
        yield MetricSpec(
            name,
            f"genkit.metrics.{name}:{name}",
            direction="lower" if direction == "lower" else "higher",
            group="cost",
            needs=("training",) if name == "train_seconds" else ("model",),
            depends_on=depends_on,
            unit=unit,
            summary=summary,
        )
