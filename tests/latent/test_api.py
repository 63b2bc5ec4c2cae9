"""What the commands sample, reconstruct, interpolate, traverse and edit do, from Python."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image

import genkit
from genkit.data.images import quantize
from genkit.errors import MissingError, UsageError
from genkit.latent.given import pick_test


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return genkit.train("ppca", digits, root=tmp_path_factory.mktemp("runs"))


def test_samples_are_returned_and_drawn_again_from_a_seed(run, tmp_path):
    images = genkit.sample(run, 12, seed=3, grid=tmp_path / "grid.png")
    assert images.shape == (12, 1, 8, 8) and images.min() >= 0 and images.max() <= 1
    assert torch.equal(images, genkit.sample(str(run.path), 12, seed=3))
    assert not torch.equal(images, genkit.sample(run, 12, seed=4))
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width > grid.height  # ten in a row


def test_samples_fill_a_folder(run, tmp_path):
    told = []
    genkit.sample_to_folder(run, tmp_path / "out", 5, progress=lambda *each: told.append(each))
    assert len(list((tmp_path / "out").glob("*.png"))) == 5
    assert told == [("samples", 5, 5)]


def test_labels_of_a_conditional_model_go_beside_its_samples(tmp_path, digits):
    run = genkit.train("cgan", digits, images=64, batch=32, options={"width": 8}, root=tmp_path)
    genkit.sample_to_folder(run, tmp_path / "out", 3, label=7)
    rows = list(csv.reader((tmp_path / "out" / "labels.csv").read_text().splitlines()))
    assert [label for _, label in rows[1:]] == ["7", "7", "7"]


def test_reconstructions_come_with_their_originals(run, digits):
    originals, reconstructions = genkit.reconstruct(run, 6)
    assert torch.equal(originals, pick_test(digits.test, 6).images)
    error = (originals - reconstructions).square().mean()
    assert 0 < error < (originals - originals.mean()).square().mean()


def test_walks_begin_and_end_in_samples_of_the_latent(run):
    walks = genkit.interpolate(run, 3, 5)
    assert walks.shape == (3, 5, 1, 8, 8)
    assert not torch.equal(walks[:, 0], walks[:, -1])


def test_traversal_names_its_dimensions(run):
    images, dims = genkit.traverse(run, 2, 5)
    assert images.shape == (2, 5, 1, 8, 8) and len(set(dims)) == 2
    assert genkit.traverse(run, dims=[1], steps=3).dims == [1]


def test_edits_of_test_images_come_with_the_truth(run):
    given, edited, truth = genkit.edit(run, noise=0.3, count=2, steps=30, starts=1)
    assert given.shape == edited.shape == truth.shape == (2, 1, 8, 8)
    assert (edited - truth).square().mean() < (given - truth).square().mean()
    with pytest.raises(UsageError, match="choose one of --mask, --hole and --factor"):
        genkit.edit(run, mask="mask.png", factor=2)


def test_paths_may_be_texts_and_nothing_is_not_asked_for(run, tmp_path):
    genkit.sample(run, 2, grid=str(tmp_path / "a.png"))
    genkit.interpolate(run, 1, 2, gif=str(tmp_path / "b.gif"))
    genkit.sample_to_folder(run, str(tmp_path / "c"), 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.gif", "c"]
    for ask in (
        lambda: genkit.sample(run, 0),
        lambda: genkit.interpolate(run, 0, 3),
        lambda: genkit.traverse(run, dims=[]),
        lambda: genkit.edit(run, factor=0),
    ):
        with pytest.raises(UsageError):
            ask()


def test_a_grid_holds_the_first_of_the_files_of_its_seed(tmp_path, digits, monkeypatch):
    run = genkit.train("dcgan", digits, images=64, root=tmp_path, device="cpu")
    monkeypatch.setattr("genkit.latent.pictures.CHUNK", 10)
    genkit.sample_to_folder(run, tmp_path / "files", 33, seed=4)
    files = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "files").iterdir())]
    for count in (1, 10, 27):
        images = quantize(genkit.sample(run, count, seed=4)).numpy()[:, 0]
        assert len(images) == count
        assert all(np.array_equal(image, file) for image, file in zip(images, files, strict=False))


def test_one_class_as_a_labelled_folder_leaves_no_empty_folders(tmp_path, digits):
    run = genkit.train("cgan", digits, images=64, root=tmp_path, device="cpu", options={"width": 8})
    genkit.sample_to_folder(run, tmp_path / "files", 3, label=1, labelled=True)
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["1"]


@pytest.fixture
def photos(tmp_path):
    """Three images in a folder: 12x10 in colour, 8x8 grey, 8x8 grey."""
    folder = tmp_path / "photos"
    folder.mkdir()
    draws = np.random.default_rng(0)
    Image.fromarray(draws.integers(0, 256, (12, 10, 3), np.uint8)).save(folder / "a.png")
    for name in ("b", "c"):
        Image.fromarray(draws.integers(0, 256, (8, 8), np.uint8)).save(folder / f"{name}.png")
    return folder


def test_own_pictures_are_reconstructed_and_the_results_named_after_them(run, photos, tmp_path):
    found = genkit.reconstruct(run, images=[photos / "c.png", photos / "b.png"], out=tmp_path / "again")
    pixels = np.asarray(Image.open(photos / "c.png")) / np.float32(255)
    assert np.array_equal(found.originals[0, 0], pixels)
    assert found.sources == (str(photos / "c.png"), str(photos / "b.png"))
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["b.png", "c.png"]
    written = np.asarray(Image.open(tmp_path / "again" / "c.png"))
    assert np.array_equal(written, quantize(found.reconstructions).numpy()[0, 0])
    assert genkit.reconstruct(run, images=photos).sources[1:] == (str(photos / "b.png"), str(photos / "c.png"))


def test_a_walk_leads_from_picture_to_picture(run, photos, tmp_path):
    files = sorted(photos.iterdir())
    walks = genkit.interpolate(run, images=files, steps=4, grid=tmp_path / "w.png")
    assert walks.shape == (2, 4, 1, 8, 8)
    codes = genkit.load(run).encode(genkit.reconstruct(run, images=files).originals)
    ends = genkit.load(run).decode(codes, None)
    torch.testing.assert_close(walks[:, 0], ends[:-1].clamp(0, 1))
    torch.testing.assert_close(walks[:, -1], ends[1:].clamp(0, 1))
    with pytest.raises(UsageError, match="give a second one besides"):
        genkit.interpolate(run, images=files[0])


def test_without_an_encoder_a_walk_begins_at_the_closest_image(digits, tmp_path):
    run = genkit.train("gan", digits, images=640, root=tmp_path, device="cpu")
    drawn = tmp_path / "drawn"
    genkit.sample_to_folder(run, drawn, 2)
    walks = genkit.interpolate(run, images=drawn, steps=2)
    ends = genkit.sample(run, 2)
    assert (walks[0] - ends).square().mean() < (ends[0] - ends[1]).square().mean() / 2


def test_a_checkpoint_is_drawn_from(digits, tmp_path):
    run = genkit.train("dcgan", digits, images=640, root=tmp_path, device="cpu", milestones=1, options={"width": 8})
    (early,) = run.milestones()
    assert torch.equal(genkit.sample(run, 2), genkit.sample(run.newest_checkpoint(), 2))
    assert not torch.equal(genkit.sample(run, 2), genkit.sample(early, 2))


def test_pictures_that_are_not_there_are_named(run, tmp_path):
    with pytest.raises(MissingError, match=r"there is no .*no.png: check the path"):
        genkit.reconstruct(run, images=tmp_path / "no.png")
    with pytest.raises(UsageError, match="there are no images in"):
        genkit.reconstruct(run, images=tmp_path)
    (tmp_path / "a").mkdir()
    for file in (tmp_path / "x.png", tmp_path / "a" / "x.png"):
        Image.new("L", (8, 8)).save(file)
    with pytest.raises(UsageError, match="two images have the same file name, x"):
        genkit.reconstruct(run, images=[tmp_path / "x.png", tmp_path / "a" / "x.png"], out=tmp_path / "out")
