from __future__ import annotations

import dataclasses

import pytest

from genkit.ranking.across import Across
from genkit.report.critical import diagram


def ranked(**changes):
    facts = {
        "datasets": ("a", "b"),
        "score": "fid",
        "models": ("m1", "m2", "m3", "a name that is long", "m5"),
        "ranks": ((1.0, 1.0),) * 5,
        "average": (1.0, 2.0, 3.5, 3.5, 5.0),
        "chi_squared": 1.0,
        "p_value": 0.5,
        "critical_difference": 2.0,
        "groups": ((0, 1), (1, 3)),
        "lacking": (),
        "varied": (),
    }
    return Across(**{**facts, **changes})


def test_models_stand_where_their_average_ranks_are():
    drawn = diagram(ranked())
    assert [stem.name for stem in drawn.stems] == list(ranked().models)
    xs = [stem.x for stem in drawn.stems]
    assert xs[0] == drawn.left and xs[-1] == drawn.right
    assert xs[2] == xs[3] == drawn.left + (drawn.right - drawn.left) * 2.5 / 4
    assert [stem.side for stem in drawn.stems] == ["left", "left", "left", "right", "right"]


def test_no_two_names_of_a_side_share_a_height_and_all_are_within():
    drawn = diagram(ranked())
    for side in ("left", "right"):
        heights = [stem.y for stem in drawn.stems if stem.side == side]
        assert len(set(heights)) == len(heights)
        assert max(heights) < drawn.height


def test_a_bar_joins_each_group_above_the_names():
    drawn = diagram(ranked())
    spans = [(start + 3, end - 3) for start, end, _ in drawn.bars]
    places = [stem.x for stem in drawn.stems]
    assert spans == [(places[0], places[1]), (places[1], places[3])]
    assert len({y for *_, y in drawn.bars}) == 2
    assert max(y for *_, y in drawn.bars) < min(stem.y for stem in drawn.stems)


@pytest.mark.parametrize(("difference", "span", "beyond"), [(2.0, 0.5, False), (4.0, 1.0, False), (9.0, 1.0, True)])
def test_the_critical_difference_is_drawn_to_scale_up_to_the_axis(difference, span, beyond):
    drawn = diagram(ranked(critical_difference=difference))
    assert drawn.span == pytest.approx(span * (drawn.right - drawn.left))
    assert drawn.beyond is beyond


def test_long_names_are_cut_and_two_models_are_enough():
    assert diagram(ranked()).stems[3].label == "a name that is…"
    two = dataclasses.replace(
        ranked(), models=("a", "b"), average=(1.0, 2.0), groups=((0, 1),), critical_difference=1.4
    )
    assert [stem.side for stem in diagram(two).stems] == ["left", "right"]
