"""Flow prior: inverse, determinant, density, and KL from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_vaes.flow_vae import FlowVAE, FlowVAEOptions, RealNVP
from torch import Tensor, nn
from torch.distributions import Normal

from genkit.conformance import Result
from genkit.models import VAE, Batch, DataInfo, Step, capabilities
from genkit.models.losses import gaussian_kl


def roughen(flow: nn.Module, scale: float = 0.4) -> None:
    """Draw random weights in every layer, so that the flow is not the identity."""
    chance = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=chance, dtype=parameter.dtype))


def build(cls: type[FlowVAE] = FlowVAE, latent: int = 2) -> FlowVAE:
    torch.manual_seed(0)
    options = FlowVAEOptions(width=4, latent=latent, flows=3, flow_width=6)
    model = cls(options, DataInfo((1, 8, 8), levels=17)).double()
    roughen(model.flow)
    return model


def images() -> Tensor:
    return torch.randint(0, 17, (6, 1, 8, 8), generator=torch.Generator().manual_seed(1)).double() / 16


@pytest.mark.parametrize("size", [2, 3, 6])
def test_the_flow_is_inverted_and_its_determinant_is_the_jacobians(size: int) -> None:
    torch.manual_seed(0)
    flow = RealNVP(size, 6, 4).double()
    roughen(flow)
    latent = torch.randn(5, size, dtype=torch.float64)
    noise, log_det = flow(latent)
    torch.testing.assert_close(flow.inverse(noise), latent)
    for row, value in zip(latent, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda z: flow(z)[0], row)
        assert torch.linalg.slogdet(jacobian).logabsdet.item() == pytest.approx(value.item(), abs=1e-9)
        assert (jacobian.abs().sum(0) > 0).all()


def test_every_latent_is_moved_and_the_flow_begins_as_the_identity() -> None:
    torch.manual_seed(0)
    flow, latent = RealNVP(5, 6, 4), torch.randn(3, 5)
    noise, log_det = flow(latent)
    assert torch.equal(noise, latent) and not log_det.any()
    roughen(flow)
    assert (flow(latent)[0] != latent).all()


class ForgottenDeterminant(FlowVAE):
    def log_prior(self, latent: Tensor) -> Tensor:
        return VAE.log_prior(self, self.flow(latent)[0])


def integral(model: FlowVAE) -> float:
    side = torch.linspace(-40, 40, 1201, dtype=torch.float64)
    with torch.no_grad():
        density = model.log_prior(torch.cartesian_prod(side, side)).exp()
    return float(density.sum() * (80 / 1200) ** 2)


def test_the_priors_density_integrates_to_one() -> None:
    assert integral(build()) == pytest.approx(1.0, abs=0.01)
    assert integral(build(ForgottenDeterminant)) != pytest.approx(1.0, abs=0.1)


class AgainstStandardNormal(FlowVAE):
    """KL against N(0, 1), the prior of another model."""

    def divergence(self, latent: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        return gaussian_kl(mean, log_variance)


def loss_and_definition(cls: type[FlowVAE]) -> tuple[Tensor, Tensor]:
    model = build(cls)
    loss = model.loss("vae", Batch(images()), Step(0, 0, torch.Generator().manual_seed(2)))
    posterior = model.posterior(images())
    noise = torch.randn(6, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    latent = posterior.mean + posterior.stddev * noise
    rec = -model.likelihood.log_prob(model.decoder(latent), images())
    flowed, log_det = model.flow(latent)
    log_prior = Normal(0, 1).log_prob(flowed).sum(1) + log_det
    return loss, (rec + posterior.log_prob(latent) - log_prior).mean()


def test_the_loss_measures_kl_from_it_at_the_posteriors_draw() -> None:
    torch.testing.assert_close(*loss_and_definition(FlowVAE))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(*loss_and_definition(AgainstStandardNormal))


def test_kl_is_not_offered_for_it_has_no_closed_form() -> None:
    assert "kl" not in capabilities(FlowVAE)


class RoughFlow(FlowVAE):
    """Far from the identity, as after a long training."""

    def __init__(self, options: FlowVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        roughen(self.flow, 0.2)


class DrawsStandardNormal(RoughFlow):
    """Samples without the flow."""

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        return self.noise(n, generator=generator)


class RoughWithoutDeterminant(RoughFlow, ForgottenDeterminant):
    pass


@pytest.mark.parametrize(
    ("cls", "status"), [(RoughFlow, "passed"), (DrawsStandardNormal, "failed"), (RoughWithoutDeterminant, "failed")]
)
def test_conformance_knows_a_prior_of_its_own(cls: type[FlowVAE], status: str, examine: Callable[..., Result]) -> None:
    found = examine(cls, "bound-recomputed", width=4, latent=3, flows=3, flow_width=6)
    assert found.status == status, found
