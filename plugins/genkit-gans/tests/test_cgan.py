"""cGAN: the projection, gains per class, and labels drawn with the data's frequencies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_gans.cgan import CGAN
from genkit_gans.resnet import ProjectionDiscriminator
from genkit_gans.sngan import SNGANOptions
from torch import Tensor, nn

from genkit.models import Batch, DataInfo, Step

INFO = DataInfo((1, 8, 8), num_classes=3, class_frequencies=(0.1, 0.0, 0.9))


def build(cls: type[CGAN] = CGAN) -> CGAN:
    torch.manual_seed(0)
    return cls(SNGANOptions(width=8), INFO)


def test_the_losses_are_the_hinges(loss_on: Callable[..., float]) -> None:
    assert loss_on(build(), "discriminator", [3.0, 0.5], [-2.0, 0.25]) == pytest.approx(0.5 / 2 + 1.25 / 2)
    assert loss_on(build(), "generator", [-2.0, 0.5]) == pytest.approx(0.75)


def test_logits_are_psi_of_phi_plus_the_product_with_the_labels_embedding() -> None:
    discriminator = ProjectionDiscriminator(8, INFO.shape, 3)
    images, labels = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 1])
    phi = discriminator.features(images)
    psi = phi @ discriminator.linear.weight[0] + discriminator.linear.bias
    expected = torch.stack([psi[n] + discriminator.embedding.weight[labels[n]] @ phi[n] for n in range(4)])
    torch.testing.assert_close(discriminator(images, labels), expected)


def test_all_of_the_discriminator_is_spectrally_normalised_the_embedding_too() -> None:
    layers = [m for m in build().discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert any(isinstance(layer, nn.Embedding) for layer in layers)
    assert all("weight" in layer.parametrizations for layer in layers)


def test_each_class_has_its_own_gains_and_biases() -> None:
    model = build().eval()
    latent = model.draw_latent(1, generator=torch.Generator().manual_seed(0)).expand(3, -1)
    images = model.decode(latent, torch.arange(3))
    assert len(images.unique(dim=0)) == 3
    torch.testing.assert_close(model.decode(latent, torch.tensor([1, 1, 1])), images[1].expand(3, -1, -1, -1))


class Uniform(CGAN):
    """Draws all classes with the same probability."""

    def draw_labels(self, n: int, *, generator: torch.Generator) -> Tensor:
        return torch.randint(self.data.num_classes, (n,), generator=generator)


def follows_the_prior(model: CGAN, step: Step) -> bool:
    shown: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[1]))
    model.loss("discriminator", Batch(torch.rand(600, 1, 8, 8), torch.zeros(600, dtype=torch.int64)), step)
    counts = shown[1].bincount(minlength=3) / 600
    return bool((counts - torch.tensor([0.1, 0.0, 0.9])).abs().max() < 0.05)


def test_labels_of_generated_images_follow_the_datas_prior(step: Callable[..., Step]) -> None:
    assert follows_the_prior(build(), step())
    assert not follows_the_prior(build(Uniform), step())
