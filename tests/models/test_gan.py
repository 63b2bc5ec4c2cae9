"""The GAN base class: ranges, separate passes, gradients and random draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genkit.conformance import check
from genkit.conformance.under_test import blobs
from genkit.errors import Unmeasurable, UsageError
from genkit.models import GAN, Batch, DataInfo, NoOptions, Step, capabilities
from genkit.models.drawing import draw_with
from genkit.models.gan import ConditionalGAN, GANOptions
from genkit.models.losses import RELATIVISTIC

INFO = DataInfo((1, 4, 4))


class TinyGAN(GAN):
    """The smallest GAN with batch normalisation on both sides."""

    latent = 3

    def __init__(self) -> None:
        super().__init__(NoOptions(), INFO)
        self.generator = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
        self.discriminator = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 1), nn.Flatten(0))


@pytest.fixture
def model() -> TinyGAN:
    torch.manual_seed(0)
    return TinyGAN()


def step(seed: int = 0) -> Step:
    return Step(0, 0, torch.Generator().manual_seed(seed))


def batch(n: int = 6) -> Batch:
    return Batch(torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(7)))


def watch(module: nn.Module) -> list[Tensor]:
    """Return a list that collects a module's inputs."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    return seen


def test_phases_have_an_optimiser_each_over_their_own_network(model: TinyGAN) -> None:
    phases = {phase.name: phase for phase in model.phases()}
    assert list(phases) == ["discriminator", "generator"]
    for name, phase in phases.items():
        held = {id(p) for group in phase.optimizer.param_groups for p in group["params"]}
        assert held == {id(p) for p in getattr(model, name).parameters()}


def test_the_discriminator_sees_minus_one_to_one(model: TinyGAN) -> None:
    seen = watch(model.discriminator)
    images = torch.zeros(2, 1, 4, 4)
    images[1] = 1
    model.loss("discriminator", Batch(images), step())
    assert (seen[0].min().item(), seen[0].max().item()) == (-1.0, 1.0)


def test_real_and_generated_images_pass_separately(model: TinyGAN) -> None:
    seen = watch(model.discriminator)
    model.loss("discriminator", batch(6), step())
    assert [len(images) for images in seen] == [6, 6]


def test_the_discriminators_turn_leaves_no_gradient_in_the_generator(model: TinyGAN) -> None:
    seen = watch(model.discriminator)
    model.loss("discriminator", batch(), step()).backward()
    assert not any(images.requires_grad for images in seen)
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.discriminator.parameters())


def test_the_generators_loss_is_of_generated_images_alone(model: TinyGAN) -> None:
    seen = watch(model.discriminator)
    loss = model.loss("generator", batch(6), step())
    assert [len(images) for images in seen] == [6]
    assert loss.item() == pytest.approx(softplus(-model.discriminator(seen[0])).mean().item(), abs=1e-6)
    loss.backward()
    assert all(p.grad is not None for p in model.generator.parameters())


def test_the_discriminator_learns_to_lift_real_logits_above_generated_ones(model: TinyGAN) -> None:
    model.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
    optimizer = model.phases()[0].optimizer
    bright = Batch(torch.full((16, 1, 4, 4), 0.9))
    for index in range(300):
        last = step(index)
        loss = model.loss("discriminator", bright, last)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert last.logged["logits_real"] > last.logged["logits_generated"] + 0.5


def test_draws_come_from_the_steps_generator(model: TinyGAN) -> None:
    torch.manual_seed(1)
    first = model.loss("generator", batch(), step(3)).item()
    torch.manual_seed(2)
    assert model.loss("generator", batch(), step(3)).item() == first
    assert model.loss("generator", batch(), step(4)).item() != first


def test_samples_are_in_zero_to_one_and_repeatable(model: TinyGAN) -> None:
    model.eval()
    images = model.sample(9, generator=torch.Generator().manual_seed(5))
    assert images.shape == (9, 1, 4, 4)
    assert 0 <= images.min() < 0.5 < images.max() <= 1
    torch.testing.assert_close(images, model.sample(9, generator=torch.Generator().manual_seed(5)), rtol=0, atol=0)


