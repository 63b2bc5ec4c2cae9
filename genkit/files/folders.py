"""The folders that genkit uses."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the cache folder: ``GENKIT_CACHE``, else the platform's."""
    given = os.environ.get("GENKIT_CACHE")
    if given:
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_cache_dir("genkit"))


CACHED = {
    "data": "packed data sets; packed again when they are next opened",
    "seen": "features of reference images and samples; extracted again when they are next measured",
    "downloads": "downloaded data sets; downloaded again when they are next opened",
    "records": "indexes of stores with many records; made again when boards are next made",
    "weights": "weights of extractors; downloaded again, or added again by genkit weights add",
    "features": "extractors trained here; trained again by genkit features train",
    "judges": "judges of whether prompts were obeyed; trained again when they are next needed",
    "checked": "when files of over 256 MB were last found undamaged; checked again when they are next read",
}
"""The folders of the cache, and how what they hold comes back after it is removed."""


def data_root() -> Path | None:
    """Return the folder of downloaded data sets that ``GENKIT_DATA`` names, or None."""
    given = os.environ.get("GENKIT_DATA")
    return Path(given) if given else None
