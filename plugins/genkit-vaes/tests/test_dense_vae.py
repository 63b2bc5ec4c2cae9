"""The original VAE: its loss, its layers, and that the digits preset uses its latent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_vaes.vae import DenseVAE, DenseVAEOptions
from torch import Tensor, nn
from torch.distributions import Independent, Normal, kl_divergence

from genkit.models import VAE, Batch, DataInfo, Step

Train = Callable[[VAE, Tensor, int, int], None]
DIGITS = DataInfo((1, 8, 8), levels=17)


def build(info: DataInfo, options: DenseVAEOptions) -> DenseVAE:
    torch.manual_seed(0)
    return DenseVAE(options, info)


class MeanReduced(DenseVAE):
    """Mean instead of summed squared errors, with a summed KL: alpha is 2/64 of what it should be."""

    def objective(self, rec: Tensor, kl: Tensor, step: Step) -> Tensor:
        return 2 * rec / 64 + self.likelihood.kl_weight * kl


def loss_at_half(cls: type[DenseVAE]) -> float:
    """The loss where the posterior is N(1, 1), so KL is 20 / 2, every decoded pixel 1/2 and every real one 0."""
    torch.manual_seed(0)
    model = cls(DenseVAEOptions(alpha=0.02, width=16), DIGITS)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        model.encoder[-1].bias[:20] = 1.0
    return model.loss("vae", Batch(torch.zeros(3, 1, 8, 8)), Step(0, 0, torch.Generator().manual_seed(0))).item()


def test_the_loss_is_summed_over_pixels_like_the_kl() -> None:
    exact = pytest.approx(0.5 * 64 * 0.25 + 0.02 * 10, rel=1e-5)
    assert loss_at_half(DenseVAE) == exact
    assert loss_at_half(MeanReduced) != exact


class Unbounded(DenseVAE):
    """Does not bound the encoder's log-variance."""

    def moments(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(observed).chunk(2, dim=1)
        return mean, log_variance


@pytest.mark.parametrize(("cls", "finite"), [(DenseVAE, True), (Unbounded, False)])
def test_a_log_variance_that_runs_away_leaves_the_loss_finite(cls: type[DenseVAE], finite: bool) -> None:
    model = cls(DenseVAEOptions(width=16), DIGITS)
    with torch.no_grad():
        model.encoder[-1].bias[20:] = 200.0
    loss = model.loss("vae", Batch(torch.zeros(3, 1, 8, 8)), Step(0, 0, torch.Generator().manual_seed(0)))
    assert bool(loss.isfinite()) == finite


def test_two_dense_layers_each_way() -> None:
    model = build(DataInfo((1, 28, 28)), DenseVAEOptions())
    for network, sizes in ((model.encoder, [(784, 500), (500, 40)]), (model.decoder, [(20, 500), (500, 784)])):
        layers = [module for module in network if isinstance(module, nn.Linear)]
        assert [(layer.in_features, layer.out_features) for layer in layers] == sizes


def test_observation_models_say_what_they_are_of() -> None:
    gaussian = build(DIGITS, DenseVAEOptions())
    static = build(DIGITS, DenseVAEOptions(likelihood="bernoulli", binarisation="static"))
    assert (gaussian.observation, gaussian.binarisation) == ("gaussian", "none")
    assert (static.observation, static.binarisation) == ("bernoulli", "static")


def test_the_digits_preset_uses_its_latent(digits: tuple[Tensor, Tensor], train: Train) -> None:
    preset = DenseVAE.presets["digits"]
    model = build(DIGITS, DenseVAEOptions(**preset.options))
    train(model, digits[0], 25_000 // preset.batch, preset.batch)  # a fraction of its budget
    with torch.no_grad():
        prior = Independent(Normal(torch.zeros(model.latent), torch.ones(model.latent)), 1)
        assert kl_divergence(model.posterior(digits[1]), prior).mean() > 5
        assert (model.reconstruct(digits[1]) - digits[1]).square().mean() < 0.02


def test_a_unit_alpha_collapses_to_the_mean_image(digits: tuple[Tensor, Tensor], train: Train) -> None:
    model = build(DIGITS, DenseVAEOptions(alpha=1.0))
    train(model, digits[0], 400, 64)
    with torch.no_grad():
        prior = Independent(Normal(torch.zeros(model.latent), torch.ones(model.latent)), 1)
        assert kl_divergence(model.posterior(digits[1]), prior).mean() < 0.1
