"""Real processes: killed at some moment and run again, or started with a plugin that is bad at start."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from attacks.plugins import at_start, environment
from attacks.trying import TRACEBACK, Call, Trial
from attacks.world import all_runs, check, comparison, evaluation, numbers, training

TOYS = """
from genkit.plugin import *

@hookimpl
def genkit_models():
    yield ModelSpec('toy-gan', 'toys:ToyGAN')
"""
"""A plugin that offers the model of the world's runs in a process of its own."""

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def kill(trial: Trial) -> None:
    """Kill a command at a random moment, then run it again: what it gives and leaves is as if nothing had happened."""
    rng = trial.rng
    run = trial.world.copied(trial.folder)
    variables = environment(trial, TOYS)
    if rng.random() < 0.5:
        shutil.rmtree(trial.folder / "cache")
    kinds = {
        "eval": evaluation(run),
        "compare": comparison(trial.world.photos, trial.world.data),
        "train": training(trial.world, trial.folder / "new"),
        "features": ("features", "train", "--dataset", f"npz:{trial.world.data}"),
    }
    kind = sorted(kinds)[trial.number % len(kinds)]
    number = rng.choice(SIGNALS)
    how = rng.choice(("at a time", "at a write", "at a write"))
    trial.did(f"{kind} gets {number.name} {how}")
    killed = _killed(trial, kinds[kind], variables, number, how, rng)
    if killed is not None:
        trial.calls.append(killed)
    runs = trial.folder / ("new" if kind == "train" else "runs")
    for state in _states(trial, runs):
        if state == "running":
            trial.complain(f"a run that {number.name} ended is said to be running")
    if kind == "train" and (found := all_runs(runs) if runs.exists() else []):
        command: tuple[str, ...] = ("train", "--resume", str(found[0]))
    else:
        command = kinds[kind]
    again = real(trial, command, variables)
    finished = "finished" in again.err or "nothing" in again.err
    if again.code != 0 and not finished:
        trial.complain(f"after it {kind} does not work: {again.err.strip()[-300:]}")
    if kind in trial.world.right:
        if again.code == 0 and numbers(again) != trial.world.right[kind]:
            trial.complain(f"after it {kind} gives {numbers(again)}, not {trial.world.right[kind]}")
    elif kind == "train" and again.code == 0:
        _same_weights(trial, all_runs(runs)[0])
    check(trial, trial.genkit("leaderboard", "--runs", str(trial.folder / "runs"), "--json"), "leaderboard")


def _states(trial: Trial, runs: Path) -> list[str]:
    listed = trial.genkit("runs", "list", "--runs", str(runs), "--json").document()
    return [each["status"]["state"] for each in listed] if isinstance(listed, list) else []


def _same_weights(trial: Trial, run: Path) -> None:
    """A resumed run ends with the tensors of the world's run of the same seed."""
    from genkit.training import checkpoint

    right = sorted(all_runs(trial.world.folder / "runs")[-1].glob("checkpoints/step-*.safetensors"))[-1]
    path = sorted(run.glob("checkpoints/step-*.safetensors"))[-1]
    ours, theirs = checkpoint.load(path)[0], checkpoint.load(right)[0]
    different = [name for name, tensor in theirs.items() if name not in ours or not tensor.equal(ours[name])]
    if different or path.name != right.name:
        trial.complain(f"a killed and resumed run ends differently: {different[:3]}")


