"""What a model draws, reconstructs, completes and decodes is refused, by its name, unless it is what was asked for."""

from __future__ import annotations

import re

import pytest
import torch
from evidences import CPU, made

from genkit.errors import PluginError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.samples import ModelSamples
from genkit.latent.completion import complete
from genkit.latent.editing import Degradation, Search, search_latents
from genkit.latent.pictures import draw, reconstructions
from genkit.latent.walks import walk_between
from genkit.metrics.numerics.timing import seconds_per_draw
from genkit.models import DataInfo, GenerativeModel
from genkit.models.images import completed, decoded, drawn, reconstructed
from genkit.results.records import Subject

INFO = DataInfo((1, 8, 8), 17, 0, (), 10)

FAULTS = {
    "flat": (lambda images: images[:, :, :7], "have the shape 4x1x7x8 where 4x1x8x8 is due"),
    "colour": (lambda images: images.expand(-1, 3, -1, -1), "have the shape 4x3x8x8 where"),
    "vector": (lambda images: images.flatten(1), "have the shape 4x64 where"),
    "few": (lambda images: images[:3], "are 3 where 4 were asked for"),
    "none": (lambda images: images[:0], "are 0 where 4 were asked for"),
    "many": (lambda images: torch.cat([images, images]), "are 8 where 4 were asked for"),
    "bytes": (lambda images: (255 * images).byte(), "are uint8: a model returns float32"),
    "double": (lambda images: images.double(), "are float64: a model returns float32"),
    "half": (lambda images: images.bfloat16(), "are bfloat16: a model returns float32"),
    "array": (lambda images: images.numpy(), "are ndarray, not a tensor"),
    "tuple": (lambda images: (images, None), "are tuple, not a tensor"),
    "nan": (lambda images: images / 0 * 0, "hold values that are not finite"),
    "signed": (lambda images: 2 * images - 1, "have values from -1"),
}


class Faulty(GenerativeModel):
    """Returns images with a fault of all its methods."""

    def __init__(self, fault="", data=INFO):
        super().__init__(None, data)
        self.spoil = FAULTS[fault][0] if fault else lambda images: images
        self.weight = torch.nn.Parameter(torch.ones(1))

    def sample(self, n, *, generator, condition=None):
        images = torch.rand(n, *self.data.shape, generator=generator)
        images[:, :, 0, 0], images[:, :, 0, 1] = 0, 1
        return self.spoil(images)

    def reconstruct(self, images):
        return self.spoil(torch.linspace(0, 1, 64).view(1, 1, 8, 8).repeat(len(images), 1, 1, 1))

    def complete(self, images, known, *, generator, condition=None):
        return self.reconstruct(images)

    def draw_latent(self, n, *, generator):
        return torch.randn(n, 3, generator=generator)

    def decode(self, latent, condition=None):
        return self.reconstruct(latent)


def generator():
    return torch.Generator().manual_seed(0)


FOUR = torch.zeros(4, 1, 8, 8)
KNOWN = torch.ones(4, 1, 8, 8, dtype=torch.bool)
WAYS = {
    "drawn": (lambda model: drawn(model, 4, generator=generator()), "samples"),
    "reconstructed": (lambda model: reconstructed(model, FOUR), "reconstructions"),
    "completed": (lambda model: completed(model, FOUR, KNOWN, generator=generator()), "completions"),
    "decoded": (lambda model: decoded(model, torch.zeros(4, 3)), "images"),
    "draw": (lambda model: draw(model, 4, seed=0), "samples"),
    "evaluation": (lambda model: list(ModelSamples(model, 4, 4, 0, CPU).chunks()), "samples"),
    "reconstructions": (lambda model: reconstructions(model, FOUR), "reconstructions"),
    "complete": (lambda model: complete(model, FOUR, torch.zeros(8, 8), seed=0), "completions"),
    "walk": (lambda model: walk_between(model, 2, 2), "images"),
}


@pytest.mark.parametrize("way", WAYS)
def test_sound_images_pass_as_they_are(way):
    WAYS[way][0](Faulty())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_ask_for_images_refuses_each_fault_in_a_sentence(way, fault):
    ask, what = WAYS[way]
    with pytest.raises(PluginError, match=f"^{what} of Faulty {re.escape(FAULTS[fault][1])}[^\n]*$"):
        ask(Faulty(fault))


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "array"])
def test_a_search_refuses_each_fault(fault):
    with pytest.raises(PluginError, match="^images of Differentiable "):
        search_latents(Differentiable(fault), FOUR, Degradation(), Search(steps=1, starts=1))


class Differentiable(Faulty):
    """Images that depend on the latent."""

    def decode(self, latent, condition=None):
        return self.spoil(torch.linspace(0, 1, 64).view(1, 1, 8, 8) + 0 * latent.sum(1).view(-1, 1, 1, 1))


def test_an_evaluation_refuses_what_is_no_set_of_the_data_s_images(digits):
    class Narrow(Faulty):
        def sample(self, n, *, generator, condition=None):
            return torch.rand(n, 1, 7, 8, generator=generator)

    evaluator = Evaluator(digits, EvalConfig(count=20, metrics=["fid"], features="random-conv", device="cpu"))
    with pytest.raises(PluginError, match="^samples of Narrow have the shape 250x1x7x8 where 250x1x8x8 is due"):
        evaluator.measure(Subject("narrow"), model=Narrow(data=digits.info()))


def test_a_model_that_draws_too_few_is_not_timed(digits):
    with pytest.raises(PluginError, match="samples of Faulty are 3 where 4 were asked for"):
        seconds_per_draw(made(digits, Faulty("few")), 4, 1)


@pytest.mark.parametrize(
    "found", [lambda n: torch.zeros(n - 1), lambda n: torch.zeros(()), lambda n: torch.zeros(n, 2)]
)
def test_likelihoods_are_one_number_for_each_image(digits, found):
    model = Faulty(data=digits.info())
    model.log_likelihood = lambda images, *, generator, importance_samples=1: found(len(images))
    with pytest.raises(PluginError, match="^likelihood of Faulty has shape .* a model returns one number for each"):
        made(digits, model).log_likelihood(1)
