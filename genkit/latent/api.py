"""Work with a trained run in a notebook or a script: what the commands sample, reconstruct, interpolate ... do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from genkit.data import ImageDataset
from genkit.data.decode import decode
from genkit.data.source import unreadable
from genkit.devices import pick_device
from genkit.errors import UsageError
from genkit.features import load_extractor
from genkit.features.cache import Progress, quiet
from genkit.latent import pictures
from genkit.latent.editing import Averaged, Degradation, Masked, Search, search_latents
from genkit.latent.walks import most_used, walk_along, walk_between
from genkit.models.base import GenerativeModel
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import Run, load, named_run


def sample(
    run: Run | Path | str,
    count: int = 100,
    *,
    label: int | str | None = None,
    grid: Path | str | None = None,
    raw: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Tensor:
    """Draw images from a trained run, float32 [count, C, H, W] in [0, 1], and write them as one PNG ``grid`` if named.

    They are the first of the files that ``sample_to_folder`` writes with this seed.
    Of a conditional model all classes come in turn, or only ``label``. ``raw`` draws from the raw weights instead of
    their moving average. Raises MissingError without a checkpoint, UsageError for a class that there is not.
    """
    _at_least_one(count, "image")
    _, model = _loaded(run, device, raw=raw)
    images = torch.cat([images for images, _ in pictures.draw_in_order(model, count, seed=seed, label=label)])
    if grid is not None:
        pictures.write_grid(images, Path(grid))
    return images


def sample_to_folder(
    run: Run | Path | str,
    folder: Path | str,
    count: int = 100,
    *,
    label: int | str | None = None,
    labelled: bool = False,
    raw: bool = False,
    seed: int = 0,
    device: str = "auto",
    dataset: ImageDataset | Path | str | None = None,
    data_root: Path | str | None = None,
    progress: Progress = quiet,
) -> None:
    """Draw any number of images as single PNGs into a new folder; labels.csv has the classes of a conditional model.

    With ``labelled`` each class gets a folder of its own instead, which ``folder:`` reads as a labelled data set; of a
    run that did not record the names of its classes they are those of its data, which lies at ``dataset`` if moved.
    Raises GenkitError if the folder has files, and otherwise as ``sample``.
    """
    opened, model = _loaded(run, device, raw=raw)
    classes = opened.config.data.class_names if labelled else ()
    if labelled and not classes:
        classes = open_run_dataset(opened, dataset, data_root=data_root).classes
    pictures.write_images(model, Path(folder), count, seed=seed, label=label, classes=classes, progress=progress)


class Reconstructed(NamedTuple):
    """Test images and their reconstructions, float32 [N, C, H, W] in [0, 1]."""

    originals: Tensor
    reconstructions: Tensor


def reconstruct(
    run: Run | Path | str,
    count: int = 50,
    *,
    grid: Path | str | None = None,
    device: str = "auto",
    dataset: ImageDataset | Path | str | None = None,
    data_root: Path | str | None = None,
) -> Reconstructed:
    """Reconstruct the first test images; ``grid`` is a PNG with each reconstruction below its original.

    ``dataset`` says where the run's data is now, if it was moved. Raises UsageError for a model that does not
    reconstruct, DataError if the data set has changed.
    """
    _at_least_one(count, "image")
    opened, model = _loaded(run, device)
    found = Reconstructed(
        *pictures.reconstructions(model, open_run_dataset(opened, dataset, data_root=data_root).test, count)
    )
    if grid is not None:
        pictures.write_reconstructions(*found, Path(grid))
    return found


def interpolate(
    run: Run | Path | str,
    walks: int = 8,
    steps: int = 12,
    *,
    label: int | str | None = None,
    grid: Path | str | None = None,
    gif: Path | str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Tensor:
    """Walk from sample to sample through the latent space: images [walks, steps, C, H, W] in [0, 1].

    ``grid`` is a PNG with a row for each walk, ``gif`` shows all walks at once. A conditional model keeps one class
    along a walk: ``label``, or all in turn. Raises UsageError for a model without a latent space.
    """
    _at_least_one(walks, "walk")
    _, model = _loaded(run, device)
    images = walk_between(model, walks, steps, seed=seed, label=label)
    _write_walks(images, steps, grid, gif)
    return images.view(walks, steps, *images.shape[1:])


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
) -> Traversal:
    """Move along single dimensions of the latent, ``span`` standard deviations of the prior each way.

    The dimensions are ``dims``, or the ``count`` whose codes vary most over test images; ``dataset`` says where the
    run's data is now, if it was moved. Raises as ``interpolate``.
    """
    opened, model = _loaded(run, device)
    chosen = list(dims) if dims is not None else None
    if chosen is None:
        chosen = most_used(model, count, open_run_dataset(opened, dataset, data_root=data_root).test)
    _at_least_one(len(chosen), "dimension")
    images = walk_along(model, chosen, steps, span=span, seed=seed, label=label)
    _write_walks(images, steps, grid, gif)
    return Traversal(images.view(len(chosen), steps, *images.shape[1:]), chosen)


class Edited(NamedTuple):
    """What was given, what the model made of it, and the truth where it is known; float32 images in [0, 1]."""

    given: Tensor
    edited: Tensor
    truth: Tensor | None


def edit(
    run: Run | Path | str,
    targets: Sequence[Path | str] = (),
    *,
    mask: Path | str | None = None,
    factor: int | None = None,
    noise: float | None = None,
    count: int = 10,
    label: int | str | None = None,
    steps: int = 300,
    starts: int = 4,
    prior: float = 1.0,
    perceptual: float = 0.0,
    features: str | None = None,
    weights: Path | str | None = None,
    grid: Path | str | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    device: str = "auto",
    dataset: ImageDataset | Path | str | None = None,
    data_root: Path | str | None = None,
    progress: Progress = quiet,
) -> Edited:
    """Fill in, enlarge or denoise images: search for the latent whose image explains what is given.

    ``mask`` fills in where that image is black, ``factor`` enlarges so many times, and without either images are
    denoised; ``noise`` is the standard deviation of the noise, pixels in [0, 1]. Without ``targets``, ``count`` test
    images are degraded and the truth is returned too; ``dataset`` says where they are now, if moved. ``steps``,
    ``starts``, ``prior`` and ``perceptual`` (with ``features``, an extractor) are those of
    ``genkit.latent.editing.Search``. ``grid`` and ``out`` write a PNG and a folder of single PNGs. Raises UsageError
    for options or targets that do not fit together.
    """
    files = [Path(target) for target in ([targets] if isinstance(targets, str) else targets)]
    check_edit(files, mask=mask, factor=factor, noise=noise, out=out)
    _at_least_one(count, "image")
    opened, model = _loaded(run, device)
    degradation = _degradation(model, mask, factor)
    search = Search(steps, starts, noise=noise or 0.1, prior=prior, perceptual=perceptual, seed=seed)
    extractor = load_extractor(features, weights=weights, device=str(model.device)) if features else None
    truth, classes = None, None
    if files:
        given = _read(files, channels=model.data.shape[0])
    else:
        truth, classes = _test_images(open_run_dataset(opened, dataset, data_root=data_root), count)
        given = _noisy(degradation(truth.to(model.device)), noise or 0.0, seed)
    if label is not None:
        classes = pictures.classes_of(model, len(given), label)
    elif files and model.conditional:
        raise UsageError("this model is conditional: give the class of the targets by --class N, in Python label=N")
    condition = classes if model.conditional else None
    edited = search_latents(
        model, given, degradation, search, extractor=extractor, condition=condition, progress=progress
    ).cpu()
    if grid is not None:
        pictures.write_edits(given, edited, Path(grid), truth=truth)
    if out is not None:
        names = [path.stem for path in files]
        pictures.write_singles(edited, Path(out), names or [f"{index:06d}" for index in range(len(edited))])
    return Edited(given, edited, truth)


def check_edit(
    targets: Sequence[Path], *, mask: Path | str | None, factor: int | None, noise: float | None, out: Path | str | None
) -> None:
    """Raise UsageError for arguments of ``edit`` that do not fit together."""
    if mask is not None and factor is not None:
        raise UsageError("choose one of --mask and --factor")
    if factor is not None and factor < 2:
        raise UsageError(f"images are enlarged by a factor of 2 or more, not {factor}")
    if not targets and mask is None and factor is None and noise is None:
        raise UsageError("name images to edit, or say how to degrade test images: --mask FILE, --factor N or --noise S")
    names = [path.stem for path in targets]
    if out is not None and len(set(names)) < len(names):
        raise UsageError("two targets have the same file name, and so would their results: edit them one at a time")


def _at_least_one(count: int, what: str) -> None:
    if count < 1:
        raise UsageError(f"ask for at least one {what}, not {count}")


def _write_walks(images: Tensor, steps: int, grid: Path | str | None, gif: Path | str | None) -> None:
    if grid is not None:
        pictures.write_walks(images, Path(grid), steps)
    if gif is not None:
        pictures.write_walks_gif(images, Path(gif), steps)


def _loaded(run: Run | Path | str, device: str, *, raw: bool = False) -> tuple[Run, GenerativeModel]:
    opened = run if isinstance(run, Run) else named_run(run)
    return opened, load(run, raw=raw).to(pick_device(device))


def _degradation(model: GenerativeModel, mask: Path | str | None, factor: int | None) -> Degradation:
    if mask is not None:
        height, width = model.data.shape[1:]
        known = _read([Path(mask)], channels=1)[0, 0]
        if tuple(known.shape) != (height, width):
            raise UsageError(
                f"mask {mask} is {known.shape[0]}x{known.shape[1]}; the model's images are {height}x{width}"
            )
        return Masked((known > 0.5).float().to(model.device))
    return Averaged(factor) if factor is not None else Degradation()


def _read(paths: Sequence[Path], *, channels: int) -> Tensor:
    """Return images of one size in [0, 1], [N, channels, H, W]."""
    images: list[Tensor] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                pixels = decode(file, str(path), grey=channels == 1)
        except OSError as error:
            raise unreadable(path, error) from error
        images.append(torch.from_numpy(pixels.copy()).float() / 255)
        if images[-1].shape != images[0].shape:
            raise UsageError(f"{path} has another size than {paths[0]}: edit images of one size together")
    return torch.stack(images)


def _test_images(data: ImageDataset, count: int) -> tuple[Tensor, Tensor | None]:
    labels = data.test.labels
    classes = None if labels is None else torch.from_numpy(labels[:count].astype("int64"))
    return data.test.images(slice(0, count)), classes


def _noisy(images: Tensor, noise: float, seed: int) -> Tensor:
    generator = torch.Generator(images.device).manual_seed(seed)
    draws = torch.randn(images.shape, generator=generator, device=images.device)
    return (images + noise * draws).clamp(0, 1)
