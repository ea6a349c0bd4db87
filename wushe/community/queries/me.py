"""What concerns somebody themselves: their page, their data, their ways to log in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from wushe.community.models import Account, Consent, Membership, Person, RoleGrant
from wushe.community.queries import accounts
from wushe.kernel import outbox, policy
from wushe.kernel.actor import Actor
from wushe.kernel.models import OutboxMessage

MESSAGES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to oneself, opened."""

    message: OutboxMessage
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class MyPage:
    """Everything of the first page about oneself."""

    account: Account
    person: Person
    grants: tuple[RoleGrant, ...]
    memberships: tuple[Membership, ...]
    letters: tuple[Letter, ...]
    live_consents: int


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose of consent: what it is for, and the consent in force, if any."""

    code: str
    label: str
    live: Consent | None
    past: tuple[Consent, ...]


def my_page(actor: Actor, *, at: datetime | None = None) -> MyPage:
    """Return the actor's own first page. At most seven queries and one for each message shown."""
    account = accounts.own_account(actor)
    return MyPage(
        account=account,
        person=account.person,
        grants=tuple(accounts.own_grants(actor, at=at)),
        memberships=tuple(_memberships(actor)),
        letters=tuple(
            Letter(message, *outbox.read(message))
            for message in outbox.messages(actor, at).filter(person_id=actor.person_id or accounts.NOBODY)[
                :MESSAGES_SHOWN
            ]
        ),
        live_consents=Consent.objects.visible_to(actor)
        .filter(person_id=actor.person_id or accounts.NOBODY, withdrawn_at__isnull=True)
        .count(),
    )


def _memberships(actor: Actor) -> QuerySet[Membership]:
    return (
        Membership.objects.visible_to(actor)
        .filter(person_id=actor.person_id or accounts.NOBODY, ended_on__isnull=True)
        .select_related("organization", "station")
        .order_by("started_on", "pk")
    )


def my_consents(actor: Actor) -> list[Purpose]:
    """Return every purpose one can consent to, with one's own consent in force and the earlier ones. One query."""
    rows = list(
        Consent.objects.visible_to(actor)
        .filter(person_id=actor.person_id or accounts.NOBODY)
        .select_related("given_by")
        .order_by("-given_at")
    )
    return [
        Purpose(
            code,
            str(label),
            next((row for row in rows if row.purpose == code and row.withdrawn_at is None), None),
            tuple(row for row in rows if row.purpose == code and row.withdrawn_at is not None),
        )
        for code, label in Consent.Purpose.choices
        if code != Consent.Purpose.MINOR or any(row.purpose == code for row in rows)
    ]


def may_work_on_desk(actor: Actor) -> bool:
    """True when the actor has a desk to go to."""
    return policy.allows_somewhere(actor, "view", "desk")
