"""What the headers of all images of a set say together, told one by one so that none is kept."""

from __future__ import annotations

from collections import Counter

from genkit.data.decode import Header
from genkit.data.source import DatasetRequest
from genkit.errors import DataError


class Survey:
    """What is known of the images that were added: their sizes, colours and kinds, and which are generated."""

    def __init__(self, name: str, request: DatasetRequest) -> None:
        self.name, self.request = name, request
        self.count = 0
        """The images that can be used, also those that are left out as generated."""
        self.values: set[str] = set()
        self.grey = True
        self.heights, self.widths = _Range(), _Range()
        self._first: tuple[str, Header] | None = None
        self._other: tuple[str, Header] | None = None
        self._coloured = self._resized = False
        self._special: dict[str, None] = {}
        self._animated, self._first_animated = 0, ""
        self._says: Counter[str] = Counter()
        self._first_generated = ""

    def add(self, name: str, header: Header, says: str) -> bool:
        """Add an image and what says that it is generated; return whether it is one of the set."""
        self.count += 1
        if says:
            self._first_generated = self._first_generated or name
            self._says[says] += 1
            if self.request.exclude_generated:
                return False
        size = header.height, header.width
        self._first = self._first or (name, header)
        if self._other is None and size != (self._first[1].height, self._first[1].width):
            self._other = name, header
        self.heights.add(header.height)
        self.widths.add(header.width)
        self._resized |= self.request.shape is not None and size != self.request.shape
        self.grey &= header.grey
        self._coloured |= not header.grey
        self.values.add(header.values)
        self._special.update(dict.fromkeys(header.special))
        if header.frames:
            self._animated += 1
            self._first_animated = self._first_animated or name
        return True

    @property
    def generated(self) -> int:
        """How many images of the set are generated."""
        return 0 if self.request.exclude_generated else self._says.total()

    @property
    def generated_by(self) -> str:
        """What says that they are, such as ``3 by genkit, 1 by XMP, such as a.png``, or an empty string."""
        return "" if self.request.exclude_generated else self._listed()

    def excluded(self) -> list[str]:
        """Return a note on the generated images that are left out; raises DataError if all are."""
        number = self._says.total() if self.request.exclude_generated else 0
        if number and number == self.count:
            raise DataError(
                f"all {number:,} images of {self.name} are generated ({self._listed()}): use them by --allow-generated"
            )
        said = f"images are left out, as their metadata say that they are generated ({self._listed()})"
        return [f"{number:,} of {self.count:,} {said}"] if number else []

    def common_size(self) -> tuple[int, int, str]:
        """Return the common or largest height and width, and why images of several sizes can't be trained on."""
        if self.request.shape is not None:
            return *self.request.shape, ""
        assert self._first is not None
        name, header = self._first
        if self._other is None:
            return header.height, header.width, ""
        second, other = self._other
        several = (
            f"{self.name} has images of different sizes: {name} is {header.height}x{header.width}, "
            f"{second} is {other.height}x{other.width} (height x width); give one size, e.g. --size "
            f"{min(self.heights.least, self.widths.least)}"
        )
        if self.request.decoding == "genkit":
            raise DataError(several)
        return self.heights.most, self.widths.most, several

    def notes(self) -> list[str]:
        """Return sentences on how files were read that can be read in several ways."""
        notes = []
        own = self.request.decoding == "genkit"
        kinds = self.values if self.request.values is None else set()
        if self._animated:
            notes.append(
                f"of {self._animated:,} files with several frames the first is read, such as {self._first_animated}"
            )
        if not own and "16-bit" in kinds:
            notes.append('16-bit values above 255 are read as 255, as by convert("RGB") in other packages')
        if not own and "float" in kinds:
            notes.append('floats are cut to whole levels, [0, 1] to black, as by convert("RGB") in other packages')
        return notes

    @property
    def deep(self) -> bool:
        """Whether all images have 16 bits, whose range is not given."""
        own = self.request.decoding == "genkit" and self.request.values is None
        return own and self.values <= {"16-bit", "16-bit colour"}

    def departures(self, grey: bool, size: tuple[int, int]) -> tuple[str, ...]:
        """Return what of these images ``convert("RGB")`` alone would have read otherwise."""
        special = self._special if self.request.decoding == "genkit" else {}
        departures = {
            f"{' and '.join(special)} read by genkit's rules": bool(special),
            f"resized to {size[0]}x{size[1]}": self._resized,
            "made grey": grey and self._coloured,
            "a range of values": self.request.values is not None,
        }
        return tuple(what for what, applies in departures.items() if applies)

    def _listed(self) -> str:
        counts = [f"{count:,} by {says}" for says, count in self._says.most_common()]
        return ", ".join([*counts, f"such as {self._first_generated}"]) if counts else ""


class _Range:
    """The least and the most of some numbers."""

    def __init__(self) -> None:
        self.least, self.most = 1 << 62, 0

    def add(self, number: int) -> None:
        self.least, self.most = min(self.least, number), max(self.most, number)
