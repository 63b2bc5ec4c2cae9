"""The models of genkit-tokens."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import ModelSpec, hookimpl

_MODELS = (
    ("vq-gpt", "vq_gpt:VQGPT", "Tokens written one after another by a transformer with a cache", "2406.06525"),
    ("maskgit", "maskgit:MaskGIT", "Masked tokens filled in by a transformer, the surest first", "2202.04200"),
    ("var", "var:VAR", "Tokens of the next scale, all at once, from coarse to fine", "2404.02905"),
)

_PUBLISHED = {
    "maskgit": "ImageNet 256 FID 6.18 in 8 steps",
    "var": "ImageNet 256 FID 1.73 (VAR-d30); 3.30 with 310 M parameters",
    "vq-gpt": "ImageNet 256 FID 2.18 (LlamaGen-3B); 3.80 with 343 M parameters",
}
"""Published results, for orientation only: networks, budgets and evaluators differ."""


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """Token models."""
    for name, target, summary, paper in _MODELS:
        yield ModelSpec(
            name,
            f"genkit_tokens.{target}",
            family="tokens",
            summary=summary,
            paper=f"arXiv:{paper}",
            published=_PUBLISHED.get(name, ""),
        )
