"""Checks that no labels of an adversarial loss are swapped, through the method ``logits`` of the GAN base.

Swapped labels train without an error. They show in the direction of training: training the discriminator alone must
raise its logits of real images above those of generated ones; training the generator alone must raise those of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genkit.conformance.report import CheckFailed, CheckSkipped, require
from genkit.conformance.under_test import BATCH, CPU, ModelUnderTest, copied_state
from genkit.data.stream import BatchStream
from genkit.models.base import GenerativeModel, Phase, capabilities
from genkit.models.gan import GAN
from genkit.training.phases import PhaseRunner

UPDATES = 40


def discriminator_prefers_real(tested: ModelUnderTest) -> None:
    """Training the discriminator alone raises its logits of real images above those of generated ones."""
    model, phases, discriminator_phases = _adversarial(tested)
    images = tested.images
    generated = _samples(tested, model, len(images))
    before = _margin(model, images, generated)
    _train(tested, model, phases, discriminator_phases)
    after = _margin(model, images, generated)
    require(
        after > before,
        f"training the discriminator moves its logits of real images from {before:+.3g} to {after:+.3g} relative to "
        "generated ones: real and generated labels are swapped, or logits are not higher for real",
    )


def generator_seeks_real(tested: ModelUnderTest) -> None:
    """Training the generator alone raises the discriminator's logits of its images."""
    if issubclass(tested.cls, GAN) and callable(getattr(tested.build(tested.data.info()), "understand", None)):
        raise CheckSkipped("unverified: its logits depend on prompts")
    if not issubclass(tested.cls, GAN):
        raise CheckSkipped("no logits" if "logits" not in capabilities(tested.cls) else "unverified: not a genkit GAN")
    model, phases, discriminator_phases = _adversarial(tested)
    _train(tested, model, phases, discriminator_phases)
    trained = copied_state(model)
    images = _samples(tested, model, 64)
    others = [phase for phase in phases if phase not in discriminator_phases and phase.every == 1]
    if not others:
        raise CheckSkipped("unverified: no phase of a generator")
    _train(tested, model, phases, others)
    moved = _samples(tested, model, 64)
    # The generator's phase moves the discriminator's batch statistics: compare both sets under the same networks.
    model.load_state_dict(trained, strict=False)
    before, after = float(_logits(model, images).mean()), float(_logits(model, moved).mean())
    require(
        after > before,
        f"training the generator moves the discriminator's logits of its images from {before:+.3g} to {after:+.3g}: "
        "the generator's labels are swapped",
    )


def _adversarial(tested: ModelUnderTest) -> tuple[GenerativeModel, list[Phase], list[Phase]]:
    """Return a new model, its phases, and those of its phases that train the discriminator."""
    if "logits" not in capabilities(tested.cls):
        raise CheckSkipped("no logits")
    model = tested.build(tested.data.info())
    phases = model.phases()
    for parameter in model.parameters():
        parameter.grad = None
    _logits_with_gradient(model, tested.images[:4])
    discriminator = {id(p) for p in model.parameters() if p.grad is not None and bool(p.grad.any())}
    for parameter in model.parameters():
        parameter.grad = None
    sized = {p.name: sum(id(q) in discriminator for q in p.module.parameters()) for p in phases if p.every == 1}
    if not any(sized.values()):
        raise CheckFailed("its logits depend on no parameter that a phase trains")
    fewest = min(len(list(p.module.parameters())) for p in phases if sized.get(p.name))
    discriminating = [p for p in phases if sized.get(p.name) and len(list(p.module.parameters())) == fewest]
    return model, phases, discriminating


def _logits_with_gradient(model: GenerativeModel, images: Tensor) -> None:
    logits = model.logits(images)  # type: ignore[operator]
    require(
        isinstance(logits, Tensor) and tuple(logits.shape) == (len(images),),
        f"logits returns {list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__}, "
        f"not one number per image, [{len(images)}]",
    )
    logits.sum().backward()


def _train(tested: ModelUnderTest, model: GenerativeModel, phases: list[Phase], chosen: list[Phase]) -> None:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    runner = PhaseRunner(model, phases, 0, CPU)
    stream = BatchStream(tested.data.train, BATCH, 0, CPU)
    model.train()
    for index in range(UPDATES):
        for phase in chosen:
            runner.run(phase, stream.next(), runner.step(index, 0, stream.drawn, phase.stage, phase.name))
    for parameter in trainable:
        parameter.requires_grad_(True)
    model.eval()


def _samples(tested: ModelUnderTest, model: GenerativeModel, n: int) -> Tensor:
    model.eval()
    torch.manual_seed(7)
    return tested.sample(model, n, 7).float()


def _margin(model: GenerativeModel, real: Tensor, generated: Tensor) -> float:
    return float(_logits(model, real).mean() - _logits(model, generated).mean())


def _logits(model: GenerativeModel, images: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model.eval().logits(images)  # type: ignore[operator]
    return logits
