"""How much of its codes a tokenizer uses on training images: the share that occurs, and the perplexity of their frequencies.

uv run python benchmarks/token_codes.py runs/mnist/vq-gpt/1234
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from genkit_tokens.token_model import TokenModel

from genkit.training.run_data import open_run_dataset
from genkit.training.runs import load, named_run


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=10_000, help="training images")
    arguments = parser.parse_args()
    run = named_run(arguments.run)
    model, data = load(run), open_run_dataset(run)
    if not isinstance(model, TokenModel):
        raise SystemExit(f"{run.config.model} has no tokens")
    codes = model.tokenizer.quantiser.codes
    images = data.train.images(slice(0, arguments.count))
    shares = sum(torch.bincount(model.tokens(part).flatten(), minlength=codes) for part in images.split(250))
    shares = shares / shares.sum()
    used, perplexity = (shares > 0).sum(), torch.special.entr(shares).sum().exp()
    print(f"{len(images):,} images: {used} of {codes} codes occur, {used / codes:.1%}")
    print(f"perplexity {perplexity:.1f}, {perplexity / codes:.3f} of the codes")


if __name__ == "__main__":
    main()
