"""clip_score over a real CLIP of transformers, made small on the spot."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from genkit.errors import DataError, Unmeasurable
from genkit.features.cache import quiet
from genkit.metrics import Evidence
from genkit.metrics.clip_score import clip_score

transformers = pytest.importorskip("transformers")

PROMPTS = ["a red 7", "an 8", "a blue 3 left of a red 7"]
WIDTHS = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as Hugging Face writes it: a tokenizer of letters, and a model with random weights."""
    root = tmp_path_factory.mktemp("clip")
    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (root / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (root / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(root / "vocab.json"), str(root / "merges.txt"))
    text = {**WIDTHS, "vocab_size": len(words), "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": 1}
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config=text, vision_config={**WIDTHS, "image_size": 32, "patch_size": 8}, projection_dim=8
    )
    transformers.CLIPModel(config).save_pretrained(root)
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    transformers.CLIPProcessor(images, tokenizer).save_pretrained(root)
    return root


@pytest.fixture(params=[3, 1], ids=["colour", "grey"])
def images(request):
    return np.random.default_rng(0).integers(0, 256, (3, request.param, 8, 8), dtype=np.uint8)


def evidence(images, folder, prompts=PROMPTS):
    return Evidence.of_arrays(
        generated_images=images,
        generated_prompts=prompts,
        parameters={"weights": str(folder)},
        device=torch.device("cpu"),
        progress=quiet,
    )


def test_it_is_the_similarity_that_the_model_itself_gives(folder, images):
    score = clip_score(evidence(images, folder))
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    colour = [torch.from_numpy(image).expand(3, -1, -1) for image in images]
    processor = transformers.CLIPProcessor.from_pretrained(folder)
    with torch.no_grad():
        found = model(**processor(text=PROMPTS, images=colour, return_tensors="pt", padding=True))
        similarities = 100 * found.logits_per_image.diagonal() / model.logit_scale.exp()
    assert score.value == pytest.approx(float(similarities.mean()), rel=1e-5)
    assert (score.n, score.ci_low < score.value < score.ci_high) == (3, True)


def test_each_sample_is_compared_with_its_own_prompt(folder, images):
    turned = clip_score(evidence(images, folder, PROMPTS[::-1])).value
    assert turned != pytest.approx(clip_score(evidence(images, folder)).value, rel=1e-4)


def test_without_weights_or_prompts_there_is_no_score(folder, images):
    with pytest.raises(Unmeasurable, match="-p clip_score.weights=FOLDER"):
        clip_score(evidence(images, ""))
    with pytest.raises(Unmeasurable, match="have no captions"):
        clip_score(evidence(images, folder, None))


def test_a_folder_without_a_clip_model_is_named(tmp_path, images):
    with pytest.raises(DataError, match="holds no CLIP model"):
        clip_score(evidence(images, tmp_path))
