"""Inception-v3's forward pass, optimised for extraction: batch norm is folded into the convolutions.

On a CPU each convolution is one call of oneDNN with bias and ReLU fused and the kernel reordered once, as
torch.compile with freezing does, but without a minute of compilation. These operators are private to torch, so
``onednn`` tests whether they work. As oneDNN runs at the machine's peak, only fewer products are faster: 7-tap
convolutions are computed by their spectra, and the 3x3 ones that gain from it by Winograd's method.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genkit.features import cyclic, winograd
from genkit.features.inception_layout import convolutions

EPSILON = 0.001
LAYERS = {"64": "Conv2d_2b_3x3", "192": "Conv2d_4a_3x3", "768": "Mixed_6e.branch_pool", "2048": "Mixed_7c.branch_pool"}
"""The layers by number of features, each with its last convolution."""

_STRIDED = (
    "Conv2d_1a_3x3",
    "Mixed_6a.branch3x3",
    "Mixed_6a.branch3x3dbl_3",
    "Mixed_7a.branch3x3_2",
    "Mixed_7a.branch7x7x3_4",
)
_UNPADDED = (*_STRIDED, "Conv2d_2a_3x3", "Conv2d_4a_3x3")
_WINOGRAD = (
    "Conv2d_4a_3x3",
    *(f"Mixed_{block}.branch3x3dbl_2" for block in ("5b", "5c", "5d", "6a")),
    *(f"Mixed_{block}.branch3x3dbl_3" for block in ("5b", "5c", "5d")),
)
"""Where Winograd's method is faster, by 2 to 4 % of the whole: others have few channels or pixels, or a stride."""

_AT_ONCE = 2
"""Images per pass through the stem on a CPU: its activations, the largest, then fit into the cache."""

Run = Callable[[str, Tensor], Tensor]
"""Applies the convolution of the given name."""


class Convolution(nn.Module):
    """A convolution with batch norm folded into it, then ReLU unless a pool comes first."""

    def __init__(self, weight: Tensor, bias: Tensor, *, stride: int, padded: bool, relu: bool) -> None:
        super().__init__()
        self.weight = nn.Buffer(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Buffer(bias)
        self.stride = (stride, stride)
        self.padding = (weight.shape[2] // 2, weight.shape[3] // 2) if padded else (0, 0)
        self.relu = relu
        self._laid_out: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return channels_last [N, out, H', W'] of channels_last [N, in, H, W]; on a CPU there is no gradient."""
        if _on_cpu(x) and onednn():
            if self._laid_out is None:
                self._laid_out = _lay_out(self.weight, self.stride, self.padding, list(x.shape))
            return _fused(x, self._laid_out, self.bias, self.stride, self.padding, self.relu)
        y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return y.relu_() if self.relu else y


class TransformedConvolution(Convolution):
    """A convolution of stride 1 and ReLU, which a CPU computes with fewer products in a transformed domain."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        *,
        padded: bool,
        transform: Callable[[Tensor], Tensor],
        convolve: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> None:
        super().__init__(weight, bias, stride=1, padded=padded, relu=True)
        self._transform, self._convolve = transform, convolve
        self._transformed: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return channels_last [N, out, H', W'] of channels_last [N, in, H, W]."""
        if not _on_cpu(x):
            return super().forward(x)
        if self._transformed is None:
            self._transformed = self._transform(self.weight)
        return self._convolve(x, self._transformed, self.bias)


class InceptionV3(nn.Module):
    """The network up to a layer, from tensors in the published layout.

    ``layer`` is 64, 192, 768 or 2048; only 2048 has logits, with the classifier's bias if ``biased``. The convolutions
    run in ``dtype``; pooled features and logits are float32.
    """

    def __init__(
        self,
        state: Mapping[str, Tensor],
        *,
        layer: str = "2048",
        biased: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.dtype = dtype
        self.convolutions = nn.ModuleDict()
        for name in convolutions():
            self.convolutions[_key(name)] = _folded(state, name, dtype)
            if name == LAYERS[layer]:
                break
        self.classifier = nn.Buffer(state["fc.weight"].float()) if layer == "2048" else None
        self.bias = nn.Buffer(state["fc.bias"].float()) if layer == "2048" and biased else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features [N, d] and logits [N, 1008] or None of normalised images [N, 3, 299, 299]."""
        features = self._maps(images.to(self.dtype, memory_format=torch.channels_last)).float().mean((2, 3))
        if self.classifier is None:
            return features, None
        logits = features @ self.classifier.T
        return features, logits if self.bias is None else logits + self.bias

    def _stem(self, x: Tensor) -> Tensor:
        x = _chain(self._run, x, "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3")
        x = F.max_pool2d(x, 3, 2)
        if self.layer == "64":
            return x
        return F.max_pool2d(_chain(self._run, x, "Conv2d_3b_1x1", "Conv2d_4a_3x3"), 3, 2)

    def _maps(self, x: Tensor) -> Tensor:
        x = torch.cat([self._stem(few) for few in x.split(_AT_ONCE)]) if _on_cpu(x) else self._stem(x)
        if self.layer in ("64", "192"):
            return x
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = _block_a(self._within(name), x)
        x = _block_b(self._within("Mixed_6a"), x)
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = _block_c(self._within(name), x)
        if self.layer == "768":
            return x
        x = _block_d(self._within("Mixed_7a"), x)
        x = _block_e(self._within("Mixed_7b"), x, _average)
        return _block_e(self._within("Mixed_7c"), x, _largest)

    def _run(self, name: str, x: Tensor) -> Tensor:
        y: Tensor = self.convolutions[_key(name)](x)
        return y

    def _within(self, block: str) -> Run:
        return lambda name, x: self._run(f"{block}.{name}", x)


def _block_a(run: Run, x: Tensor) -> Tensor:
    five = _chain(run, x, "branch5x5_1", "branch5x5_2")
    return torch.cat([run("branch1x1", x), five, _double(run, x), _average(run, x)], 1)


def _block_b(run: Run, x: Tensor) -> Tensor:
    return torch.cat([run("branch3x3", x), _double(run, x), F.max_pool2d(x, 3, 2)], 1)


def _block_c(run: Run, x: Tensor) -> Tensor:
    seven = _chain(run, x, *(f"branch7x7_{i}" for i in (1, 2, 3)))
    double = _chain(run, x, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)))
    return torch.cat([run("branch1x1", x), seven, double, _average(run, x)], 1)


