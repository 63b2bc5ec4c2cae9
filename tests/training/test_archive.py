from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
import torch

import genkit
from genkit.errors import DataError, GenkitError, MissingError
from genkit.files.integrity import sealed, unsealed
from genkit.training.api import train
from genkit.training.archive import export_run, import_run
from genkit.training.runs import ADAPTER


@pytest.fixture
def exported(toy_models, digits, tmp_path):
    run = train("toy-gan", digits, images=64, root=tmp_path / "runs", device="cpu")
    return run, export_run(run, tmp_path / "out" / "run.zip")


def rewritten(source, target, *, drop=(), comment=None, **members):
    """A copy of an export with some members replaced, dropped or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        new.comment = old.comment if comment is None else comment
        for name in old.namelist():
            if name not in (*drop, *members):
                new.writestr(name, old.read(name))
        for name, data in members.items():
            new.writestr(name, data)
    return target


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def config_of(source, **changes):
    with zipfile.ZipFile(source) as archive:
        return sealed({**unsealed(archive.read("run.json"), "run.json"), **changes})


def test_an_exported_run_comes_back_whole(exported, tmp_path):
    run, path = exported
    again = import_run(path, tmp_path / "elsewhere")
    assert again.config == run.config
    assert again.status == run.status
    assert again.path.parent == tmp_path / "elsewhere" / "digits" / "toy-gan"
    assert again.newest_checkpoint().read_bytes() == run.newest_checkpoint().read_bytes()
    assert (again.path / "samples.png").read_bytes() == (run.path / "samples.png").read_bytes()
    one, other = genkit.load(run).state_dict(), genkit.load(again).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o755


def test_the_adapter_of_a_tuned_run_goes_with_it(exported, tmp_path):
    run, _ = exported
    files = {name: f"{name}'s".encode() for name in ADAPTER}
    for name, data in files.items():
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_bytes(data)
    again = import_run(export_run(run, tmp_path / "tuned.zip"), tmp_path / "elsewhere")
    assert {name: (again.path / name).read_bytes() for name in ADAPTER} == files


def test_an_import_beside_another_gets_a_folder_of_its_own(exported, tmp_path):
    paths = {import_run(exported[1], tmp_path / "runs").path for _ in range(3)}
    assert len(paths | {exported[0].path}) == 4


def test_an_import_takes_the_next_number_where_another_was_first(exported, tmp_path, monkeypatch):
    first, there = import_run(exported[1], tmp_path / "runs").path, Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path != first and there(path))  # looked before the other came
    second = import_run(exported[1], tmp_path / "runs").path
    assert (first.name, second.name) == ("0001", "0002")


def test_a_run_without_a_grid_can_be_carried_over(exported, tmp_path):
    bare = rewritten(exported[1], tmp_path / "bare.zip", drop=("samples.png", "status.json"))
    assert import_run(bare, tmp_path / "new").config == exported[0].config


@pytest.mark.parametrize("name", ["../evil", "/tmp/genkit-evil", "a/../../evil", "checkpoints/../../evil", "..\\evil"])
def test_other_members_are_never_unpacked(exported, tmp_path, name):
    hostile = rewritten(exported[1], tmp_path / "hostile.zip", **{name: b"evil"})
    root = tmp_path / "deep" / "root"
    run = import_run(hostile, root)
    assert not [path for path in tmp_path.rglob("*evil*") if path.is_file()]
    assert not Path("/tmp/genkit-evil").exists()
    assert sorted(path.name for path in run.path.iterdir()) == ["checkpoints", "run.json", "samples.png", "status.json"]


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset_slug": "../../x"},
        {"dataset_slug": ".."},
        {"dataset_slug": "/tmp/x"},
        {"dataset_slug": ""},
        {"dataset_slug": "a/b"},
        {"dataset_slug": ".hidden"},
        {"model": "../x"},
        {"model": "a\x00b"},
        {"model": "a\nb"},
    ],
)
def test_a_name_that_is_no_folders_name_lands_nowhere(exported, tmp_path, changes):
    path = exported[1]
    hostile = rewritten(path, tmp_path / "hostile.zip", **{"run.json": config_of(path, **changes)})
    root = tmp_path / "deep" / "root"
    before = everything(tmp_path)
    with pytest.raises(DataError, match="can't be folder names"):
        import_run(hostile, root)
    assert everything(tmp_path) == sorted([*before, "deep", "deep/root"])


@pytest.mark.parametrize("slug", ["folder-фото", "folder-my_photos", "npz-a.b"])
def test_the_names_that_data_sets_have_are_folders_names(exported, tmp_path, slug):
    path = exported[1]
    other = rewritten(path, tmp_path / "other.zip", **{"run.json": config_of(path, dataset_slug=slug, model="a:b")})
    assert import_run(other, tmp_path / "new").path.parent == tmp_path / "new" / slug / "a:b"


def refused(source, root):
    with pytest.raises(DataError) as failure:
        import_run(source, root)
    assert everything(root) == []
    assert "\n" not in str(failure.value)
    return str(failure.value)


@pytest.mark.parametrize("missing", ["run.json", "checkpoint.safetensors"])
def test_an_export_without_its_parts_is_refused(exported, tmp_path, missing):
    refused(rewritten(exported[1], tmp_path / "part.zip", drop=(missing,)), tmp_path / "new")


@pytest.mark.parametrize(
    ("member", "data"),
    [
        ("run.json", b"{"),
        ("run.json", b"\xff"),
        ("run.json", b"[]"),
        ("run.json", b"{}"),
        ("run.json", b'{"batch": "x"}'),
        ("status.json", b"{"),
        ("status.json", b"[1]"),
        ("status.json", b'{"state": "finished", "images": "abc"}'),
        ("checkpoint.safetensors", b"not one"),
        ("checkpoint.safetensors", b""),
    ],
)
def test_a_spoilt_member_is_refused_by_the_name_of_the_archive(exported, tmp_path, member, data):
    path = rewritten(exported[1], tmp_path / "spoilt.zip", **{member: data})
    assert refused(path, tmp_path / "new").startswith(f"{path}/")


@pytest.mark.parametrize(
    "comment", [b"", b"../../evil", b"step-1.safetensors", b"step-000000001.safetensors\n/x", b"\xff"]
)
def test_a_checkpoints_name_from_outside_is_checked(exported, tmp_path, comment):
    assert "not an exported run" in refused(
        rewritten(exported[1], tmp_path / "x.zip", comment=comment), tmp_path / "new"
    )


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_export_is_refused(exported, tmp_path, share):
    data = exported[1].read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: int(share * len(data))])
    refused(tmp_path / "cut.zip", tmp_path / "new")


def test_a_damaged_export_is_refused(exported, tmp_path):
    data = bytearray(exported[1].read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "damaged.zip").write_bytes(data)
    refused(tmp_path / "damaged.zip", tmp_path / "new")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_compressed_export_is_refused(exported, tmp_path, method):
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(exported[1]) as old, zipfile.ZipFile(path, "w", method) as new:
        new.comment = old.comment
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("run.json").header_offset + 30 + len("run.json")
    data = bytearray(path.read_bytes())
    data[start : start + 20] = b"\xff" * 20
    path.write_bytes(data)
    refused(path, tmp_path / "new")


def test_an_encrypted_export_is_refused(exported, tmp_path):
    data = bytearray(exported[1].read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    (tmp_path / "locked.zip").write_bytes(data)
    refused(tmp_path / "locked.zip", tmp_path / "new")


def test_what_is_missing_or_cannot_be_written_is_one_sentence(exported, tmp_path):
    run, path = exported
    with pytest.raises(MissingError, match="there is no file"):
        import_run(tmp_path / "nothing.zip", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(GenkitError, match="can't be imported into"):
        import_run(path, tmp_path / "file")
    with pytest.raises(GenkitError, match="can't be written"):
        export_run(run, tmp_path / "file" / "x.zip")


def test_a_failed_export_leaves_the_earlier_one(exported, monkeypatch):
    run, path = exported
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    with pytest.raises(GenkitError, match="No space left on device"):
        export_run(run, path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["run.zip"]
