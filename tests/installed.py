"""The metadata that installing a distribution leaves, in a folder to be imported from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def dist_info(folder: Path, dist: str, entries: Mapping[str, str], version: str = "1.0") -> Path:
    """Write the metadata of a distribution whose plugins are ``entries``, modules by name; return its folder."""
    info = folder / f"{dist.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
    lines = "".join(f"{name} = {module}\n" for name, module in entries.items())
    (info / "entry_points.txt").write_text(f"[genkit]\n{lines}")
    return info
