"""Inception features of uint8 images against torch-fidelity's extractor, both with the same random weights. Goal: >= 2.5.

uv run python benchmarks/speed/inception.py --images 128 --rounds 5

torch-fidelity sees batches of 64, the default of its command; genkit is given the same images. Also measured: what
bfloat16 costs in precision and gains in speed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from paired import machine, paired

from genkit.features import load_extractor
from genkit.features.inception_layout import untrained_state

Extract = Callable[[torch.Tensor], torch.Tensor]


def theirs(weights: Path) -> Extract:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("peer", ["2048", "logits_unbiased"], str(weights))

    @torch.inference_mode()
    def extract(images: torch.Tensor) -> torch.Tensor:
        return network(images)[0]

    return extract


def rate(extract: Extract, images: torch.Tensor, batch: int) -> float:
    """Images per second."""
    began = time.perf_counter()
    for piece in images.split(batch):
        extract(piece)
    return len(images) / (time.perf_counter() - began)


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference of a feature, relative to the largest feature."""
    return float((found - expected).abs().max() / expected.abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=128, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=64, help="height and width of the images")
    arguments = parser.parse_args()
    print(machine())
    generator = torch.Generator().manual_seed(0)
    shape = (arguments.images, 3, arguments.size, arguments.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "inception.pth")
        torch.save(untrained_state(), weights)
        peer = theirs(weights)
        extractors = {
            precision: load_extractor("inception", weights=weights, choices={"precision": precision})
            for precision in ("float32", "bfloat16")
        }
    few = images[:8]
    expected = peer(few)
    for precision, extractor in extractors.items():
        found = difference(extractor(few).features, expected)
        print(f"largest difference of a {precision} feature: {found:.1e} of the largest feature")
        paired(
            f"inception {precision}, images/s",
            lambda extractor=extractor: rate(lambda piece: extractor(piece).features, images, arguments.batch),
            lambda: rate(peer, images, arguments.batch),
            arguments.rounds,
        )


if __name__ == "__main__":
    main()
