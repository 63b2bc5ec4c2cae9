from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from genkit.data import open_dataset
from genkit.errors import GenkitError, PluginError, UsageError
from genkit.latent.pictures import (
    CHUNK,
    draw,
    reconstructions,
    write_edits,
    write_grid,
    write_images,
    write_reconstructions,
    write_walks,
    write_walks_gif,
)
from genkit.models import DataInfo, GenerativeModel


class Shades(GenerativeModel):
    """Draws images as bright as their class, with a little noise; reconstructs by inversion."""

    conditional = True

    def __init__(self, classes=10):
        super().__init__(None, DataInfo((1, 4, 4), 256, classes, (1 / max(classes, 1),) * classes, 100))

    def sample(self, n, *, generator, condition=None):
        shade = torch.zeros(n) if condition is None else condition / 10
        return (shade.view(n, 1, 1, 1) + 0.01 * torch.rand(n, 1, 4, 4, generator=generator)).clamp(0, 1)

    def reconstruct(self, images):
        return 1 - images


class Plain(Shades):
    conditional = False
    reconstruct = None


def test_classes_come_in_turn_or_as_asked():
    assert draw(Shades(), 12, seed=0)[1].tolist() == [*range(10), 0, 1]
    assert draw(Shades(), 3, seed=0, label=4)[1].tolist() == [4, 4, 4]
    assert draw(Shades(0), 3, seed=0)[1] is None


