from __future__ import annotations

import copy
import json
import random

import pytest
import torch
from safetensors.torch import save_file
from toy_runs import EVERY_STEP, only_run

from genkit.data.stream import BatchStream
from genkit.errors import DataError, TrainingError
from genkit.training import checkpoint, snapshot
from genkit.training.api import resume
from genkit.training.ema import Ema
from genkit.training.phases import PhaseRunner
from genkit.training.runs import checkpoint_meta


def test_a_shared_optimiser_is_saved_once(run_toy):
    _, meta = checkpoint.load(run_toy("toy-gan", images=64).newest_checkpoint())
    assert len(meta["optimizers"]) == 2


def test_weights_that_are_not_finite_never_reach_a_checkpoint(run_toy, tmp_path):
    with pytest.raises(TrainingError, match="the gradient of phase 'fit' was not finite before step 4; the last"):
        run_toy(options={"kind": "weights", "at": 3})
    for path in only_run(tmp_path).checkpoints():
        assert all(t.isfinite().all() for t in checkpoint.load(path)[0].values())


def test_a_damaged_newest_checkpoint_names_the_one_before(run_toy, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5})
    *_, older, newest = only_run(tmp_path).checkpoints()
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.raises(DataError, match=f"remove it to resume from {older.name}"):
        resume(only_run(tmp_path), settings=EVERY_STEP)
    for path in only_run(tmp_path).checkpoints()[:-1]:
        path.unlink()
    with pytest.raises(DataError, match="remove it to begin the run anew"):
        resume(only_run(tmp_path), settings=EVERY_STEP)


def test_skipped_turns_are_counted_across_a_resume(run_toy, digits, tmp_path, monkeypatch):
    with pytest.raises(TrainingError, match="exploded 20 times in a row, at step 22"):
        run_toy(options={"kind": "exploding", "at": 3})
    run = only_run(tmp_path)
    assert checkpoint.load(run.newest_checkpoint())[1]["skips"] == {"fit": 19}
    with pytest.raises(TrainingError, match="exploded 20 times in a row, at step 22"):
        resume(run, dataset=digits, settings=EVERY_STEP)


def test_restoring_what_was_saved_gives_the_same_state(run_toy, digits):
    run = run_toy("toy-gan", images=160)
    state = state_of(run, digits, seed=1)
    snapshot.restore(state, run)
    assert (state.index, state.stage, state.drawn) == (5, 0, 160)
    assert state.seconds >= run.status.seconds - 1
    path = run.path / "again.safetensors"
    snapshot.save(state, path)
    (tensors, meta), (others, again) = checkpoint.load(run.newest_checkpoint()), checkpoint.load(path)
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert {**meta, "seconds": 0} == {**again, "seconds": 0}


def test_without_a_checkpoint_the_state_stays_as_it_is(run_toy, digits):
    run = run_toy("toy-gan", images=32)
    run.newest_checkpoint().unlink()
    state = state_of(run, digits)
    snapshot.restore(state, run)
    assert (state.index, state.stage, state.drawn, state.log_offset) == (0, -1, 0, 0)


def state_of(run, digits, seed=0):
    torch.manual_seed(seed)
    model = run.make_model()
    device = torch.device("cpu")
    runner = PhaseRunner(model, model.phases(), 0, device)
    stream = BatchStream(digits.train, 16, 0, device)
    return snapshot.State(model, Ema(model, model.ema, model.ema_half_life), runner, stream)


HOSTILE = [None, True, -1, 10**30, 1e308, "", "a\0", "3", [], {}, [[]], {"a": {}}, "DELETED", "RENAMED"]


def mutations(document, path=()):
    """Yield every place of a document with every hostile value, as a changed copy."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        for hostile in HOSTILE:
            yield (*path, key), hostile
        if isinstance(value, dict | list):
            yield from mutations(value, (*path, key))


def mutated(document, path, hostile):
    changed = copy.deepcopy(document)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if hostile == "DELETED":
        del holder[path[-1]]
    elif hostile == "RENAMED" and isinstance(holder, dict):
        holder["renamed"] = holder.pop(path[-1])
    else:
        holder[path[-1]] = hostile
    return changed


def test_metadata_changed_in_any_place_is_one_sentence_or_no_matter(run_toy, digits):
    run = run_toy("toy-gan", images=96)
    path = run.newest_checkpoint()
    tensors, document = checkpoint.load(path)
    failures, refused, every = [], 0, list(mutations(document))
    for place, hostile in random.Random(0).sample(every, 400):
        save_file(tensors, path, metadata={"genkit": json.dumps(mutated(document, place, hostile))})
        try:
            state = state_of(run, digits, seed=1)
            snapshot.restore(state, run)
            snapshot.save(state, run.path / "again.safetensors")
            checkpoint_meta(path)
        except DataError as error:
            refused += str(path) in str(error)
        except Exception as error:
            failures.append(f"{place} {hostile!r}: {type(error).__name__}: {error}")
    assert not failures
    assert refused > 200
