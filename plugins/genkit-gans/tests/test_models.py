"""Properties of every GAN of the package."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from genkit_gans.plugin import genkit_models
from torch import Tensor, nn

from genkit.errors import UsageError
from genkit.latent.editing import Masked, Search, search_latents
from genkit.latent.walks import walk_along, walk_between
from genkit.models import GAN, Batch, DataInfo, Step
from genkit.models.augment import Augmentation
from genkit.models.gan import ConditionalGAN, GANOptions
from genkit.options import build
from genkit.registry.specs import ModelSpec

SPECS = list(genkit_models())
SMALL = {"width": 8, "blocks": 1}
"""Small options for the models that have them: tests check the computation, not the quality."""
pytestmark = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def make(spec: ModelSpec, info: DataInfo, **options: object) -> GAN:
    cls = spec.load()
    known = {field.name for field in dataclasses.fields(cls.Options)}
    torch.manual_seed(0)
    return cls(build(cls.Options, {k: v for k, v in {**SMALL, **options}.items() if k in known}, spec.name), info)


def test_it_trains_and_samples_on_every_shape(
    spec: ModelSpec, info: DataInfo, train_step: Callable[[GAN], None]
) -> None:
    model = make(spec, info)
    train_step(model)
    images = model.eval().sample(2, generator=torch.Generator().manual_seed(0))
    assert images.shape == (2, *info.shape)
    assert model.logits(images).shape == (2,)


def test_every_pixel_reaches_the_discriminator(spec: ModelSpec, info: DataInfo) -> None:
    model = make(spec, info).eval()
    images = torch.rand(2, *info.shape, requires_grad=True)
    model.logits(images).sum().backward()
    assert images.grad is not None
    seen = (images.grad != 0).flatten(1).float().mean(1)
    assert (seen > (0.3 if spec.name == "gan" else 0.9)).all()  # the original one pools by maxima
    assert (images.grad[:, :, -1].any(), images.grad[:, :, :, -1].any()) == (True, True)


def test_the_latent_moves_every_image_from_the_start(spec: ModelSpec, digits_info: DataInfo) -> None:
    images = make(spec, digits_info).eval().sample(50, generator=torch.Generator().manual_seed(0))
    assert (images.std(0) > 0).float().mean() > 0.9
    assert len(images.unique(dim=0)) == 50


def test_its_losses_are_finite_and_float32_under_autocast(
    spec: ModelSpec, digits_info: DataInfo, batch: Callable[..., Batch], step: Callable[..., Step]
) -> None:
    model = make(spec, digits_info)
    for phase in model.phases():
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(phase.name, batch(digits_info), step())
        assert loss.dtype == torch.float32
        loss.backward()
        assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("augment", ["flip", "diffaugment", "ada"])
def test_it_trains_with_every_augmentation(
    spec: ModelSpec, digits_info: DataInfo, augment: str, batch: Callable[..., Batch], step: Callable[..., Step]
) -> None:
    model = make(spec, digits_info, augment=augment)
    if augment == "ada":
        model.augmentation.p.fill_(0.8)
    for phase in model.phases():
        with_it, without = step(), step()
        with_it.augmentation = model.augmentation
        loss, plain = (model.loss(phase.name, batch(digits_info, 32), turn) for turn in (with_it, without))
        loss.backward()
        assert loss.isfinite()
        assert loss != plain


class Blanked(Augmentation):
    """Blanks every image."""

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return black."""
        return images * 0


def test_its_discriminator_sees_augmented_images_alone_in_losses_and_penalties(
    spec: ModelSpec, digits_info: DataInfo, batch: Callable[..., Batch], step: Callable[..., Step]
) -> None:
    model = make(spec, digits_info)
    seen: list[float] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].abs().max().item()))
    for phase in model.phases():
        turn = step()
        turn.augmentation = Blanked()
        model.loss(phase.name, batch(digits_info), turn)
    assert len(seen) >= 3  # real, generated, and the generator's
    assert set(seen) == {0.0}


def test_it_tells_ada_how_real_images_were_judged(
    spec: ModelSpec, digits_info: DataInfo, batch: Callable[..., Batch], step: Callable[..., Step]
) -> None:
    model = make(spec, digits_info, augment="ada")
    turn = step()
    turn.augmentation = model.augmentation
    model.loss("discriminator", batch(digits_info), turn)
    assert "ada_p" in turn.logged
    assert int(model.augmentation.batches) == 1


def test_its_latents_can_be_walked_through_and_searched(spec: ModelSpec, digits_info: DataInfo) -> None:
    model = make(spec, digits_info)
    assert walk_between(model, 2, 3).shape == walk_along(model, [0, 1], 3).shape == (6, 1, 8, 8)
    mask = torch.ones(8, 8).triu()
    target = torch.rand(2, 1, 8, 8) * mask
    classes = torch.tensor([0, 1]) if model.conditional else None
    found = search_latents(model, target, Masked(mask), Search(steps=2, starts=2), condition=classes)
    torch.testing.assert_close(found * mask, target)
    assert ((found >= 0) & (found <= 1)).all()


def test_presets_are_for_the_digits_for_mnist_for_two_cores_and_for_a_gpu(spec: ModelSpec) -> None:
    cls = spec.load()
    assert set(cls.presets) == {"digits", "mnist", "default", "gpu"}
    assert cls.presets["gpu"].images >= 5_000_000
    assert max(cls.presets[name].images for name in ("digits", "mnist", "default")) <= 1_000_000


def test_it_says_its_paper_and_has_the_options_of_every_gan(spec: ModelSpec) -> None:
    cls = spec.load()
    assert spec.paper.removeprefix("arXiv:") in cls.__doc__
    assert spec.summary
    assert issubclass(cls.Options, GANOptions)
    assert "| `" + spec.name + "` |" in (Path(__file__).parents[1] / "README.md").read_text()


def test_rate_and_turns_of_the_discriminator_are_options(spec: ModelSpec, digits_info: DataInfo) -> None:
    model = make(spec, digits_info, d_steps=3, d_learning_rate=5e-3)
    phases = {phase.name: phase for phase in model.phases()}
    discriminator, generator = phases["discriminator"], phases["generator"]
    assert (discriminator.repeats, generator.repeats) == (3, 1)
    assert discriminator.optimizer.defaults["lr"] == pytest.approx(5e-3, rel=0.1)
    assert generator.optimizer.defaults["lr"] == pytest.approx(model.options.learning_rate, rel=0.3)


def test_conditional_models_need_labels_and_the_others_do_not(spec: ModelSpec) -> None:
    unlabelled = DataInfo((1, 8, 8))
    if issubclass(spec.load(), ConditionalGAN):
        with pytest.raises(UsageError, match="needs class labels"):
            make(spec, unlabelled)
    else:
        assert make(spec, unlabelled).draw_labels(3, generator=torch.Generator()) is None


def test_evaluation_moves_no_buffer(spec: ModelSpec, digits_info: DataInfo) -> None:
    model = make(spec, digits_info).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.logits(model.sample(3, generator=torch.Generator()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_networks_are_the_models_and_their_averages_are_of_the_generator(
    spec: ModelSpec, digits_info: DataInfo
) -> None:
    model = make(spec, digits_info)
    assert model.ema == ("generator",)
    assert isinstance(model.generator, nn.Module) and isinstance(model.discriminator, nn.Module)
    assert all(name.startswith(("generator.", "discriminator.")) for name, _ in model.named_parameters())
