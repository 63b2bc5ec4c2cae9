"""LSGAN: the least squares loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from genkit_gans.lsgan import LSGAN
from genkit_gans.networks import ConvOptions

from genkit.data import open_dataset
from genkit.models import DataInfo
from genkit.training import checkpoint
from genkit.training.api import train
from genkit.training.runs import load
from genkit.training.settings import Settings


def test_the_losses_are_half_squared_distances_to_1_and_0(digits_info: DataInfo, loss_on: Callable[..., float]) -> None:
    model = LSGAN(ConvOptions(width=4), digits_info)
    expected = (0.5 * (3 - 1) ** 2 + 0.5 * (0.5 - 1) ** 2) / 2 + (0.5 * 2**2 + 0.5 * 1**2) / 2
    assert loss_on(model, "discriminator", [3.0, 0.5], [2.0, -1.0]) == pytest.approx(expected)
    assert loss_on(model, "generator", [2.0, -1.0]) == pytest.approx((0.5 * 1 + 0.5 * 4) / 2)


def test_what_is_measured_is_the_last_checkpoint_and_not_the_best(tmp_path: Path) -> None:
    settings = Settings(checkpoint_seconds=-1, keep=100, previews=0)
    run = train("lsgan", open_dataset("digits"), options={"width": 4}, images=4 * 64, root=tmp_path, settings=settings)
    weight = "generator.1.weight"
    every = [checkpoint.load(path, "ema/")[0][f"ema/{weight}"] for path in run.checkpoints()]
    assert len(every) >= 4
    measured = load(run).state_dict()[weight]
    assert [torch.equal(measured, each) for each in every][-1]
    best = load(run, checkpoint_path=run.checkpoints()[1]).state_dict()[weight]
    assert not torch.equal(measured, best)
