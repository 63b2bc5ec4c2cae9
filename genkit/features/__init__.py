"""Feature extractors by name: genkit's own first, then those trained on this machine, then those of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from genkit.errors import MissingError, UnknownName
from genkit.files.text import logger, quoted

if TYPE_CHECKING:
    from genkit.data import ImageDataset
    from genkit.features.extractor import Choices, Extractor

_LOG = logger(__name__)

__all__ = ["default_extractor", "load_extractor", "offered_choices", "own_extractor"]


def load_extractor(
    name: str, *, weights: Path | str | None = None, device: str = "cpu", choices: Mapping[str, str] | None = None
) -> Extractor:
    """Return the extractor of that name on a device; ``weights`` is a file for extractors that take one.

    ``choices`` change its protocol, e.g. ``{"resize": "bilinear"}``; ``offered_choices`` lists them. Raises UnknownName
    with a suggestion, UsageError for a choice that it does not offer, MissingError without the weights, DataError for
    damaged ones, PluginError for an extractor of a plugin that fails.
    """
    from genkit.features.extractor import FeatureRequest
    from genkit.features.foreign import extractor_of
    from genkit.features.metadata import installed
    from genkit.features.trained import trained
    from genkit.registry.discovery import registry
    from genkit.registry.specs import FeatureSpec

    request = FeatureRequest(name, None if weights is None else Path(weights), device, choices or {})
    known = registry().offers(FeatureSpec)
    if _is_trained_here(name):
        others = [repr(offer.qualified) for offer in known if offer.bare == name]
        if others:
            _LOG.warning("extractor %s is the one trained here; a plugin's is %s", name, " and ".join(others))
        return trained(request)
    if any(name in (offer.bare, offer.qualified) for offer in known):
        return extractor_of(registry().find(FeatureSpec, name), request)
    names = [*(offer.spec.name for offer in known), *(info["name"] for info in installed())]
    raise UnknownName("extractor", name, names, "  (genkit features lists all)")


def offered_choices(name: str) -> Choices:
    """Return the choices that the extractor of that name offers; none for one trained here. Loads no weights.

    Raises UnknownName for a name that no plugin offers and that no extractor trained here has.
    """
    from genkit.features.foreign import choices_of
    from genkit.registry.discovery import registry
    from genkit.registry.specs import FeatureSpec

    return {} if _is_trained_here(name) else choices_of(registry().find(FeatureSpec, name))


def _is_trained_here(name: str) -> bool:
    """Whether a name is that of an extractor trained on this machine, and not of one of genkit's own."""
    from genkit.features.metadata import find
    from genkit.registry.discovery import CORE, registry
    from genkit.registry.specs import FeatureSpec

    own = {offer.bare for offer in registry().offers(FeatureSpec) if offer.plugin.dist == CORE}
    return name not in own and find(name) is not None


def own_extractor(dataset: ImageDataset) -> str:
    """Return the name of the extractor for a data set: a plugin's, else one trained here on the same content.

    Returns an empty string if there is none.
    """
    from genkit.features.metadata import installed
    from genkit.registry.discovery import registry
    from genkit.registry.specs import FeatureSpec

    for offer in registry().offers(FeatureSpec):
        if offer.spec.for_dataset == dataset.name:
            return offer.spec.name
    for info in installed(lambda problem: _LOG.warning("%s", problem)):
        if info["dataset_sha256"] == dataset.sha256:
            return str(info["name"])
    return ""


def default_extractor(dataset: ImageDataset) -> str:
    """Return the name of the data set's own extractor; raises MissingError, which says how to train one."""
    if own := own_extractor(dataset):
        return own
    raise MissingError(
        f"no feature extractor for {dataset.name}: train one with "
        f"`genkit features train --dataset {quoted(dataset.name)}`, "
        "or choose --features inception, or random-conv, which needs no weights"
    )
