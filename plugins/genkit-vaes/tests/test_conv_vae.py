"""The convolutional VAE: a probability of the data's own levels, or of binary pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from genkit_vaes.conv_vae import ConvVAE, ConvVAEOptions
from torch import Tensor

from genkit.models import VAE, DataInfo
from genkit.models.likelihoods import Bernoulli

Train = Callable[[VAE, Tensor, int, int], None]


def build(info: DataInfo, options: ConvVAEOptions) -> ConvVAE:
    torch.manual_seed(0)
    return ConvVAE(options, info)


@pytest.mark.parametrize("likelihood", ["logistic", "mixture", "categorical"])
def test_its_likelihood_is_of_the_datas_own_levels(likelihood: Any) -> None:
    model = build(DataInfo((1, 8, 8), levels=17), ConvVAEOptions(likelihood=likelihood, width=4))
    assert model.observation == "discretized-17"
    # Each pixel of a decoded image becomes an image of its own, and is asked for every level.
    pixels = model.decoder(torch.randn(1, model.latent)).permute(2, 3, 0, 1).reshape(64, -1, 1, 1)
    asked = [torch.full((64, 1, 1, 1), level / 16) for level in range(17)]
    total = torch.stack([model.likelihood.log_prob(pixels, level).exp() for level in asked]).sum(0)
    torch.testing.assert_close(total, torch.ones(64), rtol=0, atol=1e-5)


class GreyCrossEntropy(Bernoulli):
    """Calls a cross-entropy with grey levels a log-likelihood."""

    def observe(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return images


def require_binary_observations(model: ConvVAE) -> None:
    """A sum over all images that could be observed, of what is called their probability, must be one."""
    seen = model.likelihood.observe(torch.full((500, 1, 1, 1), 0.4), torch.Generator().manual_seed(0)).unique()
    total = sum(model.likelihood.log_prob(torch.zeros(1, 1, 1, 1), value.reshape(1, 1, 1, 1)).exp() for value in seen)
    assert set(seen.tolist()) == {0.0, 1.0}
    assert float(total) == pytest.approx(1.0)


def test_a_grey_image_is_never_a_bernoulli_observation() -> None:
    model = build(DataInfo((1, 8, 8)), ConvVAEOptions(likelihood="bernoulli", width=4))
    require_binary_observations(model)
    assert (model.observation, model.binarisation) == ("bernoulli", "dynamic")
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.log_likelihood(torch.full((3, 1, 8, 8), 0.4), generator=torch.Generator().manual_seed(0))
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    model.likelihood = GreyCrossEntropy()
    with pytest.raises(AssertionError):
        require_binary_observations(model)


def test_it_learns_digits(digits: tuple[Tensor, Tensor], train: Train) -> None:
    model = build(DataInfo((1, 8, 8), levels=17), ConvVAEOptions(latent=16, width=8))
    untrained = model.log_likelihood(digits[1], generator=torch.Generator().manual_seed(0)).mean()
    train(model, digits[0], 150, 64)
    trained = model.log_likelihood(digits[1], generator=torch.Generator().manual_seed(0)).mean()
    assert trained > untrained + 20
    assert trained < 0
