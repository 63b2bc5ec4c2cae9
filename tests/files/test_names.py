"""Hostile names, bytes that are no UTF-8 among them: what a writer makes of a name, its reader makes the name again."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from data.containers import COLOUR, FILES, database, structs, table, tar
from data.containers import NAMES as ENTRIES
from hostile import HARM, NAMES, ON_DISK
from making import record, score
from PIL import Image
from safetensors.torch import save

from genkit.benchmark.plan import read_plan
from genkit.cli.commands import group
from genkit.cli.parameters import Address, FilledPath
from genkit.cli.settings import default_map
from genkit.data import open_dataset
from genkit.data.dataset import DataInfo
from genkit.errors import DataError, one_line
from genkit.features.given import read_features
from genkit.features.state import read_state
from genkit.files.names import in_utf8
from genkit.ranking.board import rank
from genkit.report import markdown, records, tabular
from genkit.report.html import board_table, run_page
from genkit.report.leaderboard import leaderboard
from genkit.report.text import leaderboard as board_text
from genkit.results import store
from genkit.results.jobs import Job, Outcome, outcome, outcomes
from genkit.results.log import read_log
from genkit.training import checkpoint
from genkit.training.config import RunConfig
from genkit.training.runs import Status, create, find_run

each_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
each_file = pytest.mark.parametrize("name", ON_DISK.values(), ids=ON_DISK)
ODD = ON_DISK["bytes"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of the test's own, in a folder whose name is no UTF-8."""
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path_factory.mktemp("cache") / ODD))


def pictures(folder, names):
    folder.mkdir(parents=True)
    for place, name in enumerate(names):
        pixels = np.random.default_rng(place).integers(0, 256, (4, 4), dtype=np.uint8)
        with (folder / name).open("wb") as file:
            Image.fromarray(pixels).save(file, "PNG")


def named(name):
    """A record with a name in all places that take one."""
    made = score(1.0, name="fid[digits-cnn]", note=name, unit=name)
    options = {"samples": name, name: [name]}
    return record(name, made, options=options, dataset=name, absent={"kid": name}, command=name, dist=name)


@each_name
def test_a_record(name, tmp_path):
    made = named(name)
    store.add(tmp_path, made)
    (found,) = store.read(tmp_path).records
    assert (found.dataset, found.subject, found.absent, found.command) == (name, made.subject, {"kid": name}, name)


@each_name
def test_exports_of_records(name, tmp_path):
    store.add(tmp_path, named(name))
    stored = store.ordered(store.scan(tmp_path, pytest.fail))
    assert json.loads(records.document(stored))[0]["dataset"] == name
    assert json.loads(records.lines(stored))["dataset"] == name
    (row,) = csv.DictReader(io.StringIO(records.comma_separated(stored), newline=""))
    assert row["dataset"].removeprefix("'") == one_line(name)
    assert not HARM.search(records.comma_separated(stored))


@each_name
def test_a_run_and_its_log(name, tmp_path):
    info = DataInfo((1, 8, 8), num_classes=1, class_names=(name,))
    config = RunConfig(
        "dcgan", "d", "1", {"a": name}, f"folder:/{name}", "folder", "0", info, 8, images=8, command=name
    )
    run = create(tmp_path / ODD, config)
    run.write_status(Status("failed", reason=name))
    (run.path / "log.jsonl").write_bytes(json.dumps({"step": 1, "images": 1, "seconds": 1, name: 0.5}).encode())
    for path in (run.path, one_line(str(run.path))):
        again = find_run(tmp_path, str(path))
        assert (again.config, again.config.options, again.status.reason) == (run.config, {"a": name}, name)
        assert again.path == run.path
    (line,) = read_log(run.path / "log.jsonl")
    assert line[name] == 0.5


@each_name
def test_a_job(name, tmp_path):
    ended = Outcome(Job(name, name, "1", {"a": name}, "0", 0, 1, 1, {"features": [name]}), "failed", reason=name)
    ended.publish(tmp_path / "jobs")
    assert outcome(tmp_path / "jobs", ended.job) == ended
    assert outcomes(tmp_path) == [ended]


