"""Whether locks hold in a folder, as far as one machine can find out."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from genkit.files.locks import excludes, take
from genkit.files.reading import read_file

MOUNTS = Path("/proc/self/mountinfo")


def why_no_locks(folder: Path) -> str:
    """Return why a lock in a folder may not keep other processes out, those of other machines too; empty if it does.

    A lock is taken for a try. Whether other machines see it can't be tried from here: the kind of the file system and
    its options say so, on Linux. OSError of a folder that can't be written passes through.
    """
    descriptor, name = tempfile.mkstemp(prefix=".lock-probe-", dir=folder)
    try:
        take(descriptor)
        if not excludes(Path(name)):
            return "a lock that one process has is given to another as well"
    except OSError as error:
        return f"its file system has none ({error.strerror or error})"
    finally:
        os.close(descriptor)
        os.unlink(name)
    return _of_one_machine(folder)


def _of_one_machine(folder: Path) -> str:
    """Return why locks in a folder are not seen by other machines that share it; empty if they are, or none does."""
    kind, options = _mount(folder)
    local = {
        "nolock": "is mounted with nolock",
        "local_lock=all": "is mounted with local_lock=all",
        "local_lock=flock": "is mounted with local_lock=flock",
        "localflock": "is mounted with localflock",
    }
    if kind.startswith(("nfs", "lustre")):
        said = next((local[option] for option in options if option in local), "")
    elif kind in ("gpfs", "beegfs") or (kind.startswith("fuse.") and kind != "fuse.fuse-overlayfs"):
        said = "may keep locks within one machine"
    else:
        said = ""
    return f"its file system, {kind}, {said}" if said else ""


def _mount(folder: Path) -> tuple[str, list[str]]:
    """Return the kind and the options of the file system of a folder; nothing where the system does not list them."""
    found: tuple[str, list[str]] = ("", [])
    place, longest = str(folder.resolve()), -1
    try:
        lines = os.fsdecode(read_file(MOUNTS)).splitlines()
    except OSError:
        return found
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, more = before.split(" "), after.split(" ")
        if len(fields) < 6 or len(more) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
        within = place == point or place.startswith(point.rstrip("/") + "/")
        if within and len(point) >= longest:  # of two on one place, the later one is what is seen
            longest = len(point)
            found = more[0], [*fields[5].split(","), *more[2].split(",")]
    return found
