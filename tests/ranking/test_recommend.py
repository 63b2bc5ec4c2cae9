from __future__ import annotations

import pytest
from making import record, score, training

from genkit.errors import MissingError
from genkit.ranking.recommend import recommend, recommend_from
from genkit.results import store

HARDWARE = {"data.name": "digits", "hardware.device": "cpu"}


def model(name, fid, *, latency=1.0, minutes=1.0, more=(), **changes):
    costs = [] if latency is None else [score(latency, name="latency", choices=HARDWARE, half=0.1)]
    return record(name, score(fid, half=0.1), *costs, *more, trained=training(seconds=60 * minutes), **changes)


def test_the_best_within_the_limits_is_recommended_and_the_others_say_why_not():
    records = [model("slow", 1.0, latency=9.0), model("long", 2.0, minutes=45), model("good", 3.0), model("poor", 7.0)]
    found = recommend_from(records, latency_ms=5, train_minutes=30)
    assert found.best.label == "good"
    assert dict(found.outside) == {"slow": "latency 9 ms is above 5", "long": "training 45 minutes is above 30"}
    assert [row.rank for row in found.board.rows] == ["1", "2"]
    assert (found.tied, found.probability) == ((), pytest.approx(1.0))


def test_ties_are_named_with_their_probability():
    found = recommend_from([model("a", 3.0), model("b", 3.05), model("c", 9.0)])
    assert [row.label for row in found.tied] == ["b"]
    assert 0.5 < found.probability < 0.9


def test_an_unmeasured_limit_is_untested_not_met():
    found = recommend_from([model("unknown", 1.0, latency=None), model("known", 3.0)], latency_ms=5)
    assert found.best.label == "known"
    assert "whether within the limits: unknown" in found.untested
    assert not any("unknown" in label for label, _ in found.outside)


def test_models_that_were_never_measured_and_lone_seeds_are_untested():
    found = recommend_from([model("a", 3.0)], offered=["a", "r3gan"])
    assert found.untested == (
        "never measured on digits: r3gan",
        "other training seeds of a: a single one tells nothing about training noise",
    )
    seeds = [record("a", score(3.0 + seed), trained=training(seed=seed)) for seed in range(2)]
    assert recommend_from(seeds).untested == ()


def test_a_need_for_likelihoods_ranks_by_the_tightest_bound_measured():
    records = [
        model("gan", 1.0, absent={"nll": "gan has no likelihood bound"}),
        model("vae", 5.0, more=[score(93.0, name="nll")]),
        model("iwae", 9.0, more=[score(90.0, name="nll"), score(-91.0, name="elbo", direction="higher")]),
    ]
    found = recommend_from(records, needs=["likelihood"])
    assert (found.board.score, found.best.label) == ("nll", "iwae")
    with pytest.raises(MissingError, match="no record has a likelihood"):
        recommend_from(records[:1], needs=["likelihood"])


def test_a_need_for_classes_keeps_models_that_draw_them():
    records = [
        model("gan", 1.0, absent={"class_accuracy": "gan draws no classes"}),
        model("cgan", 5.0, more=[score(0.9, name="class_accuracy[digits-cnn]", direction="higher")]),
        model("unmeasured", 2.0),
    ]
    found = recommend_from(records, needs=["conditional"])
    assert found.best.label == "cgan"
    assert dict(found.outside) == {"gan": "gan draws no classes"}
    assert "whether within the limits: unmeasured" in found.untested


def test_nothing_within_the_limits_names_the_reason():
    with pytest.raises(
        MissingError, match=r"no model of digits is known to be within the limits \(a: latency 1 ms is above 0.5\)"
    ):
        recommend_from([model("a", 3.0)], latency_ms=0.5)


def test_what_is_needed_is_a_limit_whatever_ranks():
    records = [
        model("gan", 1.0, absent={"nll": "gan has no likelihood bound"}),
        model("vae", 5.0, more=[score(93.0, name="nll")]),
    ]
    found = recommend_from(records, needs=["likelihood"], score="fid")
    assert found.best.label == "vae"
    assert dict(found.outside) == {"gan": "gan has no likelihood bound"}


