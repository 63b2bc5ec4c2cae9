from __future__ import annotations

from making import record, training

from genkit.benchmark.estimate import seconds, throughputs
from genkit.results.jobs import Job


def trained(name, images, took, **changes):
    return record(name, trained=training(images=images, seconds=took, **changes))


def test_throughput_is_the_median_over_finished_training():
    found = throughputs(
        [
            *(trained("vae", images, 10.0) for images in (1000, 2000, 9000)),
            trained("vae", 100, 10.0, finished=False),
            trained("vae", 100, 10.0, finished=False),
            trained("gan", 100, 10.0, finished=False),
            trained("ppca", 0, 0.0),
            record("real test", kind="baseline"),
        ]
    )
    assert found == {"vae": 200.0}


def test_what_never_ran_has_no_estimate():
    todo = [Job(name, "", "", {}, "", 0, 1000, 10, {}) for name in ("vae", "gan", "vae", "gan")]
    assert seconds(todo, {"vae": 200.0}) == (10.0, ["gan"])
