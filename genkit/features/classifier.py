"""A small classifier used as feature extractor, for labelled images of any shape."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor, nn

from genkit.errors import DataError, MissingError, UsageError
from genkit.features import metadata
from genkit.features.extractor import Extractor
from genkit.files.integrity import Damaged, sealed
from genkit.files.locks import waiting
from genkit.files.reading import entire, read_file
from genkit.files.writing import write_atomic

DIM = 64


class Classifier(nn.Module):
    """Convolutions down to about 4x4, a tanh bottleneck of 64 features, then class logits.

    Tanh features are bounded and none is dead, as ReLU features can be: all vary and none dominates a covariance.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        halvings = max(1, round(math.log2(max(min(height, width), 8) / 4)))
        hidden = 16
        layers: list[nn.Module] = [*_convolution(channels, hidden, 1)]
        for index in range(halvings):
            wider = min(64, hidden * 2)
            layers += _convolution(hidden, wider, 2)
            if index == 0:
                layers += _convolution(wider, wider, 1)
            hidden = wider
            height, width = -(-height // 2), -(-width // 2)
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d((min(height, 4), min(width, 4))), nn.Flatten())
        self.bottleneck = nn.Linear(hidden * min(height, 4) * min(width, 4), DIM)
        self.head = nn.Linear(DIM, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [N, 64] and logits [N, k] of uint8 images."""
        features = torch.tanh(self.bottleneck(self.body(images.float() / 127.5 - 1)))
        return features, self.head(features)


def _convolution(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()]


class ClassifierExtractor(Extractor):
    """A trained classifier with its metadata; features are its tanh bottleneck."""

    def __init__(self, module: Classifier, info: metadata.Metadata, device: str = "cpu") -> None:
        super().__init__(info["name"], info["sha256"], info["dim"], module, device)
        self.info = info
        self.classes = tuple(info.get("classes", ()))

    def choices(self) -> dict[str, str]:
        """Images are not resized."""
        return {"resize": "none", "normalisation": "x / 127.5 - 1", "dtype": "float32", "layer": "tanh bottleneck"}

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError for images of another shape than the training images."""
        if list(shape) != list(self.info["shape"]):
            wanted, given = ("x".join(map(str, size)) for size in (self.info["shape"], shape))
            (channels, *sides), flags = self.info["shape"], []
            if list(shape[1:]) != sides and sides[0] == sides[1]:
                flags.append(f"--size {sides[0]}")
            if (channels, shape[0]) == (1, 3):
                flags.append("--grey")
            hint = f"add {' '.join(flags)}, " if flags else ""
            raise UsageError(
                f"{self.name} takes {wanted} images (channels x height x width), not {given}: {hint}"
                f"choose --features inception or random-conv, or run `genkit features train`"
            )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the bottleneck and the class logits."""
        features, logits = self.module(images)
        return features, logits


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Shift each image by up to ``most`` pixels along both axes, edges repeated."""
    n, _, height, width = images.shape
    padded = F.pad(images.float(), (most,) * 4, mode="replicate").to(torch.uint8)
    down, right = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator)
    rows, columns = torch.arange(height) + down, torch.arange(width) + right
    each = torch.arange(n)[:, None, None]
    moved: Tensor = padded[each, :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def save(module: Classifier, facts: dict[str, Any], folder: Path) -> metadata.Metadata:
    """Write the weights, and then the metadata ``NAME.json``; ``facts`` are the metadata without sha256.

    The weights' file is named by their hash, which is in the metadata: an earlier classifier of the name stays whole
    until the new metadata replaces the old.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    data = tensors_to_bytes(state)
    info = {**facts, "sha256": hashlib.sha256(data).hexdigest()}
    kept = _weights(folder, info)
    with waiting(folder / ".lock", f"saves {info['name']}"):  # or it may remove these weights as earlier ones
        write_atomic(kept, data)
        write_atomic(folder / f"{info['name']}.json", sealed(info))
        earlier = re.compile(rf"{re.escape(info['name'])}(-[0-9a-f]{{12}})?\.safetensors")
        for other in folder.iterdir():
            if earlier.fullmatch(other.name) and other != kept:
                other.unlink(missing_ok=True)
    return info


def _weights(folder: Path, info: metadata.Metadata) -> Path:
    return folder / f"{info['name']}-{info['sha256'][:12]}.safetensors"


def load(folder: Path, name: str, device: str = "cpu") -> ClassifierExtractor:
    """Load a classifier; raises MissingError without its files, DataError if the weights' hash is wrong."""
    info = metadata.read(folder / f"{name}.json")
    path, plain = _weights(folder, info), folder / f"{name}.safetensors"
    if plain.exists() and not path.exists():  # the one that comes with genkit, and those of older versions
        path = plain
    try:
        data = read_file(path, entire())
    except FileNotFoundError as error:
        if metadata.read(folder / f"{name}.json") != info:  # another process has just trained it again
            return load(folder, name, device)
        raise MissingError(f"the weights {path} are not there: train them again") from error
    if hashlib.sha256(data).hexdigest() != info["sha256"]:
        raise Damaged(f"{path} does not have the sha256 that its metadata records: train it again")
    channels, height, width = info["shape"]
    module = Classifier((channels, height, width), len(info["classes"]))
    try:
        module.load_state_dict(tensors_from_bytes(data))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"{path} does not fit this genkit's classifier: train it again") from error
    return ClassifierExtractor(module, info, device)
