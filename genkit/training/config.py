"""How a run is made, as run.json has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

from genkit.data.dataset import DataInfo
from genkit.data.open import OpenOptions
from genkit.data.summary import describe_info
from genkit.files.order import is_time
from genkit.training.status import SCHEMA

RECORDED = ("run", "dataset_sha256", "images", "prompt", "method", "rank", "alpha", "replay", "rate")
"""The fields of a Tuning that records have."""

Method = Literal["lora", "all"]


@dataclass(frozen=True)
class Tuning:
    """How a run was adapted from another one, its parent, whose id is ``run``.

    ``dataset`` has the new images, ``opening`` the options to open them again. ``prompt`` is their caption, empty where
    they have captions or classes of their own, or none. ``method``: "lora" adapts linear layers by matrices of ``rank``
    times ``alpha / rank``; "all" trains all weights. ``replay`` is the share of training images that are of the
    parent's data, ``rate`` a factor on the model's own learning rates.
    """

    run: str
    dataset: str
    dataset_sha256: str
    images: Annotated[int, Ge(1)]
    prompt: str = ""
    method: Method = "all"
    rank: Annotated[int, Ge(0)] = 0
    alpha: Annotated[float, Ge(0)] = 0.0
    replay: Annotated[float, Ge(0), Lt(1)] = 0.0
    rate: Annotated[float, Gt(0)] = 1.0
    opening: OpenOptions = field(default_factory=OpenOptions)

    def __post_init__(self) -> None:
        if self.method == "lora" and not (self.rank and self.alpha):
            raise ValueError("lora needs a rank and an alpha above zero")


@dataclass(frozen=True)
class RunConfig:
    """How a run is made; ``model`` is the name that the distribution ``dist`` offers.

    ``images`` or ``minutes`` is the budget, ``batch`` the size for each of the ``processes``; ``opening`` has the
    options to open the data set again. ``sampling``: the options that the model draws with unless others are named.
    ``milestones`` checkpoints are kept at even distances of a budget in images.
    ``dataset_summary`` says what the data set was understood as; empty in older runs. So is ``precision``, "float32" or
    "bfloat16", which then is what ``pick_precision`` takes on the device. ``order`` is ``created``, or just after the
    newest run of the store if a clock was set back; empty in older runs. ``batch_norm`` is "averaged" where several
    processes average the statistics of batch normalisation after each step; empty for one process, for models without
    such statistics, and in older runs, which kept those of the first. Of a run that was adapted from another one,
    ``parent`` is the SHA-256 of the checkpoint that it began with, and ``tuning`` says how; its ``dataset`` is the
    parent's.
    """

    model: str
    dist: str
    version: str
    options: dict[str, Any]
    dataset: str
    dataset_slug: str
    dataset_sha256: str
    data: DataInfo
    batch: Annotated[int, Ge(1)]
    sampling: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    images: Annotated[int, Ge(1)] | None = None
    minutes: Annotated[float, Gt(0)] | None = None
    processes: Annotated[int, Ge(1)] = 1
    milestones: Annotated[int, Ge(0)] = 0
    opening: OpenOptions = field(default_factory=OpenOptions)
    device: str = "cpu"
    precision: str = ""
    dataset_summary: str = ""
    created: str = ""
    command: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    order: str = ""
    batch_norm: Literal["", "averaged"] = ""
    parent: str = ""
    tuning: Tuning | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if (self.images is None) == (self.minutes is None):
            raise ValueError("a budget is in images or in minutes")
        if self.milestones and self.images is None:
            raise ValueError("milestones need a budget in images")
        if self.order and not is_time(self.order):
            raise ValueError(f"order is {self.order!r}, not a time")
        if bool(self.parent) != (self.tuning is not None):
            raise ValueError("a parent and a tuning go together")
        if min(self.data.shape) < 1:
            raise ValueError(f"images of shape {self.data.shape} have no pixels")

    @property
    def summary(self) -> str:
        """What the data set was understood as, e.g. ``1,797 images 8x8 grey ...``; less of it in older runs."""
        return self.dataset_summary or describe_info(self.data)

    @property
    def budget(self) -> str:
        """The budget as text, e.g. ``400,000 images``."""
        return f"{self.images:,} images" if self.images is not None else f"{self.minutes:g} minutes"


def tuned_from(config: RunConfig) -> dict[str, Any]:
    """Return what a record says of how a run was adapted from another, without paths; empty for other runs."""
    if config.tuning is None:
        return {}
    return {"parent": config.parent, **{name: getattr(config.tuning, name) for name in RECORDED}}
