"""The one way out for text. What is shown is harmless, and what is written is read back."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hostile import HARM, NAMES, ON_DISK

from genkit.errors import DataError, GenkitWarning, one_line
from genkit.files import text

each_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


@each_name
def test_a_name_is_shown_on_one_line_and_without_harm(name):
    shown = one_line(name)
    assert not HARM.search(shown)
    assert not {"\n", "\t"} & set(shown)
    assert one_line(shown) == shown


@each_name
def test_what_is_shown_is_read_back(name):
    if name != NAMES["backslashes"]:
        assert text.read_back(one_line(name)) == name


@pytest.mark.parametrize(
    "kind", ["backslashes", "quotes", "emoji", "combining", "japanese", "script", "percent", "long"]
)
def test_a_name_without_harm_stays_as_it_is(kind):
    assert one_line(NAMES[kind]) == NAMES[kind]


def test_a_joiner_hides_nothing_in_plain_letters():
    assert one_line("dc\u200dgan") == r"dc\u200dgan"
    assert (
        one_line("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )


def test_a_selector_chooses_the_form_of_an_emoji_or_han_character_and_hides_nothing():
    for name in ("\u2764\ufe0f", "\u845b\U000e0100"):
        assert one_line(name) == name
    assert one_line("gan\ufe0f") == r"gan\ufe0f"
    assert one_line("\u2764\ufe0f\ufe01\ufe02") == "\u2764\ufe0f\\ufe01\\ufe02"


def test_a_character_beyond_the_first_65536_is_a_pair():
    assert one_line("a\U000e0041") == r"a\udb40\udc41"
    assert text.read_back(r"a\udb40\udc41") == "a\U000e0041"


@each_name
def test_the_text_of_an_error_or_warning_is_one_line(name):
    assert str(DataError(f"{name} is bad")) == one_line(f"{name} is bad")
    assert str(GenkitWarning(name)) == one_line(name)


@each_name
def test_a_log_line_is_one_line(name, caplog):
    logger = text.logger("genkit.tests.hostile")
    with caplog.at_level(logging.INFO, "genkit.tests.hostile"):
        logger.info("%s: %s", name, 1)
    assert caplog.messages == [one_line(f"{name}: 1")]


def test_lines_keep_their_breaks_and_colours_only_where_plugins_print():
    assert text.lines("a\n\tb\x1b[1mc\r") == "a\n\tb\\u001b[1mc\\r"
    assert (
        text.coloured("\x1b[31mred\x1b[0m \x1b[2J\x1b]0;t\x07\n") == "\x1b[31mred\x1b[0m \\u001b[2J\\u001b]0;t\\u0007\n"
    )


def test_what_an_encoding_lacks_is_written_as_in_json():
    assert text.encodable("\u00e9\U0001f600\n", "ascii") == "\\u00e9\\ud83d\\ude00\n"
    assert text.encodable("\u00e9\u0431", "latin-1") == "\u00e9\\u0431"


@pytest.mark.parametrize("name", ON_DISK.values(), ids=ON_DISK)
def test_a_shown_path_finds_its_file(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"")
    assert text.existing(one_line(str(path))) == str(path)
    assert text.existing(str(path)) == str(path)


def test_a_path_with_backslashes_is_what_it_says_where_it_exists(tmp_path):
    (tmp_path / r"\udcff").mkdir()
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")
    assert text.existing(rf"{tmp_path}/\udcff") == rf"{tmp_path}/\udcff"


@each_name
def test_a_cell_of_csv_is_no_formula(name):
    ((cell, number, nothing),) = csv.reader(io.StringIO(text.comma_separated([(name, -1.5, None)]), newline=""))
    assert (number, nothing) == ("-1.5", "")
    assert not HARM.search(cell)
    assert cell.lstrip()[:1] not in {*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20"}


@pytest.mark.parametrize("number", [-1.5, 3, "-1.5", "+2", "-1e-05", "0"])
def test_numbers_stay_numbers(number):
    assert text.comma_separated([(number,)]) == f"{number}\n"


@pytest.mark.parametrize(
    "start",
    [
        "=",
        "+",
        "-",
        "@",
        "\uff1d",
        "\uff0b",
        "\uff0d",
        "\uff20",
        "\u2212",
        "\t=",
        "\r@",
        "\u200b=",
        "\ufeff+",
        "\ufe00=",
        "\U000e0101@",
    ],
)
def test_whatever_begins_a_formula_stands_behind_a_quotation_mark(start):
    assert text.cell(f"{start}1+x").startswith("'")


@each_name
def test_json_is_ascii_and_read_back(name):
    written = text.json_text({name: [name]}, indent=1)
    assert written.isascii()
    assert not HARM.search(written)
    assert json.loads(written) == {name: [name]}


def test_json_holds_no_number_that_is_not_finite():
    with pytest.raises(ValueError, match="not JSON compliant"):
        text.json_text([float("nan")])


def test_names_of_files_are_text_and_other_halves_are_not():
    text.check_names({NAMES["bytes"]: [NAMES["latin"]]})
    with pytest.raises(ValueError, match=r"it holds '\\ud800', half a surrogate pair"):
        text.check_names(["\ud800"])


@each_name
def test_a_cell_of_markdown_is_no_markup(name):
    shown = text.markdown(name)
    assert not HARM.search(shown)
    assert "\n" not in shown
    plain = shown.replace("\\\\", "")
    assert not any(f"{mark}" in plain.replace(f"\\{mark}", "") for mark in "`*_[]<>|~&")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("# a", r"\# a"),
        ("1. a", r"1\. a"),
        ("- a", r"\- a"),
        ("---", r"\---"),
        *[(number, number) for number in ("0.239", "-0.001", "1-2", "-732.5")],
        ("http://a.b", r"http\://a.b"),
        ("www.a.b", r"www\.a.b"),
        ("a@b.com", "a@<!-- -->b.com"),
        ("fid[x]@360", r"fid\[x\]@360"),
    ],
)
def test_a_line_of_markdown_begins_nothing(given, shown):
    assert text.markdown(given) == shown


def test_a_fence_is_longer_than_any_inside():
    assert text.fenced("a\n```\nb") == "````\na\n```\nb\n````"


@dataclass(frozen=True)
class Held:
    """What a parser makes of hidden text."""

    name: str
    path: Path
    more: dict[str, list[str]] = field(default_factory=dict)
    parts: tuple[str, ...] = ()


@each_name
def test_what_is_hidden_from_a_parser_is_restored(name):
    hidden = text.hidden({"name": name, "more": {name: [name]}})
    json.dumps(hidden, ensure_ascii=False).encode()
    held = Held(hidden["name"], Path(hidden["name"]), hidden["more"], (hidden["name"],))
    assert text.restored(held) == Held(name, Path(name), {name: [name]}, (name,))


@each_name
def test_values_for_a_script_are_harmless(name):
    assert text.cleaned({name: [name, 1.5, None]}) == {one_line(name): [one_line(name), 1.5, None]}


@pytest.mark.parametrize("name", ON_DISK.values(), ids=ON_DISK)
def test_a_path_in_a_command_can_be_copied_to_a_shell(name, tmp_path):
    (tmp_path / name).mkdir()
    (word,) = shlex.split(one_line(text.quoted(tmp_path / name)))
    assert text.existing(word) == str(tmp_path / name)
    assert text.quoted("runs/digits/dcgan/7f3a") == "runs/digits/dcgan/7f3a"
