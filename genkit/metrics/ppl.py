"""PPL: the perceptual path length of a latent space (Karras et al. 2019), by torchmetrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.perceptual import VGG, similarity
from genkit.results.score import Score
from genkit.seeds import derive


def ppl(evidence: Evidence) -> Score:
    """Return the mean of d(G(z), G(z')) / epsilon^2 over neighbouring points of latent paths; lower is smoother.

    arXiv:1812.04948, with LPIPS over VGG-16 and straight paths, as latents need not lie on a sphere. The lowest and
    highest percent of the distances are left out, as in StyleGAN. Raises Unmeasurable if VGG-16's weights are not in
    the cache.
    """
    network = similarity(VGG, resize=64)
    import torch
    from torchmetrics.functional.image import perceptual_path_length

    pairs, epsilon = evidence.parameters["pairs"], evidence.parameters["epsilon"]
    seed = derive(evidence.samples.seed, "ppl")
    generator = torch.Generator(evidence.model.device).manual_seed(seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        _, _, distances = perceptual_path_length(
            _Generator(evidence.model.eval(), generator),
            num_samples=pairs,
            epsilon=epsilon,
            resize=64,
            sim_net=network,
            device=evidence.model.device,
        )
    return mean_score(np.asarray(distances.cpu(), np.float64)).within(0.0)


def _Generator(model: Any, generator: Any) -> Any:  # noqa: N802 - torch is imported when it is needed
    from torch import Tensor, nn

    from genkit.models.images import decoded

    class Generator(nn.Module):
        """The interface that torchmetrics expects: latents, and images with pixels in [0, 255]."""

        def sample(self, num_samples: int) -> Tensor:
            drawn: Tensor = model.draw_latent(num_samples, generator=generator)
            return drawn

        def forward(self, latent: Tensor) -> Tensor:
            images = decoded(model, latent)
            return images.expand(-1, 3, -1, -1).mul(255)

    return Generator()
