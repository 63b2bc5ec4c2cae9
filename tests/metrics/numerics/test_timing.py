from __future__ import annotations

from genkit.metrics.numerics.timing import positive
from genkit.results.score import Score


def test_an_interval_on_the_logarithmic_scale_is_above_zero_and_symmetric_in_ratios():
    score = positive(Score(2.0, 1.0, 2.0 - 3.0, 2.0 + 3.0, "t interval", 5))
    assert 0 < score.ci_low < 2.0 < score.ci_high
    assert abs(score.ci_low * score.ci_high - 4.0) < 1e-12
    assert score.method == "t interval of the logarithm"
