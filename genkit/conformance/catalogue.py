"""All checks in order, the checks that each one needs, and the class that runs them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from genkit.conformance import (
    averages,
    building,
    completion,
    conditions,
    drawing,
    guidance,
    inference,
    labels,
    likelihoods,
    phases,
    plugins,
    probabilities,
    prompts,
    sampling,
    stages,
    state,
)
from genkit.conformance.report import CheckFailed, CheckSkipped, Report, Result
from genkit.conformance.under_test import SHAPES, ModelUnderTest
from genkit.data.dataset import ImageDataset
from genkit.errors import GenkitError, UnknownName
from genkit.files.guard import by_user, sentence
from genkit.models.base import GenerativeModel
from genkit.registry.discovery import registry
from genkit.registry.fence import no_exit
from genkit.registry.specs import ModelSpec
from genkit.seeds import derive
from genkit.training.runs import model_class


@dataclass(frozen=True)
class Check:
    """A check by name; it is skipped if one of ``needs`` failed."""

    name: str
    function: Callable[[ModelUnderTest], None]
    needs: tuple[str, ...] = ()


_SAMPLES = ("sample-images", "sample-seeded", "sample-state")
_ALL = (
    Check("hooks-light", plugins.hooks_light),
    Check("spec", plugins.spec_valid),
    Check("options", plugins.options_round_trip),
    Check("presets", plugins.presets_valid, ("options",)),
    *(Check(f"build-{shape}", building.builder(shape), ("options",)) for shape in SHAPES),
    Check("phases", building.phases_valid, ("options",)),
    Check("loss", phases.loss_finite, ("phases",)),
    Check("phase-modules", phases.modules_disjoint, ("phases",)),
    Check("phase-updates", phases.updates_stay_inside, ("loss",)),
    Check("finished-stages", stages.finished_stay, ("loss",)),
    Check("averages", averages.averages_move, ("sample-seeded",)),
    Check("sample-images", sampling.images_valid, ("loss",)),
    Check("sample-seeded", sampling.seeded, ("loss",)),
    Check("sample-classes", sampling.classes_drawn, ("loss",)),
    Check("sample-state", sampling.state_unchanged, ("loss",)),
    Check("sample-uncached", sampling.uncached_equal, _SAMPLES),
    Check("sampling-options", drawing.options_valid, ("options",)),
    Check("sampling", drawing.moves_samples_alone, ("sampling-options", *_SAMPLES)),
    Check("condition", conditions.condition_used, ("sample-classes", *_SAMPLES)),
    Check("class-seen", conditions.class_seen, ("condition",)),
    Check("understand", prompts.condition_made, _SAMPLES),
    Check("prompt-seen", prompts.prompt_seen, ("understand",)),
    Check("guidance", guidance.conventions, ("condition", "sampling-options")),
    Check("guidance-any-class", guidance.any_class_trained, ("guidance",)),
    Check("complete", completion.completions_valid, _SAMPLES),
    Check("checkpoint", state.checkpoint_round_trip, ("loss",)),
    Check("training-repeats", state.training_repeats, ("checkpoint",)),
    Check("resume", state.resume_exact, ("training-repeats",)),
    Check("reconstruct", inference.reconstructions_valid, ("loss",)),
    Check("log-likelihood", inference.per_example, ("loss",)),
    Check("log-likelihood-batches", inference.batch_size_invariant, ("log-likelihood",)),
    Check("log-likelihood-bound", inference.importance_weighting_tightens, ("log-likelihood-batches",)),
    Check("likelihood-normalised", likelihoods.normalised, ("loss",)),
    Check("bound-recomputed", likelihoods.bound_recomputed, ("log-likelihood-batches", "likelihood-normalised")),
    Check("likelihood-sum", probabilities.adds_up, ("bound-recomputed",)),
    Check("discriminator-labels", labels.discriminator_prefers_real, ("loss",)),
    Check("generator-labels", labels.generator_seeks_real, ("discriminator-labels",)),
)
CHECKS: Mapping[str, Check] = {check.name: check for check in _ALL}
"""All checks by name, in the order in which they run."""


class Examination:
    """Runs checks of one model, each once."""

    def __init__(self, model: str | type[GenerativeModel], **settings: Any) -> None:
        self.problem = ""
        self._results: dict[str, Result] = {}
        if isinstance(model, str):
            self.name = model
            offer = registry().find(ModelSpec, model)
            try:
                self.tested = ModelUnderTest(model, model_class(model), offer, **settings)
            except GenkitError as error:
                self.problem = str(error)
        else:
            self.name = model.__name__
            self.tested = ModelUnderTest(model.__name__, model, None, **settings)

    def result(self, name: str) -> Result:
        """Return the result of a check, running first the checks that it needs. Raises UnknownName."""
        if name not in CHECKS:
            raise UnknownName("check", name, CHECKS, f" The checks: {', '.join(CHECKS)}")
        if name not in self._results:
            self._results[name] = self._examine(CHECKS[name])
        return self._results[name]

    def _examine(self, check: Check) -> Result:
        if self.problem:
            first = check.name == next(iter(CHECKS))
            return Result(check.name, "failed" if first else "skipped", self.problem if first else "it can't be loaded")
        failed = self._failed_need(check)
        if failed:
            return Result(check.name, "skipped", f"needs {failed}, which failed")
        try:
            with torch.random.fork_rng(devices=[]), _one_thread(), no_exit():
                torch.manual_seed(derive(0, "check", check.name))
                check.function(self.tested)
        except CheckSkipped as skip:
            return Result(check.name, "skipped", str(skip))
        except CheckFailed as failure:
            return Result(check.name, "failed", " ".join(str(failure).split()))
        except BaseException as error:
            if by_user(error):
                raise
            return Result(check.name, "failed", sentence(error))
        return Result(check.name, "passed")

    def _failed_need(self, check: Check) -> str:
        for need in check.needs:
            if self.result(need).status == "failed":
                return need
            indirect = self._failed_need(CHECKS[need])
            if indirect:
                return indirect
        return ""


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: batches are tiny, so more threads gain nothing, and they slow other processes down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def check(
    model: str | type[GenerativeModel],
    *,
    options: Mapping[str, Any] | None = None,
    dataset: ImageDataset | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Report:
    """Run all conformance checks of a model, given by name or class; takes well under a minute for a small model.

    ``options`` override the model's defaults; ``dataset`` replaces the synthetic images, for a model that works only
    on its own data; ``on_result`` is called with each result at once. Raises UnknownName for a name that no plugin
    offers; errors of the model itself are results, and never raise.
    """
    examination = Examination(model, options=dict(options or {}), dataset=dataset)
    results = []
    for name in CHECKS:
        results.append(examination.result(name))
        if on_result is not None:
            on_result(results[-1])
    return Report(examination.name, tuple(results))
