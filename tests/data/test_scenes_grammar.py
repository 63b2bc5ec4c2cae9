from __future__ import annotations

import itertools
from collections import Counter

import pytest

from genkit.data.phrasings import COLOURS, PLACES
from genkit.data.scenes_grammar import (
    Scene,
    SceneGrammar,
    Thing,
    held_out_pair,
    held_out_thing,
    pairs,
    singles,
    trained_on,
)

GRAMMAR = SceneGrammar()
SEVEN, THREE = Thing(7, "red", "left"), Thing(3, "blue", "right")
PAIR = Scene((SEVEN, THREE))


@pytest.mark.parametrize("scene", [*itertools.islice(singles(), 0, None, 7), *itertools.islice(pairs(), 0, None, 101)])
def test_each_phrasing_says_its_scene(scene: Scene) -> None:
    (whole, *others), unseen = GRAMMAR.captions(scene), GRAMMAR.unseen(GRAMMAR.captions(scene)[0])
    assert GRAMMAR.parse(whole) == scene
    assert {GRAMMAR.parse(text) for text in unseen} == {scene}
    assert not {whole, *others} & set(unseen)
    for text in others:
        said = GRAMMAR.parse(text)
        assert said is not None and all(GRAMMAR.agreement(said, scene).values())


def test_relations_are_read_from_both_sides() -> None:
    assert GRAMMAR.parse("a red 7 left of a blue 3") == GRAMMAR.parse("a blue three right of a red seven") == PAIR
    assert GRAMMAR.parse("red 7 above blue 3") == Scene((Thing(7, "red", "top"), Thing(3, "blue", "bottom")))
    assert GRAMMAR.parse("a red 7") == Scene((Thing(7, "red"),))
    assert GRAMMAR.parse("a red 7 next to a blue 3") is None


def test_a_caption_without_a_place_has_unseen_phrasings_without_one() -> None:
    assert {GRAMMAR.parse(text) for text in GRAMMAR.unseen("a red 7")} == {Scene((Thing(7, "red"),))}
    assert GRAMMAR.unseen("a cat") == ()


def test_what_is_held_out_leaves_every_digit_colour_and_place() -> None:
    out = [scene.things[0] for scene in singles() if not trained_on(scene)]
    assert len(out) == 35
    for attribute in ("digit", "colour", "place"):
        assert max(Counter(getattr(thing, attribute) for thing in out).values()) <= 7
    for digit, colour in itertools.product(range(10), COLOURS):
        assert sum(held_out_thing(Thing(digit, colour, place)) for place in PLACES) <= 1
    held = {(s.relation, *(thing.digit for thing in s.things)) for s in pairs() if held_out_pair(s)}
    assert len(held) == 20 and Counter(first for _, first, _ in held) == dict.fromkeys(range(10), 2)


def test_held_out_prompts_are_for_scenes_that_are_not_trained_on() -> None:
    prompts = GRAMMAR.held_out()
    for text in (*prompts["held-out combinations"], *prompts["held-out pairs"][::50]):
        scene = GRAMMAR.parse(text)
        assert scene is not None and not trained_on(scene)
    scenes = [GRAMMAR.parse(text) for text in prompts["held-out pairs"][::50]]
    assert not any(held_out_thing(thing) for scene in scenes if scene is not None for thing in scene.things)


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ((SEVEN, THREE), ""),
        ((Thing(3, "blue", "left"), Thing(7, "red", "right")), "relation"),
        ((Thing(7, "blue", "left"), Thing(3, "red", "right")), "colour"),
        ((Thing(7, "red", "left"), Thing(8, "blue", "right")), "object"),
        ((Thing(7, "red", "top"), Thing(3, "blue", "bottom")), "relation"),
        ((SEVEN, THREE, Thing(1, "white", "top")), "object"),
        ((SEVEN,), "object colour relation"),
        ((), "object colour relation"),
    ],
    ids=[
        "obeyed",
        "sides swapped",
        "colours swapped",
        "another digit",
        "above",
        "one too many",
        "one missing",
        "nothing",
    ],
)
def test_what_is_wrong_with_two_digits(found: tuple[Thing, ...], wrong: str) -> None:
    parts = GRAMMAR.agreement(PAIR, Scene(found))
    assert [part for part, right in parts.items() if not right] == wrong.split()
    assert set(parts) == {"object", "colour", "relation"}


def test_two_digits_of_one_colour_or_colours_of_one_digit_on_each_others_sides_are_wrong_in_relation() -> None:
    for kinds in (((7, "red"), (3, "red")), ((7, "red"), (7, "blue"))):
        asked, found = (
            Scene(tuple(Thing(*kind, place) for kind, place in zip(each, ("left", "right"), strict=True)))
            for each in (kinds, kinds[::-1])
        )
        assert GRAMMAR.agreement(asked, found) == {"object": True, "colour": True, "relation": False}


def test_a_place_that_is_not_asked_for_is_not_judged() -> None:
    assert GRAMMAR.agreement(Scene((Thing(7, "red"),)), Scene((SEVEN,))) == {"object": True, "colour": True}
    asked = Scene((Thing(7, "red", "top"),))
    assert GRAMMAR.agreement(asked, Scene((SEVEN,))) == {"object": True, "colour": True, "place": False}


def test_one_digit_is_also_said_without_its_place() -> None:
    texts = GRAMMAR.captions(Scene((SEVEN,)))
    assert {"a red 7 on the left", "a red 7", "red seven"} <= set(texts)
