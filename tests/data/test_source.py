"""Options of a request that a data set has no use for."""

from __future__ import annotations

import pytest
from PIL import Image

from genkit.data import open_images


@pytest.mark.parametrize(
    ("reference", "options", "said"),
    [
        ("digits", {"array": "x"}, "digits has no arrays to choose from: 'x' is not used"),
        ("digits", {"values": (0, 4095)}, "digits has its own range of values: (0, 4095) is not used"),
        ("digits", {"labels": "none"}, "digits has its own labels: 'none' is not used"),
        ("folder:{photos}", {"array": "x"}, "photos has no arrays to choose from: 'x' is not used"),
    ],
)
def test_an_option_without_effect_is_said(tmp_path, caplog, reference, options, said):
    (tmp_path / "photos").mkdir()
    for value in (0, 255):
        Image.new("L", (8, 8), value).save(tmp_path / "photos" / f"{value}.png")
    open_images(reference.format(photos=tmp_path / "photos"), **options)
    assert said in caplog.text
