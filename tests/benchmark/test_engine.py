"""Engines are found by name, and what their plugins yield is checked. Tests local too, by what every engine keeps."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from engine_contract import check_engine, ended, word

from genkit.benchmark import run_jobs
from genkit.benchmark.engine import EngineRequest, Lost, make_engine, prepared, refuse_options
from genkit.benchmark.local import LocalEngine
from genkit.errors import GenkitError, MissingError, OptionsError, PluginError, UnknownName
from genkit.registry.discovery import registry
from genkit.registry.specs import EngineSpec


def request_of(**options):
    return EngineRequest(Path("engines").absolute(), options=options)


def mark_prepared():
    Path("prepared").write_text("yes")


def test_the_local_engine_keeps_what_every_engine_does():
    engine = make_engine("local", request_of())
    assert isinstance(engine, LocalEngine) and (engine.limit, engine.lasting) == (1, False)
    check_engine(engine)
    engine.close()


def test_a_process_is_prepared_and_the_log_is_the_terminal(forked):
    engine = LocalEngine(2, mark_prepared)
    future = ended(engine.submit("a", word("a")))
    assert (future.result(), future.log) == ("a", None)
    assert Path("prepared").exists()


def test_a_process_of_many_tasks_is_prepared_once():
    calls = []
    prepare = lambda: calls.append(1)  # noqa: E731
    prepared(prepare)
    prepared(prepare)
    assert calls == [1]


def test_options_that_an_engine_does_not_have_are_refused():
    with pytest.raises(OptionsError, match="engine local has no option 'gpus': it has none"):
        make_engine("local", request_of(gpus=1))
    with pytest.raises(OptionsError, match="no option 'b': it has a, c"):
        refuse_options("x", {"a": 1, "b": 2}, ["a", "c"])
    with pytest.raises(OptionsError, match="engine x has no option 'x_partition'. Did you mean 'partition'[?]$"):
        refuse_options("x", {"x_partition": "gpu"}, ["partition", "time"])


def test_an_engine_that_does_not_exist_is_named(digits, tmp_path):
    with pytest.raises(UnknownName, match="no engine named 'slrum'"):
        make_engine("slrum", request_of())


def test_what_is_no_engine_is_its_plugins_fault(monkeypatch):
    monkeypatch.setattr(EngineSpec, "load", lambda self: lambda request: "nothing")
    with pytest.raises(PluginError, match="engine 'local' is 'nothing', not a"):
        make_engine("local", request_of())


def test_nothing_is_run_by_an_engine_that_does_not_exist(tmp_path):
    with pytest.raises(UnknownName):
        run_jobs(None, [], tmp_path, engine="slrum")


@pytest.mark.parametrize("name", ["slurm", "ray"])
def test_an_engine_of_a_plugin_that_is_not_installed_is_named_with_the_plugin(monkeypatch, name):
    others = [plugin for plugin in registry().plugins if plugin.name != name]
    monkeypatch.setattr(registry(), "plugins", others)
    with pytest.raises(MissingError, match=f"engine {name} is not installed: pip install genkit-{name}"):
        make_engine(name, request_of())


def test_an_engine_that_can_not_be_made_is_its_plugins_fault_in_one_line(monkeypatch):
    def broken(request):
        raise KeyError("no\nluck")

    monkeypatch.setattr(EngineSpec, "load", lambda self: broken)
    with pytest.raises(PluginError, match="engine 'local' can't be made: KeyError: .*test_engine.py") as raised:
        make_engine("local", request_of())
    assert "\n" not in str(raised.value)


def no_lock():
    raise GenkitError("there is no lock")


def test_a_task_that_raises_is_lost_with_what_it_said(forked, capfd):
    engine = LocalEngine(2, mark_prepared)
    with pytest.raises(Lost, match="^there is no lock$"):
        ended(engine.submit("a", no_lock)).result()
    assert "Traceback" not in capfd.readouterr().err
    with pytest.raises(Lost, match="^ValueError: invalid literal"):
        ended(engine.submit("b", functools.partial(int, "no number"))).result()
    assert "Traceback" in capfd.readouterr().err