def test_without_a_score_samples_are_what_counts_and_never_a_cost():
    records = [
        record("big", score(9.0, name="parameters"), score(1.0)),
        record("small", score(1.0, name="parameters"), score(30.0)),
    ]
    assert recommend_from(records).best.label == recommend_from(records, needs=["samples"]).best.label == "big"


def test_likelihoods_are_ranked_by_what_most_models_of_the_data_set_have():
    records = [
        record("a", score(2.0, name="bits_per_dim")),
        record("b", score(3.0, name="bits_per_dim")),
        record("c", score(90.0, name="nll")),
        *[record(f"m{place}", score(80.0, name="nll"), dataset="mnist") for place in range(5)],
    ]
    found = recommend_from(records, dataset="digits", needs=["likelihood"])
    assert (found.board.score, found.best.label) == ("bits_per_dim", "a")
    assert dict(found.not_comparable) == {"c": "has no bits_per_dim"}


def test_another_protocol_is_not_comparable_rather_than_untested():
    other = score(1.0, choices={"data.name": "digits", "samples.count": 100})
    records = [record("a", score(3.0)), record("b", score(4.0)), record("c", other)]
    found = recommend_from(records, offered=["a", "b", "c", "d"])
    assert dict(found.not_comparable)["c"].startswith("data.name") or "samples.count" in dict(found.not_comparable)["c"]
    assert found.untested[0] == "never measured on digits: d"


def test_a_folder_of_images_is_no_model():
    assert recommend_from([record("photos", score(0.1), kind="images"), model("a", 3.0)]).best.label == "a"
    with pytest.raises(MissingError, match="no model has been evaluated on digits"):
        recommend_from([record("photos", score(0.1), kind="images")])


def test_limits_keep_the_noise_estimate_of_all_models():
    made = [
        record(name, score(value * (1 + 0.1 * seed)), trained=training(seed=seed, seconds=seconds))
        for name, value, seconds in (("a", 1.0, 60.0), ("b", 2.0, 60.0), ("c", 0.5, 6000.0))
        for seed in range(3)
    ]
    whole, limited = recommend_from(made), recommend_from(made, train_minutes=5)
    assert [row.label for row in limited.board.rows] == ["a", "b"]
    assert limited.best.ci_high == next(row.ci_high for row in whole.board.rows if row.label == "a")
    assert limited.board.comparison.dof == 6


@pytest.mark.parametrize("direction", ["lower", "higher"])
def test_a_baseline_as_good_as_the_best_is_named(direction):
    sign = 1 if direction == "lower" else -1
    values = {"copycat": 0.1, "ppca": 3.0, "noise": 60.0}
    baselines = [record(n, score(sign * v, direction=direction), kind="baseline") for n, v in values.items()]
    best = record("a", score(sign * 5.0, half=0.1, direction=direction))
    found = recommend_from([best, *baselines])
    assert found.beaten_by == (f"ppca ({sign * 3})",)
    assert [row.label for row in found.board.rows] == ["a"]
    better = record("b", score(sign * 2.0, half=0.1, direction=direction))
    assert recommend_from([best, better, *baselines]).beaten_by == ()
    fast = [record(n, score(v, name="latency"), kind="baseline") for n, v in values.items()]
    assert recommend_from([record("a", score(99.0, name="latency")), *fast], score="latency").beaten_by == ()


def test_a_store_is_read_and_models_never_measured_are_named(tmp_path):
    store.add(tmp_path, model("gan", 1.0))
    (tmp_path / "records" / "torn.json").write_text("{")
    problems = []
    found = recommend(tmp_path, unreadable=problems.append)
    assert repr(found) == "Recommendation('gan', fid[digits-cnn] 1 on digits)"
    assert "dcgan" in found.untested[0] and "ppca" not in found.untested[0]
    assert ["torn.json" in problem for problem in problems] == [True]
