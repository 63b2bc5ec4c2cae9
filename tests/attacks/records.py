"""Records and metadata that were changed by hand, with names and hashes that fit again."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import zipfile
from pathlib import Path
from typing import Any

from attacks.mutations import dumped, mutated
from attacks.trying import Trial
from attacks.world import evaluation, numbers, said

NAME = "records"
KINDS = ("record", "record", "record", "run.json", "status.json", "checkpoint", "checkpoint", "log.jsonl", "cache",
         "remote", "many exhibits", "long log", "settings", "exhibit", "special file", "export")  # fmt: skip


def attack(trial: Trial) -> None:
    """Change one document, then run the commands that read it and some that do not need it."""
    run = trial.world.copied(trial.folder)
    kind = KINDS[trial.number % len(KINDS)]
    trial.did(kind)
    {
        "record": _record,
        "checkpoint": _checkpoint,
        "special file": _special,
        "settings": _settings,
        "export": _export,
        "remote": _remote,
        "many exhibits": _exhibits,
        "long log": _log,
    }.get(kind, _document)(trial, run, kind)
    _commands(trial, run, kind)


def _commands(trial: Trial, run: Path, kind: str) -> None:
    where = f"zip://runs::file://{trial.folder}/runs.zip" if kind == "remote" else str(trial.folder / "runs")
    runs = ("--runs", where)
    board = trial.genkit("leaderboard", *runs, "--json")
    if kind != "settings" and board.code == 0 and not said(board):
        _others_stand(trial, numbers(board))
    if kind in ("record", "special file", "remote") and board.code != 0:
        trial.complain(f"a file beside good records ends the board: {board.err.strip()[:200]}")
    choices: dict[str, tuple[Any, ...]] = {
        "board": ("leaderboard", *runs),
        "html": ("leaderboard", *runs, "--html", "board.html"),
        "csv": ("leaderboard", *runs, "--csv"),
        "md": ("leaderboard", *runs, "--md", "--chances", "--agreement", "--why"),
        "records": ("records", "list", *runs, "--json"),
        "validate": ("records", "validate", *runs),
        "export": ("records", "export", "--out", "all.csv", *runs),
        "migrate": ("records", "migrate", "--dry-run", *runs),
        "recommend": ("recommend", *runs, "--json"),
        "runs": ("runs", "list", *runs, "--json"),
        "show": ("runs", "show", str(run)),
        "eval": evaluation(run),
        "resume": ("train", "--resume", str(run)),
        "sample": ("sample", "--run", str(run), "-n", "4", "--out", "drawn"),
        "cache": ("cache", "show", "--json"),
    }
    files = sorted(run.glob("records/*.json"))
    if files:
        choices["explain"] = ("explain", str(files[0]), str(files[-1]), "--json")
    first = {"record": "html", "checkpoint": "eval", "run.json": "runs", "status.json": "show", "cache": "eval",
             "many exhibits": "html", "long log": "eval"}  # fmt: skip
    picked = [*filter(None, [first.get(kind)]), *trial.rng.sample(sorted(choices), 2)]
    for name in dict.fromkeys(picked):
        trial.genkit(*choices[name])


def _others_stand(trial: Trial, found: dict[str, Any]) -> None:
    """The good run of seed 1 is on the board, alone or averaged with the other one, if none said otherwise."""
    right = {value for kind in ("leaderboard", "eval") for value in trial.world.right[kind].values()}
    if found and not right & set(found.values()):
        trial.complain(f"the board lost the good record without a word: {list(found.items())[:2]}")


def _record(trial: Trial, run: Path, _kind: str) -> None:
    (path,) = run.glob("records/*.json")
    how, document = mutated(json.loads(path.read_text()), trial.rng)
    broken, data = dumped(document, trial.rng)
    name = f"{path.name[:16]}{hashlib.sha256(data).hexdigest()[:12]}.json"
    trial.did(f"{how} {broken}")
    if trial.rng.random() < 0.5:
        path.unlink()
    path.with_name(name).write_bytes(data)


def _document(trial: Trial, run: Path, kind: str) -> None:
    """Change run.json, status.json, the log, an exhibit, or a document of the cache; half the time sealed again."""
    found = {
        "run.json": [run / "run.json"],
        "status.json": [run / "status.json"],
        "log.jsonl": [run / "log.jsonl"],
        "exhibit": sorted(run.glob("exhibits/*/*.json")) or [run / "run.json"],  # a run may have none
        "cache": sorted((trial.folder / "cache").rglob("*.json")),
    }[kind]
    path = trial.rng.choice(found)
    if kind == "log.jsonl":
        lines = path.read_bytes().splitlines()
        at = trial.rng.randrange(len(lines))
        how, document = mutated(json.loads(lines[at]), trial.rng)
        broken, lines[at] = dumped(document, trial.rng)
        data = b"\n".join(lines)
    else:
        how, document = mutated(json.loads(path.read_bytes()), trial.rng)
        broken, data = dumped(document, trial.rng)
        if isinstance(document, dict) and trial.rng.random() < 0.5:
            broken, data = "sealed", _sealed(document, data)
    trial.did(f"{path.name}: {how} {broken}")
    path.write_bytes(data)


def _remote(trial: Trial, run: Path, _kind: str) -> None:
    """The records in a zip that is read as a remote store, where one unpacks to very much, whatever it claims."""
    how = trial.rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    size, lies = 1 << trial.rng.choice((24, 28, 29)), trial.rng.random() < 0.5
    trial.did(f"method {how}, {size} bytes{', said to be 1000' if lies else ''}")
    path, block = trial.folder / "runs.zip", bytes(1 << 22)
    with zipfile.ZipFile(path, "w", how, compresslevel=1) as archive:
        for each in (trial.folder / "runs").rglob("records/*.json"):
            archive.write(each, each.relative_to(trial.folder))
        with archive.open("runs/records/bomb.json", "w", force_zip64=True) as member:
            for _ in range(size >> 22):
                member.write(block)
    if lies:
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
            place = data.rfind(b"PK\x01\x02") + 24
            data[place : place + 4] = (1000).to_bytes(4, "little")


def _exhibits(trial: Trial, run: Path, _kind: str) -> None:
    """Very many files beside the exhibits of a record, or instead of them."""
    for folder in run.glob("exhibits/*"):
        for number in range(100):
            with open(folder / f"{trial.rng.choice('az')}{number}.png", "wb") as file:
                file.truncate((16 << 20) - 1)


def _log(trial: Trial, run: Path, _kind: str) -> None:
    """A training log of very many lines, or of one without an end."""
    line = trial.rng.choice((b'{"images":1}\n', b'{"images":1,"x":2}\n', b"x", b'{"images":1,"x":[[[['))
    trial.did(str(line))
    (run / "log.jsonl").write_bytes(line * ((40 << 20) // len(line)))


def _sealed(document: dict[str, Any], data: bytes) -> bytes:
    """Return a document with the hash of its own that genkit would give it, if it can have one."""
    from genkit.files.integrity import OWN, sealed

    try:
        return sealed({key: value for key, value in document.items() if key != OWN})
    except (ValueError, RecursionError, UnicodeEncodeError):
        return data


def _checkpoint(trial: Trial, run: Path, _kind: str) -> None:
    """Change the metadata of a checkpoint; the hash in it fits again."""
    from genkit.files.integrity import OWN, sealed_bytes

    path = sorted(run.glob("checkpoints/*.safetensors"))[-1]
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    where = trial.rng.choice(("genkit", "genkit", "genkit", "header"))
    if where == "genkit":
        meta = json.loads(header["__metadata__"]["genkit"])
        own = meta.pop(OWN, None)
        how, meta = mutated(meta, trial.rng)
        broken, text = dumped({OWN: "0" * 64, **meta} if own and isinstance(meta, dict) else meta, trial.rng)
        header["__metadata__"]["genkit"] = text.decode("utf-8", "replace")
    else:
        how, header = mutated(header, trial.rng)
        broken = ""
    trial.did(f"{where}: {how} {broken}")
    try:
        new = json.dumps(header).encode()
    except (RecursionError, UnicodeEncodeError):
        new = b"[" * 10_000
    changed = len(new).to_bytes(8, "little") + new + data[8 + length :]
    try:
        changed = sealed_bytes(changed)
    except (ValueError, IndexError):
        trial.did("not sealed")
    path.write_bytes(changed)


def _settings(trial: Trial, _run: Path, _kind: str) -> None:
    """A genkit.toml in the folder where commands run."""
    rng = trial.rng
    texts = (
        "[leaderboard]\nscore = 'kid'\n", "a = " + "[" * 5000, "\x00", "[eval]\ncount = -1\n", "[[eval]]\n", "eval = 3\n",
        "[eval]\ncount = 1e400\n", "[leaderboard]\njson = 'perhaps'\n", "[runs.list.json]\nx = 1\n", "[a]\n[a]\n",
        "[eval]\n\"\\u001b[31m\" = 1\n", f"[eval]\nmetrics = ['{'x' * 50000}']\n", "[eval]\nmetrics = [[['fid']]]\n",
        "[leaderboard]\ncolumns = 3\n", "x = 1979-05-27\n", "[train]\nimages = {a = {}}\n", "\ufeff[eval]\n", "=",
        "a" + ".a" * 5000 + " = 1\n", "a = " + "{a = " * 2000,
    )  # fmt: skip
    text = rng.choice(texts)
    data = text.encode()
    if rng.random() < 0.3:
        place = rng.randrange(len(data) + 1)
        data = data[:place] + rng.randbytes(rng.randrange(1, 5)) + data[place:]
    trial.did(str(data[:60]))
    Path("genkit.toml").write_bytes(data)


def _export(trial: Trial, run: Path, _kind: str) -> None:
    """An export of the run that is damaged, or a bomb, is imported."""
    target = Path("run.zip")
    trial.genkit("runs", "export", str(run), str(target))
    if target.exists():
        from attacks.archives import hostile_zip

        trial.did(hostile_zip(target, trial.rng))
        trial.genkit("runs", "import", str(target), "--runs", "imported")
        trial.genkit("runs", "list", "--runs", "imported", "--json")


def _special(trial: Trial, run: Path, _kind: str) -> None:
    """A pipe, an endless device, a folder, a loop or a file without an end, where documents are."""
    name = trial.rng.choice(
        ("records/20260101T000000-0123456789ab.json", "records/x.json", "run.json", "status.json", "log.jsonl",
         "exhibits/0123456789ab/a.png", "checkpoints/step-999999999.safetensors", "records/deep")
    )  # fmt: skip
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    what = trial.rng.choice(("pipe", "device", "zero", "folder", "loop", "gone", "sparse", "forbidden", "deep"))
    trial.did(f"{name} is {what}")
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/urandom")
    elif what == "zero":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "gone":
        path.symlink_to("nowhere")
    elif what == "sparse":
        with open(path, "wb") as file:
            file.truncate((1 << 30) - 1)
    elif what == "forbidden":
        path.write_text("{}")
        path.chmod(0)
    else:
        here = path.parent
        for _ in range(300):
            here = here / "d" if len(str(here)) < 3900 else here
        here.mkdir(parents=True, exist_ok=True)
