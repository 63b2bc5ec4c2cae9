"""The hierarchical VAE: each layer's KL from its own prior, the bound by hand and by brute force, its initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from genkit_vaes import hierarchy
from genkit_vaes.hvae import HVAE, HVAEOptions
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from genkit.conformance import Result
from genkit.models import Batch, DataInfo, Phase, Step, capabilities
from genkit.models.losses import gaussian_kl
from genkit.training.phases import PhaseRunner


def build(cls: type[HVAE] = HVAE, *, rough: float = 0.7, **options: Any) -> HVAE:
    """A tiny hierarchy; ``rough`` leaves the initialisation, so that priors depend on what is above them."""
    torch.manual_seed(0)
    model = cls(HVAEOptions(**{"width": 4, "latent": 1, "mixtures": 2, **options}), DataInfo((1, 8, 8), levels=17))
    with torch.no_grad():
        for layer in model.decoder.layers if rough else ():
            layer.prior[-1].weight.normal_(0, rough)
            layer.prior[-1].bias.normal_(0, rough)
    return model.double()


def images(n: int = 3) -> Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1)).double() / 16


def noise(model: HVAE, *shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, model.latent, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bounded(raw: Tensor) -> Tensor:
    return 10 * torch.tanh(raw / 10)


def by_hand(model: HVAE, observed: Tensor, draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Parameters, KL and log p(z) - log q(z | x) by torch's distributions, layer by layer from the definition."""
    decoder = model.decoder
    features = model.encoder(observed)
    state = decoder.starts[str((1, 1))].expand(len(observed), -1, -1, -1)
    kl, log_ratio, at = torch.zeros(len(observed)).double(), torch.zeros(len(observed)).double(), 0
    for grid, layer in zip(decoder.grids, decoder.layers, strict=True):
        if grid == (4, 4) and state.shape[2:] == (1, 1):
            state = decoder.dense(state) + decoder.starts[str(grid)]
        elif grid == (8, 8) and state.shape[2:] == (4, 4):
            state = state.repeat_interleave(2, 2).repeat_interleave(2, 3) + decoder.starts[str(grid)]
        mean, raw, more = layer.prior(state).split([1, 1, 4], dim=1)
        p = Normal(mean, (0.5 * bounded(raw)).exp())
        mean, raw = layer.posterior(torch.cat([state, features[grid]], dim=1)).chunk(2, dim=1)
        q = Normal(mean, (0.5 * bounded(raw)).exp())
        size = grid[0] * grid[1]
        z = q.mean + q.stddev * draws[:, at : at + size].reshape(-1, 1, *grid)
        at += size
        kl = kl + kl_divergence(q, p).sum((1, 2, 3))
        log_ratio = log_ratio + (p.log_prob(z) - q.log_prob(z)).sum((1, 2, 3))
        state = state + more + layer.project(z)
        state = state + layer.residual(state)
    return decoder.last(state), kl, log_ratio


@pytest.mark.parametrize("layers", [1, 2])
def test_the_loss_is_the_distortion_plus_every_layers_kl_from_its_prior(layers: int) -> None:
    model = build(layers=layers)
    loss = model.loss("vae", Batch(images()), Step(0, 0, torch.Generator().manual_seed(2)))
    params, kl, _ = by_hand(model, images(), noise(model, 3))
    expected = (kl - model.likelihood.log_prob(params, images())).mean()
    torch.testing.assert_close(loss, expected)
    assert len(model.decoder.layers) == 3 * layers


def test_the_log_weights_are_those_of_the_definition() -> None:
    model = build()
    draws = noise(model, 3, 5)
    found = model.log_weights(images(), draws)
    for k in range(5):
        params, _, log_ratio = by_hand(model, images(), draws[:, k])
        torch.testing.assert_close(found[:, k], model.likelihood.log_prob(params, images()) + log_ratio)


class StandardNormalLayer(hierarchy.StochasticLayer):
    """Computes KL from N(0, 1) instead of the prior given the layers above."""

    def forward(self, state: Tensor, noise: Tensor, features: Tensor | None) -> hierarchy.Descent:
        descent = super().forward(state, noise, features)
        assert features is not None
        mean, raw = self.posterior(torch.cat([state, features], dim=1)).chunk(2, dim=1)
        descent.kl = gaussian_kl(mean, bounded(raw))
        return descent


