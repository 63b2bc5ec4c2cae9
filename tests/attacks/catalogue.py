"""All classes of attacks by name, and how many tries make a whole run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attacks import archives, downloads, flips, names, plugins, processes, records
from attacks.trying import Attack

CLASSES: dict[str, Attack] = {
    "flips": flips.attack,
    "records": records.attack,
    "archives": archives.attack,
    "names": names.attack,
    "plugins": plugins.attack,
    "downloads": downloads.attack,
    "kills": processes.kill,
    "starts": processes.start,
}
"""Those of ``kills`` and ``starts`` start processes of their own; the others work in a fork of the warm process."""

TRIES = {name: 60 if name in ("kills", "starts") else 500 for name in CLASSES}

LIMITS = {"kills": 240.0}
"""Seconds for a try, where it is several processes, each of which has its own limit; else ``trying.LIMIT``."""

WHAT = {
    "flips": "kept files damaged on the disk, with and without their times restored",
    "records": "records, run.json, checkpoints and settings changed by hand, with hashes that fit again",
    "archives": "hostile and damaged images, npz, npy, zip, tar, gzip, weights, labels",
    "names": "names of files, folders, classes and models with odd bytes, controls and formulas",
    "plugins": "plugins that raise, print, exit, or return what they should not",
    "downloads": "mirrors that lie, break off, drip, or never end",
    "kills": "real processes killed by SIGKILL, SIGTERM, SIGHUP or SIGINT, then run again",
    "starts": "real processes with a plugin that is bad at start",
}


def in_turn(due: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield (class, number) so that each class gets its share at any time."""
    order = [((number + 0.5) / count, name, number) for name, count in due.items() for number in range(count)]
    for _, name, number in sorted(order):
        yield name, number
