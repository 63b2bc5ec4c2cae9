"""The captions of ``scenes``: a Scene is said in several phrasings, and read back from any of them.

Which combinations are held out from training is decided here, by arithmetic, so that every digit, colour and place is
trained on, and every pair of two of the three almost everywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from genkit.data.grammar import Grammar
from genkit.data.phrasings import COLOURS, PLACES, RELATIONS, phrasings, read, say

SIDES = {
    "left of": ("left", "right"),
    "right of": ("right", "left"),
    "above": ("top", "bottom"),
    "below": ("bottom", "top"),
}
"""The places of the first and of the other thing in each relation."""

ONE, TWO = phrasings("scenes-one"), phrasings("scenes-two")


@dataclass(frozen=True)
class Thing:
    """A digit in a colour at a place; the place is empty where a caption leaves it open."""

    digit: int
    colour: str
    place: str = ""


@dataclass(frozen=True)
class Scene:
    """One thing, or two: the left one and then the right one, or the upper one and then the lower one."""

    things: tuple[Thing, ...]

    @property
    def relation(self) -> str:
        """``left of`` or ``above``, the first thing of two to the second; empty for another number of things."""
        places = tuple(thing.place for thing in self.things)
        return next((relation for relation, sides in SIDES.items() if sides == places), "")


def singles() -> Iterator[Scene]:
    """Yield all scenes of one thing at a place."""
    for digit, colour, place in itertools.product(range(10), COLOURS, PLACES):
        yield Scene((Thing(digit, colour, place),))


def pairs() -> Iterator[Scene]:
    """Yield all scenes of two things, which differ in digit, colour or both."""
    kinds = list(itertools.product(range(10), COLOURS))
    for one, other, relation in itertools.product(kinds, kinds, ("left of", "above")):
        if one != other:
            first, second = SIDES[relation]
            yield Scene((Thing(*one, first), Thing(*other, second)))


def held_out_thing(thing: Thing) -> bool:
    """Return whether a combination of digit, colour and place is in no training image: 35 of 350."""
    colour, place = COLOURS.index(thing.colour), [*PLACES].index(thing.place)
    return (thing.digit + 3 * colour + 7 * place) % 10 == 0


def held_out_pair(scene: Scene) -> bool:
    """Return whether two digits are in this relation in no training image: 20 of 200, one for each first digit."""
    first, second = (thing.digit for thing in scene.things)
    return (first + 3 * second + 5 * (scene.relation == "above")) % 10 == 4


def trained_on(scene: Scene) -> bool:
    """Return whether a scene with all places may be in the training images."""
    held_out = any(map(held_out_thing, scene.things)) or (len(scene.things) == 2 and held_out_pair(scene))
    return not held_out


class SceneGrammar(Grammar):
    """Sentences such as "a red 7 left of a blue 3"; what they say is a Scene."""

    def parse(self, text: str) -> Scene | None:
        """Return the scene that a text in any phrasing says, or None."""
        for template in (*ONE.seen, *ONE.unseen):
            if (values := read(template, text)) is not None:
                return Scene((_thing(values, values.get("where", "")),))
        for template in (*TWO.seen, *TWO.unseen):
            if (values := read(template, text)) is not None:
                sides = SIDES[values["relation"]]
                other = {name.removeprefix("other_"): value for name, value in values.items() if "other_" in name}
                things = (_thing(values, sides[0]), _thing(other, sides[1]))
                return Scene(things if values["relation"] in ("left of", "above") else things[::-1])
        return None

    def say(self, scene: Scene, templates: Sequence[str]) -> tuple[str, ...]:
        """Return a scene in some phrasings: all that fit it, those of two things from both sides."""
        if len(scene.things) == 1:
            (thing,) = scene.things
            fit = [each for each in templates if thing.place or "{where}" not in each]
            fit = [each for each in fit if not thing.place or "{where}" in each]
            return tuple(say(each, {**_values(thing), "where": thing.place}) for each in fit)
        relations = [RELATIONS[RELATIONS.index(scene.relation) + turned] for turned in (0, 1)]
        said = []
        for template, (turned, relation) in itertools.product(templates, enumerate(relations)):
            one, other = scene.things[::-1] if turned else scene.things
            second = {f"other_{name}": value for name, value in _values(other).items()}
            said.append(say(template, {**_values(one), **second, "relation": relation}))
        return tuple(said)

    def captions(self, scene: Scene) -> tuple[str, ...]:
        """Return a scene in all seen phrasings, first the one that says everything."""
        if len(scene.things) == 2:
            return self.say(scene, TWO.seen)
        (thing,) = scene.things
        return self.say(scene, ONE.seen) + self.say(Scene((Thing(thing.digit, thing.colour),)), ONE.seen)

    def unseen(self, text: str) -> tuple[str, ...]:
        """Return what a text says in the held-out phrasings."""
        scene = self.parse(text)
        return () if scene is None else self.say(scene, ONE.unseen if len(scene.things) == 1 else TWO.unseen)

    def held_out(self) -> Mapping[str, tuple[str, ...]]:
        """Return prompts for held-out things, one in each scene, and for held-out pairs of things that are not."""
        alone = [scene for scene in singles() if not trained_on(scene)]
        together = [scene for scene in pairs() if held_out_pair(scene) and not any(map(held_out_thing, scene.things))]
        return {
            "held-out combinations": tuple(text for scene in alone for text in self.say(scene, ONE.seen)),
            "held-out pairs": tuple(text for scene in together for text in self.say(scene, TWO.seen)),
        }

    def agreement(self, asked: Scene, found: Scene) -> dict[str, bool]:
        """Return whether object, colour, and place or relation are as asked, in a scene whose places are all known.

        Each thing asked for is compared with one that is found, so that as much as possible agrees, digits before
        colours before places: of two digits with each other's colours the colours are wrong, of two on each other's
        sides the relation. A thing too many is a wrong object; one too few is wrong in all.
        """

        def agreed(chosen: Sequence[Thing | None]) -> list[int]:
            each = [_agree(*pair) for pair in zip(asked.things, chosen, strict=True)]
            return [sum(map(sum, each)), *map(sum, zip(*each, strict=True))]

        missing = [None] * max(0, len(asked.things) - len(found.things))
        best = max(itertools.permutations([*found.things, *missing], len(asked.things)), key=agreed)
        digits, colours, places = zip(*map(_agree, asked.things, best), strict=True)
        parts = {"object": all(digits) and len(found.things) == len(asked.things), "colour": all(colours)}
        if len(asked.things) == 2:
            return {**parts, "relation": all(places)}
        return {**parts, "place": all(places)} if asked.things[0].place else parts


def _thing(values: Mapping[str, str], place: str) -> Thing:
    return Thing(int(values["digit"]), values["colour"], place)


def _values(thing: Thing) -> dict[str, str]:
    return {"digit": str(thing.digit), "colour": thing.colour}


def _agree(asked: Thing, found: Thing | None) -> tuple[bool, bool, bool]:
    if found is None:
        return False, False, False
    return asked.digit == found.digit, asked.colour == found.colour, asked.place in ("", found.place)
