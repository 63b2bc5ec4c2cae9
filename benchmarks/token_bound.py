"""What a transformer of tokens is worth: its bound in bits per dimension, and that of the codes' frequencies at each place.

Both have the same tokens and decoder; only log p(z) differs. The frequencies are counted in the training images, with one
added to each count, so that no code has none.

uv run python benchmarks/token_bound.py runs/digits/vq-gpt/1234
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from genkit_tokens.normalised import NormalisedTokenModel
from torch import Tensor
from torch.nn.functional import one_hot

from genkit.models.precision import full_precision
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import load, named_run


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=1000, help="test images")
    arguments = parser.parse_args()
    run = named_run(arguments.run)
    model, data = load(run), open_run_dataset(run)
    if not isinstance(model, NormalisedTokenModel):
        raise SystemExit(f"{run.config.model} has no probability of tokens: name a run of vq-gpt or var")
    log_p = frequencies(model, list(data.train.chunks(250))).log()
    images = data.test.images(slice(0, arguments.count))
    tokens = torch.cat([model.tokens(part) for part in images.split(100)])
    bound = torch.cat([model.log_likelihood(p, generator=torch.Generator().manual_seed(0)) for p in images.split(100)])
    with full_precision(images.device):
        prior = torch.cat([model.log_mixture(part) for part in tokens.split(25)])
    counted = log_p.gather(1, tokens.T).sum(0)
    scale = -images[0].numel() * math.log(2)
    for name, values in (("transformer", bound), ("frequencies of each place", bound - prior + counted)):
        bits = values / scale
        print(f"{name}: {bits.mean():.4f} +- {1.96 * bits.std() / math.sqrt(len(bits)):.4f} bits per dimension")
    print(f"tokens: {-prior.mean():.1f} nats by the transformer, {-counted.mean():.1f} by the frequencies")


def frequencies(model: NormalisedTokenModel, chunks: list[Tensor]) -> Tensor:
    """Probabilities [T, codes] of each place's codes in the training images."""
    codes = model.tokenizer.quantiser.codes
    counts = torch.stack([one_hot(model.tokens(images), codes).sum(0) for images in chunks]).sum(0) + 1
    return counts / counts.sum(1, keepdim=True)


if __name__ == "__main__":
    main()
