"""The contract between a generative model and the harness.

A model says what its networks are, which optimisers move them and what each phase's loss is. The harness does the
rest, and never asks for the family. Images are float32 ``[N, C, H, W]`` in ``[0, 1]`` at this border, whatever range
a model uses inside.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genkit.data.dataset import DataInfo
from genkit.data.stream import Batch
from genkit.models.augment import Augmentation

if TYPE_CHECKING:
    from genkit.data.dataset import Split

Schedule = Callable[[int], float]
"""Images seen -> factor on the learning rate."""


@dataclass
class Step:
    """All that a loss may ask of the harness.

    ``generator`` serves every kind of draw and is reseeded for each turn, so that a resumed run draws what the
    uninterrupted one drew.
    """

    index: int
    images_seen: int
    generator: torch.Generator
    stage: int = 0
    logged: dict[str, Tensor] = field(default_factory=dict)
    sum: Callable[[Tensor], Tensor] = lambda tensor: tensor
    """Adds a tensor over all training processes."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """The model's own; a loss calls ``augment``."""

    @property
    def augment(self) -> Augment:
        """The model's augmentation: ``step.augment(images)`` and ``step.augment.observe(real_logits)``."""
        return Augment(self)

    def log(self, **values: Tensor | float) -> None:
        """Log scalars of this turn; the harness averages them over a window."""
        for name, value in values.items():
            self.logged[name] = torch.as_tensor(value).detach()


@dataclass(frozen=True)
class Augment:
    """The model's augmentation within one turn of training."""

    step: Step

    def __call__(self, images: Tensor) -> Tensor:
        """Return augmented images [N, C, H, W], in [-1, 1] before; all draws are from the step's generator."""
        return self.step.augmentation(images, self.step.generator)  # type: ignore[no-any-return]

    def observe(self, real_logits: Tensor) -> None:
        """Tell an adaptive augmentation how real images were judged: logits [N], above zero where judged real."""
        self.step.log(**self.step.augmentation.observe(real_logits.detach(), self.step.sum))


@dataclass(frozen=True)
class Phase:
    """One optimiser's turn in a training step.

    ``repeats``: turns per step (a critic's n). ``every``: the phase runs when ``step.index % every == 0`` and the
    harness multiplies its loss by ``every`` (lazy regularisation). ``stage``: stage 0 is trained first, then frozen.
    ``clip``: gradient norm. ``skip_above``: a turn with a larger gradient norm is skipped, counted and logged; 20 in
    a row stop the run. ``schedule``: factor on the learning rate as a function of images seen.
    """

    name: str
    module: nn.Module
    optimizer: Optimizer
    repeats: int = 1
    every: int = 1
    stage: int = 0
    clip: float | None = None
    skip_above: float | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True)
class Preset:
    """Settings under which a model trains well: a budget in images, a batch size, options that differ from default."""

    images: int
    batch: int = 64
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class NoOptions:
    """For a model without options."""


class GenerativeModel(nn.Module):
    """Base of every model.

    A model defines ``phases``, ``loss`` and ``sample``. It may also define any of the methods below; a metric or
    a command names what it needs and shows ``-`` for a model that lacks it:

    - ``reconstruct(images) -> images``: the decoder's mean at the posterior's mean
    - ``log_likelihood(images, *, generator, importance_samples=1) -> [N]``: a lower bound in nats, all constants
    - ``draw_latent(n, *, generator) -> latent`` and ``decode(latent, condition=None) -> images``
    - ``encode(images) -> latent`` and ``posterior(images) -> Distribution``
    - ``kl(images) -> [N]``: divergence of each image's posterior from the prior, in nats
    - ``prepare_stage(stage, train_data, step)``: before every stage: closed forms, codes, a mixture
    - ``after_step(step)``: after every step: codebook averages, restarts
    - ``logits(images) -> [N]``: a discriminator's, higher for real (lets the conformance check look at its labels)

    ``Options`` is a plain dataclass; genkit validates it and stores it as JSON. ``presets`` maps the name of a data
    set, or "default" for any other, to the Preset that two CPU cores train in minutes, and "gpu" to that for one GPU
    and any data. ``ema`` names the submodules whose exponential moving average is evaluated.
    ``observation`` and ``binarisation`` say what a log-likelihood is of; two kinds never share a column.
    ``augmentation`` is what ``step.augment`` applies; a part of the model, so its state is in the checkpoint.
    """

    Options: ClassVar[type] = NoOptions
    stages: ClassVar[int] = 1
    presets: ClassVar[Mapping[str, Preset]] = {"default": Preset(images=200_000)}
    ema: ClassVar[tuple[str, ...]] = ()
    ema_half_life: ClassVar[int] = 10_000
    """Half-life of the average in images, reached by a ramp: it is never longer than a twentieth of the images seen."""
    conditional: ClassVar[bool] = False
    """Whether ``sample`` heeds ``condition``."""
    observation: str = ""
    binarisation: str = "none"
    augmentation: Augmentation

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__()
        self.options = options
        self.data = data
        self.augmentation = Augmentation()

    @property
    def device(self) -> torch.device:
        """Where the model's tensors are."""
        for tensor in itertools.chain(self.parameters(), self.buffers()):
            return tensor.device
        return torch.device("cpu")

    def phases(self) -> list[Phase]:
        """Return the phases of a step, in order; called once, after the model is on its device."""
        return []

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss of one phase."""
        raise NotImplementedError(f"{type(self).__name__} has phases but no loss")

    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` images; ``condition`` holds int64 class labels [n] for conditional models."""
        raise NotImplementedError(f"{type(self).__name__} does not sample")

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Prepare before a stage starts; the default does nothing."""

    def after_step(self, step: Step) -> None:
        """Act after every training step; the default does nothing."""


CAPABILITIES = {
    "reconstruct": "does not reconstruct",
    "log_likelihood": "has no likelihood bound",
    "draw_latent": "has no latent space",
    "decode": "has no latent space",
    "encode": "does not encode",
    "posterior": "has no posterior",
    "kl": "has no posterior and prior",
    "logits": "has no discriminator",
}
"""Optional method of a model -> what is said of a model without it."""


def capabilities(model: GenerativeModel | type[GenerativeModel]) -> tuple[str, ...]:
    """Return the optional methods that a model defines."""
    return tuple(name for name in CAPABILITIES if callable(getattr(model, name, None)))
