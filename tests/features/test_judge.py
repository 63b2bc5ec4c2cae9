"""Judges of classes, and agreement with what was asked. Tests judge and judges of genkit.features."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from genkit.data import Split
from genkit.data.grammar import DigitNames
from genkit.data.prompts import Prompts
from genkit.errors import Unmeasurable
from genkit.features.cache import quiet
from genkit.features.judge import AskedPrompts, Judge
from genkit.features.judges import judge_of


class Brightness(Judge):
    """Reads an image's only grey level as its digit."""

    sha256 = "0" * 64

    def read(self, images):
        return images[:, 0, 0, 0].tolist()


def asked(*texts, test=()):
    real = Split("test", level(*test), None, captions=[("a 3",)] * len(test))
    return AskedPrompts(Prompts(texts, ("seen phrasings",) * len(texts)), DigitNames(), Brightness(), real, {})


def level(*digits):
    return np.array(digits, np.uint8).reshape(-1, 1, 1, 1)


def test_each_image_is_compared_with_its_own_prompt():
    found = asked().agreement(["a 3", "the digit three", "a 4"], level(3, 4, 4))
    assert found == [{"object": True}, {"object": False}, {"object": True}]


def test_the_judge_is_judged_on_real_images():
    assert asked(test=(3, 3, 3, 8)).accuracy == 0.75


def test_digits_are_judged_by_their_own_classifier(digits):
    judge = judge_of(digits, "cpu", quiet)
    labels = digits.test.labels[:100]
    assert np.mean(np.array(judge.read(digits.test.uint8(slice(100)))) == labels) > 0.95


def test_data_without_a_classifier_of_its_classes_has_no_judge(digits):
    other = dataclasses.replace(digits, name="folder:other", sha256="1" * 64)
    with pytest.raises(Unmeasurable, match="genkit features train --dataset folder:other"):
        judge_of(other, "cpu", quiet)
