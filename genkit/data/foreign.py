"""Sources of plugins, checked: what they raise, call or give is named, and never taken for genkit's own fault."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from genkit.data.listed import key_json
from genkit.data.source import DatasetRequest, Item, Source, SourceItems
from genkit.errors import DataError, GenkitError, PluginError
from genkit.files.guard import guarded, sentence
from genkit.registry.fence import fence_of

if TYPE_CHECKING:
    from genkit.registry.specs import DatasetSpec

T = TypeVar("T")


def source_of(spec: DatasetSpec, request: DatasetRequest) -> Source:
    """Return the source of a data set; raises PluginError, which names it, where a plugin's fails."""

    def failed(error: BaseException) -> NoReturn:
        if spec.target.startswith("genkit."):
            raise error
        raise PluginError(f"dataset {spec.name!r} of {spec.target} can't be opened: {sentence(error)}") from error

    what = f"dataset {spec.name!r} of {spec.target}"
    with guarded(failed, (GenkitError,)), fence_of(spec.target.partition(":")[0], what):
        source = spec.load()(request)
        if not isinstance(source, Source):
            raise PluginError(f"dataset {spec.name!r}: {spec.target} returns {type(source).__name__}, not a Source")
        if not isinstance(getattr(source, "name", None), str):
            raise PluginError("its name is not text")
        return source


MOMENT = 0.1
LARGE = 1 << 20
"""Seconds that go by, and bytes that are held, until the items of a moment are passed on."""


class Foreign(Source):
    """A source that a plugin made, asked behind the guard and the fence; ``what`` names it."""

    def __init__(self, source: Source, what: str) -> None:
        self.source, self.what = source, what
        self.name = self._asked("name fails", lambda: source.name)

    def key(self) -> Any:
        """Return the source's key; raises PluginError where it fails or is no JSON."""
        return self._asked("key fails", lambda: json.loads("".join(key_json(self.source.key()))))

    def read(self) -> SourceItems:
        """Return what the source gives; raises PluginError if it can't, also for each image as it comes."""
        contents = self._asked("reading fails", lambda: _checked(self.source.read()))
        return dataclasses.replace(contents, items=self._items(contents), rules=None)

    def close(self) -> None:
        """Close the source."""
        self._asked("closing fails", self.source.close)

    def _items(self, contents: SourceItems) -> Iterator[Item | None]:
        failure = "images fail"
        items = self._asked(failure, lambda: iter(contents.items))
        while some := self._asked(failure, lambda: self._some(items, contents)):
            some.reverse()
            while some:
                yield some.pop()  # not held here, as it may be large, while the next is made
        self._asked(failure, lambda: _checked(contents))  # to which notes may have been added

    def _some(self, items: Iterator[Item | None], contents: SourceItems) -> list[Item | None]:
        """Return the next items, those of a moment, as the fence takes longer than a small image; none at the end."""
        some, size, until = list[Item | None](), 0, time.monotonic() + MOMENT
        for item in items:
            some.append(item)
            if item is not None:
                verify(item, contents, self.name)
                size += item.pixels.nbytes
            if size > LARGE or time.monotonic() > until:
                break
        return some

    def _asked(self, failure: str, ask: Callable[[], T]) -> T:
        def failed(error: BaseException) -> NoReturn:
            if isinstance(error, GenkitError) and not isinstance(error, PluginError):
                raise error
            raise PluginError(f"{self.what} can't be read: its {failure}: {sentence(error)}") from error

        with guarded(failed), fence_of(type(self.source).__module__, self.what):
            return ask()


def kind_of(source: Source) -> tuple[str, str]:
    """Return the module and name of a source's class."""
    kind = type(source.source if isinstance(source, Foreign) else source)
    return kind.__module__, kind.__qualname__


def verify(item: Item, contents: SourceItems, name: str) -> None:
    """Raise DataError, which begins with ``name``, for an item that is not as the contract and the contents say."""
    if not isinstance(item, Item):
        raise DataError(f"{name} gives {type(item).__name__} where an Item is due")
    pixels, label, count = item.pixels, item.label, len(contents.classes)
    if not isinstance(pixels, np.ndarray):
        raise DataError(f"{name} gives pixels of {type(pixels).__name__} where an array is due")
    fits = pixels.shape == contents.shape or (
        contents.mixed and pixels.ndim == 3 and all(map(int.__le__, pixels.shape, contents.shape))
    )
    if pixels.dtype != np.uint8 or not fits:
        raise DataError(f"{name} gives an image of {pixels.dtype} {pixels.shape} where uint8 {contents.shape} is due")
    if contents.levels < 256 and pixels.max() >= contents.levels:
        raise DataError(f"{name} gives level {pixels.max()} where 0 .. {contents.levels - 1} is due")
    if (label is None) != (count == 0) or (label is not None and not (_is_whole(label) and 0 <= label < count)):
        due = f"one in 0 .. {count - 1}" if count else "none"
        raise DataError(f"{name} gives label {label!r} where {due} is due")
    if item.split not in (None, "train", "test"):
        raise DataError(f"{name} gives split {item.split!r} where 'train', 'test' or None is due")
    if not isinstance(item.name, str) or not _are_texts(item.captions):
        raise DataError(f"{name} gives name {item.name!r} and captions {item.captions!r} where texts are due")


def _checked(contents: Any) -> SourceItems:
    """Return what a source gives with plain numbers; raises PluginError where it is not as the contract says."""
    if not isinstance(contents, SourceItems):
        raise PluginError(f"it gives {type(contents).__name__}, not SourceItems")
    shape = contents.shape
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(_is_whole(side) and side > 0 for side in shape)):
        raise PluginError(f"its shape is {shape!r}, not (channels, height, width)")
    for field in ("levels", "skipped"):
        if not _is_whole(getattr(contents, field)):
            raise PluginError(f"its {field} is {getattr(contents, field)!r}, not a whole number")
    for field in ("classes", "left_out", "notes", "departures"):
        if not _are_texts(getattr(contents, field)):
            raise PluginError(f"its {field} is {getattr(contents, field)!r}, not texts")
    if not isinstance(contents.undecided, str):
        raise PluginError(f"its undecided is {type(contents.undecided).__name__}, not text")
    channels, height, width = map(int, shape)
    levels, skipped = int(contents.levels), int(contents.skipped)
    return dataclasses.replace(contents, shape=(channels, height, width), levels=levels, skipped=skipped)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(each, str) for each in value)
