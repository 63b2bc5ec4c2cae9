from __future__ import annotations

import numpy as np
import pytest
from reconstructions import pair

from genkit.errors import DataError
from genkit.metrics.mse import mse


def test_mse_is_per_pixel():
    found = pair(n=2500, shape=(1, 4, 4))
    expected = np.square(np.subtract(found.reconstructions, found.test_images, dtype=np.float64)).mean()
    assert mse(found).value == pytest.approx(expected, rel=1e-12)
    assert mse(found).n == 2500


def test_mse_of_other_shapes_is_refused():
    found = pair()
    found.reconstructions = found.reconstructions[:1]
    with pytest.raises(DataError, match="reconstructions have shape"):
        mse(found)
