"""The weights files that genkit can use: where they are published, their hash, licence and size. Needs no torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from genkit.downloads import Progress, download
from genkit.errors import DataError, MissingError, UnknownName
from genkit.files.folders import cache_dir
from genkit.files.integrity import sha256_file
from genkit.files.reading import read_file
from genkit.files.writing import write_atomic


@dataclass(frozen=True)
class WeightsFile:
    """A published file: ``urls`` are mirrors, ``size`` is in bytes.

    Without ``urls`` the user gets the file from its publisher and adds it with ``genkit weights add``.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    licence: str
    summary: str

    @property
    def path(self) -> Path:
        """Its place in the cache."""
        return cache_dir() / "weights" / self.file


_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2"

WEIGHTS = (
    WeightsFile(
        "inception",
        "weights-inception-2015-12-05-6726825d.pth",
        (
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        ),
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        95_628_359,
        "Apache-2.0",
        "Inception-v3 of the published FID",
    ),
    WeightsFile(
        "dinov2-vit-s-14",
        "dinov2_vits14_pretrain.pth",
        (f"{_DINOV2}/dinov2_vits14/dinov2_vits14_pretrain.pth",),
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        88_283_115,
        "Apache-2.0",
        "DINOv2, small",
    ),
    WeightsFile(
        "dinov2-vit-b-14",
        "dinov2_vitb14_pretrain.pth",
        (f"{_DINOV2}/dinov2_vitb14/dinov2_vitb14_pretrain.pth",),
        "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
        346_378_731,
        "Apache-2.0",
        "DINOv2, base",
    ),
    WeightsFile(
        "dinov2-vit-l-14",
        "dinov2_vitl14_pretrain.pth",
        (f"{_DINOV2}/dinov2_vitl14/dinov2_vitl14_pretrain.pth",),
        "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
        1_217_586_395,
        "Apache-2.0",
        "DINOv2, large",
    ),
    WeightsFile(
        "alexnet",
        "alexnet-owt-7be5be79.pth",
        (),
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
        "BSD-3-Clause",
        "torchvision's AlexNet, for lpips",
    ),
    WeightsFile(
        "vgg16",
        "vgg16-397923af.pth",
        (),
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
        "BSD-3-Clause",
        "torchvision's VGG-16, for ppl",
    ),
)


def find(name: str) -> WeightsFile:
    """Return the file of that name; raises UnknownName with a suggestion."""
    for weights in WEIGHTS:
        if weights.name == name:
            return weights
    names = [weights.name for weights in WEIGHTS]
    raise UnknownName("weights file", name, names, f"  (there are {', '.join(names)})")


def pull(name: str, progress: Progress | None = None) -> Path:
    """Return the path of a file, downloaded if it is not in the cache; its hash is checked.

    Raises UnknownName, MissingError if no mirror has it, DataError if it can't be written.
    """
    weights = find(name)
    if not weights.urls and state(weights) != "ok":
        raise MissingError(
            f"genkit does not download {weights.file}: fetch it with torchvision, which publishes it, and then "
            f"genkit weights add {weights.name} FILE"
        )
    return download(
        weights.urls,
        weights.sha256,
        weights.path,
        what=f"the weights file {weights.name!r}",
        size=weights.size,
        remedy=f"name a copy with --weights FILE, or put it at {weights.path} (genkit weights add {weights.name} FILE)"
        "; --features random-conv and pixels need no weights",
        progress=progress,
    )


def add(name: str, source: Path) -> Path:
    """Copy the user's file into the cache and return its path there.

    Raises UnknownName, MissingError for a file that can't be read, DataError for a wrong hash or a full disk.
    """
    weights = find(name)
    try:
        data = read_file(source, weights.size)
    except OSError as error:
        raise MissingError(f"the file {source} can't be read: {error.strerror or error}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != weights.sha256:
        raise DataError(f"{source} is not {name}: its sha256 is {sha256}, that of {name} is {weights.sha256}")
    path = weights.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except OSError as error:
        raise DataError(
            f"{source} can't be copied to {path} ({error.strerror or error}): make room there or set GENKIT_CACHE"
        ) from error
    return path


def state(weights: WeightsFile) -> str:
    """Hash the cached file and return ``ok``, ``damaged`` or ``absent``."""
    if not weights.path.is_file():
        return "absent"
    return "ok" if sha256_file(weights.path) == weights.sha256 else "damaged"
