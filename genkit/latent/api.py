"""Work with a trained run in a notebook or a script: what the commands sample, reconstruct, interpolate ... do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genkit.data import ImageDataset
from genkit.errors import UsageError
from genkit.features.cache import Progress, quiet
from genkit.latent import pictures
from genkit.latent.editing import codes_of
from genkit.latent.given import (
    as_paths,
    at_least_one,
    facts_of,
    loaded,
    pick_test,
    read_pictures,
    read_prompts,
    unique_names,
)
from genkit.latent.walks import most_used, walk_along, walk_between, walk_latents, walk_prompts
from genkit.results.origin import Origin
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import Run


def sample(
    run: Run | Path | str,
    count: int = 100,
    *,
    label: int | str | None = None,
    prompts: Sequence[str] | str = (),
    grid: Path | str | None = None,
    raw: bool = False,
    sampling: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    metadata: bool = True,
    progress: Progress = quiet,
) -> Tensor:
    """Draw images from a trained run, float32 [count, C, H, W] in [0, 1], and write them as one PNG ``grid`` if named.

    They are the first of the files that ``sample_to_folder`` writes with this seed.
    Of a conditional model all classes come in turn, or only ``label``. Of a model that follows prompts, ``count``
    images of each of the ``prompts`` are drawn, which the images have in turn; the grid shows each with its own.
    ``raw`` draws from the raw weights instead of
    their moving average; ``sampling`` changes options of drawing, e.g. ``{"guidance": 2}``. With ``metadata`` the file
    says where it is from, which ``whence`` reads. Raises MissingError without a checkpoint, UsageError for a class that
    there is not, OptionsError for an option of drawing that there is not.
    """
    at_least_one(count, "image")
    asked = read_prompts(prompts, label)
    count *= len(asked) or 1
    facts = facts_of("sample", metadata and grid is not None, seed=seed, number=count, label=label, prompts=asked)
    _, model, origin = loaded(run, device, raw=raw, sampling=sampling, facts=facts)
    if grid is not None:
        pictures.check_size(count, model, asked)
    parts: list[Tensor] = []
    for drawn, _ in pictures.draw_in_order(model, count, seed=seed, label=label, prompts=asked):
        parts.append(drawn)
        progress("samples", sum(map(len, parts)), count)
    images = torch.cat(parts)
    if grid is not None:
        pictures.write_grid(images, Path(grid), origin, asked)
    return images


def sample_to_folder(
    run: Run | Path | str,
    folder: Path | str,
    count: int = 100,
    *,
    label: int | str | None = None,
    prompts: Sequence[str] | str = (),
    labelled: bool = False,
    raw: bool = False,
    sampling: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    dataset: ImageDataset | Path | str | None = None,
    data_root: Path | str | None = None,
    metadata: bool = True,
    progress: Progress = quiet,
) -> None:
    """Draw any number of images as single PNGs into a new folder; labels.csv has the classes of a conditional model.

    With ``prompts``, of each of which ``count`` images are drawn, metadata.jsonl has those. With ``labelled`` each
    class gets a folder of its own instead, which ``folder:`` reads as a labelled data set; of a run that did not record
    the names of its classes they are those of its data, which lies at ``dataset`` if moved.
    Raises GenkitError if the folder has files, and otherwise as ``sample``.
    """
    asked = read_prompts(prompts, label)
    facts = facts_of("sample", metadata, seed=seed, label=label, prompts=asked)
    opened, model, origin = loaded(run, device, raw=raw, sampling=sampling, facts=facts)
    classes = opened.config.data.class_names if labelled else ()
    if labelled and not classes:
        classes = open_run_dataset(opened, dataset, data_root=data_root).classes
    pictures.write_images(
        model,
        Path(folder),
        count * (len(asked) or 1),
        seed=seed,
        label=label,
        prompts=asked,
        classes=classes,
        origin=origin,
        progress=progress,
    )


class _Reconstructed(NamedTuple):
    originals: Tensor
    reconstructions: Tensor


class Reconstructed(_Reconstructed):
    """Images and their reconstructions, float32 [N, C, H, W] in [0, 1]; ``sources`` has the file of each."""

    sources: tuple[str, ...] = ()


def reconstruct(
    run: Run | Path | str,
    count: int = 50,
    *,
    images: Sequence[Path | str] | Path | str = (),
    grid: Path | str | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    device: str = "auto",
    dataset: ImageDataset | Path | str | None = None,
    data_root: Path | str | None = None,
    metadata: bool = True,
) -> Reconstructed:
    """Reconstruct test images, drawn by the seed and of all classes in turn, or your own: files or folders.

    ``images`` are read as the run's data was; a log message says which were resized. ``grid`` is a PNG with each
    reconstruction below its original, ``out`` a new folder of single PNGs, each named after its source. ``dataset``
    says where the run's data is now, if it was moved. Raises UsageError for a model that does not reconstruct,
    MissingError for files that there are not, DataError if the data set has changed.
    """
    at_least_one(count, "image")
    files = as_paths(images)
    if out is not None:
        unique_names(map(str, files))
    shown: dict[str, Any] = {} if files else {"count": count}
    facts = facts_of("reconstruct", metadata, seed=seed, given=len(files), **shown)
    opened, model, origin = loaded(run, device, facts=facts)
    if files:
        given = read_pictures(files, opened)
    else:
        given = pick_test(open_run_dataset(opened, dataset, data_root=data_root).test, count, seed)
    found = Reconstructed(given.images, pictures.reconstructions(model, given.images))
    found.sources = given.sources
    if grid is not None:
        pictures.write_reconstructions(*found, Path(grid), origin)
    if out is not None:
        pictures.write_singles(found.reconstructions, Path(out), unique_names(given.sources), origin)
    return found


def interpolate(
    run: Run | Path | str,
    walks: int = 8,
    steps: int = 12,
    *,
    images: Sequence[Path | str] | Path | str = (),
    prompts: Sequence[str] | str = (),
    label: int | str | None = None,
    grid: Path | str | None = None,
    gif: Path | str | None = None,
    seed: int = 0,
    device: str = "auto",
    metadata: bool = True,
) -> Tensor:
    """Walk from sample to sample through the latent space: images [walks, steps, C, H, W] in [0, 1].

    Given ``images``, two files or more, walks go from each to the next instead: from its code or, of a model that does
    not encode, from the latent whose image is closest (``genkit.latent.editing``). Given ``prompts``, two or more, each
    walk has one drawing's noise and leads from what the first says to the next, and on to the last. ``grid`` is a PNG
    with a row for each walk, ``gif`` shows all walks at once. A conditional model keeps one class along a walk:
    ``label``, or all in turn. Raises UsageError for a model without a latent space, or for prompts of one that reads
    none, MissingError for files that there are not.
    """
    at_least_one(walks, "walk")
    files, asked = as_paths(images), read_prompts(prompts, label)
    if asked and files:
        raise UsageError("a walk leads from prompt to prompt or from image to image: give one of the two")
    if len(asked) == 1:
        raise UsageError(f"a walk leads from one prompt to another: give a second one besides {asked[0]!r}")
    if len(files) == 1:
        raise UsageError(f"a walk leads from one image to another: give a second one besides {files[0]}")
    shown: dict[str, Any] = {"steps": steps, "label": label, **({} if files else {"walks": walks})}
    number = steps * (len(files) - 1 if files else walks)
    facts = facts_of("interpolate", metadata, seed=seed, number=number, given=len(files), prompts=asked, **shown)
    opened, model, origin = loaded(run, device, facts=facts)
    if files:
        codes = codes_of(model, read_pictures(files, opened).images, label=label, seed=seed)
        walked = walk_latents(model, codes[:-1], codes[1:], steps, label=label)
    elif asked:
        walked = walk_prompts(model, asked, walks, steps, seed=seed)
    else:
        walked = walk_between(model, walks, steps, seed=seed, label=label)
    _write_walks(walked, steps, grid, gif, origin, asked)
    return walked.view(-1, steps, *walked.shape[1:])


class Traversal(NamedTuple):
    """Images [dimensions, steps, C, H, W] in [0, 1], and which dimension of the latent each row moves along."""

    images: Tensor
    dims: list[int]


def traverse(
    run: Run | Path | str,
    count: int = 10,
    steps: int = 12,
    *,
    dims: Sequence[int] | None = None,
    span: float = 3.0,
    label: int | str | None = None,
    grid: Path | str | None = None,
    gif: Path | str | None = None,
    seed: int = 0,
    device: str = "auto",
    dataset: ImageDataset | Path | str | None = None,
    data_root: Path | str | None = None,
    metadata: bool = True,
) -> Traversal:
    """Move along single dimensions of the latent, ``span`` standard deviations of the prior each way.

    The dimensions are ``dims``, or the ``count`` whose codes vary most over test images; ``dataset`` says where the
    run's data is now, if it was moved. Raises as ``interpolate``.
    """
    facts = facts_of("traverse", metadata, seed=seed, steps=steps, span=float(span), label=label)
    opened, model, origin = loaded(run, device, facts=facts)
    chosen = list(dims) if dims is not None else None
    if chosen is None:
        chosen = most_used(model, count, open_run_dataset(opened, dataset, data_root=data_root).test)
    at_least_one(len(chosen), "dimension")
    images = walk_along(model, chosen, steps, span=span, seed=seed, label=label)
    if origin is not None:
        own = {**origin.arguments, "dims": list(map(int, chosen))}
        origin = dataclasses.replace(origin, count=len(images), arguments=own)
    _write_walks(images, steps, grid, gif, origin)
    return Traversal(images.view(len(chosen), steps, *images.shape[1:]), chosen)


def _write_walks(
    images: Tensor,
    steps: int,
    grid: Path | str | None,
    gif: Path | str | None,
    origin: Origin | None,
    prompts: Sequence[str] = (),
) -> None:
    if grid is not None:
        pictures.write_walks(images, Path(grid), steps, origin, prompts)
    if gif is not None:
        pictures.write_walks_gif(images, Path(gif), steps)
