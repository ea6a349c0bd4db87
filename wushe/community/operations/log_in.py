"""Logging in: how a visitor becomes an actor. These operations have no `by`, and no right is needed to try.

Each spends a try of `kernel.throttle` before it looks at the secret, answers a wrong name exactly as a wrong password, and takes the
same time for both: an unknown name is checked against a hash made for nobody.
"""

import logging
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Never
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import check_password, is_password_usable, make_password
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Account, Invitation, LoginCard, Person
from wushe.community.operations import accounts
from wushe.community.queries import accounts as queries
from wushe.community.rules import accounts as rules
from wushe.kernel import audit, crypto, throttle
from wushe.kernel.problems import Problem
from wushe.kernel.text import normalize_phone

log = logging.getLogger(__name__)


class WrongLogIn(Problem):
    """Name and password, or link and PIN, do not go together. Never says which of the two was wrong."""

    code = "log_in.wrong"


class LinkSpent(Problem):
    """The invitation link was used, has expired or was withdrawn."""

    code = "log_in.link_spent"


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The secret was right. A session may be opened at once, unless `needs_second_factor`."""

    account_id: UUID
    number: str
    stamp: str
    needs_second_factor: bool
    must_change_password: bool


@cache
def _nobodys(hasher: str) -> str:
    return make_password("nobody's password")


def _matches(secret: str, encoded: str) -> bool:
    """True when `secret` is the one behind `encoded`; takes as long when there is nothing behind it."""
    nobody = _nobodys(settings.PASSWORD_HASHERS[0])
    usable = bool(encoded) and is_password_usable(encoded)
    right = check_password(secret, encoded if usable else nobody)
    return right and usable


def _spend(limit: rules.Limit, key: str) -> None:
    throttle.spend(bucket=limit.bucket, key=key, limit=limit.limit, per_seconds=limit.per_seconds)


def _refuse(message: object) -> Never:
    log.warning("a log-in was refused")  # without name or address: a mistyped name is often the password
    raise WrongLogIn(message)


def _may_log_in() -> Q:
    return Q(is_active=True, person__status=Person.Status.ACTIVE)


def log_in(
    *, identifier: str, password: str, address: str, device: str = "", at: datetime | None = None
) -> LoggedIn:
    """Check a phone, account number or volunteer number and a password.

    `address` is the visitor's network address, `device` what `web` remembered of a browser that logged in before
    ("<account id>.<device id>"): it has tries of its own, so that guesses made elsewhere do not lock its owner out. Raises `WrongLogIn`,
    `throttle.TooManyTries`.
    """
    typed = "".join(unicodedata.normalize("NFKC", identifier).replace("\x00", "").split())
    digits = normalize_phone(typed)
    index = crypto.blind_index(digits or typed, accounts.PHONE_PURPOSE)
    found = list(
        Account.objects.filter(
            _may_log_in(), Q(number=typed) | Q(phone_index=index) | Q(person__volunteer_number=typed)
        ).select_related("person")[:3]
    )
    # One text may be the number of one account and the volunteer number of another: the account's own number goes first.
    found.sort(key=lambda a: (a.number != typed, a.phone_index != index))
    account = found[0] if found else None
    if account is not None and device.startswith(f"{account.pk}."):
        limit, key = rules.BY_DEVICE, device
        _spend(limit, key)
    else:
        _spend(rules.BY_ADDRESS, address)
        limit, key = rules.BY_ACCOUNT, digits or typed.casefold()
        _spend(limit, key)
    right = _matches(password[: rules.PASSWORD_MOST + 1], account.password if account else "")
    if account is None or not right:
        _refuse(_("账号或密码不对。请检查后再试；忘了密码，请联系社区或为您开账号的人重设。"))
    if account.must_change_password and not accounts.is_trusted_still(account.password_set_by, account):
        _refuse(_("账号或密码不对。请检查后再试；忘了密码，请联系社区或为您开账号的人重设。"))
    throttle.refill(bucket=limit.bucket, key=key)
    return _logged_in(account, "password")


def log_in_with_card(*, token: str, pin: str, address: str, at: datetime | None = None) -> LoggedIn:
    """Check the token of a card or personal link and its PIN. Raises `WrongLogIn`, `throttle.TooManyTries`."""
    hashed = rules.token_hash(token)
    _spend(rules.BY_ADDRESS, address)
    _spend(rules.BY_CARD, hashed)
    _spend(rules.BY_CARD_DAY, hashed)
    card = (
        LoginCard.objects.filter(token_hash=hashed, revoked_at__isnull=True, account__is_active=True)
        .filter(account__person__status=Person.Status.ACTIVE)
        .select_related("account__person")
        .first()
    )
    right = _matches("".join(pin.split())[: rules.PIN_LENGTH + 1], card.pin if card else "")
    if card is None or not right or not accounts.is_trusted_still(card.made_by, card.account):
        _refuse(_("PIN 码不对，或者这张卡已停用。请再试一次，或到社区换一张新卡。"))
    throttle.refill(bucket=rules.BY_CARD.bucket, key=hashed)
    return _logged_in(card.account, "card")


def confirm_log_in(*, account_id: UUID, stamp: str, code: str, at: datetime | None = None) -> LoggedIn:
    """Finish a log-in whose password was right (`stamp` proves it) with a code of the app or a recovery code.

    A code works once. Raises `accounts.CodeWrong`, `WrongLogIn` when the account changed in between, `throttle.TooManyTries`.
    """
    account = Account.objects.filter(_may_log_in(), pk=account_id).select_related("person").first()
    if (
        account is None
        or account.second_factor_at is None
        or not rules.same(stamp, accounts.stamp_of(account))
    ):
        _refuse(_("登录等待得太久了，请从头再登录一次。"))
    accounts.spend_second_factor_try(account)
    now = at or timezone.now()
    with transaction.atomic():
        used = accounts.use_code(account, code, now)
        recovery = not used and accounts.use_recovery_code(account, code)
        if recovery:
            audit.record(
                by=queries.actor_for_account(account), verb="account.recovery_code_use", target=account
            )
    if not (used or recovery):
        raise accounts.CodeWrong(
            _("验证码不对、已过期或已用过。请等手机上换了新的 6 位数字再试，或用一个恢复码。"), field="code"
        )
    throttle.refill(bucket=rules.BY_SECOND_FACTOR.bucket, key=str(account.pk))
    return _logged_in(account, "second factor", confirmed=True)


def accept_invitation(*, token: str, password: str, address: str, at: datetime | None = None) -> LoggedIn:
    """Set the first own password by an invitation link. The link works once.

    Raises `LinkSpent`, `accounts.PasswordRefused`, `throttle.TooManyTries`.
    """
    _spend(rules.BY_INVITATION, address)
    now = at or timezone.now()
    invitation = queries.open_invitation(token, at=now)
    if invitation is None or not accounts.is_trusted_still(invitation.made_by, invitation.account):
        raise LinkSpent(_("这个链接已用过、已过期或已作废。请向发给您链接的人要一个新的。"))
    account = invitation.account
    encoded = accounts.checked_password(password, account)
    with transaction.atomic():
        if not Invitation.objects.filter(
            pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now
        ).update(accepted_at=now):
            raise LinkSpent(_("这个链接已用过、已过期或已作废。请向发给您链接的人要一个新的。"))
        Account.objects.filter(pk=account.pk).update(
            password=encoded,
            must_change_password=False,
            password_set_by=None,
            session_round=F("session_round") + 1,
        )
        account.refresh_from_db(fields=["password", "session_round", "must_change_password"])
        audit.record(by=queries.actor_for_account(account), verb="account.invitation_accept", target=account)
    return _logged_in(account, "invitation")


def _logged_in(account: Account, means: str, *, confirmed: bool = False) -> LoggedIn:
    needs_second_factor = account.second_factor_at is not None and not confirmed
    if not needs_second_factor:
        actor = queries.actor_for_account(account)
        # Log-ins of people without a role are nobody's business; those who act for others leave a trace.
        if actor.grants:
            with transaction.atomic():
                audit.record(by=actor, verb="account.log_in", target=account, note=means)
    return LoggedIn(
        account.pk,
        account.number,
        accounts.stamp_of(account),
        needs_second_factor,
        account.must_change_password,
    )
