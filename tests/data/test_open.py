"""Tests open and fitted of genkit.data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genkit.data import open_dataset, open_images
from genkit.errors import DataError, MissingError, PluginError, UnknownName, UsageError
from genkit.registry import discovery as registry_module
from genkit.registry.specs import DatasetSpec


def test_a_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(open_dataset("digits").train) == 1437


def test_a_bare_npz_is_opened_as_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.arange(32, dtype=np.uint8).reshape(2, 4, 4))
    assert open_dataset(str(tmp_path / "a.npz")).name == f"npz:{tmp_path / 'a.npz'}"


def test_a_home_folder_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: Callable[..., Path]
) -> None:
    photos("1.png", "2.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(open_dataset("folder:~/photos").everything()) == 2


@pytest.mark.parametrize("reference", ["photos", "folder:photos", "./photos", "folder:photos/"])
def test_the_name_of_a_path_is_the_same_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: Callable[..., Path], reference: str
) -> None:
    photos("1.png", "2.png")
    monkeypatch.chdir(tmp_path)
    data = open_dataset(reference)
    assert (data.name, data.slug) == (f"folder:{tmp_path / 'photos'}", "folder-photos")


@pytest.mark.parametrize("reference", ["digit", "foldr:/photos"])
def test_an_unknown_name_gets_a_suggestion(reference: str) -> None:
    with pytest.raises(UnknownName, match="Did you mean '(digits|folder)'"):
        open_dataset(reference)


@pytest.mark.parametrize("reference", ["/nope/at/all", "./nope", "~/nope", "nope/photos"])
def test_a_path_that_is_not_there_is_no_unknown_name(reference: str) -> None:
    with pytest.raises(MissingError, match=r"there is no /.*: check the path"):
        open_dataset(reference)


def test_a_path_of_another_file_says_what_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"photo\.png is a single image: give its folder"):
        open_dataset(str(tmp_path / "photo.png"))
    (tmp_path / "photos.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"photos\.npy: images can't be read"):
        open_dataset(str(tmp_path / "photos.npy"))


def ignores_the_size(request: Any) -> Any:
    from genkit.data.digits import Digits

    return Digits()


def test_a_size_that_a_source_ignores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DatasetSpec, "load", lambda self: ignores_the_size)
    with pytest.raises(UsageError, match="images of digits are 8x8 and are not resized to 16x16"):
        open_dataset("digits", size=16)


def test_options_reach_the_loader(photos: Callable[..., Path]) -> None:
    path = photos("1.png", "2.png")
    (path / "bad.png").write_bytes(b"")
    data = open_dataset(f"folder:{path}", size=4, crop="none", skip_bad=True)
    assert (data.info().shape, data.skipped) == ((1, 4, 4), 1)


def test_an_unknown_crop_is_refused(photos: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="crop 'left'"):
        open_dataset(f"folder:{photos('1.png', '2.png')}", crop="left")  # type: ignore[arg-type]


def nothing(request: Any) -> None:
    return None


def failing(request: Any) -> None:
    raise SystemExit("odd")


def test_a_plugin_whose_data_set_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = DatasetSpec("mine", "os:getcwd")
    monkeypatch.setattr(DatasetSpec, "load", lambda self: failing)
    monkeypatch.setattr(registry_module, "registry", lambda: SimpleNamespace(dataset=lambda reference: (spec, "")))
    with pytest.raises(PluginError, match="dataset 'mine' of os:getcwd can't be opened: SystemExit: odd"):
        open_dataset("mine")


def test_a_plugin_that_returns_no_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = DatasetSpec("mine", "os:getcwd")
    monkeypatch.setattr(DatasetSpec, "load", lambda self: nothing)
    monkeypatch.setattr(registry_module, "registry", lambda: SimpleNamespace(dataset=lambda reference: (spec, "")))
    with pytest.raises(PluginError, match="dataset 'mine': os:getcwd returns NoneType, not a Source"):
        open_dataset("mine")


@pytest.mark.parametrize(("copies", "held"), [(1, "a single image"), (12, "12 copies of one image")])
def test_one_image_can_be_measured_but_not_trained_on(tmp_path: Path, copies: int, held: str) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((copies, 4, 4), np.uint8))
    reference = f"npz:{tmp_path / 'a.npz'}"
    for _ in range(2):  # packed now, and packed before
        assert len(open_images(reference).everything()) == copies
        with pytest.raises(DataError, match=f"holds {held}: at least 2 different ones"):
            open_dataset(reference)


def test_images_are_opened_with_the_arguments_of_data_sets(photos: Callable[..., Path]) -> None:
    path = photos("1.png", "2.png")
    assert open_images(str(path), size=4, crop="none").sha256 == open_dataset(str(path), size=4, crop="none").sha256


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("", "is empty: give a folder"),
        ("  ", "is empty: give a folder"),
        ("C:\\photos", "a path of Windows"),
        ("https://example.org/photos.zip", "is a URL"),
    ],
)
def test_what_is_no_path_of_this_machine_is_refused_with_what_to_give(reference, sentence):
    with pytest.raises(UsageError, match=sentence):
        open_images(reference)


def test_a_model_is_told_the_names_of_the_classes():
    assert open_dataset("digits").info().class_names == tuple("0123456789")


def globbed(photos: Callable[..., Path]) -> Path:
    return photos(*(f"sub/{index}_{kind}.png" for index in range(3) for kind in ("fake_B", "real_A")))


@pytest.mark.parametrize("form", ["{root}", "folder:{root}", "{root}.zip", "zip:{root}.zip", "{root}.tar"])
@pytest.mark.parametrize("pattern", ["*_fake_B.png", "sub/*_fake_B.png"])
def test_a_pattern_behind_a_path_chooses_files_as_the_option_does(
    photos: Callable[..., Path], form: str, pattern: str
) -> None:
    root = globbed(photos)
    for kind in ("zip", "tar"):
        shutil.make_archive(str(root), kind, root)
    data = open_dataset(f"{form.format(root=root)}?glob={pattern}")
    assert data.sha256 == open_dataset(form.format(root=root), glob=pattern).sha256
    assert len(data.everything()) == 3
    assert open_dataset(data.name).sha256 == data.sha256
    assert data.slug == f"{data.name.partition(':')[0]}-{Path(form.format(root=root)).name.replace('.', '-')}-" + (
        "sub-fake-B-png" if "/" in pattern else "fake-B-png"
    )


def test_a_pattern_that_can_not_be_taken_is_refused(photos: Callable[..., Path], tmp_path: Path) -> None:
    root = globbed(photos)
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4), np.uint8))
    for reference, words in (
        ("digits?glob=*", "digits has no files to choose from"),
        (f"{tmp_path}/a.npz?glob=*.png", "has no files to choose from"),
        (f"{root}?glob=", r"names no pattern: write \?glob=PATTERN"),
        (f"{root}?size=32", r"size is an option of its own"),
    ):
        with pytest.raises(UsageError, match=words):
            open_images(reference)
    with pytest.raises(UsageError, match="has a pattern of its own"):
        open_images(f"{root}?glob=*_fake_B.png", glob="*_real_A.png")
    with pytest.raises(DataError, match=r"no file that matches '\*\.gif'"):
        open_images(f"{root}?glob=*.gif")
    odd = root.parent / "what?glob=x"
    shutil.copytree(root, odd)
    assert len(open_images(str(odd)).everything()) == 6


def photographs(request: Any) -> Any:
    from genkit.data.source import Item, Source, SourceItems

    class Photographs(Source):
        name = "photographs"

        def key(self) -> Any:
            return "photographs"

        def read(self) -> SourceItems:
            pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 9), np.uint8)
            return SourceItems((3, 6, 9), 4, [Item(each) for each in pixels])

    return Photographs()


def test_a_source_that_ignores_the_size_is_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DatasetSpec, "load", lambda self: photographs)
    assert open_images("digits").info().shape == (3, 6, 9)
    assert open_images("digits", size=4, grey=True).info().shape == (1, 4, 4)
    assert open_images("digits", grey=True).info().shape == (1, 6, 9)


def test_a_data_set_is_opened_by_a_path_too_and_not_from_an_array(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 6), np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    assert len(open_images(tmp_path / "a.npy").everything()) == 4
    with pytest.raises(UsageError, match="by its name or path, not from ndarray: genkit.compare"):
        open_images(pixels)  # type: ignore[arg-type]
