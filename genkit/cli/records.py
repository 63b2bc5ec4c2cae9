"""genkit records"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from genkit.cli.help import ListingGroup, option
from genkit.cli.options import json_option, store_option
from genkit.cli.output import echo, echo_json, echo_lines, left_out
from genkit.errors import DataError, MissingError, UsageError


@click.group(cls=ListingGroup)
@store_option
def command(root: str) -> None:
    """List, validate, migrate and export the records of evaluations.

    Without a command it lists. --runs may stand before or after the command; it takes a folder or a URL, e.g.
    s3://bucket/runs.
    """


def _existing(root: str) -> str:
    """Return a store's address; raises MissingError for a folder that does not exist, where nothing could be wrong."""
    from genkit.results.locations import is_url

    if not is_url(root) and not Path(root).is_dir():
        raise MissingError(f"there is no folder {root}: genkit eval --model dcgan makes the first record in runs")
    return root


@command.command("list")
@json_option
@store_option
def list_records(as_json: bool, root: str) -> None:
    """List the records, oldest first."""
    from genkit.report.text import table
    from genkit.results import store

    contents = store.read(root)
    contents.check_any()
    for problem in contents.problems:
        left_out(problem)
    rows = [
        {
            "record": record.id,
            "created": record.created,
            "dataset": record.dataset,
            "subject": record.subject.name,
            "run": record.training.run if record.training else "",
            "scores": [score.name for score in record.scores],
            "folder": contents.origins[record.id],
        }
        for record in contents.records
    ]
    if as_json:
        echo_json(rows)
    elif not rows:
        echo(f"no records in {root} yet: genkit eval --model dcgan makes the first", err=True)
    else:
        cells = [
            [
                str(len(row["scores"]) if key == "scores" else row[key])[: 16 if key == "created" else None]
                for key in row
            ]
            for row in rows
        ]
        echo_lines(table([list(rows[0]), *cells], right=(5,)))


@command.command()
@json_option
@store_option
def validate(as_json: bool, root: str) -> None:
    """Check all records against their hashes and fingerprints; exits with 1 if one is bad."""
    from genkit.results.maintenance import check

    health = check(_existing(root))
    if as_json:
        echo_json(dataclasses.asdict(health))
    else:
        for sentence in health.bad:
            echo(sentence)
        echo(f"{_count(health.good)} good, {len(health.bad)} bad")
    if health.bad:
        raise DataError(f"{root} holds {len(health.bad)} bad of {_count(health.good + len(health.bad))}")


@command.command()
@option("--dry-run", is_flag=True, help="Only list the records that would be rewritten.")
@store_option
def migrate(dry_run: bool, root: str) -> None:
    """Rewrite records of an older schema in the current one; a new record is on disk before the old one is deleted."""
    from genkit.results.maintenance import outdated, renew

    old, schemas = outdated(_existing(root), left_out)
    if not old:
        counts = sorted(schemas.items())
        echo(", ".join(f"{_count(n)} {'has' if n == 1 else 'have'} schema {schema}" for schema, n in counts))
    for stored in old:
        echo(f"{stored.path}: schema {stored.record.schema}" if dry_run else f"{stored.path} -> {renew(stored)}")


@command.command()
@option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    show_default=True,
    help="Output file; - for stdout.",
)
@option(
    "--format", "form", type=click.Choice(["csv", "jsonl", "json"]), help="By default the suffix of --out, else csv."
)
@store_option
def export(out: Path, form: str | None, root: str) -> None:
    """Write all records to one file, oldest first, each once.

    CSV has a row per score; JSON and JSON Lines hold whole records.
    """
    from genkit.files.guard import spared
    from genkit.report.records import WRITERS
    from genkit.results.store import ordered, scan

    to_stdout = str(out) == "-"
    form = form or ("csv" if to_stdout else out.suffix.lower().removeprefix("."))
    if form not in WRITERS:
        raise UsageError(f"{out} has no suffix that says the format: name it .csv, .jsonl or .json, or give --format")
    stored = ordered(scan(_existing(root), left_out))
    text = spared(WRITERS[form], stored, lambda each, why: left_out(f"{each.path} can't be exported: {why}"))
    if to_stdout:
        echo_lines(text, nl=False)
        return
    _write(out, text)
    echo(out)


def _write(out: Path, text: str) -> None:
    from genkit.files.writing import write_atomic

    try:
        write_atomic(out, text.encode())
    except OSError as error:
        raise DataError(f"{out} can't be written: {error.strerror or error}") from error


def _count(number: int) -> str:
    return "1 record" if number == 1 else f"{number:,} records"
