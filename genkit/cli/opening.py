"""Opening a data set with a bar while it is packed, and a word on what was left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.progress import work_bar

if TYPE_CHECKING:
    from genkit.data import ImageDataset


def open_shown(reference: str, how: dict[str, Any]) -> ImageDataset:
    """Open a data set; the first time shows how far packing is."""
    from genkit.data import open_dataset

    return _shown(open_dataset, reference, how)


def images_shown(reference: str, how: dict[str, Any]) -> ImageDataset:
    """Open images that are only measured, in the same way."""
    from genkit.data import open_images

    return _shown(open_images, reference, how)


def _shown(opener: Callable[..., ImageDataset], reference: str, how: dict[str, Any]) -> ImageDataset:
    with work_bar() as show:
        data = opener(reference, progress=lambda done, total: show("packing", done, total), **how)
    if data.skipped:
        files = "1 bad file" if data.skipped == 1 else f"{data.skipped:,} bad files"
        click.echo(f"{data.name}: left out {files}", err=True)
    return data
