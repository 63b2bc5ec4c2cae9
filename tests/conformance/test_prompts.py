"""Models of texts, right and wrong in one way each: the check meant for it says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genkit.conformance import check
from genkit.conformance.prompts import condition_made, prompt_seen
from genkit.conformance.report import CheckFailed, CheckSkipped
from genkit.conformance.under_test import ModelUnderTest, blobs
from genkit.models import Batch, Condition, DataInfo, GenerativeModel, Phase, Step

DATA = blobs((1, 6, 6), 5, 3)


class Painter(GenerativeModel):
    """Learns an image for each class, which the last word of a prompt names; a word's token is one-hot."""

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.table = nn.Parameter(torch.full((data.num_classes + 1, *data.shape), 0.5))

    def phases(self) -> list[Phase]:
        return [Phase("table", self, torch.optim.Adam([self.table], 0.03))]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        return (self.paint(self.understand(batch.prompts or ())) - batch.images).square().mean()

    def number(self, word: str) -> int:
        return int(word) if word.isdecimal() else self.data.num_classes

    def understand(self, prompts: Sequence[str]) -> Condition:
        words = [prompt.split() for prompt in prompts]
        longest, classes = max(1, *map(len, words)), self.data.num_classes + 1
        tokens, mask = torch.zeros(len(words), longest, classes), torch.zeros(len(words), longest, dtype=torch.bool)
        for row, each in enumerate(words):
            for place, word in enumerate(each):
                tokens[row, place, self.number(word)], mask[row, place] = 1, True
        return Condition(tokens, mask)

    def share(self, said: Condition) -> Tensor:
        kept = said.tokens * said.mask[..., None]
        return kept[..., :-1].sum(1)

    def paint(self, said: Condition) -> Tensor:
        weights = self.share(said)
        weights = weights / weights.sum(1, keepdim=True).clamp_min(1)
        return (
            torch.einsum("nc,cxyz->nxyz", weights, self.table[:-1])
            + (weights.sum(1) == 0).float()[:, None, None, None] * self.table[-1]
        )

    def sample(self, n: int, *, generator: torch.Generator, condition: Any = None) -> Tensor:
        noise = 0.05 * torch.rand(n, *self.data.shape, generator=generator)
        image = self.paint(condition) if isinstance(condition, Condition) else self.table[-1].expand(n, -1, -1, -1)
        return (image.detach() + noise).clamp(0, 1)


class Unmasked(Painter):
    def share(self, said: Condition) -> Tensor:
        return said.tokens[..., :-1].sum(1)


class PulledByTheLongest(Painter):
    def understand(self, prompts: Sequence[str]) -> Condition:
        said = super().understand(prompts)
        tokens = said.tokens.clone()
        tokens[..., 1] += 0.5 * said.mask.shape[1]
        return Condition(tokens, said.mask)


class OffByOne(Painter):
    def number(self, word: str) -> int:
        return (int(word) + (not self.training)) % 3 if word.isdecimal() else 3


class OneRow(Painter):
    def understand(self, prompts: Sequence[str]) -> Condition:
        return super().understand(prompts)[:1] if not self.training else super().understand(prompts)


class NoWordsFail(Painter):
    def understand(self, prompts: Sequence[str]) -> Condition:
        assert all(prompt.split()[0] for prompt in prompts)
        return super().understand(prompts)


def under_test(cls: type[GenerativeModel]) -> ModelUnderTest:
    return ModelUnderTest("painter", cls, dataset=DATA)


def test_a_right_model_passes() -> None:
    condition_made(under_test(Painter))
    prompt_seen(under_test(Painter))


@pytest.mark.parametrize(
    ("cls", "function", "reason"),
    [
        (Unmasked, condition_made, "tokens where the mask is False"),
        (PulledByTheLongest, condition_made, "a longer prompt beside it"),
        (OneRow, condition_made, "1 rows of 3 prompts"),
        (OffByOne, prompt_seen, "show another prompt's class"),
    ],
)
def test_a_wrong_model_fails(cls: type[GenerativeModel], function: Any, reason: str) -> None:
    with pytest.raises(CheckFailed, match=reason):
        function(under_test(cls))


def test_a_prompt_without_words_must_not_fail() -> None:
    report = check(NoWordsFail, dataset=DATA)
    assert [result.status for result in report.results if result.check == "understand"] == ["failed"]


def test_models_without_prompts_are_skipped() -> None:
    with pytest.raises(CheckSkipped, match="follows no prompts"):
        condition_made(ModelUnderTest("plain", GenerativeModel, dataset=DATA))
