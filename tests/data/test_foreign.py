"""A plugin's data set that raises, exits, prints or gives what no data set gives is named, whenever that is."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from genkit.cli.process import stoppable
from genkit.data import foreign
from genkit.data.foreign import Foreign
from genkit.data.open import open_dataset
from genkit.data.pack import pack_source
from genkit.data.source import Item, Source, SourceItems
from genkit.errors import DataError, GenkitError, PluginError
from genkit.plugin import DatasetSpec
from genkit.registry.discovery import Plugin, registry

WHAT = "dataset 'odd' of odd_data:work"


class Odd(Source):
    """Twelve images; ``acts`` are done in a part of it, ``gives`` replaces what it gives there."""

    name = "odd"

    def __init__(self, acts: dict[str, Callable[[], Any]], gives: dict[str, Any]) -> None:
        self.acts, self.gives = acts, gives

    def _at(self, part: str, value: Any) -> Any:
        self.acts.get(part, lambda: None)()
        return self.gives.get(part, value)

    def key(self) -> Any:
        return self._at("key", "odd")

    def read(self) -> Any:
        return self._at("read", SourceItems((1, 2, 2), 12, self._items()))

    def close(self) -> None:
        self._at("close", None)

    def _items(self) -> Iterator[Any]:
        for number in range(12):
            yield self._at("items", Item(np.full((1, 2, 2), number, np.uint8)))


Offer = Callable[..., None]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Offer the data set: offer(acts, gives)."""

    def add(acts: dict[str, Any] | None = None, gives: dict[str, Any] | None = None) -> None:
        module = types.ModuleType("odd_data")
        module.work = lambda request: Odd(acts or {}, gives or {})  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "odd_data", module)
        specs: Any = {DatasetSpec: [DatasetSpec("odd", "odd_data:work")]}
        monkeypatch.setattr(registry(), "plugins", [*registry().plugins, Plugin("zoo", "zoo", "1", specs)])

    return add


def stop(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


ENDS = {
    "SystemExit: 0": stop(SystemExit(0)),
    "KeyboardInterrupt": stop(KeyboardInterrupt()),
    "ZeroDivisionError: zero": stop(ZeroDivisionError("zero")),
    "OSError: [Errno 28] full": stop(OSError(28, "full")),
    "it calls os._exit, which would end genkit": lambda: os._exit(0),
}
FAILURES = {"key": "key fails", "read": "reading fails", "items": "images fail", "close": "closing fails"}


@pytest.mark.parametrize("part", FAILURES)
@pytest.mark.parametrize("words", ENDS)
def test_a_data_set_that_would_end_the_process_is_named(offer: Offer, part: str, words: str) -> None:
    offer({part: ENDS[words]})
    with stoppable(), pytest.raises(PluginError) as caught:
        open_dataset("odd")
    assert str(caught.value) == f"{WHAT} can't be read: its {FAILURES[part]}: {words}"


@pytest.mark.parametrize("part", FAILURES)
def test_what_a_data_set_prints_is_on_stderr(offer: Offer, part: str, capfd: pytest.CaptureFixture[str]) -> None:
    offer({part: lambda: os.system("echo LOUD")})
    assert len(open_dataset("odd").everything()) == 12
    out, err = capfd.readouterr()
    assert out == "" and "LOUD" in err


def test_a_name_that_can_not_be_asked_twice_is_named() -> None:
    class Nameless(Odd):
        @property
        def name(self) -> str:  # type: ignore[override]
            raise KeyError("gone")

    with pytest.raises(PluginError, match=f"^{WHAT} can't be read: its name fails: KeyError: 'gone'"):
        Foreign(Nameless({}, {}), WHAT)


def test_its_own_answer_is_raised_as_it_is(offer: Offer) -> None:
    offer({"read": stop(DataError("the tape is torn"))})
    with pytest.raises(DataError, match=r"^the tape is torn$"):
        open_dataset("odd")


PIXELS = np.zeros((1, 2, 2), np.uint8)
WRONG: list[tuple[str, Any, str]] = [
    ("key", object(), "its key fails: TypeError: Object of type object is not JSON serializable"),
    ("read", None, "its reading fails: it gives NoneType, not SourceItems"),
    ("read", SourceItems("xyz", 12, []), "its reading fails: its shape is 'xyz', not"),  # type: ignore[arg-type]
    ("read", SourceItems((1, 2, 2), 1, [], classes=(1,)), "its classes is (1,), not texts"),  # type: ignore[arg-type]
    ("read", SourceItems((1, 2, 2), 1, 3), "its images fail: TypeError: "),  # type: ignore[arg-type]
    ("items", [[1]], "odd gives list where an Item is due"),
    ("items", Item([[1]]), "odd gives pixels of list where an array is due"),  # type: ignore[arg-type]
    ("items", Item(PIXELS, "a"), "odd gives label 'a' where none is due"),  # type: ignore[arg-type]
    ("items", Item(PIXELS, split="all"), "odd gives split 'all' where"),  # type: ignore[arg-type]
    ("items", Item(PIXELS, name=3), "odd gives name 3 and captions () where texts are due"),  # type: ignore[arg-type]
    ("items", Item(PIXELS, captions=None), "odd gives name '' and captions None where"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("part", "given", "words"), WRONG)
@pytest.mark.parametrize("size", [None, 4])
def test_what_no_data_set_gives_is_named(offer: Offer, part: str, given: Any, words: str, size: int | None) -> None:
    offer(gives={part: given})
    with pytest.raises(GenkitError) as caught:
        open_dataset("odd", size=size)
    assert words in str(caught.value)


def test_images_are_passed_on_one_by_one_however_many_come_in_a_moment(
    offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    for most in (0, 9, 1 << 20):
        monkeypatch.setattr(foreign, "LARGE", most)
        items = Foreign(Odd({}, {}), WHAT).read().items
        taken.append([item.pixels[0, 0, 0] for item in items if item is not None])
    assert taken == [list(range(12))] * 3


def test_a_data_set_is_told_by_name_while_it_makes_an_image(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("genkit.registry.fence.tell", told.append)
    offer({"items": lambda: told.append("image")})
    open_dataset("odd")
    assert told[told.index("image") - 1] == WHAT and told[-1] == ""


def test_behind_the_guard_a_packed_data_set_is_found_again() -> None:
    plain = pack_source(Odd({}, {}))
    guarded = pack_source(Foreign(Odd({"read": lambda: os._exit(0)}, {}), WHAT))
    assert guarded.packed.sha256 == plain.packed.sha256
