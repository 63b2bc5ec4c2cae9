from __future__ import annotations

import pytest
from reconstructions import pair

from genkit.errors import DataError, Unmeasurable
from genkit.features import manifest
from genkit.metrics.lpips import lpips
from genkit.metrics.numerics.perceptual import ALEX, similarity


def test_a_missing_backbone_says_where_to_put_it_and_a_damaged_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    with pytest.raises(Unmeasurable, match=r"alexnet-owt-7be5be79\.pth: genkit weights add alexnet FILE"):
        lpips(pair(n=3))
    (tmp_path / "weights").mkdir()
    manifest.find(ALEX.weights).path.write_bytes(b"other")
    with pytest.raises(DataError, match="sha256 differs"):
        similarity(ALEX)
