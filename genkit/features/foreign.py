"""Extractors of plugins, checked: what they raise, are or return is never taken for genkit's own fault."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from genkit.errors import GenkitError, Interrupted, PluginError
from genkit.files.guard import guarded, plain, sentence
from genkit.registry.fence import fence_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from genkit.features.extractor import Choices, Extractor, FeatureRequest
    from genkit.registry.discovery import Offer
    from genkit.registry.specs import FeatureSpec


class BrokenExtractor(PluginError):
    """An extractor that fails, or returns no features; it has no scores, and other extractors keep theirs."""


def choices_of(offer: Offer[FeatureSpec]) -> Choices:
    """Return the choices that an extractor offers; raises BrokenExtractor, which names it, if it can't be imported."""
    from genkit.features.extractor import offered_by

    with _named(offer):
        return offered_by(offer.spec.load())


def extractor_of(offer: Offer[FeatureSpec], request: FeatureRequest) -> Extractor:
    """Return the extractor of an offer, which has its spec's name; raises BrokenExtractor, which names it, if it fails.

    A plugin's that calls itself otherwise could be taken for another's; if one trained here has the name, its own is
    ``dist:name``.
    """
    from genkit.features.extractor import Extractor
    from genkit.features.metadata import find
    from genkit.registry.discovery import CORE
    from genkit.registry.provenance import code_of

    with _named(offer), fence_of(offer.spec.target.partition(":")[0], f"extractor {offer.qualified}"):
        found = offer.spec.load()(dataclasses.replace(request, name=offer.spec.name))
        if not isinstance(found, Extractor):
            raise PluginError(f"it is {type(found).__name__}, not an Extractor")
        plain_choices(found)
        for name in ("name", "sha256"):
            if not isinstance(getattr(found, name, None), str):
                raise PluginError(f"its {name} is {type(getattr(found, name, None)).__name__}, not text")
        found.code = code_of(offer.spec, found)
        if offer.plugin.dist != CORE:
            found.name = offer.spec.name if find(offer.spec.name) is None else offer.qualified
        return found


def _named(offer: Offer[FeatureSpec]) -> contextlib.AbstractContextManager[None]:
    def failed(error: BaseException) -> NoReturn:
        if isinstance(error, GenkitError) and not isinstance(error, PluginError | Interrupted):
            raise error
        raise BrokenExtractor(f"extractor {offer.qualified} can't be used: {sentence(error)}") from error

    return guarded(failed)


def accept(extractor: Extractor, shape: tuple[int, ...]) -> None:
    """Ask an extractor whether it takes images of a shape; raises its UsageError, or BrokenExtractor."""

    def failed(error: BaseException) -> NoReturn:
        if isinstance(error, GenkitError) and not isinstance(error, PluginError | Interrupted):
            raise error
        raise BrokenExtractor(f"extractor {extractor.name} can't be used: {sentence(error)}") from error

    with guarded(failed), _fence(extractor):
        extractor.accepts(shape)


def _fence(extractor: Extractor) -> contextlib.AbstractContextManager[None]:
    return fence_of(type(extractor).__module__, f"extractor {extractor.name}")


def plain_choices(extractor: Extractor) -> dict[str, Any]:
    """Return an extractor's choices as plain JSON; raises PluginError for one that is none."""
    found = {key: plain(value) for key, value in extractor.choices().items()}
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, str | int | float | bool | None):
            raise PluginError(f"extractor {extractor.name} has the choice {key!r} = {value!r}, which is no plain value")
    return found


def rows(
    extractor: Extractor, images: Tensor, tick: Callable[[int], None], widths: dict[str, int]
) -> dict[str, NDArray[Any]]:
    """Return features [n, d] and, if there are any, logits [n, k] of images; raises BrokenExtractor for anything else.

    ``widths`` holds d and k from the first call on, which sets them.
    """
    with _fence(extractor):
        extracted = extractor(images, tick)
    found = {"features": np.asarray(extracted.features)}
    if extracted.logits is not None:
        found["logits"] = np.asarray(extracted.logits)
    for what, values in found.items():
        if values.ndim != 2 or len(values) != len(images) or values.dtype.kind != "f":
            raise BrokenExtractor(
                f"{extractor.name} returns {what} {values.dtype} {list(values.shape)} for {len(images)} images, "
                "not a row of floats for each"
            )
        if not np.isfinite(values).all():
            raise BrokenExtractor(f"{extractor.name} returns {what} that are not finite")
    shapes = {what: values.shape[1] for what, values in found.items()}
    widths.update(shapes if not widths else {})
    if shapes != widths:
        raise BrokenExtractor(f"{extractor.name} returns other numbers of features for other images")
    return found
