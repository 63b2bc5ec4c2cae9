"""BigGAN-lite: shared embedding, skip latents, orthogonal regularisation, and the moving average's batch statistics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_gans.biggan_lite import BigGANLite, BigGANLiteOptions
from genkit_gans.blocks import ConditionalBatchNorm, SelfAttention, orthogonality
from torch import Tensor, nn

from genkit.models import Batch, DataInfo, Step
from genkit.training.ema import Ema


def build(info: DataInfo, cls: type[BigGANLite] = BigGANLite) -> BigGANLite:
    torch.manual_seed(0)
    return cls(BigGANLiteOptions(width=4, latent=11, embedding=5), info)


def test_the_losses_are_the_hinges_and_the_generators_has_the_orthogonal_term(
    digits_info: DataInfo, loss_on: Callable[..., float]
) -> None:
    model = build(digits_info)
    assert loss_on(model, "discriminator", [3.0, 0.5], [-2.0, 0.25]) == pytest.approx(0.5 / 2 + 1.25 / 2)
    total = 0.0
    for name, weight in model.generator.named_parameters():
        if weight.ndim > 1 and not name.startswith("embedding"):
            rows = weight.detach().flatten(1)
            products = rows @ rows.T
            total += (products * (1 - torch.eye(len(rows)))).square().sum().item()
    assert total > 1
    model.options.orthogonal = 0.01
    assert loss_on(model, "generator", [-2.0, 0.5]) == pytest.approx(0.75 + 0.01 * total, rel=1e-4)


def test_orthogonal_rows_cost_nothing_and_parallel_ones_do(digits_info: DataInfo) -> None:
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(4)[:3] * torch.tensor([[5.0], [0.1], [2.0]]))
        assert orthogonality(layer).item() == 0.0
        layer.weight[1] = layer.weight[0]
        assert orthogonality(layer).item() == pytest.approx(2 * 25.0**2)


def rounded_orthogonality(network: nn.Module) -> Tensor:
    """The wrong version: autocast rounds the products."""
    rows = [weight.flatten(1) for weight in network.parameters() if weight.ndim > 1]
    return torch.stack(
        [(r @ r.T).float().square().sum() - (r @ r.T).float().diagonal().square().sum() for r in rows]
    ).sum()


@pytest.mark.parametrize(("penalty", "exact"), [(orthogonality, True), (rounded_orthogonality, False)])
def test_the_orthogonal_term_is_float32_under_autocast(
    penalty: Callable[[nn.Module], Tensor], exact: bool, digits_info: DataInfo
) -> None:
    painter = build(digits_info).generator.painter
    with torch.autocast("cpu", torch.bfloat16):
        found = penalty(painter)
    assert torch.equal(found, penalty(painter)) is exact


def test_one_embedding_serves_all_norms_and_each_block_has_a_part_of_the_latent(digits_info: DataInfo) -> None:
    model = build(digits_info).eval()
    assert sum(isinstance(m, nn.Embedding) for m in model.generator.modules()) == 1
    conditions: list[Tensor] = []
    for module in model.generator.modules():
        if isinstance(module, ConditionalBatchNorm):
            module.register_forward_pre_hook(lambda _, inputs: conditions.append(inputs[1]))
    latent, labels = torch.arange(22.0).view(2, 11), torch.tensor([0, 2])
    starts: list[Tensor] = []
    model.generator.painter.start.register_forward_pre_hook(lambda _, inputs: starts.append(inputs[0]))
    model.decode(latent, labels)
    assert torch.equal(starts[0], latent[:, :5])
    shared = model.generator.embedding(labels)
    assert all(torch.equal(condition[:, :5], shared) for condition in conditions)
    parts = [condition[:, 5:] for condition in conditions]
    assert [torch.equal(part, latent[:, 5:8]) for part in parts] == [True, True, False, False]
    assert torch.equal(parts[-1], latent[:, 8:])


def test_attention_stands_in_both_networks_and_all_but_the_embedding_is_normalised(digits_info: DataInfo) -> None:
    model = build(digits_info)
    for network in (model.generator, model.discriminator):
        assert sum(isinstance(m, SelfAttention) for m in network.modules()) == 1
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    plain = [layer for layer in layers if not hasattr(layer, "parametrizations")]
    assert plain == [model.generator.embedding]


def test_the_average_has_a_half_life_in_images_that_fits_the_budget(digits_info: DataInfo) -> None:
    """Whatever the batch: after 1,000 images an average weighs the last 50 by half."""
    weights = []
    for batch in (10, 50):
        average = Ema(nn.ModuleDict({"generator": nn.Linear(1, 1)}), ("generator",), BigGANLite.ema_half_life)
        average.average["generator.weight"].fill_(1.0)
        with torch.no_grad():
            average._live[0].zero_()
        for _ in range(50 // batch):
            average.update(batch, 1000)
        weights.append(average.average["generator.weight"].item())
    assert weights == pytest.approx([0.5, 0.5], abs=1e-5)


class WithoutStatistics(BigGANLite):
    """Keeps batch statistics out of the state dict, so the average lacks them."""

    def __init__(self, options: BigGANLiteOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        for module in self.generator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module._non_persistent_buffers_set.update({"running_mean", "running_var"})


def averages_its_statistics(model: BigGANLite, batch: Batch, step: Step) -> bool:
    """Whether the averaged generator normalises by averaged statistics."""
    average = Ema(model, model.ema, model.ema_half_life)
    model.train().generate(32, generator=step.generator)
    average.update(1, 40)  # half-life 2: the average moves by 29 %
    live = {name: tensor.clone() for name, tensor in model.generator.named_buffers() if "running_mean" in name}
    with average.applied():
        held = {name: tensor.clone() for name, tensor in model.generator.named_buffers() if "running_mean" in name}
    share = 1 - 0.5 ** (1 / 2)
    return all(torch.allclose(held[name], share * live[name], atol=1e-6) for name in live)


def test_averaged_weights_go_with_averaged_batch_statistics(
    digits_info: DataInfo, batch: Callable[..., Batch], step: Callable[..., Step]
) -> None:
    assert averages_its_statistics(build(digits_info), batch(digits_info), step())
    assert not averages_its_statistics(build(digits_info, WithoutStatistics), batch(digits_info), step())
