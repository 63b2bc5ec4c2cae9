from __future__ import annotations

import getpass
import platform
import sys

import torch

from genkit.results.environment import command_line, describe


def test_it_says_what_moves_numbers_and_not_who_or_where():
    found = describe()
    assert found["torch"] == torch.__version__
    assert found["threads"] == str(torch.get_num_threads())
    assert {"python", "platform", "cores", "genkit"} <= set(found)
    assert not {platform.node(), getpass.getuser()} & set(found.values())


def test_the_command_of_a_part_is_that_of_the_whole(monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["genkit", "eval", "--part", "3/3", "--run", "a b", "--spool=x", "--part=1/2", "--raw"]
    )
    assert command_line() == "genkit eval --run 'a b' --raw"
