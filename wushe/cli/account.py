"""`wushe account create|reset|close`, `wushe grants check|end`."""

import json
import sys
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

import click

from wushe.cli.start import start


def _actor(number: str) -> Any:
    """Return the account to act as, or the local operator."""
    from wushe.community.queries import accounts
    from wushe.kernel.actor import Actor

    operator = Actor.operator()
    if not number:
        return operator
    actor = accounts.actor_for_account(accounts.account_by_number(operator, number))
    if not actor.is_signed_in:
        raise click.ClickException(f"account {number} is closed")
    return actor


@click.group()
def account() -> None:
    """Accounts: open one, give a new first password, close one."""


@account.command()
@click.option(
    "--role", default="", help="Role to give, for instance DISTRICT_ADMIN; without it the account has none."
)
@click.option(
    "--place", default="", help="Official code of the place the role is for, and where a new person lives."
)
@click.option("--organization", type=click.UUID, help="Id of the organization the role is for.")
@click.option(
    "--national", is_flag=True, help="The role is for the whole nation; --place says where the person lives."
)
@click.option(
    "--person", type=click.UUID, help="Id of a person on record; without it a new one is put on record."
)
@click.option("--name", default="", help="Name of the new person; default: the role and the place.")
@click.option("--phone", default="", help="Phone to log in with, besides the number.")
@click.option("--password", default="", help="First password; without it one is made.")
@click.option(
    "--keep-password", is_flag=True, help="The first password need not be changed at the first log-in."
)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of the role.")
@click.option(
    "--as", "as_", default="", metavar="ACCOUNT", help="Act as this account instead of the local operator."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(
    role: str,
    place: str,
    organization: UUID | None,
    national: bool,
    person: UUID | None,
    name: str,
    phone: str,
    password: str,
    keep_password: bool,
    until: datetime | None,
    as_: str,
    as_json: bool,
) -> None:
    """Open an account and print its number and first password (once: it is stored nowhere)."""
    if not (place or organization or person):
        raise click.ClickException("say --place CODE, --organization ID or --person ID")
    if role and not (place or organization or national):
        raise click.ClickException("a role needs --place CODE, --organization ID or --national")
    start()
    from django.utils import timezone

    from wushe.community.operations.onboarding import set_up
    from wushe.community.queries import organizations, people, places

    actor = _actor(as_)
    where = places.place_by_code(actor, place) if place else None
    body = organizations.organization(actor, organization) if organization else None
    label = (body or where) and (body or where).name  # type: ignore[union-attr]  # one of the two is there
    made = set_up(
        by=actor,
        name=name or f"{label or ''} {role or 'account'}".strip(),
        person=people.person(actor, person) if person else None,
        place=where,
        organization=body,
        national=national,
        role=role,
        phone=phone,
        password=password,
        keep_password=keep_password,
        expires_at=timezone.make_aware(datetime.combine(until.date() + timedelta(days=1), time.min))
        if until
        else None,
    )
    printed = {
        "account": made.account.number,
        "password": made.password,
        "role": role,
        "place": place,
        "organization": str(organization or ""),
        "person": str(made.person_id),
        "id": str(made.account.pk),
        "grant": str(made.grant.pk) if made.grant else "",
        "must_change_password": made.account.must_change_password,
    }
    if as_json:
        click.echo(json.dumps(printed, ensure_ascii=False))
    else:
        click.echo(
            f"account {made.account.number}  password {made.password}  {role} {place or organization or ''}".rstrip()
        )


@account.command()
@click.argument("number")
@click.option(
    "--second-factor",
    is_flag=True,
    help="Also turn the second factor off (phone and recovery codes are lost).",
)
@click.option(
    "--as", "as_", default="", metavar="ACCOUNT", help="Act as this account instead of the local operator."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def reset(number: str, second_factor: bool, as_: str, as_json: bool) -> None:
    """Give account NUMBER a new first password and print it."""
    start()
    from wushe.community.operations import accounts as operations
    from wushe.community.queries import accounts as queries

    actor = _actor(as_)
    found = queries.account_by_number(actor, number)
    made = operations.reset_password(by=actor, account=found)
    if second_factor and found.second_factor_at is not None:
        operations.stop_second_factor(by=actor, account=found)
    if as_json:
        click.echo(json.dumps({"account": number, "password": made.password}))
    else:
        click.echo(f"account {number}  password {made.password}")


@account.command()
@click.argument("number")
@click.option(
    "--as", "as_", default="", metavar="ACCOUNT", help="Act as this account instead of the local operator."
)
def close(number: str, as_: str) -> None:
    """Close account NUMBER: no log-in, no session, no API token of it works any more."""
    start()
    from wushe.community.operations import accounts as operations
    from wushe.community.queries import accounts as queries

    actor = _actor(as_)
    operations.close_account(by=actor, account=queries.account_by_number(actor, number))
    click.echo(f"account {number} is closed")


@click.group()
def grants() -> None:
    """Role grants: list the dangerous ones, end one."""


@grants.command()
@click.option(
    "--as", "as_", default="", metavar="ACCOUNT", help="Act as this account instead of the local operator."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(as_: str, as_json: bool) -> None:
    """List dangerous grants and API tokens. Exit 0 only when there is none."""
    start()
    from wushe.community.queries import accounts as queries
    from wushe.web.accounts.labels import DANGERS

    found = queries.dangers(_actor(as_))
    if as_json:
        rows = [
            {"code": d.code, "account": d.account_number, "subject": str(d.subject), "role": d.role}
            for d in found
        ]
        click.echo(json.dumps({"ok": not found, "dangers": rows}, ensure_ascii=False))
    else:
        for danger in found:
            click.echo(
                f"{danger.code}  {danger.account_number}  {danger.role}  {danger.subject}  {DANGERS[danger.code]}"
            )
        click.echo(f"{len(found)} dangerous" if found else "no dangerous grants")
    sys.exit(1 if found else 0)


@grants.command()
@click.argument("grant", type=click.UUID)
@click.option(
    "--as", "as_", default="", metavar="ACCOUNT", help="Act as this account instead of the local operator."
)
def end(grant: UUID, as_: str) -> None:
    """End the grant with this id (as `check` prints it)."""
    start()
    from wushe.community.operations import grants as operations
    from wushe.community.queries import accounts as queries

    actor = _actor(as_)
    operations.end_grant(by=actor, grant=queries.grant(actor, grant))
    click.echo(f"grant {grant} has ended")
