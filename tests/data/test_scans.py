"""A JPEG of very many scans, each of which goes over all pixels, is refused before it is decoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genkit.data.decode import decode
from genkit.data.scans import MOST
from genkit.errors import DataError


def jpeg(scans: int = 0, **how: object) -> bytes:
    """Return a JPEG, a progressive one with its last scan so many times."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=90, **how)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:] if scans else data


def test_more_scans_than_are_made_are_refused() -> None:
    with pytest.raises(DataError, match=r"^a\.jpg is a JPEG of 1,0\d\d scans, and at most 100 are read: save it again"):
        decode(io.BytesIO(jpeg(1000, progressive=True)), "a.jpg", grey=False)


def test_a_file_on_the_disk_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(1000, progressive=True))
    with (tmp_path / "a.jpg").open("rb") as file, pytest.raises(DataError, match="scans"):
        decode(file, "a.jpg", grey=False)


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
def test_bytes_like_a_scans_start_are_no_scans_in_comments_and_behind_the_image(how: dict[str, object]) -> None:
    data = jpeg(**how, comment=b"\xff\xda\x00\x02" * 1000)
    pixels = decode(io.BytesIO(data), "a.jpg", grey=False)
    assert (decode(io.BytesIO(data + b"\xff\xda\x00\x02" * MOST * 2), "a.jpg", grey=False) == pixels).all()
