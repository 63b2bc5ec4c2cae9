"""What TensorBoard, W&B and MLflow hold of a run that was killed and resumed is what its folder holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("genkit_trackers", reason="the plugin genkit-trackers is not installed")
pytest.importorskip("tensorboard", reason="tensorboard is not installed")
pytest.importorskip("wandb", reason="wandb is not installed")
pytest.importorskip("mlflow", reason="mlflow is not installed")

import readback

from genkit.training.runs import find_runs

HERE = Path(__file__).parent
TRACKERS = ("tensorboard", "wandb", "mlflow")


def processes(count, *arguments):
    """Run killed.py in one process or more; return the exit code."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
    tests = os.pathsep.join([str(HERE.parents[2] / "tests"), os.environ.get("PYTHONPATH", "")])
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launch, str(HERE / "killed.py"), *map(str, arguments)],
        env={**os.environ, **quiet, "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "switched off" not in done.stderr, done.stderr
    return done.returncode


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def killed(request, tmp_path_factory):
    """A run that was killed twice, resumed, and measured."""
    root = tmp_path_factory.mktemp("runs")
    assert processes(request.param, root, "begin", 20) != 0
    assert processes(request.param, root, "resume", 9) != 0
    assert processes(request.param, root, "resume", 0) == 0
    (run,) = find_runs(root)
    assert run.finished
    assert processes(1, root, "measure", 0) == 0
    return run


@pytest.mark.slow
@pytest.mark.parametrize("tracker", TRACKERS)
def test_curves_are_those_of_the_log_after_kills_and_resumes(killed, tracker):
    assert len(readback.log(killed.path)["generator"]) > 20
    assert readback.differences(killed.path, tracker) == []
    assert {"generator_gradient_norm", "critic_gradient_norm"} <= readback.log(killed.path).keys()


@pytest.mark.slow
@pytest.mark.parametrize("tracker", TRACKERS)
def test_scores_stand_at_the_images_that_the_model_was_trained_on(killed, tracker):
    found, _ = readback.READERS[tracker](killed.path)
    (path,) = (killed.path / "records").glob("*.json")
    for score in json.loads(path.read_text())["scores"]:
        name = f"scores/{score['name']}"
        name = name.replace("[", " ").replace("]", "") if tracker == "mlflow" else name
        assert found[name] == [(killed.status.images, pytest.approx(score["value"]))]


@pytest.mark.slow
def test_options_are_hyper_parameters_of_the_same_run(killed):
    from tensorboard.plugins.hparams import metadata

    content = readback.accumulated(killed.path).PluginTagToContent("hparams")
    assert list(content) == [metadata.SESSION_START_INFO_TAG]
    session = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    assert session.hparams["model"].string_value == "toy-gan"
    assert session.hparams["batch"].number_value == 16
    assert [path.name for path in (killed.path / "trackers" / "tensorboard").iterdir() if path.is_dir()] == []
    _, found = readback.mlflow_run(killed.path)
    assert (found.data.params["model"], found.data.params["batch"], found.info.status) == ("toy-gan", "16", "FINISHED")


@pytest.mark.slow
def test_the_id_of_the_run_in_wandb_is_the_same_in_all_processes_and_images_are_its_x(killed):
    folders = sorted((killed.path / "trackers" / "wandb" / "wandb").glob("offline-run-*"))
    assert len(folders) == 4
    assert len({folder.name.split("-", 3)[3] for folder in folders}) == 1
    (file,) = folders[-1].glob("*.wandb")
    records = list(readback.wandb_records(file))
    (run,) = (record.run for record in records if record.HasField("run"))
    assert run.run_id.startswith(f"{killed.id}-")
    metrics = {record.metric.glob_name: record.metric.step_metric for record in records if record.HasField("metric")}
    assert metrics["*"] == "images"
