"""The order in a store survives a clock that is set back."""

from __future__ import annotations

import datetime

from genkit.files import order
from genkit.files.order import next_in_order, placed

NOW = "2026-05-01T12:00:00.000+00:00"


def test_it_is_the_clock_while_that_goes_on():
    assert next_in_order([], NOW) == NOW
    assert next_in_order(["2026-05-01T11:59:59.999+00:00"], NOW) == NOW


def test_after_a_clock_that_was_set_back_it_goes_on_from_the_newest():
    assert next_in_order(["2025-01-01", "2026-06-01T00:00:00.000+00:00"], NOW) == "2026-06-01T00:00:00.001+00:00"


def test_times_of_other_zones_and_without_one_are_compared_as_times():
    assert next_in_order(["2026-05-01T13:30:00+02:00"], NOW) == NOW
    assert next_in_order(["2026-05-01T12:00:00"], NOW) == "2026-05-01T12:00:00.001+00:00"


def test_what_is_no_time_or_the_last_there_is_stops_nobody():
    assert next_in_order(["yesterday", "", "9999-12-31T23:59:59.999999+00:00"], NOW) == NOW
    assert next_in_order([NOW], "") > NOW


def test_a_time_a_century_ahead_or_none_is_no_place_in_the_order():
    assert placed(NOW) == placed("", NOW) == placed("z", NOW) == placed("9999-12-31T23:59:59.997+00:00", NOW) == NOW
    assert placed("z", "9999-01-01") == placed() == ""
    assert next_in_order(["9999-12-31T23:59:59.997+00:00", "2200-01-01"], NOW) == NOW


def test_a_clock_that_was_never_set_makes_no_record_of_before_one_of_the_future(monkeypatch):
    class Never(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(1970, 1, 1, tzinfo=tz)

    monkeypatch.setattr(datetime, "datetime", Never)
    order._latest.cache_clear()
    assert placed("2099-01-01") == "2099-01-01"
    order._latest.cache_clear()
