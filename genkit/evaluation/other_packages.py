"""torch-fidelity and torchmetrics as independent references of genkit's numbers, through their own public functions.

Both are given the images that a record measured. For Inception they use their own network and preprocessing, with the
same weights file; for any other extractor they are given genkit's.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genkit.features.cache import Progress
from genkit.features.extractor import Extractor
from genkit.results.records import RecordedScore

Images = NDArray[np.uint8]

BATCH = 64
_KID = "kernel_inception_distance_mean"
MOST_PAIRED = 10_000
"""Images of a set of which a package holds all pairs: three matrices of float64."""
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Sets:
    """What the scores of one extractor and one number of samples are of.

    ``samples`` and ``reference``: uint8 [n, C, H, W]; ``weights``: the file that Inception was loaded from.
    """

    samples: Images
    reference: Images
    extractor: Extractor
    choices: Mapping[str, str]
    weights: Path


def own_inception(package: str, choices: Mapping[str, str]) -> bool:
    """Whether a package has an Inception of its own with the recorded preprocessing."""
    resize = {"torch-fidelity": "tf1", "torchmetrics": "bilinear-antialias"}[package]
    return (
        choices.get("extractor", "").startswith("inception")
        and choices.get("resize") == resize
        and choices.get("normalisation") == "128"
        and choices.get("precision") == "float32"
        and choices.get("logits", "unbiased") == "unbiased"
    )


def torch_fidelity(sets: Sets, scores: Sequence[RecordedScore], progress: Progress) -> dict[str, float | str]:
    """Return torch-fidelity's value of each score by its name, or why it has none."""
    from torch_fidelity import calculate_metrics

    calls: list[tuple[dict[str, Any], dict[str, str]]] = []
    found: dict[str, float | str] = {}
    for score in scores:
        answer = _FIDELITY.get(score.metric, _no_such_metric)(score, sets)
        if isinstance(answer, str):
            found[score.name] = answer
            continue
        key, arguments = answer
        for asked, keys in calls:  # one call extracts the features once; scores that disagree have calls of their own
            if all(asked.get(name, value) == value for name, value in arguments.items()):
                asked |= arguments
                keys[score.name] = key
                break
        else:
            calls.append((dict(arguments), {score.name: key}))
    colour = own_inception("torch-fidelity", sets.choices)
    for asked, keys in calls:
        with warnings.catch_warnings(action="ignore"):
            values = calculate_metrics(
                input1=_Pictures(sets.samples, "torch-fidelity, samples", progress, colour=colour),
                input2=_Pictures(sets.reference, "torch-fidelity, reference", progress, colour=colour),
                **_fidelity_extractor(sets, asked),
                **asked,
                batch_size=BATCH,
                cuda=sets.extractor.device.type == "cuda",
                cache=False,
                save_cpu_ram=True,
                verbose=False,
            )
        found |= {name: float(values[key]) for name, key in keys.items()}
    return found


Ask = tuple[str, dict[str, Any]]
"""The key of a value in torch-fidelity's answer, and the arguments that ask for it."""


def _fidelity_fid(score: RecordedScore, sets: Sets) -> Ask | str:
    if score.choices.get("parameters.ddof") != 1:
        return "its covariances divide by n - 1, the record's by n"
    return "frechet_inception_distance", {"fid": True}


def _fidelity_kid(score: RecordedScore, sets: Sets) -> Ask | str:
    chosen = _parameters(score)
    asked = {"kid": True, "kid_kernel_poly_degree": chosen.get("degree", 3)}
    if not chosen.get("subsets"):
        if reason := _no_pairs(sets):
            return reason
        return _KID, {**asked, "kid_subsets": 1, "kid_subset_size": len(sets.samples)}
    if (chosen.get("seed"), chosen.get("generated_first"), chosen.get("shrink")) != (2020, True, False):
        return "it draws other subsets than the record's"
    return _KID, {**asked, "kid_subsets": chosen["subsets"], "kid_subset_size": chosen["size"]}


def _no_pairs(sets: Sets) -> str:
    """Say why a package can't take all pairs of two sets, or return an empty string."""
    if len(sets.samples) != len(sets.reference):
        return "it takes subsets of one size, the record all pairs of sets of two sizes"
    if len(sets.samples) > MOST_PAIRED:
        return f"all pairs of {len(sets.samples):,} images do not fit into memory there"
    return ""


def _fidelity_is(score: RecordedScore, sets: Sets) -> Ask | str:
    chosen = _parameters(score)
    if chosen.get("rule") != "torch-fidelity":
        return f"it splits otherwise than {chosen.get('rule')}"
    return "inception_score_mean", {"isc": True, "isc_splits": chosen["splits"]}


def _fidelity_prc(score: RecordedScore, sets: Sets) -> Ask | str:
    chosen = _parameters(score)
    if chosen.get("strict") is not False:
        return "it counts a sample on the edge of a neighbourhood as inside, the record does not"
    if chosen.get("beta", 1) != 1:
        return "it weights precision and recall equally, the record does not"
    return score.metric, {"prc": True, "prc_neighborhood": chosen["k"]}


def _no_such_metric(score: RecordedScore, sets: Sets) -> Ask | str:
    return f"it has no {score.metric}"


_FIDELITY: Mapping[str, Callable[[RecordedScore, Sets], Ask | str]] = {
    "fid": _fidelity_fid,
    "kid": _fidelity_kid,
    "is": _fidelity_is,
    "precision": _fidelity_prc,
    "recall": _fidelity_prc,
    "f_score": _fidelity_prc,
}


