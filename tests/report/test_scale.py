from __future__ import annotations

import pytest

from genkit.report.scale import Scale


@pytest.mark.parametrize(
    ("values", "logarithmic", "middle"),
    [((1.0, 9.0), False, 5.0), ((1.0, 100.0), True, 10.0), ((-1.0, 100.0), False, 49.5)],
)
def test_a_scale_is_filled_by_its_values_in_logarithms_over_a_factor_of_ten(values, logarithmic, middle):
    scale = Scale.of(values)
    assert scale.logarithmic is logarithmic
    assert [scale.place(value) for value in (*values, middle)] == pytest.approx([0, 1, 0.5])
    assert ("logarithmic" in scale.words) is logarithmic


def test_what_lies_beyond_has_a_place_beyond():
    assert Scale.of([1.0, 2.0]).place(3.0) == 2
    assert Scale.of([1.0, 100.0]).place(0.0) < 0
    assert Scale.of([1.0, 100.0]).place(0.1) == pytest.approx(-0.5)


def test_one_value_and_none_are_no_error():
    assert Scale.of([3.0]).place(3.0) == 0
    assert Scale.of([]).place(0.5) == 0.5
