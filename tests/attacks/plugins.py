"""Plugins that misbehave at import, in a hook, or in what they offer; the rest of genkit works on."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from installed import dist_info

from attacks.trying import Trial
from attacks.world import check, evaluation, numbers, offer_toys, said

NAME = "plugins"

ERRORS = (
    "RuntimeError('two\\nlines')", "KeyError()", "SystemExit(0)", "SystemExit('bye')", "KeyboardInterrupt()", "GeneratorExit()",
    "BaseException('base')", "MemoryError()", "RecursionError()", "StopIteration()", "UnicodeDecodeError('a', b'', 0, 1, 'x')",
    "type('Odd', (BaseException,), {'__str__': lambda self: 1 / 0})()", "OSError(28, 'full')", "BrokenPipeError()", "AssertionError()",
    "ExceptionGroup('g', [ValueError()])", "ImportError('\\x1b[31mred')", "RuntimeError('x' * 100000)", "EOFError()",
)  # fmt: skip
"""What a plugin raises."""

NOISE = (
    "print('noise ' * 10)", "import sys; sys.stdout.write('{')", "import os; os.write(1, b'raw bytes \\xff')",
    "print('red', flush=True)", "import logging; logging.warning('log')", "import warnings; warnings.warn('w')",
    "import sys; sys.stderr.write('to stderr')", "import subprocess; subprocess.run(['echo', 'child'])",
    "import sys; print('x', file=sys.__stdout__)", "print('y' * 200000)",
)  # fmt: skip

STREAMS = (
    "import sys; sys.stdout.close()", "import os; os.close(1)", "import sys; sys.stdout = None", "import sys; sys.stderr = None",
    "import os; os.close(2)", "import sys; sys.stdout = open('stolen.txt', 'w')", "import os; os.dup2(2, 1)",
)  # fmt: skip

EXITS = ("import os; os._exit(0)", "import os; os._exit(3)", "import sys; sys.exit(0)")

STATE = (
    "import os; os.chdir('/')", "import locale, os; os.environ['COLUMNS'] = '1'",
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)", "import warnings; warnings.simplefilter('error')",
    "import logging; logging.disable(50)", "import random; random.seed(1)", "import gc; gc.disable()",
    "import numpy as np; np.random.seed(1); np.seterr(all='raise')", "import torch; torch.manual_seed(1)",
    "import torch; torch.set_default_dtype(torch.float64)", "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
)  # fmt: skip

YIELDS = (
    "3", "'gan'", "None", "ModelSpec('x', 'no.such:Thing')", "ModelSpec('x', 'os')", "ModelSpec('\\x1b[31m', 'os:path')",
    "MetricSpec('fid', 'os:getcwd')", "DatasetSpec('digits', 'os:getcwd')", "CommandSpec('eval', 'os:getcwd')", "ModelSpec",
    "type('M', (ModelSpec,), {'name': property(lambda self: 1 / 0)})('x', 'a:b')", "ModelSpec('noise', 'os:getcwd')",
    "CommandSpec('x', 'os:getcwd', summary='\\x1b[31m\\u202e')", "FeatureSpec('x', 'os:getcwd', dim='many')",
    "FeatureSpec('random-conv', 'os:getcwd')", "ModelSpec('x', 'a:b', summary='\\x1b]0;t\\x07')", "MetricSpec('x', 'os:getcwd', needs=3)",
    "DatasetSpec('npz', 'os:getcwd', argument='PATH')", "FeatureSpec('pixels', 'os:getcwd', for_dataset='digits')",
    "MetricSpec('kid', 'os:getcwd', needs=('features',), parameters={'subsets': 1})", "ModelSpec('toy-gan', 'os:getcwd')",
    "TextEncoderSpec('bytes', 'os:getcwd')",
)  # fmt: skip

HOOKS = {
    "ModelSpec": "genkit_models", "DatasetSpec": "genkit_datasets", "FeatureSpec": "genkit_features",
    "TextEncoderSpec": "genkit_text_encoders", "MetricSpec": "genkit_metrics", "CommandSpec": "genkit_commands",
}  # fmt: skip
"""The hook of each spec."""

VALUES = (
    "float('nan')", "None", "'text'", "[]", "np.float32(1.5)", "np.array([1.0, 2.0])", "torch.tensor(1.0)", "1e308", "float('inf')",
    "Score", "{}", "object()", "True", "10**400", "1j",
)  # fmt: skip
"""What a metric returns."""

FEATURES = (
    "torch.full((n, 4), float('nan'))", "torch.zeros(n, 4)", "torch.zeros(n + 1, 4)", "torch.zeros(0, 4)", "torch.zeros(4)", "None",
    "[1, 2]", "torch.zeros(n, 4, dtype=torch.int64)", "torch.full((n, 4), 1e38)", "torch.zeros(n, 0)", "torch.zeros(n, 4, 4)",
    "torch.zeros(n, 4, requires_grad=True)", "torch.full((n, 4), float('inf'))", "torch.zeros(n, 4, dtype=torch.complex64)", "3",
)  # fmt: skip
"""What an extractor returns for n images."""


def at_start(rng: random.Random, *, exits: bool, hangs: bool = False) -> tuple[str, str]:
    """Return what a plugin does at its start, and its source."""
    groups: dict[str, tuple[str, ...]] = {
        "raises": ERRORS,
        "prints": NOISE,
        "streams": STREAMS,
        "state": STATE,
        "yields": YIELDS,
    }
    if exits:
        groups["exits"] = EXITS
    if hangs:
        groups["hangs"] = ("import time; time.sleep(10000)", "while True: pass")
    kind = rng.choice(sorted(groups))
    act = rng.choice(groups[kind])
    head = "from genkit.plugin import *\n"
    hook = rng.choice(sorted(HOOKS.values()))
    if kind == "yields":
        if rng.random() < 0.8:  # else a hook that it does not fit
            hook = HOOKS.get(act.partition("(")[0], hook)
        return f"{hook} yields {act}", f"{head}@hookimpl\ndef {hook}():\n    yield {act}\n"
    if kind == "raises":
        act = f"raise {act}"
    good = "@hookimpl\ndef genkit_models():\n    yield ModelSpec('harmless', 'a:b')\n"
    if rng.random() < 0.5:
        return f"import: {act}", f"{act}\n{head}{good}"
    hook = "genkit_datasets"
    return f"hook: {act}", f"{head}{good}@hookimpl\ndef {hook}():\n    {act}\n    return ()\n"


def install(folder: Path, source: str, name: str = "hostile") -> None:
    """Write a plugin as an installed distribution."""
    dist_info(folder, f"{name}-dist", {name: f"{name}_plugin"}, "2.5")
    (folder / f"{name}_plugin.py").write_text(source, encoding="utf-8")


def rediscovered(folder: Path) -> None:
    """Let this process find the plugins in a folder too."""
    from genkit.registry.discovery import registry

    sys.path.insert(0, str(folder))
    registry.cache_clear()


def attack(trial: Trial) -> None:
    """Install a bad plugin, then use genkit with it and without."""
    (_starting, _offering, _data_set)[trial.number % 3](trial)


def _starting(trial: Trial) -> None:
    """Bad at its start; an early exit is tried by the class of real processes."""
    did, source = at_start(trial.rng, exits=False)
    trial.did(did)
    use_beside(trial, source)


def use_beside(trial: Trial, source: str) -> None:
    """Use genkit beside a plugin, of which nothing is asked: its numbers are the clean ones."""
    run = trial.world.copied(trial.folder)
    install(trial.folder / "site", source)
    rediscovered(trial.folder / "site")
    runs = ("--runs", str(trial.folder / "runs"))
    check(trial, trial.genkit("leaderboard", *runs, "--json"), "leaderboard")
    trial.genkit("plugins", "--json")
    trial.genkit("models", "--json")
    trial.genkit("runs", "list", *runs, "--json")
    offer_toys()
    _same_numbers(trial, evaluation(run), "plugin")


def _offering(trial: Trial) -> None:
    """Good at start, with an extractor, a metric, an observer, a data set or a model that is bad."""
    rng = trial.rng
    run = trial.world.copied(trial.folder)
    kind = rng.choice(("metric", "metric", "extractor", "extractor", "observer", "dataset", "command", "model"))
    bad = rng.choice((f"raise {rng.choice(ERRORS)}", *NOISE, *(f"raise {error}" for error in ERRORS)))
    noisy = rng.random() < 0.4
    act = bad if noisy else "pass"
    head = "from genkit.plugin import *\n"
    if kind == "metric":
        value = rng.choice(VALUES)
        did = f"metric: {act}; returns {value}"
        spec = "@hookimpl\ndef genkit_metrics():\n    yield MetricSpec('odd', 'hostile_work:work', group='samples', needs=('features',), direction='lower')\n"
        work = f"import numpy as np, torch\nfrom genkit.results.score import Score\ndef work(evidence, **options):\n    {act}\n    return {value}\n"
        command = _with(evaluation(run), metrics="odd,fid,kid")
    elif kind == "extractor":
        value = rng.choice(FEATURES)
        did = f"extractor: {act}; returns {value}"
        spec = "@hookimpl\ndef genkit_features():\n    yield FeatureSpec('odd', 'hostile_work:work', dim=4)\n"
        work = (
            "import torch\nfrom genkit.features.extractor import Extractor\n"
            "class Odd(Extractor):\n    has_logits = False\n    def choices(self):\n        return {'resize': 'none'}\n"
            f"    def accepts(self, shape):\n        {act}\n"
            f"    def forward(self, images):\n        n = len(images)\n        return {value}, None\n"
            "def work(request):\n    return Odd('odd', '0' * 64, 4, torch.nn.Identity())\n"
        )
        command = _with(evaluation(run), features="odd,random-conv,pixels")
    elif kind == "observer":
        did = f"observer: {bad}"
        spec = (
            f"@hookimpl\ndef genkit_record(record):\n    {bad}\n@hookimpl\ndef genkit_train_event(event):\n    {bad}\n"
        )
        work, command = "", evaluation(run)
    elif kind == "dataset":
        did = f"dataset: {bad}"
        spec = "@hookimpl\ndef genkit_datasets():\n    yield DatasetSpec('odd', 'hostile_work:work')\n"
        work = f"def work(request):\n    {bad}\n"
        command = ("datasets", "show", "odd")
    elif kind == "command":
        did = f"command: {bad}"
        spec = "@hookimpl\ndef genkit_commands():\n    yield CommandSpec('odd', 'hostile_work:work')\n"
        work = f"{bad}\nwork = 3\n"
        command = ("--help",)
    else:
        did = f"model: {bad}"
        spec = "@hookimpl\ndef genkit_models():\n    yield ModelSpec('odd', 'hostile_work:Work')\n"
        work = (
            "import torch\nfrom genkit.models import GenerativeModel\nclass Work(GenerativeModel):\n"
            f"    def __init__(self, options, data):\n        super().__init__(options, data)\n        {bad}\n"
            "    def sample(self, n, *, generator, condition=None):\n"
            "        return torch.rand(n, *self.data.shape, generator=generator)\n"
        )
        command = ("train", "--model", "odd", "--images", "64", "--runs", "odd")
    trial.did(did)
    site = trial.folder / "site"
    install(site, f"{head}{spec}")
    (site / "hostile_work.py").write_text(work, encoding="utf-8")
    rediscovered(site)
    if command[0] == "eval":
        offer_toys()
    if command[0] == "eval":
        _same_numbers(trial, command, kind)
    else:
        trial.genkit(*command)
    check(trial, trial.genkit("leaderboard", "--runs", str(trial.world.folder / "runs"), "--json"), "leaderboard")


def _same_numbers(trial: Trial, command: tuple[str, ...], kind: str) -> None:
    """Measure: what needs nothing of the plugin has its clean numbers."""
    call = trial.genkit(*command)
    good, found = trial.world.right["eval"], numbers(call)
    if call.code != 0:
        trial.complain(f"a bad {kind} ends the evaluation of the rest: {call.err.strip()[:200]}")
    elif wrong := [name for name, value in good.items() if found.get(name) != value]:
        trial.complain(
            f"a bad {kind} changes {wrong[0]}: {found.get(wrong[0])}, not {good[wrong[0]]} ({said(call)[:1]})"
        )


def _with(command: tuple[str, ...], **flags: str) -> tuple[str, ...]:
    """Return a command with other values of flags."""
    changed = list(command)
    for name, value in flags.items():
        changed[changed.index(f"--{name}") + 1] = value
    return tuple(changed)


ITEMS = (
    "[[1]]", "None", "3", "Item([[1]])", "Item(pixels.astype(float))", "Item(pixels[0])", "Item(pixels, 'a')", "Item(pixels, 10**30)",
    "Item(pixels, split='all')", "Item(pixels, name=3)", "Item(pixels, captions=None)", "Item(pixels, captions=(b'x',))",
    "Item(pixels, name='\\x1b[31m')", "Item(pixels.repeat(1000, axis=2))", "Item(pixels, label=True)",
)  # fmt: skip
"""What a data set gives where an image is due."""

CONTENTS = (
    "None", "[]", "SourceItems('xyz', 6, items)", "SourceItems((1, 8, 8), 'six', items)", "SourceItems((1, 8, 8), 6, 3)",
    "SourceItems((1, 8, 8), 6, items, classes=(1, 2))", "SourceItems((1, 8, 8), 6, items, notes=[b'x'])", "SourceItems((1, 8, 8), 10**30, items)",
    "SourceItems((0, 8, 8), 6, items)", "SourceItems((1, 8, 8), 6, items, levels=None)", "SourceItems((1, 8, 8), 5, items)",
    "SourceItems((1, 8, 8), 6, items, skipped=np.int64(1), levels=np.int64(256))",
)  # fmt: skip
"""What it gives for all of them."""

SOURCE = """
import numpy as np, os, sys
from genkit.data.source import Item, Source, SourceItems
class Odd(Source):
    name = 'odd'
    def key(self):
        {key}
        return 'odd'
    def read(self):
        items = self.items()
        {read}
        return {contents}
    def close(self):
        {close}
    def items(self):
        for number in range(6):
            pixels = np.full((1, 8, 8), number * 40, np.uint8)
            {items}
            yield {item}
