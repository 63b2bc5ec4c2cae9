"""Training batches: an endless shuffled stream whose only state is the number of images drawn.

Epoch e is a permutation derived from (seed, e). Pixels are kept as uint8 on the device if they fit; otherwise the next
batch is read, and decoded if the images are kept encoded, while the model trains on the one before.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genkit.data.dataset import Split
from genkit.seeds import derive

RESIDENT_BYTES = 2 << 30
"""A split up to this size is held in memory; a larger one is read through its memory map."""


@dataclass(frozen=True)
class Batch:
    """Training examples: ``images`` float32 [N, C, H, W] in [0, 1], ``labels`` int64 [N], ``indices`` int64 [N].

    ``prompts``: one caption of each image, drawn from its captions and empty where it has none; None for data without
    captions.
    """

    images: Tensor
    labels: Tensor | None = None
    indices: Tensor | None = None
    prompts: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.images)


class BatchStream:
    """Draws batches of ``batch`` images; with several processes each draws its own slice of the common batch."""

    def __init__(
        self, split: Split, batch: int, seed: int, device: torch.device, *, rank: int = 0, world: int = 1
    ) -> None:
        self.split = split
        self.batch = batch
        self.seed = seed
        self.device = device
        self.rank = rank
        self.world = world
        self.drawn = 0
        self._resident: Tensor | None = None
        if split.pixels.nbytes <= RESIDENT_BYTES:
            self._resident = torch.from_numpy(np.array(split.pixels)).to(device)
        self._labels = None if split.labels is None else torch.from_numpy(np.array(split.labels)).to(device)
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)
        self._reader: ThreadPoolExecutor | None = None
        self._next: tuple[int, Future[Tensor]] | None = None
        """The place in the stream of the batch that is being read, and its images."""

    def next(self) -> Batch:
        """Return the next batch, images float32 [batch, C, H, W] in [0, 1] on the device."""
        start = self.drawn + self.rank * self.batch
        indices = self._indices(start, start + self.batch)
        self.drawn += self.batch * self.world
        on_device = indices.to(self.device)
        if self._resident is not None:
            images = self._resident.index_select(0, on_device).float().div_(self.split.levels - 1)
        else:
            images = self._read(start, indices).to(self.device)
        labels = None if self._labels is None else self._labels.index_select(0, on_device)
        return Batch(images, labels, on_device, self._prompts(indices, start))

    def _read(self, start: int, indices: Tensor) -> Tensor:
        """Return the images of the batch at ``start``, and let those of the one after it be read."""
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, "genkit-read")
        reading, self._next = self._next, None
        images = reading[1].result() if reading and reading[0] == start else self.split.images(indices.numpy())
        after = start + self.batch * self.world
        following = self._indices(after, after + self.batch).numpy()
        self._next = after, self._reader.submit(self.split.images, following)
        return images

    def _prompts(self, indices: Tensor, start: int) -> tuple[str, ...] | None:
        """Return a caption of each image; the draw depends on the seed and the position in the stream alone."""
        captions = self.split.captions
        if captions is None:
            return None
        draws = np.random.default_rng(derive(self.seed, "prompts", start)).random(len(indices))
        texts = (captions[index] for index in indices.tolist())
        return tuple(own[int(draw * len(own))] if own else "" for own, draw in zip(texts, draws, strict=True))

    def _indices(self, start: int, stop: int) -> Tensor:
        """Return the image indices at positions start .. stop of the endless sequence of permutations."""
        size = len(self.split)
        parts: list[Tensor] = []
        while start < stop:
            epoch, offset = divmod(start, size)
            if epoch != self._epoch:
                generator = torch.Generator().manual_seed(derive(self.seed, "epoch", epoch))
                self._order = torch.randperm(size, generator=generator)
                self._epoch = epoch
            take = min(stop - start, size - offset)
            parts.append(self._order[offset : offset + take])
            start += take
        return parts[0] if len(parts) == 1 else torch.cat(parts)
