"""The built-in commands, one file each in genkit.cli."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import CommandSpec, hookimpl

_COMMANDS = {
    "Run": {
        "train": "Train a model",
        "eval": "Measure a model",
        "compare": "Compare two sets of images",
        "leaderboard": "Rank what was measured",
        "recommend": "Name the best model within limits",
        "bench": "Train and measure all models of a board's file",
        "explain": "Explain why the numbers of two records differ",
        "verify": "Check a record against torch-fidelity and torchmetrics",
        "sample": "Draw images from a trained model",
        "reconstruct": "Show test images beside their reconstructions",
        "interpolate": "Walk from sample to sample through a model's latent space",
        "traverse": "Show what each dimension of a latent does",
        "edit": "Fill in, enlarge or denoise images by a model",
        "runs": "List, show, remove, export and import runs",
        "records": "List, validate, migrate and export the records of evaluations",
    },
    "Look": {
        "models": "List the models",
        "datasets": "List the data sets",
        "features": "List feature extractors, or train one",
        "weights": "List, download, check or add the weights files of extractors",
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
