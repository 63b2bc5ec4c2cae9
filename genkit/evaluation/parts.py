"""An evaluation in parts: each process leaves the features of its share in one folder, and the last one done scores.

No process talks to another. ID is the hash of what is measured and of the number of parts.

<folder>/ID/plan.json      what is measured, and once it is written, the name of the record
<folder>/ID/part-2/        the features of part 2 (genkit.features.spool), removed once the record is written
<folder>/ID/part-2.json    says that part 2 is done, and which extractors failed in it
<folder>/ID/scored/        the record and its exhibits: whoever renames it there first has scored, the others take it

Locks save work, but nothing depends on them: features do not depend on who writes them, and ``scored`` is renamed once.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from genkit.errors import DataError, GenkitError, UsageError, of_system
from genkit.evaluation.evaluator import Evaluator, Measurement
from genkit.evaluation.plan import asked_of, differences, listed
from genkit.evaluation.reopen import read_record
from genkit.evaluation.scoring import needs_extractor
from genkit.features.cache import Arrays, FeatureCache
from genkit.features.parts import Part, extract_share, gather, read_share
from genkit.files.integrity import LISTING, check_listed, listing_of, sealed, unsealed
from genkit.files.locks import Lock, lock_at
from genkit.files.reading import read_file
from genkit.files.text import logger
from genkit.files.writing import publishing, write_atomic
from genkit.metrics.evidence import Evidence
from genkit.registry.specs import MetricSpec
from genkit.results import store
from genkit.results.locations import Folder
from genkit.results.protocol import fingerprint
from genkit.results.records import Subject, content_id, to_json

_LOG = logger(__name__)

PAUSE = 1.0
"""Seconds between two looks for the other parts."""

LONG = 30
"""Looks after which a process that waits says for which parts."""


class OthersMissing(GenkitError):
    """This part is done and others are not: ``missing`` are their numbers; none if another process is scoring."""

    def __init__(self, part: Part, missing: Sequence[int]) -> None:
        waiting = f"missing: {listed(missing)}; the last one done writes the record"
        rest = waiting if missing else "another process scores them all"
        super().__init__(f"part {part} is done; {rest}")
        self.part, self.missing = part, list(missing)


class Claimed(NamedTuple):
    """The one measurement of an evaluation in parts, the name of its record's file, and whether that is written."""

    measured: Measurement
    name: str
    stored: bool


class Scored(Exception):
    """Another process has scored this evaluation, or this one did before."""

    def __init__(self, claimed: Claimed) -> None:
        super().__init__(claimed.name)
        self.claimed = claimed


