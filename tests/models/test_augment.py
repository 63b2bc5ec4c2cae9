"""Augmentation: exact transforms, second derivatives, use in both losses, ADA's controller and its state."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genkit.conformance import Examination
from genkit.conformance.under_test import blobs
from genkit.models import GAN, Batch, DataInfo, Step
from genkit.models.augment import (
    AdaptiveAugmentation,
    Augmentation,
    DiffAugment,
    Flip,
    augmentation,
    resample,
    saturate,
    turn_hue,
)
from genkit.models.gan import GANOptions
from genkit.training.phases import PhaseRunner

SHAPES = [(1, 8, 8), (3, 8, 8), (3, 9, 6), (1, 1, 5)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(shape: tuple[int, int, int] = (3, 8, 8), n: int = 5) -> Tensor:
    return torch.rand(n, *shape, generator=generator(9)) * 2 - 1


def ada(p: float, images: int = 1000) -> AdaptiveAugmentation:
    made = AdaptiveAugmentation(images)
    made.p.fill_(p)
    return made


def places(images: Tensor) -> tuple[Tensor, Tensor]:
    """The identity: the position of every pixel."""
    height, width = images.shape[2:]
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    shape = (len(images), 1, height, width)
    return x.expand(shape), y.expand(shape)


ALL = [("flip", Flip), ("diffaugment", DiffAugment), ("ada", lambda: ada(0.9))]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_with_probability_zero_ada_changes_no_bit(shape: tuple[int, int, int]) -> None:
    images = pictures(shape)
    assert torch.equal(ada(0.0)(images, generator()), images)


def test_none_leaves_images_alone() -> None:
    images = pictures()
    assert augmentation("none")(images, generator()) is images


@pytest.mark.parametrize(("name", "make"), ALL, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_generator_alone_decides_and_every_image_goes_its_own_way(
    name: str, make: Any, shape: tuple[int, int, int]
) -> None:
    images = pictures(shape, 1).expand(64, -1, -1, -1)
    torch.manual_seed(1)
    first = make()(images, generator(3))
    torch.manual_seed(2)
    assert torch.equal(make()(images, generator(3)), first)
    assert not torch.equal(make()(images, generator(4)), first)
    assert first.shape == images.shape
    assert len(first.unique(dim=0)) == 2 if name == "flip" else len(first.unique(dim=0)) > 20


@pytest.mark.parametrize("make", [make for _, make in ALL], ids=[name for name, _ in ALL])
def test_gradients_flow_through_and_have_gradients_of_their_own(make: Any) -> None:
    augment = make()

    def penalty(images: Tensor, scale: Tensor) -> Tensor:
        logits = (augment(images, generator()) * scale).square().sum()
        (slope,) = torch.autograd.grad(logits, images, create_graph=True)
        return slope.square().sum()

    images = pictures(n=3).double().requires_grad_()
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: augment(x, generator()), images, fast_mode=True)
    assert torch.autograd.gradcheck(lambda s: penalty(images, s), scale)


def test_flip_mirrors_about_half() -> None:
    images = pictures(n=200)
    flipped = [torch.equal(new, old.flip(2)) for new, old in zip(Flip()(images, generator()), images, strict=True)]
    kept = [torch.equal(new, old) for new, old in zip(Flip()(images, generator()), images, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 70 < sum(flipped) < 130


def test_diffaugment_against_the_formula_of_the_paper() -> None:
    images = pictures((3, 16, 8), 40)
    draws = generator(5)
    brightness, saturation, contrast = (torch.rand(40, 1, 1, 1, generator=draws) for _ in range(3))
    down, right = torch.randint(5, (40, 1), generator=draws) - 2, torch.randint(3, (40, 1), generator=draws) - 1
    row, column = torch.randint(17, (40, 1), generator=draws), torch.randint(9, (40, 1), generator=draws)
    expected = images + brightness - 0.5
    grey = expected.mean(1, keepdim=True)
    expected = (expected - grey) * (2 * saturation) + grey
    mean = expected.mean((1, 2, 3), keepdim=True)
    expected = (expected - mean) * (contrast + 0.5) + mean
    for n in range(40):
        moved = torch.zeros_like(expected[n])
        for y in range(16):
            for x in range(8):
                if 0 <= y + int(down[n]) < 16 and 0 <= x + int(right[n]) < 8:
                    moved[:, y, x] = expected[n][:, y + int(down[n]), x + int(right[n])]
        moved[:, max(0, int(row[n]) - 4) : int(row[n]) + 4, max(0, int(column[n]) - 2) : int(column[n]) + 2] = 0
        expected[n] = moved
    torch.testing.assert_close(DiffAugment()(images, generator(5)), expected)


def test_whole_pixels_and_quarter_turns_are_read_exactly_and_the_border_is_a_mirror() -> None:
    images = pictures((2, 6, 6))
    x, y = places(images)
    assert torch.equal(resample(images, x, y), images)
    assert torch.equal(resample(images, -x, y), images.flip(3))
    assert torch.equal(resample(images, -y, x), images.rot90(1, (2, 3)))
    mirrored = nn.functional.pad(images, (3, 3, 2, 2), mode="reflect")
    assert torch.equal(resample(images, x + 3, y - 2), mirrored[:, :, :6, 6:])


def test_between_pixels_it_is_bilinear() -> None:
    images = pictures((1, 5, 7))
    x, y = places(images)
    expected = nn.functional.grid_sample(
        images, torch.stack([(x + 0.3) / 3.5, (y - 0.6) / 2.5], -1)[:, 0], align_corners=False
    )
    torch.testing.assert_close(
        resample(images, x + 0.3, y - 0.6)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=0, atol=1e-6
    )


def test_hue_turns_about_grey_and_saturation_moves_away_from_it() -> None:
    images = pictures()
    third = torch.full((5, 1, 1, 1), 2 * math.pi / 3)
    torch.testing.assert_close(turn_hue(images, third), images.roll(1, 1))
    other = turn_hue(images, third / 5)
    torch.testing.assert_close(other.mean(1), images.mean(1))
    torch.testing.assert_close(other.norm(dim=1), images.norm(dim=1))
    assert torch.equal(turn_hue(images, torch.zeros(5, 1, 1, 1)), images)
    torch.testing.assert_close(
        saturate(images, torch.zeros(5, 1, 1, 1)), images.mean(1, keepdim=True).expand(5, 3, 8, 8)
    )


def test_probability_is_of_each_transform_and_image() -> None:
    images = pictures((1, 8, 8), 1).expand(4000, -1, -1, -1)
    unchanged = (ada(0.1)(images, generator()) == images).flatten(1).all(1).float().mean().item()
    # Scale, stretch, drift, either rotation, brightness and contrast always show; the others may draw "unchanged".
    flip, quarter, shift = 1 - 0.1 / 2, 1 - 0.1 * 3 / 4, 1 - 0.1 * 8 / 9
    assert unchanged == pytest.approx(flip**2 * quarter * shift * 0.9**6, abs=0.03)


def test_all_of_ada_is_affine_so_nothing_depends_on_what_an_image_shows() -> None:
    change, images = ada(0.8), pictures(n=8)
    one, other, black = (change(each, generator(2)) for each in (images, -images, 0 * images))
    torch.testing.assert_close(one + other, 2 * black, rtol=0, atol=1e-5)


def step_of(augment: Augmentation, seed: int = 0, total: Any = lambda tensor: tensor) -> Step:
    return Step(0, 0, generator(seed), sum=total, augmentation=augment)


def observed(margins: Tensor, times: int = 4, start: float = 0.5, total: Any = lambda tensor: tensor) -> float:
    augment = ada(start)
    for _ in range(times):
        step_of(augment, total=total).augment.observe(margins)
    return augment.p.item()


def test_p_rises_where_the_discriminator_is_too_sure_of_real_images_and_falls_where_it_is_not() -> None:
    sure = torch.tensor([1.0] * 9 + [-1.0])  # r_t = .8
    unsure = torch.tensor([1.0] * 7 + [-1.0] * 3)  # r_t = .4
    assert observed(sure) == pytest.approx(0.5 + 40 / 1000)
    assert observed(unsure) == pytest.approx(0.5 - 40 / 1000)


def test_p_reads_signs_and_not_sizes() -> None:
    assert observed(torch.tensor([0.01] * 7 + [-100.0])) > 0.5


def test_p_stays_within_zero_and_one() -> None:
    assert observed(torch.ones(100), times=400) == 1.0
    assert observed(-torch.ones(100), times=400) == 0.0


def test_p_goes_from_zero_to_one_in_its_images_and_moves_every_fourth_batch() -> None:
    augment = ada(0.0, images=4 * 6 * 10)
    moves = []
    for _ in range(4 * 10):
        step_of(augment).augment.observe(torch.ones(6))
        moves.append(augment.p.item())
    assert moves[2] == 0.0
    assert moves[3] == pytest.approx(0.1)
    assert moves[38] == pytest.approx(0.9)
    assert moves[39] == pytest.approx(1.0)


def test_all_processes_count() -> None:
    sure, others = torch.ones(10), torch.tensor([-10.0, 10.0])  # the other process's images are all taken for generated
    assert observed(sure, total=lambda seen: seen + others) == pytest.approx(0.5 - 80 / 1000)


def test_it_is_logged() -> None:
    step = step_of(ada(0.25))
    step.augment.observe(torch.ones(4))
    assert step.logged["ada_p"].item() == 0.25


@dataclass
class Options(GANOptions):
    latent: int = 3


class Small(GAN):
    Options = Options

    def __init__(self, options: Options, data: DataInfo) -> None:
        super().__init__(options, data)
        pixels = math.prod(data.shape)
        self.generator = nn.Sequential(nn.Linear(3, pixels), nn.Tanh(), nn.Unflatten(1, data.shape))
        self.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 1), nn.Flatten(0))


class Blanked(Augmentation):
    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return images * 0


class RealOnly(Small):
    """Augments real images alone: the generator learns to produce augmented images."""

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        with torch.no_grad():
            generated, _ = self.generate_fake(len(batch), step)
        return self.adversarial.discriminator(
            self.discriminate(step.augment(batch.images)), self.discriminate(generated)
        )


class NotInTheGenerator(Small):
    """Augments in the discriminator's loss alone: the generator is then judged on images unlike any in training."""

    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        return self.adversarial.generator(self.discriminate(self.generate_fake(len(batch), step)[0]))


