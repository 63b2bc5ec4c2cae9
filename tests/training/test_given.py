from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import genkit
from genkit.errors import UsageError
from genkit.training.given import count, reference_of
from genkit.training.run_data import open_run_dataset

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)


class Pairs(torch.utils.data.Dataset):
    """As torchvision's data sets are with ToTensor: float images [C, H, W] in [0, 1] and labels."""

    def __len__(self):
        return len(PIXELS)

    def __getitem__(self, index):
        return torch.from_numpy(PIXELS[index]).permute(2, 0, 1).float() / 255, index % 3


def npz(folder):
    np.savez(folder / "x.npz", images=PIXELS)
    return folder / "x.npz"


@pytest.mark.parametrize(
    "give",
    [
        lambda folder: PIXELS,
        lambda folder: torch.from_numpy(PIXELS),
        lambda folder: (PIXELS, np.arange(60) % 3),
        lambda folder: Pairs(),
        npz,
    ],
    ids=["array", "tensor", "pair", "Dataset", "Path"],
)
def test_images_in_memory_and_paths_train_and_the_run_opens_its_data_again(tmp_path, give):
    data = give(tmp_path)
    run = genkit.train("vae", data, images=64.0, batch=32.0, root=tmp_path / "runs", device="cpu")
    again = genkit.open_dataset(run.config.dataset)
    assert again.sha256 == run.config.dataset_sha256
    assert (run.config.data.shape, len(again.train) + len(again.test)) == ((3, 16, 16), 60)
    assert run.config.data.num_classes == (3 if isinstance(data, tuple | Pairs) else 0)
    whole = again.everything().pixels.reshape(60, -1)
    assert sorted(map(bytes, whole)) == sorted(bytes(image.transpose(2, 0, 1).reshape(-1)) for image in PIXELS)


def test_kept_images_that_are_damaged_are_written_again_and_that_is_said(tmp_path, caplog):
    path = Path(reference_of(PIXELS, tmp_path).removeprefix("npz:"))
    written = path.read_bytes()
    path.write_bytes(written[:5000] + b"\0" * 100 + written[5100:])
    assert reference_of(PIXELS, tmp_path) == f"npz:{path}"
    assert path.read_bytes() == written
    assert caplog.messages == [f"{path} was damaged, and is written again"]
    assert reference_of(PIXELS, tmp_path) and len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("value", "number"), [(7, 7), (32.0, 32), ("1k", 1000), ("0.5M", 500_000), ("60_000", 60_000), (np.int64(3), 3)]
)
def test_whole_numbers_are_taken_as_people_write_them(value, number):
    assert count(value, "images") == number


@pytest.mark.parametrize("value", [0, -1, 1.5, "many", "1.5", "", True, None, float("nan"), float("inf"), [3]])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(UsageError, match=r"batch is .*: give a whole number of at least 1"):
        count(value, "batch")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seed": -1}, "seed is -1: give a whole number of at least 0"),
        ({"minutes": "5", "images": None}, "minutes is '5'"),
        ({"sizes": 16}, "no argument 'sizes'. Did you mean 'size'"),
        ({"latent": 16}, r"no argument 'latent'.* goes into options=\{'latent'"),
        ({"dataset": 7}, "int is no type of a data set: give a name"),
        ({"dataset": []}, "holds no images"),
    ],
)
def test_what_can_not_be_taken_is_one_sentence(tmp_path, wrong, sentence):
    with pytest.raises(UsageError, match=sentence):
        genkit.train("vae", **{"images": 64, "root": tmp_path / "runs", **wrong})
    assert not (tmp_path / "runs").exists()


def test_options_of_reading_are_arguments_too(tmp_path):
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for index, image in enumerate(PIXELS):
        Image.fromarray(image).save(tmp_path / "photos" / f"{index}.png")
    run = genkit.train("vae", Path(tmp_path / "photos"), size=8, images="64", root=tmp_path / "runs", device="cpu")
    assert (run.config.data.shape, run.config.opening.size) == ((3, 8, 8), 8)


def test_a_run_on_an_opened_data_set_records_how_it_was_opened(tmp_path):
    data = genkit.open_dataset(npz(tmp_path), size=8)
    run = genkit.train("vae", data, images=64, batch=32, root=tmp_path / "runs", device="cpu")
    assert run.config.opening.size == 8
    assert open_run_dataset(run).sha256 == data.sha256
    with pytest.raises(UsageError, match="was opened without size=4"):
        genkit.train("vae", data, images=64, root=tmp_path / "runs", size=4)


def test_images_opened_by_the_rules_of_another_package_are_not_trained_on(tmp_path):
    for index in range(6):
        Image.fromarray(PIXELS[index][index:]).save(tmp_path / f"{index}.png")
    data = genkit.open_images(str(tmp_path), decoding="rgb")
    with pytest.raises(UsageError, match="opened to be measured.*open_dataset"):
        genkit.train("vae", data, images=64, root=tmp_path / "runs")
