"""`wushe audit checkpoint`, `wushe audit verify`, `wushe audit accept-late`."""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from wushe.cli.start import start


@click.group()
def audit() -> None:
    """The audit trail: sign how far it reaches, check that nothing was altered."""


@audit.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where to write it.",
)
def checkpoint(output: Path) -> None:
    """Seal what is unsealed and write a signed checkpoint. Keep it where this machine's administrators cannot change it."""
    if not output.resolve().parent.is_dir():
        raise click.ClickException(f"{output}: the folder does not exist")
    start()
    from wushe.kernel import sealing

    document = sealing.sign_checkpoint()
    beside = output.with_name(f".{output.name}.partial")
    beside.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    os.replace(beside, output)
    click.echo(
        f"{output}: {document['size']} records in {document['sequence']} batches, signed by key {document['key']}"
    )


@audit.command()
@click.option(
    "--checkpoint",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint kept outside.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(file: Path | None, as_json: bool) -> None:
    """Check every sealed record. Exit 0 only when nothing was altered; the first bad record is named."""
    start()
    from wushe.kernel import sealing

    given = None
    if file is not None:
        try:
            given = sealing.read_checkpoint(file.read_text())
        except UnicodeDecodeError:
            raise click.ClickException(f"{file}: not an audit checkpoint") from None
    began = time.monotonic()
    report = sealing.verify(given)
    seconds = time.monotonic() - began
    if as_json:
        click.echo(
            json.dumps({"ok": report.ok, "seconds": round(seconds, 3), **asdict(report)}, ensure_ascii=False)
        )
    else:
        for finding in report.findings:
            place = f"batch {finding.batch}" if finding.batch is not None else "unsealed"
            record = f", record {finding.event}" if finding.event else ""
            click.echo(f"{finding.kind}: {place}{record}: {finding.detail}", err=True)
        if report.found > len(report.findings):
            click.echo(f"… and {report.found - len(report.findings)} more", err=True)
        click.echo(
            f"{report.sealed} sealed records in {report.batches} batches: "
            f"{'nothing was altered' if report.ok else f'{report.found} findings'}; "
            f"{report.unsealed} not yet sealed; {report.checkpoints} stored checkpoints; {seconds:.1f} s"
        )
        if given is None and report.ok:
            click.echo(
                "A chain rebuilt from end to end, or a tail cut off, shows only against a checkpoint kept outside: --checkpoint FILE",
                err=True,
            )
        if report.late_accepted:
            click.echo(
                f"{report.late_accepted} records older than their neighbors were accounted for", err=True
            )
    sys.exit(0 if report.ok else 1)


@audit.command("accept-late")
@click.option(
    "--note", required=True, help="Why these records are late, for instance: the clock was wrong on 3 March."
)
def accept_late(note: str) -> None:
    """Account for records that `verify` calls BACKDATED. The note is itself an audit record."""
    start()
    from wushe.kernel import sealing

    click.echo(f"{sealing.accept_late(note)} records accounted for")