def _killed(
    trial: Trial, command: tuple[str, ...], variables: dict[str, str], number: int, how: str, rng: random.Random
) -> Call | None:
    """Start a command and send a signal; return the call if it was one that a process can answer."""
    before = _files(trial.folder)
    patience = rng.choice((0.0, 0.0, 0.02, 0.2, 1.0))
    moment = time.monotonic() + rng.uniform(0.1, 12)
    with open("killed-out.txt", "wb") as out, open("killed-err.txt", "wb") as err:
        process = subprocess.Popen(_line(command), env=variables, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        while process.poll() is None:
            if how == "at a time" and time.monotonic() > moment:
                break
            if how == "at a write" and _files(trial.folder) != before:
                time.sleep(patience)
                break
            time.sleep(0.005)
        process.send_signal(number)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            trial.complain(f"{signal.Signals(number).name} does not end the process within 30 s")
            return None
    read = [Path(name).read_text(errors="backslashreplace") for name in ("killed-out.txt", "killed-err.txt")]
    for end in TRACEBACK.findall(read[1])[:1]:
        trial.complain(f"{signal.Signals(number).name} gives a traceback: {end[:200]}")
    if number == signal.SIGKILL or code <= 0:
        return None
    return Call([argument for argument in command if argument != "--json"], code, *read)


def _files(folder: Path) -> set[tuple[str, int]]:
    """Return the names and sizes of what a command writes below the try's folder."""
    found = set()
    for root, _, names in os.walk(folder):
        if Path(root).name in ("site", "work"):
            continue
        for name in names:
            try:
                found.add((name, os.stat(os.path.join(root, name)).st_size))
            except OSError:
                continue
    return found


def _line(command: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "genkit", *command]


def real(trial: Trial, command: tuple[str, ...], variables: dict[str, str], limit: float = 55) -> Call:
    """Run a command line in a process of its own; one that takes longer than the limit is killed and complained of."""
    try:
        done = subprocess.run(
            _line(command), env=variables, capture_output=True, stdin=subprocess.DEVNULL, timeout=limit
        )
        call = Call(
            list(command), done.returncode, *(s.decode("utf-8", "backslashreplace") for s in (done.stdout, done.stderr))
        )
    except subprocess.TimeoutExpired as late:
        trial.complain(f"{' '.join(command[:2])} was not done after {limit:g} s")
        call = Call(list(command), 124, "", (late.stderr or b"").decode("utf-8", "backslashreplace"))
    trial.calls.append(call)
    for end in TRACEBACK.findall(call.err)[:1]:
        trial.complain(f"{command[0]}: a traceback: {end[:200]}")
    return call


def start(trial: Trial) -> None:
    """Start genkit with a plugin that raises, prints, closes streams, exits or hangs at start."""
    rng = trial.rng
    trial.world.copied(trial.folder)
    did, source = at_start(rng, exits=True, hangs=trial.number % 10 == 9)
    trial.did(did)
    variables = environment(trial, source)
    command = ("leaderboard", "--runs", str(trial.folder / "runs"), "--json")
    if "sleep(10000)" in source or "while True" in source:
        _hangs(trial, command, variables)
        return
    call = real(trial, command, variables)
    if call.code == 0:
        check(trial, call, "leaderboard")
    if "_exit" in source or "sys.exit" in source:
        if "hostile" not in call.err and not (call.code == 0 and numbers(call)):
            trial.complain(f"a plugin that exits is not named: exit code {call.code}, {call.err.strip()[:200]!r}")
    elif call.code != 0 and "hostile" not in call.err:
        trial.complain(f"a plugin ends the command and is not named: {call.err.strip()[-200:]!r}")


def _hangs(trial: Trial, command: tuple[str, ...], variables: dict[str, str]) -> None:
    """A plugin that hangs is named while it does."""
    with open("hanging-err.txt", "wb") as err:
        process = subprocess.Popen(
            _line(command),
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=err,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + 45
        while process.poll() is None and time.monotonic() < until:
            if b"hostile" in Path("hanging-err.txt").read_bytes():
                break
            time.sleep(0.2)
        else:
            if process.poll() is None:
                trial.complain("a plugin that hangs is not named within 45 s")
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    text = Path("hanging-err.txt").read_text(errors="backslashreplace")
    trial.calls.append(Call(["leaderboard"], 0, json.dumps(text), text))
