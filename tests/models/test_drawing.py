"""Options of drawing, apart from those of training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import pytest
from annotated_types import Ge

from genkit.data.dataset import DataInfo
from genkit.errors import OptionsError, PluginError
from genkit.models import GenerativeModel
from genkit.models.drawing import draw_with, sampling_of, split_options


@dataclass
class Training:
    width: int = 4


@dataclass
class Drawing:
    guidance: Annotated[float, Ge(0)] = 1.0
    steps: int = 8


class Guided(GenerativeModel):
    Options, Sampling = Training, Drawing


def guided():
    return Guided(Training(), DataInfo((1, 4, 4)))


def test_a_model_draws_with_its_defaults_until_others_are_named():
    model = guided()
    assert sampling_of(model) == {"guidance": 1.0, "steps": 8}
    assert sampling_of(draw_with(model, {"guidance": 2}, "guided")) == {"guidance": 2.0, "steps": 8}
    assert sampling_of(draw_with(model, {"steps": 3}, "guided")) == {"guidance": 2.0, "steps": 3}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"guidanse": 2}, "guided does not draw with 'guidanse'. Did you mean 'guidance'"),
        ({"width": 2}, r"does not draw with 'width'.* \(its options of drawing: guidance, steps\)"),
        ({"guidance": -1}, "guidance = -1"),
        ({"steps": 1.5}, "steps = 1.5"),
    ],
)
def test_an_option_it_does_not_have_or_take_is_refused(values, complaint):
    with pytest.raises(OptionsError, match=complaint):
        draw_with(guided(), values, "guided")


def test_a_model_without_any_says_so():
    with pytest.raises(OptionsError, match="it has no options of drawing"):
        draw_with(GenerativeModel(None, DataInfo((1, 4, 4))), {"guidance": 1}, "plain")


def test_both_kinds_are_told_apart_by_name_and_one_name_for_both_is_a_fault_of_the_plugin():
    assert split_options(Guided, {"width": 8, "guidance": 2, "unknown": 1}) == (
        {"width": 8, "unknown": 1},
        {"guidance": 2},
    )
    both = dataclasses.make_dataclass("Both", [("width", int, 3)])
    with pytest.raises(PluginError, match="width both in Options and in Sampling"):
        split_options(type("Twice", (Guided,), {"Sampling": both}), {})
