"""The contract between a generative model and the rest of genkit.

A model defines its networks, their optimisers and the loss of each training phase. Training, checkpoints and evaluation
are genkit's, and the same for every family. Models take and return float32 images ``[N, C, H, W]`` in ``[0, 1]``,
whatever range they use inside.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genkit.data.dataset import DataInfo
from genkit.data.stream import Batch
from genkit.errors import PluginError
from genkit.models.augment import Augmentation

if TYPE_CHECKING:
    from genkit.data.dataset import Split

Schedule = Callable[["Step"], float]
"""A training step -> factor on the learning rate."""


@dataclass
class Step:
    """What the training loop passes to a loss.

    ``index`` counts training steps and ``images_seen`` training images, both from 0; ``stage_images`` counts those of
    the current stage. ``progress`` and ``stage_progress`` are the shares of the whole budget and of the stage's that
    are used, in [0, 1]. ``generator`` is for all random draws; it is reseeded for every call of a loss, so a resumed
    run draws what an uninterrupted run would.
    """

    index: int
    images_seen: int
    generator: torch.Generator
    stage: int = 0
    stage_images: int = 0
    progress: float = 0.0
    stage_progress: float = 0.0
    logged: dict[str, Tensor] = field(default_factory=dict)
    sum: Callable[[Tensor], Tensor] = lambda tensor: tensor
    """Sums a tensor over all training processes."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """The model's augmentation; losses use it through ``augment``."""

    @property
    def augment(self) -> Augment:
        """The model's augmentation: ``step.augment(images)`` and ``step.augment.observe(real_logits)``."""
        return Augment(self)

    def log(self, **values: Tensor | float) -> None:
        """Log scalars; log.jsonl gets their averages over a window of steps."""
        for name, value in values.items():
            self.logged[name] = torch.as_tensor(value).detach()


@dataclass(frozen=True)
class Augment:
    """The model's augmentation, bound to the random generator of one step."""

    step: Step

    def __call__(self, images: Tensor) -> Tensor:
        """Return augmented images [N, C, H, W], given images in [-1, 1]."""
        return self.step.augmentation(images, self.step.generator)  # type: ignore[no-any-return]

    def observe(self, real_logits: Tensor) -> None:
        """Pass the discriminator's logits [N] of real images, positive for "real", to an adaptive augmentation."""
        self.step.log(**self.step.augmentation.observe(real_logits.detach(), self.step.sum))


