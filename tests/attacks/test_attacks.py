"""A quick share of all attacks, and whether the judge sees what it must: each planted fault is caught."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from attacks import catalogue, flips, plugins, table, world
from attacks.trying import Trial, attempt

SEED = 1
SHARE = {"flips": 12, "records": 14, "archives": 12, "names": 10, "plugins": 12, "downloads": 20}
"""Tries of each class in the tests; ``benchmarks/attacks.py`` makes them all, and those of real processes."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The world, made once in this process."""
    from genkit.registry.discovery import registry

    before = {name: value for name, value in os.environ.items() if name.startswith("GENKIT_")}
    plugins = list(registry().plugins)
    yield world.build(tmp_path_factory.mktemp("world"))
    registry().plugins[:] = plugins
    for name in [name for name in os.environ if name.startswith("GENKIT_")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.mark.parametrize("name", SHARE)
def test_genkit_survives(clean, name):
    outcomes = [attempt(catalogue.CLASSES[name], name, SEED, number, clean) for number in range(SHARE[name])]
    failed = [table.failure(outcome) for outcome in outcomes if outcome.problems]
    assert not failed, "\n".join(failed)


def test_the_clean_world_has_numbers_and_passes(clean):
    assert set(clean.right) == {"eval", "leaderboard", "compare"} and all(clean.right.values())

    def nothing(trial):
        run = clean.copied(trial.folder)
        world.check(trial, trial.genkit(*world.evaluation(run)), "eval")
        world.check(trial, trial.genkit("leaderboard", "--runs", str(trial.folder / "runs"), "--json"), "leaderboard")
        world.check(trial, trial.genkit(*world.comparison(clean.photos, clean.data)), "compare")
        assert [world.said(call) for call in trial.calls] == [[], [], []]

    outcome = attempt(nothing, "nothing", 0, 0, clean)
    assert outcome.problems == [] and len(outcome.calls) == 3


def test_a_try_is_the_same_whenever_it_is_made(clean):
    one, two = (attempt(flips.attack, "flips", 5, 3, clean) for _ in range(2))
    other = attempt(flips.attack, "flips", 6, 3, clean)
    assert one.did == two.did != other.did
    assert [call.argv[0] for call in one.calls] == [call.argv[0] for call in two.calls]


@pytest.mark.parametrize(
    "act",
    [
        "FeatureSpec('pixels', 'os:getcwd')",
        "MetricSpec('fid', 'os:getcwd', needs=('features',))",
        "DatasetSpec('npz', 'os:getcwd', argument='PATH')",
        "CommandSpec('eval', 'os:getcwd')",
        "import torch; torch.set_default_dtype(torch.float64)",
    ],
)
def test_a_plugin_that_nobody_asks_changes_no_number(clean, act):
    spec = act.partition("(")[0]
    hook = plugins.HOOKS.get(spec, "genkit_models")
    body = f"yield {act}" if spec in plugins.HOOKS else f"{act}\n    return ()"
    source = f"from genkit.plugin import *\n@hookimpl\ndef {hook}():\n    {body}\n"
    outcome = attempt(lambda trial: plugins.use_beside(trial, source), act, 0, 0, clean)
    assert outcome.problems == [] and outcome.calls[-1].argv[0] == "eval"


# --- planted faults ---


def fault_in_the_cache(trial):
    """Features of the reference that changed, where nothing looks at their hash."""
    from genkit.features.spool import Spool

    run = trial.world.copied(trial.folder)
    read = Spool.arrays
    Spool.arrays = lambda spool: {name: np.array(array) * 1.25 for name, array in read(spool).items()}
    for path in (trial.folder / "cache").rglob("gaussian-*.safetensors"):
        path.unlink()
    world.check(trial, trial.genkit(*world.evaluation(run)), "eval")


def fault_in_a_record(trial):
    """A record with other values, whose name has its hash: a wrong number of which nobody says a word."""
    from genkit.results.records import content_id

    run = trial.world.copied(trial.folder)
    (path,) = run.glob("records/*.json")
    document = json.loads(path.read_text())
    for score in document["scores"]:
        score.update({key: score[key] + 1 for key in ("value", "ci_low", "ci_high")})
    data = json.dumps(document).encode()
    path.with_name(f"{path.name[:16]}{content_id(data)}.json").write_bytes(data)
    path.unlink()
    world.check(trial, trial.genkit("leaderboard", "--runs", str(run.parents[2]), "--json"), "leaderboard")


def _traceback(trial):
    from genkit.cli import commands

    commands.run = lambda: 1 / 0
    trial.genkit("leaderboard", "--json")


def _silent(trial):
    from genkit.cli import commands

    commands.run = lambda: 1
    trial.genkit("leaderboard", "--json")


def _escapes(trial):
    from genkit.cli import commands

    commands.run = lambda: print("{}\x1b[31m")
    trial.genkit("leaderboard")


def _no_json(trial):
    from genkit.cli import commands

    commands.run = lambda: print("noise {}") or 0
    trial.genkit("leaderboard", "--json")


def _memory(trial):
    bytearray(700_000_000)[::4096] = b"x" * len(range(0, 700_000_000, 4096))


PLANTED = {
    "hang": (lambda trial: time.sleep(100), "it was not done after 0.5 s"),
    "deaf hang": (lambda trial: [signal.signal(signal.SIGTERM, signal.SIG_IGN), time.sleep(100)], "not done after"),
    "traceback": (_traceback, "a traceback: ZeroDivisionError"),
    "memory": (_memory, "MB of memory"),
    "wordless end": (_silent, "ended with exit code 1 without a word"),
    "early exit": (lambda trial: os._exit(0), "it ended with exit code 0 in the middle"),
    "death": (lambda trial: os.kill(os.getpid(), signal.SIGSEGV), "it died of SIGSEGV"),
    "escapes": (_escapes, r"leaderboard printed '\x1b'"),
    "no json": (_no_json, "--json printed no JSON"),
    "attack": (lambda trial: trial.folder.no_such_method(), "the attack itself failed"),
    "cache": (fault_in_the_cache, "without a word, eval: "),
    "record": (fault_in_a_record, "without a word, leaderboard: "),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_caught(clean, fault):
    attack, problem = PLANTED[fault]
    limit = 0.5 if "hang" in fault else 60.0
    outcome = attempt(attack, fault, 0, 0, clean, limit=limit, memory=900_000_000 if fault == "memory" else 1 << 40)
    assert any(problem in each for each in outcome.problems), outcome
    assert table.failure(outcome)


def test_damage_that_nothing_checks_is_caught(clean):
    from genkit.files import integrity

    def unchecked(trial):
        for name, blind in (("unchanged", lambda *a, **k: True), ("check_sealed", lambda *a, **k: None)):
            right = getattr(integrity, name)
            for module in list(sys.modules.values()):
                if vars(module).get(name) is right:
                    setattr(module, name, blind)
        run = trial.world.copied(trial.folder)
        for path in (trial.folder / "cache").rglob("features.npy"):
            data = bytearray(path.read_bytes())
            data[-1500:] = bytes(1500)
            path.write_bytes(bytes(data))
        for path in (trial.folder / "cache").rglob("gaussian-*.safetensors"):
            path.unlink()
        world.check(trial, trial.genkit(*world.evaluation(run)), "eval")

    outcome = attempt(unchecked, "unchecked", 0, 0, clean)
    assert any("without a word, eval: " in problem for problem in outcome.problems), outcome


# --- the table ---


def test_the_table_counts_survivors_and_names_what_failed(tmp_path):
    from attacks.trying import Outcome

    outcomes = [
        Outcome("flips", 7, 0),
        Outcome("flips", 7, 1, problems=["a <b>traceback</b>"], seconds=2.0, peak=10**9),
    ]
    page = tmp_path / "survives.md"
    page.write_text(f"before\n\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write_into(page, outcomes, 7)
    text = page.read_text()
    assert "| `flips` |" in text and "| 2 | 1 | 2.0 s | 1000 MB |" in text and "old" not in text
    assert "python benchmarks/attacks.py --class flips --seed 7 --only 1" in text and "<b>" not in text
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "1 of 2 failed" in table.text(outcomes)


def test_a_run_that_is_cut_short_tried_all_classes():
    order = list(catalogue.in_turn({"flips": 4, "kills": 2}))
    assert sorted(order) == [("flips", 0), ("flips", 1), ("flips", 2), ("flips", 3), ("kills", 0), ("kills", 1)]
    assert {name for name, _ in order[:3]} == {"flips", "kills"}


def test_names_are_hostile_and_files_can_have_them(tmp_path):
    from attacks.names import hostile

    made = [hostile(Trial("names", 0, number, Path(tmp_path), None).rng) for number in range(60)]
    for name in made:
        (tmp_path / name).mkdir(exist_ok=True)
    assert any(not name.isprintable() for name in made) and any("\udcff" in name for name in made)
