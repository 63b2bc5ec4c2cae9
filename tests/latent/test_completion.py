"""Filling in by models that complete images."""

from __future__ import annotations

import pytest
import torch

from genkit.data.dataset import DataInfo
from genkit.errors import PluginError
from genkit.latent.completion import HOLES, complete, known_around
from genkit.models import GenerativeModel


class Filler(GenerativeModel):
    """Fills in noise of a brightness that its class says, and spoils what was known."""

    conditional = True

    def complete(self, images, known, *, generator, condition=None):
        assert known.dtype == torch.bool and known.shape == (len(images), 1, 4, 4)
        level = 0.0 if condition is None else condition.view(-1, 1, 1, 1) / 10
        return 0.1 * torch.rand(images.shape, generator=generator) + level


def filler():
    return Filler(None, DataInfo((1, 4, 4), num_classes=2, class_frequencies=(0.5, 0.5)))


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_half_of_the_image_or_the_quarter_in_its_middle(hole):
    known = known_around(hole, 8, 12)
    assert known.sum() == 96 - (24 if hole == "centre" else 48)
    corner = {"top": (0, 5), "bottom": (7, 5), "left": (4, 0), "right": (4, 11), "centre": (4, 6)}[hole]
    assert known[corner] == 0


def test_known_pixels_come_back_unchanged_and_the_rest_is_drawn_by_seed_and_class():
    images = torch.rand(300, 1, 4, 4)
    known = known_around("bottom", 4, 4)
    seen = []
    classes = torch.arange(300) % 10
    drawn = complete(filler(), images, known, seed=0, condition=classes, progress=lambda *at: seen.append(at))
    assert torch.equal(drawn[..., :2, :], images[..., :2, :])
    assert torch.equal((drawn[..., 2:, :] * 10).floor().flatten(1).unique(dim=1)[:, 0].long(), classes)
    assert torch.equal(drawn, complete(filler(), images, known, seed=0, condition=classes))
    assert not torch.equal(drawn, complete(filler(), images, known, seed=1, condition=classes))
    assert seen == [("completing", 250, 300), ("completing", 300, 300)]


def test_images_out_of_range_are_a_fault_of_the_plugin():
    with pytest.raises(PluginError, match="completions of Filler"):
        complete(filler(), torch.rand(2, 1, 4, 4), known_around("top", 4, 4), seed=0, condition=torch.tensor([9, 20]))