@dataclass(frozen=True)
class Phase:
    """A part of a training step: one loss, one optimiser, and the module whose parameters it updates.

    ``repeats``: updates per training step, each on a new batch (a critic's n). ``every``: the phase runs when
    ``step.index % every == 0``, and its loss is multiplied by ``every`` (lazy regularisation). ``stage``: stages are
    trained one after another, from 0, and then frozen. ``clip``: maximum gradient norm. ``skip_above``: updates with a
    larger gradient norm are skipped, counted and logged; 20 in a row stop the run. ``schedule``: factor on the
    learning rate as a function of the step, e.g. of its ``images_seen`` or ``stage_progress``. ``autocast=False``: the
    loss is computed in float32 on CUDA too, where losses run in bfloat16 otherwise.
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
    autocast: bool = True


@dataclass(frozen=True)
class Preset:
    """Settings with which a model trains well: a budget in images, a batch size, options other than the defaults.

    ``sampling``: options of drawing other than the defaults, chosen on training data. Boards rank what is drawn with
    them.
    """

    images: int
    batch: int = 64
    options: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class NoOptions:
    """For a model without options."""


class GenerativeModel(nn.Module):
    """Base of every model.

    A model defines ``phases``, ``loss`` and ``sample``. The methods below are optional; a metric or command that needs
    one shows ``-`` for models without it. All images that methods return are checked (genkit.models.images).

    - ``reconstruct(images) -> images``: the decoder's mean at the posterior's mean
    - ``log_likelihood(images, *, generator, importance_samples=1) -> [N]``: a lower bound in nats, with all constants
    - ``draw_latent(n, *, generator) -> latent`` and ``decode(latent, condition=None) -> images``
    - ``encode(images) -> latent`` and ``posterior(images) -> Distribution``
    - ``kl(images) -> [N]``: KL of each image's posterior from the prior, in nats
    - ``understand(prompts) -> Condition``: what texts say, to be given to ``sample`` as its condition
    - ``complete(images, known, *, generator, condition=None) -> images``: draws what ``known`` (bool [N, 1, H, W])
      leaves open
    - ``prepare_stage(stage, train_data, step)``: called once before each stage, e.g. to fit a closed form or a mixture
    - ``enter_stage(stage, train_data, step)``: called on every entry into a stage, after a resume too, e.g. to derive
      what no checkpoint holds
    - ``after_step(step)``: called after each training step, e.g. to update a codebook
    - ``sample_uncached(n, *, generator, condition=None) -> images``: what ``sample`` draws, for a model that keeps keys
      and values in a cache, without it; conformance checks compare the two
    - ``logits(images) -> [N]``: the discriminator's, higher for real; conformance checks use it to test the labels

    ``Options`` is a plain dataclass, validated by genkit and stored as JSON. ``Sampling`` is another, with a default
    for each field: options of drawing that may be changed after training, such as a guidance. ``sample`` reads them
    from ``self.sampling``. ``presets`` maps the name of a data set,
    or "default" for all others, to a Preset that two CPU cores train in minutes, and "gpu" to one for a GPU and any
    data set. ``ema`` names the submodules whose exponential moving average is evaluated. ``observation`` and
    ``binarisation`` name the observation model of ``log_likelihood``; only equal ones are compared.
    ``exact_likelihood`` says that ``log_likelihood`` is exact and not a bound.
    ``augmentation`` is what ``step.augment`` applies. It is a submodule, so its state is in the checkpoint.
    """

    Options: ClassVar[type] = NoOptions
    Sampling: ClassVar[type] = NoOptions
    stages: ClassVar[int] = 1
    stage_shares: ClassVar[tuple[float, ...]] = ()
    """The share of the budget of each stage, of any positive sum; empty: stages with phases share it evenly."""
    stage_batches: ClassVar[tuple[float, ...]] = ()
    """A factor on the batch size for each stage; empty: 1."""
    presets: ClassVar[Mapping[str, Preset]] = {"default": Preset(images=200_000)}
    ema: ClassVar[tuple[str, ...]] = ()
    ema_half_life: ClassVar[int] = 10_000
    """Half-life of the average in images, but at most 5 % of the training images so far."""
    conditional: ClassVar[bool] = False
    """Whether ``sample`` draws images of a class that ``condition`` names."""
    adapts: ClassVar[tuple[str, ...]] = ()
    """The modules whose linear layers LoRA adapts. They call these layers, and never read their weights alone."""
    exact_likelihood: ClassVar[bool] = False
    observation: str = ""
    binarisation: str = "none"
    augmentation: Augmentation

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "sample" in vars(cls):
            cls.sample = _drawing(cls.sample)  # type: ignore[method-assign]

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__()
        self.options = options
        self.sampling: Any = self.Sampling()
        self.data = data
        self.augmentation = Augmentation()

    @property
    def device(self) -> torch.device:
        """The device of the model's tensors."""
        for tensor in itertools.chain(self.parameters(), self.buffers()):
            return tensor.device
        return torch.device("cpu")

    def phases(self) -> list[Phase]:
        """Return the phases of a training step, in order. Called once, when the model is on its device."""
        return []

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss of one phase."""
        raise PluginError(_NO_LOSS % type(self).__name__)

    def sample(self, n: int, *, generator: torch.Generator, condition: Any = None) -> Tensor:
        """Draw ``n`` images; ``condition`` holds int64 class labels [n] for conditional models.

        Of a model with ``understand`` it is the ``Condition`` of prompts. ``condition=None`` is legal for both: the
        model draws the classes itself, or images of no particular prompt. genkit always passes a ``generator``; a
        caller may leave it out, and torch's global seed then decides.
        """
        raise PluginError(_NO_SAMPLE % type(self).__name__)

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Prepare for a stage before it starts; does nothing by default.

        Not called again on a resume within the stage: keep what it makes in buffers or parameters, which checkpoints
        hold, not in attributes. The moving averages of earlier stages' modules are their weights by now, for good.
        """

    def enter_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Derive what a stage needs and no checkpoint holds; does nothing by default.

        Called after ``prepare_stage`` and on every resume; ``step.generator`` draws the same each time.
        """

    def after_step(self, step: Step) -> None:
        """Called after every training step; does nothing by default."""


_NO_SAMPLE = "%s does not sample: define sample(n, *, generator, condition=None), which draws n images"
_NO_LOSS = "%s has phases but no loss: define loss(phase, batch, step), which returns the loss of a phase"


def check_sample(cls: type[GenerativeModel]) -> None:
    """Raise PluginError for a model without ``sample``."""
    if cls.sample is GenerativeModel.sample:
        raise PluginError(_NO_SAMPLE % cls.__name__)


def check_loss(model: GenerativeModel, phases: list[Phase]) -> None:
    """Raise PluginError for a model with phases and without ``loss``."""
    if phases and type(model).loss is GenerativeModel.loss:
        raise PluginError(_NO_LOSS % type(model).__name__)


def _drawing(sample: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make the generator of a model's ``sample`` optional for its callers."""

    @functools.wraps(sample)
    def drawn(self: GenerativeModel, n: int, *arguments: Any, **named: Any) -> Tensor:
        if named.get("generator") is None:
            seed = int(torch.randint(2**62, ()))
            named["generator"] = torch.Generator(self.device).manual_seed(seed)
        return sample(self, n, *arguments, **named)

    return drawn


CAPABILITIES = {
    "reconstruct": "does not reconstruct",
    "log_likelihood": "has no likelihood bound",
    "draw_latent": "has no latent space",
    "decode": "has no latent space",
    "encode": "does not encode",
    "posterior": "has no posterior",
    "kl": "has no posterior and prior",
    "logits": "has no discriminator",
    "understand": "follows no prompts",
    "complete": "does not complete images",
}
"""Optional method of a model -> how messages describe a model without it."""


def capabilities(model: GenerativeModel | type[GenerativeModel]) -> tuple[str, ...]:
    """Return the optional methods that a model defines."""
    return tuple(name for name in CAPABILITIES if callable(getattr(model, name, None)))
