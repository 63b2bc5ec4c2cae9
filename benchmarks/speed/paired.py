"""Paired timing: A and B in turn, several rounds, the median of the ratios. Noise hits both."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable


def paired(name: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int = 7) -> float:
    """Return the median of ours/theirs, each a figure where more is better (a throughput); the order alternates."""
    ratios = []
    for number in range(rounds):
        if number % 2:
            b, a = theirs(), ours()
        else:
            a, b = ours(), theirs()
        ratios.append(a / b)
        print(f"  {name} round {number + 1}: {a:,.1f} against {b:,.1f}, ratio {a / b:.3f}", flush=True)
    median = statistics.median(ratios)
    print(f"{name}: median ratio {median:.3f} (from {min(ratios):.3f} to {max(ratios):.3f})", flush=True)
    return median


def machine() -> str:
    """Describe the machine in a line."""
    import os

    import torch

    return f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