@each_name
def test_metadata_of_a_checkpoint(name, tmp_path):
    path = tmp_path / ODD / "step.safetensors"
    checkpoint.save(path, {"model/a": torch.ones(2)}, {"name": name})
    tensors, meta = checkpoint.load(path)
    assert (tensors["model/a"].tolist(), meta["name"]) == ([1.0, 1.0], name)


def toml(name):
    """A TOML string, bytes that are no UTF-8 as they are."""
    text = json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
    return text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("name", [*ON_DISK.values(), NAMES["script"]], ids=[*ON_DISK, "slashes"])
def test_a_board_and_settings(name, tmp_path, monkeypatch):
    text = b"dataset = " + toml(f"folder:/{name}") + b"\n[[models]]\nname = " + toml(name)
    (tmp_path / "b.toml").write_bytes(text + b"\noptions = { path = " + toml(name) + b" }\n")
    plan = read_plan(tmp_path / "b.toml")
    assert (plan.dataset, plan.models[0].name, plan.models[0].options) == (f"folder:/{name}", name, {"path": name})
    (tmp_path / "genkit.toml").write_bytes(b"[train]\ndataset = " + toml(name))
    context = click.Context(group)
    context.invoked_subcommand = "train"
    assert default_map(tmp_path / "genkit.toml", group, context) == {"train": {"dataset": name}}


@each_file
def test_files_and_folders_of_images(name, tmp_path):
    pictures(tmp_path / name, [f"{place}{name[:200]}.png" for place in range(4)])
    for _ in range(2):  # packed, then from the cache's index
        data = open_dataset(f"folder:{tmp_path / name}")
        assert data.name == f"folder:{tmp_path / name}"
        found = sorted([*data.train.names, *data.test.names])
        assert found == sorted(f"{place}{name[:200]}.png" for place in range(4))
    assert len(os.fsencode(data.slug)) <= 255
    assert open_dataset(f"folder:{one_line(str(tmp_path / name))}").name == data.name


@each_file
def test_classes(name, tmp_path):
    if name.startswith("."):
        pytest.skip("hidden")
    pictures(tmp_path / "set" / name, [f"{place}.png" for place in range(3)])
    pictures(tmp_path / "set" / "other", ["x.png"])
    for _ in range(2):
        assert set(open_dataset(f"folder:{tmp_path / 'set'}").classes) == {name, "other"}


@each_file
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("shown", [False, True], ids=["as it is", "as shown"])
def test_lists_of_files(name, suffix, shown, tmp_path):
    if len(name) > 200:
        name = name[:200]
    files = [f"{name}{place}.png" for place in range(4)]
    pictures(tmp_path / "set", files)
    rows = [(one_line(file) if shown else file, f"label {place % 2}") for place, file in enumerate(files)]
    if suffix == ".csv":
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("file_name", "label"), *rows])
        text = buffer.getvalue()
    else:
        text = "\n".join(json.dumps({"file_name": file, "label": label}) for file, label in rows)
    (tmp_path / "set" / f"metadata{suffix}").write_bytes(text.encode("utf-8", "surrogateescape"))
    data = open_dataset(f"folder:{tmp_path / 'set'}")
    assert data.classes == ("label 0", "label 1")


def test_a_list_in_another_encoding_than_the_files_names_is_refused(tmp_path):
    pictures(tmp_path / "set", ["caf\u00e9.png", "b.png"])
    (tmp_path / "set" / "metadata.csv").write_bytes("file_name,label\ncaf\u00e9.png,a\nb.png,b\n".encode("latin-1"))
    with pytest.raises(DataError, match="save it again as .csv in UTF-8"):
        open_dataset(f"folder:{tmp_path / 'set'}")


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_half_a_character_is_no_class(suffix, tmp_path):
    pictures(tmp_path / "set", ["a.png", "b.png"])
    name, text = {
        ".jsonl": (
            "metadata.jsonl",
            '{"file_name": "a.png", "label": "\\ud800"}\n{"file_name": "b.png", "label": "x"}',
        ),
        ".json": ("dataset.json", '{"labels": [["a.png", 0], ["b.png", 1], ["\\ud800", 1]]}'),
    }[suffix]
    (tmp_path / "set" / name).write_text(text)
    with pytest.raises(DataError, match="half a surrogate pair"):
        open_dataset(f"folder:{tmp_path / 'set'}")