def shown(cls: type[GAN], phase: str) -> list[float]:
    """The largest pixel that the discriminator sees in each pass, with an augmentation that blanks images."""
    torch.manual_seed(0)
    model = cls(Options(), DataInfo((1, 4, 4)))
    seen: list[float] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].abs().max().item()))
    model.loss(phase, Batch(torch.rand(5, 1, 4, 4)), step_of(Blanked()))
    return seen


def test_the_discriminator_sees_augmented_images_only_in_both_losses() -> None:
    assert shown(Small, "discriminator") == [0, 0]
    assert shown(Small, "generator") == [0]
    assert shown(RealOnly, "discriminator")[1] > 0
    assert shown(NotInTheGenerator, "generator")[0] > 0


@pytest.mark.parametrize("name", ["none", "flip", "diffaugment", "ada"])
def test_an_option_of_every_gan_chooses(name: Any) -> None:
    model = Small(Options(augment=name, ada_images=77), DataInfo((1, 4, 4)))
    assert type(model.augmentation) is type(augmentation(name))
    assert getattr(model.augmentation, "images", 77) == 77


@pytest.mark.parametrize(("real", "generated", "p"), [(2.0, -2.0, 0.7), (-2.0, 2.0, 0.3)])
def test_the_discriminators_turn_tells_ada_how_it_judged_real_images(real: float, generated: float, p: float) -> None:
    model = Small(Options(augment="ada", ada_images=100), DataInfo((1, 4, 4)))
    model.augmentation.p.fill_(0.5)
    judged = itertools.cycle([real, generated])
    model.discriminate = lambda images, labels=None: torch.full((5,), next(judged))  # type: ignore[method-assign]
    for _ in range(4):
        model.loss("discriminator", Batch(torch.rand(5, 1, 4, 4)), step_of(model.augmentation))
    assert model.augmentation.p.item() == pytest.approx(p)


