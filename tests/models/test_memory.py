from __future__ import annotations

import os
import subprocess
import sys

from genkit.models.memory import freed_memory_kept

FAULTS = """
import resource
import torch
from genkit.models.memory import freed_memory_kept

def faults():
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        blocks = [torch.ones(10 * 2**20) for _ in range(5)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
with freed_memory_kept() as kept:
    print(faults() if kept else "not kept")
print(faults())
"""
"""Prints the page faults of the fifth time that blocks too large for glibc's heap are taken and freed."""


def test_what_a_step_frees_stays_for_the_next_and_no_longer():
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    before, within, after = subprocess.check_output([sys.executable, "-c", FAULTS], text=True, env=own).split()
    pages = 5 * 40 * 2**20 // os.sysconf("SC_PAGE_SIZE")
    assert int(before) > pages // 2
    assert int(within) < pages // 100
    assert int(after) > pages // 2


def test_what_the_user_has_chosen_stays(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")
    with freed_memory_kept() as kept:
        assert not kept
