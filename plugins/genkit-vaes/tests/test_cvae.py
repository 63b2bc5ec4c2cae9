"""Conditional VAE: what moves its images, and a bound that sums classes out."""

from __future__ import annotations

import math

import pytest
import torch
from genkit_vaes.cvae import CVAE, CVAEOptions
from torch.distributions import Independent, Normal, kl_divergence

from genkit.models import Batch, Condition, DataInfo, Step

CLASSES = DataInfo((1, 8, 8), 17, 3, (0.2, 0.0, 0.8), has_prompts=True)
PROMPTS = ("a red 3", "a blue 8", "")


def build(**options: object) -> CVAE:
    torch.manual_seed(0)
    return CVAE(CVAEOptions(latent=4, width=4, **options), CLASSES).eval()  # type: ignore[arg-type]


def images(n: int = 3) -> torch.Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 16


def test_the_class_moves_the_image_and_is_drawn_by_frequency() -> None:
    model = build()
    latent = torch.zeros(3, 4)
    assert len(model.decode(latent, torch.arange(3)).unique(dim=0)) == 3
    assert model.decode(latent).unique(dim=0).shape[0] == 1
    labels = [torch.full((5,), label) for label in range(3)]
    drawn = [model.sample(5, generator=torch.Generator().manual_seed(0), condition=label) for label in labels]
    assert not drawn[0].equal(drawn[2])
    asked: list[torch.Tensor] = []
    model.decoder.classes.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0]))
    model.sample(2000, generator=torch.Generator().manual_seed(0))
    counts = asked[0].bincount(minlength=3) / 2000
    assert counts[1] == 0 and counts[0].item() == pytest.approx(0.2, abs=0.05)


def test_the_bound_sums_classes_out_by_their_frequencies() -> None:
    model = build()
    observed, latent = images(), torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(2))
    found = model._log_prob(observed, latent)
    expected = torch.zeros(3, 2, dtype=torch.float64)
    for label, frequency in enumerate(CLASSES.class_frequencies):
        vector = model.decoder.classes.weight[label].expand(6, -1)
        params = model.decoder(latent.flatten(0, 1), vector)
        log_prob = model.likelihood.log_prob(params, observed.repeat_interleave(2, 0)).view(3, 2).double()
        expected += frequency * log_prob.exp()
    torch.testing.assert_close(found.double(), expected.log(), rtol=1e-5, atol=0)
    assert model.log_likelihood(images(), generator=torch.Generator(), importance_samples=3).isfinite().all()


def test_captions_move_the_image_and_no_words_ask_for_anything() -> None:
    model = build(text="bytes")
    latent = torch.zeros(3, 4)
    decoded = model.decode(latent, model.understand(PROMPTS))
    assert len(decoded.unique(dim=0)) == 3 and not model.conditional
    torch.testing.assert_close(decoded[2], model.decode(latent)[2])
    assert model.log_likelihood(images(), generator=torch.Generator()).isfinite().all()


def test_a_caption_has_a_prior_of_its_own_and_no_words_have_a_standard_one() -> None:
    model = build(text="bytes")
    assert model.prior is not None and build().prior is None
    condition = model.understand(PROMPTS)
    vectors = model.vectors(condition, 3)
    mean, log_variance = model.prior_moments(vectors)
    assert not mean[2].any() and not log_variance[2].any() and len(mean.unique(dim=0)) == 3
    latent = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    params = model.decoder(mean + (0.5 * log_variance).exp() * latent, vectors)
    torch.testing.assert_close(model.decode(latent, condition), model.likelihood.mean(params).clamp(0, 1))


def test_what_captions_say_is_decoded_in_half_precision_too() -> None:
    model = build(text="bytes")
    condition = model.understand(PROMPTS)
    said = Condition(condition.tokens.bfloat16(), condition.mask)
    images = model.to(torch.bfloat16).decode(torch.zeros(3, 4, dtype=torch.bfloat16), said)
    assert images.isfinite().all() and len(images) == 3


def test_the_divergence_is_from_the_prior_of_the_caption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genkit_vaes.cvae.LEFT_OUT", 0.0)
    model, batch = build(text="bytes"), Batch(images(), torch.zeros(3, dtype=torch.int64), prompts=PROMPTS)
    step = Step(0, 0, torch.Generator().manual_seed(0))
    model.loss("vae", batch, step)
    posterior = model.posterior(batch.images)
    mean, log_variance = model.prior_moments(model.vectors(model.reader(PROMPTS), 3))
    prior = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    torch.testing.assert_close(step.logged["kl"], kl_divergence(posterior, prior).mean())


@pytest.mark.parametrize("text", ["", "bytes"])
def test_everything_is_trained(text: str) -> None:
    model = build(text=text).train()
    step = Step(0, 0, torch.Generator().manual_seed(0))
    batch = Batch(images(64), torch.arange(64) % 3, prompts=("a red 3",) * 64)
    model.loss("vae", batch, step).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert all(row.any() for row in model.decoder.classes.weight.grad)  # "anything" too
    assert set(step.logged) == {"rec", "kl"}


def test_the_warm_up_of_kl_holds() -> None:
    model = build(kl_warmup=100)
    with torch.no_grad():
        model.encoder[-1].bias.fill_(2)  # far from the prior
    batch = Batch(images(64), torch.zeros(64, dtype=torch.int64))
    losses = {}
    for seen in (0, 50, 100):
        step = Step(0, seen, torch.Generator().manual_seed(0))
        losses[seen] = (model.loss("vae", batch, step).item(), step.logged["kl"].item())
    kl = losses[0][1] * model.likelihood.kl_weight
    assert losses[100][0] - losses[0][0] == pytest.approx(kl, rel=1e-2)
    assert losses[50][0] - losses[0][0] == pytest.approx(kl / 2, rel=1e-2) and math.isfinite(kl)
