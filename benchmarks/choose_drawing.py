"""Choose a preset's drawing options: the FID of a run's samples to its own training images at each value of an option.

The test images, by which boards rank, take no part in the choice.

uv run python benchmarks/choose_drawing.py runs/mnist/vq-gpt/1234 guidance=1,1.25,1.5,2
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import genkit
from genkit.evaluation.config import EvalConfig
from genkit.features import default_extractor
from genkit.options import parse_assignments
from genkit.results.records import RecordedScore
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import named_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("values", nargs="+", help="NAME=V1,V2 of options of drawing; all combinations are measured")
    parser.add_argument("--features", help="the extractor; default: the data set's own")
    parser.add_argument("--count", type=int, default=5000, help="samples")
    arguments = parser.parse_args()
    run = named_run(arguments.run)
    data = open_run_dataset(run)
    config = EvalConfig(metrics=["fid"], features=arguments.features or default_extractor(data))
    named = [text.split("=", 1) for text in arguments.values]
    found: dict[str, RecordedScore] = {}
    for point in itertools.product(*(values.split(",") for _, values in named)):
        given = [f"{name}={value}" for (name, _), value in zip(named, point, strict=True)]
        sampling = parse_assignments(given)
        drawn = genkit.sample(run, arguments.count, sampling=sampling)
        record = genkit.compare(drawn, data.train, config, keep=True).record
        score = record.scores[0]
        label = " ".join(given)
        found[label] = score
        print(f"{label:30} fid {score.value:.4f}  [{score.ci_low:.4f}, {score.ci_high:.4f}]", flush=True)
    print(f"least: {min(found, key=lambda label: found[label].value)}")


if __name__ == "__main__":
    main()
