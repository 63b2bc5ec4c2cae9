"""TensorBoard: event files in ``RUN/trackers/tensorboard``, so that ``tensorboard --logdir runs`` shows all runs."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from PIL import Image
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from genkit_trackers.follow import PICTURES, Ending, Follower, hyperparameters


class TensorBoard(Follower):
    """Writes one more event file in each process."""

    def begin(self, resumed: int | None) -> Mapping[str, int]:
        """Open an event file. What is after the checkpoint, as of a run that failed, is taken back as in the log.

        The options are a session of the hparams plugin in this same run: ``add_hparams`` would make another one.
        """
        held, self._points, known = held_by(self.folder)
        if resumed is not None:
            self._points = {each for each in self._points if each[1] <= resumed}
        self._writer = SummaryWriter(str(self.folder), purge_step=None if resumed is None or not held else resumed + 1)
        self._file = cast(Any, self._writer.file_writer)
        if not known:
            _, session, _ = hparams(hyperparameters(self.run.config), {})
            self._file.add_summary(session)
        return held if resumed is None else {name: min(images, resumed) for name, images in held.items()}

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Add scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, images)

    def picture(self, images: int, path: Path) -> None:
        """Add the grid's file as it is."""
        data = path.read_bytes()
        with Image.open(path) as opened:
            (width, height), channels = opened.size, len(opened.getbands())
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=data)
        self._file.add_summary(Summary(value=[Summary.Value(tag=PICTURES, image=image)]), images)

    def has_score(self, images: int, name: str, value: float) -> bool:
        """Look for its point in the event files, whose numbers are float32."""
        return (name, images, _single(value)) in self._points

    def flush(self) -> None:
        """Write the event file through."""
        self._writer.flush()

    def finish(self, ending: Ending | None) -> None:
        """Close the event file."""
        self._writer.close()


def held_by(folder: Path) -> tuple[dict[str, int], set[tuple[str, int, Any]], bool]:
    """Return of a folder's event files the newest step of each curve, all points, and whether they hold the options."""
    found = event_accumulator.EventAccumulator(str(folder), event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE)
    if not any(folder.glob("events.out.tfevents.*")):
        return {}, set(), False
    found.Reload()
    tags = found.Tags()
    points = {name: found.Scalars(name) for name in tags[event_accumulator.SCALARS]}
    points |= {name: found.Images(name) for name in tags[event_accumulator.IMAGES]}
    held = {name: each[-1].step for name, each in points.items() if each}  # all of a curve may have been taken back
    of_scalars = tags[event_accumulator.SCALARS]
    steps = {(name, point.step, _single(point.value)) for name in of_scalars for point in points[name]}
    try:
        return held, steps, bool(found.PluginTagToContent("hparams"))
    except KeyError:
        return held, steps, False


def _single(value: float) -> float:
    """Return a number as a float32 holds it, infinite if it is too large for that."""
    return ctypes.c_float(value).value
