"""StyleGAN2-nano: modulation, noise, lazy regularisation and its corrections, path lengths."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import genkit_gans
import pytest
import torch
from genkit_gans.style import BatchDeviation, DemodulatedConv, EqualLinear, ModulatedConv, Noise
from genkit_gans.stylegan2_nano import StyleGAN2Nano, StyleGAN2NanoOptions
from torch import Tensor, nn
from torch.nn.functional import conv2d, softplus

from genkit.models import Batch, DataInfo, Phase, Step
from genkit.models.drawing import draw_with
from genkit.training.phases import PhaseRunner

INFO = DataInfo((1, 8, 8))


def build(cls: type[StyleGAN2Nano] = StyleGAN2Nano, **options: float) -> StyleGAN2Nano:
    torch.manual_seed(0)
    return cls(StyleGAN2NanoOptions(width=4, latent=6, **options), INFO)


def linear_discriminator(model: StyleGAN2Nano) -> Tensor:
    """Give the model a linear discriminator; return its constant gradient."""
    model.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
    return model.discriminator[1].weight


def test_modulation_and_demodulation_are_those_of_weights() -> None:
    """Equations 1 to 3: weights per image, scaled per input channel, then normalised per output channel."""
    torch.manual_seed(0)
    x, w = torch.randn(3, 4, 5, 5), torch.randn(3, 6)
    plain, normed = ModulatedConv(4, 7, 6), DemodulatedConv(4, 7, 6)
    for layer in (plain, normed):
        style = layer.style(w)
        for n in range(3):
            weight = layer.weight * layer.scale * style[n][None, :, None, None]
            if layer is normed:
                weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            torch.testing.assert_close(layer(x, w)[n], conv2d(x[n][None], weight, padding=1)[0])


def test_demodulated_outputs_have_unit_variance_whatever_the_style() -> None:
    torch.manual_seed(0)
    layer = DemodulatedConv(16, 16, 6)
    out = layer(torch.randn(400, 16, 4, 4), 10 * torch.randn(400, 6))[:, :, 1:-1, 1:-1]
    assert out.std().item() == pytest.approx(1.0, abs=0.05)


def test_equalised_layers_scale_weights_in_use_and_learn_at_their_rate() -> None:
    layer = EqualLinear(9, 4, bias=1.0, rate=0.01)
    x = torch.randn(2, 9)
    torch.testing.assert_close(layer(x), x @ (layer.weight.T * 0.01 / 3) + layer.bias * 0.01)
    assert layer.weight.std().item() == pytest.approx(100, rel=0.4)
    torch.testing.assert_close(layer.bias * 0.01, torch.ones(4))


def test_the_batchs_deviation_is_appended() -> None:
    x = torch.randn(5, 3, 2, 2)
    out = BatchDeviation()(x)
    torch.testing.assert_close(out[:, :3], x)
    torch.testing.assert_close(out[:, 3], x.std(0, unbiased=False).mean().expand(5, 2, 2), rtol=1e-4, atol=1e-5)


def test_noise_is_the_generators_or_fixed_and_starts_at_nothing() -> None:
    layer, x = Noise(4, 4), torch.zeros(3, 2, 4, 4)
    assert torch.equal(layer(x, torch.Generator()), x)
    nn.init.ones_(layer.strength)
    drawn = [layer(x, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[0][:, 0], drawn[0][:, 1]) and not torch.equal(drawn[0][0], drawn[0][1])
    assert torch.equal(layer(x, None), layer.fixed.expand(3, 2, 4, 4))


def noisy() -> StyleGAN2Nano:
    model = build()
    for module in model.modules():
        if isinstance(module, Noise):
            nn.init.constant_(module.strength, 0.5)
    return model.eval()


def test_samples_draw_noise_from_the_generator_and_decoding_has_the_fixed_noise() -> None:
    model = noisy()
    latent = model.draw_latent(3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    decoded = model.decode(latent)
    first, second = (model.sample(3, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.allclose(first, decoded)
    torch.manual_seed(2)
    assert torch.equal(model.decode(latent), decoded)


def custom_kernels(source: str) -> bool:
    return any(word in source for word in ("cpp_extension", "load_inline", "triton", "torch.library", "custom_op"))


def test_no_kernels_of_its_own() -> None:
    assert custom_kernels("from torch.utils.cpp_extension import load")
    for path in Path(genkit_gans.__file__).parent.glob("*.py"):
        assert not custom_kernels(path.read_text()), path


def test_the_game_is_logistic(digits_info: DataInfo, loss_on: Callable[..., float]) -> None:
    r, f = torch.tensor([3.0, 0.5]), torch.tensor([-2.0, 0.25])
    expected = softplus(-r).mean() + softplus(f).mean()
    assert loss_on(build(), "discriminator", r.tolist(), f.tolist()) == pytest.approx(expected.item())
    assert loss_on(build(), "generator", f.tolist()) == pytest.approx(softplus(-f).mean().item())


def test_r1_is_half_gamma_times_the_squared_slope_at_real_images(step: Callable[..., Step]) -> None:
    model = build(r1=3.0)
    slope = linear_discriminator(model)
    loss = model.loss("r1", Batch(torch.rand(5, 1, 8, 8)), step())
    assert loss.item() == pytest.approx(1.5 * slope.square().sum().item(), rel=1e-5)


def test_r1_is_at_images_of_the_networks_range(step: Callable[..., Step]) -> None:
    model, images = build(), torch.rand(5, 1, 8, 8)
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    model.loss("r1", Batch(images), step())
    torch.testing.assert_close(seen, [2 * images - 1])


class Enlarged(nn.Module):
    """Synthesis w -> a w, one number in each of 64 pixels: J^T y is a times the sums of y over them."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(3.0))

    def forward(self, w: Tensor, generator: torch.Generator) -> Tensor:
        return (self.a * w[:, :1]).expand(-1, 64).reshape(-1, 1, 8, 8)


