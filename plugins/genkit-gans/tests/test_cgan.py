"""cGAN: the projection, gains per class, and labels drawn with the data's frequencies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_gans.cgan import CGAN, CGANOptions
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


def reading() -> CGAN:
    torch.manual_seed(0)
    options = CGANOptions(latent=8, width=8, d_steps=1, text="bytes")
    return CGAN(options, DataInfo((1, 8, 8), 17, has_prompts=True))


PROMPTS = ("a red 3", "a blue 8", "")


def test_captions_need_no_classes_and_move_images_and_logits() -> None:
    model = reading().eval()
    said = model.understand(PROMPTS)
    one, other = (
        model.sample(3, generator=torch.Generator().manual_seed(0), condition=condition) for condition in (said, None)
    )
    assert not one[:2].equal(other[:2]) and torch.allclose(one[2], other[2], atol=1e-5)
    assert not model.conditional and model.decode(torch.zeros(3, 8), said).shape == (3, 1, 8, 8)
    logits = model.discriminate(one, said.mean())
    assert not torch.isclose(logits, model.logits(one))[:2].any()


def test_the_discriminators_phase_trains_the_encoder_and_the_generators_does_not(step: Callable[..., Step]) -> None:
    model = reading()
    batch = Batch(torch.rand(3, 1, 8, 8), None, prompts=PROMPTS)
    discriminator, generator = model.phases()
    model.loss("generator", batch, step()).backward()
    assert all(p.grad is None for p in model.reader.parameters())
    model.loss("discriminator", batch, step()).backward()
    assert all(p.grad is not None for p in model.reader.parameters())
    held = {id(p) for group in discriminator.optimizer.param_groups for p in group["params"]}
    assert {id(p) for p in model.reader.parameters()} < held
    assert held.isdisjoint({id(p) for group in generator.optimizer.param_groups for p in group["params"]})
    assert model.ema == ("generator", "reader")


def test_real_images_with_the_captions_of_others_count_as_generated(step: Callable[..., Step]) -> None:
    model, shown = reading(), []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: shown.append(inputs))
    batch = Batch(torch.rand(3, 1, 8, 8), None, prompts=("one", "two", "three"))
    model.loss("discriminator", batch, step())
    (real, said), (again, others), (generated, own) = shown
    assert real.equal(again) and others.equal(said.roll(1, 0)) and own.equal(said) and not generated.equal(real)
