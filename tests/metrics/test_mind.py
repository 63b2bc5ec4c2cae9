from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.errors import DataError, UsageError
from genkit.metrics import Evidence, monge_distance
from genkit.metrics import mind as module
from genkit.metrics.mind import mind
from genkit.metrics.numerics.jackknife import block_of


def rows(n, d, seed, scale=1.0, dtype=np.float64):
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale).astype(dtype)


def expected(real, generated, directions=1000, seed=2020):
    """As the paper writes it, with torch-fidelity's draws: the permutation of the larger set first."""
    generator, n, d = torch.Generator().manual_seed(seed), min(len(real), len(generated)), real.shape[1]
    used = []
    for each in (generated, real):
        kept = torch.randperm(len(each), generator=generator)[:n] if len(each) > n else torch.arange(n)
        used.append(torch.as_tensor(each)[kept].double())
    unit = torch.randn(directions, d, generator=generator, dtype=torch.float32).double()
    unit /= unit.norm(dim=1, keepdim=True)
    one, two = ((each @ unit.T).sort(dim=0).values for each in used)
    return 3 * d * float((one - two).square().mean())


@pytest.mark.parametrize("sizes", [(150, 150), (150, 231), (231, 150)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_definition_in_float64(sizes, dtype):
    real, generated = rows(sizes[0], 12, 0, dtype=dtype), rows(sizes[1], 12, 1, 1.3, dtype)
    assert monge_distance(real, generated).value == pytest.approx(expected(real, generated), rel=1e-9)
    found = monge_distance(real, generated, directions=70, seed=3)
    assert found.value == pytest.approx(expected(real, generated, 70, 3), rel=1e-9)


def test_equals_torch_fidelity():
    metric_mind = pytest.importorskip("torch_fidelity.metric_mind")
    two = rows(231, 12, 1, 1.3, np.float32), rows(150, 12, 0, dtype=np.float32)
    theirs = metric_mind.mind_features_to_metric(*map(torch.from_numpy, two), cuda=False, verbose=False)
    assert monge_distance(two[1], two[0]).value == pytest.approx(theirs["monge_inception_distance"], rel=1e-5)


def test_a_shift_costs_three_times_its_square_and_a_set_is_at_no_distance_from_itself():
    # The mean of (u . s)^2 over directions u is |s|^2 / d.
    real, shift = rows(200, 8, 0), np.full(8, 0.5)
    assert monge_distance(real, real + shift, directions=20_000).value == pytest.approx(3 * shift @ shift, rel=0.03)
    found = monge_distance(real, real[::-1].copy())
    assert (found.value, found.ci_low) == (0.0, 0.0)


def test_features_far_from_zero_keep_their_digits():
    real, generated = rows(150, 6, 0), rows(150, 6, 1, 1.1)
    near, far = monge_distance(real, generated), monge_distance(real + 1e6, generated + 1e6)
    assert far.value == pytest.approx(near.value, rel=1e-6)
    assert far.stderr == pytest.approx(near.stderr, rel=1e-6)


def test_replicates_are_distances_between_the_quantile_functions_of_the_remaining_rows():
    real, generated = rows(57, 6, 0), rows(57, 6, 1, 1.3)
    found = monge_distance(real, generated, directions=90)
    unit = torch.randn(90, 6, generator=torch.Generator().manual_seed(2020)).double().numpy()
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    blocks = block_of(57, 20)

    def distance(one, two):
        """Every value as often as the other set has values: equal sets, so sorting solves it."""
        a, b = (np.sort(np.repeat(x @ unit.T, len(y), axis=0), axis=0) for x, y in ((one, two), (two, one)))
        return 18 * np.square(a - b).mean()

    for block in (0, 7, 19):
        less_real, less_generated = real[blocks != block], generated[blocks != block]
        assert found.replicates[block] == pytest.approx(distance(less_real, generated), rel=1e-9)
        assert found.replicates[20 + block] == pytest.approx(distance(real, less_generated), rel=1e-9)


def test_how_many_rows_are_used_is_said():
    real, generated = rows(60, 4, 0), rows(1100, 4, 1)
    assert monge_distance(real, generated).note == "60 of 1,100 generated rows, drawn at random"
    found = monge_distance(generated, real)
    assert (found.note, found.n) == ("60 of 1,100 real rows, drawn at random", 60)
    assert monge_distance(real, real + 1).note == ""


def test_chunks_do_not_matter(monkeypatch):
    real, generated = rows(90, 5, 0), rows(90, 5, 1, 1.2)
    whole = monge_distance(real, generated, directions=100)
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    monkeypatch.setattr(module, "_ROWS", 11)
    tiled = monge_distance(real, generated, directions=100)
    assert tiled.value == pytest.approx(whole.value, rel=1e-12)
    assert tiled.replicates == pytest.approx(whole.replicates, rel=1e-9)


@pytest.mark.parametrize("scale", [1.0, 1.2])
def test_the_interval_holds_the_average(scale):
    found = [monge_distance(rows(100, 6, 2 * s), rows(120, 6, 2 * s + 1, scale), directions=50) for s in range(150)]
    mean = np.mean([score.value for score in found])
    assert 0.9 <= np.mean([score.ci_low <= mean <= score.ci_high for score in found]) <= 1.0
    assert all(score.ci_low <= score.value <= score.ci_high for score in found)


def test_the_metric_takes_its_parameters():
    real, generated = rows(60, 4, 0), rows(50, 4, 1)
    chosen = {"directions": 30, "seed": 1}
    evidence = Evidence.of_arrays(real_features=real, generated_features=generated, parameters=chosen)
    assert mind(evidence) == monge_distance(torch.from_numpy(real), generated, **chosen)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(DataError, match="real features has 2 rows; at least 3"):
        monge_distance(rows(2, 4, 0), rows(5, 4, 1))
    with pytest.raises(UsageError, match="at least 1, not 0"):
        monge_distance(rows(20, 4, 0), rows(20, 4, 1), directions=0)
