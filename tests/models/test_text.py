"""Text encoders by name, and what a reader keeps of a frozen one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from genkit.errors import PluginError, UnknownName, UsageError
from genkit.models import text
from genkit.models.conditions import Condition
from genkit.models.text import Reader, TextEncoder, TextOptions, text_encoder
from genkit.options import build

HASH = "0123456789abcdef" * 4


class Frozen(TextEncoder):
    """Its vectors are the lengths of a text's words."""

    def __init__(self, sha256: str = HASH) -> None:
        super().__init__(1, sha256)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.read: list[list[str]] = []

    def forward(self, prompts: Sequence[str]) -> Condition:
        self.read.append(list(prompts))
        lengths = [torch.tensor([float(len(word)) for word in prompt.split()]) for prompt in prompts]
        tokens = torch.nn.utils.rnn.pad_sequence(lengths, batch_first=True)[..., None]
        mask = torch.arange(tokens.shape[1]) < torch.tensor([len(each) for each in lengths])[:, None]
        return Condition(tokens * self.weight, mask)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Frozen:
    encoder = Frozen()
    monkeypatch.setattr(text, "text_encoder", lambda reference, width: encoder)
    monkeypatch.setattr(text, "absolute", lambda reference: reference)
    return encoder


def test_a_frozen_encoder_is_no_part_of_the_model_and_reads_a_text_once(frozen: Frozen) -> None:
    reader = Reader("frozen", 4)
    assert set(reader.state_dict()) == {"project.weight"} == {name for name, _ in reader.named_parameters()}
    first = reader(["a bc", "def", "a bc"])
    again = reader(["def", "new one", ""])
    assert frozen.read == [["a bc"], ["def"], ["new one"], [""]]
    torch.testing.assert_close(first.tokens[1, :1], again.tokens[0, :1])
    assert first.tokens[0].equal(first.tokens[2]) and again.mask.sum(1).tolist() == [1, 2, 0]


def test_what_is_kept_of_texts_is_bounded(frozen: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "KEPT_BYTES", 12)
    reader = Reader("frozen", 4)
    for _ in range(2):
        reader(["a b", "c d"])
    assert frozen.read == [["a b"], ["c d"], ["a b"]]


def test_what_a_text_says_has_the_same_bits_in_any_batch(frozen: Frozen) -> None:
    one, other = Reader("frozen", 4), Reader("frozen", 4)
    other.load_state_dict(one.state_dict())
    one(["a b", "c"])
    assert one._kept["c"].equal(other._remembered(["x yz", "c", "long er text"]).tokens[1, :1])


def test_the_hash_of_a_pretrained_encoder_is_in_the_option_and_checked(frozen: Frozen) -> None:
    options = build(TextOptions, {"text": "frozen"}, "vq-gpt")
    assert options.text == f"frozen@{HASH[:16]}" == build(TextOptions, {"text": options.text}, "vq-gpt").text
    Reader(options.text, 4)
    frozen.sha256 = "f" * 64
    with pytest.raises(UsageError, match="no longer the one with hash 0123456789abcdef"):
        Reader(options.text, 4)


def test_an_encoder_that_is_trained_is_a_part_of_the_model() -> None:
    assert build(TextOptions, {"text": "bytes"}, "vq-gpt").text == "bytes"
    reader = Reader("bytes", 16)
    assert any(name.startswith("encoder.") for name in reader.state_dict())
    reader(["a red 3", "a blue 8"]).tokens.sum().backward()
    assert all(parameter.grad is not None for parameter in reader.parameters())


def test_unknown_names_and_arguments_are_named() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'bytes'"):
        text_encoder("byte", 8)
    with pytest.raises(UnknownName, match="transformers:PATH"):
        text_encoder("transformers", 8)


def test_an_encoder_of_another_type_is_a_broken_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genkit.models.bytes_encoder.bytes_encoder", lambda request: "no encoder")
    with pytest.raises(PluginError, match="makes str, not a TextEncoder"):
        text_encoder("bytes", 8)
