from __future__ import annotations

import re

from making import record, score

from genkit.ranking.board import rank
from genkit.report.markdown import leaderboard


def test_a_board_is_one_table():
    lines = leaderboard(rank([record("a", score(1.0)), record("b", score(2.0))])).splitlines()
    table = lines[2:]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert set(table[1]) <= set("| -")
    assert "a" in table[2]
    assert "b" in table[3]


def test_names_stay_text_and_one_row():
    name = "<img src=x> | **b** _i_ `c` [l](u) \\ ~s~ &lt;\n| new row"
    shown = leaderboard(rank([record(name, score(1.0))]))
    row = shown.splitlines()[4]
    assert len(shown.splitlines()) == 5
    bare = re.sub(r"\\.", "", row)
    assert not re.search(r"[<>`*_\[\]~&\\]", bare)
    assert len(re.findall(r"\|", bare)) == len(re.findall(r"\|", shown.splitlines()[3]))
