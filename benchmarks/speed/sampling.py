"""Drawing tokens: vq-gpt with its cache, against LlamaGen's own generate with the same weights, and uncached.

Goals on one thread: 1.15 times LlamaGen's speed at 64 tokens x 1 image, 1.35 at 256 x 1 and 64 x 64; 9 times uncached
at 256 x 1 and 12 at 64 x 16; var's latency at most a quarter of vq-gpt's; the cache takes the bytes of its formula.
The path is of a checkout of https://github.com/FoundationVision/LlamaGen, none of which is in this repository.

uv run python benchmarks/speed/sampling.py --llamagen ../LlamaGen
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from genkit_tokens.positions import causal
from genkit_tokens.prefix import Prefix
from genkit_tokens.sampling import Guidance, draw, probabilities
from genkit_tokens.token_model import TokenOptions
from genkit_tokens.var import VAR, VAROptions
from genkit_tokens.vq_gpt import VQGPT
from paired import machine, paired

from genkit.models import DataInfo

WIDTH, LAYERS, HEADS, CODES, CLASSES, GUIDANCE = 256, 6, 8, 512, 10, 1.5


def info(side: int) -> DataInfo:
    """Images whose grid of tokens has this side."""
    return DataInfo((3, 4 * side, 4 * side), 256, CLASSES, (1 / CLASSES,) * CLASSES)


def model(side: int) -> VQGPT:
    torch.manual_seed(0)
    options = TokenOptions(levels=(8, 8, 8), width=WIDTH, layers=LAYERS, heads=HEADS, channels=8)
    made = VQGPT(options, info(side)).eval()
    for weight in made.transformer.head.parameters():
        torch.nn.init.normal_(weight, std=0.02)
    made.sampling = VQGPT.Sampling(guidance=GUIDANCE)
    return made


def theirs(path: Path, ours: VQGPT, side: int) -> Callable[[int], torch.Tensor]:
    """LlamaGen's transformer with our weights, and its own function that draws."""
    sys.path.insert(0, str(path))
    from autoregressive.models.generate import generate  # type: ignore[import-not-found]
    from autoregressive.models.gpt import ModelArgs, Transformer  # type: ignore[import-not-found]

    sizes = {"dim": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "multiple_of": 8, "vocab_size": CODES}
    their = Transformer(ModelArgs(**sizes, num_classes=CLASSES, block_size=side * side, rope_base=100)).eval()
    own = ours.transformer
    their.cls_embedding.embedding_table.load_state_dict(own.labels.state_dict())
    their.tok_embeddings.weight.data.copy_(own.embedding.table())
    their.norm.weight.data.copy_(own.norm.weight)
    their.output.weight.data.copy_(own.head.table())
    for layer, block in zip(their.layers, own.blocks, strict=True):
        layer.attention.wqkv.load_state_dict(block.qkv.state_dict())
        layer.attention.wo.load_state_dict(block.out.state_dict())
        gate, value = block.up.weight.data.chunk(2)
        layer.feed_forward.w1.weight.data.copy_(gate)
        layer.feed_forward.w3.weight.data.copy_(value)
        layer.feed_forward.w2.load_state_dict(block.down.state_dict())
        layer.attention_norm.weight.data.copy_(block.before.weight)
        layer.ffn_norm.weight.data.copy_(block.between.weight)
    return lambda n: generate(their, torch.arange(n) % CLASSES, side * side, cfg_scale=GUIDANCE, top_k=0, top_p=1.0)


def uncached(ours: VQGPT, labels: torch.Tensor) -> None:
    """Draw with the whole sequence so far at every step."""
    generator = torch.Generator().manual_seed(0)
    guidance = Guidance(Prefix(labels), CLASSES, GUIDANCE)
    tokens = torch.empty(len(labels), 0, dtype=torch.int64)
    for _ in range(ours.tokenizer.length):
        contents = ours.contents(guidance.prefix, guidance.double(tokens))
        mask = causal(contents.shape[1], contents.device)
        logits = guidance.guide(ours.transformer.whole(guidance.prefix, contents, mask=mask)[:, -1])
        tokens = torch.cat([tokens, draw(probabilities(logits, ours.sampling), generator)[:, None]], 1)


def rate(function: Callable[[], object]) -> float:
    """Calls a CPU-second."""
    began = time.process_time()
    function()
    return 1 / (time.process_time() - began)


def against_llamagen(path: Path, side: int, n: int, rounds: int) -> None:
    ours, labels, generator = model(side), torch.arange(n) % CLASSES, torch.Generator().manual_seed(0)
    generate = theirs(path, ours, side)
    compared(
        f"{side * side} x {n} against LlamaGen",
        lambda: ours.draw_tokens(labels, generator),
        lambda: generate(n),
        rounds,
    )


def against_uncached(side: int, n: int, rounds: int) -> None:
    ours, labels, generator = model(side), torch.arange(n) % CLASSES, torch.Generator().manual_seed(0)
    name = f"{side * side} x {n} against uncached"
    compared(name, lambda: ours.draw_tokens(labels, generator), lambda: uncached(ours, labels), rounds)


def var_against_vq_gpt(n: int, rounds: int) -> None:
    options = VAROptions(codes=CODES, width=WIDTH, layers=LAYERS, heads=HEADS, channels=8)
    sampler, ours, generator = VAR(options, info(8)).eval(), model(8), torch.Generator().manual_seed(0)
    sampler.sampling = VAR.Sampling(guidance=GUIDANCE)
    labels = torch.arange(n) % CLASSES
    runs = [lambda m=m: m.draw_tokens(labels, generator) for m in (sampler, ours)]
    compared(f"var against vq-gpt, 8x8 x {n}", *runs, rounds)


def compared(name: str, ours: Callable[[], object], other: Callable[[], object], rounds: int) -> None:
    ours(), other()
    paired(name, lambda: rate(ours), lambda: rate(other), rounds)


def memory(n: int) -> None:
    """Growth of the process while images are drawn, over the bytes of the cache."""
    ours, labels = model(16), torch.arange(n) % CLASSES
    ours.draw_tokens(labels[:1], torch.Generator().manual_seed(0))
    bytes_of_cache = 2 * n * ours.transformer.cache_bytes(256)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours.draw_tokens(labels, torch.Generator().manual_seed(0))
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    print(
        f"memory at 256 x {n}, guided: {grown:,} bytes more, {grown / bytes_of_cache:.2f} times the cache", flush=True
    )


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llamagen", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    memory(32)
    if arguments.llamagen:
        for side, n in ((8, 1), (16, 1), (8, 64)):
            against_llamagen(arguments.llamagen, side, n, arguments.rounds)
    for n in (1, 64):
        var_against_vq_gpt(n, arguments.rounds)
    against_uncached(16, 1, min(3, arguments.rounds))
    against_uncached(8, 16, min(3, arguments.rounds))


if __name__ == "__main__":
    main()
