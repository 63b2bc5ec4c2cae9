"""Regularised autoencoder: deterministic in training, with a mixture of Gaussians fitted to its codes afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from annotated_types import Ge, Gt
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from genkit.models import Batch, DataInfo, Phase, Preset, Step
from genkit.models.precision import full_precision, promoted
from genkit.models.vae import Autoencoder
from genkit_vaes.networks import conv_decoder, conv_encoder
from genkit_vaes.splits import map_split

if TYPE_CHECKING:
    from genkit.data import Split


@dataclass
class RAEOptions:
    """``beta``: weight of ``.5 |z|^2`` of the codes; ``strength``: weight of the decoder's ``regulariser``.

    "weights" is the sum of its squared weights (RAE-L2), "gradient" the squared norm of its Jacobian (RAE-GP).
    """

    beta: Annotated[float, Ge(0)] = 1e-2
    regulariser: Literal["weights", "gradient"] = "weights"
    strength: Annotated[float, Ge(0)] = 1e-4
    components: Annotated[int, Ge(1)] = 10
    latent: Annotated[int, Ge(1)] = 16
    width: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 1e-3


class RAE(Autoencoder):
    """``.5 sum (x - x')^2 + beta/2 |z|^2 + strength * R(decoder)``, per image (arXiv:1903.12436).

    The second stage has no phases: a mixture of Gaussians with full covariances is fitted to the codes of the training
    images. Until then, codes are drawn from N(0, 1).
    """

    Options = RAEOptions
    stages = 2
    presets = {
        "digits": Preset(images=150_000, batch=64),
        "mnist": Preset(images=300_000, batch=64, options={"width": 16}),
        "default": Preset(images=300_000, batch=64, options={"latent": 64, "width": 16}),
        "gpu": Preset(images=10_000_000, batch=256, options={"latent": 128, "width": 64, "components": 30}),
    }
    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, options: RAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.encoder = conv_encoder(data.shape, options.width, options.latent)
        decoder = conv_decoder(options.latent, options.width, data.shape[0], data.shape[1:])
        self.decoder = nn.Sequential(decoder, nn.Sigmoid())
        self.register_buffer("weights", torch.full((options.components,), 1 / options.components))
        self.register_buffer("means", torch.zeros(options.components, options.latent))
        self.register_buffer("factors", torch.eye(options.latent).repeat(options.components, 1, 1))

    def phases(self) -> list[Phase]:
        """Return the one phase: Adam over encoder and decoder."""
        rate = self.options.learning_rate
        return [Phase("autoencoder", self, torch.optim.Adam(self.parameters(), lr=rate, fused=True))]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the batch's mean loss; log its terms unweighted."""
        codes = self.encode(batch.images)
        rec = 0.5 * (self.decode(codes) - batch.images).square().flatten(1).sum(1).mean()
        size = 0.5 * codes.square().sum(1).mean()
        if self.options.regulariser == "weights":
            penalty = squared_weights(self.decoder)
        else:
            penalty = squared_jacobian(self.decode, codes, step.generator)
        step.log(rec=rec, size=size, penalty=penalty)
        total: Tensor = rec + self.options.beta * size + self.options.strength * penalty
        return total

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Before the second stage, fit the mixture to the codes of the training images, in float64."""
        if stage == 0:
            return
        codes = map_split(train_data, self.encode, self.device).double().cpu().numpy()
        seed = int(torch.randint(1 << 31, (), generator=step.generator, device=step.generator.device))
        mixture = GaussianMixture(min(self.options.components, len(codes)), random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 100 iterations are enough for a prior
            mixture.fit(codes)
        fitted = len(mixture.weights_)
        self.weights.zero_()[:fitted] = torch.from_numpy(mixture.weights_)
        self.means[:fitted] = torch.from_numpy(mixture.means_)
        self.factors[:fitted] = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_))

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes [N, latent]."""
        return promoted(self.encoder(images))

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the images in [0, 1] of codes."""
        return promoted(self.decoder(latent))

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw codes [n, latent] from the mixture."""
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.options.latent, 1, generator=generator, device=self.device)
        return self.means[chosen] + (self.factors[chosen] @ noise).squeeze(-1)

    def log_prior(self, latent: Tensor) -> Tensor:
        """Return the log-density [...] of codes [..., latent] under the mixture."""
        components = MultivariateNormal(self.means, scale_tril=self.factors, validate_args=False)
        log_p: Tensor = components.log_prob(latent.unsqueeze(-2))
        return torch.logsumexp(self.weights.log() + log_p, dim=-1)


def squared_weights(module: nn.Module) -> Tensor:
    """Return the sum of a module's squared parameters."""
    return torch.stack([parameter.square().sum() for parameter in module.parameters()]).sum()


def squared_jacobian(decode: Callable[[Tensor], Tensor], codes: Tensor, generator: torch.Generator) -> Tensor:
    """Return the batch's mean squared Frobenius norm of the Jacobian, estimated without bias by a random projection.

    Computed in float32, also under autocast, like gradient penalties.
    """
    with full_precision(codes.device):
        decoded = decode(codes)
        probe = torch.randn(decoded.shape, generator=generator, device=decoded.device, dtype=decoded.dtype)
        (gradient,) = torch.autograd.grad((decoded * probe).sum(), codes, create_graph=True)
    return gradient.square().sum(1).mean()
