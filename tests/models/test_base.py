"""The contract: what a step passes to a loss, what a bare model says, and which methods count as capabilities."""

from __future__ import annotations

import pytest
import torch

from genkit.errors import PluginError
from genkit.models import CAPABILITIES, DataInfo, GenerativeModel, Step, capabilities

INFO = DataInfo((1, 2, 2))


class Encoder(GenerativeModel):
    """Offers two capabilities; ``kl`` is none, as it can't be called."""

    kl = 0.5

    def reconstruct(self, images):
        return images

    def encode(self, images):
        return images


def step() -> Step:
    return Step(0, 0, torch.Generator().manual_seed(0))


def test_capabilities_are_the_methods_that_a_model_or_a_class_defines():
    assert capabilities(Encoder) == capabilities(Encoder(None, INFO)) == ("reconstruct", "encode")
    assert capabilities(GenerativeModel) == ()
    assert all(words.split()[0] in ("does", "has", "follows") for words in CAPABILITIES.values())


def test_a_step_keeps_logged_scalars_without_their_graph():
    one, weight = step(), torch.ones((), requires_grad=True)
    one.log(kl=2 * weight, share=0.25)
    assert {name: float(value) for name, value in one.logged.items()} == {"kl": 2.0, "share": 0.25}
    assert not one.logged["kl"].requires_grad


def test_augment_draws_from_the_steps_generator_and_is_told_detached_logits():
    class Noise(torch.nn.Module):
        def forward(self, images, generator):
            return images + torch.randn(images.shape, generator=generator)

        def observe(self, real_logits, total):
            assert not real_logits.requires_grad
            return {"seen": total(real_logits.sum())}

    images = torch.zeros(2, 1, 2, 2)
    first, second = step(), step()
    first.augmentation = second.augmentation = Noise()
    assert torch.equal(first.augment(images), second.augment(images))
    first.augment.observe(torch.ones(3, requires_grad=True))
    assert float(first.logged["seen"]) == 3.0


def test_a_bare_model_has_no_phases_and_says_what_it_lacks():
    model = GenerativeModel(None, INFO)
    assert model.phases() == [] and model.device == torch.device("cpu")
    with pytest.raises(PluginError, match="GenerativeModel does not sample: define sample"):
        model.sample(1, generator=torch.Generator())
    with pytest.raises(PluginError, match="GenerativeModel has phases but no loss: define loss"):
        model.loss("any", None, step())


def test_a_model_is_where_its_tensors_are():
    model = GenerativeModel(None, INFO)
    model.register_buffer("codes", torch.zeros(1, device="meta"))
    assert model.device.type == "meta"