def test_logits_are_of_images_at_the_border(model: TinyGAN) -> None:
    model.eval()
    images = batch().images
    torch.testing.assert_close(model.logits(images), model.discriminator(2 * images - 1))


def test_logits_of_a_wrong_number_are_refused(model: TinyGAN) -> None:
    model.discriminator = nn.Flatten()
    with pytest.raises(RuntimeError, match="shape"):
        model.logits(batch().images)


def test_a_gan_offers_no_reconstruction_and_no_likelihood(model: TinyGAN) -> None:
    assert capabilities(model) == ("draw_latent", "decode", "logits")


def test_losses_are_float32_under_autocast(model: TinyGAN) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert model.loss("discriminator", batch(), step()).dtype == torch.float32


def test_options_of_every_gan_set_its_latent_and_its_rate() -> None:
    model = GAN(GANOptions(latent=7, learning_rate=3e-3, d_steps=3), INFO)
    assert (model.latent, model.learning_rate, model.d_steps) == (7, 3e-3, 3)


def test_unequal_turns_and_rates(model: TinyGAN) -> None:
    model.d_steps, model.d_learning_rate = 5, 4e-4
    discriminator, generator = model.phases()
    assert (discriminator.repeats, generator.repeats) == (5, 1)
    assert (discriminator.optimizer.defaults["lr"], generator.optimizer.defaults["lr"]) == (4e-4, 2e-4)


def test_an_optimiser_that_a_lazy_phase_shares_is_corrected_by_k_over_k_plus_1(model: TinyGAN) -> None:
    defaults = model.optimizer(model.discriminator, lazy=16).defaults
    assert defaults["lr"] == pytest.approx(2e-4 * 16 / 17)
    assert defaults["betas"] == pytest.approx((0.5 ** (16 / 17), 0.999 ** (16 / 17)))


def test_a_penalty_is_added_and_sees_images_of_the_networks_range(model: TinyGAN) -> None:
    plain = model.loss("discriminator", batch(), step()).item()
    seen: list[Tensor] = []
    model.penalty = lambda real, generated, step: seen.extend([real, generated]) or 3.0  # type: ignore[method-assign]
    torch.testing.assert_close(model.loss("discriminator", batch(), step()).item(), plain + 3)
    torch.testing.assert_close(seen[0], 2 * batch().images - 1)
    assert not seen[1].requires_grad


def test_in_a_paired_game_the_generator_meets_the_batch(model: TinyGAN) -> None:
    model.adversarial = RELATIVISTIC
    seen = watch(model.discriminator)
    loss = model.loss("generator", batch(6), step())
    generated, real = (model.discriminator(images) for images in list(seen))
    torch.testing.assert_close(seen[1], 2 * batch(6).images - 1)
    assert loss.item() == pytest.approx(softplus(real - generated).mean().item(), abs=1e-6)


def test_what_a_generator_paints_beyond_white_and_black_is_clipped_at_the_border(model: TinyGAN) -> None:
    model.generator = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, (1, 4, 4)))
    images = model.sample(500, generator=torch.Generator().manual_seed(0))
    assert (images.min().item(), images.max().item()) == (0.0, 1.0)


CLASSES = DataInfo((1, 4, 4), num_classes=3, class_frequencies=(0.1, 0.0, 0.9))