def test_a_seed_draws_the_same_again():
    one, other, third = (draw(Shades(), 5, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one, other)
    assert not torch.equal(one, third)


@pytest.mark.parametrize(
    ("model", "label", "message"),
    [(Shades(), 10, "no class 10: the classes are 0 to 9"), (Shades(), -1, "no class -1"), (Shades(0), 0, "has no classes"),
     (Plain(), 3, "not conditional")],
)  # fmt: skip
def test_a_class_that_cannot_be_drawn_is_refused(model, label, message):
    with pytest.raises(UsageError, match=message):
        draw(model, 1, seed=0, label=label)


def test_a_folder_of_samples_has_an_image_and_a_label_each(tmp_path, monkeypatch):
    monkeypatch.setattr("genkit.latent.pictures.CHUNK", 10)
    told = []
    write_images(Shades(), tmp_path / "out", 23, seed=0, progress=lambda *args: told.append(args))
    rows = list(csv.DictReader((tmp_path / "out" / "labels.csv").read_text().splitlines()))
    images = sorted((tmp_path / "out").glob("*.png"))
    assert [row["file"] for row in rows] == [path.name for path in images]
    assert len(images) == 23
    for row, path in zip(rows, images, strict=True):
        assert np.asarray(Image.open(path)).mean() / 25.5 == pytest.approx(float(row["label"]), abs=0.2)
    assert told[-1] == ("samples", 23, 23)
    assert len({path.read_bytes() for path in images}) == 23


def test_unconditional_samples_have_no_labels(tmp_path):
    write_images(Plain(), tmp_path, 2, seed=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.png", "000001.png"]


def test_a_folder_with_files_is_not_written_into(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(GenkitError, match="is not empty: name a new folder"):
        write_images(Shades(), tmp_path, 2, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "write",
    [lambda path: write_images(Shades(), path, 2, seed=0), lambda path: write_grid(torch.zeros(2, 1, 4, 4), path)],
)
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, write):
    (tmp_path / "file").write_text("")
    with pytest.raises(GenkitError, match="can't be written"):
        write(tmp_path / "file" / "x")


@pytest.mark.parametrize("count", [7, 10, 13])
def test_reconstructions_stand_below_their_originals(tmp_path, digits, count):
    class Inverse(Shades):
        def reconstruct(self, images):
            return 1 - images

    images = digits.test.images(slice(0, count))
    write_reconstructions(images, reconstructions(Inverse(), images), tmp_path / "x.png")
    sheet = np.asarray(Image.open(tmp_path / "x.png")).astype(int)
    columns = min(10, count)
    cell = sheet.shape[1] // columns
    inside = np.arange(cell // 4, 3 * cell // 4)
    for index in range(count):
        row, column = 2 * (index // columns), index % columns
        original = sheet[np.ix_(row * cell + inside, column * cell + inside)]
        below = sheet[np.ix_((row + 1) * cell + inside, column * cell + inside)]
        assert np.abs(original + below - 255).max() <= 1


def test_a_model_without_reconstruct_is_named(digits):
    with pytest.raises(UsageError, match="Plain does not reconstruct"):
        reconstructions(Plain(), digits.test.images(slice(0, 3)))


def test_a_labelled_folder_is_read_back_with_its_classes(tmp_path):
    names = [f"c{index}" for index in range(10)]
    write_images(Shades(), tmp_path / "out", 40, seed=0, classes=names)
    data = open_dataset(str(tmp_path / "out"))
    assert data.classes == tuple(names)
    everything = data.everything()
    brightness = everything.pixels.astype(float).mean(axis=(1, 2, 3)) / 255
    assert np.abs(brightness - everything.labels / 10).max() < 0.02
    assert not (tmp_path / "out" / "labels.csv").exists()


def test_classes_go_on_from_chunk_to_chunk(tmp_path):
    classes = CHUNK + 50
    write_images(Shades(classes), tmp_path / "out", 2 * classes, seed=0, classes=[f"{c:03d}" for c in range(classes)])
    counts = {len(list(folder.iterdir())) for folder in (tmp_path / "out").iterdir()}
    assert counts == {2}


@pytest.mark.parametrize("name", ["../up", "", "..", "a/b", "a\\b"])
def test_a_class_whose_name_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="is not a valid folder name"):
        write_images(Shades(2), tmp_path / "out", 2, seed=0, classes=["ok", name])
    assert not list(tmp_path.rglob("*.png"))


def test_an_unconditional_model_writes_no_labelled_folder(tmp_path):
    with pytest.raises(UsageError, match="draws no classes"):
        write_images(Plain(), tmp_path / "out", 2, seed=0, classes=["a"])


def test_walks_become_a_row_each_and_a_gif_there_and_back(tmp_path):
    images = torch.linspace(0, 1, 6).view(6, 1, 1, 1).expand(6, 1, 4, 4)
    write_walks(images, tmp_path / "w.png", 3)
    write_walks_gif(images, tmp_path / "w.gif", 3)
    with Image.open(tmp_path / "w.gif") as gif:
        assert gif.n_frames == 4
    with Image.open(tmp_path / "w.png") as sheet:
        assert sheet.width > sheet.height


def test_prompts_of_a_walk_stand_above_its_rows(tmp_path):
    images = torch.full((6, 1, 4, 4), 0.5)
    write_walks(images, tmp_path / "without.png", 3)
    write_walks(images, tmp_path / "with.png", 3, prompts=["a red 3", "a blue 8"])
    without, shown = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("without", "with"))
    heading, rows = np.split(shown, [len(shown) - len(without)])
    assert (rows == without).all() and heading.min() < 64


def test_edits_stand_below_their_targets_and_above_the_truth(tmp_path):
    small, large = torch.zeros(5, 1, 2, 2), torch.full((5, 1, 4, 4), 0.5)
    write_edits(small, large, tmp_path / "e.png", truth=torch.ones(5, 1, 4, 4))
    with Image.open(tmp_path / "e.png") as sheet:
        column = np.asarray(sheet)[:, sheet.width // 2]
    assert [level for level, before in zip(column[1:], column, strict=False) if level != before] == [0, 255, 128, 255]


@pytest.mark.parametrize("bad", [float("nan"), 3.0])
def test_what_is_out_of_range_is_drawn_by_no_command(tmp_path, digits, bad):
    class Diverged(Shades):
        def sample(self, n, *, generator, condition=None):
            return torch.full((n, 1, 4, 4), bad)

        def reconstruct(self, images):
            return images * bad + bad

    for write in (
        lambda: draw(Diverged(), 2, seed=0),
        lambda: write_images(Diverged(), tmp_path / "out", 2, seed=0),
        lambda: reconstructions(Diverged(), digits.test.images(slice(0, 3))),
    ):
        with pytest.raises(PluginError, match="Diverged"):
            write()
    assert not list(tmp_path.rglob("*.png"))


def named(*names):
    model = Shades(len(names))
    model.data = dataclasses.replace(model.data, class_names=names)
    return model


@pytest.mark.parametrize(("label", "number"), [("disc", 1), ("2", 2), (0, 0), ("0", 0)])
def test_a_class_is_named_or_numbered(label, number):
    assert draw(named("cross", "disc", "ring"), 2, seed=0, label=label)[1].tolist() == [number] * 2


def test_a_number_that_is_a_name_is_read_as_the_name_and_that_is_said(caplog):
    assert draw(named("2", "7", "12"), 1, seed=0, label="7")[1].tolist() == [1]
    assert "class '7' is read as a name" in caplog.messages[0]
    with pytest.raises(UsageError, match="no class named 'disk'. Did you mean 'disc'. The classes are cross, disc"):
        draw(named("cross", "disc"), 1, seed=0, label="disk")


def test_a_folder_of_samples_appears_whole_or_not_at_all(tmp_path):
    def stop(what, done, total):
        assert not (tmp_path / "out").exists()
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_images(Shades(), tmp_path / "out", 2 * CHUNK, seed=0, progress=stop)
    assert list(tmp_path.iterdir()) == []
    write_images(Shades(), tmp_path / "out", 3, seed=0)
    assert len(list((tmp_path / "out").iterdir())) == 4
