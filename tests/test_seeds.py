from __future__ import annotations

from genkit.seeds import derive


def test_the_seed_of_a_stream_never_changes():
    """Records say "evaluation seed 0": these numbers are part of what that means."""
    assert derive(0, "sample", 3) == 2483981822820201073
    assert derive(1, "epoch", 0) == 8426432987405703283


def test_seeds_differ_by_seed_name_and_number():
    seeds = {derive(s, name, i) for s in range(20) for name in ("epoch", "turn") for i in range(20)}
    assert len(seeds) == 800


def test_adjacent_parts_do_not_run_together():
    assert derive(0, "a", 11) != derive(0, "a1", 1)
    assert derive(1, 1) != derive(11)


def test_a_seed_fits_in_63_bits():
    assert all(0 <= derive(0, i) < 2**63 for i in range(200))
