"""Boards as files: what to train and measure, written down, run once, resumed at any moment."""

from genkit.bench.plan import Plan, read_plan
from genkit.bench.runner import run
from genkit.outcomes import Job, Outcome, outcomes

__all__ = ["Job", "Outcome", "Plan", "outcomes", "read_plan", "run"]
