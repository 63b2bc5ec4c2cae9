"""Core's metrics, in the order in which they are shown: the first is what a board ranks by."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import MetricSpec, hookimpl

_SAMPLES = ("data", "samples", "features")
_LIKELIHOOD = ("data", "likelihood")


@hookimpl
def genkit_metrics() -> Iterator[MetricSpec]:
    """All metrics of core."""
    yield from _distances()
    yield from _neighbours()
    yield from _classes()
    yield from _reconstruction()
    yield from _likelihood()
    yield from _cost()


def _distances() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "fid",
        "genkit.metrics.fid:fid",
        group="samples",
        needs=("features",),
        moved_by=_SAMPLES,
        parameters={"ddof": 1, "mean_dtype": "float64"},
        matched=True,
        summary="Frechet distance between features of samples and training images",
        paper="arXiv:1706.08500",
    )
    yield MetricSpec(
        "fid_inf",
        "genkit.metrics.fid_inf:fid_inf",
        group="samples",
        needs=("features",),
        moved_by=_SAMPLES,
        parameters={"sizes": 15, "seed": 0},
        summary="Frechet distance extrapolated to infinitely many samples",
        paper="arXiv:1911.07023",
    )
    yield MetricSpec(
        "kid",
        "genkit.metrics.kid:kid",
        group="samples",
        needs=("features",),
        moved_by=_SAMPLES,
        parameters={"subsets": 0},
        summary="Unbiased squared kernel distance (degree-3 polynomial) of features",
        paper="arXiv:1801.01401",
    )
    yield MetricSpec(
        "cmmd",
        "genkit.metrics.cmmd:cmmd",
        group="samples",
        needs=("features",),
        moved_by=_SAMPLES,
        summary="Squared kernel distance (Gaussian, sigma 10) of unit-norm features, times 1000",
        paper="arXiv:2401.09603",
    )
    yield MetricSpec(
        "is",
        "genkit.metrics.inception_score:inception_score_of",
        direction="higher",
        group="samples",
        needs=("logits",),
        moved_by=_SAMPLES,
        parameters={"splits": 10, "rule": "torch-fidelity"},
        summary="Inception score: exp of the mutual information of class and sample",
        paper="arXiv:1606.03498",
    )
    yield MetricSpec(
        "vendi",
        "genkit.metrics.vendi_score:vendi_score",
        direction="higher",
        group="samples",
        needs=("features",),
        moved_by=_SAMPLES,
        matched=True,
        summary="Effective number of different samples: exp of the entropy of their cosine kernel's eigenvalues",
        paper="arXiv:2210.02410",
    )


def _neighbours() -> Iterator[MetricSpec]:
    for name, summary in (
        ("precision", "Share of samples within the neighbourhoods of real images"),
        ("recall", "Share of real images within the neighbourhoods of samples"),
    ):
        yield MetricSpec(
            name,
            f"genkit.metrics.{name}:{name}",
            direction="higher",
            group="samples",
            needs=("features",),
            moved_by=_SAMPLES,
            parameters={"k": 3, "strict": False},
            summary=summary,
            paper="arXiv:1904.06991",
        )
    for name, summary in (
        ("density", "How many real neighbourhoods a sample lies in, over k; 1 for equal distributions"),
        ("coverage", "Share of real images whose neighbourhood holds a sample"),
    ):
        yield MetricSpec(
            name,
            f"genkit.metrics.{name}:{name}",
            direction="higher",
            group="samples",
            needs=("features",),
            moved_by=_SAMPLES,
            parameters={"k": 5, "strict": True},
            summary=summary,
            paper="arXiv:2002.09797",
        )
    yield MetricSpec(
        "mifid",
        "genkit.metrics.mifid:mifid",
        group="samples",
        needs=("features",),
        moved_by=_SAMPLES,
        summary="Frechet distance over the distance to the nearest training image: dear to copies",
        paper="arXiv:2106.03062",
    )
    yield MetricSpec(
        "authpct",
        "genkit.metrics.authpct:authpct",
        direction="higher",
        group="samples",
        needs=("features",),
        moved_by=_SAMPLES,
        unit="%",
        summary="Samples farther from their nearest training image than that is from its own; the rest may be copies",
        paper="arXiv:2102.08921",
    )


def _classes() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "fid_per_class",
        "genkit.metrics.fid_per_class:fid_per_class",
        group="classes",
        needs=("features", "labels"),
        moved_by=_SAMPLES,
        summary="Mean over the classes of the Frechet distance within a class",
    )
    yield MetricSpec(
        "class_accuracy",
        "genkit.metrics.class_accuracy:class_accuracy",
        direction="higher",
        group="classes",
        needs=("logits", "labels"),
        moved_by=("data", "samples", "features"),
        summary="Share of samples in which the extractor sees the class that was asked for",
    )
    yield MetricSpec(
        "cas",
        "genkit.metrics.cas:cas",
        direction="higher",
        group="classes",
        needs=("images", "labels"),
        moved_by=("data", "samples"),
        summary="Accuracy on real test images of a classifier trained on labelled samples",
        paper="arXiv:1905.10887",
    )


def _reconstruction() -> Iterator[MetricSpec]:
    for name, direction, unit, summary, paper in (
        ("mse", "lower", "", "Squared error per pixel of reconstructed test images, range [0, 1]", ""),
        ("psnr", "higher", "dB", "Peak signal-to-noise ratio of reconstructed test images", ""),
        ("ssim", "higher", "", "Structural similarity of reconstructed test images", "doi:10.1109/TIP.2003.819861"),
        ("lpips", "lower", "", "Perceptual distance (AlexNet) of reconstructed test images", "arXiv:1801.03924"),
    ):
        yield MetricSpec(
            name,
            f"genkit.metrics.{name}:{name}",
            direction="lower" if direction == "lower" else "higher",
            group="reconstruction",
            needs=("reconstruct",),
            moved_by=("data",),
            unit=unit,
            summary=summary,
            paper=paper,
        )
    yield MetricSpec(
        "rfid",
        "genkit.metrics.rfid:rfid",
        group="reconstruction",
        needs=("features", "reconstruct"),
        moved_by=("data", "features"),
        summary="Frechet distance between features of test images and of their reconstructions",
    )
    yield MetricSpec(
        "ppl",
        "genkit.metrics.ppl:ppl",
        group="samples",
        needs=("decode", "draw_latent"),
        moved_by=("data", "samples"),
        parameters={"epsilon": 1e-4, "pairs": 2000},
        summary="Perceptual path length (VGG): how abruptly images change along a latent path",
        paper="arXiv:1812.04948",
    )


def _likelihood() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "elbo",
        "genkit.metrics.elbo:elbo",
        direction="higher",
        group="likelihood",
        needs=("log_likelihood",),
        moved_by=_LIKELIHOOD,
        parameters={"importance_samples": 1},
        unit="nats",
        summary="Evidence lower bound of test images, all constants, beta 1",
        paper="arXiv:1312.6114",
    )
    yield MetricSpec(
        "nll",
        "genkit.metrics.nll:nll",
        group="likelihood",
        needs=("log_likelihood",),
        moved_by=_LIKELIHOOD,
        parameters={"importance_samples": 64},
        unit="nats",
        summary="Importance-weighted bound on the negative log-likelihood of test images",
        paper="arXiv:1509.00519",
    )
    yield MetricSpec(
        "bits_per_dim",
        "genkit.metrics.bits_per_dimension:bits_per_dimension",
        group="likelihood",
        needs=("log_likelihood",),
        moved_by=_LIKELIHOOD,
        parameters={"importance_samples": 1},
        unit="bits/dim",
        summary="Bound on the bits that a pixel's level costs; for models of the data's own levels",
    )
    yield MetricSpec(
        "kl",
        "genkit.metrics.kl:kl",
        group="likelihood",
        needs=("kl",),
        moved_by=_LIKELIHOOD,
        unit="nats",
        summary="Divergence of the posterior from the prior over test images; neither end is best by itself",
    )
    yield MetricSpec(
        "active_units",
        "genkit.metrics.active_units:active_units",
        direction="higher",
        group="likelihood",
        needs=("posterior",),
        moved_by=_LIKELIHOOD,
        parameters={"threshold": 0.01},
        summary="Latent dimensions whose posterior mean varies over test images by more than 0.01",
        paper="arXiv:1509.00519",
    )


def _cost() -> Iterator[MetricSpec]:
    for name, direction, unit, moved_by, summary in (
        ("parameters", "lower", "", ("data",), "Number of the model's parameters"),
        ("latency", "lower", "ms", ("data", "hardware"), "Time to draw one image"),
        ("throughput", "higher", "images/s", ("data", "hardware", "samples"), "Images drawn a second, in full chunks"),
        ("train_seconds", "lower", "s", ("data", "hardware"), "Time that training took"),
    ):
        yield MetricSpec(
            name,
            f"genkit.metrics.cost:{name}",
            direction="lower" if direction == "lower" else "higher",
            group="cost",
            needs=("training",) if name == "train_seconds" else ("model",),
            moved_by=moved_by,
            unit=unit,
            summary=summary,
        )
