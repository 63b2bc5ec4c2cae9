from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

from genkit.errors import MissingError, OptionsError
from genkit.options import build, current_names, original_names, override, parse_assignments, read_config, to_json


@dataclass
class Inner:
    rate: Annotated[float, Ge(0)] = 0.5
    name: str = "adam"


@dataclass
class Options:
    width: Annotated[int, Ge(1), Le(512)] = 64
    rate: float = 1e-3
    deep: bool = False
    loss: Literal["hinge", "wasserstein"] = "hinge"
    betas: tuple[float, float] = (0.5, 0.9)
    sizes: tuple[int, ...] = (8, 16)
    top: float | None = None
    inner: Inner = field(default_factory=Inner)


@dataclass
class Demanding:
    depth: int


def test_values_as_toml_has_them_make_an_equal_dataclass():
    built = build(
        Options,
        {"width": 32, "rate": 1, "betas": [0, 0.99], "sizes": [], "loss": "wasserstein", "inner": {"rate": 2}},
        "x",
    )
    assert built == Options(32, 1.0, False, "wasserstein", (0.0, 0.99), (), None, Inner(2.0))
    assert isinstance(built.betas, tuple)


def test_to_json_round_trips():
    options = Options(sizes=(1, 2, 3), top=0.25, inner=Inner(0.0, "sgd"))
    assert build(Options, to_json(options), "x") == options


@pytest.mark.parametrize(
    ("values", "field_name"),
    [
        ({"width": "64"}, "width"),
        ({"width": 6.5}, "width"),
        ({"width": True}, "width"),
        ({"width": 0}, "width"),
        ({"width": 513}, "width"),
        ({"rate": "fast"}, "rate"),
        ({"rate": True}, "rate"),
        ({"deep": 1}, "deep"),
        ({"loss": "hinged"}, "loss"),
        ({"betas": [0.5]}, "betas"),
        ({"betas": [0.5, 0.9, 0.99]}, "betas"),
        ({"sizes": [1, "2"]}, "sizes.1"),
        ({"inner": {"rate": -1}}, "inner.rate"),
        ({"inner": 3}, "inner"),
        ({"top": "high"}, "top"),
        ({"width": None}, "width"),
    ],
)
def test_a_wrong_type_or_range_names_the_field(values, field_name):
    with pytest.raises(OptionsError, match=rf"^dcgan: option {field_name}\b"):
        build(Options, values, "dcgan")


def test_an_option_that_came_later_is_stored_unless_it_is_its_default():
    @dataclass
    class Own:
        truncation: float = 0.7

    @dataclass
    class Usual:
        truncation: float = 1.0

    assert to_json(Usual()) == {}
    assert build(Own, to_json(Own(1.0)), "toy") == Own(1.0)
    assert build(Own, to_json(Own()), "toy") == Own()


def test_an_unknown_option_suggests_the_nearest():
    with pytest.raises(OptionsError, match="no option 'widht'. Did you mean 'width'"):
        build(Options, {"widht": 3}, "dcgan")


def test_an_unknown_nested_option_is_not_dropped():
    with pytest.raises(OptionsError, match=r"no option 'inner.rat'. Did you mean 'rate'"):
        build(Options, {"inner": {"rat": 3}}, "dcgan")


def test_a_missing_option_is_named():
    with pytest.raises(OptionsError, match="option depth has no default"):
        build(Demanding, {}, "dcgan")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(OptionsError, match="toy: option rate is .*, no plain finite value"):
        build(Options, {"rate": value}, "toy")


def test_a_check_of_the_dataclass_itself_is_one_sentence():
    @dataclass
    class Checked:
        low: int = 0

        def __post_init__(self):
            if self.low > 5:
                raise ValueError("low must not exceed 5")

    with pytest.raises(OptionsError, match=r"^dcgan: low must not exceed 5$"):
        build(Checked, {"low": 6}, "dcgan")


def test_assignments_are_toml_or_text():
    values = parse_assignments(
        ["width=64", "rate=0.5", "deep=true", "sizes=[1, 2]", "loss=hinge", "a-b= x y ", "e=", "q='1'", "i={rate=1}"]
    )
    assert values == {
        "width": 64,
        "rate": 0.5,
        "deep": True,
        "sizes": [1, 2],
        "loss": "hinge",
        "a_b": "x y",
        "e": "",
        "q": "1",
        "i": {"rate": 1},
    }


def test_a_value_cannot_smuggle_in_a_second_key():
    assert parse_assignments(["loss=1\nwidth = 2"]) == {"loss": "1\nwidth = 2"}


@pytest.mark.parametrize("text", ["width", "=3", "", " = 3"])
def test_an_assignment_without_key_or_sign_is_refused(text):
    with pytest.raises(OptionsError, match="key=value"):
        parse_assignments([text])


def test_a_key_given_twice_is_refused():
    with pytest.raises(OptionsError, match="given twice"):
        parse_assignments(["a-b=1", "a_b=2"])


def test_config_files(tmp_path):
    path = tmp_path / "options.toml"
    with pytest.raises(MissingError, match=r"options\.toml"):
        read_config(path)
    path.write_text("width = 32\n[inner]\nrate = 0.1\n")
    assert build(Options, read_config(path), "x") == dataclasses.replace(Options(), width=32, inner=Inner(0.1))
    path.write_text("width = \n")
    with pytest.raises(OptionsError, match=r"options\.toml can't be read"):
        read_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OptionsError, match="can't be read"):
        read_config(path)
    with pytest.raises(OptionsError, match="can't be read"):
        read_config(tmp_path)


@dataclass
class Game:
    d_steps: int = 1
    d_learning_rate: float | None = None


@dataclass
class OldGame:
    discriminator_turns: int = 1
    d_steps: int = 2


def test_old_names_of_options_are_read():
    built = build(Game, {"discriminator_turns": 5, "discriminator_rate": 1e-3}, "x")
    assert built == Game(5, 1e-3)
    assert to_json(built) == {"d_steps": 5, "d_learning_rate": 1e-3}


def test_an_option_given_under_both_names_is_refused():
    for values in ({"d_steps": 5, "discriminator_turns": 5}, {"discriminator_turns": 5, "d_steps": 3}):
        with pytest.raises(OptionsError, match="x: d_steps and its old name discriminator_turns are both given"):
            build(Game, values, "x")


def test_a_model_may_have_an_option_of_an_old_name_itself():
    assert build(OldGame, {"discriminator_turns": 5, "d_steps": 3}, "x") == OldGame(5, 3)
    assert current_names({"discriminator_turns": 5, "d_steps": 3}) == {"discriminator_turns": 5, "d_steps": 3}


def test_an_unknown_option_is_refused_under_its_old_name():
    with pytest.raises(OptionsError, match="x has no option 'discriminator_turns'"):
        build(Options, {"discriminator_turns": 5}, "x")


@pytest.mark.parametrize(("base", "over"), [("discriminator_turns", "d_steps"), ("d_steps", "discriminator_turns")])
def test_a_value_overrides_the_same_option_under_its_other_name(base, over):
    assert override({base: 1, "latent": 8}, {over: 5}) == {"latent": 8, over: 5}
    assert build(Game, override({base: 1}, {over: 5}), "x") == Game(5)


def test_names_are_translated_both_ways():
    old, new = {"latent": 8, "discriminator_turns": 5}, {"latent": 8, "d_steps": 5}
    assert current_names(old) == current_names(new) == new
    assert original_names(new) == original_names(old) == old
