"""vq-gpt: what it learns, how it is drawn, its bound, and what a resumed training ends in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from genkit_tokens import vq_gpt
from genkit_tokens.prefix import Prefix
from genkit_tokens.vq_gpt import VQGPT, VQGPTSampling
from torch.nn.functional import cross_entropy

from genkit.conformance import Result
from genkit.errors import UsageError
from genkit.models import Batch, DataInfo, Step

Make = Callable[..., Any]
LABELS = torch.tensor([0, 1, 2, 1])


def step(stage: int = 1, seed: int = 0) -> Step:
    return Step(0, 0, torch.Generator().manual_seed(seed), stage)


def images(n: int = 4, shape: tuple[int, int, int] = (1, 8, 8)) -> torch.Tensor:
    return torch.randint(0, 17, (n, *shape), generator=torch.Generator().manual_seed(1)) / 16


@torch.no_grad()
def test_drawn_tokens_have_the_probabilities_of_the_uncached_logits(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step of drawing with the cache is compared with the whole sequence without it."""
    model = make(VQGPT, scale=0.4)
    for scale in (0.0, 0.5, 1.0, 1.5):
        model.sampling = VQGPTSampling(guidance=scale)
        seen: list[torch.Tensor] = []
        monkeypatch.setattr(
            vq_gpt, "probabilities", lambda logits, how, seen=seen: (seen.append(logits), logits.softmax(-1))[1]
        )
        tokens = model.draw_tokens(Prefix(LABELS), torch.Generator().manual_seed(0))
        asked, anyway = model.logits_of(tokens, Prefix(LABELS)), model.logits_of(tokens, model.transformer.anything(4))
        expected = anyway + scale * (asked - anyway)
        assert (torch.stack(seen, 1) - expected).abs().max() < 1e-5
        assert expected.std() > 0.1


@pytest.mark.parametrize("options", [{}, {"kv_heads": 1}])
def test_images_drawn_without_a_cache_are_the_same(options: dict[str, Any], examine: Callable[..., Result]) -> None:
    found = examine(VQGPT, "sample-uncached", **options)
    assert found.status == "passed", found


@torch.no_grad()
def test_the_class_moves_the_last_tokens_logits_and_batch_mates_do_not(make: Make) -> None:
    model = make(VQGPT)
    tokens = model.tokens(images())
    whole = model.logits_of(tokens, Prefix(LABELS))
    moved = model.logits_of(tokens, Prefix((LABELS + 1) % 3))[:, -1] - whole[:, -1]
    assert (moved.abs().amax(1) > 1e-3).all()
    permuted = model.logits_of(tokens[:2], Prefix(LABELS[[1, 0]]))[:, -1] - whole[:2, -1]
    assert (permuted.abs().amax(1) > 1e-3).all()
    assert (model.logits_of(tokens[:1], Prefix(LABELS[:1])) - whole[:1]).abs().max() < 1e-5


def test_the_loss_is_the_mean_cross_entropy_in_nats_a_token_and_moves_the_transformer_alone(make: Make) -> None:
    model = make(VQGPT, label_dropout=0.0)
    batch = Batch(images(), LABELS)
    loss = model.loss("transformer", batch, step())
    tokens = model.tokens(batch.images)
    expected = -model.logits_of(tokens, Prefix(LABELS)).log_softmax(-1).gather(2, tokens[..., None]).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(p.grad is None for p in model.tokenizer.parameters())
    assert all(p.grad is not None for name, p in model.transformer.named_parameters())


