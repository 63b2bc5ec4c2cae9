"""Which way an adversarial game is played: checked through the ``logits`` that the GAN base offers.

Swapped labels train without a complaint. What gives them away is the direction: a discriminator that is trained alone
must move its logits apart in favour of real images, and a generator that is trained alone must raise those of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genkit.conformance.report import Broken, Skip, require
from genkit.conformance.subject import BATCH, CPU, Subject, tensors_of
from genkit.data.stream import BatchStream
from genkit.models.base import GenerativeModel, Phase, capabilities
from genkit.models.gan import GAN
from genkit.training.phases import PhaseRunner

TURNS = 40


def discriminator_prefers_real(subject: Subject) -> None:
    """Training the discriminator alone raises its logits of real images above those of generated ones."""
    model, phases, judging = _game(subject)
    images = subject.images
    generated = _drawn(subject, model, len(images))
    before = _gap(model, images, generated)
    _train(subject, model, phases, judging)
    after = _gap(model, images, generated)
    require(
        after > before,
        f"training the discriminator moves its logits of real images from {before:+.3g} to {after:+.3g} relative to "
        "generated ones: real and generated labels are swapped, or logits are not higher for real",
    )


def generator_seeks_real(subject: Subject) -> None:
    """Training the generator alone raises the discriminator's logits of its images."""
    if not issubclass(subject.cls, GAN):
        raise Skip("no logits" if "logits" not in capabilities(subject.cls) else "unverified: phases of its own kind")
    model, phases, judging = _game(subject)
    _train(subject, model, phases, judging)
    known = tensors_of(model)
    images = _drawn(subject, model, 64)
    others = [phase for phase in phases if phase not in judging and phase.every == 1]
    if not others:
        raise Skip("unverified: no generator's phase")
    _train(subject, model, phases, others)
    moved = _drawn(subject, model, 64)
    # Batch statistics of the discriminator drift in the generator's turns; both sets are judged by the same networks.
    model.load_state_dict(known, strict=False)
    before, after = float(_logits(model, images).mean()), float(_logits(model, moved).mean())
    require(
        after > before,
        f"training the generator moves the discriminator's logits of its images from {before:+.3g} to {after:+.3g}: "
        "the generator's labels are swapped",
    )


def _game(subject: Subject) -> tuple[GenerativeModel, list[Phase], list[Phase]]:
    """A new model, its phases and those that train what judges images."""
    if "logits" not in capabilities(subject.cls):
        raise Skip("no logits")
    model = subject.build(subject.data.info())
    phases = model.phases()
    for parameter in model.parameters():
        parameter.grad = None
    _logits_with_gradient(model, subject.images[:4])
    judges = {id(p) for p in model.parameters() if p.grad is not None and bool(p.grad.any())}
    for parameter in model.parameters():
        parameter.grad = None
    sized = {p.name: sum(id(q) in judges for q in p.module.parameters()) for p in phases if p.every == 1}
    if not any(sized.values()):
        raise Broken("its logits depend on no phase's parameters")
    fewest = min(len(list(p.module.parameters())) for p in phases if sized.get(p.name))
    judging = [p for p in phases if sized.get(p.name) and len(list(p.module.parameters())) == fewest]
    return model, phases, judging


def _logits_with_gradient(model: GenerativeModel, images: Tensor) -> None:
    logits = model.logits(images)  # type: ignore[operator]
    require(
        isinstance(logits, Tensor) and tuple(logits.shape) == (len(images),),
        f"logits returns {list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__}, "
        f"not one number per image, [{len(images)}]",
    )
    logits.sum().backward()


def _train(subject: Subject, model: GenerativeModel, phases: list[Phase], chosen: list[Phase]) -> None:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    runner = PhaseRunner(model, phases, 0, CPU)
    stream = BatchStream(subject.data.train, BATCH, 0, CPU)
    model.train()
    for index in range(TURNS):
        for phase in chosen:
            runner.run(phase, stream.next(), runner.step(index, 0, stream.drawn, phase.stage, phase.name))
    for parameter in trainable:
        parameter.requires_grad_(True)
    model.eval()


def _drawn(subject: Subject, model: GenerativeModel, n: int) -> Tensor:
    model.eval()
    torch.manual_seed(7)
    return subject.sample(model, n, 7).float()


def _gap(model: GenerativeModel, real: Tensor, generated: Tensor) -> float:
    return float(_logits(model, real).mean() - _logits(model, generated).mean())


def _logits(model: GenerativeModel, images: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model.eval().logits(images)  # type: ignore[operator]
    return logits
