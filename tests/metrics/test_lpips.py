from __future__ import annotations

import pytest
import torch
from reconstructions import pair, tensors

from genkit.metrics.lpips import lpips


@pytest.mark.slow
def test_lpips_is_torchmetrics_over_the_backbone_in_the_cache(backbones):
    from torchmetrics.functional.image.lpips import _LPIPS

    found = pair(n=6, shape=(1, 16, 16))
    network = _LPIPS(pretrained=True, net="alex", pnet_rand=True, resize=64)
    state = backbones["alex"]
    convolutions = [m for m in network.net.modules() if isinstance(m, torch.nn.Conv2d)]
    for layer, number in zip(convolutions, (0, 3, 6, 8, 10), strict=True):
        layer.weight.data.copy_(state[f"features.{number}.weight"])
        layer.bias.data.copy_(state[f"features.{number}.bias"])
    one, two = (part.expand(-1, 3, -1, -1) * 2 - 1 for part in tensors(found))
    with torch.no_grad():
        expected = float(network(one, two).mean())
    assert lpips(found).value == pytest.approx(expected, rel=1e-5)
    found.reconstructions = found.test_images
    assert lpips(found).value == 0
