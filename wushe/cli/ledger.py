"""`wushe ledger verify`, `wushe ledger balance`."""

import json
import sys
import time
from dataclasses import asdict
from uuid import UUID

import click

from wushe.cli.start import start


@click.group()
def ledger() -> None:
    """The book of minutes, money and goods: add it up again, read a balance."""


@ledger.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(as_json: bool) -> None:
    """Add the whole book up again. Exit 0 only when it balances; the first bad records are named."""
    start()
    from wushe.kernel.actor import Actor
    from wushe.ledger.queries import verification

    began = time.monotonic()
    report = verification.verify(Actor.operator())
    seconds = time.monotonic() - began
    if as_json:
        printed = {"ok": report.ok, "seconds": round(seconds, 3), **asdict(report)}
        click.echo(json.dumps(printed, ensure_ascii=False))
    else:
        for finding in report.findings:
            click.echo(f"{finding.kind}: {finding.model} {finding.record}: {finding.detail}", err=True)
        if report.found > len(report.findings):
            click.echo(f"… and {report.found - len(report.findings)} more", err=True)
        click.echo(
            f"{report.accounts} accounts, {report.transfers} transfers, {report.entries} entries: "
            f"{'the book balances' if report.ok else f'{report.found} bad records'}; {seconds:.1f} s"
        )
    sys.exit(0 if report.ok else 1)


@ledger.command()
@click.argument("holder", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def balance(holder: UUID, as_json: bool) -> None:
    """What HOLDER (a person, project, fund …, by id) has, account by account. Exit 1 when there is no account."""
    start()
    from wushe.kernel.actor import Actor
    from wushe.ledger.queries import accounts

    rows = [
        {
            "account": str(row.pk),
            "holder_kind": row.holder_kind,
            "place": str(row.place_id),
            "unit": row.unit,
            "item": row.item.code if row.item else "",
            "purpose": row.purpose,
            "balance": row.balance,
            "entries": row.entry_count,
        }
        for row in accounts.accounts_of(Actor.operator(), holder)
    ]
    if as_json:
        click.echo(json.dumps({"holder": str(holder), "accounts": rows}, ensure_ascii=False))
    else:
        for row in rows:
            unit = f"{row['unit']} {row['item']}".strip()
            click.echo(
                f"{row['account']}  {row['holder_kind']}  {row['balance']} {unit}  {row['purpose']}".rstrip()
            )
    if not rows:
        click.echo(f"wushe: {holder} has no account", err=True)
        sys.exit(1)
