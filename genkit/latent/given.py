"""Images that a trained model is given: a person's own pictures, read as the run's data was, or test images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.data import Split
from genkit.data.decode import decode, read_header
from genkit.data.folder import FolderTree
from genkit.data.source import image_bytes, unreadable
from genkit.data.tree import is_wanted
from genkit.devices import pick_device
from genkit.errors import DataError, MissingError, UsageError
from genkit.files.reading import open_file
from genkit.files.text import logger
from genkit.models.base import GenerativeModel
from genkit.results.origin import Kind, Origin
from genkit.seeds import derive
from genkit.training.origin import origin_of
from genkit.training.runs import Run, load, named_run, with_newest

_LOG = logger(__name__)

MOST_PROMPTS = 10_000
"""Prompts of one drawing."""

PROMPT_BYTES = 200_000
"""Bytes of all prompts of one drawing, which each of its pictures says."""

_SKIPPING = re.compile(",? or leave bad files out with --skip-bad")


@dataclass(frozen=True)
class Given:
    """Images float32 [N, C, H, W] in [0, 1], where each came from, and their classes [N] where those are known."""

    images: Tensor
    sources: tuple[str, ...]
    labels: Tensor | None = None


def unique_names(sources: Iterable[str]) -> list[str]:
    """Return a file name without suffix for what is made of each image: that of its source.

    Raises UsageError if two are the same.
    """
    names = [Path(source).stem for source in sources]
    if double := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(
            f"two images have the same file name, {double[0]}, and so would their results: give them one at a time"
        )
    return names


def loaded(
    run: Run | Path | str,
    device: str,
    *,
    raw: bool = False,
    sampling: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Run, GenerativeModel, Origin | None]:
    """Return a run, named also by one of its checkpoints, and its model on a device, with options of drawing.

    The third is the origin of what the model draws, made of these ``facts``; None without any.
    """
    opened, place = run if isinstance(run, Run) else named_run(run), pick_device(device)

    def from_file(path: Path) -> tuple[GenerativeModel, Origin | None]:
        model = load(opened, checkpoint_path=path, raw=raw, sampling=sampling).to(place)
        return model, None if facts is None else origin_of(opened, model, path, raw=raw, **facts)

    named = not isinstance(run, Run) and Path(run).suffix == ".safetensors"
    return opened, *(from_file(Path(str(run))) if named else with_newest(opened, from_file))


def facts_of(
    kind: Kind,
    metadata: bool,
    *,
    seed: int,
    number: int = 1,
    given: int = 0,
    prompts: tuple[str, ...] = (),
    **arguments: Any,
) -> dict[str, Any] | None:
    """Return what ``loaded`` is told of a drawing of so many images for its origin; None without ``metadata``."""
    label = arguments.get("label")
    if label is not None and not isinstance(label, str):
        arguments["label"] = int(label)
    facts = {"kind": kind, "seed": seed, "count": number, "given": given, "arguments": arguments}
    return facts | ({"prompts": prompts} if prompts else {}) if metadata else None


def read_prompts(prompts: Sequence[str] | str, label: int | str | None = None) -> tuple[str, ...]:
    """Return the prompts that are named by one text or several.

    Raises UsageError for too many, for one that no file can hold, and beside a class.
    """
    asked = (prompts,) if isinstance(prompts, str) else tuple(prompts)
    if asked and label is not None:
        raise UsageError("a model follows prompts or classes: give one of the two")
    if len(asked) > MOST_PROMPTS:
        raise UsageError(f"{len(asked):,} prompts are more than {MOST_PROMPTS:,}: give them in parts")
    for prompt in asked:
        if "\0" in prompt or prompt != prompt.encode(errors="replace").decode():
            raise UsageError(f"the prompt {prompt[:40]!r} is no text: leave out zero bytes and what is not UTF-8")
    if (size := sum(len(prompt.encode()) for prompt in asked)) > PROMPT_BYTES:
        raise UsageError(f"the prompts have {size:,} bytes, more than {PROMPT_BYTES:,}: give them in parts")
    return asked


def at_least_one(count: int, what: str) -> None:
    """Raise UsageError for a count below 1."""
    if count < 1:
        raise UsageError(f"ask for at least one {what}, not {count}")


def as_paths(images: Sequence[Path | str] | Path | str) -> list[Path]:
    """Return the files that are named by one path or several; a folder names the images in it, by name.

    Raises MissingError for a path that is not there, UsageError for a folder without images.
    """
    found: list[Path] = []
    for path in map(Path, [images] if isinstance(images, str | Path) else images):
        if not path.is_dir():
            if not path.exists():
                raise MissingError(f"there is no {path}: check the path")
            found.append(path)
            continue
        inside = [path / name for name in sorted(FolderTree(path).names()) if is_wanted(name)]
        if not inside:
            raise UsageError(f"there are no images in {path}: name files, or a folder that holds some")
        found += inside
    return found


def read_pictures(paths: Sequence[Path], run: Run, *, shrunk: int = 1, channels: int | None = None) -> Given:
    """Read pictures as the run's data was read: its size, crop and channels; one line says what was changed.

    ``shrunk`` divides the size, for images to enlarge. Raises MissingError or DataError for a file that can't be read.
    """
    own, (colours, height, width) = run.config.opening, run.config.data.shape
    channels = channels or colours
    size = (height // shrunk, width // shrunk)
    images: list[Tensor] = []
    changed: list[tuple[Path, str]] = []
    for path in paths:
        try:
            with open_file(path, image_bytes(own.max_pixels)) as file:
                header = read_header(file, str(path), own.max_pixels)
                file.seek(0)
                pixels = decode(
                    file,
                    str(path),
                    grey=channels == 1,
                    size=size,
                    crop=own.crop,
                    values=own.values,
                    max_pixels=own.max_pixels,
                )
        except OSError as error:
            raise unreadable(path, error) from error
        except DataError as error:  # data sets can be read without their bad files
            raise DataError(_SKIPPING.sub(" or leave it out", str(error))) from error
        if (header.height, header.width, header.grey) != (*size, channels == 1):
            changed.append((path, f"{header.height}x{header.width} {_colours(header.grey)}"))
        images.append(torch.from_numpy(pixels.copy()).float() / 255)
    if changed:
        first, was = changed[0]
        several = len(paths) > 1
        _LOG.warning(
            "%s, %s, %s made %dx%d %s: %s, as the run's data was",
            f"{len(changed)} of {len(paths)} images, such as {first}" if several else str(first),
            was,
            "are" if several else "is",
            *size,
            _colours(channels == 1),
            "the centre is resized" if own.crop == "center" else "the whole is resized",
        )
    return Given(torch.stack(images), tuple(map(str, paths)))


def pick_test(test: Split, count: int, seed: int = 0) -> Given:
    """Return ``count`` test images, all if there are fewer: drawn by the seed, of labelled data all classes in turn."""
    places = picked(test, count, seed)
    labels = None if test.labels is None else torch.from_numpy(test.labels[places].astype(np.int64))
    files = test.names or [""] * len(test)
    return Given(test.images(places), tuple(files[place] or f"{place:06d}" for place in places), labels)


def picked(test: Split, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the places of ``count`` images of a split, as ``pick_test`` picks them: data may be sorted by class."""
    order = np.random.default_rng(derive(seed, "pick")).permutation(len(test)).astype(np.int64)
    if test.labels is not None:
        labels = np.asarray(test.labels)[order]
        turn = np.empty(len(order), np.int64)
        for label in np.unique(labels):
            turn[labels == label] = np.arange((labels == label).sum())
        order = order[np.lexsort((labels, turn))]
    return order[:count]


def _colours(grey: bool) -> str:
    return "grey" if grey else "in colour"
