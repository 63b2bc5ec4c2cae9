from __future__ import annotations

import numpy as np
import pytest
from reconstructions import pair

from genkit.errors import DataError
from genkit.metrics.numerics.reconstruction import per_image, squared_errors


def test_each_image_has_its_number_in_order():
    evidence = pair(n=600)
    expected = np.square(np.subtract(evidence.test_images, evidence.reconstructions, dtype=np.float64)).mean((1, 2, 3))
    np.testing.assert_allclose(squared_errors(evidence), expected, rtol=1e-12)
    errors = per_image(evidence, lambda one, two: (one.double() - two.double()).square().mean((1, 2, 3)))
    np.testing.assert_allclose(errors, expected, rtol=1e-12)


def test_other_shapes_are_refused():
    evidence = pair(n=3)
    evidence.reconstructions = evidence.reconstructions[:, :, :8]
    with pytest.raises(DataError, match="reconstructions have shape"):
        squared_errors(evidence)
