"""The guard names what fails and lets the rest stand; what the user stops is stopped."""

from __future__ import annotations

import math
import signal
import time

import numpy as np
import pytest
import torch

from genkit.cli.process import stoppable
from genkit.errors import DataError, Interrupted
from genkit.files.guard import AT_ONCE, HEARD, STOPPING, ended, guarded, number, plain, sentence, spared


class Odd(BaseException):
    """As a plugin may have one."""

    def __str__(self):
        raise ValueError


@pytest.mark.parametrize("error", [ValueError("a\nb"), SystemExit(3), GeneratorExit(), Odd(), StopIteration()])
def test_whatever_is_raised_is_given_on(error):
    seen = []
    with guarded(seen.append):
        raise error
    assert seen == [error]
    assert "\n" not in sentence(error) and type(error).__name__ in sentence(error)


def raised_in(module, error):
    """Raise an error as the code of a module does."""
    exec("raise error", {"__name__": module, "error": error})


def test_what_the_user_stops_is_stopped():
    with pytest.raises(Interrupted), guarded(pytest.fail):
        raised_in("genkit.training.loop", Interrupted("stopped"))
    with pytest.raises(KeyboardInterrupt), guarded(pytest.fail):
        raise KeyboardInterrupt  # under Python's own handler it may be the user's
    with pytest.raises(KeyboardInterrupt), stoppable(), guarded(pytest.fail):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("stopped")])
def test_code_that_raises_what_stops_genkit_is_not_the_user(error):
    seen = []
    with stoppable(), guarded(seen.append):
        raised_in("stranger", error)
    assert seen == [error]


@pytest.mark.parametrize("number", STOPPING)
def test_any_signal_that_stops_genkit_is_the_user(number):
    before = {each: signal.getsignal(each) for each in STOPPING}
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN if number != signal.SIGINT else signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt), stoppable(), guarded(pytest.fail):
            signal.raise_signal(number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_once_a_training_stops_more_signals_change_nothing_to_the_end_of_the_process():
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with stoppable():
            HEARD[signal.SIGTERM] = HEARD[signal.SIGINT] = time.monotonic()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.raise_signal(number)
            HEARD[signal.SIGINT] -= 2 * AT_ONCE
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with pytest.raises(KeyboardInterrupt), stoppable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        HEARD.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("module", "error", "is_one"),
    [
        ("stranger", SystemExit(0), True),
        ("stranger", GeneratorExit(), True),
        ("stranger", Interrupted("stopped"), True),
        ("stranger", ValueError("x"), False),
        ("genkit.cli.process", SystemExit(0), False),
        ("genkit.training.loop", Interrupted("stopped"), False),
    ],
)
def test_ways_to_end_the_process_are_known_by_whose_code_takes_them(module, error, is_one):
    with pytest.raises(type(error)) as raised:
        raised_in(module, error)
    assert ended(raised.value) == is_one


def test_errors_of_a_passing_type_are_raised():
    with pytest.raises(DataError), guarded(pytest.fail, (DataError,)):
        raise DataError("x")


def test_the_items_that_fail_are_left_out_and_named():
    asked, named = [], []

    def work(items):
        asked.append(len(items))
        return sum(1 / item for item in items)

    assert spared(work, [1, 2, 0, 4, 0], lambda item, why: named.append((item, why))) == 1.75
    assert named == [(0, "ZeroDivisionError: division by zero")] * 2
    asked.clear()
    assert spared(work, [1, 2, 4], pytest.fail) == 1.75 and asked == [3]


def test_one_item_is_found_in_little_more_than_four_times_the_work():
    done = []

    def work(items):
        done.append(len(items))
        return [1 / item for item in items]

    assert len(spared(work, [*range(1, 700), 0, *range(1, 301)], lambda item, why: None)) == 999
    assert sum(done) < 4.1 * 1000


def test_of_items_that_do_not_go_together_most_stay():
    for items in (["a", 1, 2, 3], [1, 2, "a", 3], [1, 2, 3, "a"]):
        named = []
        assert spared(sorted, items, lambda item, why, named=named: named.append(item)) == [1, 2, 3]
        assert named == ["a"]


def test_a_fault_of_the_work_itself_is_raised_and_so_is_an_answer():
    with pytest.raises(TypeError):
        spared(lambda items: None + 1, [1, 2], pytest.fail)
    with pytest.raises(DataError, match="none here"):
        spared(lambda items: (_ for _ in ()).throw(DataError("none here")), [1, 2], pytest.fail)


@pytest.mark.parametrize("given", [np.float32(2), np.array(2.0), torch.tensor(2), 2, 2.0])
def test_numbers_of_other_libraries_become_pythons(given):
    assert number(given, "value") == 2.0 and type(number(given, "value")) is float
    assert type(plain(given)) in (int, float)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (math.nan, "its value is not finite"),
        (np.float32("inf"), "its value is not finite"),
        (torch.tensor(math.nan), "its value is not finite"),
        (-1e200, r"its value is beyond 1e100"),
        (10**400, r"its value is beyond 1e100"),
        ("3", "its value is str, not a number"),
        (np.ones(2), "its value is ndarray, not a number"),
        (torch.ones(1), "its value is Tensor, not a number"),
        (None, "its value is NoneType, not a number"),
        (True, "its value is bool, not a number"),
        (2j, "its value is complex, not a number"),
    ],
)
def test_what_is_no_number_is_named(given, words):
    with pytest.raises(DataError, match=f"^{words}$"):
        number(given, "value")