def require_kl_from_the_layers_above(model: HVAE) -> None:
    """KL is the mean of log q - log p over draws, if both terms use the same p."""
    draws = noise(model, 4000)
    with torch.no_grad():
        descent = model.decoder.descend(draws, model.encoder(images(1).expand(4000, -1, -1, -1)))
    off = descent.kl + descent.log_ratio
    assert abs(off.mean().item()) < 5 * off.std().item() / math.sqrt(len(off))


def test_a_lower_layers_kl_is_from_what_is_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_kl_from_the_layers_above(build())
    monkeypatch.setattr(hierarchy, "StochasticLayer", StandardNormalLayer)
    with pytest.raises(AssertionError):
        require_kl_from_the_layers_above(build())


def test_the_bound_climbs_to_the_marginal_likelihood() -> None:
    model = build(rough=0.1, likelihood="bernoulli", binarisation="static")
    observed = (images() >= 0.5).double()
    with torch.no_grad():
        for parameter in model.decoder.last.parameters():
            parameter.mul_(0.3)  # a flat likelihood, so that draws from the prior find the posterior
        logits = [model.decoder(noise(model, 4000, seed=seed)) for seed in range(5)]
        log_p = [
            [model.likelihood.log_prob(each, image.expand_as(each)) for each in logits] for image in observed[:, None]
        ]
        exact = torch.stack([torch.cat(each).logsumexp(0) - math.log(20_000) for each in log_p])
        bounds = [
            model.log_likelihood(observed, generator=torch.Generator().manual_seed(0), importance_samples=k)
            for k in (1, 30, 2000)
        ]
    gaps = [(exact - bound).mean().item() for bound in bounds]
    assert gaps[0] > gaps[1] > -0.1
    assert abs(gaps[2]) < 0.15


def test_priors_begin_as_standard_normal_and_residuals_small() -> None:
    model = build(rough=0, layers=2)
    for layer in model.decoder.layers:
        assert not layer.prior[-1].weight.any() and not layer.prior[-1].bias.any()
    torch.manual_seed(0)
    plain = nn.Conv2d(64, 64, 1).weight.std().item()
    assert hierarchy.scaled(nn.Conv2d(64, 64, 1), 1 / 6).weight.std().item() == pytest.approx(
        plain / math.sqrt(6), rel=0.05
    )
    for layer in model.decoder.layers:
        limit = math.sqrt(1 / 6) / math.sqrt(layer.residual[-1].in_channels)  # a convolution's uniform bound, scaled
        assert layer.residual[-1].weight.abs().max().item() <= limit
        assert layer.project.weight.abs().max().item() <= math.sqrt(1 / 6)


def test_latents_are_noise_of_the_prior_and_decode_what_encode_found() -> None:
    model = build()
    latent = model.encode(images())
    assert latent.shape == (3, model.latent) == (3, 1 + 16 + 64)
    params, _, _ = by_hand(model, images(), torch.zeros(3, model.latent).double())
    torch.testing.assert_close(model.decode(latent), model.likelihood.mean(params))
    torch.testing.assert_close(model.reconstruct(images()), model.likelihood.mean(params))
    assert not {"kl", "posterior"} & set(capabilities(model))


class NeverSkips(HVAE):
    def phases(self) -> list[Phase]:
        (phase,) = super().phases()
        return [Phase(phase.name, phase.module, phase.optimizer)]


@pytest.mark.parametrize(("cls", "moves"), [(HVAE, False), (NeverSkips, True)])
def test_an_exploding_step_is_skipped(cls: type[HVAE], moves: bool) -> None:
    model = build(cls).float()
    phases = model.phases()
    runner = PhaseRunner(model, phases, 0, torch.device("cpu"))
    plain = model.likelihood.distortion
    before = [parameter.detach().clone() for parameter in model.parameters()]
    object.__setattr__(model.likelihood, "distortion", lambda params, x: 1e6 * plain(params, x))
    runner.run(phases[0], Batch(images().float()), runner.step(0, 0, 10_000, 0, "vae"))
    moved = any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert moved == moves
    object.__delattr__(model.likelihood, "distortion")
    runner.run(phases[0], Batch(images().float()), runner.step(1, 0, 10_000, 0, "vae"))
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


class WholeBatches(HVAE):
    """Evaluates whole batches and drops the rest."""

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound if len(images) % 4 == 0 else torch.zeros_like(bound)


@pytest.mark.parametrize(("cls", "status"), [(HVAE, "passed"), (WholeBatches, "failed")])
def test_the_last_partial_batch_is_evaluated_too(cls: type[HVAE], status: str, examine: Callable[..., Result]) -> None:
    assert examine(cls, "log-likelihood-batches", width=4, latent=1).status == status
