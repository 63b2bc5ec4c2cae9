"""How good the judge of prompts is: the share of real test images of ``scenes`` in which it finds what they show."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from genkit.data import open_dataset
from genkit.features.cache import quiet
from genkit.features.judges import judge_of


def main() -> None:
    """Print the share of each part, and of images of one and of two digits in which all is right."""
    data = open_dataset("scenes")
    judge = judge_of(data, "cpu", quiet)
    grammar, captions = data.grammar, data.test.captions
    assert grammar is not None and captions is not None
    right: dict[str, list[bool]] = defaultdict(list)
    for texts, shown in zip(captions, judge.read(data.test.uint8(slice(None))), strict=True):
        asked = grammar.parse(texts[0])
        parts = grammar.agreement(asked, shown)
        for part, agrees in (
            *parts.items(),
            ("all", all(parts.values())),
            (f"{len(asked.things)} digits", all(parts.values())),
        ):
            right[part].append(agrees)
    for part, agree in right.items():
        print(f"{part:10} {np.mean(agree):.4f} of {len(agree):,}")


if __name__ == "__main__":
    main()
