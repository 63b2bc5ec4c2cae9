from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from genkit.models.memory import freed_memory_kept

CPU = torch.device("cpu")

FIGURES = """
import os
import resource
import torch
from genkit.models.memory import freed_memory_kept

def faults():
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        blocks = [torch.ones(10 * 2**20) for _ in range(5)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

found = [faults()]
with freed_memory_kept(torch.device("cpu")) as kept:
    found.append(faults())
    with freed_memory_kept(torch.device("cpu")):
        pass
    found += [faults(), held()]
found.append(held())
print(*(found if kept else []))
"""
"""Prints the page faults of the fifth time that 200 MB in blocks too large for glibc's heap are taken and freed: by
itself, within the context, and there after another one; and how many MB the process has within it and afterwards."""


def test_what_is_freed_stays_until_the_last_context_is_left_and_is_then_given_back():
    with freed_memory_kept(CPU) as kept:
        if not kept:
            pytest.skip("the C library can't be told, or the user has")
    found = subprocess.check_output([sys.executable, "-c", FIGURES], text=True)
    by_itself, within, after_another, held, left = map(int, found.split())
    assert within < by_itself / 10 and after_another < by_itself / 10
    assert left < held - 100


def test_the_last_context_may_be_left_by_an_exception(monkeypatch):
    told = []
    library = type("Library", (), {"mallopt": lambda *each: told.append(each), "malloc_trim": told.append})
    monkeypatch.setattr("genkit.models.memory._library", lambda: library)
    with freed_memory_kept(torch.device("cuda")):
        assert not told
    with pytest.raises(OverflowError), freed_memory_kept(CPU):
        first = len(told)
        with freed_memory_kept(CPU):
            assert len(told) == first
        raise OverflowError
    assert told[-1] == 0 and len(told) == first + 4


@pytest.mark.parametrize(
    ("name", "value"), [("MALLOC_MMAP_MAX_", "65536"), ("GLIBC_TUNABLES", "glibc.rtld.nns=4:glibc.malloc.check=0")]
)
def test_what_the_user_has_chosen_stays(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with freed_memory_kept(CPU) as kept:
        assert not kept


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no forks")
def test_a_fork_while_another_thread_enters_does_not_wait_for_it():
    from forks import forked

    from genkit.models import memory

    with memory._lock:
        assert forked(lambda: freed_memory_kept(CPU).__enter__()) == 0
