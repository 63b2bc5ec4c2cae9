"""Adversarial losses and the Gaussian KL divergence against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy

from genkit.models.losses import (
    HINGE,
    LEAST_SQUARES,
    NON_SATURATING,
    RELATIVISTIC,
    SATURATING,
    WASSERSTEIN,
    Adversarial,
    gaussian_kl,
    gaussian_kl_between,
    gaussian_log_prob,
    gradient_penalty,
    input_gradients,
    interpolate,
    r1_penalty,
)

R, F = torch.tensor([2.0, -0.5, 0.25]), torch.tensor([-1.5, 0.5, 3.0])
"""Logits of three real and three generated images."""


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_discriminator_loss_is_cross_entropy_with_label_one_for_real() -> None:
    real, generated = torch.tensor([1.0, -0.5]), torch.tensor([0.3, 2.0])
    expected = binary_cross_entropy(real.sigmoid(), torch.ones(2))
    expected = expected + binary_cross_entropy(generated.sigmoid(), torch.zeros(2))
    assert NON_SATURATING.discriminator(real, generated).item() == pytest.approx(expected.item(), abs=1e-6)


def test_generator_losses_are_minus_log_d_and_log_one_minus_d() -> None:
    generated = torch.tensor([0.3, -2.0])
    d = generated.sigmoid()
    assert NON_SATURATING.generator(generated).item() == pytest.approx(-d.log().mean().item(), abs=1e-6)
    assert SATURATING.generator(generated).item() == pytest.approx((1 - d).log().mean().item(), abs=1e-6)


def test_losses_stay_exact_where_a_sigmoid_would_saturate() -> None:
    far = torch.tensor([200.0], requires_grad=True)
    loss = NON_SATURATING.discriminator(torch.zeros(1), far)
    loss.backward()
    assert loss.item() == pytest.approx(200.0 + torch.tensor(2.0).log().item())
    assert far.grad is not None and far.grad.item() == pytest.approx(1.0)


def test_the_saturating_gradient_fades_where_the_discriminator_wins() -> None:
    gradients = []
    for game in (NON_SATURATING, SATURATING):
        logits = torch.tensor([-10.0], requires_grad=True)
        game.generator(logits).backward()
        assert logits.grad is not None
        gradients.append(logits.grad.item())
    assert gradients[0] == pytest.approx(-1.0, abs=1e-3)
    assert -1e-4 < gradients[1] < 0


def test_gaussian_kl_sums_over_dimensions() -> None:
    mean, log_variance = torch.randn(3, 5), torch.randn(3, 5)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected)


def test_gaussian_densities_and_divergences_are_torchs() -> None:
    mean, log_variance, other, other_log_variance, value = torch.randn(5, 3, 4, dtype=torch.float64)
    q, p = Normal(mean, (0.5 * log_variance).exp()), Normal(other, (0.5 * other_log_variance).exp())
    found = gaussian_kl_between(mean, log_variance, other, other_log_variance)
    torch.testing.assert_close(found, kl_divergence(q, p).sum(1))
    torch.testing.assert_close(gaussian_log_prob(value, mean, log_variance), q.log_prob(value).sum(1))


GAMES = [
    (LEAST_SQUARES, lambda r, f: 0.5 * (r - 1) ** 2 + 0.5 * f**2, lambda r, f: 0.5 * (f - 1) ** 2),
    (HINGE, lambda r, f: max(0, 1 - r) + max(0, 1 + f), lambda r, f: -f),
    (WASSERSTEIN, lambda r, f: f - r, lambda r, f: -f),
    (RELATIVISTIC, lambda r, f: softplus(f - r), lambda r, f: softplus(r - f)),
    (NON_SATURATING, lambda r, f: softplus(-r) + softplus(f), lambda r, f: softplus(-f)),
    (SATURATING, lambda r, f: softplus(-r) + softplus(f), lambda r, f: -softplus(f)),
]


@pytest.mark.parametrize(("game", "discriminator", "generator"), GAMES, ids=lambda x: getattr(x, "name", ""))
def test_games_against_their_formulas(game: Adversarial, discriminator, generator) -> None:
    pairs = list(zip(R.tolist(), F.tolist(), strict=True))
    expected = sum(discriminator(r, f) for r, f in pairs) / 3, sum(generator(r, f) for r, f in pairs) / 3
    moved = game.generator(F, R) if game.paired else game.generator(F)
    assert game.discriminator(R, F).item() == pytest.approx(expected[0], abs=1e-6)
    assert moved.item() == pytest.approx(expected[1], abs=1e-6)


@pytest.mark.parametrize("game", [game for game, *_ in GAMES], ids=lambda game: game.name)
def test_each_player_follows_its_gradient_to_the_right_side(game: Adversarial) -> None:
    r, f = (torch.zeros(4, requires_grad=True) for _ in range(2))
    to_r, to_f = torch.autograd.grad(game.discriminator(r, f), (r, f), materialize_grads=True)
    assert (to_r <= 0).all() and (to_f >= 0).all() and (to_f - to_r > 0).all()
    (to_f,) = torch.autograd.grad(game.generator(f, r) if game.paired else game.generator(f), f)
    assert (to_f < 0).all()


def test_margins_are_above_zero_where_real_is_discriminatord_real() -> None:
    r, f = torch.tensor([2.0, 0.4, -1.0]), torch.tensor([3.0, 0.0, -2.0])
    signs = {game.name: game.margin(r, f).sign().tolist() for game, *_ in GAMES}
    assert signs == {
        "least-squares": [1, -1, -1],  # 1 is real, 0 is generated
        "hinge": [1, 1, -1],
        "wasserstein": [1, 1, -1],  # the mean of the generated is 1/3
        "relativistic": [-1, 1, 1],  # against its own partner
        "non-saturating": [1, 1, -1],
        "saturating": [1, 1, -1],
    }


def unpaired_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """The wrong version: means are compared, not pairs."""
    return nn.functional.softplus(generated.mean() - real.mean())


@pytest.mark.parametrize(("loss", "paired"), [(RELATIVISTIC.discriminator, True), (unpaired_discriminator, False)])
def test_the_relativistic_game_compares_each_generated_image_with_its_own_real_one(loss, paired: bool) -> None:
    r, f = torch.tensor([5.0, -5.0]), torch.tensor([5.0, -5.0])
    assert (loss(r, f).item() != pytest.approx(loss(r, f.flip(0)).item())) is paired


def quadratic(images: Tensor) -> Tensor:
    """D(x) = |x|^2 / 2, whose gradient is x."""
    return 0.5 * images.square().flatten(1).sum(1)


def test_slopes_and_penalties_of_a_known_discriminator() -> None:
    images = torch.randn(5, 2, 3, 3)
    squares = images.square().sum((1, 2, 3))
    torch.testing.assert_close(input_gradients(quadratic, images), images)
    torch.testing.assert_close(r1_penalty(quadratic, images), squares.mean())
    torch.testing.assert_close(gradient_penalty(quadratic, images), (squares.sqrt() - 1).square().mean())


def undetached_penalty(discriminator, images: Tensor) -> Tensor:
    """The wrong version: its gradient also reaches the network that generated the images."""
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


@pytest.mark.parametrize(("penalty", "detached"), [(r1_penalty, True), (undetached_penalty, False)])
def test_a_penalty_trains_the_discriminator_and_nothing_that_made_the_images(penalty, detached: bool) -> None:
    weight, maker = (torch.tensor(2.0, requires_grad=True) for _ in range(2))
    images = maker * torch.ones(3, 1, 2, 2)
    # Quadratic, so the gradient weight * x depends on the images.
    penalty(lambda x: weight * quadratic(x), images).backward()
    assert weight.grad is not None and weight.grad.item() == pytest.approx(2 * 2 * 4 * 2**2)
    assert (maker.grad is None) is detached


def test_a_penalty_of_a_flat_discriminator_has_a_gradient() -> None:
    weight = torch.zeros(4, requires_grad=True)
    gradient_penalty(lambda x: x.flatten(1) @ weight, torch.randn(3, 1, 2, 2)).backward()
    assert weight.grad is not None and weight.grad.isfinite().all()


def low_precision_penalty(discriminator, images: Tensor) -> Tensor:
    """The wrong version: autocast rounds the gradients."""
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


@pytest.mark.parametrize(("penalty", "exact"), [(gradient_penalty, True), (low_precision_penalty, False)])
def test_penalties_are_float32_under_autocast(penalty, exact: bool) -> None:
    torch.manual_seed(0)
    discriminator = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8 * 36, 1), nn.Flatten(0)
    )
    images = torch.randn(4, 1, 8, 8)
    expected = penalty(discriminator, images).item()
    with torch.autocast("cpu", torch.bfloat16):
        found = penalty(discriminator, images)
    assert (found.dtype == torch.float32 and found.item() == pytest.approx(expected, rel=1e-6)) is exact


def one_share_for_all(real: Tensor, generated: Tensor, generator: torch.Generator) -> Tensor:
    """The wrong version: all images at the same place."""
    share = torch.rand((), generator=generator)
    return share * real + (1 - share) * generated


@pytest.mark.parametrize(("between", "right"), [(interpolate, True), (one_share_for_all, False)])
def test_each_image_has_a_place_of_its_own_between_real_and_generated(between, right: bool) -> None:
    points = between(torch.ones(500, 1, 2, 2), torch.zeros(500, 1, 2, 2), torch.Generator().manual_seed(0))
    assert torch.equal(points, points[:, :, :1, :1].expand_as(points))
    shares = points[:, 0, 0, 0]
    assert (shares.unique().numel() == 500) is right
    assert (shares.var().item() == pytest.approx(1 / 12, abs=0.01)) is right
