"""Exponential moving averages of a model's modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from genkit.training.batch_norm import STATISTICS

RAMP = 0.05


class Ema:
    """Averages of parameters and batch-norm statistics of the modules ``names``; other buffers are copied.

    (An average of a spectral norm's unit vectors, for instance, would not have unit length.) ``half_life`` is in
    images and ramps up as in StyleGAN2: it is at most 5 % of the images seen so far.
    """

    def __init__(self, model: nn.Module, names: tuple[str, ...], half_life: int) -> None:
        self.half_life = half_life
        self.model = model
        parameters: dict[str, Tensor] = {}
        self._buffers: list[tuple[dict[str, Tensor | None], str, str]] = []
        persistent = model.state_dict().keys()
        for name in names:
            module = model.get_submodule(name)
            parameters |= {f"{name}.{key}": p.detach() for key, p in module.named_parameters(remove_duplicate=False)}
            for key, child in module.named_modules(prefix=name):
                for buffer in child._buffers:
                    if f"{key}.{buffer}" in persistent:
                        self._buffers.append((child._buffers, buffer, f"{key}.{buffer}"))
        self._live = list(parameters.values())
        self.average: dict[str, Tensor] = {key: tensor.clone() for key, tensor in parameters.items()}
        self._shadow = list(self.average.values())
        for owner, name, key in self._buffers:
            tensor = owner[name]
            assert tensor is not None
            self.average[key] = tensor.detach().clone()

    @torch.no_grad()
    def update(self, images: int, images_seen: int) -> None:
        """Update the averages after a step of ``images`` examples."""
        if not self.average:
            return
        weight = 1 - 0.5 ** (images / max(min(self.half_life, images_seen * RAMP), 1e-8))
        torch._foreach_lerp_(self._shadow, self._live, weight)
        for owner, name, key in self._buffers:
            live, average = owner[name], self.average[key]
            assert live is not None
            if name in STATISTICS:
                average.lerp_(live, weight)
            else:
                average.copy_(live)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set the averages to those of a checkpoint."""
        for key, tensor in self.average.items():
            tensor.copy_(state[key])

    @torch.no_grad()
    def settle(self, finished: Iterable[nn.Module]) -> None:
        """Make the averages the weights of modules that no later stage trains, so that the two stay equal."""
        modules = list(finished)
        own = {id(tensor) for module in modules for tensor in module.parameters()}
        for key, live in self.model.named_parameters(remove_duplicate=False):
            if key in self.average and id(live) in own:
                live.copy_(self.average[key])
        owners = {id(part._buffers) for module in modules for part in module.modules()}
        for owner, name, key in self._buffers:
            if id(owner) in owners:
                owner[name].copy_(self.average[key])  # type: ignore[union-attr]

    @contextmanager
    def copying_changes(self) -> Iterator[None]:
        """What changes within the context, e.g. in prepare_stage, is copied to the averages instead of averaged."""
        before = {key: tensor.clone() for key, tensor in self.model.state_dict().items() if key in self.average}
        yield
        for key, tensor in self.model.state_dict().items():
            if key in before and not torch.equal(before[key], tensor):
                self.average[key].copy_(tensor)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context the model holds the averages; its own weights return afterwards."""
        own = {key: tensor.clone() for key, tensor in self.model.state_dict().items() if key in self.average}
        self.model.load_state_dict(self.average, strict=False)
        try:
            yield
        finally:
            self.model.load_state_dict(own, strict=False)
