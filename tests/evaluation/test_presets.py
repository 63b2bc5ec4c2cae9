"""Protocol presets give each reference's own numbers on the same images and weights, end to end.

References that are installed are called; clean-fid and stylegan3 are transcribed (tests/references.py).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import references
import torch
from PIL import Image

from genkit.data import open_dataset
from genkit.errors import UsageError
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.features.inception_network import InceptionV3
from genkit.models import GenerativeModel
from genkit.results.records import Subject

pytestmark = [
    pytest.mark.slow,  # networks over dozens of images each, on two cores
    pytest.mark.filterwarnings("ignore"),  # the references' own: scipy's disp, storage in torch.load
]

COUNTS = {"samples": 16, "reference": 22}
"""Unequal, so that the order in which subsets are drawn matters."""
SUBSET = {"kid": {"size": 12}}
"""torch-fidelity and torchmetrics refuse sets smaller than their subsets of 1,000."""
KID = {"kid_subsets": 100, "kid_subset_size": 12}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of colour images, smooth and not square; some are larger than the network's 299 pixels in height."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, high in (("samples", 200), ("reference", 256)):
        (root / name).mkdir()
        for index in range(COUNTS[name]):
            small = Image.fromarray(rng.integers(0, high, (30, 5, 3), dtype=np.uint8))
            small.resize((36, 330), Image.Resampling.BICUBIC).save(root / name / f"{index:03d}.png")
    return root / "samples", root / "reference"


@pytest.fixture(scope="module")
def pixels(folders):
    """Generated and real images as uint8 [N, H, W, C]."""
    return [np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]) for folder in folders]


@pytest.fixture(scope="module")
def measured(folders, weights):
    data = [open_dataset(f"folder:{folder}") for folder in folders]

    def measure(preset, *metrics, features="inception", **parameters):
        asked = EvalConfig(
            metrics=metrics, features=features, weights=weights, protocol=preset, count=99, parameters=parameters
        )
        return {score.metric: score for score in compare(*data, asked, keep=True).record.scores}

    return measure


def test_torch_fidelity(folders, weights, measured):
    fidelity = pytest.importorskip("torch_fidelity")
    theirs = fidelity.calculate_metrics(
        input1=str(folders[0]),
        input2=str(folders[1]),
        cuda=False,
        fid=True,
        isc=True,
        kid=True,
        **KID,
        feature_extractor_weights_path=str(weights),
        cache=False,
        verbose=False,
        isc_splits=10,
    )
    ours = measured("torch-fidelity", "fid", "is", "kid", **SUBSET)
    assert ours["fid"].value == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    assert ours["is"].value == pytest.approx(theirs["inception_score_mean"], rel=1e-5)
    assert references.deviation(ours["is"]) == pytest.approx(theirs["inception_score_std"], rel=1e-4)
    assert ours["kid"].value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    spread = theirs["kernel_inception_distance_std"]
    assert references.deviation(ours["kid"]) == pytest.approx(spread, rel=1e-4)


def test_pytorch_fid(folders, weights, measured, monkeypatch):
    pytest.importorskip("pytorch_fid")
    from pytorch_fid import fid_score, inception

    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights, weights_only=True))
    theirs = fid_score.calculate_fid_given_paths([str(each) for each in folders], 8, "cpu", 64, num_workers=0)
    assert measured("pytorch-fid", "fid", features="inception-64")["fid"].value == pytest.approx(theirs, rel=1e-4)


@pytest.fixture
def seeded(monkeypatch):
    return lambda: monkeypatch.setattr(torch, "randperm", references.randperm())


@pytest.fixture
def torchmetrics_fid(weights, pixels):
    """torchmetrics' FID of generated images from the real ones, at Inception's first pool, whose matrices are small."""
    image = pytest.importorskip("torchmetrics.image.fid")

    def measure(generated, **choices):
        metric = image.FrechetInceptionDistance(64, feature_extractor_weights_path=str(weights), **choices).double()
        real = channels_first(pixels[1])
        metric.update(real / 255 if choices else real, real=True)
        metric.update(generated, real=False)
        return float(metric.compute())

    return measure


def channels_first(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def test_torchmetrics(weights, pixels, measured, seeded, torchmetrics_fid):
    from torchmetrics.image.fid import NoTrainInceptionV3
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance

    generated, real = (channels_first(each) for each in pixels)
    found = measured("torchmetrics", "fid", "kid", features="inception-64", **SUBSET)
    assert found["fid"].value == pytest.approx(torchmetrics_fid(generated), rel=1e-4)
    metric = KernelInceptionDistance(NoTrainInceptionV3("peer", ["64"], str(weights)), subset_size=12)
    metric.update(real, real=True)
    metric.update(generated, real=False)
    seeded()
    mean, spread = metric.compute()
    assert found["kid"].value == pytest.approx(float(mean), rel=1e-3)
    assert references.deviation(found["kid"]) == pytest.approx(float(spread), rel=1e-3)
    metric = InceptionScore(NoTrainInceptionV3("peer", ["logits_unbiased"], str(weights)))
    metric.update(generated)
    seeded()
    mean, spread = metric.compute()
    found = measured("torchmetrics", "is")["is"]
    assert found.value == pytest.approx(float(mean), rel=1e-5)
    assert references.deviation(found) == pytest.approx(float(spread), rel=1e-4)


class Fixed(GenerativeModel):
    """Samples most of the way between two levels: rounded they are one level brighter than cut off."""

    def sample(self, n, *, generator, condition=None):
        levels = torch.linspace(0, 200, 3 * 40 * 36).view(1, 3, 40, 36).floor() + 0.7
        return torch.cat([levels.roll(11 * index, 3) for index in range(n)]) / 255


def test_samples_of_a_model_are_truncated_as_torchmetrics_truncates(folders, weights, torchmetrics_fid):
    data = open_dataset(f"folder:{folders[1]}")
    choices = {"metrics": ["fid"], "features": "inception-64", "weights": weights, "count": 10, "chunk": 10}
    evaluator = Evaluator(data, EvalConfig(protocol="torchmetrics", **choices), against=data.everything())
    model = Fixed({}, dataclasses.replace(data.info(), shape=(3, 40, 36)))
    (found,) = evaluator.measure(Subject("fixed"), model=model).record.scores
    drawn = model.sample(10, generator=None)
    assert found.value == pytest.approx(torchmetrics_fid(drawn, normalize=True), rel=2e-5)
    assert found.value != pytest.approx(torchmetrics_fid(drawn + 0.5 / 255, normalize=True), rel=2e-4)


@pytest.fixture(scope="module")
def seen(weights):
    """Features and logits of float images [N, C, 299, 299] of levels 0 .. 255, normalised as clean-fid and stylegan3 do."""
    network = InceptionV3(torch.load(weights, weights_only=True))

    def see(images):
        with torch.no_grad():
            batches = [network((each - 128) / 128) for each in torch.from_numpy(images).split(4)]
        return [torch.cat(each).numpy() for each in zip(*batches, strict=True)]

    return see


def clean_resize(image):
    """clean-fid's: Pillow's bicubic on each channel as float, clipped."""
    channels = [Image.fromarray(image[..., c].astype(np.float32), mode="F") for c in range(3)]
    return np.stack([np.asarray(each.resize((299, 299), Image.BICUBIC)).clip(0, 255) for each in channels])


def test_clean_fid(pixels, measured, seen):
    generated, real = (seen(np.stack([clean_resize(image) for image in images]))[0] for images in pixels)
    ours = measured("clean-fid", "fid", "kid")
    moments = [references.moments(rows, np.float32) for rows in (generated, real)]
    assert ours["fid"].value == pytest.approx(references.frechet(*moments), rel=1e-4)
    assert ours["kid"].value == pytest.approx(references.kernel(real, generated), rel=1e-4)


def grid_resize(image):
    """stylegan3's network's: bilinear on the grid whose first point is the first pixel."""
    for axis in (0, 1):
        places = np.arange(299) * (image.shape[axis] / 299)
        low = places.astype(int)
        part = (places - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        high = np.minimum(low + 1, image.shape[axis] - 1)
        image = (1 - part) * image.take(low, axis) + part * image.take(high, axis)
    return image.transpose(2, 0, 1).astype(np.float32)


def test_stylegan3(pixels, measured, seen):
    (generated, logits), (real, _) = (seen(np.stack([grid_resize(image) for image in images])) for images in pixels)
    ours = measured("stylegan3", "fid", "kid", "is")
    moments = [references.stylegan3_moments(rows) for rows in (generated, real)]
    assert ours["fid"].value == pytest.approx(references.frechet(*moments), rel=1e-4)
    assert ours["kid"].value == pytest.approx(references.kernel(real, generated), rel=1e-4)
    mean, spread = references.stylegan3_inception(logits)
    assert ours["is"].value == pytest.approx(mean, rel=1e-5)
    assert references.deviation(ours["is"]) == pytest.approx(spread, rel=1e-4)


def test_lower_precision_is_another_number_and_needs_its_device(measured):
    exact, rough = (measured(name, "fid")["fid"] for name in ("genkit", "genkit-bfloat16"))
    assert rough.choices["features.precision"] == "bfloat16"
    assert rough.value != pytest.approx(exact.value, rel=1e-5)
    assert rough.value == pytest.approx(exact.value, rel=0.1)
    with pytest.raises(UsageError, match="tf32 is a precision of NVIDIA GPUs"):
        measured("genkit-tf32", "fid")


@pytest.fixture(scope="module")
def unlike(tmp_path_factory):
    """Two folders of images of several sizes: transparent, turned by EXIF and grey ones."""
    root = tmp_path_factory.mktemp("unlike")
    turned = Image.Exif()
    turned[0x0112] = 6
    for seed, (name, high) in enumerate((("samples", 200), ("reference", 256))):
        (root / name).mkdir()
        rng = np.random.default_rng(seed)
        for index in range(COUNTS[name]):
            small = Image.fromarray(rng.integers(0, high, (6, 8, 4), dtype=np.uint8))
            image = small.resize((41 + index % 2 * 5, 30 + index % 3 * 7), Image.Resampling.BICUBIC)
            path = root / name / f"{index:03d}"
            if index % 3 == 1:
                image.convert("RGB").save(path.with_suffix(".jpg"), exif=turned)
            else:
                (image.convert("L") if index % 3 else image).save(path.with_suffix(".png"))
    return root / "samples", root / "reference"


@pytest.mark.parametrize("package", ["pytorch-fid", "clean-fid", "torch-fidelity"])
def test_files_are_decoded_as_the_package_does_and_resized_one_by_one(unlike, weights, seen_at_64, package):
    found = compare(*unlike, metrics="fid", features="inception-64", weights=weights, protocol=package).record
    sets = [[np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())] for folder in unlike]
    resize, half = {
        "pytorch-fid": (centred_resize, 127.5),
        "clean-fid": (clean_resize, 128),
        "torch-fidelity": (grid_resize, 128),
    }[package]
    rows = [seen_at_64(np.stack([resize(image) for image in images]), half) for images in sets]
    expected = references.frechet(*(references.moments(each, np.float64) for each in rows))
    assert found.scores[0].value == pytest.approx(expected, rel=1e-4)


def test_pytorch_fids_own_command_reads_such_files_alike(unlike, weights, monkeypatch):
    pytest.importorskip("pytorch_fid")
    from pytorch_fid import fid_score, inception

    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights, weights_only=True))
    theirs = fid_score.calculate_fid_given_paths([str(each) for each in unlike], 1, "cpu", 64, num_workers=0)
    ours = compare(*unlike, metrics="fid", features="inception-64", weights=weights, protocol="pytorch-fid").record
    assert ours.scores[0].value == pytest.approx(theirs, rel=1e-5)


def centred_resize(image):
    """pytorch-fid's: bilinear with aligned pixel centres, without antialiasing."""
    for axis in (0, 1):
        places = ((np.arange(299) + 0.5) * (image.shape[axis] / 299) - 0.5).clip(0)
        low = places.astype(int)
        part = (places - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        high = np.minimum(low + 1, image.shape[axis] - 1)
        image = (1 - part) * image.take(low, axis) + part * image.take(high, axis)
    return image.transpose(2, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def seen_at_64(weights):
    """Features at the first pool of float images [N, C, 299, 299] of levels 0 .. 255, normalised around ``half``."""
    network = InceptionV3(torch.load(weights, weights_only=True), layer="64")

    def see(images, half):
        with torch.no_grad():
            return torch.cat([network((each - half) / half)[0] for each in torch.from_numpy(images).split(4)]).numpy()

    return see
