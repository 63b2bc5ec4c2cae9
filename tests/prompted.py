"""Models that follow prompts exactly, or fail in one way, for tests of what is measured of them."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import nn

from genkit.data.digits import Digits
from genkit.data.scenes import enlarged, render
from genkit.data.scenes_grammar import Scene, SceneGrammar, Thing
from genkit.features import scene_judge
from genkit.models import GenerativeModel
from genkit.models.conditions import Condition


class Painter(GenerativeModel):
    """Paints scenes from real digits; ``change`` is what it makes of a scene that is asked for."""

    def __init__(self, data, change=lambda scene: scene):
        super().__init__(None, data)
        self.weight = nn.Parameter(torch.zeros(1))
        self.change = change
        self.asked = []
        items = [item for item in Digits().read().items if item.split == "test"]
        self.digits = [[enlarged(item.pixels[0]) for item in items if item.label == digit] for digit in range(10)]

    def understand(self, prompts):
        """Return the bytes of the texts: one number a token."""
        codes = [list(text.encode()) for text in prompts]
        mask = torch.zeros(len(codes), max(map(len, codes)), dtype=torch.bool)
        tokens = torch.zeros(*mask.shape, 1)
        for row, code in enumerate(codes):
            mask[row, : len(code)] = True
            tokens[row, : len(code), 0] = torch.tensor(code, dtype=torch.float32)
        return Condition(tokens, mask)

    def sample(self, n, *, generator, condition=None):
        texts = [
            bytes(row[kept, 0].byte().tolist()).decode()
            for row, kept in zip(condition.tokens, condition.mask, strict=True)
        ]
        self.asked += texts
        return torch.stack([self.paint(text, generator) for text in texts])

    def paint(self, text, generator):
        asked = SceneGrammar().parse(text)
        placed = Scene(tuple(Thing(each.digit, each.colour, each.place or "centre") for each in asked.things))
        scene = self.change(placed)
        draws = torch.randint(36, (len(scene.things),), generator=generator).tolist()
        digits = [self.digits[thing.digit][draw] for thing, draw in zip(scene.things, draws, strict=True)]
        return torch.from_numpy(render(scene, digits, [(0, 0)] * len(digits))).float() / 255


class Speller(Painter):
    """Draws the real image of the digit that a prompt names, of 8x8 pixels."""

    def __init__(self, data, dataset):
        super().__init__(data)
        self.dataset = dataset

    def paint(self, text, generator):
        digit = self.dataset.grammar.parse(text)
        places = np.flatnonzero(self.dataset.test.labels == digit)
        return self.dataset.test.images(places[[int(torch.randint(len(places), (1,), generator=generator))]])[0]


@contextlib.contextmanager
def few_windows(images=1_500, shown=12_000):
    """Train judges of scenes in two seconds: on fewer windows, so they are worse."""
    before = scene_judge.IMAGES, scene_judge.SHOWN
    scene_judge.IMAGES, scene_judge.SHOWN = images, shown
    try:
        yield
    finally:
        scene_judge.IMAGES, scene_judge.SHOWN = before
