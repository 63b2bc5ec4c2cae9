"""CLIP score: how similar samples are to their prompts, by torchmetrics over a local CLIP model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genkit.data.extras import extra_module
from genkit.errors import DataError, MissingError, Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 32


def clip_score(evidence: Evidence) -> Score:
    """Return 100 times the mean cosine similarity of samples and their prompts, at most 100; higher is better.

    Hessel et al. 2021 (arXiv:2104.08718), as torchmetrics computes it. Grey images are repeated to three channels. The
    interval is over samples. Raises Unmeasurable without a CLIP model or for samples without prompts, DataError for a
    folder without a model.
    """
    folder, prompts = evidence.parameters["weights"], evidence.generated_prompts
    if prompts is None:
        raise Unmeasurable("the samples were not drawn for prompts: the reference images have no captions")
    if not folder:
        raise Unmeasurable("it needs a CLIP model in Hugging Face's layout: -p clip_score.weights=FOLDER")
    import torch
    from torchmetrics.functional.multimodal.clip_score import _clip_score_update

    model, processor = _load(Path(folder))
    values, images = [], evidence.generated_images
    for start in range(0, len(images), CHUNK):
        chunk = torch.from_numpy(np.array(images[start : start + CHUNK])).expand(-1, 3, -1, -1).to(evidence.device)
        with torch.no_grad():
            scores, _ = _clip_score_update(list(chunk), prompts[start : start + CHUNK], model, processor)
        values.append(scores.double().cpu().numpy())
        evidence.progress("clip_score", start + len(chunk), len(images))
    return mean_score(np.concatenate(values)).within(-100.0, 100.0)


class _Embeddings:
    """A CLIP model as torchmetrics asks it: newer versions of transformers return more than the embeddings."""

    def __init__(self, model: Any) -> None:
        self.model, self.config = model.eval(), model.config

    def to(self, device: Any) -> _Embeddings:
        self.model.to(device)
        return self

    def get_image_features(self, pixels: Tensor) -> Tensor:
        return _embedding(self.model.get_image_features(pixels))

    def get_text_features(self, ids: Tensor, mask: Tensor) -> Tensor:
        return _embedding(self.model.get_text_features(ids, mask))


def _embedding(found: Any) -> Tensor:
    embedding: Tensor = getattr(found, "pooler_output", found)
    return embedding


def _load(folder: Path) -> tuple[Any, Any]:
    """Return the model and the processor of a folder; only local files are read, weights only as safetensors."""
    try:
        hub = extra_module("transformers", "text", "clip_score")
    except MissingError as error:
        raise Unmeasurable(str(error)) from error
    local: dict[str, Any] = {"local_files_only": True}
    shown = hub.utils.logging.is_progress_bar_enabled()
    hub.utils.logging.disable_progress_bar()
    try:
        model = hub.CLIPModel.from_pretrained(folder, use_safetensors=True, **local)
        return _Embeddings(model), hub.CLIPProcessor.from_pretrained(folder, **local)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise DataError(f"{folder} holds no CLIP model that transformers can read: {error}") from error
    finally:
        if shown:
            hub.utils.logging.enable_progress_bar()
