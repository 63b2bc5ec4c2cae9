"""Images whose metadata say that they are generated: counted, kept with the pack, and left out if that is asked for."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from genkit.data.facts import describe_dataset
from genkit.data.open import open_dataset, open_images
from genkit.data.summary import describe_data
from genkit.errors import DataError
from genkit.files.folders import cache_dir

XMP = '<x Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
CHUNKS = {1: ("parameters", "a cat\nSteps: 20, Seed: 1"), 4: ("XML:com.adobe.xmp", XMP), 5: ("genkit", "{}")}


def write(folder, chunks=CHUNKS, count=12):
    """Small images, of which some say that they are generated."""
    folder.mkdir(exist_ok=True)
    for index in range(count):
        info = PngInfo()
        if index in chunks:
            info.add_itxt(*chunks[index])
        pixels = np.random.default_rng(index).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png", pnginfo=info)
    return folder


@pytest.fixture
def mixed(tmp_path):
    return write(tmp_path / "mixed")


def test_generated_images_are_counted_and_change_nothing_else(mixed, tmp_path):
    data = open_dataset(mixed)
    assert data.generated == 3
    assert data.generated_by == "1 by parameters, 1 by XMP, 1 by genkit, such as 01.png"
    assert "; 3 generated, as their metadata say" in describe_data(data)
    plain = open_dataset(write(tmp_path / "plain", {}))
    assert plain.sha256 == data.sha256 and plain.generated == 0
    assert "generated" not in describe_data(plain)


def test_the_count_is_kept_with_the_pack(mixed, monkeypatch):
    first = open_dataset(mixed)
    monkeypatch.setattr("genkit.data.pieces.read_metadata", lambda file: pytest.fail("the files are read again"))
    again = open_dataset(mixed)
    assert (again.generated, again.generated_by) == (first.generated, first.generated_by)


def test_a_pack_of_before_they_were_counted_is_made_of_the_files_once_more(mixed):
    sha256 = open_dataset(mixed).sha256
    for entry in (cache_dir() / "data" / "index").glob("*.json"):
        document = {key: value for key, value in json.loads(entry.read_text()).items() if "generated" not in key}
        document.pop("own_sha256")
        entry.write_text(json.dumps(document))
    again = open_dataset(mixed)
    assert (again.generated, again.sha256) == (3, sha256)


def test_they_are_left_out_and_that_is_said(mixed, tmp_path, caplog):
    data = open_dataset(mixed, exclude_generated=True)
    assert (len(data.train) + len(data.test), data.generated, data.skipped) == (9, 0, 0)
    (note,) = data.notes
    assert note.startswith(
        "3 of 12 images are left out, as their metadata say that they are generated (1 by parameters"
    )
    assert note in caplog.text
    assert data.sha256 != open_dataset(mixed).sha256
    for index in CHUNKS:
        (mixed / f"{index:02d}.png").unlink()
    assert open_dataset(mixed).sha256 == data.sha256
    write(tmp_path / "all", dict.fromkeys(range(12), CHUNKS[5]))
    with pytest.raises(DataError, match=r"all 12 images of .* are generated .*: use them by --allow-generated"):
        open_dataset(tmp_path / "all", exclude_generated=True)


def test_images_in_a_zip_are_counted_too(mixed, tmp_path):
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(mixed.iterdir()):
            archive.write(path, path.name)
    assert open_dataset(tmp_path / "mixed.zip").generated == 3


def test_data_that_is_only_measured_may_be_generated(mixed):
    assert open_images(mixed).generated == 3
    facts = describe_dataset(mixed)
    assert facts.to_json()["generated"] == 3 and "3 generated" in facts.line


def test_data_without_files_of_images_says_that_nothing_is_left_out(tmp_path, caplog):
    np.savez(tmp_path / "a.npz", images=np.random.default_rng(0).integers(0, 255, (9, 8, 8), dtype=np.uint8))
    assert open_dataset(tmp_path / "a.npz", exclude_generated=True).generated == 0
    assert "has no files that say how its images were made" in caplog.text
