"""Benchmarks: a file lists models, seeds and metrics; its jobs run once each and resume after any interruption."""

from genkit.benchmark.api import Benchmark, bench, open_benchmark
from genkit.benchmark.plan import Plan, read_plan
from genkit.benchmark.runner import run_jobs
from genkit.results.jobs import Job, Outcome, outcomes

__all__ = ["Benchmark", "Job", "Outcome", "Plan", "bench", "open_benchmark", "outcomes", "read_plan", "run_jobs"]