def test_the_harness_gives_every_turn_the_models_augmentation() -> None:
    model = Small(Options(augment="flip"), DataInfo((1, 4, 4)))
    step = PhaseRunner(model, model.phases(), 0, torch.device("cpu")).step(0, 0, 0, 0, "generator")
    images = pictures((1, 4, 4), 40)
    state = step.generator.get_state()
    changed = step.augment(images)
    step.generator.set_state(state)
    assert torch.equal(changed, model.augmentation(images, step.generator))
    assert not torch.equal(changed, images)


class ForgetfulAda(AdaptiveAugmentation):
    """Keeps its probability outside the state dict."""

    def __init__(self, images: int) -> None:
        super().__init__(images)
        del self.p
        self.p = torch.zeros(())


class Adapting(Small):
    """Raises its probability whatever the discriminator does, first in the second step."""

    Ada = AdaptiveAugmentation

    def __init__(self, options: Options, data: DataInfo) -> None:
        super().__init__(options, data)
        self.augmentation = self.Ada(images=100)
        self.augmentation.target = -2
        self.augmentation.batches.fill_(2)


class Forgetful(Adapting):
    Ada = ForgetfulAda


@pytest.mark.parametrize(("cls", "status"), [(Adapting, "passed"), (Forgetful, "failed")])
def test_a_resumed_training_goes_on_with_adas_probability(cls: type[GAN], status: str) -> None:
    assert Examination(cls, dataset=blobs((1, 6, 6), 17, 3)).result("resume").status == status
