"""`wushe backup`, `wushe backup verify`, `wushe restore`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from wushe.cli.start import start


def _passphrase(file: Path | None) -> str:
    if file is None:
        return os.environ.get("WUSHE_BACKUP_PASSPHRASE", "")
    text = file.read_text().strip("\r\n")
    if not text:
        raise click.ClickException(f"{file}: the passphrase file is empty")
    return text


def _say(words: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{words}", err=True, nl=False)


def _end_progress() -> None:
    if sys.stderr.isatty():
        click.echo("\r\033[K", err=True, nl=False)


passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the passphrase of the keys in the backup (or WUSHE_BACKUP_PASSPHRASE).",
)


@click.group(invoke_without_command=True)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the backup."
)
@passphrase_option
@click.option(
    "--with-keys", is_flag=True, help="Put the keys in readably: keep such a backup as you keep the keys."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def backup(
    ctx: click.Context, output: Path | None, passphrase_file: Path | None, with_keys: bool, as_json: bool
) -> None:
    """Write everything into one checked file while the site goes on; or `backup verify FILE`."""
    if ctx.invoked_subcommand is not None:
        return
    if output is None:
        raise click.UsageError("say where to write it: wushe backup -o FILE")
    if not output.resolve().parent.is_dir():
        raise click.ClickException(f"{output}: the folder does not exist")
    start()
    from wushe.kernel import backup as domain

    manifest = domain.make(
        output, passphrase=_passphrase(passphrase_file), plain_keys=with_keys, progress=_say
    )
    _end_progress()
    _show(domain.describe(domain.read(output, _passphrase(passphrase_file))), output, as_json)
    if manifest["left_out"]:
        click.echo(
            f"wushe: not in the backup, unknown to this program: {', '.join(manifest['left_out'])}", err=True
        )
    if manifest["keys"]["included"] == "absent":
        click.echo(
            "wushe: the keys are not in it; keep a copy of WUSHE_DATA/keys apart, or it cannot be read",
            err=True,
        )


@backup.command()
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Check every byte, row and file of a backup. Exit 0 only when it is whole; needs no database."""
    import django

    django.setup()
    from wushe.kernel import backup as domain

    try:
        archive = domain.read(file, _passphrase(passphrase_file))
        domain.check(archive)
    except domain.BackupRefused as refused:
        if as_json:
            click.echo(json.dumps({"whole": False, "reason": refused.message}, ensure_ascii=False))
        else:
            click.echo(f"wushe: {refused.message}", err=True)
        raise SystemExit(1) from None
    _show(domain.describe(archive), file, as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_option
@click.option("--replace", is_flag=True, help="Give up the data that is there now.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def restore(file: Path, passphrase_file: Path | None, replace: bool, as_json: bool) -> None:
    """Put a backup in place of an empty database (or, with --replace, of a full one). Stop the site first."""
    import django
    from django.db import OperationalError

    django.setup()
    from wushe.kernel import backup as domain

    try:
        done = domain.restore(file, replace=replace, passphrase=_passphrase(passphrase_file), progress=_say)
    except OperationalError as error:
        raise click.ClickException(f"the database: {str(error).strip().splitlines()[0]}") from None
    finally:
        _end_progress()
    if as_json:
        content: dict[str, Any] = {
            "tables": done.tables,
            "rows": done.rows,
            "uploads": done.uploads,
            "keys_replaced": done.keys_replaced,
            "forgotten": [str(person_id) for person_id in done.forgotten],
        }
        click.echo(json.dumps(content))
        return
    click.echo(
        f"wushe: restored {done.rows} rows in {done.tables} tables and {done.uploads} uploads from {file}"
    )
    if done.keys_replaced:
        click.echo(
            "wushe: the keys are the backup's now; the former ones stand beside them in WUSHE_DATA/keys"
        )
    for person_id in done.forgotten:
        click.echo(f"wushe: erased after this backup was made, erase again: person {person_id}", err=True)


def _show(described: dict[str, Any], file: Path, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"whole": True, "file": str(file), **described}, ensure_ascii=False))
        return
    click.echo(
        f"{file}: whole; made {described['made_at']} by Wushe {described['wushe']} on {described['database']}; "
        f"{described['rows']} rows in {described['tables']} tables, {described['uploads']} uploads; "
        f"keys {described['keys']}; {'fits' if described['fits_this_installation'] else 'does not fit'} this installation's keys"
    )