def _block_d(run: Run, x: Tensor) -> Tensor:
    three = _chain(run, x, "branch3x3_1", "branch3x3_2")
    seven = _chain(run, x, *(f"branch7x7x3_{i}" for i in (1, 2, 3, 4)))
    return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)


def _block_e(run: Run, x: Tensor, pool: Callable[[Run, Tensor], Tensor]) -> Tensor:
    three = run("branch3x3_1", x)
    double = _chain(run, x, "branch3x3dbl_1", "branch3x3dbl_2")
    split = [run(f"branch3x3_2{side}", three) for side in "ab"]
    split += [run(f"branch3x3dbl_3{side}", double) for side in "ab"]
    return torch.cat([run("branch1x1", x), *split, pool(run, x)], 1)


def _double(run: Run, x: Tensor) -> Tensor:
    return _chain(run, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")


def _average(run: Run, x: Tensor) -> Tensor:
    """Average-pool without padding in the mean (TensorFlow's rule), after the 1x1 convolution: the two commute."""
    return F.avg_pool2d(run("branch_pool", x), 3, 1, 1, count_include_pad=False).relu_()


def _largest(run: Run, x: Tensor) -> Tensor:
    """Max-pool, as the last block of the published network does."""
    return run("branch_pool", F.max_pool2d(x, 3, 1, 1))


def _chain(run: Run, x: Tensor, *names: str) -> Tensor:
    for name in names:
        x = run(name, x)
    return x


def _key(name: str) -> str:
    return name.replace(".", "/")


def _folded(state: Mapping[str, Tensor], name: str, dtype: torch.dtype) -> Convolution:
    """Fold y = (conv(x) - mean) / sqrt(var + eps) * scale + shift into one convolution, in float64."""
    weight = state[f"{name}.conv.weight"].double()
    scale, shift, mean, variance = (
        state[f"{name}.bn.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = scale / (variance + EPSILON).sqrt()
    kernel, bias = (weight * factor[:, None, None, None]).to(dtype), (shift - mean * factor).to(dtype)
    padded = name not in _UNPADDED
    if name in _WINOGRAD:
        convolve = functools.partial(winograd.convolve, padding=int(padded))
        return TransformedConvolution(
            kernel, bias, padded=padded, transform=winograd.transformed_kernel, convolve=convolve
        )
    if cyclic.TAPS in kernel.shape[2:]:
        convolve = functools.partial(cyclic.convolve, axis=2 + kernel.shape[2:].index(cyclic.TAPS))
        return TransformedConvolution(kernel, bias, padded=True, transform=cyclic.transformed_kernel, convolve=convolve)
    relu = not name.endswith("branch_pool") or name.startswith("Mixed_7c")
    return Convolution(kernel, bias, stride=2 if name in _STRIDED else 1, padded=padded, relu=relu)


def _on_cpu(x: Tensor) -> bool:
    """Whether ``x`` may take the CPU paths, which are for float32 and have no gradient."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not x.requires_grad


@functools.cache
def onednn() -> bool:
    """Whether torch's fused oneDNN convolution exists and gives the right result."""
    try:
        x = torch.linspace(-1, 1, 2 * 8 * 5 * 5).view(2, 8, 5, 5).contiguous(memory_format=torch.channels_last)
        weight, bias = torch.linspace(-1, 1, 8 * 8 * 9).view(8, 8, 3, 3), torch.linspace(-1, 1, 8)
        laid_out = _lay_out(weight, (1, 1), (1, 1), list(x.shape))
        y = _fused(x, laid_out, bias, (1, 1), (1, 1), relu=True)
        return torch.allclose(y, F.conv2d(x, weight, bias, padding=1).relu(), rtol=1e-4, atol=1e-4)
    except Exception:
        return False


def _lay_out(weight: Tensor, stride: tuple[int, int], padding: tuple[int, int], shape: list[int]) -> Tensor:
    reordered: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, (1, 1), 1, shape)
    return reordered


def _fused(
    x: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int], padding: tuple[int, int], relu: bool
) -> Tensor:
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, padding, stride, (1, 1), 1, "relu" if relu else "none", [], ""
    )
    return y
