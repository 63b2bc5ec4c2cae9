"""Grids of images with the prompts that they were drawn for, a line of text above the rows of each."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.images import grid, grid_size
from genkit.errors import one_line

SIZE = 14
"""Pixels of a line's letters."""
MARGIN = 4
MOST_LINES = 3


def captioned_grid(
    images: NDArray[np.uint8], captions: Sequence[str], columns: int, width: int = 640
) -> NDArray[np.uint8]:
    """Lay uint8 images [N, C, H, W] out by caption, which they have in turn: [H', W', C]."""
    blocks = []
    for number, caption in enumerate(captions):
        rows = grid(images[number :: len(captions)], columns, width=width)
        blocks += [strip(caption, rows.shape[1], rows.shape[2]), rows]
    return np.concatenate(blocks)


def captioned_size(
    count: int, size: tuple[int, int], captions: Sequence[str], columns: int, width: int = 640
) -> tuple[int, int]:
    """Return the height and width of the ``captioned_grid`` of so many images of a size (height, width)."""
    height, width = grid_size(count // len(captions), columns, size, width=width)
    return sum(height + len(strip(caption, width, 1)) for caption in captions), width


def strip(text: str, width: int, channels: int) -> NDArray[np.uint8]:
    """Return a text in black on white [height, width, channels], broken into lines; what is too long is left out."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(SIZE)
    lines = list(itertools.islice(_broken(one_line(text), width - 2 * MARGIN, font.getlength), MOST_LINES + 1))
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1][:-3]}..."]
    height = (SIZE + MARGIN) * max(1, len(lines)) + MARGIN
    sheet = Image.new("L", (width, height), 255)
    ImageDraw.Draw(sheet).multiline_text((MARGIN, MARGIN // 2), "\n".join(lines), 0, font, spacing=MARGIN)
    return np.asarray(sheet)[..., None].repeat(channels, axis=2)


def _broken(text: str, width: int, length: Any) -> Iterator[str]:
    """Yield lines of a text that are no longer than ``width``, broken at spaces where there are some."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if len(longer) <= width and length(longer) <= width:
            line = longer
            continue
        if line:
            yield line
        while length(word[:width]) > width and len(word) > 1:
            # Letters are at least a pixel wide: no more of them than pixels fit.
            fits = bisect.bisect_right(range(1, min(len(word), width)), width, key=lambda count: length(word[:count]))
            fits = max(1, fits)
            yield word[:fits]
            word = word[fits:]
        line = word
    yield line