class PartsFolder:
    """A part's hand in an evaluation whose parts meet in ``folder`` and whose record goes to ``home``.

    One that ``waits`` does not return before there is a record, for processes that were launched together.
    """

    def __init__(self, folder: Path, part: Part, home: Path, *, waits: bool) -> None:
        self.folder = folder
        self.part = part
        self.home = home
        self.waits = waits
        self._asked: dict[str, Any] = {}
        self._lock: Lock | None = None

    @contextlib.contextmanager
    def sharing(self, evaluator: Evaluator) -> Iterator[None]:
        """Let ``share`` be called for what an evaluator measures meanwhile."""
        evaluator.share = self.share
        try:
            yield
        finally:
            evaluator.share = None
            if self._lock is not None:
                self._lock.release()

    def share(self, subject: Subject, specs: Sequence[MetricSpec], evidence: Evidence) -> None:
        """Do the part, and return if the caller is to score: its evidence then has the features of all parts.

        Raises OthersMissing if it is not, Scored if there is a record, UsageError where another evaluation has begun in
        the folder, DataError for a part that is damaged or can't be written.
        """
        self._asked = asked_of(self.part, subject, specs, evidence)
        caches: list[FeatureCache] = []
        if any(map(needs_extractor, specs)) or evidence.generated.keeps_images:
            caches = [evidence.generated, *([evidence.reference] if evidence.extractor is not None else [])]
        try:
            self._begin()
        except OSError as error:
            raise DataError(f"{of_system(error)}, or name another folder by --spool") from error
        if name := self._record_name():
            again = f"remove {self._place} to measure again"
            _LOG.warning("these parts were measured before, as record %s: %s", self.home / "records" / name, again)
            self._clear()  # what a process left that was killed in between
        self._raise_scored()
        self._do(caches)
        self._take_turn()
        self._gather(caches)

    def claim(self, measured: Measurement) -> Claimed:
        """Make this the one measurement of the evaluation, unless another process was first; return the one it is."""
        record = to_json(measured.record).encode()
        name = f"{store.stamp_of(self.home, measured.record)}-{content_id(record)}.json"
        files = {**measured.exhibits, name: record}
        failed: OSError | None = None
        try:
            with publishing(self._scored) as new:
                for each, data in {**files, LISTING: listing_of(files)}.items():
                    write_atomic(new / each, data)
        except OSError as error:
            failed = error
        if (claimed := self._claimed()) is None:
            raise DataError(f"{self._scored} can't be written ({failed}): make room, and do any part again") from failed
        return claimed

    def end(self, name: str) -> None:
        """Note the record, and remove the features."""
        write_atomic(self._plan, sealed({"asked": self._asked, "record": name}))
        self._clear()

    def _clear(self) -> None:
        for each in self._place.iterdir():
            if each.is_dir():
                shutil.rmtree(each, ignore_errors=True)
            elif each.name.startswith("part-"):
                each.unlink(missing_ok=True)

    @property
    def _place(self) -> Path:
        return self.folder / fingerprint(self._asked)

    @property
    def _plan(self) -> Path:
        return self._place / "plan.json"

    @property
    def _scored(self) -> Path:
        return self._place / "scored"

    def _of(self, part: Part) -> Path:
        return self._place / f"part-{part.number}"

    def _done(self, part: Part) -> Path:
        return self._place / f"part-{part.number}.json"

    def _begin(self) -> None:
        """Begin the evaluation, or join it; raises UsageError beside another one that has no record yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for other in sorted(self.folder.glob("*/plan.json")):
            plan = _read(other)
            if other.parent != self._place and not plan.get("record"):
                told = differences(plan.get("asked", {}), self._asked)
                raise UsageError(
                    f"{other.parent} has parts of another evaluation (there / here: {told}): give all parts the same "
                    "options, of the same checkpoint, or finish or remove that one, or name another folder by --spool"
                )
        begun = sealed({"asked": self._asked})
        if (name := self._record_name()) and not (self.home / "records" / name).is_file():
            write_atomic(self._plan, begun)  # its record was removed since: it is measured again
        with contextlib.suppress(OSError):
            if not self._plan.is_file():
                with publishing(self._place) as new:
                    write_atomic(new / "plan.json", begun)
        if not self._plan.is_file():
            write_atomic(self._plan, begun)

    def _do(self, caches: Sequence[FeatureCache]) -> None:
        """Leave the features of this part's share in the folder; what failed in it before is tried again."""
        if self._succeeded():
            return
        place = self._of(self.part)
        place.mkdir(exist_ok=True)
        lock = lock_at(place / ".lock")
        if not _acquired(lock):
            raise UsageError(
                f"part {self.part} is being done by another process, as its lock in {place} says: wait for it"
            )
        try:
            self._raise_scored()  # while this process came here
            faults = {each.kept_as: extract_share(each, self.part, place / each.kept_as) for each in caches}
            write_atomic(self._done(self.part), sealed({"faults": faults}))
        finally:
            lock.release()

    def _succeeded(self) -> bool:
        """Whether this part is done, and no extractor failed in it."""
        with contextlib.suppress(DataError, KeyError, AttributeError):  # a damaged note: it is written again
            return self._done(self.part).is_file() and not any(_read(self._done(self.part))["faults"].values())
        return False

    def _take_turn(self) -> None:
        """Return once all parts are done and no other process scores them."""
        for looks in itertools.count(1):
            self._raise_scored()
            missing = [part.number for part in self.part.all if not self._done(part).is_file()]
            if not missing:
                self._lock = lock_at(self._place / ".lock")
                if _acquired(self._lock):
                    self._raise_scored()  # by a process that held the lock until now
                    return
            if not self.waits:
                raise OthersMissing(self.part, missing)
            if missing and looks == LONG:
                _LOG.warning(
                    "part %s is done and waits for %s: evaluate in each process that torchrun launched, or all in this "
                    'one by part="1/1"',
                    self.part,
                    listed(missing),
                )
            time.sleep(PAUSE)

    def _gather(self, caches: Sequence[FeatureCache]) -> None:
        shares: dict[str, list[Mapping[str, Arrays]]] = {each.kept_as: [] for each in caches}
        faults: dict[str, dict[str, Any]] = {each.kept_as: {} for each in caches}
        for part in self.part.all:
            with self._readable(part):
                found = _read(self._done(part))["faults"]
                for cache in caches:
                    faults[cache.kept_as] = {**found[cache.kept_as], **faults[cache.kept_as]}
        for part in self.part.all:
            with self._readable(part):
                for kind, cache in zip(shares, caches, strict=True):
                    share = read_share(cache, part, self._of(part) / kind, faults[kind])
                    if share is None:
                        raise DataError("its features are not those that were written")
                    shares[kind].append(share)
        for cache in caches:
            gather(cache, shares[cache.kept_as], faults[cache.kept_as])

    @contextlib.contextmanager
    def _readable(self, part: Part) -> Iterator[None]:
        """Say of a part that can't be read that it is to be done again."""
        try:
            yield
        except (OSError, DataError, KeyError, TypeError) as error:
            self._raise_scored()  # without locks another process may have scored, and removed the features
            self._done(part).unlink(missing_ok=True)
            raise DataError(f"what part {part} left in {self._of(part)} is damaged: do part {part} again") from error

    def _raise_scored(self) -> None:
        if (claimed := self._claimed()) is not None:
            raise Scored(claimed)

    def _claimed(self) -> Claimed | None:
        """Return the measurement of the record, whether that is in its store or not yet; None without."""
        if name := self._record_name():
            return Claimed(Measurement(read_record(self.home / "records" / name), {}), name, stored=True)
        files = {name: data for name, data in Folder(self._place).files("scored").items() if isinstance(data, bytes)}
        right, wrong = check_listed(files)
        names = [name for name in right if content_id(right[name]) in name]
        if wrong or not names:
            if self._record_name():  # without locks: it was removed while it was read
                return self._claimed()
            if not files:
                return None
            raise DataError(f"{self._scored} is damaged: remove it, and do any part again")
        record = read_record(self._scored / names[0])
        return Claimed(Measurement(record, {name: right[name] for name in right if name != names[0]}), names[0], False)

    def _record_name(self) -> str:
        return str(_read(self._plan).get("record", "")) if self._plan.is_file() else ""


def parts_folder(part: Part | str | None, spool: Path | str | None, home: Path, default: Path) -> PartsFolder | None:
    """Return where the parts of an evaluation meet, whose record goes to ``home``; None for one without parts.

    They are given, or those of the processes that torchrun launched, which wait for each other. Raises UsageError for a
    part that there is not, or for a ``spool`` without parts.
    """
    given, launched = Part.named(part) if isinstance(part, str) else part, Part.launched()
    if (chosen := given or launched) is not None:
        return PartsFolder(default if spool is None else Path(spool), chosen, home, waits=chosen == launched)
    if spool is not None:
        raise UsageError("--spool is the folder in which parts meet: give --part too, or leave it out")
    return None


def _read(path: Path) -> dict[str, Any]:
    """Read a document of the folder; raises DataError."""
    try:
        return unsealed(read_file(path), path)
    except (OSError, DataError) as error:
        raise DataError(f"{path} can't be read ({error}): remove {path.parent}, and do all parts again") from error


def _acquired(lock: Lock) -> bool:
    """Take a lock, or go on without where the file system has none."""
    try:
        return lock.acquire()
    except OSError:
        return True
