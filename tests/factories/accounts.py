"""Accounts for tests, written straight into the tables: no operation stands between a test and what it wants to see."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from wushe.community.models import Account, Organization, Person, Place, RoleGrant
from wushe.community.queries.accounts import actor_for_account
from wushe.community.rules import accounts as rules
from wushe.kernel import crypto
from wushe.kernel.actor import Actor
from wushe.kernel.text import fold_name, normalize_phone

PASSWORD = "correct horse 7 battery"

_counter = iter(range(1, 10**9))


def make_account(
    *,
    role: str | None = None,
    place: Place | None = None,
    organization: Organization | None = None,
    national: bool = False,
    person: Person | None = None,
    name: str = "",
    phone: str = "",
    password: str = PASSWORD,
    expires_at: datetime | None = None,
    **fields: Any,
) -> tuple[Account, Actor]:
    """Return an account with a password (`PASSWORD`) and its actor; with `role` also a grant for the place, the organization or the nation.

    Without `person` one is made who lives at `place` (else at the organization's place).
    """
    if person is None:
        home = (
            place or (organization.place if organization else None) or Place.objects.order_by("path").first()
        )
        assert home is not None, "make a place first"
        name = name or f"测试人{next(_counter)}"
        person = Person.objects.create(name=name, name_key=fold_name(name), place=home)
    digits = normalize_phone(phone) if phone else None
    account = Account.objects.create(
        number=rules.new_number(),
        person=person,
        password=make_password(password),
        phone_index=crypto.blind_index(digits, "account.phone") if digits else None,
        **fields,
    )
    if role is not None:
        give(account, role, place=place, organization=organization, national=national, expires_at=expires_at)
    return account, actor_for_account(account)


def give(
    account: Account,
    role: str,
    *,
    place: Place | None = None,
    organization: Organization | None = None,
    national: bool = False,
    expires_at: datetime | None = None,
    granted_at: datetime | None = None,
) -> RoleGrant:
    """Give the account one more role, past every rule."""
    return RoleGrant.objects.create(
        account=account,
        role=role,
        place=None if organization or national else place,
        organization=organization,
        is_national=national,
        granted_at=granted_at or timezone.now(),
        expires_at=expires_at,
    )


def sign_in(client: Any, account: Account) -> None:
    """Give the test client a session of the account, as a log-in with the right password would."""
    session = client.session
    session["account"] = str(account.pk)
    session["stamp"] = rules.session_stamp(
        settings.SECRET_KEY, account.pk, account.password, account.session_round
    )
    session["since"] = int(timezone.now().timestamp())
    session["own_device"] = True
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
