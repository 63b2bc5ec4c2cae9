from __future__ import annotations

import dataclasses
import functools
import operator

import numpy as np
import pytest
import torch

from genkit.data import stream as module
from genkit.data.dataset import Split
from genkit.data.stream import BatchStream

CPU = torch.device("cpu")


def split(size=23, labels=True):
    pixels = (np.arange(size * 4) % 17).astype(np.uint8).reshape(size, 1, 2, 2)
    return Split("train", pixels, np.arange(size) % 5 if labels else None, levels=17)


def indices(stream, batches):
    return torch.cat([stream.next().indices for _ in range(batches)]).tolist()


@pytest.mark.parametrize("batch", [1, 5, 23, 50])
def test_every_image_comes_exactly_once_per_epoch(batch):
    drawn = indices(BatchStream(split(), batch, 0, CPU), 23)
    for epoch in range(len(drawn) // 23):
        assert sorted(drawn[23 * epoch : 23 * (epoch + 1)]) == list(range(23))


def test_epochs_and_seeds_have_orders_of_their_own():
    drawn = indices(BatchStream(split(), 23, 0, CPU), 2)
    assert drawn[:23] != drawn[23:]
    assert drawn != indices(BatchStream(split(), 23, 1, CPU), 2)


@pytest.mark.parametrize("done", [0, 1, 4, 5, 9, 40])
def test_the_cursor_is_all_that_a_resumed_stream_needs(done):
    whole = BatchStream(split(), 7, 3, CPU)
    indices(whole, done) if done else None
    resumed = BatchStream(split(), 7, 3, CPU)
    resumed.drawn = 7 * done
    assert indices(resumed, 6) == indices(whole, 6)


def test_processes_share_the_images_without_overlap():
    alone = BatchStream(split(24), 6, 0, CPU)
    shares = [BatchStream(split(24), 2, 0, CPU, rank=rank, world=3) for rank in range(3)]
    for _ in range(9):
        common = functools.reduce(operator.iadd, (share.next().indices.tolist() for share in shares), [])
        assert common == alone.next().indices.tolist()
    assert {share.drawn for share in shares} == {alone.drawn}


def test_images_labels_and_indices_belong_together():
    data = split()
    batch = BatchStream(data, 8, 0, CPU).next()
    assert batch.images.dtype == torch.float32
    assert batch.images.shape == (8, 1, 2, 2)
    assert torch.equal(batch.images, data.images(batch.indices.numpy()))
    assert batch.labels.tolist() == [index % 5 for index in batch.indices.tolist()]
    assert BatchStream(split(labels=False), 8, 0, CPU).next().labels is None


def test_the_brightest_level_is_one():
    batch = BatchStream(split(), 23, 0, CPU).next()
    assert (batch.images.min().item(), batch.images.max().item()) == (0.0, 1.0)


def test_a_split_too_large_for_memory_gives_the_same_batches(monkeypatch):
    resident = BatchStream(split(), 8, 0, CPU)
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    mapped = BatchStream(split(), 8, 0, CPU)
    assert mapped._resident is None
    for _ in range(6):
        one, other = resident.next(), mapped.next()
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.indices, other.indices)


def test_the_next_batch_of_a_large_split_is_read_beforehand_also_where_it_is_resumed(monkeypatch):
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    data, read = split(), []

    class Counted(Split):
        def images(self, places):
            read.append(tuple(places))
            return super().images(places)

    large = BatchStream(Counted("train", data.pixels, data.labels, 17), 8, 0, CPU)
    plain = BatchStream(data, 8, 0, CPU)
    drawn = [large.next() for _ in range(5)]
    large._reader.shutdown()
    assert read == [tuple(plain.next().indices.tolist()) for _ in range(6)]
    large._reader = None
    large.drawn = plain.drawn = 80
    assert torch.equal(large.next().images, plain.next().images)
    assert torch.equal(drawn[1].images, data.images(drawn[1].indices.numpy()))


def test_a_batch_shares_no_memory_with_the_data():
    data = split()
    stream = BatchStream(data, 23, 0, CPU)
    before = data.pixels.copy()
    stream.next().images.fill_(0.5)
    assert np.array_equal(data.pixels, before)
    assert stream.next().images.unique().numel() > 1


def test_prompts_are_captions_of_the_images_and_resume_with_the_stream():
    captions = [(), ("a",), ("b", "c")]
    texts = dataclasses.replace(split(3), captions=captions)
    stream = BatchStream(texts, 3, 0, CPU)
    batches = [stream.next() for _ in range(30)]
    for batch in batches:
        for index, prompt in zip(batch.indices.tolist(), batch.prompts, strict=True):
            assert prompt in (captions[index] or ("",))
    assert {"b", "c"} <= {prompt for batch in batches for prompt in batch.prompts}
    resumed = BatchStream(texts, 3, 0, CPU)
    resumed.drawn = 60
    assert resumed.next().prompts == batches[20].prompts
    assert BatchStream(split(3), 3, 0, CPU).next().prompts is None
