from __future__ import annotations

import resource

import torch
from forks import forked

from genkit.training.memory import freed_memory_kept


def faults_of_a_step() -> int:
    """Page faults of the fifth time that blocks too large for glibc's heap are taken and freed."""
    before = 0
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        blocks = [torch.ones(10 * 2**20) for _ in range(5)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_what_a_step_frees_stays_for_the_next_and_no_longer():
    def work():
        pages = 5 * 40 * 2**20 // resource.getpagesize()
        assert faults_of_a_step() > pages // 2
        with freed_memory_kept() as kept:
            assert kept
            assert faults_of_a_step() < pages // 100
        assert faults_of_a_step() > pages // 2

    assert forked(work) == 0


def test_what_the_user_has_chosen_stays(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")
    with freed_memory_kept() as kept:
        assert not kept
