from __future__ import annotations

import re

import model_cards as cards
import pytest
from making import record, score, training

from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec


def offer(name):
    return registry().find(ModelSpec, name)


@pytest.mark.parametrize(
    "each", [o for o in registry().offers(ModelSpec) if o.spec.family != "baseline"], ids=lambda offer: offer.spec.name
)
def test_every_model_has_a_card_with_its_loss_paper_presets_and_size(each):
    text = cards.card(each, [], {})
    assert text.startswith(f"## {each.spec.name}\n")
    assert each.spec.paper in text
    quoted = " ".join(line for line in text.splitlines() if line.startswith(">"))
    assert re.search(r"\S [-+] \S|sum_", quoted)  # a loss has terms or sums
    presets = {cells[1].strip(): cells for line in text.splitlines() if len(cells := line.split("|")) == 7}
    for name in ("default", "gpu"):
        assert int(presets[name][5].replace(",", "")) > 1000
    assert "measured on" not in text


def test_a_card_shows_what_was_measured_of_its_model_alone():
    mine = record("gan", score(2.5), score(9.0, name="fid[digits-cnn]@360"), trained=training())
    other = record("gan", score(7.25), dist="another")
    text = cards.card(offer("gan"), [mine, other, record("dcgan", score(8.125))], {mine.id: "grid.png"})
    assert "| digits |  | 0 | 400,000 | 2.5 [1.5, 3.5] |" in text
    assert "![Samples of gan on digits after 400,000 images, seed 0](grid.png)" in text
    assert "7.25" not in text
    assert "8.125" not in text


def test_a_card_names_data_licences_use_and_limits():
    records = [record("gan", score(2.5)), record("gan", score(3.5), dataset="folder-photos")]
    text = cards.card(offer("gan"), records, {})
    assert "- Data: results below are of digits (licence CC BY 4.0), folder-photos (licence unknown" in text
    assert "- Licence of the code: Apache-2.0." in text
    assert "- Intended use: " in text and "- Limits: " in text
    assert "- Data: any images; no weights come with the package." in cards.card(offer("gan"), [], {})


def test_a_milestone_is_no_result():
    on_the_way = record("gan", score(7.25), trained=training(finished=False))
    last = record("gan", score(2.5), trained=training())
    text = cards.card(offer("gan"), [on_the_way, last], {on_the_way.id: "early.png"})
    assert "2.5 [1.5, 3.5]" in text
    assert "7.25" not in text
    assert "early.png" not in text
    assert "measured on" not in cards.card(offer("gan"), [on_the_way], {})


def test_a_score_at_the_size_of_the_test_stands_where_there_is_no_other():
    both = record("gan", score(2.5), score(9.25, name="fid[digits-cnn]@360"))
    assert "9.25" not in cards.card(offer("gan"), [both], {})
    matched = record("gan", score(9.25, name="fid[mnist-cnn]@10000"))
    assert "| 9.25 [8.25, 10.25] |" in cards.card(offer("gan"), [matched], {})


def test_a_cell_that_was_not_run_is_empty():
    records = [record("gan", score(2.5)), record("gan", score(3.5), score(1.0, name="kid[digits-cnn]"))]
    rows = [line for line in cards.card(offer("gan"), records, {}).splitlines() if line.startswith("| digits |  |")]
    assert rows[0].endswith("| 2.5 [1.5, 3.5] |  |")
    assert rows[1].endswith("| 3.5 [2.5, 4.5] | 1 [0, 2] |")


def test_parameters_are_those_of_the_built_model(digits):
    from genkit.training.runs import make_model

    cls = offer("dcgan").spec.load()
    model = make_model("dcgan", dict(cls.presets["digits"].options), digits.info())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert f" {count:,} |" in cards.card(offer("dcgan"), [], {})
