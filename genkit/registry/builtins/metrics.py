"""The built-in metrics, in the order of listings; boards rank by the first."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import MetricSpec, Parameter, hookimpl

_SAMPLES = ("data", "samples", "features")
_LIKELIHOOD = ("data", "likelihood")


@hookimpl
def genkit_metrics() -> Iterator[MetricSpec]:
    """All built-in metrics."""
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
        depends_on=_SAMPLES,
        parameters={
            "ddof": Parameter(1, "covariances divide by n - ddof", choices=(0, 1)),
            "mean_dtype": Parameter("float64", "precision of the means", choices=("float64", "float32")),
        },
        also_at_test_size=True,
        summary="Frechet distance between features of samples and training images",
        paper="arXiv:1706.08500",
    )
    yield MetricSpec(
        "fid_inf",
        "genkit.metrics.fid_inf:fid_inf",
        group="samples",
        needs=("features",),
        depends_on=_SAMPLES,
        parameters={
            "sizes": Parameter(15, "sample sizes that the line is fitted to", low=3, high=1000),
            "seed": Parameter(0, "draws the subsets", low=0),
        },
        summary="Frechet distance extrapolated to infinitely many samples",
        paper="arXiv:1911.07023",
    )
    yield MetricSpec(
        "kid",
        "genkit.metrics.kid:kid",
        group="samples",
        needs=("features",),
        depends_on=_SAMPLES,
        parameters={
            "subsets": Parameter(0, "average over random subsets; 0: all pairs at once", low=0, high=100_000),
            "size": Parameter(1000, "rows of a subset", low=3, only_with="subsets"),
            "seed": Parameter(2020, "draws the subsets", low=0, high=2**32 - 1, only_with="subsets"),
            "shrink": Parameter(False, "smaller subsets where a set has fewer rows", only_with="subsets"),
            "generated_first": Parameter(True, "which set is drawn first", only_with="subsets"),
            "degree": Parameter(3, "degree of the polynomial kernel", low=1, high=10, always_recorded=False),
        },
        summary="Kernel inception distance: unbiased squared MMD of features, cubic polynomial kernel",
        paper="arXiv:1801.01401",
    )
    yield MetricSpec(
        "cmmd",
        "genkit.metrics.cmmd:cmmd",
        group="samples",
        needs=("features",),
        depends_on=_SAMPLES,
        parameters={
            "sigma": Parameter(10.0, "width of the Gaussian kernel", low=1e-3, high=1e3, always_recorded=False)
        },
        summary="Squared MMD of unit-norm features, Gaussian kernel (sigma 10), times 1000",
        paper="arXiv:2401.09603",
    )
    yield MetricSpec(
        "is",
        "genkit.metrics.is_:is_",
        direction="higher",
        group="samples",
        needs=("logits",),
        depends_on=_SAMPLES,
        parameters={
            "splits": Parameter(10, "parts whose scores are averaged", low=1),
            "rule": Parameter(
                "torch-fidelity",
                "whose way of splitting",
                choices=("torch-fidelity", "torchmetrics", "stylegan3", "dgm"),
            ),
        },
        summary="Inception score: exp of the mutual information of class and sample",
        paper="arXiv:1606.03498",
    )
    yield MetricSpec(
        "vendi",
        "genkit.metrics.vendi:vendi",
        direction="higher",
        group="samples",
        needs=("features",),
        depends_on=_SAMPLES,
        parameters={
            "q": Parameter(
                1.0,
                "order of the entropy: 1 Shannon's, higher for common kinds",
                low=0.1,
                high=100,
                always_recorded=False,
            )
        },
        also_at_test_size=True,
        summary="Effective number of different samples: exp of the entropy of the eigenvalues of their cosine kernel",
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
            depends_on=_SAMPLES,
            parameters=_neighbourhood(3, False),
            summary=summary,
            paper="arXiv:1904.06991",
        )
    for name, summary in (
        ("density", "Mean number of real neighbourhoods that a sample lies in, over k; 1 for equal distributions"),
        ("coverage", "Share of real images whose neighbourhood contains a sample"),
    ):
        yield MetricSpec(
            name,
            f"genkit.metrics.{name}:{name}",
            direction="higher",
            group="samples",
            needs=("features",),
            depends_on=_SAMPLES,
            parameters=_neighbourhood(5, True),
            summary=summary,
            paper="arXiv:2002.09797",
        )
    yield MetricSpec(
        "mifid",
        "genkit.metrics.mifid:mifid",
        group="samples",
        needs=("features",),
        depends_on=_SAMPLES,
        summary="Frechet distance over the cosine distance to the nearest training image: penalises copies",
        paper="arXiv:2106.03062",
    )
    yield MetricSpec(
        "authpct",
        "genkit.metrics.authpct:authpct",
        direction="higher",
        group="samples",
        needs=("features",),
        depends_on=_SAMPLES,
        parameters={
            "k": Parameter(1, "which neighbour of a training image sets its radius", low=1, always_recorded=False)
        },
        unit="%",
        summary="Samples farther from their nearest training image than that is from its own; the others may be copies",
        paper="arXiv:2102.08921",
    )


def _neighbourhood(k: int, strict: bool) -> dict[str, Parameter]:
    return {
        "k": Parameter(k, "the neighbour that sets the radius", low=1),
        "strict": Parameter(strict, "whether the boundary is outside"),
    }


def _classes() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "fid_per_class",
        "genkit.metrics.fid_per_class:fid_per_class",
        group="classes",
        needs=("features", "labels"),
        depends_on=_SAMPLES,
        summary="Mean over classes of the Frechet distance within a class",
    )
    yield MetricSpec(
        "class_accuracy",
        "genkit.metrics.class_accuracy:class_accuracy",
        direction="higher",
        group="classes",
        needs=("logits", "labels"),
        depends_on=("data", "samples", "features"),
        summary="Share of samples that the extractor's classifier assigns to their class",
    )
    yield MetricSpec(
        "cas",
        "genkit.metrics.cas:cas",
        direction="higher",
        group="classes",
        needs=("images", "labels"),
        depends_on=("data", "samples"),
        summary="Accuracy on real test images of a classifier trained on labelled samples",
        paper="arXiv:1905.10887",
    )


def _reconstruction() -> Iterator[MetricSpec]:
    for name, direction, unit, summary, paper in (
        ("mse", "lower", "", "Mean squared error of reconstructed test images, pixels in [0, 1]", ""),
        ("psnr", "higher", "dB", "Peak signal-to-noise ratio of reconstructed test images", ""),
        ("ssim", "higher", "", "Structural similarity of reconstructed test images", "doi:10.1109/TIP.2003.819861"),
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
