from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.data import Split
from genkit.errors import UsageError
from genkit.latent.walks import most_used, slerp, walk_along, walk_between, walk_prompts
from genkit.models import Condition, DataInfo, GenerativeModel
from genkit.training.runs import make_model


class Plain(GenerativeModel):
    """Its images are its latents, squeezed into [0, 1]."""

    conditional = True

    def __init__(self, classes=0):
        super().__init__(None, DataInfo((1, 2, 2), num_classes=classes))
        self.asked = None

    def draw_latent(self, n, *, generator):
        return torch.randn(n, 4, generator=generator)

    def decode(self, latent, condition=None):
        self.asked = condition
        return torch.sigmoid(latent).view(-1, 1, 2, 2)


def latents(images):
    return torch.logit(images.flatten(1))


def test_a_walk_keeps_the_length_that_gaussian_latents_have():
    """A straight line between two of many dimensions passes at 0.7 of their length."""
    one, two = torch.randn(2, 50, 400, generator=torch.Generator().manual_seed(0))
    lengths = torch.stack([slerp(one, two, share).norm(dim=1) for share in (0.0, 0.25, 0.5, 0.75, 1.0)])
    low, high = torch.minimum(one.norm(dim=1), two.norm(dim=1)), torch.maximum(one.norm(dim=1), two.norm(dim=1))
    assert (lengths >= low - 1e-3).all()
    assert (lengths <= high + 1e-3).all()
    assert ((one + two) / 2).norm(dim=1).max() < 0.9 * low.min()


def test_the_ends_of_a_walk_are_its_latents_also_parallel_and_opposite_ones():
    one = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    for two in (one, one * 2, -one, torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(1))):
        torch.testing.assert_close(slerp(one, two, 0.0), one, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(slerp(one, two, 1.0), two, atol=1e-3, rtol=1e-3)
        assert slerp(one, two, 0.3).isfinite().all()


def test_the_latents_of_a_walk_are_evenly_turned():
    images = walk_between(Plain(), 2, 5)
    assert images.shape == (10, 1, 2, 2)
    walk = latents(images)[:5]
    unit = walk / walk.norm(dim=1, keepdim=True)
    angles = (unit[1:] * unit[:-1]).sum(1).acos()
    torch.testing.assert_close(angles, angles[:1].expand(4), atol=1e-3, rtol=1e-3)
    assert torch.equal(images, walk_between(Plain(), 2, 5))
    assert not torch.equal(images, walk_between(Plain(), 2, 5, seed=1))


def test_a_class_is_kept_along_a_walk():
    model = Plain(classes=3)
    walk_between(model, 4, 2)
    assert model.asked.tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    walk_between(model, 2, 2, label=2)
    assert model.asked.tolist() == [2, 2, 2, 2]
    with pytest.raises(UsageError, match="no class 3"):
        walk_between(model, 2, 2, label=3)


def test_a_traversal_moves_one_dimension_a_row():
    rows = latents(walk_along(Plain(), [2, 0], 3, span=2.0)).view(2, 3, 4)
    torch.testing.assert_close(rows[0, :, 2], torch.tensor([-2.0, 0.0, 2.0]), atol=0.2, rtol=0)
    torch.testing.assert_close(rows[1, :, 0], torch.tensor([-2.0, 0.0, 2.0]), atol=0.2, rtol=0)
    assert (rows[0, :, [0, 1, 3]].var(0) < 1e-9).all()


def test_a_traversal_keeps_one_class():
    model = Plain(classes=5)
    walk_along(model, [0, 1, 2], 2)
    assert model.asked.tolist() == [0] * 6
    walk_along(model, [0, 1, 2], 2, label=3)
    assert model.asked.tolist() == [3] * 6


def test_a_traversal_goes_as_far_as_the_prior_does():
    model = Plain()
    scale, shift = torch.tensor([0.1, 1.0, 3.0, 0.5]), torch.tensor([0.0, 2.0, -1.0, 0.0])
    model.draw_latent = lambda n, *, generator: torch.randn(n, 4, generator=generator) * scale + shift
    rows = latents(walk_along(model, [0, 2], 3, span=1.0)).view(2, 3, 4)
    torch.testing.assert_close(rows[0, :, 0], torch.tensor([-0.1, 0.0, 0.1]), atol=0.02, rtol=0)
    torch.testing.assert_close(rows[1, :, 2], torch.tensor([-4.0, -1.0, 2.0]), atol=0.4, rtol=0)


@pytest.mark.parametrize("dims", [[4], [-1]])
def test_a_dimension_that_there_is_not_is_refused(dims):
    with pytest.raises(UsageError, match="the latent has 4, from 0"):
        walk_along(Plain(), dims, 3)


def test_what_has_no_latent_space_is_told_so(digits):
    with pytest.raises(UsageError, match="Noise has no latent space"):
        walk_between(make_model("noise", {}, digits.info()), 2, 2)
    with pytest.raises(UsageError, match="at least 2 steps"):
        walk_between(Plain(), 2, 1)


def test_dimensions_come_in_the_order_of_their_use():
    model = Plain()
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 2, 2), np.uint8)
    scales = torch.tensor([0.1, 3.0, 0.0, 1.0])
    assert most_used(model, 2, Split("test", images, None)) == [0, 1]
    model.encode = lambda images: images.flatten(1) * scales
    assert most_used(model, 3, Split("test", images, None)) == [1, 3, 0]


class Reader(GenerativeModel):
    """Its images have the brightness that a prompt says, in percent."""

    def __init__(self):
        super().__init__(None, DataInfo((1, 2, 2)))

    def understand(self, prompts):
        said = torch.tensor([[[float(prompt) / 100]] for prompt in prompts])
        return Condition(said, torch.ones(len(said), 1, dtype=torch.bool))

    def sample(self, n, *, generator, condition=None):
        return condition.tokens.view(-1, 1, 1, 1).expand(n, 1, 2, 2)


@pytest.mark.parametrize(
    ("steps", "percents"),
    [(3, [0, 40, 100]), (4, [0, 20, 40, 100]), (5, [0, 20, 40, 70, 100]), (6, [0, 40 / 3, 80 / 3, 40, 70, 100])],
)
def test_each_prompt_of_a_walk_has_a_step_of_its_own(steps, percents):
    images = walk_prompts(Reader(), ["0", "40", "100"], 2, steps)
    assert images.shape == (2 * steps, 1, 2, 2)
    assert images[:steps, 0, 0, 0].tolist() == pytest.approx([percent / 100 for percent in percents])
