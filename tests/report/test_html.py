from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest
from making import point, record, score, training

from genkit.data.images import png
from genkit.ranking.board import rank
from genkit.report.html import board_table, run_page, score_table
from genkit.results import store

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil.example/x onerror=1>"


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "action", "data", "srcset", "poster")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def run(tmp_path):
    import numpy as np

    (tmp_path / "samples.png").write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    lines = [
        {"step": i, "images": 10 * i, "seconds": 0.1, HOSTILE: 1.0 / i, "once": 1.0 if i == 2 else None}
        for i in (1, 2, 3)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 4, "ima')
    return tmp_path


def hostile_record():
    return record(
        HOSTILE,
        score(1.0, name=HOSTILE, note=HOSTILE),
        options={HOSTILE: HOSTILE},
        absent={HOSTILE: HOSTILE},
        dataset=HOSTILE,
        command=HOSTILE,
        trained=training(checkpoint_sha256=HOSTILE, weights=HOSTILE),
        environment={HOSTILE: HOSTILE},
        protocol={"data": {HOSTILE: HOSTILE}},
    )


def test_hostile_names_stay_text_and_nothing_is_requested(run):
    one = hostile_record()
    pages = [
        run_page(one, run, {one.subject.name: {s.fingerprint: s for s in one.scores}}),
        score_table(one),
        board_table(rank([one])),
    ]
    for page in map(Page, pages):
        assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
        assert all(link.startswith("data:image/png;base64,") for link in page.links)
        assert HOSTILE in page.text
    assert not re.search(r"@import|url\(", pages[0])


def test_the_page_holds_grid_and_curves_up_to_a_line_cut_short(run):
    page = Page(run_page(record("a", score(1.0)), run, {}))
    assert page.tags.count("img") == 1
    assert page.tags.count("polyline") == 1


def test_the_page_of_a_run_without_grid_and_log_has_neither(tmp_path):
    page = Page(run_page(record("a", score(1.0)), tmp_path, {}))
    assert not {"img", "svg"} & set(page.tags)


def test_the_page_of_a_run_has_its_model_card(tmp_path):
    told = {"dataset_summary": "40 images 8x8 grey; 3 generated, as their metadata say"}
    (tmp_path / "run.json").write_text(json.dumps(told))
    page = Page(run_page(record("gan", score(1.0), dist="genkit-gans", trained=training()), tmp_path, {})).text
    assert "digits: 40 images 8x8 grey; 3 generated, as their metadata say" in page
    for words in ("licence of the data", "CC BY 4.0", "intended use", "limits"):
        assert words in page
    (tmp_path / "run.json").write_text("[]")
    assert "Model card" in run_page(record("gan", score(1.0)), tmp_path, {})


def test_a_partial_run_is_said_to_be_partial(tmp_path):
    partial = record("a", score(1.0), trained=training(finished=False))
    assert "partial: training is not finished" in run_page(partial, tmp_path, {})
    assert "partial:" not in run_page(record("a", score(1.0)), tmp_path, {})


def test_the_page_of_a_run_shows_its_sweep_without_a_script(tmp_path):
    run = training()
    points = [point(run, value=value, guidance=value) for value in (1.0, 1.25, 3.0)]
    earlier = dataclasses.replace(run, checkpoint_sha256="1" * 64)
    for each in (*points, *(point(earlier, guidance=value) for value in (1.0, 5.0))):
        store.add(tmp_path, each)
    html = run_page(points[0], tmp_path, {})
    page = Page(html)
    assert "script" not in page.tags
    assert "Sweep of guidance 5,000 samples a point" in page.text
    assert page.tags.count("svg") == page.tags.count("polyline") == 2
    assert page.tags.count("circle") == 6
    assert html.count('class="own"') == 2
    assert "guidance=1, the run's own\nclass_accuracy[digits-cnn] 2 [1, 3]\nfid[digits-cnn] 1 [0, 2]" in page.text
    assert "guidance 1" in page.text and "guidance=5" not in page.text
    assert "not the run's own options" not in page.text
    assert "guidance=3.0  not the run's own options" in Page(run_page(points[2], tmp_path, {})).text


def test_a_sweep_of_one_metric_without_the_runs_own_point_is_a_table(tmp_path):
    run = training()
    points = [point(run, ("fid[digits-cnn]",), guidance=value) for value in (2.0, 3.0)]
    for each in points:
        store.add(tmp_path, each)
    page = Page(run_page(points[0], tmp_path, {}))
    assert "Sweep of guidance" in page.text
    assert "svg" not in page.tags and "* the run's own" not in page.text
