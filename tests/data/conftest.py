from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GENKIT_CACHE", str(folder))
    monkeypatch.delenv("GENKIT_DATA", raising=False)
    return folder


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data beside the repository; skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "../shared/data"
    if not folder.is_dir():
        pytest.skip("the real data of ../shared/data is not on this machine")
    return folder.resolve()


Draw = Callable[..., np.ndarray]


@pytest.fixture
def draw() -> Draw:
    """Make pixels [H, W] or [H, W, 3] that differ from seed to seed."""

    def pixels(seed: int, height: int = 6, width: int = 6, *, colour: bool = False) -> np.ndarray:
        shape = (height, width, 3) if colour else (height, width)
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return pixels


@pytest.fixture
def photos(tmp_path: Path, draw: Draw) -> Callable[..., Path]:
    """Make a folder of grey PNGs under given names, each of other pixels."""

    def make(*names: str, folder: str = "photos", seed: int = 0) -> Path:
        for index, name in enumerate(names, start=seed):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(index)).save(path, format="PNG")
        return tmp_path / folder

    return make
