"""Images are read by several processes as by one. Tests pieces, workers and survey of genkit.data."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genkit.data import ImageDataset, open_dataset, workers
from genkit.data.folder import FolderTree
from genkit.data.pieces import Decoded, Looking, Piece, Rules, Unpacking, answered, asked, results_of
from genkit.data.source import MAX_PIXELS, DatasetRequest
from genkit.data.tree import TreeSource
from genkit.errors import DataError
from genkit.files.guard import STOPPING

Photos = Callable[..., Path]
COLOURS = Unpacking(Rules(grey=False, size=(3, 4), values=(0.0, 100.0)), keep=True)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two processes read from the first image on; return those that were started."""
    started: list[Any] = []
    start = workers._started

    def kept() -> Any:
        started.append(start())
        return started[-1]

    monkeypatch.setattr(workers, "MOMENT", 0.0)
    monkeypatch.setattr(workers, "processors", lambda: 2)
    monkeypatch.setattr("genkit.data.tree.processors", lambda: 2)
    monkeypatch.setattr(workers, "_started", kept)
    return started


def encoded(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def pieces(tmp_path: Path) -> list[Piece | DataError]:
    """An image as bytes, as a file of a strange name and as a part of one; a file that is none, and an error."""
    path = tmp_path / "ä\udcff.png"
    path.write_bytes(encoded(1))
    shard = tmp_path / "shard"
    shard.write_bytes(b"before" + encoded(2) + b"after")
    return [
        Piece("bytes", encoded(0)),
        Piece("file", path=str(path)),
        DataError("an error"),
        Piece("part", path=str(shard), part=(6, len(encoded(2)))),
        Piece("empty", b""),
        Piece("absent", path=str(tmp_path / "none")),
    ]


def shown(result: Any) -> Any:
    if isinstance(result, Decoded):
        return result.pixels.tolist(), result.encoded
    return str(result) if isinstance(result, DataError) else result


@pytest.mark.parametrize("work", [Looking(MAX_PIXELS, "genkit"), COLOURS], ids=["headers", "pixels"])
def test_processes_give_what_one_gives_in_order(tmp_path: Path, elsewhere: list[Any], work: Any) -> None:
    given = pieces(tmp_path)
    expected = [shown(work.of(piece)) for piece in given]
    batches = [[piece] for piece in given] * 3
    assert [shown(each) for each in workers.in_order(work, batches, 2)] == expected * 3
    assert len(elsewhere) == 2 and all(process.returncode is not None for process in elsewhere)
    assert "an error" in expected and any("empty" in str(each) for each in expected)


def test_a_message_holds_all_that_is_asked_and_answered(tmp_path: Path) -> None:
    given = [piece for piece in pieces(tmp_path) if isinstance(piece, Piece)]
    found = results_of(COLOURS, answered(asked(COLOURS, given)))
    assert list(map(shown, found)) == [shown(COLOURS.of(piece)) for piece in given]
    assert isinstance(found[0], Decoded) and found[0].encoded == encoded(0)


def test_a_process_that_is_killed_is_one_sentence_and_leaves_none_behind(elsewhere: list[Any]) -> None:
    work = Looking(MAX_PIXELS, "genkit")
    results = workers.in_order(work, ([Piece("a", encoded(0))] for _ in range(100)), 2)
    next(results)
    for process in elsewhere:
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(DataError, match="a process that reads images was ended"):
        list(results)
    assert all(process.returncode is not None for process in elsewhere)


def test_a_process_that_can_not_begin_is_not_taken_for_want_of_memory(
    elsewhere: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_BEGIN", "raise SystemExit(3)")
    with pytest.raises(DataError, match="ended by itself, with exit code 3"):
        next(workers.in_order(COLOURS, [[Piece("a", encoded(0))]], 2))


def test_processes_end_with_the_one_who_asked(elsewhere: list[Any]) -> None:
    results = workers.in_order(COLOURS, ([Piece("a", encoded(0))] for _ in range(100)), 2)
    next(results)
    results.close()
    assert elsewhere and all(process.returncode is not None for process in elsewhere)


def test_signals_to_all_processes_of_a_job_are_for_the_one_who_asked(elsewhere: list[Any]) -> None:
    results = workers.in_order(COLOURS, ([Piece("a", encoded(0))] for _ in range(100)), 2)
    next(results)
    process = elsewhere[0]
    assert os.getpgid(process.pid) != os.getpgrp()  # so that a terminal's Ctrl-C does not reach it
    for number in STOPPING:
        os.kill(process.pid, number)
    assert not any(isinstance(each, DataError) for each in results)


@pytest.mark.parametrize("name", ["100-bad.png", "100-damaged.png"])
def test_processes_end_with_an_error_that_is_kept(photos: Photos, elsewhere: list[Any], name: str) -> None:
    path = photos(*(f"{index:03d}.png" for index in range(200)))
    whole = (path / "005.png").read_bytes()
    (path / name).write_bytes(b"no image" if "bad" in name else whole[:-30])
    with pytest.raises(DataError, match=name) as kept:
        open_dataset(path)
    assert kept and elsewhere and all(process.returncode is not None for process in elsewhere)


def test_processes_and_temporaries_end_with_a_packing_that_is_stopped(
    photos: Photos, elsewhere: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))

    def stopped(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as kept:
        open_dataset(photos(*(f"{index:03d}.png" for index in range(200))), progress=stopped)
    assert kept and elsewhere and all(process.returncode is not None for process in elsewhere)
    assert [each.name for each in (tmp_path / "cache" / "data").iterdir()] == ["index"]


def test_files_whose_bytes_are_kept_come_in_small_batches(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    source = TreeSource(FolderTree(photos("0.png", "1.png", "2.png")), DatasetRequest())
    monkeypatch.setattr("genkit.data.tree._BYTES", 10)
    assert [len(batch) for batch in source._batches(range(3), 64, whole=True)] == [1, 1, 1]
    assert [len(batch) for batch in source._batches(range(3), 64)] == [3]


def test_a_fault_in_another_process_is_said(elsewhere: list[Any]) -> None:
    wrong = Unpacking(Rules(grey=True, size=("a", "b")))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="TypeError: "):
        next(workers.in_order(wrong, [[Piece("a", encoded(0))]], 2))
    assert elsewhere[0].returncode is not None


def facts(data: ImageDataset) -> Any:
    whole = data.everything()
    return data.sha256, data.skipped, data.left_out, list(whole.names or ()), whole.order, data.classes


def test_a_folder_is_packed_by_several_processes_as_by_one(
    photos: Photos, monkeypatch: pytest.MonkeyPatch, elsewhere: list[Any], tmp_path: Path
) -> None:
    path = photos(*(f"{'ab'[index % 2]}/{index}.png" for index in range(200)))
    (path / "a" / "100-bad.png").write_bytes(b"no image")
    damaged = (path / "b" / "5.png").read_bytes()
    (path / "b" / "6-damaged.png").write_bytes(damaged[:-30])
    several = facts(open_dataset(path, skip_bad=True, labels="folders"))
    assert len(elsewhere) == 4  # two for the headers, two for the pixels
    monkeypatch.setattr(workers, "MOMENT", 1e9)
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "other"))
    alone = facts(open_dataset(path, skip_bad=True, labels="folders"))
    assert len(elsewhere) == 4
    np.testing.assert_array_equal(several[4], alone[4])
    assert [*several[:4], several[5]] == [*alone[:4], alone[5]]
    assert several[1] == 2


def test_as_many_processes_work_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "100")
    monkeypatch.setattr(workers, "processors", lambda: 8)
    assert [workers.workers_for(memory << 20) for memory in (1, 30, 100, 101)] == [8, 3, 1, 1]
