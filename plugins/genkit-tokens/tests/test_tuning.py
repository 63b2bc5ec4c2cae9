"""Token models adapted by LoRA: what is trained, what is merged, and that PEFT reads what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from genkit_tokens.vq_gpt import VQGPT
from PIL import Image
from safetensors.torch import load_file

from genkit.data import open_dataset
from genkit.errors import UsageError
from genkit.models import DataInfo
from genkit.models.lora import LoRALinear, add_lora, merge_lora
from genkit.options import build
from genkit.training import checkpoint
from genkit.training.api import train
from genkit.training.runs import Run, load
from genkit.training.settings import Settings
from genkit.training.tune import tune
from genkit.training.tuning import say_if_known

SMALL = {"levels": [4, 3], "channels": 4, "width": 16, "layers": 2, "heads": 2}
QUIET = Settings(checkpoint_seconds=1e6, previews=0, metadata=False)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six digits."""
    folder = tmp_path_factory.mktemp("mine")
    for index, pixels in enumerate(open_dataset("digits").train.uint8(slice(6))):
        Image.fromarray(pixels[0]).save(folder / f"{index}.png")
    return folder


def trained(root: Path, **options: Any) -> Run:
    made = {**SMALL, **options}
    return train("vq-gpt", "digits", images=2000, batch=100, options=made, device="cpu", root=root, settings=QUIET)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small vq-gpt that reads prompts."""
    return trained(tmp_path_factory.mktemp("runs"), text="bytes")


@pytest.fixture(scope="module")
def tuned(parent: Run, mine: Path) -> Run:
    root = parent.path.parents[2]
    return tune(parent, mine, "a zorp", images=1000, batch=100, rank=2, device="cpu", root=root, settings=QUIET)


def logits(model: Any) -> torch.Tensor:
    tokens = model.tokens(torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        found: torch.Tensor = model.logits_of(tokens, model.prefix(5, model.understand(["a zorp"] * 5)))
    return found


def test_lora_moves_its_own_matrices_alone(parent: Run, tuned: Run) -> None:
    before, after = load(parent).state_dict(), checkpoint.load(tuned.newest_checkpoint(), "model/")[0]
    assert all(torch.equal(after[f"model/{name}"], tensor) for name, tensor in before.items())
    moved = {name: each for name, each in after.items() if ".lora_B" in name}
    assert len(moved) == 2 * 4 + (3 + 2 * 4) + 1 and all(each.abs().max() > 0 for each in moved.values())


def test_lora_learns_at_a_higher_rate_unless_told(tuned: Run) -> None:
    assert tuned.config.tuning is not None and tuned.config.tuning.rate == 4.0


def test_lora_changes_nothing_before_it_is_trained(parent: Run) -> None:
    model = load(parent)
    before = logits(model)
    add_lora(model, 2, 4.0)
    assert torch.equal(logits(model), before)
    trainable = [name for name, each in model.named_parameters() if each.requires_grad]
    assert trainable and all(".lora_" in name for name in trainable)
    assert {name.partition(".")[0] for name in trainable} == {"transformer", "reader"}


def test_lora_in_the_text_encoder_is_heard_in_evaluation_too(parent: Run) -> None:
    model: Any = load(parent)
    add_lora(model, 2, 4.0)
    before = model.understand(["a zorp"]).tokens
    with torch.no_grad():
        model.reader.encoder.layers[0].attend.lora_B.normal_()
    heard = model.understand(["a zorp"]).tokens
    assert (heard - before).abs().max() > 1e-3
    assert (merge_lora(model).understand(["a zorp"]).tokens - heard).abs().max() < 1e-5  # type: ignore[operator]


def test_merged_weights_draw_the_same(tuned: Run, parent: Run) -> None:
    apart, merged = load(tuned, merge=False), load(tuned)
    assert not any(isinstance(each, LoRALinear) for each in merged.modules())
    assert (logits(apart) - logits(merged)).abs().max() < 1e-5
    assert (logits(merged) - logits(load(parent))).abs().max() > 1e-3
    with torch.no_grad():
        cached = merged.sample(4, generator=torch.Generator().manual_seed(1), condition=merged.understand(["a"] * 4))
    assert cached.shape == (4, 1, 8, 8)


def test_peft_reads_the_adapter(tuned: Run, parent: Run) -> None:
    folder = tuned.path / "adapter"
    config = peft.LoraConfig.from_pretrained(folder)
    assert (config.r, config.lora_alpha, config.peft_type) == (2, 4.0, peft.PeftType.LORA)
    theirs = peft.PeftModel.from_pretrained(load(parent), str(folder))
    ours = logits(load(tuned))
    assert (logits(theirs.base_model.model) - ours).abs().max() < 1e-5
    assert (logits(theirs.merge_and_unload()) - ours).abs().max() < 1e-5


def test_the_adapter_has_the_names_and_fields_of_peft(tuned: Run, parent: Run, tmp_path: Path) -> None:
    """As PEFT itself writes them for the same layers."""
    own = json.loads((tuned.path / "adapter" / "adapter_config.json").read_text())
    wrapped = peft.get_peft_model(load(parent), peft.LoraConfig(r=2, target_modules=own["target_modules"]))
    wrapped.save_pretrained(tmp_path)
    theirs = json.loads((tmp_path / "adapter_config.json").read_text())
    shapes = [
        {name: each.shape for name, each in load_file(folder / "adapter_model.safetensors").items()}
        for folder in (tmp_path, tuned.path / "adapter")
    ]
    assert shapes[0] == shapes[1] and own.keys() <= theirs.keys()
    named = ("peft_type", "task_type", "bias", "fan_in_fan_out", "use_rslora", "r")
    assert [own[name] for name in named] == [theirs[name] for name in named]


def test_few_parameters_are_trained_with_the_options_of_a_preset() -> None:
    options = VQGPT.presets["digits"].options
    data = DataInfo((1, 8, 8), 17, has_prompts=True)
    model = VQGPT(build(VQGPT.Options, {**options, "text": "bytes"}, "vq-gpt"), data)
    whole = sum(each.numel() for each in model.parameters())
    add_lora(model, 4, 8.0)
    own = sum(each.numel() for each in model.parameters() if each.requires_grad)
    assert 0 < own < 0.1 * whole
    assert sum(each.numel() for each in merge_lora(model).parameters()) == whole


def test_a_word_that_is_read_as_a_known_one_is_said(parent: Run, caplog: pytest.LogCaptureFixture) -> None:
    model, digits = load(parent), open_dataset("digits")
    say_if_known(model, "A   HANDWRITTEN seven", digits)  # read as the caption, letter by letter
    assert 'almost as "a handwritten seven"' in caplog.text
    caplog.clear()
    with torch.no_grad():  # vectors of one-letter words that share nothing
        embedding = model.reader.encoder.letters.weight  # type: ignore[union-attr]
        embedding.normal_(generator=torch.Generator().manual_seed(1)).mul_(10)
    say_if_known(model, "q", digits)
    say_if_known(model, "a 7", digits)
    assert not caplog.text


def test_images_without_captions_need_a_prompt(parent: Run, mine: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have no captions: say what they show, e.g. --prompt"):
        tune(parent, mine, device="cpu", root=tmp_path)


def test_images_with_captions_need_none(parent: Run, mine: Path, tmp_path: Path) -> None:
    for file in mine.glob("*.png"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    rows = "".join(f"{index}.png,a zorp of kind {index}\n" for index in range(6))
    (tmp_path / "metadata.csv").write_text(f"file_name,text\n{rows}")
    run = tune(parent, tmp_path, images=100, batch=50, device="cpu", root=tmp_path / "runs", settings=QUIET)
    assert run.config.tuning is not None and run.config.tuning.prompt == ""


def test_a_model_of_classes_learns_more_of_its_classes_and_no_new_one(mine: Path, tmp_path: Path) -> None:
    run = trained(tmp_path / "runs")
    for name in ("7", "zorp"):
        (tmp_path / name / name).mkdir(parents=True)
        for file in mine.glob("*.png"):
            (tmp_path / name / name / file.name).write_bytes(file.read_bytes())
    more: Any = {"images": 100, "batch": 50, "device": "cpu", "root": tmp_path / "runs", "settings": QUIET}
    assert tune(run, tmp_path / "7", **more).finished
    for folder in (tmp_path / "zorp", mine):
        with pytest.raises(UsageError, match="needs a folder for each class"):
            tune(run, folder, **more)