def test_labels_are_left_out_by_the_steps_generator_in_training_and_never_elsewhere(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(VQGPT, label_dropout=0.4)
    many, given = torch.arange(3000) % 3, []
    monkeypatch.setattr(model, "token_loss", lambda tokens, prefix, step: given.append(prefix.labels))
    for _ in range(2):
        model.loss("transformer", Batch(images(3000), many), step())
    kept = given[0]
    assert (kept == 3).float().mean().item() == pytest.approx(0.4, abs=0.03)
    assert kept.equal(given[1])
    assert (kept[kept < 3] == many[kept < 3]).all()
    bounds = [model.log_likelihood(images(), generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    assert bounds[0].equal(bounds[1])


def test_any_class_is_trained(make: Make) -> None:
    model = make(VQGPT, label_dropout=0.5)
    model.loss("transformer", Batch(images(), LABELS), step()).backward()
    assert model.transformer.labels.weight.grad[3].any()


def test_the_bound_sums_out_classes_by_their_frequencies_and_ignores_how_images_are_drawn(make: Make) -> None:
    model = make(VQGPT)
    given = images()
    bound = model.log_likelihood(given, generator=torch.Generator())
    tokens = model.tokens(given)
    with torch.no_grad():
        prior = torch.zeros(4)
        for label, frequency in enumerate(model.data.class_frequencies):
            logits = model.logits_of(tokens, Prefix(torch.full((4,), label)))
            prior += frequency * torch.exp(-cross_entropy(logits.mT, tokens, reduction="none").sum(1))
        expected = prior.log() + model.tokenizer.likelihood.log_prob(model.tokenizer.decode(tokens), given)
    torch.testing.assert_close(bound, expected)
    model.sampling = VQGPTSampling(guidance=3.0, temperature=0.5, top_k=2)
    assert model.log_likelihood(given, generator=torch.Generator()).equal(bound)


@pytest.mark.parametrize("labelled", [True, False])
def test_probabilities_of_all_tiny_images_sum_to_one_at_most(make: Make, labelled: bool) -> None:
    classes = {"num_classes": 2, "class_frequencies": (0.3, 0.7)} if labelled else {}
    model = make(VQGPT, DataInfo((1, 2, 2), 3, **classes))
    every = torch.tensor(list(itertools.product((0, 0.5, 1), repeat=4))).view(81, 1, 2, 2)
    total = model.log_likelihood(every, generator=torch.Generator()).exp().sum().item()
    assert 0 < total <= 1


def test_probabilities_of_all_token_sequences_sum_to_one(make: Make) -> None:
    model = make(VQGPT, DataInfo((1, 4, 4), 17, 3, (0.2, 0.3, 0.5)), levels=[3])
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    assert model.tokenizer.length == 4
    with torch.no_grad():
        assert model.log_mixture(every).exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("jacobi", [0, 2, 3, 5])
def test_draws_have_the_joint_law_of_the_model(make: Make, jacobi: int) -> None:
    """Three codes at four places: 81 outcomes; one token after another, and by speculative Jacobi decoding."""
    model = make(VQGPT, DataInfo((1, 4, 4), 17, 3, (0.2, 0.3, 0.5)), levels=[3])
    model.sampling = VQGPTSampling(guidance=1.5, temperature=1.5, jacobi=jacobi)
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    with torch.no_grad():
        anyway = model.logits_of(every, model.transformer.anything(81))
        asked = model.logits_of(every, Prefix(torch.full((81,), 2)))
    law = ((anyway + 1.5 * (asked - anyway)) / 1.5).log_softmax(-1).gather(2, every[..., None]).sum((1, 2)).exp()
    drawn = model.draw_tokens(Prefix(torch.full((20_000,), 2)), torch.Generator().manual_seed(0))
    counts = torch.bincount((drawn * torch.tensor([27, 9, 3, 1])).sum(1), minlength=81)
    expected = 20_000 * law
    rare = expected < 5
    pooled = torch.cat([expected[~rare], expected[rare].sum()[None]])
    found = torch.cat([counts[~rare], counts[rare].sum()[None]])
    chi_square = ((found - pooled).square() / pooled.clamp_min(1e-9)).sum().item()
    assert chi_square < len(pooled) + 4 * math.sqrt(2 * len(pooled))


def test_what_was_never_trained_is_not_drawn(make: Make) -> None:
    model, generator = make(VQGPT, label_dropout=0.0), torch.Generator()
    model.sample(2, generator=generator)
    model.sampling = VQGPTSampling(guidance=1.5)
    with pytest.raises(UsageError, match="guidance=1"):
        model.sample(2, generator=generator)
    model.sampling = VQGPTSampling()
    with pytest.raises(UsageError, match="name one"):
        model.complete(images(), torch.zeros(4, 1, 8, 8, dtype=torch.bool), generator=generator)


def test_no_image_can_be_drawn(make: Make) -> None:
    assert make(VQGPT).sample(0, generator=torch.Generator()).shape == (0, 1, 8, 8)


@torch.no_grad()
def test_jacobi_decoding_never_looks_at_memory_that_was_not_written(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that lag behind others have slots that are not written yet; greedy draws must equal plain ones."""
    model, empty = make(VQGPT), torch.empty

    def dirty(*shape: int, **how: Any) -> torch.Tensor:
        made = empty(*shape, **how)
        return made.fill_(math.nan) if made.is_floating_point() else made

    monkeypatch.setattr(torch, "empty", dirty)
    labels = Prefix(torch.arange(60) % 3)
    drawn = []
    for jacobi in (0, 4, 1000):
        model.sampling = VQGPTSampling(guidance=1.5, top_k=1, jacobi=jacobi)
        monkeypatch.setattr(vq_gpt, "draw", lambda probability, generator: probability.argmax(-1))
        drawn.append(model.draw_tokens(labels, torch.Generator().manual_seed(0)))
    assert drawn[1].equal(drawn[0]) and drawn[2].equal(drawn[0])


def test_weight_decay_is_of_matrices_alone(make: Make) -> None:
    model = make(VQGPT)
    first, second = model.phases()
    assert (first.stage, second.stage, second.clip) == (0, 1, 1.0)
    matrices, others = second.optimizer.param_groups
    assert (matrices["weight_decay"], others["weight_decay"]) == (0.05, 0.0)
    assert all(p.ndim > 1 for p in matrices["params"]) and all(p.ndim == 1 for p in others["params"])
    assert {id(p) for p in [*matrices["params"], *others["params"]]} == {id(p) for p in model.transformer.parameters()}
    assert second.optimizer.defaults["betas"] == (0.9, 0.95)


def test_the_learning_rate_follows_the_images_of_its_own_stage(make: Make) -> None:
    schedule = make(VQGPT).phases()[1].schedule
    factors = [schedule(Step(0, 10**6, torch.Generator(), 1, stage_progress=share)) for share in (0, 0.02, 0.5, 1)]
    assert factors == pytest.approx([0.1, 1, 0.505, 0.01], abs=0.01)


def test_a_codebook_does_not_move_after_its_stage(make: Make) -> None:
    model = make(VQGPT, quantiser="vq", codes=8, size=3)
    model.train()
    model.tokenizer(images())
    before = model.tokenizer.quantiser.codebook.vectors.clone()
    model.after_step(step(stage=1))
    assert model.tokenizer.quantiser.codebook.vectors.equal(before)
    model.after_step(step(stage=0))
    assert not model.tokenizer.quantiser.codebook.vectors.equal(before)


def test_images_without_labels_are_of_any_class(make: Make) -> None:
    model = make(VQGPT, DataInfo((1, 8, 8), 17))
    drawn = model.sample(3, generator=torch.Generator().manual_seed(0))
    model.sampling = VQGPTSampling(guidance=4.0)
    assert model.sample(3, generator=torch.Generator().manual_seed(0)).equal(drawn)
    assert model.loss("transformer", Batch(images()), step()).isfinite()


def test_a_large_order_is_drawn_in_parts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(VQGPT)
    row = 2 * model.transformer.cache_bytes(model.tokenizer.length)
    monkeypatch.setattr("genkit_tokens.token_model.CACHE_BYTES", 5 * row)
    assert model.drawn_at_once(None) == 5
    assert model.sample(12, generator=torch.Generator().manual_seed(0)).shape == (12, 1, 8, 8)


@pytest.mark.parametrize("options", [{}, {"quantiser": "vq", "codes": 8, "size": 3, "dropout": 0.1}])
def test_a_resumed_training_ends_alike(options: dict[str, Any], examine: Callable[..., Result]) -> None:
    found = examine(VQGPT, "resume", **options)
    assert found.status == "passed", found


def test_jacobi_decoding_takes_fewer_passes_where_drafts_are_right(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(VQGPT, scale=0.02)  # codes are all about as likely as uniform drafts take them to be
    passes = []
    original = model.transformer.at
    monkeypatch.setattr(model.transformer, "at", lambda *given: (passes.append(1), original(*given))[1])
    model.sampling = VQGPTSampling(jacobi=8)
    model.draw_tokens(Prefix(LABELS[:1]), torch.Generator().manual_seed(0))
    assert len(passes) < 8 < model.tokenizer.length


def test_the_lower_half_is_completed_and_known_pixels_stay(make: Make) -> None:
    model = make(VQGPT)
    given, known = images(), torch.ones(4, 1, 8, 8, dtype=torch.bool)
    known[:, :, 5:] = False
    drawn = [model.complete(given, known, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    assert torch.equal(drawn[0][known], given[known])
    assert not torch.equal(drawn[0], drawn[1])
    assert drawn[0].min() >= 0 and drawn[0].max() <= 1
    hidden = torch.where(known, given, torch.rand(given.shape))
    assert model.complete(hidden, known, generator=torch.Generator().manual_seed(0)).equal(drawn[0])


def test_a_hole_before_known_tokens_is_refused_by_the_name_of_the_model_to_take(make: Make) -> None:
    known = torch.ones(4, 1, 8, 8, dtype=torch.bool)
    known[:, :, :3] = False
    with pytest.raises(UsageError, match="use maskgit"):
        make(VQGPT).complete(images(), known, generator=torch.Generator())
