"""The built-in commands, one file each in genkit.cli."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import CommandSpec, hookimpl

_COMMANDS = {
    "Run": {
        "train": "Train a model, or resume a run",
        "tune": "Adapt a trained run to a few images",
        "eval": "Evaluate a model",
        "compare": "Compare two sets of images",
        "leaderboard": "Rank evaluated models",
        "recommend": "Recommend a model within limits",
        "bench": "Train, evaluate and rank all models of a board file",
        "explain": "Explain why the scores of two records differ",
        "verify": "Check a record against torch-fidelity and torchmetrics",
        "sample": "Draw images from a trained model",
        "reconstruct": "Show test images and their reconstructions",
        "interpolate": "Interpolate between samples in latent space",
        "traverse": "Show the effect of each latent dimension",
        "edit": "Inpaint, upscale or denoise images with a model",
        "whence": "Say where a picture is from",
        "runs": "List, show, remove, export and import runs",
        "records": "List, validate, migrate and export the records of evaluations",
    },
    "List": {
        "models": "List the models",
        "datasets": "List the data sets",
        "features": "List feature extractors, or train one",
        "weights": "List, download, check or add weights files of extractors",
        "metrics": "List the metrics",
        "cache": "Show what the cache holds, or clear it",
        "plugins": "List the plugins, and errors of broken ones",
    },
    "Extend": {
        "new": "Create a plugin package from a template",
        "check": "Check a model against the contract",
        "completion": "Print the shell completion script",
    },
}


@hookimpl
def genkit_commands() -> Iterator[CommandSpec]:
    """Yield the built-in commands."""
    for group, commands in _COMMANDS.items():
        for name, summary in commands.items():
            yield CommandSpec(name, f"genkit.cli.{name}:command", summary=summary, group=group)
