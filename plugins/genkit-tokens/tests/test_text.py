"""Token models that follow prompts: what a text moves, what it must not, and that nothing is trained in vain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from genkit_tokens.maskgit import MaskGIT
from genkit_tokens.positions import causal
from genkit_tokens.prefix import Cache, Prefix
from genkit_tokens.var import VAR
from genkit_tokens.vq_gpt import VQGPT, VQGPTSampling

from genkit.conformance import Result
from genkit.errors import UsageError
from genkit.models import Batch, Condition, DataInfo, Step

Make = Callable[..., Any]
DATA = DataInfo((1, 8, 8), 17, 3, (0.2, 0.3, 0.5), has_prompts=True)
PROMPTS = ("a red 3 left of a blue 8", "a blue 8", "three")
SHARED = {"vq-gpt": (VQGPT, {}), "maskgit": (MaskGIT, {}), "var": (VAR, {"codes": 16, "size": 4, "scales": 3})}
each = pytest.mark.parametrize("name", SHARED)


def images(n: int = 3) -> torch.Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 16


@pytest.fixture
def model(make: Make, name: str) -> Any:
    cls, options = SHARED[name]
    return make(cls, DATA, text="bytes", **options)


@torch.no_grad()
def logits(model: Any, prompts: tuple[str, ...]) -> torch.Tensor:
    tokens = model.tokens(images(1)).expand(len(prompts), -1)
    found: torch.Tensor = model.logits_of(tokens, model.prefix(len(prompts), model.understand(prompts)))
    return found


@each
def test_a_prompt_and_the_order_of_its_words_move_the_logits(model: Any) -> None:
    red, blue, swapped = logits(model, ("a red 3", "a blue 3", "3 red a"))[:, -1]
    assert (red - blue).abs().max() > 1e-3 and (red - swapped).abs().max() > 1e-3


@each
def test_padding_and_batch_mates_move_nothing(model: Any) -> None:
    alone = torch.cat([logits(model, (prompt,)) for prompt in PROMPTS])
    together = logits(model, (*PROMPTS, "a much longer prompt than all the others of this batch"))[:3]
    assert (alone - together).abs().max() < 1e-4
    assert alone.std() > 0.1


@each
def test_a_prompt_without_words_asks_for_anything(model: Any) -> None:
    tokens = model.tokens(images(1))
    with torch.no_grad():
        anything = model.logits_of(tokens, model.transformer.anything(1))
    for prompt in ("", "  \n"):
        assert (logits(model, (prompt, *PROMPTS))[:1] - anything).abs().max() < 1e-4


@each
def test_keys_of_a_text_are_not_zero(model: Any) -> None:
    memory = model.transformer.read(model.understand(PROMPTS))
    for keys, values in memory.stored:
        assert (keys.transpose(1, 2)[memory.mask].norm(dim=-1) > 1e-4).all()
        assert (values.transpose(1, 2)[memory.mask].norm(dim=-1) > 1e-4).all()


@each
def test_drawing_follows_the_prompt_and_the_generator_alone(model: Any) -> None:
    model.sampling.guidance = 1.5
    drawn = [
        model.sample(3, generator=torch.Generator().manual_seed(0), condition=model.understand(prompts))
        for prompts in (PROMPTS, PROMPTS, PROMPTS[::-1])
    ]
    assert drawn[0].equal(drawn[1]) and not drawn[0].equal(drawn[2])
    assert model.sample(2, generator=torch.Generator().manual_seed(0)).shape == (2, 1, 8, 8)
    assert not model.conditional


@pytest.mark.parametrize("name", ["vq-gpt", "var"])
def test_images_drawn_without_a_cache_are_the_same(model: Any) -> None:
    for guidance in (0.0, 1.0, 2.0):
        model.sampling.guidance = guidance
        one, other = (
            draw(3, generator=torch.Generator().manual_seed(0), condition=model.understand(PROMPTS))
            for draw in (model.sample, model.sample_uncached)
        )
        assert (one - other).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["vq-gpt"])
def test_jacobi_decoding_follows_prompts(model: Any) -> None:
    greedy = {"guidance": 1.5, "top_k": 1}
    drawn = []
    for jacobi in (0, 4):
        model.sampling = VQGPTSampling(**greedy, jacobi=jacobi)
        drawn.append(model.sample(3, generator=torch.Generator(), condition=model.understand(PROMPTS)))
    assert drawn[0].equal(drawn[1])


@pytest.mark.parametrize("name", ["vq-gpt"])
@torch.no_grad()
def test_cached_logits_are_those_of_the_whole(model: Any) -> None:
    prefix = model.prefix(3, model.understand(PROMPTS))
    contents = model.contents(prefix, model.tokens(images())[:, :-1])
    slots = contents.shape[1]
    whole = model.transformer.whole(prefix, contents, mask=causal(slots, contents.device))
    cache = model.transformer.cache(prefix, slots, Cache)
    parts = [model.transformer(contents[:, place : place + 1], place, cache) for place in range(slots)]
    assert (torch.cat(parts, 1) - whole).abs().max() < 1e-5


@each
def test_texts_are_trained_with_the_transformer(model: Any) -> None:
    model.train()
    batch = Batch(images(), torch.tensor([0, 1, 2]), prompts=PROMPTS)
    step = Step(0, 0, torch.Generator().manual_seed(3), 1)
    model.loss("transformer", batch, step).backward()
    missing = [name for name, parameter in model.reader.named_parameters() if parameter.grad is None]
    assert missing == []
    assert model.transformer.labels.num_embeddings == 2
    assert model.ema == ("tokenizer", "transformer", "reader")
    trained = {id(p) for group in model.phases()[1].optimizer.param_groups for p in group["params"]}
    assert trained == {id(p) for part in (model.transformer, model.reader) for p in part.parameters()}


@pytest.mark.parametrize("name", ["vq-gpt", "var"])
def test_the_bound_is_of_images_without_a_text(model: Any) -> None:
    tokens = model.tokens(images())
    with torch.no_grad():
        expected = model.log_prior(tokens, model.transformer.anything(3))
        assert model.log_mixture(tokens).equal(expected)


@each
def test_parts_of_a_prefix_are_its_rows(model: Any) -> None:
    prefix = model.prefix(3, model.understand(PROMPTS))
    parts = prefix.split(2)
    assert [len(part) for part in parts] == [2, 1] and parts[1].text.mask.equal(prefix.text.mask[2:])
    left_out = prefix.without(torch.tensor([True, False, False]), 1)
    assert left_out.labels.tolist() == [1, 0, 0] and not left_out.text.mask[0].any()
    both = parts[1].after(parts[0])
    assert both.labels.equal(prefix.labels) and isinstance(both.text, Condition)


def test_data_without_captions_is_refused(make: Make) -> None:
    with pytest.raises(UsageError, match="needs images with captions"):
        make(VQGPT, text="bytes")


def test_a_model_of_classes_understands_no_prompts(make: Make) -> None:
    model = make(VQGPT, DATA)
    assert model.understand is None and model.conditional
    assert Prefix(torch.tensor([1])).text is None


@each
@pytest.mark.parametrize("check", ["understand", "sample-seeded", "resume", "averages"])
def test_it_passes_the_checks_of_prompts(name: str, check: str, examine: Callable[..., Result]) -> None:
    cls, options = SHARED[name]
    found = examine(cls, check, text="bytes", **options)
    assert found.status == "passed", found