def work(request):
    return Odd()
"""


def _data_set(trial: Trial) -> None:
    """A data set that is bad once it is opened: it raises, exits, prints, or gives what is no image."""
    rng = trial.rng
    parts = {"key": "pass", "read": "pass", "close": "pass", "items": "pass"}
    part, kind = rng.choice(sorted(parts)), rng.choice(("raises", "exits", "prints", "gives", "gives"))
    contents, item = "SourceItems((1, 8, 8), 6, items)", "Item(pixels)"
    acts = {"raises": tuple(f"raise {error}" for error in ERRORS), "exits": EXITS, "prints": NOISE}
    if kind != "gives":
        parts[part] = rng.choice(acts[kind])
    elif rng.random() < 0.5:
        contents = rng.choice(CONTENTS)
    else:
        item = rng.choice(ITEMS)
    trial.did(f"data set: {part} {parts[part]}; {contents}; {item}")
    site = trial.folder / "site"
    spec = "@hookimpl\ndef genkit_datasets():\n    yield DatasetSpec('odd', 'hostile_work:work')\n"
    install(site, f"from genkit.plugin import *\n{spec}")
    (site / "hostile_work.py").write_text(SOURCE.format(**parts, contents=contents, item=item), encoding="utf-8")
    rediscovered(site)
    os.environ["GENKIT_CACHE"] = str(trial.folder / "cache")
    sized = ("--size", "4") if rng.random() < 0.5 else ()
    call = trial.genkit("datasets", "show", "odd", *sized, "--json")
    if kind in ("raises", "exits") and (call.code in (0, 130) or "odd" not in call.err):
        trial.complain(f"a bad data set is not named, exit code {call.code}: {call.err.strip()[:200]}")
    if kind == "prints" and call.code != 0:
        trial.complain(f"a data set that prints is refused: {call.err.strip()[:200]}")
    check(trial, trial.genkit("leaderboard", "--runs", str(trial.world.folder / "runs"), "--json"), "leaderboard")


def environment(trial: Trial, source: str) -> dict[str, str]:
    """Return the environment of a real process that finds the plugin."""
    site = trial.folder / "site"
    install(site, source)
    paths = [
        str(site),
        str(Path(__file__).parents[1]),
        str(Path(__file__).parents[2]),
        *os.environ.get("PYTHONPATH", "").split(os.pathsep),
    ]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
