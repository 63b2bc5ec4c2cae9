"""Model cards: a model in its author's words, its options and sizes, and its measured scores."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence

from genkit.data.dataset import DataInfo
from genkit.models.base import GenerativeModel
from genkit.options import build, to_json
from genkit.registry.discovery import Offer
from genkit.registry.specs import ModelSpec
from genkit.report.card import code_licence, data_licence, use_and_limits
from genkit.report.text import interval, number
from genkit.results.records import Record

COLOUR = DataInfo((3, 32, 32), 256, 10)
SIZES = {
    "digits": DataInfo((1, 8, 8), 17, 10),
    "mnist": DataInfo((1, 28, 28), 256, 10),
    "scenes": DataInfo((3, 32, 32), 256, 72),
    "cifar10": COLOUR,
    "cifar100": DataInfo((3, 32, 32), 256, 100),
    "fashion-mnist": DataInfo((1, 28, 28), 256, 10),
    "default": COLOUR,
    "gpu": COLOUR,
}
"""Data for which each preset's parameters are counted."""

SHOWN = ("fid", "kid", "precision", "recall", "class_accuracy", "mse", "elbo", "nll", "bits_per_dim", "train_seconds")


def page(offers: Sequence[Offer[ModelSpec]], records: Sequence[Record], pictures: Mapping[str, str]) -> str:
    """Return a Markdown page of cards; ``pictures`` are sample grids by the ids of records."""
    parts = [
        "# Model cards",
        "Generated from the models' code and from the records in `benchmarks/results`. Published numbers come from "
        "other networks, budgets and evaluators: they cannot be compared with those here. Empty cells "
        "were not measured. Parameters are counted for the preset's data; those of `default` "
        "and `gpu` for 32x32 colour images of ten classes.",
    ]
    parts += [card(offer, records, pictures) for offer in offers]
    return "\n\n".join(parts) + "\n"


def card(offer: Offer[ModelSpec], records: Sequence[Record], pictures: Mapping[str, str]) -> str:
    """Return one model's card in Markdown."""
    spec = offer.spec
    cls: type[GenerativeModel] = spec.load()
    ended = [record for record in records if record.training and record.training.finished]
    mine = [record for record in ended if (record.subject.name, record.subject.dist) == (spec.name, offer.plugin.dist)]
    facts = [
        f"Paper: {spec.paper or '-'}.",
        f"From `{offer.plugin.dist}`.",
        f"Published: {spec.published or '-'}.",
    ]
    terms = {
        "Data": _data(mine),
        "Licence of the code": code_licence(spec.name, offer.plugin.dist),
        **use_and_limits(spec.name, offer.plugin.dist),
    }
    parts = [
        f"## {spec.name}",
        spec.summary + ".",
        "\n".join(f"> {line}".rstrip() for line in _doc(cls)),
        " ".join(facts),
        "\n".join(f"- {heading[0].upper()}{heading[1:]}: {text}." for heading, text in terms.items()),
    ]
    parts += [_presets(cls), _measured(cls, mine)]
    shown = [(record, pictures[record.id]) for record in mine if record.id in pictures]
    seen: set[str] = set()
    for record, path in shown:
        assert record.training is not None
        kind = f"{record.dataset}{sorted(record.subject.options.items())}"
        if kind not in seen:
            seen.add(kind)
            what = (
                f"{spec.name} on {record.dataset} after {record.training.images:,} images, seed {record.training.seed}"
            )
            parts.append(f"![Samples of {what}]({path})\n\nSamples of {what}.")
    return "\n\n".join(part for part in parts if part)


def _data(records: Sequence[Record]) -> str:
    """The data sets of its results, with their licences."""
    names = sorted({record.dataset for record in records})
    trained = ", ".join(f"{name} (licence {data_licence(name)})" for name in names)
    ends = "no weights come with the package"
    return f"results below are of {trained}; {ends}" if trained else f"any images; {ends}"


def _doc(cls: type[GenerativeModel]) -> list[str]:
    """The author's words, with code's double ticks as Markdown has them."""
    return (inspect.getdoc(cls) or "").replace("``", "`").splitlines()


def _presets(cls: type[GenerativeModel]) -> str:
    rows = ["| preset | images | batch | options | parameters |", "|---|---|---|---|---|"]
    defaults = to_json(build(cls.Options, {}, cls.__name__))
    for name, preset in cls.presets.items():
        options = {**defaults, **to_json(build(cls.Options, dict(preset.options), cls.__name__))}
        count = f"{_parameters(cls, options, SIZES[name]):,}" if name in SIZES else ""
        words = ", ".join(f"{key}={value}" for key, value in options.items())
        rows.append(f"| {name} | {preset.images:,} | {preset.batch} | {words} | {count} |")
    return "\n".join(rows)


def _parameters(cls: type[GenerativeModel], options: Mapping[str, object], info: DataInfo) -> int:
    labelled = dataclasses.replace(info, class_frequencies=(0.1,) * info.num_classes)
    model = cls(build(cls.Options, dict(options), cls.__name__), labelled)
    return sum(parameter.numel() for parameter in model.parameters())


def _measured(cls: type[GenerativeModel], records: Sequence[Record]) -> str:
    """A table of what was measured: a row for each record, newest last."""
    if not records:
        return ""
    defaults = to_json(build(cls.Options, {}, cls.__name__))
    found = {(s.metric, s.name) for record in records for s in record.scores}
    found -= {(metric, name) for metric, name in found if "@" in name and (metric, name.partition("@")[0]) in found}
    names = [name for metric in SHOWN for each, name in sorted(found) if each == metric]
    rows = [f"| measured on | options | seed | images | {' | '.join(names)} |", "|---" * (4 + len(names)) + "|"]
    for record in records:
        training = record.training
        assert training is not None
        cells = []
        for name in names:
            score = record.score(name)
            cells.append(
                "" if score is None else f"{number(score.value)} {interval(score.ci_low, score.ci_high)}".strip()
            )
        chosen = {k: v for k, v in record.subject.options.items() if defaults.get(k) != v}
        words = ", ".join(f"{key}={value}" for key, value in chosen.items())
        rows.append(f"| {record.dataset} | {words} | {training.seed} | {training.images:,} | {' | '.join(cells)} |")
    return "\n".join(rows)
