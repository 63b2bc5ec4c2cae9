"""The page of a leaderboard: page.py, standings.py and pictures.py.

Tests page, standings, pictures and summary of genkit.report.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from making import point, record, score, training

from genkit.data.images import png
from genkit.ranking.board import rank
from genkit.report import tabular
from genkit.report.details import DETAILS
from genkit.report.leaderboard import Leaderboard
from genkit.report.page import leaderboard_page
from genkit.results import store

HOSTILE = "<script>alert(1)</script>"
TRUSTED = ("plotly", "plot-data")


class Page(HTMLParser):
    """Elements with their attributes and text; the texts of table rows; scripts by their id."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.rows, self.scripts = [], "", [], {}
        self._script, self._in_cell = None, False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._in_cell = True
        elif tag == "script":
            self._script = dict(attrs).get("id", "")

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = None
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data):
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
            return
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data

    def attributes(self, *names):
        return [value for _, attrs in self.elements for name, value in attrs.items() if name in names]

    def count(self, tag, **wanted):
        return sum(tag == t and wanted.items() <= attrs.items() for t, attrs in self.elements)

    def row(self, model):
        return next([cell.strip() for cell in row] for row in self.rows if len(row) > 1 and row[1].strip() == model)


def parsed(*records, **more):
    return Page(leaderboard_page(Leaderboard(rank(records), records=records, **more)))


def sections(page):
    return {attrs.get("id") for tag, attrs in page.elements if tag == "section"}


def test_hostile_names_stay_text_in_the_page_and_in_its_data(page):
    seen = Page(page)
    assert seen.text.count(HOSTILE) > 10
    assert HOSTILE not in page
    assert [attrs.get("id") for tag, attrs in seen.elements if tag == "script"] == ["plot-data", "plotly", None, None]
    data = json.loads(seen.scripts["plot-data"])
    assert HOSTILE in data["values"]["names"]
    assert HOSTILE in data["curves"]["names"]
    assert any(HOSTILE in value for value in seen.attributes("title", "alt", "aria-label"))
    assert not [name for _, attrs in seen.elements for name in attrs if name.startswith("on")]


def test_a_hostile_data_set_and_score_stay_text():
    html = leaderboard_page(Leaderboard(rank([record("a", score(1.0, name=HOSTILE), dataset=HOSTILE)])))
    assert HOSTILE not in html
    assert HOSTILE in Page(html).text


def test_plotly_is_embedded_once(page):
    assert page.count("* plotly.js v") == 1
    assert "* plotly.js v" in Page(page).scripts["plotly"]


