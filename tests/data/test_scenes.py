from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from genkit.data import open_dataset
from genkit.data.digits import Digits
from genkit.data.scenes import CLASSES, CORNERS, PAINT, _items, enlarged, render
from genkit.data.scenes_grammar import Scene, SceneGrammar, Thing, trained_on

GRAMMAR = SceneGrammar()


@pytest.fixture(scope="module")
def data():
    return open_dataset("scenes")


def test_the_content_is_what_it_was(data):
    assert (len(data.train), len(data.test), data.info().shape) == (20_000, 2_000, (3, 32, 32))
    assert data.sha256 == "fc57ec30f2737b371e756d60635e8069445f4733ca57039480c7e0c66910eb79"
    assert data.info().has_prompts and data.grammar is not None


def test_every_first_caption_says_a_scene_that_may_be_trained_on(data):
    for split in (data.train, data.test):
        scenes = [GRAMMAR.parse(texts[0]) for texts in split.captions[::9]]
        assert all(trained_on(scene) and all(thing.place for thing in scene.things) for scene in scenes)
    assert {len(set(texts)) for texts in data.train.captions} == {4}


def test_the_classes_say_what_a_caption_without_place_says(data):
    for label, texts in zip(data.train.labels[:200].tolist(), data.train.captions, strict=False):
        (thing, *other) = GRAMMAR.parse(texts[0]).things
        assert CLASSES[label] in (f"{thing.colour} {thing.digit}", "side by side", "one above the other")
        assert (label >= 70) == bool(other)
    assert np.bincount(data.train.labels)[:70].min() >= 120
    assert np.bincount(data.train.labels)[70:].sum() == 10_000


def test_all_combinations_are_as_frequent(data):
    alone = Counter(texts[0] for texts, label in zip(data.train.captions, data.train.labels, strict=True) if label < 70)
    assert len(alone) == 315 and max(alone.values()) - min(alone.values()) <= 1


def test_things_are_where_and_in_the_colour_that_the_caption_says(data):
    for image, texts in zip(data.train.pixels[:300].astype(float), data.train.captions, strict=False):
        things = GRAMMAR.parse(texts[0]).things
        for thing in things:
            row, column = CORNERS[thing.place]
            window = image[:, row - 1 : row + 15, column - 1 : column + 15]
            brightest = window.reshape(3, -1)[:, window.sum(0).argmax()]
            shade = brightest / brightest.max()
            distances = {colour: np.abs(shade - np.array(paint) / 255).sum() for colour, paint in PAINT.items()}
            assert min(distances, key=distances.get) == thing.colour
            image[:, row - 1 : row + 15, column - 1 : column + 15] = 0
        assert not image.any()


def test_no_test_digit_is_in_a_training_image(data):
    by_split = {"train": set(), "test": set()}
    for item in Digits().read().items:
        by_split[item.split].add(enlarged(item.pixels[0]).tobytes())
    shown = {"train": set(), "test": set()}
    for split in (data.train, data.test):
        for image, texts in zip(split.pixels[:400], split.captions, strict=False):
            for thing in GRAMMAR.parse(texts[0]).things:
                channel = int(np.argmax(PAINT[thing.colour]))  # which is painted at 255: the digit itself
                row, column = CORNERS[thing.place]
                windows = {
                    np.ascontiguousarray(image[channel, row + y : row + y + 14, column + x : column + x + 14]).tobytes()
                    for y in (-1, 0, 1)
                    for x in (-1, 0, 1)
                }
                own = windows & by_split[split.name]
                assert own, "the digit is one of the split's"
                shown[split.name] |= own
    assert not shown["train"] & by_split["test"]


def test_the_items_are_the_same_each_time():
    digits = [[enlarged(np.full((8, 8), digit, np.uint8))] for digit in range(10)]
    one, two = ([next(items) for _ in range(20)] for items in (_items("test", digits), _items("test", digits)))
    assert [item.captions for item in one] == [item.captions for item in two]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, two, strict=True))


def test_a_digit_is_enlarged_as_by_bilinear_interpolation():
    import torch
    from torch.nn.functional import interpolate

    digit = np.random.default_rng(0).integers(0, 17, (8, 8), dtype=np.uint8)
    expected = interpolate(torch.from_numpy(digit)[None, None].double() * 255 / 16, (14, 14), mode="bilinear")
    assert np.abs(enlarged(digit) - expected[0, 0].numpy()).max() <= 0.5 + 1e-9


def test_two_digits_leave_each_other_untouched():
    scene = Scene((Thing(0, "red", "left"), Thing(1, "white", "right")))
    full = np.full((14, 14), 255, np.uint8)
    image = render(scene, [full, full], [(0, 1), (0, -1)])
    assert image[:, 10, 15].tolist() == list(PAINT["red"]) and image[:, 10, 16].tolist() == [255, 255, 255]
