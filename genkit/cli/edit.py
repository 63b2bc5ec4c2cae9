"""genkit edit"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from genkit.cli.completions import complete_feature
from genkit.cli.data import data_root_option
from genkit.cli.help import Command, option
from genkit.cli.options import FILE, FOLDER, device_option, runs_option, seed_option, trained_options
from genkit.cli.trained import load_trained
from genkit.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from genkit.data import ImageDataset
    from genkit.latent.editing import Degradation
    from genkit.models.base import GenerativeModel


@click.command(cls=Command)
@click.argument("targets", nargs=-1, type=FILE)
@trained_options
@option("--mask", type=FILE, section="Degradation", help="Fill in where this image is black.")
@option("--factor", type=click.IntRange(min=2), section="Degradation", help="Enlarge by this factor.")
@option(
    "--noise",
    type=click.FloatRange(min=0, min_open=True),
    section="Degradation",
    help="Standard deviation of the noise, pixels in [0, 1]; 0.1 by default.",
)
@option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    section="Degradation",
    help="Without TARGETS: test images to degrade.",
)
@data_root_option
@option(
    "--class", "label", type=click.IntRange(min=0), section="Search", help="Class of the targets (conditional models)."
)
@option(
    "--steps", type=click.IntRange(min=1), default=300, show_default=True, section="Search", help="Steps of a search."
)
@option(
    "--starts",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    section="Search",
    help="Searches per target; the best result is kept.",
)
@option(
    "--prior",
    type=float,
    default=1.0,
    show_default=True,
    section="Search",
    help="Weight of the latent's log-density.",
)
@option(
    "--perceptual",
    type=float,
    default=0.0,
    show_default=True,
    section="Search",
    help="Weight of the distance between features; needs --features.",
)
@option("--features", shell_complete=complete_feature, section="Search", help="Feature extractor of --perceptual.")
@option("--weights", type=FILE, section="Search", help="Weights file of the extractor.")
@option("--grid", type=FILE, default=Path("edited.png"), show_default=True, section="Output", help="Output image.")
@option("--out", type=FOLDER, section="Output", help="Also write single PNGs into this folder.")
@seed_option
@device_option
@runs_option
def command(
    targets: tuple[Path, ...],
    model: str | None,
    run_id: str | None,
    dataset: str | None,
    data_root: Path | None,
    mask: Path | None,
    factor: int | None,
    noise: float | None,
    count: int,
    label: int | None,
    steps: int,
    starts: int,
    prior: float,
    perceptual: float,
    features: str | None,
    weights: Path | None,
    grid: Path,
    out: Path | None,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Fill in, enlarge or denoise images: search for the model's image that best explains them.

    Without TARGETS, test images are degraded and restored, and shown above the originals.

    \b
    genkit edit --model vae hole.png --mask mask.png
    genkit edit --model dcgan --factor 2
    genkit edit --model conv-vae --noise 0.3
    """
    from genkit.cli.progress import work_bar
    from genkit.features import load_extractor
    from genkit.latent.editing import Search, edit
    from genkit.latent.pictures import classes_of, write_edits, write_singles
    from genkit.training.api import open_run_dataset

    if mask is not None and factor is not None:
        raise UsageError("choose one of --mask and --factor")
    if not targets and mask is None and factor is None and noise is None:
        raise UsageError("name images to edit, or say how to degrade test images: --mask FILE, --factor N or --noise S")
    names = [path.stem for path in targets]
    if out is not None and len(set(names)) < len(names):
        raise UsageError("two targets have the same file name, and so would their results: edit them one at a time")
    run, trained = load_trained(root, model, run_id, dataset, device)
    degradation = _degradation(trained, mask, factor)
    search = Search(steps, starts, noise=noise or 0.1, prior=prior, perceptual=perceptual, seed=seed)
    extractor = load_extractor(features, weights=weights, device=str(trained.device)) if features else None
    truth, classes = None, None
    if targets:
        given = _read(targets, channels=trained.data.shape[0])
    else:
        truth, classes = _test_images(open_run_dataset(run, data_root=data_root), count)
        given = _degraded(degradation(truth.to(trained.device)), noise or 0.0, seed)
    if label is not None:
        classes = classes_of(trained, len(given), label)
    elif targets and trained.conditional:
        raise UsageError("this model is conditional: give the class of the targets by --class N")
    condition = classes if trained.conditional else None
    with work_bar() as show:
        edited = edit(
            trained, given, degradation, search, extractor=extractor, condition=condition, progress=show
        ).cpu()
    write_edits(given, edited, grid, truth=truth)
    click.echo(grid)
    if out is not None:
        write_singles(edited, out, names or [f"{index:06d}" for index in range(len(edited))])
        click.echo(out)


def _degradation(model: GenerativeModel, mask: Path | None, factor: int | None) -> Degradation:
    from genkit.latent.editing import Averaged, Degradation, Masked

    if mask is not None:
        height, width = model.data.shape[1:]
        shown = _read((mask,), channels=1)[0, 0]
        if tuple(shown.shape) != (height, width):
            raise UsageError(
                f"mask {mask} is {shown.shape[0]}x{shown.shape[1]}; the model's images are {height}x{width}"
            )
        return Masked((shown > 0.5).float().to(model.device))
    return Averaged(factor) if factor is not None else Degradation()


def _read(paths: tuple[Path, ...], *, channels: int) -> Tensor:
    """Return images of one size in [0, 1], [N, channels, H, W]."""
    import torch

    from genkit.data.decode import decode
    from genkit.data.source import unreadable

    images = []
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
    import torch

    labels = data.test.labels
    classes = None if labels is None else torch.from_numpy(labels[:count].astype("int64"))
    return data.test.images(slice(0, count)), classes


def _degraded(images: Tensor, noise: float, seed: int) -> Tensor:
    import torch

    generator = torch.Generator(images.device).manual_seed(seed)
    draws = torch.randn(images.shape, generator=generator, device=images.device)
    return (images + noise * draws).clamp(0, 1)
