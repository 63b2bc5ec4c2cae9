"""The VAE base class: scale of the loss, bounds, observed images, precision."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from genkit.errors import OptionsError
from genkit.models import VAE, Batch, DataInfo, NoOptions, Step, capabilities
from genkit.models.likelihoods import Bernoulli, DiscretizedLogistic, Gaussian, Likelihood
from genkit.models.losses import gaussian_kl
from genkit.models.vae import LearnedPriorVAE, importance_bound
from genkit.options import build, to_json
from genkit.training.runs import model_class


class TinyVAE(VAE):
    """Linear networks on 4x4 images."""

    latent = 2

    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__(NoOptions(), DataInfo((1, 4, 4), levels=17))
        self.likelihood = likelihood
        outputs = likelihood.parameters
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
        self.decoder = nn.Sequential(nn.Linear(2, 16 * outputs), nn.Unflatten(1, (outputs, 4, 4)))


def tiny(likelihood: Likelihood) -> TinyVAE:
    torch.manual_seed(0)
    return TinyVAE(likelihood)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 6) -> Tensor:
    return torch.randint(0, 17, (n, 1, 4, 4), generator=generator(9)).float() / 16


@pytest.mark.parametrize("alpha", [1.0, 0.02])
def test_the_gaussian_loss_is_half_the_sum_of_squares_plus_alpha_kl(alpha: float) -> None:
    model = tiny(Gaussian(alpha))
    loss = model.loss("vae", Batch(images()), Step(0, 0, generator(1)))
    mean, log_variance = model.moments(images())
    latent = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=generator(1))
    squares = 0.5 * (model.decoder(latent) - images()).square().sum((1, 2, 3))
    kl = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    assert loss.item() == pytest.approx((squares + alpha * kl).mean().item(), rel=1e-5)


def test_rec_and_kl_are_logged_in_nats_unweighted() -> None:
    model, step = tiny(Gaussian(0.02)), Step(0, 0, generator())
    loss = model.loss("vae", Batch(images()), step)
    assert loss.item() == pytest.approx((step.logged["rec"] + 0.02 * step.logged["kl"]).item(), rel=1e-5)


def test_the_log_variance_is_bounded() -> None:
    model = tiny(Gaussian(0.02))
    with torch.no_grad():
        model.encoder[1].weight.fill_(0)
        model.encoder[1].bias.copy_(torch.tensor([0.0, 0.0, 1e6, -1e6]))
    _, log_variance = model.moments(images())
    assert log_variance.abs().max().item() <= 10
    assert model.loss("vae", Batch(images()), Step(0, 0, generator())).isfinite()


def test_one_phase_moves_both_networks() -> None:
    model = tiny(Gaussian(0.02))
    (phase,) = model.phases()
    held = {id(p) for group in phase.optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("likelihood", [Gaussian(0.1), DiscretizedLogistic(17)], ids=lambda x: x.name)
def test_the_bound_with_many_samples_is_the_integral_over_the_latent(likelihood: Likelihood) -> None:
    model = tiny(likelihood)
    side = torch.linspace(-6, 6, 161)
    grid = torch.cartesian_prod(side, side)
    log_prior = Normal(0.0, 1.0).log_prob(grid).sum(1) + 2 * math.log(12 / 160)
    params = model.decoder(grid)
    with torch.no_grad():
        exact = torch.stack(
            [
                torch.logsumexp(likelihood.log_prob(params, x.expand(len(grid), 1, 4, 4)) + log_prior, 0)
                for x in images()
            ]
        )
        estimate = model.log_likelihood(images(), generator=generator(), importance_samples=20_000)
    torch.testing.assert_close(estimate, exact, rtol=0, atol=0.2)


def test_the_elbo_does_not_know_the_training_weight() -> None:
    model = tiny(Gaussian(0.02))
    elbo = model.log_likelihood(images(), generator=generator(4))
    torch.manual_seed(0)
    draws = [torch.randn(1, 2, generator=g)[0] for g in [generator(4)] for _ in range(6)]
    mean, log_variance = model.moments(images())
    scale = (0.5 * log_variance).exp()
    latent = mean + scale * torch.stack(draws)
    expected = Normal(model.decoder(latent), 0.02**0.5).log_prob(images()).sum((1, 2, 3))
    expected = expected + Normal(0.0, 1.0).log_prob(latent).sum(1) - Normal(mean, scale).log_prob(latent).sum(1)
    torch.testing.assert_close(elbo, expected, rtol=1e-5, atol=1e-3)


def test_more_importance_samples_tighten_the_bound() -> None:
    model = tiny(DiscretizedLogistic(17))
    few, many = (
        model.log_likelihood(images().repeat(50, 1, 1, 1), generator=generator(), importance_samples=k).mean()
        for k in (1, 50)
    )
    assert many > few


@pytest.mark.parametrize(("limit", "value"), [("DECODED_AT_ONCE", 18), ("DECODED_AT_ONCE", 3), ("PIXELS_AT_ONCE", 70)])
def test_decoding_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    model = tiny(Gaussian(0.1))
    whole = model.log_likelihood(images(), generator=generator(), importance_samples=10)
    monkeypatch.setattr(f"genkit.models.vae.{limit}", value)
    chunked = model.log_likelihood(images(), generator=generator(), importance_samples=10)
    torch.testing.assert_close(chunked, whole, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("likelihood", [Gaussian(0.1), Bernoulli()], ids=lambda x: x.name)
def test_an_images_bound_does_not_depend_on_its_batch(likelihood: Likelihood) -> None:
    model = tiny(likelihood)
    whole = model.log_likelihood(images(), generator=generator(), importance_samples=3)
    shared = generator()
    parts = [model.log_likelihood(part, generator=shared, importance_samples=3) for part in images().split(2)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-5, atol=1e-4)


def test_a_bernoulli_bound_is_of_binary_images() -> None:
    model = tiny(Bernoulli("dynamic"))
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(0)
        model.decoder[0].bias.fill_(math.log(3))  # every pixel is one with probability 3/4
    grey = torch.full((20, 1, 4, 4), 0.3)
    bounds = model.log_likelihood(grey, generator=generator())
    ones = (bounds - 16 * math.log(0.25)) / math.log(3)
    torch.testing.assert_close(ones, ones.round(), rtol=0, atol=1e-3)
    assert len(ones.round().unique()) > 1


def test_bernoulli_training_sees_binary_images() -> None:
    model = tiny(Bernoulli("dynamic"))
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.loss("vae", Batch(images()), Step(0, 0, generator()))
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}


class Recording(Gaussian):
    """A Gaussian likelihood that records the precision of its inputs."""

    seen: ClassVar[set[torch.dtype]] = set()

    def distortion(self, params: Tensor, images: Tensor) -> Tensor:
        self.seen.add(params.dtype)
        return super().distortion(params, images)


def test_the_likelihood_is_of_float32_under_autocast() -> None:
    model = tiny(Recording(0.02))
    with torch.autocast("cpu", torch.bfloat16):
        assert model.decoder(torch.zeros(1, 2)).dtype == torch.bfloat16
        loss = model.loss("vae", Batch(images()), Step(0, 0, generator()))
        bound = model.log_likelihood(images(), generator=generator())
        moments = model.moments(images())
    assert {loss.dtype, bound.dtype, *(moment.dtype for moment in moments)} == {torch.float32}
    assert Recording.seen == {torch.float32}


def test_what_is_minimised_is_the_objective_of_the_two_means() -> None:
    model = tiny(DiscretizedLogistic(17))
    model.objective = lambda rec, kl, step: 2 * rec + step.images_seen * kl  # type: ignore[method-assign]
    step = Step(0, 3, generator())
    loss = model.loss("vae", Batch(images()), step)
    assert loss.item() == pytest.approx((2 * step.logged["rec"] + 3 * step.logged["kl"]).item(), rel=1e-5)


def test_the_importance_bound_is_the_logarithm_of_the_mean_weight() -> None:
    log_weights = torch.randn(5, 7)
    torch.testing.assert_close(importance_bound(log_weights), log_weights.exp().mean(1).log())


WIDE = Normal(torch.tensor([1.0, -1.0]), torch.tensor([2.0, 0.5]))


class WidePrior(LearnedPriorVAE, TinyVAE):
    """A prior that is another Gaussian: KL from it has a closed form to compare with."""

    def log_prior(self, latent: Tensor) -> Tensor:
        return WIDE.log_prob(latent).sum(-1)

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        return WIDE.mean + WIDE.stddev * self.noise(n, generator=generator)


class ForgetfulPrior(WidePrior):
    """Computes KL from N(0, 1) in spite of its prior."""

    def divergence(self, latent: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        return gaussian_kl(mean, log_variance)


def require_kl_from_its_own_prior(model: TinyVAE) -> None:
    observed = images().repeat(20_000, 1, 1, 1)
    _, kl = model.terms(observed, model.noise(len(observed), generator=generator()))
    exact = kl_divergence(model.posterior(images()).base_dist, WIDE).sum(1)  # type: ignore[attr-defined]
    torch.testing.assert_close(kl.reshape(20_000, -1).mean(0), exact, rtol=0, atol=0.15)


def test_a_prior_of_its_own_is_what_kl_is_measured_from() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        require_kl_from_its_own_prior(WidePrior(Gaussian(0.1)))
        with pytest.raises(AssertionError, match="not close"):
            require_kl_from_its_own_prior(ForgetfulPrior(Gaussian(0.1)))


def test_a_bound_with_a_prior_of_its_own_is_the_integral_over_that_prior() -> None:
    torch.manual_seed(0)
    model = WidePrior(Gaussian(0.1))
    side = torch.linspace(-8, 8, 201)
    grid = torch.cartesian_prod(side, side)
    log_prior = WIDE.log_prob(grid).sum(1) + 2 * math.log(16 / 200)
    with torch.no_grad():
        params = model.decoder(grid)
        log_p = [model.likelihood.log_prob(params, x.expand(len(grid), 1, 4, 4)) for x in images()]
        exact = torch.stack([torch.logsumexp(each + log_prior, 0) for each in log_p])
    estimate = model.log_likelihood(images(), generator=generator(), importance_samples=20_000)
    torch.testing.assert_close(estimate, exact, rtol=0, atol=0.2)


def test_a_learned_prior_offers_no_kl_for_it_has_only_an_estimate() -> None:
    torch.manual_seed(0)
    assert "kl" not in capabilities(WidePrior(Gaussian(0.1)))
    assert {"kl", "posterior", "encode"} <= set(capabilities(tiny(Gaussian(0.1))))


def test_reconstructions_decode_the_posteriors_mean() -> None:
    model = tiny(DiscretizedLogistic(17))
    latent = model.posterior(images()).mean
    torch.testing.assert_close(model.reconstruct(images()), model.decode(latent))
    torch.testing.assert_close(model.encode(images()), latent)


def test_samples_are_in_zero_to_one_and_repeatable() -> None:
    model = tiny(Gaussian(0.02))
    drawn = [model.sample(50, generator=generator(3)) for _ in range(2)]
    assert torch.equal(*drawn)
    assert drawn[0].min() >= 0 and drawn[0].max() <= 1


def test_observation_and_binarisation_come_from_the_likelihood() -> None:
    model = tiny(Bernoulli("static"))
    assert (model.observation, model.binarisation) == ("bernoulli", "static")
    assert tiny(DiscretizedLogistic(17)).observation == "discretized-17"


def test_the_weight_of_kl_rises_over_the_warm_up_and_the_default_is_not_stored() -> None:
    cls, shape = model_class("vae"), (1, 8, 8)
    batch = Batch(torch.rand(6, *shape, generator=torch.Generator().manual_seed(0)))

    def loss(warmup: int, seen: int) -> tuple[float, float]:
        torch.manual_seed(0)
        model = cls(build(cls.Options, {"kl_warmup": warmup}, "vae"), DataInfo(shape, 17))
        step = Step(0, seen, torch.Generator().manual_seed(1))
        return model.loss("vae", batch, step).item(), step.logged["kl"].item() * model.likelihood.kl_weight

    full, kl = loss(0, 0)
    assert loss(1000, 1000)[0] == loss(1000, 5000)[0] == full
    for seen in (0, 250, 500):
        assert loss(1000, seen)[0] == pytest.approx(full - kl * (1 - seen / 1000), rel=1e-5)
    with pytest.raises(OptionsError, match="no KL term to warm up"):
        build(model_class("iwae").Options, {"kl_warmup": 7}, "iwae")
    stored = [to_json(build(cls.Options, {"kl_warmup": value}, "vae")).get("kl_warmup") for value in (0, 7)]
    assert stored == [None, 7]
