"""A gallery: samples of every model, from the exhibits of committed records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genkit.registry.discovery import Offer
from genkit.registry.specs import ModelSpec
from genkit.results.records import Record

COLUMNS = 4
WIDTH = 170
"""Pixels of a picture on the page."""


FRONT = ("vq-gpt", "r3gan", "flow-vae", "rae-gmm")
"""Models whose samples stand on the first page."""


def row(offers: Sequence[Offer[ModelSpec]], records: Sequence[Record], pictures: Mapping[str, str]) -> str:
    """Return the table of the first page: samples of a few models on MNIST, as ``page`` shows them."""
    shown = [record for record in _shown(records, pictures) if record.dataset == "mnist"]
    chosen = [offer for name in FRONT for offer in offers if offer.spec.name == name]
    newest = {offer.spec.name: _newest(offer, shown) for offer in chosen}
    return _table([_cell(name, record, pictures[record.id]) for name, record in newest.items() if record]) + "\n"


def page(offers: Sequence[Offer[ModelSpec]], records: Sequence[Record], pictures: Mapping[str, str]) -> str:
    """Return a Markdown page with a table of pictures for each data set; ``pictures`` are paths by a record's id."""
    parts = [
        "# Gallery",
        "Random samples, not selected, of models trained on two CPU cores as the boards in `benchmarks/boards` say, "
        "with seed 0. Below each grid: the FID on the features of the data set's own classifier, which is not the FID "
        "on Inception's features, and the training time. [Model cards](reference/model-cards.md) have all numbers.",
    ]
    shown = _shown(records, pictures)
    drawn: set[str] = set()
    for dataset, title in (("mnist", "MNIST, 28x28"), ("digits", "Digits, 8x8")):
        cells = []
        for offer in offers:
            newest = _newest(offer, [record for record in shown if record.dataset == dataset])
            if newest is not None:
                cells.append(_cell(offer.spec.name, newest, pictures[newest.id]))
                drawn.add(offer.spec.name)
        parts += [f"## {title}", _table(cells)]
    missing = [offer.spec.name for offer in offers if offer.spec.name not in drawn]
    if missing:
        parts.append(f"No samples are committed of {', '.join(f'`{name}`' for name in missing)}.")
    return "\n\n".join(parts) + "\n"


def _shown(records: Sequence[Record], pictures: Mapping[str, str]) -> list[Record]:
    """The records of finished runs of seed 0 that have a picture."""
    trained = [record for record in records if record.id in pictures and record.training]
    return [r for r in trained if r.training and r.training.finished and r.training.seed == 0]


def _newest(offer: Offer[ModelSpec], records: Sequence[Record]) -> Record | None:
    mine = [r for r in records if (r.subject.name, r.subject.dist) == (offer.spec.name, offer.plugin.dist)]
    return max(mine, key=lambda record: record.created, default=None)


def _cell(name: str, record: Record, path: str) -> tuple[str, str]:
    """A picture, and the words below it."""
    assert record.training is not None
    fids = [score for score in record.scores if score.metric == "fid"]
    fid = min(fids, key=lambda score: "@" in score.name, default=None)
    seconds = record.training.seconds
    facts = [] if fid is None else [f"FID {fid.value:.3g}"]
    facts.append(f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s")
    words = f"[{name}](reference/model-cards.md#{name})<br>{', '.join(facts)}"
    return f"![Samples of {name}]({path}){{width={WIDTH}px}}", words


def _table(cells: Sequence[tuple[str, str]]) -> str:
    lines = ["|" + "   |" * COLUMNS, "|" + ":-:|" * COLUMNS]
    for start in range(0, len(cells), COLUMNS):
        row = cells[start : start + COLUMNS]
        row = [*row, *[("", "")] * (COLUMNS - len(row))]
        lines += ["| " + " | ".join(pictures) + " |" for pictures in zip(*row, strict=True)]
    return "\n".join(lines)
