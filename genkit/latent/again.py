"""Drawing a picture again from what its file says, to see whether it is the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from genkit.data.decode import decode, read_header
from genkit.data.images import quantize
from genkit.data.source import MAX_PIXELS, image_bytes, unreadable
from genkit.devices import pick_device
from genkit.errors import DataError, UsageError
from genkit.files.reading import open_file
from genkit.files.text import quoted, shell_word
from genkit.latent.api import interpolate, traverse
from genkit.latent.pictures import CHUNK, draw, draw_in_order, laid_out, size_of, walks_laid_out, walks_size
from genkit.options import assigned
from genkit.results.origin import Origin
from genkit.seeds import derive
from genkit.training.runs import Run, load

T = TypeVar("T")

REDRAWN = ("sample", "interpolate", "traverse")
"""The commands whose pictures follow from a run alone; the others need images of its data, or a person's own."""

OTHER_SIZE = "it is no longer of the size that it was drawn in"

_FLAGS = {"walks": "-n", "count": "-n", "label": "--class"}


def alone(origin: Origin, shape: tuple[int, int]) -> bool:
    """Whether a picture of this height and width is one image as the model drew it, not a grid."""
    return origin.count == 1 and shape == origin.size


def command_again(origin: Origin, run: Run | None, checkpoint: Path | None, shape: tuple[int, int]) -> str:
    """Return the command that draws a picture again, with its run and checkpoint where they are at hand.

    It is empty for what training and evaluation draw by the way, and for prompts with a zero byte, which no command can
    hold. ``shape`` is the picture's height and width.
    """
    if origin.kind in ("preview", "exhibit") or any("\0" in prompt for prompt in origin.prompts or ()):
        return ""
    place = ["--checkpoint", str(checkpoint)] if checkpoint else [f"--run={run.path if run else origin.run}"]
    words = []
    if origin.kind == "sample":
        words += ["-n", str(-(-(origin.first + origin.count) // len(origin.prompts or " ")))]
    prompts = origin.prompts or ()
    flags = ["--from", *["--to"] * (len(prompts) - 1)] if origin.kind == "interpolate" else ["--prompt"] * len(prompts)
    for flag, prompt in zip(flags, prompts, strict=False):
        words += [f"{flag}={prompt}"]
    for name, value in origin.arguments.items():
        if value is not None:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += [_FLAGS.get(name, f"--{name.replace('_', '-')}"), text]
    own = run.config.sampling if run is not None else {}
    for name, value in origin.sampling.items() if origin.kind in ("sample", "edit") else ():
        if value is not None and (name not in own or own[name] != value):
            words += ["-o", f"{name}={assigned(value)}"]
    words += ["--seed", str(origin.seed), *(["--raw"] if origin.kind == "sample" and origin.weights == "raw" else [])]
    words += ["--device", origin.device] if origin.device else []
    words += ["--out", "again"] if alone(origin, shape) else ["--grid", "again.png"]
    given = ["IMAGE..."] if origin.given else []
    return " ".join(["genkit", origin.kind, *given, *map(quoted, place), *map(shell_word, words)])


def draw_again(origin: Origin, run: Run, checkpoint: Path, shape: tuple[int, int], device: str) -> NDArray[np.uint8]:
    """Return the picture [H, W, C] that a run's checkpoint draws by an origin.

    ``shape`` is the height and width of the picture that the origin is of. Raises DataError where these do not fit each
    other, and UsageError where the run draws otherwise than the origin says.
    """
    if origin.size != tuple(run.config.data.shape[1:]):
        raise DataError(OTHER_SIZE)
    prompts = origin.prompts or ()
    wanted = device if device != "auto" else origin.device or "auto"
    label = origin.arguments.get("label")
    if isinstance(label, float | bool | list):
        raise DataError(f"its class is {label!r}, which is none")
    if origin.kind == "sample" and alone(origin, shape):
        model = load(run, checkpoint_path=checkpoint, raw=origin.weights == "raw", sampling=origin.sampling)
        start = origin.first - origin.first % CHUNK
        seed = derive(origin.seed, "chunk", start)
        images, _ = draw(model.to(pick_device(wanted)), CHUNK, seed=seed, label=label, prompts=prompts, first=start)
        one: NDArray[np.uint8] = quantize(images[origin.first - start]).cpu().numpy()
        return one.transpose(1, 2, 0)
    how: dict[str, Any] = {"label": label, "seed": origin.seed, "device": wanted, "metadata": False}
    if origin.kind == "sample":
        model = load(run, checkpoint_path=checkpoint, raw=origin.weights == "raw", sampling=origin.sampling)
        model = model.to(pick_device(wanted))
        if origin.count < max(1, len(prompts)) or size_of(origin.count, origin.size, prompts) != shape:
            raise DataError(OTHER_SIZE)
        chunks = draw_in_order(model, origin.count, seed=origin.seed, label=label, prompts=prompts)
        return laid_out(np.concatenate([quantize(images).cpu().numpy() for images, _ in chunks]), prompts)
    steps, dims, span = _whole(origin, "steps"), origin.arguments.get("dims"), origin.arguments.get("span")
    if origin.kind == "traverse" and (not isinstance(dims, list) or not isinstance(span, int | float)):
        raise DataError("it does not say along which dimensions of the latent it goes")
    rows = len(dims) if isinstance(dims, list) else _whole(origin, "walks")
    bare = walks_size(origin.count, steps, origin.size) == shape  # as earlier versions drew walks between prompts
    shown = () if bare else prompts
    if origin.count != rows * steps or not rows or walks_size(origin.count, steps, origin.size, shown) != shape:
        raise DataError(OTHER_SIZE)  # so that no more is drawn than the picture shows
    if origin.kind == "interpolate":
        moved = interpolate(checkpoint, rows, steps, prompts=prompts, **how)
    else:
        assert isinstance(dims, list) and isinstance(span, int | float)
        moved = traverse(checkpoint, len(dims), steps, dims=dims, span=span, **how).images
    return walks_laid_out(quantize(moved.flatten(0, 1)).cpu().numpy(), steps, shown)


def shape_of(image: Path) -> tuple[int, int]:
    """Return the height and width of a picture; raises DataError or MissingError for what can't be read as one."""
    header = _opened(image, read_header)
    return header.height, header.width


def pixels_of(image: Path) -> NDArray[np.uint8]:
    """Return the pixels [H, W, 3] of a picture; raises DataError or MissingError for one that can't be read."""
    return _opened(image, functools.partial(decode, grey=False)).transpose(1, 2, 0)


def _opened(image: Path, read: Callable[[BinaryIO, str], T]) -> T:
    try:
        with open_file(image, image_bytes(MAX_PIXELS)) as file:
            return read(file, str(image))
    except OSError as error:
        raise unreadable(image, error) from error
    except DataError as error:  # without the advice for images of data sets
        raise DataError(f"{str(error).rpartition(': ')[0] or error}: give a picture that can be read") from error


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> str:
    """Return how two pictures [H, W, C] differ, grey ones as in colour; an empty string if they do not."""
    first, second = (each.repeat(3, axis=2) if each.shape[2] == 1 else each for each in (one, other))
    if first.shape != second.shape:
        return f"it is {first.shape[0]}x{first.shape[1]}, and {second.shape[0]}x{second.shape[1]} is drawn"
    apart = np.abs(first.astype(np.int16) - second)
    if not apart.any():
        return ""
    share = float((apart.max(axis=2) > 0).mean())
    shown = f"{share:.1%}" if share >= 0.0005 else "less than 0.1%"
    return f"{shown} of the pixels differ, by up to {apart.max()} of 255 levels"


def _whole(origin: Origin, name: str) -> int:
    value = origin.arguments.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10_000:
        raise UsageError(f"it names no number of {name}")
    return value
