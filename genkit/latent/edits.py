"""Fill in, enlarge and denoise images: what ``genkit edit`` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genkit.data import ImageDataset
from genkit.errors import UsageError
from genkit.features import load_extractor
from genkit.features.cache import Progress, quiet
from genkit.latent import pictures
from genkit.latent.completion import HOLES, complete, known_around
from genkit.latent.editing import Averaged, Degradation, Masked, Search, search_latents
from genkit.latent.given import as_paths, at_least_one, facts_of, loaded, pick_test, read_pictures, unique_names
from genkit.models.base import capabilities
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import Run


class _Edited(NamedTuple):
    given: Tensor
    edited: Tensor
    truth: Tensor | None


class Edited(_Edited):
    """What was given, what the model made of it, and the truth where it is known; float32 images in [0, 1].

    ``sources`` has the file of each image.
    """

    sources: tuple[str, ...] = ()


def edit(
    run: Run | Path | str,
    targets: Sequence[Path | str] | Path | str = (),
    *,
    mask: Path | str | None = None,
    hole: str | None = None,
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
    sampling: Mapping[str, Any] | None = None,
    grid: Path | str | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    device: str = "auto",
    dataset: ImageDataset | Path | str | None = None,
    data_root: Path | str | None = None,
    metadata: bool = True,
    progress: Progress = quiet,
) -> Edited:
    """Fill in, enlarge or denoise images: search for the latent whose image explains what is given.

    A model that completes images itself (``complete``), as token models do, fills in without a search: it draws what
    is missing, of class ``label`` if named, with the options of drawing ``sampling``.

    ``mask`` fills in where that image is black, ``hole`` a half ("top", "bottom", "left", "right") or the "centre", a
    quarter of the image. ``factor`` enlarges so many times, and without either images are
    denoised; ``noise`` is the standard deviation of the noise, pixels in [0, 1]. ``targets`` are files or folders, read
    as the run's data was; without them ``count`` test images, of all classes in turn, are degraded and the truth is
    returned too; ``dataset`` says where they are now, if moved. ``steps``,
    ``starts``, ``prior`` and ``perceptual`` (with ``features``, an extractor) are those of
    ``genkit.latent.editing.Search``. ``grid`` and ``out`` write a PNG and a folder of single PNGs, each
    named after its source. Raises UsageError for options or targets that do not fit together, MissingError for files
    that there are not.
    """
    files = as_paths(targets)
    check_edit(files, mask=mask, hole=hole, factor=factor, noise=noise, out=out)
    at_least_one(count, "image")
    asked: dict[str, Any] = {
        "hole": hole,
        "factor": factor,
        "noise": noise,
        "label": label,
        "steps": steps,
        "starts": starts,
    }
    asked |= {"prior": float(prior), "perceptual": float(perceptual), "features": features}
    asked |= {} if files else {"count": count}
    facts = facts_of("edit", metadata, seed=seed, given=len(files) + (mask is not None), **asked)
    opened, model, origin = loaded(run, device, sampling=sampling, facts=facts)
    degradation = _degradation(opened, mask, hole, factor, model.device)
    completes = isinstance(degradation, Masked) and "complete" in capabilities(model)
    if sampling and not completes:
        raise UsageError(f"{opened.config.model} draws nothing here, it searches: leave -o out")
    search = Search(steps, starts, noise=noise or 0.1, prior=prior, perceptual=perceptual, seed=seed)
    if completes and (search != Search(noise=search.noise, seed=seed) or features or weights):
        raise UsageError(
            f"{opened.config.model} draws what is missing, it does not search: leave steps, starts, prior, perceptual, "
            "features and weights out"
        )
    extractor = load_extractor(features, weights=weights, device=str(model.device)) if features else None
    truth, classes = None, None
    if files:
        source = read_pictures(files, opened, shrunk=factor or 1)
        given = source.images
    else:
        source = pick_test(open_run_dataset(opened, dataset, data_root=data_root).test, count, seed)
        truth, classes = source.images, source.labels
        given = _noisy(degradation(truth.to(model.device)), noise or 0.0, seed)
    if label is not None:
        classes = pictures.classes_of(model, len(given), label)
    elif files and model.conditional and not completes:
        raise UsageError("this model is conditional: give the class of the targets by --class N, in Python label=N")
    condition = classes if model.conditional else None
    if completes:
        assert isinstance(degradation, Masked)
        edited = complete(model, given, degradation.mask, seed=seed, condition=condition, progress=progress)
    else:
        edited = search_latents(
            model, given, degradation, search, extractor=extractor, condition=condition, progress=progress
        ).cpu()
    if grid is not None:
        pictures.write_edits(given, edited, Path(grid), truth=truth, origin=origin)
    if out is not None:
        kept = isinstance(degradation, Masked)  # what was known of the pictures is in them
        own = origin and dataclasses.replace(origin, composite=kept)
        pictures.write_singles(edited, Path(out), unique_names(source.sources), own)
    found = Edited(given, edited, truth)
    found.sources = source.sources
    return found


def check_edit(
    targets: Sequence[Path],
    *,
    mask: Path | str | None,
    hole: str | None,
    factor: int | None,
    noise: float | None,
    out: Path | str | None,
) -> None:
    """Raise UsageError for arguments of ``edit`` that do not fit together."""
    if sum(each is not None for each in (mask, hole, factor)) > 1:
        raise UsageError("choose one of --mask, --hole and --factor")
    if hole not in (None, *HOLES):
        raise UsageError(f"hole is {hole!r}: it is one of {', '.join(HOLES)}")
    if factor is not None and factor < 2:
        raise UsageError(f"images are enlarged by a factor of 2 or more, not {factor}")
    if not targets and mask is None and hole is None and factor is None and noise is None:
        raise UsageError(
            "name images to edit, or say how to degrade test images: --mask FILE, --hole SIDE, --factor N or --noise S"
        )
    if out is not None:
        unique_names(map(str, targets))


def _degradation(
    run: Run, mask: Path | str | None, hole: str | None, factor: int | None, device: torch.device
) -> Degradation:
    if hole is not None:
        return Masked(known_around(hole, *run.config.data.shape[1:]).to(device))
    if mask is not None:
        (known,) = read_pictures([Path(mask)], run, channels=1).images[0]
        return Masked((known > 0.5).float().to(device))
    return Averaged(factor) if factor is not None else Degradation()


def _noisy(images: Tensor, noise: float, seed: int) -> Tensor:
    generator = torch.Generator(images.device).manual_seed(seed)
    draws = torch.randn(images.shape, generator=generator, device=images.device)
    return (images + noise * draws).clamp(0, 1)
