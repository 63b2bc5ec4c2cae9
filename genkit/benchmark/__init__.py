"""Boards as files: what to train and measure, written down, run once, resumed at any moment."""

from genkit.benchmark.plan import Plan, read_plan
from genkit.benchmark.runner import run
from genkit.results.jobs import Job, Outcome, outcomes

__all__ = ["Job", "Outcome", "Plan", "outcomes", "read_plan", "run"]
