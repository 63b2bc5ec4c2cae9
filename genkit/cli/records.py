"""genkit records"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from genkit.cli.common import echo_json, json_option, left_out
from genkit.errors import DataError, MissingError, UsageError


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, validate, migrate and export the records of evaluations.

    ROOT is a folder, or a URL as s3://bucket/runs: GENKIT_RUNS by default, else runs.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _there(_ctx: click.Context, _param: click.Parameter, root: str) -> str:
    """Refuse a folder that is not there: that nothing is wrong with it would be a poor answer."""
    from genkit.results.locations import is_url

    if not is_url(root) and not Path(root).is_dir():
        raise MissingError(f"there is no folder {root}: genkit eval --model dcgan makes the first record in runs")
    return root


root_argument = click.argument(
    "root", default="runs", envvar="GENKIT_RUNS", type=click.Path(file_okay=False), callback=_there
)


@command.command("list")
@root_argument
@json_option
def list_records(root: str, as_json: bool) -> None:
    """List the records, oldest first."""
    from genkit.report.text import table
    from genkit.results import store

    contents = store.read(root)
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
        click.echo(f"no records in {root} yet: genkit eval --model dcgan makes the first", err=True)
    else:
        cells = [
            [
                str(len(row["scores"]) if key == "scores" else row[key])[: 16 if key == "created" else None]
                for key in row
            ]
            for row in rows
        ]
        click.echo(table([list(rows[0]), *cells], right=(5,)))


@command.command()
@root_argument
@json_option
def validate(root: str, as_json: bool) -> None:
    """Read all records and compare them with their hashes and fingerprints; a bad one makes this fail."""
    from genkit.results.maintenance import check

    health = check(root)
    if as_json:
        echo_json(dataclasses.asdict(health))
    else:
        for sentence in health.bad:
            click.echo(sentence)
        click.echo(f"{_count(health.good)} good, {len(health.bad)} bad")
    if health.bad:
        raise DataError(f"{root} holds {len(health.bad)} bad of {_count(health.good + len(health.bad))}")


@command.command()
@root_argument
@click.option("--dry-run", is_flag=True, help="Only say which records would be written anew.")
def migrate(root: str, dry_run: bool) -> None:
    """Write records of an older schema anew in today's; the new one is there before the old one goes."""
    from genkit.results.maintenance import outdated, renew

    old, schemas = outdated(root, left_out)
    if not old:
        counts = sorted(schemas.items())
        click.echo(", ".join(f"{_count(n)} {'has' if n == 1 else 'have'} schema {schema}" for schema, n in counts))
    for stored in old:
        click.echo(f"{stored.path}: schema {stored.record.schema}" if dry_run else f"{stored.path} -> {renew(stored)}")


@command.command()
@root_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    help="Where to; - is stdout.",
)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "json"]), help="The suffix of --out, else csv.")
def export(root: str, out: Path, form: str | None) -> None:
    """Write all records, oldest first and each once, to one file.

    CSV has a row for each score; JSON and JSON Lines hold the records as they were written.
    """
    from genkit.report.records import WRITERS
    from genkit.results.store import ordered, scan

    to_stdout = str(out) == "-"
    form = form or ("csv" if to_stdout else out.suffix.lower().removeprefix("."))
    if form not in WRITERS:
        raise UsageError(
            f"{out} does not say the format by its suffix: name it .csv, .jsonl or .json, or give --format"
        )
    text = WRITERS[form](ordered(scan(root, left_out), left_out))
    if to_stdout:
        click.echo(text, nl=False)
        return
    _write(out, text)
    click.echo(out)


def _write(out: Path, text: str) -> None:
    from genkit.paths import write_atomic

    try:
        write_atomic(out, text.encode())
    except OSError as error:
        raise DataError(f"{out} can't be written: {error.strerror or error}") from error


def _count(number: int) -> str:
    return "1 record" if number == 1 else f"{number:,} records"
