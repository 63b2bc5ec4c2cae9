from __future__ import annotations

import getpass
import platform

import torch

from genkit.results.environment import describe


def test_it_says_what_moves_numbers_and_not_who_or_where():
    found = describe()
    assert found["torch"] == torch.__version__
    assert found["threads"] == str(torch.get_num_threads())
    assert {"python", "platform", "cores", "genkit"} <= set(found)
    assert not {platform.node(), getpass.getuser()} & set(found.values())
