"""The built-in metrics, in the order of listings; boards rank by the first. Those of samples are listed here."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import MetricSpec, Parameter, hookimpl
from genkit.registry.builtins.model_metrics import model_metrics

_SAMPLES = ("data", "samples", "features")


@hookimpl
def genkit_metrics() -> Iterator[MetricSpec]:
    """All built-in metrics."""
    yield from _distances()
    yield from _neighbours()
    yield from _classes()
    yield from _prompts()
    yield from model_metrics()


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
        "mind",
        "genkit.metrics.mind:mind",
        group="samples",
        needs=("features",),
        depends_on=_SAMPLES,
        parameters={
            "directions": Parameter(1000, "random directions that features are projected on", low=1, high=100_000),
            "seed": Parameter(2020, "draws the directions, and the rows of the larger set", low=0, high=2**32 - 1),
        },
        summary="Monge inception distance: squared Wasserstein distance of projected features, times 3 d",
        paper="arXiv:2605.06797",
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
    yield MetricSpec(
        "f_score",
        "genkit.metrics.f_score:f_score",
        direction="higher",
        group="samples",
        needs=("features",),
        depends_on=_SAMPLES,
        parameters={
            **_neighbourhood(3, False),
            "beta": Parameter(1.0, "weight of recall; 1: the harmonic mean", low=1e-3, high=1e3),
        },
        summary="Weighted harmonic mean of precision and recall",
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
    for name, summary in (
        ("clipped_density", "Density in balls of clipped radius, at most 1 a sample, over that of real images"),
        ("clipped_coverage", "Share of good samples that would cover the neighbourhoods of real images as well"),
    ):
        yield MetricSpec(
            name,
            f"genkit.metrics.{name}:{name}",
            direction="higher",
            group="samples",
            needs=("features",),
            depends_on=_SAMPLES,
            parameters={"k": _neighbourhood(5, True)["k"]},
            summary=summary,
            paper="arXiv:2507.01761",
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


def _prompts() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "prompt_accuracy",
        "genkit.metrics.prompt_accuracy:prompt_accuracy",
        direction="higher",
        group="prompts",
        needs=("understand",),
        depends_on=("data", "prompts"),
        parameters={"prompts": Parameter(500, "prompts of each group", low=2, high=100_000, always_recorded=False)},
        summary="Share of prompts whose image shows all that they say, as a classifier judges",
    )
    yield MetricSpec(
        "clip_score",
        "genkit.metrics.clip_score:clip_score",
        direction="higher",
        group="prompts",
        needs=("images", "understand"),
        depends_on=("data", "samples"),
        parameters={"weights": Parameter("", "folder of a CLIP model, Hugging Face's layout", path=True)},
        summary="Cosine similarity of the CLIP embeddings of samples and of their prompts, times 100",
        paper="arXiv:2104.08718",
    )
