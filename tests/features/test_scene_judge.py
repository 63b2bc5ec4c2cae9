from __future__ import annotations

import numpy as np
import pytest
import torch
from prompted import few_windows

from genkit.data import open_dataset
from genkit.data.phrasings import COLOURS, PLACES
from genkit.data.scenes import PAINT, render
from genkit.data.scenes_grammar import Scene, Thing
from genkit.features.cache import quiet
from genkit.features.judges import judge_of
from genkit.features.scene_judge import grey, nearest_paint, scene_judge, windows

FULL = np.full((14, 14), 255, np.uint8)


@pytest.fixture(scope="module")
def data():
    return open_dataset("scenes")


@pytest.fixture(scope="module")
def judge(data):
    with few_windows():
        return judge_of(data, "cpu", quiet)


def test_most_real_scenes_are_read_right(judge, data):
    read = judge.read(data.test.uint8(slice(300)))
    parts = [
        data.grammar.agreement(data.grammar.parse(texts[0]), shown)
        for texts, shown in zip(data.test.captions, read, strict=False)
    ]
    assert np.mean([each["colour"] for each in parts]) > 0.9
    assert np.mean([all(each.values()) for each in parts]) > 0.7  # from a tenth of its training


def test_a_judge_is_trained_once_and_again_if_it_is_damaged(judge, data, tmp_path, monkeypatch):
    shown = []
    again = scene_judge(data, "cpu", lambda *progress: shown.append(progress))
    assert (again.sha256, shown) == (judge.sha256, [])
    from genkit.files.folders import cache_dir

    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    with few_windows(images=20, shown=50):
        first = scene_judge(data, "cpu", quiet)
        (weights,) = tmp_path.glob("judges/*/*.safetensors")
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
        assert scene_judge(data, "cpu", quiet).sha256 == first.sha256


@pytest.mark.parametrize("place", PLACES)
def test_the_window_of_a_place_holds_its_digit_wherever_it_may_be(place):
    for offset in ((-1, -1), (0, 1), (1, 0)):
        image = render(Scene((Thing(1, "white", place),)), [FULL], [offset])
        seen = windows(image[None])[0, [*PLACES].index(place)]
        assert int(seen.long().sum()) == int(image.astype(int).sum())


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_is_told_at_any_brightness(colour):
    paint = torch.tensor(PAINT[colour])[:, None, None]
    for brightness in (60, 255):
        seen = (paint * brightness // 255).to(torch.uint8).expand(1, 1, 3, 16, 16)
        assert COLOURS[int(nearest_paint(seen))] == colour
        assert int(grey(seen).max()) == brightness


def test_images_of_another_size_and_grey_ones_are_read():
    image = render(Scene((Thing(1, "white", "left"),)), [FULL], [(0, 0)])
    large = image.repeat(2, axis=1).repeat(2, axis=2)
    assert torch.equal(windows(large[None]), windows(image[None]))
    assert torch.equal(windows(image[None, :1]), windows(image[None]))
