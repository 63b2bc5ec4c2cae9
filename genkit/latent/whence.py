"""Where a picture is from, by what its file says, and whether a run confirms it: what ``genkit whence`` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.data.source import unreadable
from genkit.errors import DataError, MissingError, one_line
from genkit.files.integrity import sha256_file
from genkit.files.picture_metadata import OWN, PARAMETERS, PictureMetadata, read_metadata
from genkit.files.reading import open_file
from genkit.latent.again import REDRAWN, alone, command_again, difference, draw_again, pixels_of, shape_of
from genkit.report.text import table
from genkit.results.environment import describe
from genkit.results.origin import Origin, read_origin
from genkit.training.runs import Run, find_run, find_runs

SHOWN = 30
"""Lines of a picture's parameters that are printed."""
WIDEST = 500
"""Characters of such a line."""

SOURCES = {
    "trainedAlgorithmicMedia": "made by a generative model",
    "compositeWithTrainedAlgorithmicMedia": "made in part by a generative model",
    "digitalCapture": "taken by a camera",
}
"""What IPTC's digital source types say in plain words."""


@dataclass(frozen=True)
class Whence:
    """What a picture says of where it is from, and what a run says to that.

    ``origin`` is None for a picture that does not say that genkit drew it. ``run`` is the folder of the run that did,
    empty if it is not there, and ``checkpoint`` its file with the same weights, empty if it has none. ``command`` draws
    the picture again. ``same_pixels``: whether that gave the same ones, None if it was not tried or can't be.
    ``parameters`` is the text that image generators write, ``source_type`` IPTC's, also that of a C2PA claim, whose
    signature is not checked. ``generated_by`` is what says that the picture was generated: a text, XMP, C2PA or another
    generator; empty if nothing does. ``notes`` are sentences on what was found.
    """

    image: str
    origin: Origin | None = None
    run: str = ""
    checkpoint: str = ""
    command: str = ""
    same_pixels: bool | None = None
    parameters: str = ""
    source_type: str = ""
    generated_by: str = ""
    contradicted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def says_nothing(self) -> bool:
        """Whether the picture says nothing of where it is from."""
        return not (self.origin or self.parameters or self.source_type or self.generated_by)

    @property
    def ok(self) -> bool:
        """Whether the picture says where it is from, and nothing that was checked contradicts it."""
        return not (self.says_nothing or self.contradicted)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.says_nothing:
            yield one_line(
                f"{self.image} does not say where it is from: genkit writes that into PNG files, and a screenshot, or "
                "a copy in another format such as JPEG, loses it"
            )
            return
        yield one_line(f"{self.image}: {self._what()}")
        rows = []
        if self.origin is not None:
            origin = self.origin
            prompts = origin.own_prompts
            rows += [["prompt", prompt or "(none: anything)"] for prompt in prompts[:SHOWN]]
            rows += [["prompt", f"and {len(prompts) - SHOWN:,} more"]] if len(prompts) > SHOWN else []
            rows += [["run", self.run or f"{origin.run}, which is not there"]]
            file = Path(self.checkpoint).name if self.checkpoint else origin.checkpoint
            weights = f"{origin.weights} weights of {file}" if file else "not kept"
            rows += [["weights", f"{weights}{f', which are in {self.checkpoint}' if self.checkpoint else ''}"]]
            rows += [["draw again", self.command]] if self.command else []
        if self.same_pixels is not None:
            rows += [["pixels", "the same" if self.same_pixels else "not the same"]]
        if self.source_type:
            plain = SOURCES.get(self.source_type)
            rows += [["source type", f"{self.source_type}{f': {plain}' if plain else ''}"]]
        if self.origin is None or self.origin.parameters() != self.parameters:
            rows += [["parameters", line[:WIDEST]] for line in self.parameters.splitlines()[:SHOWN]]
        rows += [["note", note] for note in self.notes]
        yield table(rows, indent=2)

    def _what(self) -> str:
        if self.origin is None:
            if self.generated_by == OWN:
                return "drawn by genkit, as it says, in a text that can't be read"
            if not self.generated_by:
                return "not generated, as far as it says"
            return f"generated, as it says ({self.generated_by}), but not by genkit"
        origin, last = self.origin, self.origin.first + self.origin.count - 1
        numbers = f"image {origin.first}" if origin.count == 1 else f"images {origin.first} to {last}"
        what = {
            "preview": f"a grid that training drew after {origin.images or 0:,} images",
            "exhibit": "a sheet that an evaluation drew",
        }.get(origin.kind, f"{numbers} of genkit {origin.kind}, seed {origin.seed}")
        return f"{what}, by {origin.model[:WIDEST]} trained on {origin.dataset[:WIDEST]} (genkit {origin.version})"


