"""A digit that a model never saw, learned from 20 images under a made-up word: is it obeyed, and what do the others lose?

A parent is trained by captions on nine digits and tuned on 20 images of the tenth. A classifier of all ten digits judges.

uv run python benchmarks/tuning.py --model vq-gpt --seeds 3
uv run python benchmarks/tuning.py --parent-images 30k --images 4k --samples 200   # a quick try
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import genkit
from genkit.data import ImageDataset, Split
from genkit.evaluation.concept import concept_exhibits
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.features.cache import quiet
from genkit.features.judge import Judge
from genkit.features.judges import judge_of
from genkit.metrics import mean_score
from genkit.models.base import GenerativeModel
from genkit.models.images import drawn, understood
from genkit.report.concept import concept
from genkit.results.score import Score
from genkit.training.api import find_preset
from genkit.training.runs import Run
from genkit.training.settings import Settings
from genkit.training.tune import IMAGES, REPLAY

WORD = "a zorp"
SETTINGS = Settings(previews=0, metadata=False)


def write_folder(folder: Path, split: Split, rows: NDArray[np.int64], texts: list[tuple[str, ...]] | None) -> None:
    """Write images of a split as PNGs, with captions in a metadata.jsonl if there are any."""
    folder.mkdir(parents=True)
    assert split.labels is not None
    lines = []
    for row in rows.tolist():
        Image.fromarray(split.uint8(slice(row, row + 1))[0, 0]).save(folder / f"{row:05d}.png")
        if texts is not None:
            said = texts[int(split.labels[row])]
            lines.append(json.dumps({"file_name": f"{row:05d}.png", "texts": list(said)}))
    if texts is not None:
        (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")


def obeyed(model: GenerativeModel, prompts: list[str], digits: NDArray[np.int64], judge: Judge, seed: int) -> Score:
    """Return the share of prompts in whose image the judge sees the digit, with its interval."""
    found: list[int] = []
    for start in range(0, len(prompts), 250):
        generator = torch.Generator().manual_seed(seed * 1000 + start)
        condition = understood(model, prompts[start : start + 250])
        images = drawn(model, len(condition), generator=generator, condition=condition)
        found += judge.read(images.mul(255).round().byte().numpy())
    return mean_score(np.equal(found, digits).astype(np.float64)).within(0.0, 1.0)


def told(score: Score) -> str:
    """A score with its interval."""
    return f"{score.value:.3f} [{score.ci_low:.3f}, {score.ci_high:.3f}]"


def measure(arguments: argparse.Namespace, data: ImageDataset, judge: Judge, seed: int, folder: Path) -> None:
    """Train, tune and print the figures of one seed."""
    grammar, split = data.grammar, data.train
    assert grammar is not None and split.labels is not None and data.test.labels is not None
    texts = list(grammar.class_captions())
    new, root = int(arguments.withheld), folder / "runs"
    for name, part in (("train", split), ("test", data.test)):
        write_folder(folder / "nine" / name, part, np.flatnonzero(np.asarray(part.labels) != new), texts)
    generator = np.random.default_rng(seed)
    chosen = generator.choice(np.flatnonzero(np.asarray(split.labels) == new), arguments.shots, replace=False)
    write_folder(folder / "new", split, chosen, None)
    preset = find_preset(arguments.model, data.name)
    common: dict[str, Any] = {"device": "cpu", "root": root, "settings": SETTINGS, "seed": seed}
    options = {**preset.options, **preset.sampling, "text": "bytes"}
    parent = genkit.train(
        arguments.model, f"folder:{folder / 'nine'}", images=arguments.parent_images, options=options, **common
    )
    how = {name: getattr(arguments, name) for name in ("rank", "alpha", "replay", "rate", "images", "batch", "method")}
    tuned = genkit.tune(parent, f"folder:{folder / 'new'}", WORD, **how, **common)
    report(arguments, parent, tuned, texts, judge, seed)


def report(
    arguments: argparse.Namespace, parent: Run, tuned: Run, texts: list[tuple[str, ...]], judge: Judge, seed: int
) -> None:
    """Print what was asked for and what came out."""
    new, count = int(arguments.withheld), arguments.samples
    before, after = genkit.load(parent), genkit.load(tuned)
    old = np.array([digit for digit in range(10) if digit != new])[np.arange(count) % 9]
    phrasings = [texts[digit][place // 9 % len(texts[digit])] for place, digit in enumerate(old.tolist())]
    word = np.full(count, new)
    lost = [obeyed(model, phrasings, old, judge, seed) for model in (before, after)]
    tuning = tuned.config.tuning
    assert tuning is not None
    print(f"seed {seed}: {arguments.model}, parent {parent.config.budget}, tuned {tuned.config.budget}")
    print(
        f"  tuning            {tuning.method}, rank {tuning.rank}, alpha {tuning.alpha:g}, replay {tuning.replay:g}, "
        f"rate {tuning.rate:g}, {tuning.images} images"
    )
    if tuning.method == "lora":
        apart = genkit.load(tuned, merge=False)
        own = sum(each.numel() for name, each in apart.named_parameters() if ".lora_" in name)
        whole = sum(each.numel() for each in before.parameters())
        print(f"  parameters        {own:,} of {whole:,}: {100 * own / whole:.1f} %")
        apart_at_most, largest = difference(apart, after)
        print(f"  merged, unmerged  {apart_at_most:.1e} apart at most, of logits up to {largest:.1f}")
    print(
        f"  new digit         {told(obeyed(after, [WORD] * count, word, judge, seed))}"
        f", of the parent {told(obeyed(before, [WORD] * count, word, judge, seed))}"
    )
    print(f"  old digits        {told(lost[1])}, of the parent {told(lost[0])}")
    evaluator = Evaluator(
        genkit.open_dataset(parent.config.dataset),
        EvalConfig(metrics=["fid"], features=[arguments.features], device="cpu"),
    )
    found = concept(concept_exhibits(tuned, after, evaluator))
    print("  " + "\n  ".join(found.lines() if found is not None else ["no likeness measured"]))


def difference(one: Any, other: Any) -> tuple[float, float]:
    """Return the largest difference of two models' logits, for random images of the new word, and the largest logit."""
    images = torch.rand(64, *one.data.shape, generator=torch.Generator().manual_seed(1))
    tokens = one.tokens(images)
    with torch.no_grad():
        logits = [each.logits_of(tokens, each.prefix(64, each.understand([WORD] * 64))) for each in (one, other)]
    return float((logits[0] - logits[1]).abs().max()), float(logits[0].abs().max())


def main() -> None:
    """Measure as many seeds as were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="vq-gpt")
    parser.add_argument("--dataset", default="digits", help="digits or mnist")
    parser.add_argument("--features", default="digits-cnn", help="extractor of likeness and authpct")
    parser.add_argument("--withheld", type=int, default=9)
    parser.add_argument("--shots", type=int, default=20)
    parser.add_argument("--samples", type=int, default=900)
    parser.add_argument("--parent-images", default=None, help="the preset's budget unless given")
    parser.add_argument("--images", default=IMAGES)
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--method", choices=("lora", "all"), default=None)
    parser.add_argument("--rank", type=int, default=None)
    parser.add_argument("--alpha", type=float, default=None)
    parser.add_argument("--replay", type=float, default=REPLAY)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    data = genkit.open_dataset(arguments.dataset)
    arguments.parent_images = arguments.parent_images or find_preset(arguments.model, data.name).images
    judge = judge_of(data, "cpu", quiet)
    right = mean_score(np.equal(judge.read(data.test.uint8(slice(None))), data.test.labels).astype(np.float64))
    print(f"judge on real test images: {told(right.within(0.0, 1.0))}")
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            measure(arguments, data, judge, seed, Path(folder))


if __name__ == "__main__":
    main()
