"""Names: of folders, files, classes, models and settings, with odd bytes, controls, formulas and markup."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import random
import re
import shutil
import zipfile
from pathlib import Path

from attacks.trying import Call, Trial
from attacks.world import check, comparison, evaluation, numbers, photographs, said

NAME = "names"

PIECES = (
    "\udcff", "\udce9", "\udc80\udc81", "\x1b[31m", "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\r", "\n", "\t", "\x7f", "\x00",
    "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\u0301" * 20, "\U0001f600", "\U000e0041", "\ufffe", "\uffff",
    "=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "\u200b=1", "\ufeff=1", "|", "`", "[x](javascript:alert(1))", "<script>alert(1)</script>",
    '"onload="alert(1)', "'", '"', "&lt;", "{{7*7}}", "${HOME}", "$(true)", "%s%n", "%(x)s", "{0}", "\\", "..", ".", "~", "*", "?",
    "[red]", "[/]", "--help", "-", ":", ",", ";", "#", " ", "  ", "CON", "nul", "x" * 120, "\u00e9" * 60, "?glob=*.png", "://", "C:\\x",
)  # fmt: skip
"""What hostile names are made of."""

FORMULA = re.compile("^[\\s\x00\ufeff\u200b-\u200f\u2060]*[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r]")


def hostile(rng: random.Random, *, path: bool = True) -> str:
    """Return a hostile name; of a ``path``, one that a file can have."""
    name = "".join(rng.choice((*PIECES, "a", "b", "photo", "é")) for _ in range(rng.choice((1, 1, 2, 3, 5))))
    if not path:
        return name
    name = name.replace("\x00", "0").replace("/", "_")
    while len(os.fsencode(name)) > 200:
        name = name[: len(name) // 2]
    return name if name.strip(".") else f"{name}x"


def attack(trial: Trial) -> None:
    """Use a hostile name for one thing, and write it in all the ways there are."""
    os.environ["GENKIT_CACHE"] = str(trial.folder / "cache")
    uses = (_folder, _folder, _record, _record, _record, _classes, _files, _members, _arguments, _store, _here, _run)
    uses[trial.number % len(uses)](trial)


def everything(trial: Trial, runs: Path | str, expected: int) -> None:
    """Write what a store holds in all forms and read it back."""
    where = ("--runs", str(runs))
    board = trial.genkit("leaderboard", *where, "--json")
    if expected and board.code == 0 and not numbers(board) and not said(board):
        trial.complain("the board of a store with a record is empty, without a word")
    if expected and board.code != 0 and "no record can be read" in board.err:
        trial.complain(f"genkit can't read what it wrote: {board.err.strip()[:200]!a}")
    listed = trial.genkit("records", "list", *where, "--json").document()
    if isinstance(listed, list) and len(listed) != expected:
        trial.complain(f"{len(listed)} of {expected} records are read back")
    _csv(trial, trial.genkit("leaderboard", *where, "--csv").out)
    _pipes(trial, trial.genkit("leaderboard", *where, "--md", "--columns", "all", "--why"))
    for columns in trial.rng.sample(("1", "20", "80", "200"), 1):
        os.environ["COLUMNS"] = columns
        trial.genkit("leaderboard", *where, "--chances", "--agreement", "--why")
    os.environ.pop("COLUMNS", None)
    trial.genkit("records", "list", *where)
    trial.genkit("records", "validate", *where)
    trial.genkit("recommend", *where)
    if trial.genkit("records", "export", "--out", "all.csv", *where).code == 0:
        _csv(trial, Path("all.csv").read_text(encoding="utf-8", errors="surrogateescape"))
    if trial.genkit("leaderboard", *where, "--html", "board.html").code == 0:
        page = Path("board.html").read_text(encoding="utf-8")  # not UTF-8: the attack fails, and is shown
        if "<script>alert(1)" in page or '"onload="' in page:
            trial.complain("a name is markup in the page")


def _csv(trial: Trial, text: str) -> None:
    for row in csv.reader(io.StringIO(text.replace("\x00", "\\0"), newline="")):
        for cell in row:
            if FORMULA.match(cell) and not _number(cell):
                trial.complain(f"a cell of the CSV is a formula: {ascii(cell)[:80]}")
                return


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == "-"
    return True


def _pipes(trial: Trial, call: Call) -> None:
    """The rows of a Markdown table have the same number of cells."""
    block: set[int] = set()
    for line in [*call.out.splitlines(), ""]:
        if line.startswith("|"):
            block.add(len(re.findall(r"(?<!\\)\|", line)))
        else:
            if len(block) > 1:
                trial.complain(f"the rows of a table in Markdown have {sorted(block)} bars")
            block = set()


def _folder(trial: Trial) -> None:
    """A folder of images."""
    name = hostile(trial.rng)
    trial.did(f"folder {name}")
    folder = trial.folder / "in" / name
    folder.parent.mkdir()
    shutil.copytree(trial.world.photos, folder)
    prefix = trial.rng.choice(("", "folder:"))
    call = trial.genkit(*comparison(f"{prefix}{folder}", trial.world.data))
    check(trial, call, "compare")
    if call.code == 0:
        everything(trial, "compared", 1)
    call = trial.genkit(*comparison(trial.world.photos, f"{prefix}{folder}"))
    if call.code == 0:
        everything(trial, "compared", len(list(Path("compared").rglob("records/*.json"))))


def _record(trial: Trial) -> None:
    """A record whose texts are hostile, as its plugin or its author chose them."""
    from genkit.errors import GenkitError
    from genkit.results import store

    rng = trial.rng
    shutil.copytree(trial.world.folder / "runs", trial.folder / "runs")
    found = store.read(trial.folder / "runs")
    record = found.records[0]
    name = hostile(rng, path=False)
    what = rng.choice(("model", "dataset", "option", "note", "absent", "dist", "score", "environment", "command"))
    trial.did(f"{what} {name}")
    subject, score = record.subject, record.scores[0]
    if what == "model":
        record = dataclasses.replace(record, subject=dataclasses.replace(subject, name=name))
    elif what == "dist":
        record = dataclasses.replace(record, subject=dataclasses.replace(subject, dist=name, family=name))
    elif what == "option":
        record = dataclasses.replace(record, subject=dataclasses.replace(subject, options={name: name}))
    elif what == "dataset":
        record = dataclasses.replace(record, dataset=name)
    elif what == "note":
        record = dataclasses.replace(
            record, scores=(dataclasses.replace(score, note=name, unit=name), *record.scores[1:])
        )
    elif what == "score":
        record = dataclasses.replace(record, scores=(dataclasses.replace(score, name=name), *record.scores[1:]))
    elif what == "absent":
        record = dataclasses.replace(record, absent={name: name})
    elif what == "environment":
        record = dataclasses.replace(record, environment={name: name})
    else:
        record = dataclasses.replace(record, command=name)
    try:
        path = store.add(trial.folder / "runs" / "more", record)
    except GenkitError as error:
        trial.did(f"refused: {error}")
        return
    everything(trial, trial.folder / "runs", len(found.records) + 1)
    trial.genkit("explain", str(path), str(path))


def _classes(trial: Trial) -> None:
    """Folders of classes."""
    folder = trial.folder / "photos"
    for _ in range(3):
        name = hostile(trial.rng)
        trial.did(f"class {name}")
        if (folder / name).exists():  # a name that was drawn before
            continue
        photographs(folder / name / "x", 3)
        for path in sorted((folder / name / "x").iterdir()):
            path.rename(folder / name / path.name)
        (folder / name / "x").rmdir()
    trial.genkit("datasets", "show", str(folder))
    trial.genkit("datasets", "show", str(folder), "--json")
    _trained(trial, f"folder:{folder}")


def _trained(trial: Trial, dataset: str) -> None:
    """Train on a data set, measure the run, and write all."""
    runs = ("--runs", "runs")
    if trial.genkit(
        "train", "--model", "toy-gan", "--dataset", dataset, "--images", "32", "--batch-size", "4", *runs
    ).code:
        return
    listed = trial.genkit("runs", "list", *runs, "--json").document()
    if not isinstance(listed, list) or len(listed) != 1:
        trial.complain("the run that was trained is not listed")
        return
    trial.genkit("runs", "list", *runs)
    run = str(next(Path("runs").glob("*/*/*/run.json")).parent)
    trial.genkit("runs", "show", run)
    call = trial.genkit(*evaluation(Path(run)))
    if call.code == 0:
        everything(trial, "runs", 1)


def _files(trial: Trial) -> None:
    """Files of images, one of them bad, and a file of labels that names them."""
    folder = trial.folder / "photos"
    shutil.copytree(trial.world.photos, folder)
    for path in sorted(folder.iterdir())[:4]:
        name = hostile(trial.rng)
        trial.did(f"file {name}")
        path.rename(folder / f"{name}.png")
    bad = folder / f"{hostile(trial.rng)}.png"
    bad.write_bytes(b"no image")
    trial.genkit("datasets", "show", str(folder))
    trial.genkit(*comparison(folder, trial.world.data), "--skip-bad", "-v")
    labels = trial.folder / "labels.json"
    labels.write_text(json.dumps({"labels": [[path.name, 1] for path in sorted(folder.iterdir())]}))
    trial.genkit("datasets", "show", str(folder), "--skip-bad", "--labels", str(labels))


def _members(trial: Trial) -> None:
    """Members of a zip, some of them bad."""
    path = trial.folder / f"{hostile(trial.rng)}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, each in enumerate(sorted(trial.world.photos.iterdir())):
            name = hostile(trial.rng, path=False).encode("utf-8", "replace").decode() if number < 4 else each.name
            trial.did(f"member {name}" if number < 4 else "")
            archive.writestr(
                f"x{name}" if not name.strip("\x00") or name[0] == "\x00" else name,
                each.read_bytes() if number else b"no image",
            )
    trial.genkit("datasets", "show", str(path))
    trial.genkit(*comparison(path, trial.world.data), "--skip-bad", "-v")


def _arguments(trial: Trial) -> None:
    """Arguments of commands, which come back in their errors."""
    run = trial.world.copied(trial.folder)
    name = hostile(trial.rng, path=False).replace("\x00", "0")
    trial.did(f"argument {name}")
    runs = ("--runs", str(trial.folder / "runs"))
    commands: list[tuple[str, ...]] = [
        ("leaderboard", *runs, "--score", name),
        ("leaderboard", *runs, "--columns", name),
        ("leaderboard", *runs, "--dataset", name),
        ("leaderboard", *runs, "--weights", f"{name}=1"),
        ("leaderboard", "--runs", name),
        ("eval", "--model", name, *runs),
        ("eval", "--run", name, *runs),
        ("eval", "--run", str(run), "--metrics", name),
        ("eval", "--run", str(run), "--features", name),
        ("eval", "--run", str(run), "--set", f"{name}={name}"),
        ("compare", name, str(trial.world.photos), "--runs", "compared"),
        ("train", "--model", "toy-gan", "--dataset", name, *runs),
        ("train", "--model", "toy-gan", "-o", f"{name}=1", *runs),
        ("runs", "show", name, *runs),
        ("explain", name, name),
        ("datasets", "show", name),
        ("models", name),
        (name,),
    ]
    for command in trial.rng.sample(commands, 5):
        if trial.genkit(*command).code == 0 and command[0] != "leaderboard" and name.strip() not in ("--help", ""):
            trial.did(f"{command[0]} took it")


def _store(trial: Trial) -> None:
    """The folder of runs."""
    name = hostile(trial.rng)
    trial.did(f"runs {name}")
    runs = trial.folder / "in" / name
    runs.parent.mkdir()
    shutil.copytree(trial.world.folder / "runs", runs)
    os.environ["GENKIT_RUNS"] = str(runs)
    board = trial.genkit("leaderboard", "--json", "--runs", str(runs))
    check(trial, board, "leaderboard")
    trial.genkit("runs", "list")
    everything(trial, runs, 2)


def _here(trial: Trial) -> None:
    """The current folder, and relative paths in it."""
    name = hostile(trial.rng)
    trial.did(f"current folder {name}")
    Path(name).mkdir()
    os.chdir(name)
    shutil.copytree(trial.world.photos, "photos")
    check(trial, trial.genkit(*comparison("photos", trial.world.data)), "compare")
    everything(trial, "compared", 1)
    _trained(trial, "folder:photos")


def _run(trial: Trial) -> None:
    """The data set of a run, by its path."""
    name = hostile(trial.rng)
    trial.did(f"trained on {name}")
    folder = trial.folder / "in" / name
    folder.parent.mkdir()
    shutil.copytree(trial.world.photos, folder)
    _trained(trial, f"folder:{folder}")
