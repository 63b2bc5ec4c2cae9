"""The engine, by submitit's executors of this machine, and by commands that answer as Slurm's do."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from engine_contract import check_engine, ended, word

pytest.importorskip("submitit", reason="uv sync --group integration installs submitit")
pytest.importorskip("genkit_slurm", reason="uv sync --group integration installs genkit-slurm")

from genkit_slurm import queue
from genkit_slurm.engine import slurm

from genkit.benchmark import outcomes, run_jobs
from genkit.benchmark.engine import EngineRequest, Lost, make_engine
from genkit.errors import GenkitError, Interrupted, OptionsError
from genkit.results import store
from genkit.training.runs import find_runs

pytestmark = [  # submitit leaves files and processes to the collector
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def request_of(workers=None, **options):
    return EngineRequest(Path("engines").absolute(), workers, options)


def counted(folder):
    """How many runs, records and outcomes a board has."""
    records = [record for record in store.read(folder).records if record.training]
    return len(list(find_runs(folder / "runs"))), len(records), len(outcomes(folder))


@pytest.mark.slow
def test_the_local_executor_keeps_what_every_engine_does():
    engine = slurm(request_of(2, cluster="local"))
    assert (engine.limit, engine.lasting) == (2, False)
    check_engine(engine)


def test_the_debug_executor_does_a_task_in_this_process():
    engine = make_engine("slurm", request_of(cluster="debug"))
    assert engine.limit == 1
    assert ended(engine.submit("one", word("one"))).result() == "one"
    with pytest.raises(Lost, match="^ValueError: invalid literal"):  # and no debugger is begun
        ended(engine.submit("wrong", functools.partial(int, "no number"))).result()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cluster": "lsf"}, "cluster=slurm or local or debug, not 'lsf'"),
        ({"cluster": "local", "slurm_partitoin": "gpu"}, "'slurm_partitoin'. Did you mean 'slurm_partition'[?]$"),
        ({"partition": "gpu"}, "'partition'. Did you mean 'slurm_partition'[?]$"),
        ({"cluster": "local", "local_setpu": ["true"]}, "local_setpu"),
        ({"cluster": "local", "timeout_min": "long"}, "timeout_min"),
        ({"cluster": "local", "timeout_min": -1}, "timeout_min must be 1 or more, not -1"),
        ({"cluster": "local", "tasks_per_node": 0}, "tasks_per_node must be 1 or more, not 0"),
        ({"cluster": "local", "mem_gb": -3}, "mem_gb must be 0 or more, not -3"),
        ({"cluster": "local", "slurm_nodes": 0}, "slurm_nodes must be 1 or more, not 0"),
        ({"cluster": "local", "local_setup": ["true"]}, "takes no local_setup: do it in the shell"),
    ],
)
def test_options_that_submitit_does_not_take_are_refused_in_one_line(options, said):
    with pytest.raises(OptionsError, match=said) as raised:
        slurm(request_of(**options))
    assert "\n" not in str(raised.value)


def test_a_machine_without_slurm_is_told_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GenkitError, match="there is no Slurm here.*-e cluster=local"):
        slurm(request_of())


def test_jobs_are_submitted_as_an_array_with_the_options(cluster):
    engine = slurm(request_of(1, slurm_partition="gpu", timeout_min=240, slurm_setup=["module load x"]))
    assert (engine.limit, engine.lasting) == (None, True)
    (cluster / "queue").write_text("12_0|PENDING|Resources\n12_1|PENDING|Resources\n")
    futures = engine.submit_all([("a", word("a")), ("b", word("b"))])
    script = (cluster / "submitted.sh").read_text()
    for line in ("--partition=gpu", "--time=240", "--array=0-1%1", "--job-name=genkit", "signal=USR2@90"):
        assert line in script
    assert "module load x" in script
    assert [future.done() for future in futures] == [False, False]
    assert futures[1].log == Path("engines/12_1_0_log.err").absolute()
    futures[1].cancel()
    assert (cluster / "cancelled").read_text().split() == ["12_1"]


def test_what_is_still_in_the_queue_is_not_submitted_again(cluster, monkeypatch):
    monkeypatch.setattr(queue, "EVERY", 0)
    script = Path("engines/submission_file_1.sh").absolute()
    (cluster / "queue").write_text(f"12_0|RUNNING|None|{script}\n12_1|PENDING|Priority|{script}\n")
    slurm(request_of()).submit_all([("a", word("a")), ("b", word("b"))])
    (cluster / "submitted.sh").unlink()
    (cluster / "sbatch").write_text('#!/bin/sh\ncp "$1" commands/submitted.sh; echo "Submitted batch job 13"\n')
    (cluster / "queue").write_text(f"12_0|RUNNING|None|{script}\n12_1|CANCELLED|None|{script}\n")
    again = slurm(request_of()).submit_all([("a", word("a")), ("b", word("b"))])
    assert [future.log.name for future in again] == ["12_0_0_log.err", "13_0_log.err"]
    assert "--array" not in (cluster / "submitted.sh").read_text()


def test_a_job_that_slurm_ended_is_lost_with_its_state(cluster, monkeypatch):
    monkeypatch.setattr(queue, "EVERY", 0)
    monkeypatch.setattr("genkit_slurm.engine.PATIENCE", 0)
    future = slurm(request_of()).submit("a", word("a"))
    Path("engines/12_0_log.err").touch()
    (cluster / "queue").write_text("12|RUNNING|None\n")
    assert not future.done()
    (cluster / "queue").write_text("12|OUT_OF_MEMORY|OutOfMemory\n")
    assert future.done()
    with pytest.raises(
        Lost, match=r"12 ended without a result: OUT_OF_MEMORY \(OutOfMemory\); its log is .*12_0_log.err"
    ):
        future.result()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("FAILED|NonZeroExitCode", "it has no log, as if its node did not see .*engines: keep the board in a folder"),
        ("CANCELLED|Resources", r"CANCELLED \(Resources\); it has no log, as one that was cancelled while it waited$"),
    ],
)
def test_a_job_without_a_log_says_why(cluster, monkeypatch, state, said):
    monkeypatch.setattr(queue, "EVERY", 0)
    monkeypatch.setattr("genkit_slurm.engine.PATIENCE", 0)
    future = slurm(request_of()).submit("a", word("a"))
    (cluster / "queue").write_text(f"12|{state}\n")
    assert future.done()
    with pytest.raises(Lost, match=said):
        future.result()


def test_a_job_that_has_returned_is_submitted_anew_though_the_queue_lists_it(cluster, monkeypatch):
    monkeypatch.setattr(queue, "EVERY", 0)
    (cluster / "queue").write_text(f"12|COMPLETING|None|{Path('engines/submission_file_1.sh').absolute()}\n")
    engine = slurm(request_of())
    engine.submit("a", word("a"))
    assert engine.find("a") is not None and engine.find("b") is None
    Path("engines/12_0_result.pkl").touch()
    assert engine.find("a") is None


def test_a_queue_that_does_not_take_jobs_says_why(cluster):
    (cluster / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified: gpu' >&2; exit 1\n")
    with pytest.raises(GenkitError, match="does not take the jobs: .*invalid partition specified: gpu"):
        slurm(request_of()).submit("a", word("a"))


@pytest.mark.slow
def test_a_board_by_the_local_executor_has_each_job_once_though_it_is_submitted_twice(board, tmp_path):
    plan, todo = board([0, 1])
    run_jobs(plan, 2 * todo, tmp_path, device="cpu", workers=2, engine="slurm", engine_options={"cluster": "local"})
    assert counted(tmp_path) == (2, 2, 2)
    assert list((tmp_path / "engines" / "slurm").glob("*_log.out"))


def watched(patched, watch):
    """Let a function watch the engine, in a thread of its own, once jobs are submitted."""
    from genkit_slurm.engine import SlurmEngine

    submitted = SlurmEngine._submitted

    def kept(self, units):
        self.jobs = submitted(self, units)
        threading.Thread(target=watch, args=(self,), daemon=True).start()
        return self.jobs

    patched.setattr(SlurmEngine, "_submitted", kept)


@pytest.mark.slow
def test_a_job_whose_machine_is_taken_saves_is_requeued_and_goes_on(board, tmp_path):
    plan, (job,) = board([0], images=64_000)
    interrupted = threading.Event()

    def interrupt(engine):
        """Send SIGUSR2, as Slurm does, once there are steps to save."""
        until = time.monotonic() + 120
        while time.monotonic() < until and not interrupted.is_set():
            logs = list((tmp_path / "runs").glob("*/*/*/log.jsonl"))
            if logs and logs[0].stat().st_size and engine.jobs:
                controller = engine.jobs[0].job_id  # of submitit; its child is the task
                (task,) = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
                os.kill(int(task), signal.SIGUSR2)
                interrupted.set()
            threading.Event().wait(0.05)

    with pytest.MonkeyPatch.context() as patched:
        watched(patched, interrupt)
        run_jobs(plan, [job], tmp_path, device="cpu", engine="slurm", engine_options={"cluster": "local"})
    assert interrupted.is_set()
    assert counted(tmp_path) == (1, 1, 1)
    logs = "".join(path.read_text() for path in (tmp_path / "engines" / "slurm").glob("*_log.*"))
    assert "Requeued job" in logs and logs.count("Starting with") == 2


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_lets_a_job_of_this_machine_save(board, tmp_path):
    """A terminal sends SIGINT to all processes; the engine cancels the job besides."""
    plan, (job,) = board([0], images=64_000)
    pressed, ignored = threading.Event(), []

    def press(engine):
        until = time.monotonic() + 120
        while time.monotonic() < until and not pressed.is_set():
            logs = list((tmp_path / "runs").glob("*/*/*/log.jsonl"))
            if logs and logs[0].stat().st_size and engine.jobs:
                controller = int(engine.jobs[0].job_id)
                state = Path(f"/proc/{controller}/status").read_text()
                ignored.append(int(state.partition("SigIgn:")[2].split()[0], 16) >> (signal.SIGINT - 1) & 1)
                os.kill(controller, signal.SIGINT)
                pressed.set()
                os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.05)

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Interrupted, match="resumes the board"):
        watched(patched, press)
        run_jobs(plan, [job], tmp_path, device="cpu", engine="slurm", engine_options={"cluster": "local"})
    assert ignored == [1]  # a second one would let submitit leave the task alone, while it stops it
    (run,) = find_runs(tmp_path / "runs")
    assert run.status.state == "interrupted" and list((run.path / "checkpoints").glob("*.safetensors"))
    logs = "".join(path.read_text() for path in (tmp_path / "engines" / "slurm").glob("*_log.*"))
    assert "Traceback" not in logs


@pytest.mark.slow
def test_several_tasks_train_one_run(board, tmp_path):
    plan, todo = board([0])
    options = {"cluster": "local", "tasks_per_node": 2}
    run_jobs(plan, todo, tmp_path, device="cpu", engine="slurm", engine_options=options)
    assert [each.state for each in outcomes(tmp_path)] == ["done"], outcomes(tmp_path)
    (run,) = find_runs(tmp_path / "runs")
    assert run.config.processes == 2 and counted(tmp_path) == (1, 1, 1)
