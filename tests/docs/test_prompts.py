"""The page on prompts: its text encoder works, and what it shows in Python runs on a trained model."""

from __future__ import annotations

import re

import torch
from pages import DOCS

import genkit
from genkit.models.text import TextRequest

CODE = re.findall(r"```python\n(.*?)```", (DOCS / "howto" / "prompts.md").read_text(), re.DOTALL)


def test_the_pages_encoder_gives_a_vector_for_each_letter():
    _, hook, encoder = CODE
    names: dict = {}
    exec(hook, names)
    (spec,) = names["genkit_text_encoders"]()
    assert spec.name == "letters"
    exec(encoder, names)
    found = names["letters"](TextRequest("", 8))(["a red 7", "", "七"])
    assert found.tokens.shape == (3, 7, 8) and found.mask.sum(1).tolist() == [7, 0, 1]


def test_what_the_page_shows_in_python_runs(tmp_path, digits):
    small = {"text": "bytes", "width": 16, "layers": 1, "heads": 2, "channels": 4}
    names = {"run": genkit.train("vq-gpt", digits, images=256, options=small, root=tmp_path)}
    exec(CODE[0], names)
    assert names["images"].shape == (32, 1, 8, 8) and names["image"].shape == (1, 1, 8, 8)
    assert names["condition"].mask.all() and torch.isfinite(names["condition"].tokens).all()
