from __future__ import annotations

import os
import threading

import pytest
import torch

from genkit.features import spread as module
from genkit.features.spread import spread


@pytest.fixture
def two_threads(monkeypatch):
    """torch may use two threads, and the machine has two cores for them."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def where(piece):
    return piece, torch.get_num_threads(), threading.current_thread().name, torch.is_inference_mode_enabled()


def test_results_come_in_the_order_of_the_pieces(two_threads):
    assert [found[0] for found in spread(where, range(50))] == list(range(50))


def test_each_worker_computes_with_one_thread_in_inference_mode(two_threads):
    def compute(piece):
        torch.ones(4, 100_000).sum(1)  # the first operator of a thread settles its share
        return where(piece)

    found = list(spread(compute, range(8)))
    assert {threads for _, threads, _, _ in found} == {1}
    assert all(inference for *_, inference in found)
    assert all(name.startswith("genkit") for _, _, name, _ in found)


def test_the_programs_number_of_threads_is_left_alone(two_threads):
    list(spread(where, range(3)))
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert torch.get_num_threads() == 2
    assert seen == [2]


@pytest.mark.parametrize("pieces", [0, 1])
def test_few_pieces_need_no_workers(two_threads, pieces):
    found = list(spread(where, range(pieces)))
    assert [name for _, _, name, _ in found] == ["MainThread"] * pieces
    assert all(inference for *_, inference in found)


def test_a_thread_bound_to_one_core_keeps_the_work(two_threads, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert {name for _, _, name, _ in spread(where, range(4))} == {"MainThread"}


def test_an_error_of_a_piece_is_raised_and_the_rest_left_undone(two_threads):
    done = []

    def fail(piece):
        if piece == 0:
            raise ZeroDivisionError
        done.append(piece)

    with pytest.raises(ZeroDivisionError):
        list(spread(fail, range(10_000)))
    assert len(done) < 9_999
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("genkit_")]


def test_without_openmp_threads_are_not_set_apart(two_threads, monkeypatch):
    monkeypatch.setattr(module.torch.__config__, "parallel_info", lambda: "ATen parallel backend: native thread pool")
    assert {name for _, _, name, _ in spread(where, range(4))} == {"MainThread"}


def test_a_caller_who_stops_early_leaves_nothing_behind(two_threads):
    results = spread(where, range(10_000))
    next(results)
    results.close()
    assert torch.get_num_threads() == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("genkit_")]