def test_path_lengths_against_their_definition(step: Callable[..., Step]) -> None:
    model = build(path_length=2.0)
    model.generator.synthesis = Enlarged()
    draws = step(4).generator
    model.draw_latent(5, generator=draws)
    y = torch.randn(5, 1, 8, 8, generator=draws) / 8
    lengths = (3 * y.flatten(1).sum(1)).abs()
    mean = 0.01 * lengths.mean()
    turn = step(4)
    loss = model.loss("path_length", Batch(torch.rand(10, 1, 8, 8)), turn)
    assert loss.item() == pytest.approx(2 * (lengths - mean).square().mean().item(), rel=1e-5)
    assert model.path_mean.item() == pytest.approx(mean.item(), rel=1e-5)
    assert turn.logged["path_length"].item() == pytest.approx(lengths.mean().item(), rel=1e-5)
    loss.backward()
    slope = 2 * (2 * (lengths - mean) * lengths / 3).mean()
    assert model.generator.synthesis.a.grad.item() == pytest.approx(slope.item(), rel=1e-4)


class UnmappedPaths(StyleGAN2Nano):
    """Computes path lengths with respect to z instead of w."""

    def path_length_loss(self, batch: Batch, step: Step) -> Tensor:
        self.generator.mapping = nn.Identity()
        plain, self.draw_latent = self.draw_latent, lambda n, generator: plain(n, generator=generator).requires_grad_()
        return super().path_length_loss(batch, step)


def measured_from_the_styles(model: StyleGAN2Nano, step: Step) -> bool:
    """Whether path lengths are with respect to w."""
    seen: list[Tensor] = []
    model.generator.synthesis.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    mapping = model.generator.mapping
    latent = model.draw_latent(4, generator=torch.Generator().manual_seed(3))
    model.loss("path_length", Batch(torch.rand(8, 1, 8, 8)), step).backward()
    trained = all(p.grad is not None for p in mapping.parameters())
    return torch.equal(seen[0], mapping(latent).detach()) and trained


def test_path_lengths_are_of_steps_in_the_styles(step: Callable[..., Step]) -> None:
    assert measured_from_the_styles(build(), step(3))
    assert not measured_from_the_styles(build(UnmappedPaths), step(3))


