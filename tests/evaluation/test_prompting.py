from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from evidences import CPU, Sampler, made
from prompted import Painter, Speller, few_windows

from genkit.data import open_dataset
from genkit.data.prompts import asked_prompts
from genkit.data.scenes_grammar import Scene, Thing
from genkit.errors import Unmeasurable
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.samples import ModelSamples, draws_classes
from genkit.results.records import Subject, from_json, to_json

SUBJECT = Subject("speller")


def evaluator(data, *metrics, prompts=20, **options):
    config = {"metrics": metrics or ["prompt_accuracy"], "count": 60, "chunk": 25}
    asked = {"prompt_accuracy": {"prompts": prompts}} if "prompt_accuracy" in config["metrics"] else {}
    return Evaluator(data, EvalConfig(**{**config, "parameters": asked, **options}))


@pytest.fixture(scope="module")
def speller(digits):
    return Speller(digits.info(), digits)


@pytest.fixture(scope="module")
def record(digits, speller):
    return evaluator(digits, "prompt_accuracy", "fid", "class_accuracy").measure(SUBJECT, model=speller).record


def test_a_model_that_does_what_it_is_asked_is_as_good_as_the_judge(record):
    score = record.score("prompt_accuracy")
    assert score.value > 0.9 and score.n == 40
    assert set(score.parts) == {"seen phrasings", "unseen phrasings", "object", "judge on real images"}


def test_samples_are_drawn_for_captions_of_the_reference_and_have_their_labels(record, digits, speller):
    assert record.score("class_accuracy[digits-cnn]").value > 0.9
    samples = ModelSamples(speller, 60, 25, 0, CPU, captioned=digits.train)
    speller.asked.clear()
    assert sum(len(chunk) for chunk in samples.chunks()) == 60
    assert [digits.grammar.parse(text) for text in speller.asked[:60]] == samples.labels().tolist()
    seen = {text for texts in digits.train.captions for text in texts}
    assert set(speller.asked) <= seen
    assert speller.asked[:60] == samples.prompts()


def test_prompts_are_in_the_fingerprint_of_their_metric_alone(digits, record):
    asked = asked_prompts(digits.train, digits.grammar, 20, 0)
    score, fid = record.score("prompt_accuracy"), record.score("fid[digits-cnn]")
    assert score.choices["prompts.sha256"] == asked.sha256 == record.protocol["prompts"]["sha256"]
    assert len(record.protocol["prompts"]["captions"]) == 64
    assert not [key for key in fid.choices if key.startswith("prompts")]
    plain = evaluator(digits, "fid").measure(Subject("noise"), model=Sampler(digits.info())).record
    assert plain.score("fid[digits-cnn]").fingerprint == fid.fingerprint
    assert "prompts" not in plain.protocol
    assert from_json(to_json(record), "memory") == record


def test_other_prompts_are_another_fingerprint(digits, speller, record):
    more = evaluator(digits, prompts=21).measure(SUBJECT, model=speller).record
    assert more.score("prompt_accuracy").fingerprint != record.score("prompt_accuracy").fingerprint
    again = evaluator(digits, count=30).measure(SUBJECT, model=speller).record
    assert again.score("prompt_accuracy").fingerprint == record.score("prompt_accuracy").fingerprint


def test_a_model_that_follows_no_prompts_has_no_score(digits):
    measured = (
        evaluator(digits, "fid", "prompt_accuracy").measure(Subject("noise"), model=Sampler(digits.info())).record
    )
    assert "prompt_accuracy" in measured.absent
    assert not draws_classes(Sampler(digits.info()), digits.train)


def test_captions_whose_meaning_is_not_known_are_not_judged(digits, speller):
    unknown = dataclasses.replace(digits, grammar=None)
    with pytest.raises(Unmeasurable, match="is not known exactly: prompts are judged on scenes, digits and mnist"):
        evaluator(unknown).measure(SUBJECT, model=speller)


def test_the_wrong_colours_are_noticed_in_scenes():
    data = open_dataset("scenes")

    def recoloured(scene: Scene) -> Scene:
        colours = [thing.colour for thing in scene.things][::-1]
        return Scene(tuple(Thing(t.digit, c, t.place) for t, c in zip(scene.things, colours, strict=True)))

    with few_windows():
        one, other = (
            evaluator(data, prompts=100).measure(Subject("painter"), model=Painter(data.info(), change)).record
            for change in (lambda scene: scene, recoloured)
        )
    right, wrong = one.score("prompt_accuracy"), other.score("prompt_accuracy")
    assert {"seen phrasings", "unseen phrasings", "held-out combinations", "held-out pairs"} <= set(right.parts)
    assert right.parts["colour"] > 0.95 and right.value > 0.7
    assert wrong.parts["colour"] < 0.7 and wrong.parts["object"] > right.parts["object"] - 0.1
    assert json.dumps(right.choices)


def test_what_is_drawn_depends_on_the_seed(digits, speller):
    images = []
    for seed in (0, 0, 1):
        samples = ModelSamples(speller, 25, 25, seed, CPU, captioned=digits.train)
        images.append(np.concatenate([chunk.numpy() for chunk in samples.chunks()]))
        assert "prompts" in samples.identity()
    assert np.array_equal(images[0], images[1]) and not np.array_equal(images[0], images[2])


def test_each_chunk_of_prompts_is_drawn_from_a_seed_of_its_own(digits, speller):
    evidence = made(digits, speller, samples=ModelSamples(speller, 50, 25, 0, CPU))
    images = evidence.drawn_for(["a 3"] * 50)
    assert evidence.drawn_for(["a 3"] * 50) is images
    assert not np.array_equal(images[:25], images[25:])
