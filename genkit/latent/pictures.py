"""Pictures from a trained model: grids, folders of samples, reconstructions next to their originals."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.data.images import grid, grid_size, png, quantize, save_gif, save_grid
from genkit.data.lettering import captioned_grid, captioned_size, strip
from genkit.data.source import MAX_PIXELS
from genkit.errors import GenkitError, UsageError, suggestion
from genkit.features.cache import Progress, quiet
from genkit.files.text import comma_separated, logger, read_back
from genkit.files.writing import publishing, write_atomic
from genkit.models.base import GenerativeModel
from genkit.models.conditions import Condition
from genkit.models.images import drawn, reconstructed, understood
from genkit.results.origin import Origin, stamped
from genkit.seeds import derive

_LOG = logger(__name__)

CHUNK = 250


def draw(
    model: GenerativeModel,
    count: int,
    *,
    seed: int,
    label: int | str | None = None,
    prompts: Sequence[str] = (),
    first: int = 0,
) -> tuple[Tensor, Tensor | None]:
    """Return ``count`` samples in [0, 1] and, for labelled data, the classes they were conditioned on.

    All have the class ``label``, or else the classes in turn, or the ``prompts`` in turn, continued after ``first``
    earlier images. Raises PluginError for anything but such images, UsageError for prompts of a model that reads none.
    """
    labels = classes_of(model, count, label, first=first)
    generator = torch.Generator(model.device).manual_seed(derive(seed, "draw"))
    torch.manual_seed(derive(seed, "draw-global"))
    asked: Tensor | Condition | None = labels
    if prompts:
        asked = understood(model, [prompts[place % len(prompts)] for place in range(first, first + count)])
    return drawn(model, count, generator=generator, condition=asked), labels


def draw_in_order(
    model: GenerativeModel, count: int, *, seed: int, label: int | str | None = None, prompts: Sequence[str] = ()
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield samples and their classes in chunks; of any two counts, the smaller draws the first images of the larger.

    A chunk is always drawn whole, as a model's draws may depend on how many are drawn at once.
    """
    for done in range(0, count, CHUNK):
        seeded = derive(seed, "chunk", done)
        images, labels = draw(model, CHUNK, seed=seeded, label=label, prompts=prompts, first=done)
        left = count - done
        yield images[:left], None if labels is None else labels[:left]


def classes_of(
    model: GenerativeModel, rows: int, label: int | str | None, *, repeats: int = 1, first: int = 0
) -> Tensor | None:
    """Return the classes of ``rows`` rows of ``repeats`` images each, or None if the data has no classes.

    All rows have the class ``label``, or else the classes in turn, continued after ``first`` earlier rows. Raises
    UsageError for an unknown class, or for a class of a model that is not conditional.
    """
    classes = model.data.num_classes
    label = class_number(model, label)
    if label is not None and not 0 <= label < classes:
        known = f"there is no class {label}: the classes are 0 to {classes - 1}"
        raise UsageError(known if classes else "the data has no classes: leave --class out")
    if label is not None and callable(getattr(model, "understand", None)):
        raise UsageError("this run follows prompts and no classes: leave the class out, and say it in a prompt")
    if label is not None and not model.conditional:
        raise UsageError(f"{type(model).__name__} draws no single class: it is not conditional, so leave --class out")
    if not classes:
        return None
    each = torch.arange(first, first + rows) % classes if label is None else torch.full((rows,), label)
    return each.to(model.device).repeat_interleave(repeats)


def class_number(model: GenerativeModel, label: int | str | None) -> int | None:
    """Return the number of a class, given it or the class's name; a text is a name if the data has it, else a number.

    Raises UsageError for a text that is neither.
    """
    if not isinstance(label, str):
        return label
    names = model.data.class_names
    label = label if label in names else read_back(label)
    if label in names:
        number = names.index(label)
        if label.isdecimal() and int(label) != number:
            _LOG.warning("class %r is read as a name: the class with the number %s", label, number)
        return number
    try:
        return int(label)
    except ValueError as error:
        hint = f"{suggestion(label, names)} The classes are {', '.join(names[:20])}" if names else " Give its number"
        raise UsageError(f"there is no class named {label!r}.{hint}") from error


def write_grid(images: Tensor, path: Path, origin: Origin | None = None, prompts: Sequence[str] = ()) -> None:
    """Write images as one PNG, ten in a row; each of ``prompts``, which they have in turn, has rows of its own."""
    with writing(path):
        write_atomic(path, stamped(png(laid_out(quantize(images).cpu().numpy(), prompts)), origin))


