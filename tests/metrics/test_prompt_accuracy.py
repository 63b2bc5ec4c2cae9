from __future__ import annotations

import numpy as np
import pytest

from genkit.data import Split
from genkit.data.prompts import SEEN, UNSEEN, Prompts
from genkit.data.scenes_grammar import Scene, SceneGrammar, Thing
from genkit.errors import Unmeasurable
from genkit.features.judge import AskedPrompts, Judge
from genkit.metrics import Evidence
from genkit.metrics.prompt_accuracy import JUDGE, prompt_accuracy

GRAMMAR = SceneGrammar()
TEXTS = {
    "a red 7 on the left": SEEN,
    "a red 7 left of a blue 3": UNSEEN,
    "a blue 3 above a red 7": SEEN,
    "a red 7": UNSEEN,
}


class Listed(Judge):
    """Finds what is listed, whatever the images are."""

    sha256 = "0" * 64

    def __init__(self, scenes):
        self.scenes = scenes

    def read(self, images):
        return [self.scenes[int(image.max())] for image in images]


def measured(*scenes):
    """Measure images that show these scenes; the same are real images, all with the first caption."""
    numbered = np.arange(len(scenes), dtype=np.uint8).reshape(-1, 1, 1, 1)
    captions = [(next(iter(TEXTS)),)] * len(scenes)
    real = Split("test", numbered, None, captions=captions)
    prompts = Prompts(tuple(TEXTS), tuple(TEXTS.values()))
    asked = AskedPrompts(prompts, GRAMMAR, Listed(scenes), real, {})
    return prompt_accuracy(Evidence.of_arrays(asked=lambda: asked, drawn_for=lambda texts: numbered))


def shown(text):
    scene = GRAMMAR.parse(text)
    return Scene(tuple(Thing(thing.digit, thing.colour, thing.place or "top") for thing in scene.things))


def test_all_that_is_asked_and_found_is_obeyed():
    score = measured(*map(shown, TEXTS))
    assert (score.value, score.n) == (1.0, 4)
    names = [SEEN, UNSEEN, "object", "colour", "place", "relation", JUDGE]
    assert sorted(score.parts) == sorted(names)
    assert {score.parts[name] for name in names[:-1]} == {1.0}
    assert score.parts[JUDGE] == 0.25, "one of the four real images shows what their caption says"


def test_what_is_wrong_falls_in_its_part_and_group_alone():
    swapped = "a blue 7 left of a red 3"
    score = measured(*(shown(swapped if "left of" in text else text) for text in TEXTS))
    assert score.value == 0.75 and 0 <= score.ci_low < 0.75 < score.ci_high <= 1
    assert (score.parts[SEEN], score.parts[UNSEEN]) == (1.0, 0.5)
    assert (score.parts["colour"], score.parts["object"], score.parts["relation"]) == (0.75, 1.0, 1.0)


def test_parts_are_over_the_prompts_that_name_them():
    score = measured(*(shown(text.replace("on the left", "on the right")) for text in TEXTS))
    assert (score.parts["place"], score.parts["relation"], score.value) == (0.0, 1.0, 0.75)


def test_images_that_nobody_asked_for_have_no_score():
    with pytest.raises(Unmeasurable, match="not drawn for prompts"):
        prompt_accuracy(Evidence.of_arrays())
