"""Local language models as text encoders: real ones, made small on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from genkit.errors import DataError, MissingError, UsageError
from genkit.models.pretrained_text import PretrainedText, pretrained_text
from genkit.models.text import Reader, TextOptions, TextRequest, text_encoder

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ["a", "red", "blue", "3", "8", "7", "left", "right", "of", "the", "digit", "seven"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
CONFIGS: dict[str, Any] = {
    "llama": lambda: transformers.LlamaConfig(
        **SIZES, num_key_value_heads=1, vocab_size=32, max_position_embeddings=64
    ),
    "bert": lambda: transformers.BertConfig(**SIZES, vocab_size=32, max_position_embeddings=64),
    "t5": lambda: transformers.T5Config(d_model=16, d_kv=8, d_ff=32, num_layers=3, num_heads=2, vocab_size=32),
}


def folder_of(kind: str, folder: Path) -> Path:
    """A folder as Hugging Face writes it: a tokenizer of words and a model with random weights."""
    torch.manual_seed(0)
    vocabulary = {word: number for number, word in enumerate(["<unk>", "</s>", *WORDS])}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="</s>")
    fast.save_pretrained(folder)
    transformers.AutoModel.from_config(CONFIGS[kind]()).save_pretrained(folder)
    return folder


def encoder(folder: Path, layer: str = "") -> PretrainedText:
    return pretrained_text(TextRequest(f"{folder}{layer}", 8))


@pytest.fixture(params=CONFIGS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return folder_of(request.param, tmp_path)


PROMPTS = ["a red 3", "a red 3 left of a blue 8", "", "seven unknown words"]


@torch.no_grad()
def test_batch_mates_and_padding_change_nothing(folder: Path) -> None:
    made = encoder(folder)
    together = made(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        alone = made([prompt])
        count = int(alone.mask.sum())
        assert count == len(prompt.split()) == together.mask[row].sum()
        assert torch.allclose(alone.tokens[0, :count], together.tokens[row, :count], atol=1e-5)


@torch.no_grad()
def test_it_gives_the_hidden_states_of_the_layer_that_is_asked_for(folder: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder)
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("a red 3", return_tensors="pt")["input_ids"]
    states = model.eval()(input_ids=ids, output_hidden_states=True).hidden_states
    for layer in (-1, -2, 0, 2):
        found = encoder(folder, f"?layer={layer}")(["a red 3"])
        torch.testing.assert_close(found.tokens, states[layer])
    assert encoder(folder, "?layer=2").sha256 != encoder(folder).sha256
    with pytest.raises(UsageError, match="layers 0 to 3"):
        encoder(folder, "?layer=4")


@torch.no_grad()
def test_long_texts_are_cut_and_odd_ones_read(folder: Path) -> None:
    found = encoder(folder)(["red " * 10_000, "😀", "\udcff", "七\x00"])
    assert found.mask.sum(1).tolist()[0] in (64, 256) and found.tokens.isfinite().all()


def test_it_stays_out_of_checkpoints(folder: Path) -> None:
    reader = Reader(f"transformers:{folder}", 8)
    assert list(reader.state_dict()) == ["project.weight"] and reader.project.in_features == 16
    reader(PROMPTS).tokens.sum().backward()
    assert reader.project.weight.grad is not None


def test_its_hash_is_of_the_files(tmp_path: Path) -> None:
    folder = folder_of("llama", tmp_path / "one")
    before = encoder(folder).sha256
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    assert encoder(folder).sha256 != before


def test_a_folder_without_a_model_and_no_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no text model"):
        encoder(tmp_path)
    with pytest.raises(MissingError, match="there is no folder"):
        text_encoder(f"transformers:{tmp_path / 'none'}", 8)
    with pytest.raises(UsageError, match="layer=last is no number"):
        encoder(tmp_path, "?layer=last")


def test_a_folder_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    """They would be random, and others in every process."""
    from safetensors.torch import load_file, save_file

    folder = folder_of("bert", tmp_path)
    weights = load_file(folder / "model.safetensors")
    left = {name: tensor for name, tensor in weights.items() if "layer.1." not in name}
    assert len(left) < len(weights)
    save_file(left, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"lacks weights, such as encoder.layer.1"):
        encoder(folder)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    folder = folder_of("bert", tmp_path)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="holds no text model"):
        encoder(folder)


@torch.no_grad()
def test_clips_text_tower_and_an_encoder_alone_are_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    towers = {
        "text_config": {**small, "vocab_size": 32, "max_position_embeddings": 20, "eos_token_id": 1},
        "vision_config": {**small, "image_size": 8, "patch_size": 4},
    }
    clip = transformers.CLIPModel(transformers.CLIPConfig(**towers, projection_dim=8))
    for kind, model in (("bert", clip), ("t5", transformers.T5EncoderModel(CONFIGS["t5"]()))):
        folder = folder_of(kind, tmp_path / kind)
        for path in [*folder.glob("*.safetensors"), folder / "config.json"]:
            path.unlink()
        model.save_pretrained(folder)
        assert encoder(folder)(["a red 3"]).tokens.shape == (1, 3, 16)


def test_the_path_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of("bert", tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    assert TextOptions(text="transformers:model").text.startswith(f"transformers:{tmp_path / 'model'}@")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = folder_of("bert", tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save(transformers.AutoModel.from_config(CONFIGS["bert"]()).state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="holds no text model"):
        encoder(folder)
