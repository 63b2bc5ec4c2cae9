"""What became of the tries, as text and as Markdown."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

from attacks import catalogue
from attacks.trying import Outcome

BEGIN, END = "<!-- begin table -->", "<!-- end table -->"


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, int, int, float, float]]:
    """Return class, tries, survived, longest seconds and peak megabytes."""
    found = []
    for name in catalogue.CLASSES:
        own = [outcome for outcome in outcomes if outcome.name == name]
        if own:
            survived = sum(not outcome.problems for outcome in own)
            slowest, peak = max(each.seconds for each in own), max(each.peak for each in own)
            found.append((name, len(own), survived, slowest, peak / 1e6))
    return found


def text(outcomes: Sequence[Outcome]) -> str:
    """Return the table for a terminal, and the failures by what went wrong."""
    lines = [f"{'class':10} {'tries':>6} {'survived':>9} {'longest':>9} {'peak':>9}"]
    lines += [f"{n:10} {t:6} {s:9} {slow:7.1f} s {peak:6.0f} MB" for n, t, s, slow, peak in rows(outcomes)]
    failed = [outcome for outcome in outcomes if outcome.problems]
    lines += ["", f"{len(failed)} of {len(outcomes)} failed", *(outcome.repeat for outcome in failed)]
    return "\n".join(lines)


def failure(outcome: Outcome) -> str:
    """Return what a failed try did and what went wrong."""
    problems = "\n".join(f"  - {problem}" for problem in dict.fromkeys(outcome.problems))
    return f"FAILED {outcome.name} {outcome.number} ({outcome.seconds:.1f} s): {outcome.did}\n{problems}\n  {outcome.repeat}"


def line(outcome: Outcome) -> str:
    """Return what a try did, and for each command its exit code and the last line on stderr."""
    ends = [(call.code, (call.err.strip().splitlines() or [""])[-1][:110]) for call in outcome.calls]
    said = "".join(f"\n    {code} {ascii(text)[1:-1]}" for code, text in dict.fromkeys(ends))
    return f"{outcome.name} {outcome.number} ({outcome.seconds:.1f} s): {outcome.did}{said}"


def shown(outcome: Outcome) -> str:
    """Return all that a try printed, harmless for a terminal."""
    parts = [f"{outcome.did}\n{outcome.seconds:.1f} s, {outcome.peak / 1e6:.0f} MB"]
    for call in outcome.calls:
        parts.append(
            f"$ genkit {' '.join(call.argv)!a}\n{_harmless(call.out)}{_harmless(call.err)}exit code {call.code}"
        )
    return "\n".join(parts)


def _harmless(output: str) -> str:
    return "".join(f"  {ascii(line)[1:-1][:400]}\n" for line in output.splitlines()[-25:])


def markdown(outcomes: Sequence[Outcome], seed: int) -> str:
    """Return the table in Markdown, with where and when it was made."""
    lines = ["| class | what is tried | tries | survived | longest | peak memory |", "|---|---|---|---|---|---|"]
    for name, tries, survived, slowest, peak in rows(outcomes):
        what = catalogue.WHAT[name]
        lines.append(f"| `{name}` | {what} | {tries} | {survived} | {slowest:.1f} s | {peak:.0f} MB |")
    made = ", ".join(
        [f"genkit {importlib.metadata.version('genkit-toolkit')}", f"Python {platform.python_version()}",
         f"{platform.system()} {platform.machine()}", f"seed {seed}", f"{datetime.date.today():%Y-%m-%d}"]
    )  # fmt: skip
    failed = [f"- `{each.repeat}`: {_plain(each.problems[0])}" for each in outcomes if each.problems]
    return "\n".join([*lines, "", f"Made by `benchmarks/attacks.py` with {made}.", *(["", *failed] if failed else [])])


def _plain(problem: str) -> str:
    return "".join(letter if letter not in "<>`|{}[]*_\\" else " " for letter in problem.splitlines()[0])[:160]


def write_into(page: Path, outcomes: Sequence[Outcome], seed: int) -> None:
    """Replace what stands between the two marks of a page by the table."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{markdown(outcomes, seed)}\n{END}{after}", encoding="utf-8")
