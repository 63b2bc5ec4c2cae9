from __future__ import annotations

import numpy as np
import pytest
from making import record, score
from scipy import stats

from genkit.errors import UnknownName, UsageError
from genkit.ranking.agreement import _tau, agreement, overall
from genkit.ranking.board import rank

KID, IS = "kid[digits-cnn]", "is[digits-cnn]"


def boards(values):
    """A board of each score, of models that have one value each under those that they have."""
    records = []
    for model, scores in values.items():
        made = [
            score(value, name=name, half=0.001, direction="higher" if name == IS else "lower")
            for name, value in scores.items()
        ]
        records.append(record(model, *made))
    names = dict.fromkeys(name for scores in values.values() for name in scores)
    return [rank(records, score=name) for name in names]


def test_tau_is_scipy_s_with_ties_and_with_the_better_first():
    rng = np.random.default_rng(0)
    fid, inception = rng.integers(1, 6, 12).astype(float), rng.integers(1, 6, 12).astype(float)
    found = agreement(boards({f"m{i}": {"fid": a, IS: b} for i, (a, b) in enumerate(zip(fid, inception, strict=True))}))
    assert found.names == ("fid", IS)
    assert found.taus[0][1] == pytest.approx(stats.kendalltau(-fid, inception).statistic)
    assert found.taus[0][0] == found.taus[1][1] == pytest.approx(1)


def test_only_models_that_both_have_count_and_two_say_nothing():
    found = agreement(
        boards({"a": {"fid": 1.0, KID: 3.0}, "b": {"fid": 2.0, KID: 2.0}, "c": {"fid": 3.0}, "d": {KID: 9.0}})
    )
    assert found.counts == ((3, 2), (2, 3))
    assert found.taus[0][1] is None
    assert found.taus[0][0] == pytest.approx(1)


def test_models_that_are_all_equal_have_no_order_to_agree_on():
    found = agreement(boards({name: {"fid": 1.0, KID: float(place)} for place, name in enumerate("abc")}))
    assert found.taus[0][1] is None


def test_an_overall_order_is_by_the_weights_given():
    made = boards({"a": {"fid": 1.0, KID: 3.0}, "b": {"fid": 2.0, KID: 1.0}, "c": {"fid": 3.0, KID: 2.0}})
    by_fid = overall(made, {"fid": 3, "kid": 1})
    assert [label for label, _ in by_fid.rows] == ["a", "b", "c"]
    assert dict(by_fid.rows)["a"] == pytest.approx((3 * 1 + 3) / 4)
    assert [label for label, _ in overall(made, {"fid": 1, KID: 3}).rows] == ["b", "c", "a"]


def test_a_model_without_a_rank_under_one_of_the_metrics_has_no_overall_rank():
    made = boards({"a": {"fid": 1.0, KID: 3.0}, "b": {"fid": 2.0}, "c": {"fid": 3.0, KID: 2.0}})
    found = overall(made, {"fid": 1, "kid": 1})
    assert found.lacking == ("b",)
    assert {label for label, _ in found.rows} == {"a", "c"}


def test_ties_count_by_the_middle_of_their_ranks():
    made = [
        rank(
            [
                record("a", score(1.0, name="fid")),
                record("b", score(1.1, name="fid")),
                record("c", score(9.0, name="fid")),
            ]
        )
    ]
    assert dict(overall(made, {"fid": 1}).rows) == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_weights_that_make_no_sense_are_refused():
    made = boards({"a": {"fid": 1.0}, "b": {"fid": 2.0}})
    with pytest.raises(UsageError, match="the weight of fid is 0: give a number above zero"):
        overall(made, {"fid": 0})
    with pytest.raises(UnknownName, match="no score named 'fidd'"):
        overall(made, {"fidd": 1})


def test_models_are_known_by_what_they_are_and_not_by_their_labels():
    """Each vae stands alone on its board, so both are called "vae" there."""
    records = [
        record("vae", score(1.0, name="fid"), options={"k": 16}),
        record("vae", score(1.0, name=KID), options={"k": 32}),
        record("gan", score(2.0, name="fid"), score(2.0, name=KID)),
    ]
    made = [rank(records, score=name) for name in ("fid", KID)]
    assert agreement(made).counts[0][1] == 1
    found = overall(made, {"fid": 1, "kid": 1})
    assert [label for label, _ in found.rows] == ["gan"]
    assert found.lacking == ("vae", "vae")


def test_ranks_of_a_weighted_order_are_among_the_models_that_all_scores_have():
    others = {f"g{place}": {"fid": 1.5 + place / 100} for place in range(6)}
    made = boards({"v1": {"fid": 1.0, KID: 2.0}, "v2": {"fid": 9.0, KID: 1.0}, **others})
    assert dict(overall(made, {"fid": 1, "kid": 1}).rows) == {"v1": 1.5, "v2": 1.5}


def test_a_score_is_weighed_once_and_by_a_number_with_an_end():
    made = boards({"a": {"fid": 1.0, KID: 1.0}, "b": {"fid": 2.0, KID: 2.0}})
    with pytest.raises(UsageError, match="the weight of fid is inf"):
        overall(made, {"fid": float("inf")})
    with pytest.raises(UsageError, match="has two weights"):
        overall(made, {"kid": 1, KID: 5})


def test_agreement_is_that_of_all_pairs_counted():
    draw = np.random.default_rng(0)
    for size in (3, 4, 10, 57):
        for levels in (1, 2, 5, 1000):
            one, other = draw.integers(0, levels, (2, size)).astype(float)
            pairs = np.triu_indices(size, 1)
            signs = [np.sign(values[:, None] - values)[pairs] for values in (one, other)]
            scale = np.sqrt(np.count_nonzero(signs[0]) * np.count_nonzero(signs[1]))
            expected = float((signs[0] * signs[1]).sum() / scale) if scale else None
            assert _tau(one, other) == expected
