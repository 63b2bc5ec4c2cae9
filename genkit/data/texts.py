"""Many texts in little memory: the names of a million files take 25 MB, as a list of them takes 100 MB."""

from __future__ import annotations

import array
import bisect
import json
import operator
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from genkit.files.integrity import Damaged
from genkit.files.reading import open_file

_CODE = "utf-8", "surrogatepass"
"""How texts are kept: names of files may hold bytes that are no UTF-8, which Python has as surrogates."""

_STEP = 4096


class Texts(Sequence[str]):
    """A sequence of texts, kept as bytes one after another with the place where each ends; it can only grow."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._data: Any = bytearray()
        self._ends: Any = array.array("q")
        self._start, self._stop = 0, 0
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text."""
        self._data += text.encode(*_CODE)
        self._ends.append(len(self._data))
        self._stop += 1

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> Texts: ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                return Texts(self[place] for place in range(start, stop, step))
            part = Texts()
            part._data, part._ends = self._data, self._ends
            part._start, part._stop = self._start + start, self._start + max(start, stop)
            return part
        place = operator.index(key)
        if not -len(self) <= place < len(self):
            raise IndexError(f"there is no text {place} of {len(self)}")
        place += self._start if place >= 0 else self._stop
        start = int(self._ends[place - 1]) if place else 0
        return bytes(self._data[start : int(self._ends[place])]).decode(*_CODE)

    def __iter__(self) -> Iterator[str]:
        start = int(self._ends[self._start - 1]) if self._start else 0
        for first in range(self._start, self._stop, _STEP):
            for end in self._ends[first : min(first + _STEP, self._stop)].tolist():
                yield bytes(self._data[start:end]).decode(*_CODE)
                start = end

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str) or len(self) != len(other):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def own(self) -> tuple[Any, bytes]:
        """Return where each text ends, int64, and the bytes of all."""
        start = int(self._ends[self._start - 1]) if self._start else 0
        ends = np.asarray(self._ends[self._start : self._stop], dtype="<i8") - start
        return ends, bytes(self._data[start : start + (int(ends[-1]) if len(ends) else 0)])


class Captions(Sequence[tuple[str, ...]]):
    """The texts of each image, kept as ``texts``, each a list in JSON, and made anew whenever they are asked for."""

    def __init__(self, texts: Texts | None = None) -> None:
        self.texts = Texts() if texts is None else texts

    def append(self, captions: Sequence[str]) -> None:
        """Add those of an image."""
        self.texts.append(json.dumps(captions))

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, key: int) -> tuple[str, ...]: ...
    @overload
    def __getitem__(self, key: slice) -> Captions: ...
    def __getitem__(self, key: Any) -> Any:
        return Captions(self.texts[key]) if isinstance(key, slice) else tuple(json.loads(self.texts[key]))

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return (tuple(json.loads(text)) for text in self.texts)


class Places:
    """Where texts stand among many, by their hashes: 16 bytes each, as a dict of them takes 150."""

    def __init__(self, texts: Iterable[str]) -> None:
        hashes = np.fromiter(map(hash, texts), np.int64)
        order = np.argsort(hashes, kind="stable")
        self._hashes = array.array("q", hashes[order].tobytes())
        self._order = array.array("q", order.astype(np.int64).tobytes())

    def of(self, text: str) -> Iterator[int]:
        """Yield the places, in order, of texts of the same hash: whether they are the same is for the caller to see."""
        value = hash(text)
        for place in range(bisect.bisect_left(self._hashes, value), len(self._hashes)):
            if self._hashes[place] != value:
                return
            yield self._order[place]


def text_file(*several: Texts) -> Iterator[bytes]:
    """Yield the bytes of a file that ``read_texts`` reads: how many texts, where each ends, and the texts."""
    yield np.array([sum(map(len, several))], dtype="<i8").tobytes()
    before = 0
    for texts in several:
        ends, _ = texts.own()
        yield (ends + before).tobytes()
        before += int(ends[-1]) if len(ends) else 0
    for texts in several:
        yield texts.own()[1]


def read_texts(path: Path) -> Texts:
    """Return the texts of a file, which are read from it as they are asked for; raises OSError or Damaged."""
    with open_file(path) as file:
        head = file.read(8)
    count = int.from_bytes(head, "little")
    size = path.stat().st_size
    if len(head) < 8 or 8 + 8 * count > size:
        raise Damaged(f"{path} is truncated")
    found = Texts()
    if count:
        found._ends = np.memmap(path, "<i8", "r", 8, (count,)).view(np.ndarray)
        found._stop = count
        if int(found._ends[-1]) != size - 8 - 8 * count:
            raise Damaged(f"{path} is truncated")
        if size > 8 + 8 * count:
            found._data = np.memmap(path, "u1", "r", 8 + 8 * count).view(np.ndarray)
    return found
