"""Packed data sets: a training and a test split in a memory map."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.data.grammar import Grammar
from genkit.data.source import SPLITS, DatasetRequest

LONGEST_SLUG, SHORTENED = 255, 191
"""The most bytes of a folder's name; of a longer slug so many are left, and a part of its hash."""


@dataclass(frozen=True)
class DataInfo:
    """What a model is told about its data when it is built.

    ``shape`` is (C, H, W); ``levels`` the number of grey levels of a channel (17 for digits, 256 for photographs);
    ``num_classes`` is 0 for data without labels, else ``class_frequencies`` has that many entries. ``num_train`` counts
    the training images; ``has_prompts`` says whether images come with texts.
    ``class_names`` has the names of the classes, or is empty where a run of an older genkit did not record them.
    """

    shape: tuple[int, int, int]
    levels: int = 256
    num_classes: int = 0
    class_frequencies: tuple[float, ...] = ()
    num_train: int = 0
    has_prompts: bool = False
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Images of one split.

    ``pixels``: uint8 [N, C, H, W] in 0 .. levels-1, usually memory-mapped, or an EncodedPixels, which is indexed in the
    same way and decodes what is read; ``labels``: int64 [N] or None.
    ``order``: int64 [N], the indices of the images in their source's order, or None if it is that of ``pixels``.
    ``captions``: the texts of each image, or None for data without texts. ``names``: the images' files, or None.
    ``sizes``: int64 [N, 2], the height and width of each image in the corner of its pixels, for images of several sizes
    that are only measured; else None.
    """

    name: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    levels: int = 256
    order: NDArray[np.int64] | None = None
    captions: Sequence[tuple[str, ...]] | None = None
    names: Sequence[str] | None = None
    sizes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices: slice | NDArray[np.int64]) -> Tensor:
        """Return float32 images [n, C, H, W] in [0, 1]."""
        return torch.from_numpy(np.array(self.pixels[indices])).float().div_(self.levels - 1)

    def uint8(self, indices: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images as uint8 [n, C, H, W] in 0 .. 255, rounded half to even, as metrics take them."""
        pixels = np.array(self.pixels[indices])
        if self.levels == 256:
            return pixels
        table: NDArray[np.uint8] = np.rint(np.arange(self.levels) * (255 / (self.levels - 1))).astype(np.uint8)
        return table[pixels]

    def chunks(self, size: int) -> Iterator[Tensor]:
        """Yield all images in order, ``size`` at a time, as float32."""
        for start in range(0, len(self), size):
            yield self.images(slice(start, start + size))


@dataclass(frozen=True)
class ImageDataset:
    """A packed data set with its two splits.

    ``name`` is what the user wrote (``digits``, ``folder:photos``); ``sha256`` is of the packed content (levels, labels
    and splits); ``classes`` has the names of the labels, or is empty; ``skipped`` counts the bad files left out.
    ``whole`` is the memory map of which the splits are views, if there is one. ``own_splits``: the source came with
    its splits; otherwise they were made by content hash. ``left_out`` names the skipped files with the reasons;
    ``notes`` say how an input was read that can be read in several ways; ``departures``, what of it packages that only
    ``convert("RGB")`` would have read otherwise. ``generated`` counts the images whose metadata say that a model made
    them, ``generated_by`` lists what says so. ``short_name``: the slug that a run recorded. ``opened_with``: the
    arguments that it was opened with, if it was opened by name. ``grammar``: what its captions say, if that is known
    exactly.
    """

    name: str
    sha256: str
    train: Split
    test: Split
    classes: tuple[str, ...] = ()
    skipped: int = 0
    whole: Split | None = field(default=None, repr=False)
    own_splits: bool = True
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    departures: tuple[str, ...] = ()
    generated: int = 0
    generated_by: str = ""
    short_name: str = ""
    opened_with: DatasetRequest | None = field(default=None, repr=False, compare=False)
    grammar: Grammar | None = field(default=None, repr=False, compare=False)

    def everything(self) -> Split:
        """Return all images, training images first; nothing is copied if the data set is packed."""
        if self.whole is not None:
            return self.whole
        train, test = self.train, self.test
        labels = None
        if train.labels is not None and test.labels is not None:
            labels = np.concatenate([train.labels, test.labels])
        return Split("all", np.concatenate([train.pixels, test.pixels]), labels, train.levels)

    @property
    def slug(self) -> str:
        """A short name that is safe as a folder's: ``digits``, ``folder-photos``, ``folder-cats-train``."""
        kind, _, argument = self.name.partition(":")
        if self.short_name or not argument:
            return self.short_name or kind
        argument, _, pattern = argument.partition("?glob=")
        *above, last = ["", *argument.replace("\\", "/").rstrip("/").split("/")]
        names = [above[-1], last] if last.lower() in SPLITS else [last]  # a split alone names no data set
        words = ["".join(c if c.isalnum() else "-" for c in name) for name in names]
        words += ["-".join(re.findall(r"[^\W_]+", pattern))]
        whole = "-".join([kind, *filter(None, words)]).strip("-")
        if len(os.fsencode(whole)) <= LONGEST_SLUG:
            return whole
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        return f"{os.fsencode(whole)[:SHORTENED].decode(errors='ignore')}-{digest}"

    @property
    def levels(self) -> int:
        """Number of grey levels of a channel."""
        return self.train.levels

    def info(self) -> DataInfo:
        """Return what a model is told about the data."""
        count = len(self.classes)
        labels = self.train.labels
        frequencies: tuple[float, ...] = ()
        if labels is not None and count:
            frequencies = tuple((np.bincount(labels, minlength=count) / len(labels)).tolist())
        _, c, h, w = self.train.pixels.shape
        prompts = self.train.captions is not None
        return DataInfo((c, h, w), self.levels, count, frequencies, len(self.train), prompts, tuple(self.classes))
