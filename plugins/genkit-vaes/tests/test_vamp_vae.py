"""VampPrior: the prior's density and draws, and KL from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from genkit_vaes.vamp_vae import VampVAE, VampVAEOptions
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from genkit.conformance import Result
from genkit.data.dataset import Split
from genkit.models import Batch, DataInfo, Step, capabilities
from genkit.models.losses import gaussian_kl


def build(cls: type[VampVAE] = VampVAE) -> VampVAE:
    torch.manual_seed(0)
    model = cls(VampVAEOptions(width=4, latent=3, pseudo_inputs=5), DataInfo((1, 8, 8), levels=17))
    with torch.no_grad():
        model.pseudo_logits.mul_(3)
        model.encoder[-1].weight.mul_(20)  # components that lie apart
    return model


def images() -> Tensor:
    return torch.randint(0, 17, (6, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 16


def mixture(model: VampVAE) -> MixtureSameFamily:
    mean, raw = model.encoder(model.pseudo_logits.sigmoid()).chunk(2, dim=1)
    components = Independent(Normal(mean, (5 * torch.tanh(raw / 10)).exp()), 1)
    return MixtureSameFamily(Categorical(probs=torch.full((5,), 0.2)), components)


class AgainstStandardNormal(VampVAE):
    """KL against N(0, 1), the prior of another model."""

    def divergence(self, latent: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        return gaussian_kl(mean, log_variance)


class UnweightedMixture(VampVAE):
    """Forgets the 1/K of the mixture: a bound that is too high."""

    def log_prior(self, latent: Tensor) -> Tensor:
        return super().log_prior(latent) + torch.tensor(float(len(self.pseudo_logits))).log()


class DrawsStandardNormal(VampVAE):
    """Samples from N(0, 1), as the base would."""

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        return self.noise(n, generator=generator)


def test_the_prior_is_the_mixture_of_the_pseudo_inputs_posteriors() -> None:
    model = build()
    latent = torch.randn(4, 7, 3)
    torch.testing.assert_close(model.log_prior(latent), mixture(model).log_prob(latent))


def test_latents_are_drawn_from_it() -> None:
    model = build()
    drawn = model.draw_latent(20_000, generator=torch.Generator().manual_seed(0))
    prior = mixture(model)
    torch.testing.assert_close(drawn.mean(0), prior.mean, rtol=0, atol=0.1)
    torch.testing.assert_close(drawn.var(0), prior.variance, rtol=0.05, atol=0)


def loss_and_definition(cls: type[VampVAE]) -> tuple[Tensor, Tensor]:
    model = build(cls)
    loss = model.loss("vae", Batch(images()), Step(0, 0, torch.Generator().manual_seed(2)))
    posterior = model.posterior(images())
    latent = posterior.mean + posterior.stddev * torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    rec = -model.likelihood.log_prob(model.decoder(latent), images())
    return loss, (rec + posterior.log_prob(latent) - mixture(model).log_prob(latent)).mean()


def test_the_loss_measures_kl_from_it_at_the_posteriors_draw() -> None:
    torch.testing.assert_close(*loss_and_definition(VampVAE))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(*loss_and_definition(AgainstStandardNormal))


def test_the_pseudo_inputs_learn_and_begin_as_training_images() -> None:
    model = build()
    loss, _ = loss_and_definition(VampVAE)
    assert loss.isfinite()
    pixels = np.random.default_rng(0).integers(0, 17, (3, 1, 8, 8)).astype(np.uint8)
    model.prepare_stage(0, Split("train", pixels, None, 17), Step(0, 0, torch.Generator().manual_seed(0)))
    began = model.pseudo_logits.sigmoid().detach()
    apart = (began[:, None] - torch.from_numpy(pixels).float().div(16)).abs().amax((2, 3, 4))
    assert (apart.amin(1) <= 0.02 + 1e-6).all()
    model.loss("vae", Batch(images()), Step(0, 0, torch.Generator().manual_seed(2))).backward()
    assert model.pseudo_logits.grad is not None and bool((model.pseudo_logits.grad != 0).any())


def test_kl_is_not_offered_for_it_has_no_closed_form() -> None:
    assert "kl" not in capabilities(VampVAE)


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (VampVAE, ""),
        (UnweightedMixture, "not a normalised density"),
        (DrawsStandardNormal, "does not draw from the density"),
    ],
)
def test_conformance_knows_a_prior_of_its_own(
    cls: type[VampVAE], words: str, examine: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Wide components in few dimensions, far from N(0, 1) as a whole.
    def shifted(self: Any, observed: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = super(VampVAE, self).moments(observed)
        return mean + 1, log_variance

    monkeypatch.setattr(VampVAE, "moments", shifted, raising=False)
    found = examine(cls, "bound-recomputed", width=4, latent=3, pseudo_inputs=5)
    assert found.status == ("failed" if words else "passed"), found
    assert words in found.reason
