"""A board on a real cluster, where there is one: benchmarks/scale/slurm.sh starts one of a single node."""

from __future__ import annotations

import shutil
import subprocess

import pytest

pytest.importorskip("submitit", reason="uv sync --group integration installs submitit")
pytest.importorskip("genkit_slurm", reason="uv sync --group integration installs genkit-slurm")

from genkit.benchmark import outcomes, run_jobs
from genkit.training.runs import find_runs

RUNS = shutil.which("sinfo") is not None and subprocess.run(["sinfo"], capture_output=True, check=False).returncode == 0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not RUNS, reason="there is no sinfo, or no Slurm runs: benchmarks/scale/slurm.sh starts one"),
]


def test_a_board_on_slurm_and_a_requeued_job(board, tmp_path):
    plan, todo = board([0, 1], images=64_000)
    requeued = []

    def on_job(job, ended):
        assert ended.state == "done", ended.reason

    from genkit_slurm.engine import SlurmEngine

    submitted = SlurmEngine._submitted

    def kept(self, units):
        jobs = submitted(self, units)
        requeued.append(subprocess.run(["scontrol", "requeue", jobs[0].job_id], check=False).returncode)
        return jobs

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SlurmEngine, "_submitted", kept)
        run_jobs(plan, todo, tmp_path, device="cpu", engine="slurm", engine_options={"timeout_min": 10}, on_job=on_job)
    assert len(outcomes(tmp_path)) == len(list(find_runs(tmp_path / "runs"))) == 2
