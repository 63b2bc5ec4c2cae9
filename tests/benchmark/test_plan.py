from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from genkit.benchmark import read_plan
from genkit.benchmark.jobs import jobs, runs_of
from genkit.errors import MissingError, OptionsError, UnknownName
from genkit.options import current_names
from genkit.results.jobs import Job
from genkit.training.api import draws_as_its_preset
from genkit.training.runs import create, find_runs

OLD_RUNS = Path(__file__).parents[1] / "fixtures" / "runs"

BOARD = """
dataset = "digits"
seeds = [0, 1]
images = 640
metrics = ["fid"]

[[models]]
name = "ppca"

[[models]]
name = "vae"
options = { latent = 4 }
seeds = [1]
batch = 32
"""


def plan_of(tmp_path, text=BOARD):
    (tmp_path / "b.toml").write_text(text)
    return read_plan(tmp_path / "b.toml")


def test_jobs_come_seed_by_seed_with_their_own_settings(tmp_path, digits):
    found = [(job.model, job.seed, job.images, job.options.get("latent")) for job in jobs(plan_of(tmp_path), digits)]
    assert [each[:3] for each in found] == [("ppca", 0, 640), ("ppca", 1, 640), ("vae", 1, 640)]
    assert found[2][3] == 4


@pytest.mark.parametrize(
    "change",
    [
        ("latent = 4", "latent = 5"),
        ("images = 640", "images = 641"),
        ("batch = 32", "batch = 31"),
        ("seeds = [1]", "seeds = [2]"),
        ('metrics = ["fid"]', 'metrics = ["kid"]'),
        ("images = 640", "images = 640\ncount = 100"),
        ("images = 640", "images = 640\nprotocol = 'stylegan3'"),
        ("batch = 32", "batch = 32\n[parameters.nll]\nimportance_samples = 3"),
    ],
)
def test_all_that_moves_a_record_moves_the_job(tmp_path, digits, change):
    def last(text):
        return list(jobs(plan_of(tmp_path, text), digits))[-1].id

    assert last(BOARD) == last(BOARD)
    assert last(BOARD.replace(*change)) != last(BOARD)


def test_weights_and_versions_move_the_job_too(tmp_path, digits, monkeypatch):
    first = next(iter(jobs(plan_of(tmp_path), digits))).id
    with monkeypatch.context() as patched:
        patched.setattr("genkit.benchmark.jobs.identity", lambda extractor: {"sha256": "another"})
        assert next(iter(jobs(plan_of(tmp_path), digits))).id != first
    assert next(iter(jobs(plan_of(tmp_path), digits))).asked["versions"] == {"fid": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = []\ndataset = 'digits'", "models"),
        (BOARD.replace("images = 640", "images = 640\npack = 'zip'"), "pack"),
        (BOARD.replace("seeds = [1]", "seeds = [-1]"), r"models\.1\.seeds\.0"),
        (
            BOARD.replace("seeds = [0, 1]", "seeds = []"),
            r"seeds = \[\] is not valid: it should be a list of at least 1",
        ),
        (BOARD.replace("seeds = [1]", "seeds = []"), r"models\.1\.seeds = \[\] is not valid"),
        (BOARD.replace("batch", "bach"), "'models.1.bach'. Did you mean 'batch'"),
        (BOARD.replace("dataset", "data"), "no option 'data'"),
        (BOARD.replace('name = "vae"', "x = 1"), "models.1.name has no default"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(OptionsError, match=message):
        plan_of(tmp_path, text)


@pytest.mark.parametrize("models", ["[models.vae]", 'models = ["vae"]', 'models = "vae"', "[models]\nvae = {}"])
def test_models_that_are_written_otherwise_are_told_how(tmp_path, models):
    with pytest.raises(OptionsError, match=r'a table of its own, \[\[models\]\], with name = "vae" below it'):
        plan_of(tmp_path, f'dataset = "digits"\n{models}')


def test_a_model_that_is_listed_twice_is_refused(tmp_path, digits):
    text = BOARD + '[[models]]\nname = "ppca"\nseeds = [1]\n'
    with pytest.raises(OptionsError, match="lists ppca twice with equal options and seed 1"):
        list(jobs(plan_of(tmp_path, text), digits))


def test_unknown_models_and_options_are_refused_before_anything_is_trained(tmp_path, digits):
    with pytest.raises(UnknownName, match="Did you mean 'vae'"):
        list(jobs(plan_of(tmp_path, BOARD.replace('"vae"', '"vaee"')), digits))
    with pytest.raises(OptionsError, match="vae has no option 'laten'"):
        list(jobs(plan_of(tmp_path, BOARD.replace("latent =", "laten =")), digits))
    with pytest.raises(MissingError, match="there is no file"):
        read_plan(tmp_path / "none.toml")


def test_a_plan_may_use_the_old_names_of_options(tmp_path, digits):
    text = 'dataset = "digits"\n[[models]]\nname = "sngan"\noptions = { d_steps = 4, d_learning_rate = 1e-3 }'
    old = text.replace("d_steps", "discriminator_turns").replace("d_learning_rate", "discriminator_rate")
    (job,), (same,) = (list(jobs(plan_of(tmp_path, each), digits)) for each in (text, old))
    assert (job.options["d_steps"], job.options["d_learning_rate"]) == (4, 1e-3)
    assert (same, same.id) == (job, job.id)


def test_runs_with_the_old_names_of_options_are_found():
    (run,) = find_runs(OLD_RUNS, model="wgan-gp")
    config = run.config
    assert config.options["discriminator_turns"] == 3
    job = Job(
        model="wgan-gp",
        dist=config.dist,
        version=config.version,
        options=current_names(config.options),
        dataset_sha256=config.dataset_sha256,
        seed=config.seed,
        images=config.images or 0,
        batch=config.batch,
        asked={},
    )
    assert [each.path for each in runs_of(job, OLD_RUNS)] == [run.path]


def test_options_of_drawing_are_no_part_of_a_plan(tmp_path, digits):
    text = 'dataset = "digits"\n[[models]]\nname = "dcgan"\noptions = { truncation = 0.5 }'
    with pytest.raises(OptionsError, match="leave truncation out of its options, and measure .* genkit eval --sweep"):
        list(jobs(plan_of(tmp_path, text), digits))


def test_a_run_that_draws_otherwise_than_its_preset_is_not_that_of_a_job(tmp_path):
    (run,) = find_runs(OLD_RUNS, model="wgan-gp")
    assert draws_as_its_preset(run.config)
    assert draws_as_its_preset(dataclasses.replace(run.config, sampling={"truncation": 1.0}))
    other = dataclasses.replace(run.config, sampling={"truncation": 0.5}, options=current_names(run.config.options))
    create(tmp_path, other)
    facts = {name: getattr(other, name) for name in ("model", "dist", "version", "options", "dataset_sha256", "seed")}
    assert runs_of(Job(**facts, images=other.images or 0, batch=other.batch, asked={}), tmp_path) == []
