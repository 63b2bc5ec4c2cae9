"""Details of an entry: how it was trained and measured, and the commands that reproduce it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genkit.errors import GenkitError
from genkit.files.text import torchrun
from genkit.options import assigned
from genkit.ranking.board import Board
from genkit.ranking.rows import Row
from genkit.registry.discovery import registry
from genkit.registry.specs import MetricSpec
from genkit.report.standings import entry_id, noise
from genkit.results.protocols import PROTOCOLS
from genkit.results.records import Record, RecordedScore

DETAILS = 50
"""Only this many entries, the best of a longer board, have their details on the page."""


@dataclass(frozen=True)
class Details:
    """An entry in full. ``commands`` reproduce its records, one per seed; empty for images without a model."""

    entry_id: str
    row: Row
    noise: str
    scores: tuple[RecordedScore, ...]
    commands: str


def details(board: Board) -> list[Details]:
    """Return the details of the best entries."""
    return [
        Details(
            entry_id(place),
            row,
            noise(row),
            (*_own(row), *row.other.values()),
            "\n".join(filter(None, map(reproduce, row.records))),
        )
        for place, row in enumerate(board.rows[:DETAILS])
    ]


def _own(row: Row) -> list[RecordedScore]:
    """The board's score of a row; over several seeds their mean."""
    if row.score is None or row.value is None or row.ci_low is None or row.ci_high is None:
        return []
    method = "over seeds, variance pooled over models" if row.noise == "training" else row.score.method
    return [dataclasses.replace(row.score, value=row.value, ci_low=row.ci_low, ci_high=row.ci_high, method=method)]


def reproduce(record: Record) -> str:
    """Return the shell commands that reproduce a record: training and evaluation.

    Empty for a record of images, for a run that was tuned to images of one's own, and for a data set that can't be
    opened by its name alone: of a folder's path, records keep only the last part.
    """
    subject, trained = record.subject, record.training
    if trained is None or trained.tuned or not _offered(record.dataset):
        return ""
    train = ["genkit", "train", "--model", f"{subject.dist}:{subject.name}" if subject.dist else subject.name]
    train += ["--dataset", record.dataset, "--seed", str(trained.seed)]
    amount, _, unit = (trained.budget if trained.finished else f"{trained.images} images").partition(" ")
    train += [f"--{unit}" if unit in ("images", "minutes") else "--images", amount.replace(",", "")]
    train += ["--batch", str(trained.batch)]
    train += ["--precision", trained.precision] if trained.precision else []
    for key, value in subject.options.items():
        if value is not None:
            train += ["-o", f"{key}={assigned(value)}"]
    train = [*torchrun(trained.processes), *train]
    last = " | tail -n 1" if trained.processes > 1 else ""  # before it, libraries may say that they are connected
    return f'run=$({shlex.join(train)}{last})\ngenkit eval --run "$run" {shlex.join(_measuring(record))}'


def _offered(dataset: str) -> bool:
    try:
        _, argument = registry().dataset(dataset)
    except GenkitError:
        return False
    return not argument


def _measuring(record: Record) -> list[str]:
    """The options of ``genkit eval`` that reproduce a record's numbers."""
    protocol = record.protocol
    samples, parameters = protocol.get("samples", {}), protocol.get("parameters", {})
    options: list[str] = []
    absent = (name.partition("[")[0].partition("@")[0] for name in record.absent)  # metrics, or columns of them
    metrics = list(dict.fromkeys([*(score.metric for score in record.scores), *absent]))
    extractors = dict.fromkeys(
        s.choices["features.extractor"] for s in record.scores if "features.extractor" in s.choices
    )
    protocol_name = _protocol_name(protocol)
    settings = {
        "--metrics": ",".join(metrics),
        "--features": ",".join(map(str, extractors)),
        "--count": samples.get("count"),
        "--seed": samples.get("seed"),
        "--protocol": protocol_name if protocol_name != "genkit" else None,
        "--importance-samples": parameters.get("nll", {}).get("importance_samples"),
    }
    for option, value in settings.items():
        options += [option, str(value)] if value not in (None, "") else []
    for metric in metrics:
        options += _given(metric, parameters.get(metric, {}), PROTOCOLS[protocol_name].parameters.get(metric, {}))
    if record.training and record.training.weights == "raw":
        options.append("--raw")
    return options


def _given(metric: str, held: Mapping[str, Any], preset: Mapping[str, Any]) -> list[str]:
    """The -p options of a metric whose parameters are neither its own defaults nor its protocol's."""
    try:
        spec = registry().find(MetricSpec, metric).spec
    except GenkitError:
        return []
    usual, shown = {**spec.defaults, **preset}, {("nll", "importance_samples")}
    chosen = {key: value for key, value in held.items() if key in usual and value != usual[key]}
    return [
        word
        for key, value in chosen.items()
        if (metric, key) not in shown
        for word in ("-p", f"{metric}.{key}={assigned(value)}")
    ]


def _protocol_name(protocol: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of the protocol with these choices, the most specific one; records hold choices, not names."""
    features, parameters = protocol.get("features", {}), protocol.get("parameters", {})
    held: dict[str, Any] = {f"features.{key}": value for key, value in features.items()}
    held |= {f"{metric}.{key}": value for metric, group in parameters.items() for key, value in group.items()}
    held["quantisation"] = protocol.get("samples", {}).get("quantisation", "round-half-even")
    fitting = {}
    for name, preset in PROTOCOLS.items():
        wanted: dict[str, Any] = {f"features.{key}": value for key, value in preset.features.items()}
        for metric, group in preset.parameters.items():
            wanted |= {f"{metric}.{key}": value for key, value in group.items() if metric in parameters}
        if all(held.get(key) == value for key, value in {**wanted, "quantisation": preset.quantisation}.items()):
            fitting[name] = len(wanted)
    return max(fitting, key=lambda name: fitting[name], default="genkit")