def _fidelity_extractor(sets: Sets, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that name the extractor and its layers: torch-fidelity's own Inception, or genkit's."""
    if own_inception("torch-fidelity", sets.choices):
        layers = {"isc": "logits_unbiased", **dict.fromkeys(("fid", "kid", "prc"), sets.choices["layer"])}
        chosen = {"feature_extractor": "inception-v3-compat", "feature_extractor_weights_path": str(sets.weights)}
    else:
        layers = {"isc": "logits", **dict.fromkeys(("fid", "kid", "prc"), "features")}
        chosen = {"feature_extractor": _registered(sets.extractor)}
    return {**chosen, **{f"feature_layer_{metric}": layer for metric, layer in layers.items() if asked.get(metric)}}


def _registered(extractor: Extractor) -> str:
    """Register an extractor with torch-fidelity under a name of its own, and return the name."""
    from torch_fidelity import FeatureExtractorBase, register_feature_extractor

    class Registered(FeatureExtractorBase):  # type: ignore[misc]
        def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("features", "logits")

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            made = extractor(images.cpu())
            return tuple(getattr(made, each) for each in self.features_list)

    name = f"genkit-{next(_NUMBERS)}"
    register_feature_extractor(name, Registered)
    return name


def torchmetrics(sets: Sets, scores: Sequence[RecordedScore], progress: Progress) -> dict[str, float | str]:
    """Return torchmetrics' value of each score by its name, or why it has none."""
    found: dict[str, float | str] = {}
    features: dict[str, Tensor] = {}
    for score in scores:
        reason = _torchmetrics_lacks(score, sets)
        if reason:
            found[score.name] = reason
            continue
        if not features:
            features = {
                "fake": _torchmetrics_features(sets, sets.samples, "samples", progress),
                "real": _torchmetrics_features(sets, sets.reference, "reference", progress),
            }
        make = _torchmetrics_class(score, len(sets.samples))
        given = nn.Identity()  # of features that its network has made
        given.num_features = features["real"].shape[1]  # type: ignore[assignment]
        with warnings.catch_warnings(action="ignore"):
            metric = make(given).set_dtype(torch.float64)
            for kind, rows in features.items():
                for batch in rows.split(BATCH):
                    metric.update(batch, real=kind == "real")
            value = metric.compute()
        found[score.name] = float(value[0] if isinstance(value, tuple) else value)
    return found


def _torchmetrics_lacks(score: RecordedScore, sets: Sets) -> str:
    """Say why torchmetrics can't compute a score, or return an empty string."""
    if score.metric == "fid":
        return "" if score.choices.get("parameters.ddof") == 1 else "its covariances divide by n - 1, the record's by n"
    if score.metric == "kid":
        if _parameters(score).get("subsets"):
            return "it draws its subsets without a seed"
        return _no_pairs(sets)
    if score.metric == "mifid":
        return ""
    return "it shuffles its splits without a seed" if score.metric == "is" else f"it has no {score.metric}"


def _torchmetrics_class(score: RecordedScore, size: int) -> Callable[[nn.Module], Any]:
    """Return how torchmetrics' metric of a score is made of a network."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance
    from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance

    if score.metric == "kid":
        return functools.partial(
            KernelInceptionDistance, subsets=1, subset_size=size, degree=_parameters(score).get("degree", 3)
        )
    return FrechetInceptionDistance if score.metric == "fid" else MemorizationInformedFrechetInceptionDistance


def _torchmetrics_features(sets: Sets, images: Images, what: str, progress: Progress) -> Tensor:
    """Return features, float64 [n, d], from torchmetrics' own Inception or from genkit's extractor."""
    own = own_inception("torchmetrics", sets.choices)
    pictures = _Pictures(images, f"torchmetrics, {what}", progress, colour=own)
    if not own:
        return torch.cat([sets.extractor(batch).features for batch in pictures.batches()]).double()
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", [sets.choices["layer"]], str(sets.weights))
    network = network.to(sets.extractor.device).eval()
    with torch.no_grad():
        return torch.cat([network(batch.to(sets.extractor.device)).cpu() for batch in pictures.batches()]).double()


def reconstruction(score: RecordedScore, originals: Tensor, reconstructions: Tensor) -> float | str:
    """Return torchmetrics' value of a score of reconstructions, float32 [n, C, H, W] in [0, 1], or why it has none."""
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    if score.metric == "ms_ssim":
        return float(multiscale_structural_similarity_index_measure(reconstructions, originals, data_range=1.0))
    if score.metric == "psnr":
        return float(peak_signal_noise_ratio(reconstructions, originals, data_range=1.0, dim=(1, 2, 3)))
    if score.metric == "ssim":
        found = structural_similarity_index_measure(reconstructions, originals, data_range=1.0)
        assert isinstance(found, Tensor)  # a pair only where asked for
        return float(found)
    return f"it has no {score.metric}"


class _Pictures(torch.utils.data.Dataset[Tensor]):
    """Images as torch-fidelity reads them, uint8 [C, H, W] each; ``colour`` repeats grey ones to three channels."""

    def __init__(self, images: Images, what: str, progress: Progress, *, colour: bool) -> None:
        self.images, self.what, self.progress, self.colour = images, what, progress, colour

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> Tensor:
        if place + 1 == len(self) or place % BATCH == 0:
            self.progress(self.what, place + 1, len(self))
        image = torch.from_numpy(np.array(self.images[place]))
        return image.expand(3, -1, -1) if self.colour and len(image) == 1 else image

    def batches(self) -> Iterator[Tensor]:
        """Yield the images, BATCH at a time."""
        for start in range(0, len(self), BATCH):
            yield torch.stack([self[place] for place in range(start, min(len(self), start + BATCH))])


def _parameters(score: RecordedScore) -> dict[str, Any]:
    """Return a score's own parameters."""
    return {
        key.removeprefix("parameters."): value for key, value in score.choices.items() if key.startswith("parameters.")
    }
