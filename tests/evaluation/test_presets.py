"""Protocol presets give each installed reference's own numbers on the same images and weights, end to end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from genkit.data import open_dataset
from genkit.evaluation import Measuring, evaluate_images
from genkit.features.inception_layout import untrained_state

pytestmark = [
    pytest.mark.slow,  # two networks over two dozen images each, on two cores
    pytest.mark.filterwarnings("ignore"),  # the references' own: scipy's disp, storage in torch.load
]

COUNT = 24


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(untrained_state(), path)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of colour images, smooth and not square."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, high in (("samples", 200), ("reference", 256)):
        (root / name).mkdir()
        for index in range(COUNT):
            small = Image.fromarray(rng.integers(0, high, (6, 5, 3), dtype=np.uint8))
            small.resize((36, 48), Image.Resampling.BICUBIC).save(root / name / f"{index:03d}.png")
    return root / "samples", root / "reference"


@pytest.fixture(scope="module")
def measured(folders, weights):
    data = [open_dataset(f"folder:{folder}") for folder in folders]

    def measure(preset, *metrics):
        asked = Measuring(metrics=metrics, features="inception", weights=weights, protocol=preset, count=COUNT)
        record = evaluate_images(*data, asked).record
        return {score.metric: score.value for score in record.scores}

    return measure


def test_torch_fidelity(folders, weights, measured):
    fidelity = pytest.importorskip("torch_fidelity")
    theirs = fidelity.calculate_metrics(
        input1=str(folders[0]),
        input2=str(folders[1]),
        cuda=False,
        fid=True,
        isc=True,
        feature_extractor_weights_path=str(weights),
        cache=False,
        verbose=False,
        isc_splits=10,
    )
    ours = measured("torch-fidelity", "fid", "is")
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    assert ours["is"] == pytest.approx(theirs["inception_score_mean"], rel=1e-5)


def test_pytorch_fid(folders, weights, measured, monkeypatch):
    pytest.importorskip("pytorch_fid")
    from pytorch_fid import fid_score, inception

    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights, weights_only=True))
    theirs = fid_score.calculate_fid_given_paths([str(each) for each in folders], 8, "cpu", 2048, num_workers=0)
    assert measured("pytorch-fid", "fid")["fid"] == pytest.approx(theirs, rel=1e-4)


def test_torchmetrics(folders, weights, measured):
    image = pytest.importorskip("torchmetrics.image.fid")
    metric = image.FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(weights)).double()
    for folder, real in zip(folders, (False, True), strict=True):
        pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])
        metric.update(torch.from_numpy(pixels).permute(0, 3, 1, 2), real=real)
    assert measured("torchmetrics", "fid")["fid"] == pytest.approx(float(metric.compute()), rel=1e-4)


def test_the_presets_differ_from_each_other(measured):
    values = {name: measured(name, "fid")["fid"] for name in ("genkit", "clean-fid", "pytorch-fid", "stylegan3")}
    assert len({round(value, 6) for value in values.values()}) == 4
