"""Parts of one pass over images: their shares make up the whole, bit by bit, wherever they were extracted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evidences import CPU, Counting, Sampler

from genkit.errors import UsageError
from genkit.evaluation.samples import ModelSamples, SplitImages
from genkit.features.cache import FeatureCache
from genkit.features.parts import Part, Share, extract_share, gather, read_share


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("genkit.features.spool.SYNC_SECONDS", -1.0)


class Choosy(Counting):
    """Fails on a chunk that begins with a certain image."""

    def __init__(self, refused):
        super().__init__("choosy")
        self.refused = refused

    def __call__(self, images, tick=lambda done: None):
        if torch.equal(images[0], torch.from_numpy(self.refused)):
            raise ValueError("no such images")
        return super().__call__(images, tick)


def of_model(digits, *extractors, images=False):
    samples = ModelSamples(Sampler(digits.info()), 100, 32, 0, CPU)
    return FeatureCache(samples, extractors or (Counting(),), "samples", images=images)


def in_parts(make, number, folder):
    """What one process has after all parts, each of a process and an extractor of its own."""
    faults = {}
    parts = Part(1, number).all
    for part in reversed(parts):
        faults |= extract_share(make(), part, folder / str(part.number))
    cache = make()
    gather(cache, [read_share(cache, part, folder / str(part.number), faults) for part in parts], faults)
    return cache


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_shares_make_up_the_whole_to_the_last_bit(digits, tmp_path, monkeypatch, number):
    whole = of_model(digits, images=True)
    features, logits, images = whole.features("counting"), whole.logits("counting"), whole.images()
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "another machine"))
    gathered = in_parts(lambda: of_model(digits, images=True), number, tmp_path / "spool")
    np.testing.assert_array_equal(gathered.features("counting"), features)
    np.testing.assert_array_equal(gathered.logits("counting"), logits)
    np.testing.assert_array_equal(gathered.images(), images)
    assert gathered.extractors[0].count == 0


@pytest.mark.parametrize(("count", "chunk"), [(100, 32), (96, 32), (5, 250), (7, 1)])
@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_each_image_is_in_one_share_and_shares_begin_at_chunks(digits, count, chunk, number):
    samples = SplitImages(digits.test, count, chunk)
    shares = [Share(samples, part, {}) for part in Part(1, number).all]
    rows = [row for share in shares for row in range(count)[share.rows]]
    assert rows == list(range(count))
    assert all(share.rows.start % chunk == 0 for share in shares if share.count)
    sizes = [-(-share.count // chunk) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    for share in shares:
        drawn = [*share.chunks()]
        assert sum(map(len, drawn)) == share.count
        np.testing.assert_array_equal(share.labels(), samples.labels()[share.rows])
        if len(drawn) > 1:
            assert torch.equal(next(iter(share.chunks(chunk))), drawn[1])


def test_an_interrupted_share_resumes_at_its_next_chunk(digits, tmp_path):
    def stop(what, done, total):
        if done == 32:
            raise KeyboardInterrupt

    broken = FeatureCache(SplitImages(digits.test, 200, 32), [Counting()], "samples", stop)
    with pytest.raises(KeyboardInterrupt):
        extract_share(broken, Part(2, 2), tmp_path)
    again = Counting()
    extract_share(FeatureCache(SplitImages(digits.test, 200, 32), [again], "samples"), Part(2, 2), tmp_path)
    assert again.count == 200 - 3 * 32 - 32


def test_what_the_cache_holds_is_copied_and_not_extracted_again(digits, tmp_path):
    def reference(extractor):
        return FeatureCache(SplitImages(digits.test, 100, 32), [extractor], "reference")

    whole = reference(Counting()).features("counting")
    other = Counting()
    extract_share(reference(other), Part(2, 3), tmp_path)
    assert other.count == 0
    (found,) = tmp_path.glob("*/features.npy")
    np.testing.assert_array_equal(np.load(found), whole[32:64])


@pytest.mark.parametrize("damage", ["changed", "removed", "another count"])
def test_a_share_that_is_not_what_was_written_is_not_read(digits, tmp_path, damage):
    extract_share(of_model(digits), Part(1, 2), tmp_path)
    assert read_share(of_model(digits), Part(1, 2), tmp_path, ()) is not None
    (file,) = tmp_path.glob("*/features.npy")
    if damage == "changed":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(bytes(data))
    elif damage == "removed":
        file.unlink()
    part = Part(1, 3) if damage == "another count" else Part(1, 2)
    assert read_share(of_model(digits), part, tmp_path, ()) is None


def test_an_extractor_that_fails_in_one_part_has_the_reason_that_it_has_without_parts(digits, tmp_path, monkeypatch):
    refused = next(iter(of_model(digits).samples.chunks(64)))[0].numpy()

    def make():
        return of_model(digits, Choosy(refused), Counting())

    with pytest.raises(Exception, match="no such images") as without:
        make().features("choosy")
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "another machine"))
    gathered = in_parts(make, 2, tmp_path / "spool")
    with pytest.raises(type(without.value)) as caught:
        gathered.features("choosy")
    assert str(caught.value) == str(without.value)
    assert len(gathered.features("counting")) == 100


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "-1/3", "1/0", "1/3/5", ""])
def test_a_part_that_there_is_not_is_refused(text):
    with pytest.raises(UsageError, match=r"there is no part .*: give --part I/N with I from 1 to N, such as 3/8$"):
        Part.named(text)


def test_processes_of_torchrun_are_parts_by_rank(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Part.launched() is None
    for name, value in (("WORLD_SIZE", "1"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    assert Part.launched() is None
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert Part.launched() == Part.named("1/3")
    monkeypatch.setenv("RANK", "2")
    assert str(Part.launched()) == "3/3"
