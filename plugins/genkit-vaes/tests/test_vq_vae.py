"""VQ-VAE: its loss by hand, the straight-through gradient, and how codes are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from genkit_vaes.vq_vae import VQVAE, VQVAEOptions
from torch import Tensor

from genkit.conformance import Result
from genkit.data.dataset import Split
from genkit.latent.editing import Degradation, Search, search_latents
from genkit.models import Batch, DataInfo, Step

CODES, SIZE = 6, 3


def build(cls: type[VQVAE] = VQVAE, codebook: Any = "gradient", **options: Any) -> VQVAE:
    torch.manual_seed(0)
    options = {"width": 4, "codes": CODES, "size": SIZE, "codebook": codebook, **options}
    model = cls(VQVAEOptions(**options), DataInfo((1, 8, 8), levels=17))
    with torch.no_grad():
        latents = model.encoder(images()).movedim(1, -1).reshape(-1, SIZE)
    model.codebook.initialise(latents[: 13 * CODES : 13] + 0.05)  # so that more than one is used
    return model


def images(n: int = 5) -> Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 16


def step(seed: int = 0) -> Step:
    return Step(0, 0, torch.Generator().manual_seed(seed))


def terms(model: VQVAE) -> tuple[Tensor, Tensor, Tensor]:
    """Reconstruction, codebook and commitment terms, each summed over an image and averaged over the batch."""
    latents = model.encoder(images()).movedim(1, -1)
    distances = (latents[..., None, :] - model.codebook.vectors).square().sum(-1)
    vectors = model.codebook.vectors[distances.argmin(-1)]
    assert len(distances.argmin(-1).unique()) > 1
    decoded = model.decoder((latents + (vectors - latents).detach()).movedim(-1, 1))
    rec = (decoded - images()).square().sum((1, 2, 3)).mean()
    codebook = (latents.detach() - vectors).square().sum((1, 2, 3)).mean()
    return rec, codebook, (latents - vectors.detach()).square().sum((1, 2, 3)).mean()


def test_the_loss_and_every_gradient_are_those_of_the_definition() -> None:
    model = build()
    rec, codebook, commitment = terms(model)
    loss = model.loss("autoencoder", Batch(images()), step())
    expected = rec + codebook + 0.25 * commitment
    torch.testing.assert_close(loss, expected)
    found, wanted = (torch.autograd.grad(value, list(model.parameters())) for value in (loss, expected))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_the_codebook_is_moved_by_its_own_term_alone() -> None:
    model = build()
    loss = model.loss("autoencoder", Batch(images()), step())
    (found,) = torch.autograd.grad(loss, model.codebook.vectors)
    (wanted,) = torch.autograd.grad(terms(model)[1], model.codebook.vectors)
    torch.testing.assert_close(found, wanted)


def test_averages_leave_the_codebook_term_out() -> None:
    model = build(codebook="average")
    rec, _, commitment = terms(model)
    torch.testing.assert_close(model.loss("autoencoder", Batch(images()), step()), rec + 0.25 * commitment)
    assert not any(name.startswith("codebook") for name, _ in model.named_parameters())


class SummedOverTheBatch(VQVAE):
    """Averages reconstruction over the batch, but sums the quantisation losses."""

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        rec = super().loss(phase, batch, step)
        once = step.logged["commitment"] * (1 + self.options.commitment)
        return rec + (len(batch) - 1) * once


@pytest.mark.parametrize(("cls", "same"), [(VQVAE, True), (SummedOverTheBatch, False)])
def test_a_batch_shown_twice_over_has_the_same_loss(cls: type[VQVAE], same: bool) -> None:
    model = build(cls)
    once = model.loss("autoencoder", Batch(images()), step())
    twice = model.loss("autoencoder", Batch(images().repeat(2, 1, 1, 1)), step())
    assert torch.allclose(once, twice, rtol=1e-4) == same


def test_every_training_image_is_counted_at_every_position() -> None:
    model = build(codebook="average")
    pixels = np.random.default_rng(0).integers(0, 17, (30, 1, 8, 8)).astype(np.uint8)
    train = Split("train", pixels, None, 17)
    assert torch.equal(model.frequencies, torch.full((16, CODES), 1 / CODES))
    model.prepare_stage(1, train, step())
    tokens = model.tokens(train.images(slice(None))).flatten(1)
    expected = torch.stack([torch.bincount(tokens[:, place], minlength=CODES) for place in range(16)]) / 30
    torch.testing.assert_close(model.frequencies, expected)


def test_codes_are_drawn_by_their_frequency_at_each_position() -> None:
    model = build()
    model.frequencies.zero_()[:, 1] = 1.0
    model.frequencies[3] = torch.tensor([0.0, 0.0, 0.5, 0.5, 0.0, 0.0])
    drawn = model.codebook.nearest(model.draw_latent(2000, generator=torch.Generator().manual_seed(0))).flatten(1)
    assert set(drawn[:, 3].tolist()) == {2, 3}
    assert (drawn[:, 3] == 2).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert (drawn[:, [0, 1, 2, *range(4, 16)]] == 1).all()


def test_the_codebook_begins_at_latents_of_training_images() -> None:
    model = build(codebook="average")
    pixels = np.random.default_rng(0).integers(0, 17, (30, 1, 8, 8)).astype(np.uint8)
    train = Split("train", pixels, None, 17)
    model.prepare_stage(0, train, step())
    latents = model.encoder(train.images(slice(None))).movedim(1, -1).reshape(-1, SIZE)
    assert torch.cdist(model.codebook.vectors, latents).amin(1).max().item() < 2e-3


@pytest.mark.parametrize("codebook", ["average", "gradient"])
def test_a_resumed_training_ends_alike(codebook: str, examine: Callable[..., Result]) -> None:
    found = examine(VQVAE, "resume", width=4, codes=8, size=4, codebook=codebook)
    assert found.status == "passed", found


def test_the_prior_of_edits_is_a_mixture_about_each_positions_codes() -> None:
    model = build()
    with torch.no_grad():
        model.frequencies.copy_(torch.rand(model.frequencies.shape).softmax(1))
    model.frequencies[0] = torch.eye(CODES)[2]  # the first position is always the third code
    tokens = torch.full((1, *model.grid), 2)
    usual = model.codebook(tokens).detach()
    spacing = (model.codebook.vectors[:, None] - model.codebook.vectors).square().sum(-1)
    spacing = (spacing + 1e9 * torch.eye(CODES)).min(1).values.mean() / 4
    deviation = (spacing / SIZE).sqrt().item()
    latent = usual + 0.1 * torch.randn(usual.shape)
    parts = [
        torch.distributions.Independent(torch.distributions.Normal(code, deviation), 1)
        for code in model.codebook.vectors.detach()
    ]
    flat = latent.view(-1, SIZE)
    dense = torch.stack([part.log_prob(flat) for part in parts], 1)
    expected = torch.logsumexp(model.frequencies.log() + dense, 1).sum()
    torch.testing.assert_close(model.log_prior(latent), expected[None])
    unusual = usual.clone()
    unusual[0, 0, 0] = model.codebook.vectors[0].detach()
    assert model.log_prior(unusual) < model.log_prior(usual)


def test_an_edit_of_it_stays_near_codes_wherever_they_are() -> None:
    model = build()
    with torch.no_grad():
        model.codebook.vectors += 5.0  # where a standard normal prior would leave
    target = images(1)
    search = Search(steps=30, starts=1, learning_rate=0.2, prior=1e4)
    edited = search_latents(model, target, Degradation(), search)
    at_codes, at_zero = (model.decode(z).detach() for z in (model.encode(target), torch.zeros(1, *model.grid, SIZE)))
    assert (edited - at_codes).abs().mean() < 0.1 * (at_zero - at_codes).abs().mean()
