"""VAE-GAN: three losses by hand, and gradients that reach no other phase's network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_vaes.vae_gan import VAEGAN, VAEGANOptions
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import softplus

from genkit.conformance import Result
from genkit.models import Batch, DataInfo, Phase, Step, capabilities
from genkit.models.losses import gaussian_kl

NETWORKS = ("encoder", "decoder", "discriminator")


def build(cls: type[VAEGAN] = VAEGAN) -> VAEGAN:
    torch.manual_seed(0)
    return cls(VAEGANOptions(width=4, latent=3, gamma=0.3), DataInfo((1, 8, 8), levels=17))


def images() -> Tensor:
    return torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def step() -> Step:
    return Step(0, 0, torch.Generator().manual_seed(2))


def reconstructed(model: VAEGAN, noise: Tensor) -> Tensor:
    mean, log_variance = model.moments(images())
    decoded: Tensor = model.decoder(mean + (0.5 * log_variance).exp() * noise)
    return decoded


def feature_rec(model: VAEGAN, decoded: Tensor) -> Tensor:
    features = model.discriminator.features
    return 0.5 * (features(decoded) - features(images())).square().sum(1).mean()


def drawn_noise() -> tuple[Tensor, Tensor]:
    first, second = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(2))
    return first, second


def exact_encoder_loss(model: VAEGAN) -> Tensor:
    noise = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    return gaussian_kl(*model.moments(images())).mean() + feature_rec(model, reconstructed(model, noise))


def test_the_encoder_minimises_kl_and_the_feature_reconstruction() -> None:
    model = build()
    torch.testing.assert_close(model.loss("encoder", Batch(images()), step()), exact_encoder_loss(model))


def test_the_decoder_minimises_the_weighed_feature_reconstruction_and_fools_on_both_kinds() -> None:
    model = build()
    noise, latent = drawn_noise()
    decoded, drawn = reconstructed(model, noise), model.decoder(latent)
    ones = torch.ones(5)
    expected = 0.3 * feature_rec(model, decoded) + bce(model.logits(decoded), ones) + bce(model.logits(drawn), ones)
    torch.testing.assert_close(model.loss("decoder", Batch(images()), step()), expected)


def test_the_discriminator_minimises_cross_entropy_on_three_kinds() -> None:
    model = build()
    noise, latent = drawn_noise()
    kinds = ((images(), 1.0), (reconstructed(model, noise), 0.0), (model.decoder(latent), 0.0))
    expected = torch.stack([bce(model.logits(x), torch.full((5,), label)) for x, label in kinds]).sum()
    torch.testing.assert_close(model.loss("discriminator", Batch(images()), step()), expected)


class AdversarialEncoder(VAEGAN):
    """Adds the adversarial loss to the encoder's."""

    def encoder_loss(self, batch: Batch, step: Step) -> Tensor:
        return super().encoder_loss(batch, step) + softplus(-self.logits(self.reconstruct(batch.images))).mean()


def test_an_encoder_that_plays_along_has_another_loss() -> None:
    model = build(AdversarialEncoder)
    assert not torch.allclose(model.loss("encoder", Batch(images()), step()), exact_encoder_loss(model))


class AttachedLatents(VAEGAN):
    """Does not detach latents in the decoder's and the discriminator's losses."""

    def _latents(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.moments(batch.images)
        noise, drawn = self.noise(2, len(batch), generator=step.generator)
        return mean + (0.5 * log_variance).exp() * noise, drawn


class AttachedImages(VAEGAN):
    """Does not detach decoded images in the discriminator's loss."""

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        first, second = (self.logits(self._decode(latent)) for latent in self._latents(batch, step))
        return softplus(-self.logits(batch.images)).mean() + softplus(first).mean() + softplus(second).mean()


def reached(model: VAEGAN, phase: str) -> set[str]:
    """The networks that get gradients from a phase's loss if nothing is frozen."""
    model.zero_grad()
    model.loss(phase, Batch(images()), step()).backward()
    grads = {name: [p.grad for p in getattr(model, name).parameters()] for name in NETWORKS}
    return {name for name, each in grads.items() if any(g is not None and bool(g.any()) for g in each)}


def test_no_gradient_leaks_upstream_of_a_phases_own_network() -> None:
    # Gradients also reach the networks they pass through, which the training loop freezes.
    assert reached(build(), "encoder") == {"encoder", "decoder", "discriminator"}
    assert reached(build(), "decoder") == {"decoder", "discriminator"}
    assert reached(build(), "discriminator") == {"discriminator"}
    assert "encoder" in reached(build(AttachedLatents), "decoder")
    assert "decoder" in reached(build(AttachedImages), "discriminator")


class OneOptimizer(VAEGAN):
    """The encoder's phase also updates the decoder."""

    def phases(self) -> list[Phase]:
        both = nn.ModuleList([self.encoder, self.decoder])
        return [Phase("encoder", both, torch.optim.Adam(both.parameters(), fused=True)), *super().phases()[1:]]


@pytest.mark.parametrize("check", ["phase-modules", "phase-updates", "discriminator-labels"])
def test_each_phase_moves_its_own_network(check: str, examine: Callable[..., Result]) -> None:
    assert examine(VAEGAN, check, width=4, latent=3).status == "passed"


def test_a_phase_that_moves_anothers_network_is_caught(examine: Callable[..., Result]) -> None:
    found = examine(OneOptimizer, "phase-modules", width=4, latent=3)
    assert found.status == "failed" and "'encoder' and 'decoder' both update" in found.reason


def test_three_networks_three_optimisers() -> None:
    model = build()
    phases = model.phases()
    assert [phase.name for phase in phases] == list(NETWORKS)
    for phase in phases:
        held = {id(p) for group in phase.optimizer.param_groups for p in group["params"]}
        assert held == {id(p) for p in getattr(model, phase.name).parameters()}


def test_a_density_of_features_is_no_likelihood_of_images() -> None:
    assert "log_likelihood" not in capabilities(VAEGAN)
    assert {"reconstruct", "kl", "posterior", "logits"} <= set(capabilities(VAEGAN))