def test_the_mean_of_path_lengths_is_in_the_checkpoint_and_over_all_processes(step: Callable[..., Step]) -> None:
    model = build()
    assert "path_mean" in model.state_dict()
    alone, among = step(), step()
    among.sum = lambda tensor: 2 * tensor  # another process with the same lengths
    means = []
    for turn in (alone, among):
        model.path_mean.zero_()
        model.loss("path_length", Batch(torch.rand(4, 1, 8, 8)), turn)
        means.append(model.path_mean.item())
    assert means[0] == pytest.approx(means[1])


class HandRolled(StyleGAN2Nano):
    """Adds R1 to every 16th loss, without the factor 16."""

    def phases(self) -> list[Phase]:
        return [phase for phase in super().phases() if phase.name != "r1"]

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        loss = super().discriminator_loss(batch, step)
        return loss if step.index % 16 else loss + self.r1_loss(batch, step)


def mean_r1_gradient(model: StyleGAN2Nano, batch: Batch) -> Tensor:
    """R1's gradient per training step for a linear discriminator, divided by its own gradient: gamma = 3 if right."""
    weight = linear_discriminator(model)
    model.discriminate = lambda images, labels=None: model.discriminator(images)  # type: ignore[method-assign]
    slope = weight.detach().clone()
    total = torch.zeros_like(slope)
    for gamma, sign in ((3.0, 1), (0.0, -1)):
        model.options.r1 = gamma
        phases = [phase for phase in model.phases() if phase.module is model.discriminator]
        runner = PhaseRunner(model, phases, 0, torch.device("cpu"))
        for index in range(16):
            for phase in phases:
                if index % phase.every == 0:
                    runner.run(phase, batch, runner.step(index, 0, 0, 0, phase.name))
                    total += sign * weight.grad
                    with torch.no_grad():
                        weight.copy_(slope)
                        model.discriminator[1].bias.zero_()
    return (total / 16 * slope).sum() / slope.square().sum()


def test_lazy_terms_count_as_if_they_were_taken_every_step() -> None:
    batch = Batch(torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    right, wrong = (mean_r1_gradient(build(cls), batch) for cls in (StyleGAN2Nano, HandRolled))
    assert right.item() == pytest.approx(3.0, abs=1e-3)
    assert wrong.item() == pytest.approx(3.0 / 16, abs=1e-3)


class Uncorrected(StyleGAN2Nano):
    """Leaves learning rate and betas as they are, in spite of the additional lazy updates."""

    def optimizer(self, module: nn.Module, *, rate: float | None = None, lazy: int | None = None):
        return super().optimizer(module, rate=rate)


def corrected(model: StyleGAN2Nano) -> bool:
    """Whether all updates of a step together have the learning rate and decay of one without lazy phases."""
    phases = model.phases()
    right = True
    for network in (model.discriminator, model.generator):
        (optimizer,) = {phase.optimizer for phase in phases if phase.module is network}
        repeats = sum(phase.repeats / phase.every for phase in phases if phase.module is network)
        wanted = sum(phase.repeats for phase in phases if phase.module is network and phase.every == 1)
        far = optimizer.defaults["lr"] * repeats / wanted
        kept = optimizer.defaults["betas"][1] ** (repeats / wanted)
        right &= math.isclose(far, 2e-3) and math.isclose(kept, 0.99) and optimizer.defaults["betas"][0] == 0.0
    return right


def test_rate_and_betas_are_corrected_for_the_lazy_turns() -> None:
    assert corrected(build())
    assert corrected(build(d_steps=3))
    assert not corrected(build(Uncorrected))
    assert {phase.name: phase.every for phase in build().phases()} == {
        "discriminator": 1,
        "r1": 16,
        "generator": 1,
        "path_length": 4,
    }


def test_the_average_has_a_half_life_in_images() -> None:
    assert StyleGAN2Nano.ema_half_life == 500_000


def test_truncation_moves_styles_towards_their_mean_when_drawing():
    model = build().eval()

    def drawn(truncation: float) -> Tensor:
        draw_with(model, {"truncation": truncation}, "stylegan2-nano")
        return model.sample(16, generator=torch.Generator().manual_seed(0)).flatten(1)

    spreads = [drawn(truncation).std(0).mean().item() for truncation in (0.0, 0.5, 1.0)]
    assert spreads[0] < spreads[1] < spreads[2]
    assert torch.equal(model.sample(16, generator=torch.Generator().manual_seed(0)).flatten(1), drawn(1.0))