@pytest.mark.parametrize("kind", ["zip", "npz", "npy", "webdataset", "parquet", "lmdb"])
def test_containers_whose_names_are_no_utf8(kind, tmp_path):
    import zipfile

    place = tmp_path / ODD
    place.mkdir()
    path = place / f"set{ODD}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in zip(ENTRIES, FILES, strict=True):
                archive.writestr(f"{name}.png", data)
    elif kind == "npz":
        with path.open("wb") as file:
            np.savez(file, images=COLOUR)
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, COLOUR)
    elif kind == "webdataset":
        path = tar(place / f"{ODD}.tar", {f"{name}{ODD}.png": data for name, data in zip(ENTRIES, FILES, strict=True)})
    elif kind == "parquet":
        table(tmp_path / "set.parquet", {"image": structs(FILES)}).rename(path := place / f"{ODD}.parquet")
    else:
        (database(tmp_path / "db", dict(zip(map(str.encode, ENTRIES), FILES, strict=True))) / "data.mdb").rename(path)
    data = open_dataset(f"{kind}:{path}")
    assert len(data.train) + len(data.test) == len(FILES)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npy", ".npz"])
def test_features_and_weights_whose_names_are_no_utf8(suffix, tmp_path):
    path = tmp_path / f"{ODD}{suffix}"
    with path.open("wb") as file:
        values = torch.arange(6.0).reshape(3, 2)
        if suffix == ".safetensors":
            file.write(save({"features": values}))
        elif suffix == ".pt":
            torch.save({"features": values}, file)
        else:
            (np.save if suffix == ".npy" else np.savez)(file, values.numpy())
    assert read_features(path).tolist() == values.tolist()
    if suffix in (".safetensors", ".pt"):
        assert read_state(path, "weights")[0]["features"].tolist() == values.tolist()


def test_a_path_in_utf8_is_its_own(tmp_path):
    with in_utf8(tmp_path / "a") as name:
        assert name == str(tmp_path / "a")
    with pytest.raises(FileNotFoundError), in_utf8(tmp_path / ODD):
        pass


@each_file
def test_a_path_on_the_command_line_may_be_as_it_was_shown(name, tmp_path):
    path = tmp_path / name
    path.mkdir()
    for given in (str(path), one_line(str(path))):
        assert FilledPath(path_type=Path).convert(given, None, None) == path
        assert Address().convert(given, None, None) == str(path)


@each_name
def test_a_board_in_all_forms(name, tmp_path):
    for made in (named(name), record("other", score(2.0), dataset=name, options={"a": name})):
        store.add(tmp_path, made)
    found = leaderboard(tmp_path)
    board = rank(found.records, score="fid[digits-cnn]")
    assert board.dataset == name
    assert rank(found.records, dataset=one_line(name)).dataset == name
    texts = {
        "terminal": board_text(board),
        "markdown": markdown.leaderboard(board),
        "csv": tabular.comma_separated(board),
        "notebook": board_table(board),
        "run page": run_page(found.records[0], tmp_path, {}),
    }
    for kind, text in texts.items():
        assert not HARM.search(text), kind
        text.encode()
    assert len(texts["terminal"].splitlines()) == 4
    assert len(texts["csv"].splitlines()) == 3
    assert sum(line.startswith("|") for line in texts["markdown"].splitlines()) == 4
    assert "<script" not in texts["notebook"]


def test_the_whole_page_holds_no_name_as_it_is(tmp_path):
    for place, name in enumerate(NAMES.values()):
        store.add(tmp_path, record(name, score(1.0 + place), options={"a": name}))
    page = leaderboard(tmp_path).html()
    page.encode()
    own = page[: page.index('<script type="text/plain" id="plotly">')]
    assert not HARM.search(own)
    data = json.loads(own.partition('id="plot-data">')[2].partition("</script>")[0])
    assert not any(HARM.search(name) for name in data["values"]["names"])


def test_a_slug_is_what_it_was_unless_it_names_no_folder(tmp_path):
    pictures(tmp_path / ("n" * 248), ["a.png", "b.png"])
    pictures(tmp_path / ("n" * 249), ["a.png", "b.png"])
    fits, long = (open_dataset(tmp_path / ("n" * count)).slug for count in (248, 249))
    assert fits == f"folder-{'n' * 248}"
    assert len(long) == 200
    assert long[:191] == fits[:191]
