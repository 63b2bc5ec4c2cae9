"""Runs measured at several values of their options of drawing, as data of plots."""

from __future__ import annotations

import dataclasses

import pytest
from making import SWEPT, point, record, score, training

from genkit.ranking.sweeps import plotted, sweep_plots, sweeps

FID, ACCURACY, RECALL, PRECISION = SWEPT


def guided(trained, *values, **more):
    return [point(trained, guidance=value, **more) for value in values]


def values(curve):
    return [each.values[curve.option] for each in curve.points]


def test_points_of_one_run_are_joined_in_the_order_of_the_options_values():
    (sweep,) = sweeps(guided(training(), 3.0, 1.0, 1.25, 10.0))
    (by_accuracy, by_precision) = sweep_plots([sweep])
    assert [(plot.x, plot.y) for plot in (by_accuracy, by_precision)] == [(FID, ACCURACY), (RECALL, PRECISION)]
    (curve,) = by_accuracy.curves
    assert (curve.option, curve.held, values(curve)) == ("guidance", {}, [1.0, 1.25, 3.0, 10.0])
    assert [each.own for each in curve.points] == [True, False, False, False]
    assert [each.values["guidance"] for each in plotted([by_accuracy, by_precision])] == [1.25, 3.0, 10.0]


def test_a_point_alone_is_no_sweep_and_neither_are_runs_or_weights_of_their_own():
    one, other = training(), training(seed=1)
    raw = dataclasses.replace(one, weights="raw")
    earlier = dataclasses.replace(one, checkpoint_sha256="1" * 64)
    assert not sweeps([point(each, guidance=float(n)) for n, each in enumerate((one, other, raw, earlier))])
    assert not sweeps([point(one, guidance=2.0), point(one, guidance=2.0)])
    assert not sweeps([record("photos", score(1.0), kind="images"), record("vae", score(1.0))])


def test_runs_that_differ_in_the_seed_are_curves_of_their_own_under_one_label():
    runs = [training(seed=seed) for seed in (0, 1)]
    (plot, _) = sweep_plots(sweeps([one for run in runs for one in guided(run, 1.0, 2.0)]))
    assert [(curve.sweep.label, curve.sweep.seed) for curve in plot.curves] == [("gpt", 0), ("gpt", 1)]
    wider = guided(training(), 1.0, 2.0, options={"width": 9})
    (plot, _) = sweep_plots(sweeps([*guided(runs[0], 1.0, 2.0), *wider]))
    assert len({curve.sweep.label for curve in plot.curves}) == 2


def test_points_of_several_protocols_are_not_joined():
    run, few = training(), {"samples.count": 300}
    assert not sweeps([point(run, guidance=1.0), point(run, guidance=2.0, choices=few)])
    both = [*guided(run, 1.0, 2.0), *guided(run, 1.0, 2.0, 3.0, choices=few)]
    sizes = [[values(curve) for curve in plot.curves] for plot in sweep_plots(sweeps(both)) if plot.x == FID]
    assert sizes == [[[1.0, 2.0, 3.0]], [[1.0, 2.0]]]


def test_within_a_sweep_each_score_has_the_protocol_of_most_points_then_the_newest():
    run, other = training(), {"features.resize": "bilinear"}
    found = [*guided(run, 1.0, 2.0, 3.0), *guided(run, 1.0, 4.0, choices=other, value=70.0)]
    (plot, _) = sweep_plots(sweeps(found))
    assert values(plot.curves[0]) == [1.0, 2.0, 3.0]
    (plot, _) = sweep_plots(sweeps([*guided(run, 1.0, 2.0), *guided(run, 1.0, 4.0, choices=other)]))
    assert values(plot.curves[0]) == [1.0, 4.0]


