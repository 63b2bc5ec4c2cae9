from __future__ import annotations

import numpy as np
import pytest
from making import record, score
from scipy import stats

from genkit.errors import UsageError
from genkit.ranking.across import across
from genkit.ranking.board import rank

NAMES = "abcdef"


def boards(values):
    """A board for each data set, from an array [data sets, models]."""
    return [
        rank(
            [
                record(name, score(float(value), name="fid"), dataset=f"d{place}")
                for name, value in zip(NAMES, row, strict=False)
            ]
        )
        for place, row in enumerate(values)
    ]


@pytest.mark.parametrize("levels", [1000, 3])
def test_friedman_s_test_is_scipy_s_with_and_without_ties(levels):
    values = np.random.default_rng(levels).integers(1, levels + 1, (7, 5)).astype(float)
    found = across(boards(values))
    expected = stats.friedmanchisquare(*values.T)
    assert found.chi_squared == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)
    average = stats.rankdata(values, axis=1).mean(axis=0)
    assert dict(zip(found.models, found.average, strict=True)) == pytest.approx(dict(zip(NAMES, average, strict=False)))
    assert list(found.average) == sorted(found.average)


def test_the_critical_difference_is_that_of_demsar_s_table():
    """Demsar 2006, section 3.2.2: four classifiers on fourteen data sets, q = 2.569."""
    found = across(boards(np.random.default_rng(0).random((14, 4))))
    assert found.critical_difference == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), rel=1e-3)


def test_groups_are_the_widest_runs_within_the_critical_difference():
    values = np.tile([1.0, 2.0, 3.0, 4.0], (14, 1))
    found = across(boards(values))
    assert found.critical_difference == pytest.approx(1.25, abs=0.01)
    assert found.groups == ((0, 1), (1, 2), (2, 3))
    assert across(boards(np.tile([1.0, 2.0], (40, 1)))).groups == ()


def test_a_metric_that_is_better_when_higher_ranks_the_other_way():
    made = [
        rank(
            [
                record(name, score(v, name="is", direction="higher"), dataset=place)
                for name, v in (("a", 1.0), ("b", 2.0))
            ]
        )
        for place in "xy"
    ]
    assert across(made).models == ("b", "a")


def test_models_that_a_data_set_lacks_are_named_and_not_ranked():
    one, other = boards([[1.0, 2.0, 3.0], [1.0, 2.0]])
    found = across([one, other])
    assert (found.models, found.lacking) == (("a", "b"), ("c",))


def test_too_little_to_compare_is_refused():
    (alone,) = boards([[1.0, 2.0]])
    with pytest.raises(UsageError, match="two data sets or more"):
        across([alone])
    stranger = rank([record("z", score(1.0, name="fid"), dataset="other")])
    with pytest.raises(UsageError, match="d0 and other have fewer than two models in common"):
        across([alone, stranger])


def entries(dataset, *options):
    return rank(
        [record("vae", score(float(k)), options={"k": k}, dataset=dataset) for k in options]
        + [record("gan", score(99.0), dataset=dataset)]
    )


def test_a_model_is_known_by_its_name_and_by_its_options_where_a_board_has_several():
    alone = across([entries("x", 1), entries("y", 64)])
    assert (alone.models, alone.varied) == (("vae", "gan"), ("vae",))
    several = across([entries("x", 1, 2), entries("y", 2, 64)])
    assert several.models == ("vae (k=2)", "gan")
    assert set(several.lacking) == {"vae (k=1)", "vae (k=64)"}
    assert several.varied == ()
