"""GANs that follow captions, with networks small enough to see through."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genkit.errors import UsageError
from genkit.models import Batch, DataInfo, Step
from genkit.models.gan import GANOptions
from genkit.models.text_gan import LEFT_OUT, TextGAN


class Options(GANOptions):
    text = "bytes"


class Network(nn.Module):
    """Adds the mean of a condition to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        said = condition.float().reshape(len(x), -1).mean(1)
        return (x.reshape(len(x), -1)[:, :4] * self.gain + said[:, None]).tanh()


class Toy(TextGAN):
    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.generator = Network()
        self.discriminator = Network()

    def generate(self, n: int, labels: Any = None, *, generator: torch.Generator) -> Tensor:
        return super().generate(n, labels, generator=generator).view(n, 1, 2, 2)

    def discriminate(self, images: Tensor, labels: Any = None) -> Tensor:
        if labels is None:
            labels = torch.zeros(len(images), self.text_size)
        return self.discriminator(images, labels).sum(1)


def toy() -> Toy:
    torch.manual_seed(0)
    return Toy(Options(latent=4), DataInfo((1, 2, 2), 256, has_prompts=True))


def test_captions_are_left_out_by_the_steps_generator() -> None:
    model = toy()
    batch = Batch(torch.rand(4000, 1, 2, 2), None, prompts=("seven",) * 4000)
    said = model.said(batch, Step(0, 0, torch.Generator().manual_seed(0)))
    assert (said == 0).all(1).float().mean().item() == pytest.approx(LEFT_OUT, abs=0.02)
    assert said.equal(model.said(batch, Step(0, 0, torch.Generator().manual_seed(0))))


def test_what_is_not_said_is_a_vector_of_zeros() -> None:
    model = toy()
    nothing = model.understand([""]).mean()
    assert nothing.equal(torch.zeros(1, model.text_size))
    one, other = (
        model.generate(1, condition, generator=torch.Generator().manual_seed(0)) for condition in (None, nothing)
    )
    assert one.equal(other)
    assert model.condition(torch.tensor([3]), 1).equal(nothing)  # labels say nothing to a model of texts


def test_data_with_neither_classes_nor_captions_is_refused() -> None:
    with pytest.raises(UsageError, match="needs images with captions"):
        Toy(Options(latent=4), DataInfo((1, 2, 2), 256))

    class Plain(GANOptions):
        text = ""

    with pytest.raises(UsageError, match="needs class labels"):
        Toy(Plain(latent=4), DataInfo((1, 2, 2), 256, has_prompts=True))