def test_a_point_measured_again_shows_its_newest_values_and_scores_of_several_records_are_one_point():
    run = training()
    found = [*guided(run, 1.0, 2.0), point(run, value=50.0, guidance=2.0)]
    assert [each.scores[FID].value for each in sweep_plots(sweeps(found))[0].curves[0].points] == [1.0, 50.0]
    apart = [point(run, (name,), guidance=value) for name in (FID, ACCURACY) for value in (1.0, 2.0)]
    (plot,) = sweep_plots(sweeps(apart))
    assert [len(each.records) for each in plot.curves[0].points] == [2, 2]


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        ((FID, RECALL, PRECISION), [(RECALL, PRECISION)]),
        (("fid[inception]", FID, ACCURACY), [("fid[inception]", ACCURACY)]),
        (("parameters", "kid[digits-cnn]", "kid[inception]", FID), [("kid[digits-cnn]", FID)]),
        (("latency", FID), [(FID, "latency")]),
        (("fid[digits-cnn]@360", FID, "kid[digits-cnn]"), [(FID, "kid[digits-cnn]")]),
        (("fid[digits-cnn]@360", "kid[digits-cnn]"), [("fid[digits-cnn]@360", "kid[digits-cnn]")]),
        ((FID, "fid[inception]"), []),
    ],
)
def test_what_is_plotted_against_what_depends_on_what_was_measured(names, pairs):
    found = sweeps([point(training(run="a"), names, guidance=value) for value in (1.0, 2.0)])
    assert [(plot.x, plot.y) for plot in sweep_plots(found)] == pairs


def test_scores_that_cannot_be_ranked_are_not_plotted():
    found = guided(training(), 1.0, 2.0)
    few = [
        dataclasses.replace(one, scores=tuple(dataclasses.replace(s, rankable=s.name != FID) for s in one.scores))
        for one in found
    ]
    assert [(plot.x, plot.y) for plot in sweep_plots(sweeps(few))] == [(RECALL, PRECISION)]


def test_a_grid_of_two_options_is_a_curve_for_each_value_of_one():
    run = training()
    grid = [point(run, guidance=g, temperature=t) for t in (0.5, 1.0) for g in (1.0, 2.0, 3.0)]
    (plot, _) = sweep_plots(sweeps(grid))
    found = [(curve.option, curve.held, values(curve)) for curve in plot.curves]
    assert found == [("guidance", {"temperature": t}, [1.0, 2.0, 3.0]) for t in (0.5, 1.0)]


def test_each_of_two_options_swept_alone_is_a_curve_through_the_common_point():
    run = training()
    guidance = [point(run, guidance=g, top_k=0) for g in (1.0, 2.0, 3.0)]
    (plot, _) = sweep_plots(sweeps([*guidance, point(run, guidance=1.0, top_k=8)]))
    found = [(curve.option, curve.held, values(curve)) for curve in plot.curves]
    assert found == [("guidance", {"top_k": 0}, [1.0, 2.0, 3.0]), ("top_k", {"guidance": 1.0}, [0, 8])]


def test_an_option_at_the_value_that_is_not_stored_has_its_place_on_the_curve():
    run = training()
    found = [point(run, own={}, truncation=0.5), point(run, own={}), point(run, own={}, truncation=1.5)]
    (plot, _) = sweep_plots(sweeps(found))
    assert values(plot.curves[0]) == [0.5, 1.0, 1.5]
    assert [each.own for each in plot.curves[0].points] == [False, True, False]


def test_values_that_are_no_numbers_come_after_those_that_are():
    (plot, _) = sweep_plots(sweeps([point(training(run="a"), order=value) for value in ("raster", 2, "random")]))
    assert values(plot.curves[0]) == [2, "random", "raster"]


def test_what_prompts_ask_for_is_plotted_against_the_distance():
    run = training()
    (plot,) = sweep_plots(sweeps([point(run, (FID, "prompt_accuracy"), guidance=each) for each in (1.0, 2.0)]))
    assert (plot.x, plot.y) == (FID, "prompt_accuracy")
