"""Pictures from a trained model: grids, folders of samples, reconstructions beside their originals."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from genkit.data import Split
from genkit.errors import GenkitError, UsageError
from genkit.images import png, quantize, save_grid
from genkit.model import GenerativeModel
from genkit.paths import write_atomic
from genkit.seeds import derive

CHUNK = 250


def draw(model: GenerativeModel, count: int, *, seed: int, label: int | None = None) -> tuple[Tensor, Tensor | None]:
    """Return ``count`` images in [0, 1] and, for labelled data, the classes asked for (all in turn, or ``label``)."""
    classes = model.data.num_classes
    if label is not None and not 0 <= label < classes:
        raise UsageError(f"there is no class {label}: the data has {classes}" if classes else "the data has no classes")
    if label is not None and not model.conditional:
        raise UsageError(f"{type(model).__name__} draws no single class: it is not conditional")
    labels = None
    if classes:
        labels = (
            torch.arange(count, device=model.device) % classes
            if label is None
            else torch.full((count,), label, device=model.device)
        )
    generator = torch.Generator(model.device).manual_seed(derive(seed, "draw"))
    torch.manual_seed(derive(seed, "draw-global"))
    with torch.no_grad():
        return model.eval().sample(count, generator=generator, condition=labels), labels


def write_grid(model: GenerativeModel, path: Path, count: int, *, seed: int, label: int | None = None) -> None:
    """Write samples as one PNG."""
    images, _ = draw(model, count, seed=seed, label=label)
    try:
        save_grid(images, path, columns=min(count, 10))
    except OSError as error:
        raise GenkitError(f"{path} can't be written: {error.strerror or error}") from error


def write_images(
    model: GenerativeModel,
    folder: Path,
    count: int,
    *,
    seed: int,
    label: int | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> None:
    """Write samples as single PNGs and, for conditional models, labels.csv; raises GenkitError if files are there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise GenkitError(f"{folder} is not empty: name a new folder")
        labels: list[tuple[str, int]] = []
        done = 0
        while done < count:
            size = min(CHUNK, count - done)
            images, classes = draw(model, size, seed=derive(seed, "chunk", done), label=label)
            for offset, image in enumerate(quantize(images).cpu().numpy()):
                name = f"{done + offset:06d}.png"
                (folder / name).write_bytes(png(image.transpose(1, 2, 0)))
                if classes is not None and model.conditional:
                    labels.append((name, int(classes[offset])))
            done += size
            progress("samples", done, count)
        if labels:
            buffer = io.StringIO()
            csv.writer(buffer, lineterminator="\n").writerows([("file", "label"), *labels])
            write_atomic(folder / "labels.csv", buffer.getvalue().encode())
    except OSError as error:
        raise GenkitError(f"{error.filename or folder} can't be written: {error.strerror or error}") from error


def write_reconstructions(model: GenerativeModel, test: Split, path: Path, count: int) -> None:
    """Write test images in odd rows and their reconstructions below each, as one PNG."""
    reconstruct = getattr(model, "reconstruct", None)
    if reconstruct is None:
        raise UsageError(f"{type(model).__name__} does not reconstruct: choose a model that encodes images")
    images = test.images(slice(0, count)).to(model.device)
    model.eval()
    with torch.no_grad():
        again = reconstruct(images).clamp(0, 1)
    columns = min(10, len(images))
    blank = images.new_ones(-len(images) % columns, *images.shape[1:])
    full = [torch.cat([both, blank]).split(columns) for both in (images, again)]
    rows = [part for pair in zip(*full, strict=True) for part in pair]
    try:
        save_grid(torch.cat(rows), path, columns=columns)
    except OSError as error:
        raise GenkitError(f"{path} can't be written: {error.strerror or error}") from error
