"""The engine on a local Ray cluster, which all tests share."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from engine_contract import check_engine, ended, word

pytest.importorskip("ray", reason="uv sync --group integration installs ray")
pytest.importorskip("genkit_ray", reason="uv sync --group integration installs genkit-ray")

import ray
from genkit_ray.engine import ray_engine
from genkit_ray.unit import run

from genkit.benchmark import Plan, outcomes, run_jobs
from genkit.benchmark.engine import EngineRequest, nothing
from genkit.benchmark.jobs import jobs
from genkit.benchmark.plan import Entry
from genkit.benchmark.work import STOPPED, TAKEN
from genkit.errors import GenkitError, OptionsError
from genkit.results import store
from genkit.training.runs import find_runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of two CPUs, whose tasks have a cache of their own."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GENKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=40)
        signal.signal(signal.SIGTERM, before)
        yield
        ray.shutdown()


def request_of(workers=None, **options):
    return EngineRequest(Path("engines").absolute(), workers, options)


def test_it_keeps_what_every_engine_does(cluster):
    engine = ray_engine(request_of(2, max_retries=0))
    assert (engine.limit, engine.lasting) == (2, False)
    check_engine(engine)
    engine.close()
    assert ray.is_initialized()


def test_what_a_task_prints_is_in_its_log(cluster):
    engine = ray_engine(request_of())
    future = ended(engine.submit("a", word("a")))
    assert engine.limit is None
    assert future.log == Path("engines/a.log").absolute() and future.log.exists()


def test_tasks_work_in_the_folder_of_the_command(cluster):
    assert Path(ended(ray_engine(request_of()).submit("a", os.getcwd)).result()) == Path.cwd()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_cpu": 1}, "engine ray has no option 'num_cpu'. Did you mean 'num_cpus'"),
        ({"num_returns": 2}, "engine ray has no option 'num_returns'"),
        ({"num_cpus": "two"}, "engine ray: .*'num_cpus' must be .*float, int.*received type str"),
    ],
)
def test_options_that_ray_does_not_take_are_refused_in_one_line(options, said):
    with pytest.raises(OptionsError, match=said) as raised:
        ray_engine(request_of(**options))
    assert "\n" not in str(raised.value)


def test_a_board_has_each_job_once_though_it_is_submitted_twice(cluster, tmp_path):
    from genkit.data import open_dataset

    plan = Plan("digits", [Entry("vae")], seeds=[0, 1], images=640, metrics=["mse"], count=50)
    todo = list(jobs(plan, open_dataset("digits")))
    run_jobs(plan, 2 * todo, tmp_path / "board", device="cpu", engine="ray")
    assert [each.state for each in outcomes(tmp_path / "board")] == ["done", "done"]
    assert len(list(find_runs(tmp_path / "board" / "runs"))) == 2
    assert len([each for each in store.read(tmp_path / "board").records if each.training]) == 2


def test_a_task_that_is_stopped_from_outside_does_not_stop_the_board(cluster):
    assert ended(ray_engine(request_of()).submit("a", word(STOPPED))).result() == TAKEN


def test_a_machine_that_does_not_see_the_folders_does_the_task_which_then_says_so():
    assert run(word("said"), nothing, "/not/there/a.log", "/not/there") == "said"


def test_an_address_at_which_nothing_answers_is_named_at_once(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(GenkitError, match=f"no Ray cluster answers at {address}: .*; look at ray status there"):
        ray_engine(request_of(address=address))
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(GenkitError, match="no Ray cluster answers at"):
        ray_engine(request_of())


def test_a_cluster_that_is_not_there_is_named_with_what_to_do(monkeypatch):
    def refused(**options):
        assert options["address"] == "auto"
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refused)
    with pytest.raises(GenkitError, match="Could not find any running Ray instance.; start one with ray start --head"):
        ray_engine(request_of(address="auto"))


def test_a_job_that_asks_for_more_than_the_cluster_has_is_said_to_wait(cluster, caplog):
    ray_engine(request_of(num_cpus=1000))
    assert "a job asks for num_cpus=1000 and this cluster has 2: it waits for more machines" in caplog.text
    caplog.clear()
    ray_engine(request_of(num_cpus=2))
    assert caplog.text == ""
