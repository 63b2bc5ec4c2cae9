"""Boards as files: what to train and measure, written down, run once, resumed at any moment."""

from genkit.bench.jobs import Job, Outcome, outcomes
from genkit.bench.plan import Plan, read_plan
from genkit.bench.runner import run

__all__ = ["Job", "Outcome", "Plan", "outcomes", "read_plan", "run"]
