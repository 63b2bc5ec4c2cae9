from __future__ import annotations

import pytest
import torch

from genkit.errors import DataError, UsageError
from genkit.features import load_extractor
from genkit.latent.editing import Averaged, Degradation, Masked, Search, search_latents
from genkit.models import DataInfo, GenerativeModel

LONG = Search(steps=1500, starts=2, learning_rate=0.02)


class Linear(GenerativeModel):
    """G(z) = W z + 1/2 under N(0, 1): what a search should find has a closed form."""

    conditional = True

    def __init__(self):
        super().__init__(None, DataInfo((1, 4, 4)))
        self.weight = torch.nn.Parameter(0.05 * torch.randn(16, 3, generator=torch.Generator().manual_seed(0)))
        self.asked = None

    def draw_latent(self, n, *, generator):
        return torch.randn(n, 3, generator=generator)

    def decode(self, latent, condition=None):
        self.asked = condition
        return (latent @ self.weight.T + 0.5).view(-1, 1, 4, 4)


def expected(model, target, rows, noise, prior):
    """The minimum of |R (W z + 1/2) - y|^2 / (2 s^2) + w |z|^2 / 2, for A given as a matrix R."""
    w, y = rows @ model.weight.detach(), target.flatten(1) - rows @ torch.full((16,), 0.5)
    z = torch.linalg.solve(w.T @ w / noise**2 + prior * torch.eye(3), w.T @ y.T / noise**2)
    return (model.weight.detach() @ z + 0.5).T.view(-1, 1, 4, 4)


def images(n=2):
    return torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.4


@pytest.mark.parametrize(("noise", "prior"), [(0.1, 1.0), (0.02, 1.0), (0.1, 5.0), (0.1, 0.0)])
def test_denoising_finds_the_posterior_s_mode(noise, prior):
    model, search = Linear(), Search(steps=1500, starts=2, learning_rate=0.02, noise=noise, prior=prior)
    found = search_latents(model, images(), Degradation(), search)
    torch.testing.assert_close(found, expected(model, images(), torch.eye(16), noise, prior), atol=2e-3, rtol=0)


def test_super_resolution_explains_the_means_of_squares():
    model = Linear()
    small = torch.nn.functional.avg_pool2d(images(), 2)
    rows = torch.nn.functional.avg_pool2d(torch.eye(16).view(16, 1, 4, 4), 2).flatten(1).T
    found = search_latents(model, small, Averaged(2), LONG)
    torch.testing.assert_close(found, expected(model, small, rows, 0.1, 1.0), atol=2e-3, rtol=0)


def test_in_painting_keeps_what_is_given_and_never_looks_behind_the_mask():
    model, mask = Linear(), torch.ones(4, 4)
    mask[:2] = 0
    found = search_latents(model, images(), Masked(mask), LONG)
    assert torch.equal(found[:, :, 2:], images()[:, :, 2:])
    best = expected(model, images() * mask, torch.diag(mask.flatten()), 0.1, 1.0)
    torch.testing.assert_close(found[:, :, :2], best[:, :, :2], atol=2e-3, rtol=0)
    behind = images()
    behind[:, :, :2] = 0.99
    torch.testing.assert_close(search_latents(model, behind, Masked(mask), LONG), found)


def test_a_model_is_left_as_it_was():
    model = Linear()
    before = model.weight.detach().clone()
    search_latents(model, images(), Degradation(), Search(steps=3))
    assert model.weight.requires_grad
    assert model.weight.grad is None
    assert torch.equal(model.weight.detach(), before)


def test_a_prior_of_the_model_s_own_is_heeded():
    class Shifted(Linear):
        def log_prior(self, latent):
            return -50 * (latent - 2).square().sum(-1)

    model = Shifted()
    found = search_latents(model, images(), Degradation(), Search(steps=800, noise=10.0))
    torch.testing.assert_close(found, model.decode(torch.full((2, 3), 2.0)).detach(), atol=0.01, rtol=0)


def test_a_start_is_the_code_of_what_is_given_where_there_is_one():
    class Encoding(Linear):
        def encode(self, images):
            return torch.full((len(images), 3), 0.7)

    model = Encoding()
    found = search_latents(model, images(1), Degradation(), Search(steps=1, starts=1, learning_rate=1e-9))
    torch.testing.assert_close(found, model.decode(torch.full((1, 3), 0.7)).detach())


def test_classes_go_with_their_targets_through_all_starts():
    model = Linear()
    search_latents(model, images(2), Degradation(), Search(steps=1, starts=3), condition=torch.tensor([4, 5]))
    assert model.asked.tolist() == [4, 5] * 3


def test_features_pull_towards_what_looks_alike(digits):
    extractor = load_extractor("random-conv")
    target = images(1)

    def apart(found):
        return float((extractor.forward(255 * found)[0] - extractor.forward(255 * target)[0]).square().sum())

    blind = search_latents(Linear(), target, Degradation(), Search(steps=200, noise=0.3))
    seeing = search_latents(
        Linear(), target, Degradation(), Search(steps=200, noise=0.3, perceptual=1e4), extractor=extractor
    )
    assert apart(seeing) < 0.9 * apart(blind)


def test_weights_and_shapes_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="go together"):
        search_latents(Linear(), images(), Degradation(), Search(perceptual=1.0))
    with pytest.raises(DataError, match="targets of shape"):
        search_latents(Linear(), images()[:, :, :2], Degradation())
    with pytest.raises(DataError, match="targets of shape"):
        search_latents(Linear(), images()[:, :, :2], Masked(torch.ones(images().shape[2:])))
    with pytest.raises(UsageError, match="can't be made 3 times smaller"):
        search_latents(Linear(), images(), Averaged(3))
    with pytest.raises(UsageError, match="above zero"):
        Search(noise=0.0)
