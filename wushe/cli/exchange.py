"""`wushe import` and `wushe export`: spreadsheets in and out, the same as on the page."""

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from wushe.cli.start import start

if TYPE_CHECKING:
    from wushe.kernel.actor import Actor

_KINDS = "people, organizations, stations, venues"


@click.command(name="import", context_settings={"ignore_unknown_options": False})
@click.argument("what")
@click.argument("which", required=False)
@click.option(
    "--as",
    "account",
    metavar="ACCOUNT",
    help="Act as this account, with its rights; else as the local operator.",
)
@click.option("--place", "place_code", metavar="CODE", help="Where rows without a place of their own belong.")
@click.option("--dry-run", is_flag=True, help="Check and report; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="File to write a template to (.xlsx or .csv)."
)
def import_(
    what: str,
    which: str | None,
    account: str | None,
    place_code: str | None,
    dry_run: bool,
    as_json: bool,
    output: str | None,
) -> None:
    """Take over a spreadsheet, all of it or nothing.

    \b
    wushe import KIND FILE             KIND: people, organizations, stations, venues; xlsx or csv
    wushe import undo RUN              take an import back
    wushe import template KIND -o FILE an empty table to start from
    """
    if which is None:
        raise click.UsageError(
            f"wushe import KIND FILE, wushe import undo RUN or wushe import template KIND -o FILE; KIND: {_KINDS}"
        )
    if what == "template":
        if not output:
            raise click.UsageError("say where to write the template: -o FILE")
        _template(which, output)
    elif what == "undo":
        _undo(which, account, as_json)
    else:
        _import(what, which, account, place_code, dry_run, as_json)


def _template(kind: str, output: str) -> None:
    start()
    from wushe.community.exchange import writing

    with _written(output) as (file, ending):
        writing.write_template(kind, file, ending)
    click.echo(f"wushe: {output}", err=True)


def _undo(run_id: str, account: str | None, as_json: bool) -> None:
    start()
    from wushe.community.exchange import runs

    actor = _actor(account)
    try:
        key = UUID(run_id)
    except ValueError:
        raise click.ClickException(f"{run_id}: no import of this number") from None
    run = runs.undo(by=actor, run=runs.find_run(actor, key))
    kept = runs.reported(run, list(runs.rows_of(actor, run).filter(is_kept=True)))
    if as_json:
        click.echo(
            json.dumps(runs.summary(run) | {"kept_rows": [row.as_json() for row in kept]}, ensure_ascii=False)
        )
        return
    click.echo(f"wushe: import {run.pk} undone", err=True)
    for row in kept:
        click.echo(f"kept\t{row.sheet}\t{row.line}\t{row.target_id}")


def _import(
    kind: str, file: str, account: str | None, place_code: str | None, dry_run: bool, as_json: bool
) -> None:
    start()
    from wushe.community.exchange import kinds, runs, sheets
    from wushe.community.queries import places
    from wushe.kernel.actor import Actor

    kinds.kind(kind)
    actor = _actor(account)
    place = places.place_by_code(Actor.operator(), place_code) if place_code else None
    content = _content(file, sheets.LIMITS.file_bytes)
    run = runs.open_import(
        by=actor, kind=kind, file_name=Path(file).name, content=content, default_place=place, keep_file=False
    )
    run = runs.check(by=actor, run=run, content=content, progress=_progress)
    if sys.stderr.isatty():
        click.echo("", err=True)
    done = not dry_run and run.fault_count == 0
    rows = [row.as_json() for row in _reported(actor, run)] if as_json else None
    if not as_json:
        for row in _reported(actor, run):
            _print(row)
    if done:
        run = runs.carry_out(by=actor, run=run)
    result = runs.summary(run)
    if not done:
        runs.discard(by=actor, run=run)
        result["run"] = None
    if as_json:
        click.echo(
            json.dumps(result | {"dry_run": dry_run, "done": done, "report": rows}, ensure_ascii=False)
        )
    else:
        for note in result["notes"]:
            click.echo(f"wushe: {note}", err=True)
        counts = f"{result['created']} created, {result['updated']} updated, {result['unchanged']} unchanged, {result['faults']} with faults"
        if done:
            click.echo(f"wushe: {counts}; import {run.pk}", err=True)
        else:
            click.echo(f"wushe: {counts}; nothing was changed", err=True)
    if result["faults"]:
        # A dry run that finds faults answers the question "may this be imported?" with no; an import refuses bad input.
        sys.exit(1 if dry_run else 2)


def _reported(actor: "Actor", run: Any) -> Any:
    from itertools import islice

    from wushe.community.exchange import runs

    walk = runs.rows_of(actor, run).iterator(chunk_size=1000)
    while batch := list(islice(walk, 1000)):
        yield from runs.reported(run, batch)


def _print(row: Any) -> None:
    said = [f"{fault.column}：{fault.text}" if fault.column else fault.text for fault in row.faults]
    said += [note.text for note in row.notes]
    said += [f"{column}：{before or '—'} → {after}" for column, before, after in row.changes]
    place = f"{row.sheet}!{row.line}" if row.sheet else str(row.line)
    click.echo("\t".join([place, row.action, row.title, "；".join(said)]))


def _progress(rows: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rwushe: {rows} rows checked", nl=False, err=True)


def _content(file: str, most: int) -> bytes:
    try:
        size = Path(file).stat().st_size
        if size > most:
            raise click.ClickException(f"{file}: larger than {most >> 20} MB; split it")
        return Path(file).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None


def _actor(account: str | None) -> "Actor":
    from wushe.community.queries import accounts
    from wushe.kernel.actor import Actor

    operator = Actor.operator()
    return (
        operator
        if account is None
        else accounts.actor_for_account(accounts.account_by_number(operator, account))
    )


@contextlib.contextmanager
def _written(output: str) -> Any:
    """A file that is there whole or not at all."""
    path = Path(output)
    ending = path.suffix.lower().lstrip(".")
    if ending not in ("xlsx", "csv"):
        raise click.ClickException(f"{output}: the name must end in .xlsx or .csv")
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            yield file, ending
        beside.replace(path)
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)


@click.command()
@click.argument("kind")
@click.option(
    "--as",
    "account",
    metavar="ACCOUNT",
    help="Act as this account, with its rights; else as the local operator.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="File to write (.xlsx or .csv)."
)
def export(kind: str, account: str | None, output: str) -> None:
    """Write the columns an import takes back to a file. KIND: people, organizations, stations, venues."""
    start()
    from wushe.community.exchange import kinds, writing

    kinds.kind(kind)
    actor = _actor(account)
    with _written(output) as (file, ending):
        count = writing.export(by=actor, kind=kind, to=file, format=ending)
    click.echo(f"wushe: {count} rows in {output}", err=True)
