"""Images of a source that has one size, brought to another size or to grey as those of a folder are."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from PIL import Image

from genkit.data.decode import fit
from genkit.data.foreign import kind_of
from genkit.data.source import DatasetRequest, Item, Source, SourceItems


class Fitted(Source):
    """A source under the size and colour of a request; one that follows them itself is left as it is."""

    def __init__(self, source: Source, request: DatasetRequest) -> None:
        self.source = source
        self.name = source.name
        self.grammar = source.grammar
        self.request = request

    def key(self) -> Any:
        """Return the source's key and kind, and the options."""
        return [*kind_of(self.source), self.source.key(), self.request.changed()]

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def read(self) -> SourceItems:
        """Return the images; those of fewer than 256 levels, such as digits, are not changed."""
        contents = self.source.read()
        channels, height, width = contents.shape
        grey = channels == 1 or self.request.grey
        shape = (1 if grey else channels, *(self.request.shape or (height, width)))
        if shape == contents.shape or contents.levels != 256 or channels not in (1, 3):
            return contents
        items = (item and self._fitted(item, grey) for item in contents.items)
        return dataclasses.replace(contents, shape=shape, items=items, rules=None)

    def _fitted(self, item: Item, grey: bool) -> Item:
        flat = item.pixels[0] if len(item.pixels) == 1 else np.ascontiguousarray(item.pixels.transpose(1, 2, 0))
        pixels = fit(Image.fromarray(flat), grey=grey, size=self.request.shape, crop=self.request.crop)
        return dataclasses.replace(item, pixels=pixels, encoded=b"", at=None)
