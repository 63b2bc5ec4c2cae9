from __future__ import annotations

import pytest
from making import record, score, training

from genkit.ranking.agreement import Agreement
from genkit.ranking.board import rank
from genkit.report.heat import agreement, by_class, chances, ranks


def classes(name, *values, **facts):
    parts = {str(place): value for place, value in enumerate(values)}
    return record(name, score(1.0), score(1.0, name="fid_per_class", parts=parts), **facts)


def heats(*records):
    (table,) = by_class(rank(records))
    return {label: [spot.heat for spot in spots] for label, spots in table.rows}


def test_baselines_do_not_flatten_the_colours_of_models():
    found = heats(classes("a", 2.0, 11.0, 20.0), classes("noise", 900.0, 1.0, 2.0, kind="baseline"))
    assert found["a"] == pytest.approx([1, 0.5, 0])
    assert found["noise"] == [0, 1, 1]


def test_colours_are_logarithmic_where_values_span_more_than_a_factor_of_ten():
    assert heats(classes("a", 1.0, 10.0, 100.0))["a"] == pytest.approx([1, 0.5, 0])


def test_chances_say_which_noise_they_cover():
    alone = chances(rank([record("a", score(1.0)), record("b", score(2.0))])).about
    assert "from evaluation noise only" in alone
    seeds = [record(n, score(v), trained=training(seed=s)) for n in "ab" for s, v in enumerate((1.0, 1.1))]
    several = chances(rank(seeds)).about
    assert "from training noise" in several
    for about in (alone, several):
        assert "not corrected for multiple comparisons" in about


def taus(*counts):
    one, two, three = counts
    return agreement(
        Agreement(
            ("x", "y", "z"),
            ((1.0, 0.5, None), (0.5, 1.0, 0.2), (None, 0.2, 1.0)),
            ((9, one, two), (one, 9, three), (two, three, 9)),
        )
    )


def test_the_number_of_models_behind_a_tau_is_printed():
    mixed = taus(5, 2, 7)
    assert [spot.text for spot in mixed.rows[0][1]] == ["", "0.50 (5)", "- (2)"]
    assert "The number of models is in brackets" in mixed.about
    alike = taus(5, 5, 5)
    assert [spot.text for spot in alike.rows[0][1]] == ["", "0.50", "-"]
    assert "Each over 5 models" in alike.about


def test_ranks_are_of_the_same_entry_whatever_a_board_calls_it():
    def entry(name, value, kid, **options):
        scores = [score(value)] + ([score(kid, name="kid[digits-cnn]", half=0.01)] if kid else [])
        return record(name, *scores, options=options)

    records = [entry("a", 1.0, 1.0, width=1), entry("a", 9.0, None, width=2), entry("b", 5.0, 5.0)]
    table = ranks([rank(records, score="fid"), rank(records[::2], score="kid")])
    found = {label: [spot.text for spot in spots] for label, spots in table.rows}
    assert found == {"a (width=1)": ["1", "1"], "b": ["2", "2"], "a (width=2)": ["3", "-"]}


def test_parts_are_called_parts_and_classes_classes():
    parts = {"one": 0.5}
    obeyed = score(0.9, name="prompt_accuracy", direction="higher", parts=parts)
    made = record("gpt", score(1.0), obeyed, score(1.0, name="fid_per_class", parts=parts))
    titles = [table.title for table in by_class(rank([made]))]
    assert [title.partition(" by ")[2] for title in titles] == ["part", "class"]