def test_the_page_makes_no_requests(page):
    seen = Page(page)
    for address in seen.attributes("src", "href", "action", "srcset", "poster", "data", "xlink:href"):
        assert address.startswith(("#", "data:image/png;base64,", "data:application/json;", "data:text/csv;"))
    policy = next(a["content"] for t, a in seen.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'unsafe-inline'; ")
    assert "http" not in policy
    assert not {"link", "iframe", "object", "base", "form"} & {tag for tag, _ in seen.elements}
    styles = re.findall(r"<style.*?</style>", page, re.DOTALL)
    assert styles and not re.search(r"@import|url\(", "".join(styles))


def test_links_within_the_page_have_targets(page):
    seen = Page(page)
    targets = [address[1:] for address in seen.attributes("href") if address.startswith("#")]
    assert len(targets) > 8
    assert set(targets) <= set(seen.attributes("id"))


def test_a_full_board_has_all_sections(page):
    assert sections(Page(page)) == {
        *("board", "compared", "plots", "pictures", "classes", "models", "excluded", "downloads")
    }


def test_a_sweep_is_plotted_in_a_section_of_its_own():
    run = training()
    records = [point(run, guidance=value) for value in (1.0, 1.25, 2.0)]
    seen = Page(Leaderboard(rank(records), records=tuple(records)).html())
    assert "sweeps" in sections(seen)
    assert seen.count("div", **{"data-plot": "sweep"}) == 2
    assert "class_accuracy[digits-cnn] against fid[digits-cnn] n = 5,000" in seen.text
    curves = [plot["curves"] for plot in json.loads(seen.scripts["plot-data"])["sweeps"]]
    assert [[curve["texts"] for curve in each] for each in curves] == [[["guidance 1", "1.25", "2"]]] * 2
    assert curves[0][0]["own"] == [True, False, False]


def test_empty_sections_are_left_out():
    seen = parsed(record("a", score(1.0)))
    assert sections(seen) == {"board", "plots", "models", "downloads"}
    assert "Learning curves" not in seen.text
    assert "best checkpoint" not in seen.text


def test_a_row_has_rank_value_interval_and_the_noise_it_is_of(whole, page):
    first = whole.board.rows[0]
    rank_, name, value, interval, noise, *_ = Page(page).row("vae")
    assert (rank_, name, noise) == (first.rank, "vae", "2 seeds")
    assert value == f"2.02{interval}"
    assert interval.startswith("[")
    assert parsed(record("a", score(1.0))).row("a")[4] == "evaluation only"


def test_missing_numbers_have_reasons(page):
    seen = Page(page)
    assert "dcgan has no likelihood bound" in seen.attributes("title")


def test_calibration_baselines_are_below_the_models(page):
    body = page.index('<tbody class="calibration">')
    assert page.index("real test", body) < page.index("</tbody>", body)
    assert Page(page).row("real test")[0] == "floor"


def test_a_baseline_at_another_n_is_shown_with_its_n(page):
    _, _, value, interval, *_ = Page(page).row("blurred")
    assert interval == "[0.35, 0.45]"
    assert value == f"0.4 at n = 360{interval}"


def test_a_baseline_at_the_boards_n_shows_its_value(page):
    assert Page(page).row("copycat")[2].startswith("0.1[")


def test_unequal_variances_are_noted():
    def board(*spreads):
        values = [
            (name, seed, math.exp(spread * seed))
            for name, spread in zip("abc", spreads, strict=True)
            for seed in range(4)
        ]
        return parsed(*(record(name, score(value), trained=training(seed=seed)) for name, seed, value in values))

    assert "variances over seeds are unequal" in board(0.001, 0.001, 1.0).text
    assert "variances over seeds are unequal" not in board(0.1, 0.12, 0.11).text


def test_reasons_are_grouped():
    absent = {"elbo": "{} has no likelihood bound", "nll": "{} has no likelihood bound"}
    bounds = [score(-90.0, name=name, choices={}) for name in ("elbo", "nll")]
    lacking = [record(name, score(2.0), absent={k: why.format(name) for k, why in absent.items()}) for name in "bc"]
    seen = parsed(record("a", score(1.0), *bounds), *lacking)
    assert "has no likelihood boundelbo, nll: b, c" in seen.text
    assert "Why are numbers missing?" not in parsed(record("a", score(1.0))).text


def test_records_and_milestones_are_counted_separately(page):
    assert "4 entries ranked, from 13 records, and 2 of earlier checkpoints" in Page(page).text
    assert "1 entry ranked, from 1 record ·" in parsed(record("a", score(1.0))).text


def test_values_in_details_are_json_not_python(page):
    facts = Page(page).text
    assert "rate=null" in facts and 'nested={"ddof": 1}' in facts
    assert "None" not in facts and "{'" not in facts


def test_one_thing_is_called_protocol_in_the_details(whole, page):
    terms = re.findall(r"<dt>(.*?)</dt>", page)
    assert "samples" in terms
    assert not [term for term in terms if "protocol" in term]


def test_the_heads_of_columns_break_between_words(page):
    assert "fid<wbr>[digits-cnn]" in page


def test_seconds_to_the_best_checkpoint_are_explained(page):
    assert "seconds of training until the best checkpoint" in Page(page).text


def test_failed_jobs_are_rows_with_their_reason(page):
    state, _, reason = Page(page).row("hvae")
    assert (state, reason) == ("failed", f"seed 3: the loss is not finite {HOSTILE}")


def test_only_scores_that_copies_win_are_marked(whole, page):
    assert whole.board.blind_to_memorisation == ("fid[digits-cnn]",)
    assert Page(page).count("span", **{"class": "badge"}) == 1
    assert parsed(record("a", score(1.0))).count("span", **{"class": "badge"}) == 0


def test_best_checkpoints_are_labelled_as_not_the_result(whole, page):
    seen = Page(page)
    assert seen.row("vae")[-2] == "1.01"
    assert seen.row("dcgan")[-2] == "-"
    assert "not the result" in seen.text


def test_headline_columns_are_shown_and_the_others_can_be_chosen(whole, page):
    checked = {
        whole.board.columns[int(attrs["data-column"])]: "checked" in attrs
        for _, attrs in Page(page).elements
        if "data-column" in attrs
    }
    assert checked["recall[digits-cnn]"] and checked["parameters"]
    assert not checked["fid_per_class[digits-cnn]"]


def test_pictures_are_embedded_with_their_ratios(page):
    seen = Page(page)
    assert seen.count("img") == 3 * 3
    assert "0.12" in seen.text and "seed 0" in seen.text


def test_the_smallest_ratio_is_shown_with_that_of_real_images(tmp_path):
    def near(name, count, *ratios, **facts):
        one = record(name, score(2.0), protocol={"samples": {"count": count}}, **facts)
        files = {"memorised.png": png(np.zeros((8, 8, 3), np.uint8)), "memorised.json": json.dumps({"ratio": ratios})}
        store.add(tmp_path, one, {key: f if isinstance(f, bytes) else f.encode() for key, f in files.items()})
        return one

    model = near("a", 5000, 0.21, 0.34)
    alone = parsed(model, origins=store.read(tmp_path).origins).text
    assert "smallest of 5,000: 0.21" in alone and "for reference" not in alone
    seen = parsed(model, near("real test", 360, 0.32, kind="baseline"), origins=store.read(tmp_path).origins).text
    assert "smallest of 5,000: 0.21; real test of 360: 0.32" in seen
    assert "The minimum over more samples is smaller by chance alone" in seen
    assert "copy is likely" not in seen


@pytest.mark.parametrize(
    "exhibits",
    [
        {"samples.png": b"<svg onload=alert(1)>", "memorised.json": b"[", "curves.json": b'{"images": 3}'},
        {"curves.json": b'{"images": [1, 2], "curves": {"loss": [1]}}'},
        {"curves.json": b'{"images": [1, 2], "curves": [["a"]]}', "memorised.json": b'{"ratio": "high"}'},
        {"curves.json": b"\xff\xfe"},
        {"curves.json": b'{"images": [1, 1%s], "curves": {"loss": [1, 2]}}' % (b"0" * 400)},
        {"memorised.json": b'{"ratio": [1%s]}' % (b"0" * 400), "curves.json": b'{"images": [1%s]}' % (b"0" * 5000)},
        {"curves.json": b'{"images": ' + b"[" * 200_000},
    ],
)
def test_invalid_exhibits_are_not_shown(exhibits, tmp_path):
    one = record("a", score(1.0))
    store.add(tmp_path, one, exhibits)
    seen = parsed(one, origins=store.read(tmp_path).origins)
    assert seen.count("img") == 0
    assert sections(seen) == {"board", "plots", "models", "downloads"}


def test_a_page_is_made_without_missing_exhibits(tmp_path):
    one = record("a", score(1.0))
    seen = parsed(one, origins={one.id: str(tmp_path / "gone")})
    assert seen.count("img") == 0


def test_values_by_class_are_means_over_seeds(page):
    cells = next(row for row in Page(page).rows if row and row[0] == "vae" and row[1] == "2.02")
    assert cells == ["vae", "2.02", "4.04"]


def test_details_show_the_mean_that_the_board_ranks_by(whole, page):
    row = whole.board.rows[0]
    cells = next(row for row in Page(page).rows if row and row[0].startswith("fid[digits-cnn] ↓") and row[1] == "2.02")
    assert cells[4].startswith("over seeds")
    assert row.score.value != pytest.approx(2.02, abs=0.01)  # the last seed's


def test_chances_agreement_and_data_sets_are_compared(whole, page):
    seen = Page(page)
    for title in ("Probability of being better", "Ranks under each score", "Do the scores agree?"):
        assert title in seen.text
    assert "Over 2 data sets" in seen.text
    assert seen.count("svg", **{"class": "critical"}) == 1


def test_different_training_between_data_sets_is_noted():
    def board(dataset, width):
        models = [record(name, score(v), dataset=dataset, options={"width": width}) for name, v in (("a", 1), ("b", 9))]
        return rank(models)

    found = Leaderboard(board("digits", 1), elsewhere=(board("fashion", 2),))
    assert "Different options or training between data sets: b, a" in Page(found.html()).text
    same = Leaderboard(board("digits", 1), elsewhere=(board("fashion", 1),))
    assert "Different options or training" not in Page(same.html()).text


def test_left_out_records_and_unreadable_files_are_listed(whole, page):
    seen = Page(page)
    (left, reason), *_ = whole.board.left_out
    assert [left, reason] in seen.rows
    assert ["unreadable", f"{HOSTILE} is not a record"] in seen.rows


def test_downloads_hold_the_board(whole, page):
    files = {
        attrs["download"]: base64.b64decode(attrs["href"].partition(",")[2]).decode()
        for tag, attrs in Page(page).elements
        if "download" in attrs
    }
    assert json.loads(files["leaderboard.json"]) == json.loads(json.dumps(tabular.document(whole.board)))
    assert files["leaderboard.csv"] == tabular.comma_separated(whole.board)


def test_of_a_long_board_the_best_have_details_and_the_page_says_so():
    records = [record(f"m{place}", score(1.0 + place), trained=training()) for place in range(DETAILS + 5)]
    seen = parsed(*records)
    assert seen.count("details", **{"class": "entry"}) == DETAILS
    assert f"Details of the best {DETAILS} of {DETAILS + 5} entries" in seen.text
    assert {f"m{place}" for place in range(DETAILS + 5)} <= {row[1].strip() for row in seen.rows if len(row) > 1}


def test_a_board_of_baselines_alone_has_a_page():
    seen = parsed(record("noise", score(9.0), kind="baseline"), record("ppca", score(3.0), kind="baseline"))
    assert sections(seen) == {"board", "downloads"}


def test_images_of_no_model_have_details_without_commands():
    seen = parsed(record("photos", score(1.0), kind="images", trained=None, command="genkit compare photos faces"))
    assert "Commands to reproduce it" not in seen.text
    assert "genkit compare photos faces" in seen.text


def test_a_seed_alone_says_that_training_may_change_the_order():
    seen = parsed(record("a", score(1.0)), record("b", score(2.0)))
    assert "another training seed may change the order" in seen.text
    several = [
        record(name, score(v), trained=training(seed=seed)) for name in "ab" for seed, v in enumerate((1.0, 1.1))
    ]
    assert "another training seed may change the order" not in parsed(*several).text


def test_a_note_of_the_score_is_shown(whole):
    noted = dataclasses.replace(score(1.0), note="effective rank 13 of 64")
    assert "effective rank 13 of 64" in parsed(record("a", noted)).attributes("title")
