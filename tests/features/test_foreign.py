"""An extractor of a plugin that fails, or returns no features, has no scores; other extractors keep theirs."""

from __future__ import annotations

import os
import sys
import types

import numpy as np
import pytest
import torch

from genkit.errors import Interrupted, MissingError, UsageError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.features import load_extractor
from genkit.features.cache import identity
from genkit.features.extractor import Extracted, Extractor
from genkit.features.foreign import BrokenExtractor, accept
from genkit.plugin import FeatureSpec
from genkit.registry.discovery import Plugin, registry
from genkit.results.records import Subject, from_json, to_json
from genkit.training.runs import make_model

pytestmark = pytest.mark.filterwarnings("ignore:memorised are not shown")


class Stranger(Extractor):
    """Means of rows; ``fault`` takes its features and returns others, or raises."""

    def __init__(self, fault=lambda features: features, choices=None):
        super().__init__("stranger", "0" * 64, 8, torch.nn.Identity())
        self.fault, self.chosen = fault, choices or {"resize": "none"}

    def choices(self):
        return self.chosen

    def accepts(self, shape):
        pass

    def __call__(self, images, tick=lambda done: None):
        return Extracted(self.fault(images.float().mean(3).flatten(1)), None)


@pytest.fixture
def offer(monkeypatch):
    """Offer an extractor by a function: offer(make)."""
    others = list(registry().plugins)

    def add(make):
        module = types.ModuleType("strange_features")
        module.make = make
        monkeypatch.setitem(sys.modules, "strange_features", module)
        specs = {FeatureSpec: [FeatureSpec("stranger", "strange_features:make")]}
        monkeypatch.setattr(registry(), "plugins", [*others, Plugin("zoo", "zoo", "1", specs)])

    return add


def nameless(extractor):
    extractor.sha256 = None
    return extractor


def named(extractor, name):
    extractor.name = name
    return extractor


def raising(error):
    def make(*_):
        raise error

    return make


def measured(digits, features="stranger,random-conv"):
    evaluator = Evaluator(digits, EvalConfig(count=40, metrics="precision,parameters", features=features))
    return evaluator.measure(Subject("noise"), model=make_model("noise", {}, digits.info()))


class Odd(BaseException):
    """As a plugin may have one."""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (raising(Odd("x")), "extractor zoo:stranger can't be used: Odd: x"),
        (raising(SystemExit(0)), "extractor zoo:stranger can't be used: SystemExit: 0"),
        (raising(Interrupted("x")), "extractor zoo:stranger can't be used: Interrupted: x"),
        (lambda request: Stranger(raising(Interrupted("x"))), "stranger failed: Interrupted: x"),
        (lambda request: os._exit(0), "extractor zoo:stranger can't be used: it calls os._exit"),
        (lambda request: Stranger(lambda features: os._exit(0)), "it calls os._exit, which would end genkit"),
        (lambda request: "features", "it is str, not an Extractor"),
        (lambda request: nameless(Stranger()), "its sha256 is NoneType, not text"),
        (lambda request: Stranger(choices={"layer": [1, 2]}), "choice 'layer' = [1, 2], which is no plain value"),
        (lambda request: Stranger(raising(Odd("x"))), "stranger failed: Odd: x"),
        (lambda request: Stranger(lambda features: features * torch.nan), "features that are not finite"),
        (lambda request: Stranger(lambda features: features[:-1]), "not a row of floats for each"),
        (lambda request: Stranger(lambda features: features.long()), "not a row of floats for each"),
        (lambda request: Stranger(lambda features: features[0]), "not a row of floats for each"),
        (lambda request: Stranger(lambda features: "features"), "not a row of floats for each"),
    ],
)
def test_an_extractor_that_fails_costs_its_own_scores_alone(digits, offer, make, words):
    offer(make)
    record = measured(digits).record
    assert [score.name for score in record.scores] == ["precision[random-conv]", "parameters"]
    assert list(record.absent) == ["precision[stranger]"] and words in record.absent["precision[stranger]"]
    assert from_json(to_json(record), "x").absent == record.absent


def test_rows_of_changing_width_are_no_features(digits, offer):
    widths = iter(range(3, 99))
    offer(lambda request: Stranger(lambda features: features[:, : next(widths)]))
    record = measured(digits).record
    assert "other numbers of features for other images" in record.absent["precision[stranger]"]


def test_alone_it_is_an_error_that_names_it_and_what_is_missing_is_said(digits, offer):
    offer(raising(Odd("x")))
    with pytest.raises(BrokenExtractor, match="extractor zoo:stranger can't be used: Odd: x"):
        measured(digits, "stranger")
    assert len(measured(digits, "random-conv").record.scores) == 2
    offer(raising(MissingError("no weights")))
    with pytest.raises(MissingError, match="no weights"):
        measured(digits)


def test_a_plugins_extractor_is_called_as_its_spec_whatever_it_calls_itself(digits, offer):
    offer(lambda request: named(Stranger(), "random-conv"))
    record = measured(digits, "stranger,zoo:stranger,random-conv").record
    assert [score.name for score in record.scores] == ["precision[stranger]", "precision[random-conv]", "parameters"]
    offer(lambda request: named(Stranger(), request.name))
    assert load_extractor("zoo:stranger").name == "stranger"


def test_a_plugins_extractor_does_not_replace_one_that_was_trained_here(offer, monkeypatch, caplog):
    offer(lambda request: Stranger())
    monkeypatch.setattr("genkit.features.metadata.find", lambda name: {} if name == "stranger" else None)
    monkeypatch.setattr("genkit.features.trained.trained", lambda request: f"trained {request.name}")
    assert load_extractor("stranger") == "trained stranger"
    assert caplog.messages == ["extractor stranger is the one trained here; a plugin's is 'zoo:stranger'"]
    assert load_extractor("zoo:stranger").name == "zoo:stranger"


def test_choices_of_numpy_become_plain(offer):
    offer(lambda request: Stranger(choices={"layer": np.int64(3)}))
    assert type(identity(load_extractor("stranger"))["layer"]) is int


@pytest.mark.parametrize("failure", [RecursionError(), GeneratorExit(), Interrupted("x"), UsageError("grey only")])
def test_an_extractor_that_fails_when_asked_about_a_shape_is_broken_unless_it_refuses_it(monkeypatch, failure):
    def fails(extractor, shape):
        raise failure

    monkeypatch.setattr(Stranger, "accepts", fails)
    with pytest.raises(UsageError if isinstance(failure, UsageError) else BrokenExtractor) as caught:
        accept(Stranger(), (1, 8, 8))
    assert str(caught.value).startswith("grey only" if caught.value is failure else "extractor stranger can't be used")


def test_an_extractor_that_would_end_the_process_is_broken(monkeypatch):
    monkeypatch.setattr(Stranger, "accepts", lambda extractor, shape: os._exit(0))
    with pytest.raises(BrokenExtractor, match=r"stranger can't be used: it calls os\._exit, which would end genkit"):
        accept(Stranger(), (1, 8, 8))