class ByClass(nn.Module):
    """A network whose second input is a label."""

    def __init__(self, i: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.table = nn.Embedding(3, i)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(i, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.net(x.flatten(1) + self.table(labels))


class TinyConditional(ConditionalGAN):
    latent = 3

    def __init__(self, options: object, data: DataInfo) -> None:
        super().__init__(options, data)
        self.generator = ByClass(3, data.shape)
        self.discriminator = ByClass(math.prod(data.shape), (1,))


@pytest.fixture
def conditional() -> TinyConditional:
    torch.manual_seed(0)
    return TinyConditional(NoOptions(), CLASSES)


def labels_shown(model: ConditionalGAN, phase: str, n: int = 2000) -> dict[str, list[Tensor]]:
    """The labels that each network is given in a phase."""
    seen: dict[str, list[Tensor]] = {"generator": [], "discriminator": []}
    for name, collected in seen.items():
        network = model.get_submodule(name)
        network.register_forward_pre_hook(lambda _, inputs, collected=collected: collected.append(inputs[1]))
    model.loss(phase, Batch(torch.rand(n, *model.data.shape), torch.arange(n) % 2), step())
    return seen


class UniformLabels(TinyConditional):
    """Draws all classes with the same probability."""

    def draw_labels(self, n: int, *, generator: torch.Generator) -> Tensor:
        return torch.randint(self.data.num_classes, (n,), generator=generator)


def drawn_with_the_datas_frequencies(model: ConditionalGAN) -> bool:
    sampled: list[Tensor] = []
    model.generator.register_forward_pre_hook(lambda _, inputs: sampled.append(inputs[1]))
    model.sample(2000, generator=torch.Generator().manual_seed(1))
    drawn = [*labels_shown(model, "discriminator")["generator"], *sampled]
    counts = torch.stack([labels.bincount(minlength=3) / len(labels) for labels in drawn])
    return bool((counts - torch.tensor([0.1, 0.0, 0.9])).abs().max() < 0.03)


def test_classes_of_generated_images_are_drawn_with_the_datas_frequencies(conditional: TinyConditional) -> None:
    assert drawn_with_the_datas_frequencies(conditional)
    assert not drawn_with_the_datas_frequencies(UniformLabels(NoOptions(), CLASSES))


def test_real_images_go_with_their_labels_and_generated_ones_with_those_they_were_made_of(
    conditional: TinyConditional,
) -> None:
    seen = labels_shown(conditional, "discriminator")
    assert torch.equal(seen["discriminator"][0], torch.arange(2000) % 2)
    assert torch.equal(seen["discriminator"][1], seen["generator"][0])
    seen = labels_shown(conditional, "generator")
    assert torch.equal(seen["discriminator"][-1], seen["generator"][-1])


def test_a_condition_says_which_classes_to_draw(conditional: TinyConditional) -> None:
    labels = torch.tensor([2, 0, 1])
    images = conditional.sample(3, generator=torch.Generator().manual_seed(0), condition=labels)
    latent = conditional.draw_latent(3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(images, conditional.decode(latent, labels))
    assert not torch.allclose(images, conditional.decode(latent, labels.flip(0)))


def test_logits_without_labels_are_the_mean_over_classes(conditional: TinyConditional) -> None:
    images = batch().images
    first, last = (conditional.discriminate(2 * images - 1, torch.full((6,), label)) for label in (0, 2))
    torch.testing.assert_close(conditional.logits(images), 0.1 * first + 0.9 * last)


def test_a_conditional_model_refuses_data_without_labels_and_latents_without_classes(
    conditional: TinyConditional,
) -> None:
    with pytest.raises(UsageError, match="TinyConditional needs class labels, which this data does not have"):
        TinyConditional(NoOptions(), INFO)
    with pytest.raises(Unmeasurable, match="needs a class"):
        conditional.decode(torch.zeros(1, 3))


def test_a_conditional_model_passes_the_checks() -> None:
    report = check(TinyConditional, dataset=blobs((1, 6, 6), 17, 3))
    assert report.named("failed") == []


def test_truncation_scales_latents_when_drawing_and_never_in_training(model):
    whole = model.eval().draw_latent(5, generator=torch.Generator().manual_seed(0))
    draw_with(model, {"truncation": 0.5}, "tiny")
    assert torch.equal(model.draw_latent(5, generator=torch.Generator().manual_seed(0)), whole * 0.5)
    assert torch.equal(model.train().draw_latent(5, generator=torch.Generator().manual_seed(0)), whole)
