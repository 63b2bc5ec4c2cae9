"""What core itself offers, registered through the same hooks as anyone's."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import CommandSpec, DatasetSpec, FeatureSpec, MetricSpec, ModelSpec, hookimpl


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """Baselines that calibrate a board."""
    yield ModelSpec(
        "ppca",
        "genkit.baselines.ppca:PPCA",
        family="baseline",
        summary="Probabilistic PCA, closed form, exact log-likelihood",
        paper="Tipping & Bishop 1999",
    )
    yield ModelSpec("copycat", "genkit.baselines.copycat:Copycat", family="baseline", summary="Returns training images")
    yield ModelSpec("noise", "genkit.baselines.noise:Noise", family="baseline", summary="Uniform noise: the ceiling")


@hookimpl
def genkit_datasets() -> Iterator[DatasetSpec]:
    """Embedded and local data sets."""
    yield DatasetSpec(
        "digits",
        "genkit.data.digits:digits",
        summary="1,797 real 8x8 grey digits, embedded (1,437 train, 360 test)",
        license="CC BY 4.0",
    )
    yield DatasetSpec(
        "mnist", "genkit.data.mnist:mnist", summary="70,000 28x28 grey digits (60,000 train, 10,000 test)"
    )
    yield DatasetSpec(
        "folder", "genkit.data.folder:folder", argument="PATH", summary="Images in a folder, flat or in class folders"
    )
    yield DatasetSpec(
        "zip", "genkit.data.archive:zip_archive", argument="PATH", summary="Images in a zip file, read in place"
    )
    yield DatasetSpec(
        "npz", "genkit.data.npz:npz", argument="PATH", summary="NumPy arrays: images, labels, test_images, test_labels"
    )


@hookimpl
def genkit_features() -> Iterator[FeatureSpec]:
    """Feature extractors."""
    yield FeatureSpec(
        "digits-cnn",
        "genkit.features.digits_cnn:digits_cnn",
        dim=64,
        for_dataset="digits",
        summary="A small classifier of 8x8 digits, embedded",
    )
    yield FeatureSpec(
        "inception",
        "genkit.features.inception:inception",
        dim=2048,
        summary="Inception-v3 of the published FID, through torch-fidelity",
    )


@hookimpl
def genkit_metrics() -> Iterator[MetricSpec]:
    """Metrics, in the order in which they are shown."""
    samples = ("data", "samples", "features")
    yield MetricSpec(
        "fid",
        "genkit.metrics.fid:fid",
        needs=("features",),
        moved_by=samples,
        matched=True,
        summary="Frechet distance between features of samples and training images",
        paper="arXiv:1706.08500",
    )
    yield MetricSpec(
        "kid",
        "genkit.metrics.kid:kid",
        needs=("features",),
        moved_by=samples,
        summary="Unbiased squared kernel distance (degree-3 polynomial) of features",
        paper="arXiv:1801.01401",
    )
    yield MetricSpec(
        "is",
        "genkit.metrics.inception_score:inception_score_of",
        direction="higher",
        needs=("logits",),
        moved_by=samples,
        summary="Inception score: exp of the mutual information of class and sample",
        paper="arXiv:1606.03498",
    )
    yield MetricSpec(
        "mse",
        "genkit.metrics.mse:mse",
        needs=("reconstruct",),
        moved_by=("data",),
        summary="Squared error per pixel of reconstructed test images, range [0, 1]",
    )
    yield MetricSpec(
        "elbo",
        "genkit.metrics.elbo:elbo",
        direction="higher",
        needs=("log_likelihood",),
        moved_by=("data", "likelihood"),
        unit="nats",
        summary="Evidence lower bound of test images, all constants, beta 1",
        paper="arXiv:1312.6114",
    )


_COMMANDS = {
    "Run": {
        "train": "Train a model",
        "eval": "Measure a model, or any two sets of images",
        "leaderboard": "Rank what was measured",
        "sample": "Draw images from a trained model",
        "reconstruct": "Show test images beside their reconstructions",
        "runs": "List, show, remove, export and import runs",
    },
    "Look": {
        "models": "List the models",
        "datasets": "List the data sets",
        "features": "List feature extractors, or train one",
        "metrics": "List the metrics",
        "plugins": "List the plugins, broken ones with their cause",
    },
    "Extend": {
        "new": "Make a plugin package from a template",
        "check": "Check a model against the contract",
        "completion": "Print the shell completion script",
    },
}


@hookimpl
def genkit_commands() -> Iterator[CommandSpec]:
    """The commands: one file each."""
    for group, commands in _COMMANDS.items():
        for name, summary in commands.items():
            yield CommandSpec(name, f"genkit.cli.{name}:command", summary=summary, group=group)
