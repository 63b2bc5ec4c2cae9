"""How prompts of ``scenes`` are obeyed: beside a model of classes that is told the same, and of pairs beside their swaps.

uv run python benchmarks/obedience.py runs/scenes/vq-gpt/1234 --classes runs/scenes/vq-gpt/abcd -o guidance=2

A judge trained on real images says what an image shows; how good it is prints `genkit eval --metrics prompt_accuracy`.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from torch import Tensor

import genkit
from genkit.data.phrasings import COLOURS
from genkit.data.scenes_grammar import Scene, SceneGrammar, pairs, trained_on
from genkit.features.cache import quiet
from genkit.features.judges import judge_of
from genkit.options import parse_assignments
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import named_run

GRAMMAR = SceneGrammar()
THINGS = [f"a {colour} {digit}" for colour in COLOURS for digit in range(10)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="a run that follows captions")
    parser.add_argument("--classes", type=Path, help="one that follows classes instead")
    parser.add_argument("--each", type=int, default=10, help="images of each thing; of each pair as many and its swap")
    parser.add_argument("--pairs", type=int, default=50, help="pairs of things")
    parser.add_argument("-o", dest="options", action="append", default=[], help="of drawing, e.g. guidance=2")
    arguments = parser.parse_args()
    judge = judge_of(open_run_dataset(named_run(arguments.text)), "cpu", quiet)

    def found(images: Tensor) -> Sequence[Scene]:
        return judge.read((255 * images).round().to(torch.uint8).numpy())

    def agreed(texts: Sequence[str], images: Tensor) -> list[dict[str, bool]]:
        asked = [GRAMMAR.parse(text) for text in texts]
        assert all(asked)
        return [GRAMMAR.agreement(*each) for each in zip(asked, found(images), strict=True)]  # type: ignore[arg-type]

    draw = Random(0)
    both = [scene for scene in pairs() if trained_on(scene)]
    chosen = [both[int(draw.random() * len(both))] for _ in range(arguments.pairs)]
    sampling = parse_assignments(arguments.options)
    images = genkit.sample(arguments.text, arguments.each, prompts=THINGS, sampling=sampling)
    said("things by text", [all(each.values()) for each in agreed(THINGS * arguments.each, images)])
    if arguments.classes:
        images = genkit.sample(arguments.classes, (len(THINGS) + 2) * arguments.each, sampling=sampling)
        alone = torch.arange(len(images)) % (len(THINGS) + 2) < len(THINGS)  # the last two classes are of pairs
        said("things by class", [all(each.values()) for each in agreed(THINGS * arguments.each, images[alone])])
    named = ("a red 3 left of a blue 7", "a blue 7 left of a red 3")
    for name, asked in (
        ("red 3, blue 7", [named] * 5),
        (f"{len(chosen)} pairs", [swapped(each) for each in chosen]),
    ):
        texts = list(itertools.chain.from_iterable(asked))
        images = genkit.sample(arguments.text, arguments.each, prompts=texts, sampling=sampling)
        texts, others = texts * arguments.each, [text for pair in asked for text in pair[::-1]] * arguments.each
        right = agreed(texts, images)
        said(f"{name}: all right", [all(each.values()) for each in right])
        wrong = [sum(each.values()) for each in agreed(others, images)]
        said(f"{name}: more of it than of its swap", [sum(a.values()) > b for a, b in zip(right, wrong, strict=True)])


def swapped(scene: Scene) -> tuple[str, str]:
    """Return a caption of two things, and that of the two in each other's places."""
    (one, other), relation = scene.things, scene.relation
    first, second = (f"a {each.colour} {each.digit}" for each in (one, other))
    return f"{first} {relation} {second}", f"{second} {relation} {first}"


def said(name: str, right: Sequence[bool]) -> None:
    """Print a share with its 95 % interval."""
    share = sum(right) / len(right)
    print(
        f"  {name:45} {share:.3f} +- {1.96 * math.sqrt(share * (1 - share) / len(right)):.3f} of {len(right):,}",
        flush=True,
    )


if __name__ == "__main__":
    main()