def whence(
    image: Path | str,
    *,
    run: Run | Path | str | None = None,
    runs: Path | str = "runs",
    draw: bool = False,
    device: str = "auto",
) -> Whence:
    """Return where a picture is from, by what its file says: PNG, or of other generators JPEG and WebP too.

    The run that drew it is looked for in the folder ``runs``, by the hash of its settings, and its weights by theirs;
    a ``run`` is compared instead if given. With ``draw`` the picture is drawn again and the pixels are compared, on the
    ``device`` that it was drawn on unless another is named. Raises MissingError without the file or the given run, and,
    to ``draw``, without the run's weights; DataError for what is no picture.
    """
    path = Path(image)
    shape = shape_of(path)
    metadata, origin, notes = _read(path)
    found = Whence(
        str(image),
        origin=origin,
        parameters=metadata.texts.get(PARAMETERS, ""),
        source_type=metadata.source_type or metadata.claim,
        generated_by=metadata.generated_by,
        contradicted=bool(notes),
        notes=tuple(notes),
    )
    if origin is None:
        if draw and notes:
            raise DataError(f"{notes[0]}: leave --draw out")
        if draw:
            raise DataError(f"{path} does not say that genkit drew it, so it can't be drawn again: leave --draw out")
        return found
    opened, checkpoint = _matching(origin, run, Path(runs))
    wrong = list(_contradictions(origin, opened, run, shape))
    found = dataclasses.replace(
        found,
        run=str(opened.path) if opened else "",
        checkpoint=str(checkpoint) if checkpoint else "",
        command=command_again(origin, opened, checkpoint, shape),
        contradicted=found.contradicted
        or bool(wrong)
        or (run is not None and checkpoint is None and bool(origin.checkpoint_sha256)),
        notes=(*found.notes, *wrong, *_notes(origin, opened, run, checkpoint, shape)),
    )
    return _drawn(found, origin, opened, checkpoint, path, device) if draw else found


def _read(path: Path) -> tuple[PictureMetadata, Origin | None, list[str]]:
    """Return what a file says, and why its text of genkit can't be read if so."""
    try:
        with open_file(path) as file:
            metadata = read_metadata(file)
    except OSError as error:
        raise unreadable(path, error) from error
    if OWN not in metadata.texts:
        return metadata, None, []
    try:
        return metadata, read_origin(metadata.texts[OWN], str(path)), []
    except DataError as error:
        return metadata, None, [str(error)]


def _matching(origin: Origin, named: Run | Path | str | None, runs: Path) -> tuple[Run | None, Path | None]:
    """Return the run that an origin names and the file of the weights; a copy of the run that has these goes first."""
    if named is not None:
        run = named if isinstance(named, Run) else find_run(runs, str(named))
        checkpoint = _checkpoint(origin, run)
        return (run if checkpoint or _settings(run) == origin.run_sha256 else None), checkpoint
    first = None
    for run in find_runs(runs):
        if _settings(run) == origin.run_sha256:
            if checkpoint := _checkpoint(origin, run):
                return run, checkpoint
            first = first or run
    return first, None


def _settings(run: Run) -> str:
    return sha256_file(run.path / "run.json")


def _checkpoint(origin: Origin, run: Run) -> Path | None:
    """Return a run's file with the weights of an origin, looking first at the one of that name."""
    files = [*run.checkpoints(), *run.milestones()] if origin.checkpoint_sha256 else []
    files.sort(key=lambda path: path.name != origin.checkpoint)
    return next((path for path in files if sha256_file(path) == origin.checkpoint_sha256), None)


def _contradictions(
    origin: Origin, run: Run | None, named: Run | Path | str | None, shape: tuple[int, int]
) -> Iterator[str]:
    """Yield in what a picture is not what it says, or what the run says that has the hash of its settings."""
    if run is None and named is not None:
        name = named.path if isinstance(named, Run) else named
        yield f"run {name} did not draw it: leave --run out to look for the one that did"
    if run is not None:
        config = run.config
        for what, said, known in (
            ("model", origin.model, f"{config.dist}:{config.model}"),
            ("data set", origin.dataset, config.dataset_slug),
            ("hash of the data", origin.dataset_sha256, config.dataset_sha256),
        ):
            if said != known:
                yield f"it says the {what} {said[:80]}, and its run says {known}: what it says was changed"
    if origin.kind == "sample" and origin.first and not alone(origin, shape):
        yield f"it says that it begins with image {origin.first}, and a grid begins with image 0: that was changed"


def _notes(
    origin: Origin, run: Run | None, named: Run | Path | str | None, checkpoint: Path | None, shape: tuple[int, int]
) -> Iterator[str]:
    """Yield what a person must know to draw a picture again."""
    if run is None and named is None:
        yield "the run was not found by its hash: name its folder by --runs, or the run by --run"
    elif checkpoint is None and origin.checkpoint_sha256:
        yield "the run no longer has these weights: what it draws now is another picture"
    if origin.kind == "sample" and alone(origin, shape):
        yield f"it is {origin.first:06d}.png among these"
    if origin.given:
        yield "it was made of pictures that it does not hold: give these to the command"
    if origin.kind in ("preview", "exhibit"):
        yield "no command draws it again; genkit sample draws others with the same weights"


def _drawn(found: Whence, origin: Origin, run: Run | None, checkpoint: Path | None, path: Path, device: str) -> Whence:
    """Return what was found with whether the pixels are the same when drawn again."""
    if origin.kind not in REDRAWN or origin.given:
        raise DataError(f"{path} needs more than its run to be drawn again: leave --draw out")
    if run is None:
        raise MissingError(
            f"{path} can't be drawn again, as its run is not there: name the run by --run, or its folder by --runs"
        )
    if checkpoint is None:
        raise MissingError(f"{path} can't be drawn again, as its run no longer has these weights: leave --draw out")
    pixels = pixels_of(path)
    try:
        again = draw_again(origin, run, checkpoint, shape_of(path), device)
    except DataError as error:
        raise DataError(f"{path} can't be drawn again: {error}: leave --draw out") from error
    differs = difference(pixels, again)
    notes = [*found.notes, *([differs] if differs else [])]
    here = describe()["torch"]
    if differs and origin.torch not in ("", here):
        notes.append(f"it was drawn with PyTorch {origin.torch}, and this is {here}")
    return dataclasses.replace(
        found, same_pixels=not differs, contradicted=found.contradicted or bool(differs), notes=tuple(notes)
    )
