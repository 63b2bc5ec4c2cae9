from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genkit.data.texts import Captions, Places, Texts, read_texts, text_file
from genkit.files.integrity import Damaged

NAMES = ["a.png", "", "ä/ö.png", "b\udcff.png", "漢字/😀.png", "c" * 300]


def written(path: Path, *several: Texts) -> Texts:
    path.write_bytes(b"".join(text_file(*several)))
    return read_texts(path)


@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "in a file"])
def test_texts_are_a_list_of_the_same_texts(tmp_path: Path, kept: bool) -> None:
    texts = written(tmp_path / "a.names", Texts(NAMES)) if kept else Texts(NAMES)
    assert list(texts) == NAMES and len(texts) == len(NAMES) and texts == NAMES
    assert [texts[place] for place in np.arange(-6, 6)] == NAMES + NAMES
    assert list(texts[2:5]) == NAMES[2:5] and list(texts[1:5][1:3]) == NAMES[2:4]
    assert texts[2:5][0] == NAMES[2] and texts[2:5][-1] == NAMES[4]
    assert list(texts[::-2]) == NAMES[::-2] and not texts[3:3]
    assert texts != NAMES[:-1] and texts != [*NAMES[:-1], "d"]
    with pytest.raises(IndexError):
        texts[6]


def test_several_are_written_as_one(tmp_path: Path) -> None:
    assert written(tmp_path / "a.names", Texts(NAMES[:2]), Texts(), Texts(NAMES)[2:]) == NAMES
    assert len(written(tmp_path / "b.names", Texts())) == 0
    assert written(tmp_path / "c.names", Texts(["", ""])) == ["", ""]


@pytest.mark.parametrize("left", [0, 7, 20, -1])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, left: int) -> None:
    path = tmp_path / "a.names"
    path.write_bytes(b"".join(text_file(Texts(NAMES)))[:left])
    with pytest.raises(Damaged, match="a.names is truncated"):
        read_texts(path)


def test_captions_are_a_list_of_tuples(tmp_path: Path) -> None:
    given = [("a cat", "small"), (), ('\u6f22 \udcff, "b"',)]
    captions = Captions()
    for texts in given:
        captions.append(texts)
    for kept in (captions, Captions(written(tmp_path / "a.texts", captions.texts))):
        assert list(kept) == given and len(kept) == 3 and kept[-1] == given[2]
        assert list(kept[1:]) == given[1:] and list(kept[::-2]) == given[::-2]
        with pytest.raises(IndexError):
            kept[3]


def test_places_are_those_of_a_text_among_others_of_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(["b", "a", "b", ""])
    assert [list(places.of(text)) for text in ("b", "a", "", "c")] == [[0, 2], [1], [3], []]
    assert list(Places([]).of("a")) == []
    monkeypatch.setattr("builtins.hash", lambda text: 5)
    assert list(Places(["b", "a"]).of("c")) == [0, 1]