def laid_out(images: NDArray[np.uint8], prompts: Sequence[str] = ()) -> NDArray[np.uint8]:
    """Return the grid [H, W, C] of uint8 samples [N, C, H, W], ten in a row, with their prompts if there are any."""
    if prompts:
        return captioned_grid(images, prompts, *_columns(len(images) // len(prompts)))
    return grid(images, min(len(images), 10))


def size_of(count: int, size: tuple[int, int], prompts: Sequence[str] = ()) -> tuple[int, int]:
    """Return the height and width of what ``laid_out`` makes of so many samples of a size (height, width)."""
    if prompts:
        return captioned_size(count, size, prompts, *_columns(count // len(prompts)))
    return grid_size(count, min(count, 10), size)


def check_size(count: int, model: GenerativeModel, prompts: Sequence[str] = ()) -> None:
    """Raise UsageError for a grid of so many samples that no program opens it, before they are drawn."""
    height, width = size_of(count, (model.data.shape[1], model.data.shape[2]), prompts)
    if height * width > MAX_PIXELS:
        raise UsageError(
            f"a grid of {count:,} images has {height * width:,} pixels, more than {MAX_PIXELS:,}: ask for fewer, or "
            "write single files with --out FOLDER"
        )


def _columns(each: int) -> tuple[int, int]:
    """Return the columns of a grid with so many images of each prompt, and its width in pixels."""
    return min(each, 10), max(320, 64 * min(each, 10))


def write_walks(
    images: Tensor, path: Path, steps: int, origin: Origin | None = None, prompts: Sequence[str] = ()
) -> None:
    """Write walks through latent space, [rows * steps, C, H, W], as a PNG with a row each; prompts stand above all."""
    with writing(path):
        write_atomic(path, stamped(png(walks_laid_out(quantize(images).cpu().numpy(), steps, prompts)), origin))


def walks_laid_out(images: NDArray[np.uint8], steps: int, prompts: Sequence[str] = ()) -> NDArray[np.uint8]:
    """Return the grid [H, W, C] of uint8 walks [rows * steps, C, H, W], a row each, with their prompts if any."""
    rows = grid(images, steps)
    return np.concatenate([_heading(prompts, rows.shape[1], rows.shape[2]), rows]) if prompts else rows


def walks_size(count: int, steps: int, size: tuple[int, int], prompts: Sequence[str] = ()) -> tuple[int, int]:
    """Return the height and width of what ``walks_laid_out`` makes of so many images of a size (height, width)."""
    height, width = grid_size(count, steps, size)
    return height + (len(_heading(prompts, width, 1)) if prompts else 0), width


def _heading(prompts: Sequence[str], width: int, channels: int) -> NDArray[np.uint8]:
    return strip(" to ".join(prompts), width, channels)


def write_walks_gif(images: Tensor, path: Path, steps: int) -> None:
    """Write walks through latent space, [rows * steps, C, H, W], as a GIF of all walks at once."""
    walks = quantize(images).cpu().numpy().reshape(-1, steps, *images.shape[1:])
    columns = min(10, len(walks))
    with writing(path):
        save_gif([grid(walks[:, step], columns, width=320) for step in range(steps)], path)


def write_edits(
    target: Tensor, edited: Tensor, path: Path, *, truth: Tensor | None = None, origin: Origin | None = None
) -> None:
    """Write targets, the edited images below them, and below those the originals if known, as one PNG."""
    shape = edited.shape[2:]
    shown = torch.nn.functional.interpolate(target, shape) if target.shape[2:] != shape else target
    rows = [each.cpu() for each in (shown, edited, truth) if each is not None]
    origin = origin and dataclasses.replace(origin, count=len(edited), composite=True)
    with writing(path):
        save_grid(torch.cat(rows), path, columns=len(edited), origin=origin)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise an OSError as a GenkitError that names the file."""
    try:
        yield
    except OSError as error:
        raise GenkitError(f"{path} can't be written: {error.strerror or error}") from error


def write_images(
    model: GenerativeModel,
    folder: Path,
    count: int,
    *,
    seed: int,
    label: int | str | None = None,
    prompts: Sequence[str] = (),
    classes: Sequence[str] = (),
    origin: Origin | None = None,
    progress: Progress = quiet,
) -> None:
    """Write samples as single PNGs into a new folder; raises GenkitError if it has files already.

    Each says where it is from, with its own place in the drawing, if an ``origin`` is given.

    For a conditional model labels.csv lists the classes, for ``prompts``, which the images have in turn, metadata.jsonl
    the texts, as ``folder:`` reads them. With ``classes``, the names of all classes, each class gets a
    folder instead, so that ``folder:`` reads the result as a labelled data set.
    """
    if classes and callable(getattr(model, "understand", None)):
        raise UsageError("this run follows prompts and no classes: with --prompts, --out writes the texts")
    if classes and not model.conditional:
        raise UsageError(f"{type(model).__name__} draws no classes: it is not conditional")
    for name in classes:
        if name in ("", ".", "..") or Path(name).name != name or "\\" in name:
            raise UsageError(
                f"class {name!r} is not a valid folder name: leave --labelled out, labels.csv has the classes"
            )
    labels: list[tuple[str, int]] = []
    label = class_number(model, label)
    with _filling(folder) as place:
        for name in classes if label is None else classes[label : label + 1]:
            (place / name).mkdir()
        done = 0
        for images, drawn in draw_in_order(model, count, seed=seed, label=label, prompts=prompts):
            for offset, image in enumerate(quantize(images).cpu().numpy()):
                name = f"{done + offset:06d}.png"
                own = place / classes[int(drawn[offset])] if classes and drawn is not None else place
                (own / name).write_bytes(_single(image, origin, done + offset))
                if drawn is not None and model.conditional:
                    labels.append((name, int(drawn[offset])))
            done += len(images)
            progress("samples", done, count)
        if labels and not classes:
            write_atomic(place / "labels.csv", comma_separated([("file", "label"), *labels]).encode())
        if prompts:
            texts = [{"file_name": f"{n:06d}.png", "text": prompts[n % len(prompts)]} for n in range(count)]
            write_atomic(place / "metadata.jsonl", "".join(f"{json.dumps(line)}\n" for line in texts).encode())


def write_singles(images: Tensor, folder: Path, names: Sequence[str], origin: Origin | None = None) -> None:
    """Write images in [0, 1] as PNGs with these names into a new folder; raises GenkitError if it has files already."""
    with _filling(folder) as place:
        for number, (name, image) in enumerate(zip(names, quantize(images).cpu().numpy(), strict=True)):
            (place / f"{name}.png").write_bytes(_single(image, origin, number))


def _single(image: NDArray[np.uint8], origin: Origin | None, number: int) -> bytes:
    """Return the PNG of one image [C, H, W], the one with this number of its drawing."""
    own: dict[str, Any] = {"first": number, "count": 1}
    if origin is not None and origin.prompts and len(origin.prompts) > CHUNK:
        begin = number - number % CHUNK  # its chunk is drawn of these alone
        own["prompts"] = tuple(origin.prompts[place % len(origin.prompts)] for place in range(begin, begin + CHUNK))
    return stamped(png(image.transpose(1, 2, 0)), origin and dataclasses.replace(origin, **own))


@contextlib.contextmanager
def _filling(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which appears whole under its name at the end; raise an OSError as a GenkitError.

    An empty folder that is there already is filled in its place, as someone may be in it.
    """
    try:
        if folder.exists():
            if any(folder.iterdir()):
                raise GenkitError(f"{folder} is not empty: name a new folder")
            yield folder
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        with publishing(folder) as place:
            yield place
    except OSError as error:
        raise GenkitError(f"{error.filename or folder} can't be written: {error.strerror or error}") from error


def reconstructions(model: GenerativeModel, images: Tensor) -> Tensor:
    """Return reconstructions of images [N, C, H, W] in [0, 1]; raises UsageError for a model that has none."""
    if getattr(model, "reconstruct", None) is None:
        raise UsageError(f"{type(model).__name__} does not reconstruct: choose a model that encodes images")
    return torch.cat([reconstructed(model, part).cpu() for part in images.split(CHUNK)])


def write_reconstructions(images: Tensor, again: Tensor, path: Path, origin: Origin | None = None) -> None:
    """Write images in odd rows and their reconstructions in the rows below, as one PNG."""
    columns = min(10, len(images))
    blank = images.new_ones(-len(images) % columns, *images.shape[1:])
    full = [torch.cat([both, blank]).split(columns) for both in (images, again)]
    rows = [row for pair in zip(*full, strict=True) for row in pair]
    origin = origin and dataclasses.replace(origin, count=len(images), composite=True)
    with writing(path):
        save_grid(torch.cat(rows), path, columns=columns, origin=origin)
