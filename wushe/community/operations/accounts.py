"""Changes to accounts (账号): opening, closing, first passwords, links, cards, second factors, API tokens.

Whoever sets a password, prints a card or makes a link can act as that person afterwards. So each of these asks, beside the
policy, that the actor could have given every role the person holds (`rules.covers`), now and again when the secret is used.
Hashing takes a tenth of a second, so it is done before the transaction: SQLite has a single writer.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from uuid import UUID

import pyotp
from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Account, ApiToken, Invitation, LoginCard, Person, RecoveryCode, RoleGrant
from wushe.community.operations import typed
from wushe.community.queries import accounts as queries
from wushe.community.rules import accounts as rules
from wushe.kernel import audit, crypto, policy, throttle
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.kernel.text import normalize_phone


class AccountExists(Problem):
    """The person has an account already."""

    code = "account.exists"
    status = 409


class PersonGone(Problem):
    """The person was merged or erased."""

    code = "account.person_gone"
    status = 409


class PhoneTaken(Problem):
    """Another account logs in with this phone."""

    code = "account.phone_taken"
    status = 409


class NotAPhone(Problem):
    """The text is no telephone number."""

    code = "account.not_a_phone"


class RightsAboveYours(Problem):
    """The person holds a role that the actor could not have given."""

    code = "account.rights_above_yours"
    status = 403


class YourOwn(Problem):
    """A worker's way was tried on one's own account."""

    code = "account.your_own"


class PasswordRefused(Problem):
    """The new password is too easy to guess."""

    code = "account.password_refused"


class PasswordWrong(Problem):
    """The present password, or PIN, is not the one typed."""

    code = "account.password_wrong"


class PinRefused(Problem):
    """The PIN is not six digits, or one of the obvious ones."""

    code = "account.pin_refused"


class NothingToEnd(Problem):
    """What was to be ended has ended already, or never was."""

    code = "account.nothing_to_end"
    status = 409


class CodeWrong(Problem):
    """The code of the second factor is wrong, too old, or was used before."""

    code = "account.code_wrong"


class SecondFactorIsOn(Problem):
    """There is a second factor already."""

    code = "account.second_factor_is_on"
    status = 409


class TokenRefused(Problem):
    """An API token of this kind cannot be made."""

    code = "account.token_refused"


_PASSWORD_FAULTS = {
    "SHORT": _("密码至少 8 个字符，可以是一句好记的话。"),
    "LONG": _("密码最多 128 个字符。"),
    "DIGITS": _("只用数字时至少要 10 位；加上几个字母就可以短一些。"),
    "MONOTONE": _("密码里至少要有 4 个不同的字符。"),
    "COMMON": _("这个密码太常见，别人最先试的就是它。请换一个。"),
    "OWN": _("密码里不要只用自己的姓名、账号或电话。请再加几个字符。"),
}
_PIN_FAULTS = {
    "FORM": _("PIN 码是 6 位数字。"),
    "OBVIOUS": _("这个 PIN 码太容易猜到，请换一个。"),
}
PHONE_PURPOSE = "account.phone"


@dataclass(frozen=True, slots=True)
class NewPassword:
    """An account and the first password to hand over; it is shown once and stored nowhere."""

    account: Account
    password: str


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation and the token of its link; the token is shown once and stored nowhere."""

    invitation: Invitation
    token: str


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """A card with its token and PIN; both are shown once and stored nowhere."""

    card: LoginCard
    token: str
    pin: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A way in for somebody, to be shown once: a first password, an invitation's token, or a card's token and PIN."""

    account: Account
    password: str = ""
    token: str = ""
    pin: str = ""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An API token and its text; the text is shown once and stored nowhere."""

    api_token: ApiToken
    token: str


@dataclass(frozen=True, slots=True)
class Enrollment:
    """What the authenticator app needs: the secret in base32, and the same as an otpauth:// address for a QR code."""

    secret: str
    uri: str


# --- shared checks ----------------------------------------------------------------------------------------------------


def still(by: Actor) -> Actor:
    """Return `by` with those of their grants that are in force at this instant: rights may have gone since the request began."""
    if by.kind != "account":
        return by
    live = queries.grants_in_force([grant.grant_id for grant in by.grants if grant.grant_id])
    return replace(by, grants=tuple(grant for grant in by.grants if grant.grant_id in live))


def require_cover(by: Actor, account: Account) -> None:
    """Raise `RightsAboveYours` unless `by` could have given every role that `account` holds now."""
    if not rules.covers(still(by), queries.held_by(account)):
        raise RightsAboveYours(_("此人的权限高于或超出您能授予的范围，请由当初授权的部门来办理。"))


def _of_another(by: Actor, account: Account) -> None:
    if by.account_id == account.pk:
        raise YourOwn(_("自己的密码、登录卡和账号，请在“我的 → 安全”里办理。"))


def _own(by: Actor) -> Account:
    return Account.objects.select_related("person").get(
        pk=by.account_id or queries.NOBODY, person_id=by.person_id or queries.NOBODY
    )


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset(CommonPasswordValidator().passwords)


def checked_password(password: str, account: Account) -> str:
    """Return the hash of an acceptable new password; raises `PasswordRefused`. Slow on purpose: call it outside the transaction."""
    own = (account.number, account.person.name, account.person.volunteer_number or "")
    fault = rules.password_fault(password, own=own, common=_common_passwords())
    if fault is None and account.phone_index:
        digits = normalize_phone(password)
        if digits and crypto.blind_index(digits, PHONE_PURPOSE) == account.phone_index:
            fault = "OWN"
    if fault:
        raise PasswordRefused(
            _PASSWORD_FAULTS[fault], code=f"account.password_{fault.lower()}", field="password"
        )
    return make_password(password)


def stamp_of(account: Account) -> str:
    """Return the stamp that sessions of the account must carry now."""
    return rules.session_stamp(settings.SECRET_KEY, account.pk, account.password, account.session_round)


def _phone_index(phone: str) -> str | None:
    if not phone.strip():
        return None
    digits = normalize_phone(phone)
    if digits is None:
        raise NotAPhone(_("这不像一个电话号码。请填 11 位手机号，或带区号的座机号。"), field="phone")
    return crypto.blind_index(digits, PHONE_PURPOSE)


# --- opening and closing ----------------------------------------------------------------------------------------------


def create_account(
    *,
    by: Actor,
    person: Person,
    phone: str = "",
    password: str = "",
    first_password: bool = True,
    at: datetime | None = None,
) -> NewPassword:
    """Open an account for `person` with a first password that must be changed at the first log-in.

    Without `password` one is made; without `first_password` there is none, and the person comes in by an invitation or a card. Raises
    `AccountExists`, `PersonGone`, `NotAPhone`, `PhoneTaken`, `PasswordRefused`.
    """
    policy.require(by, "create", person.facts("account"))
    if person.status != Person.Status.ACTIVE:
        raise PersonGone(_("此人的记录已合并或删除，不能开账号。"))
    index = _phone_index(phone)
    account = Account(
        number=rules.new_number(),
        person=person,
        phone_index=index,
        must_change_password=first_password,
        password_set_by=by.account_id if first_password else None,
        created_at=at or timezone.now(),
    )
    password = (password or rules.new_password()) if first_password else ""
    account.password = checked_password(password, account) if password else make_password(None)
    with transaction.atomic():
        if Account.objects.filter(person=person).exists():
            raise AccountExists(_("此人已经有账号了。如果忘了密码，请在账号页重设。"))
        _save_new(account)
        audit.record(by=by, verb="account.create", target=account, after=account)
    return NewPassword(account, password)


def open_account(
    *,
    by: Actor,
    person: Person,
    phone: str = "",
    way: str = "PASSWORD",
    pin: str = "",
    at: datetime | None = None,
) -> HandedOver:
    """Open an account and make the way in, all or nothing.

    `way`: PASSWORD (a first password), INVITATION (a link) or CARD (a card with PIN). Raises what `create_account`, `invite` and
    `issue_card` raise.
    """
    policy.require(by, "create", person.facts("account"))
    with transaction.atomic():
        made = create_account(by=by, person=person, phone=phone, first_password=way == "PASSWORD", at=at)
        match way:
            case "PASSWORD":
                return HandedOver(made.account, password=made.password)
            case "INVITATION":
                return HandedOver(made.account, token=invite(by=by, account=made.account, at=at).token)
            case "CARD":
                card = issue_card(by=by, account=made.account, pin=pin, at=at)
                return HandedOver(made.account, token=card.token, pin=card.pin)
            case _:
                raise ValueError(way)


def _save_new(account: Account) -> None:
    for _attempt in range(8):
        try:
            with transaction.atomic():
                account.save(force_insert=True)
                return
        except IntegrityError:
            if Account.objects.filter(person_id=account.person_id).exists():
                raise AccountExists(_("此人已经有账号了。如果忘了密码，请在账号页重设。")) from None
            if account.phone_index and Account.objects.filter(phone_index=account.phone_index).exists():
                raise _phone_taken() from None
            account.number = rules.new_number()  # the one collision left: another account has this number
    raise AssertionError("eight account numbers in a row were taken")


def _phone_taken() -> PhoneTaken:
    return PhoneTaken(_("这个电话已用来登录另一个账号。可以不填电话，用账号或登录卡登录。"), field="phone")


@transaction.atomic
def set_log_in_phone(*, by: Actor, account: Account, phone: str) -> None:
    """Let the account log in with `phone` too; an empty text takes the phone away. Raises `NotAPhone`, `PhoneTaken`."""
    policy.require(by, "edit", account.facts())
    if by.account_id != account.pk:
        require_cover(by, account)
    index = _phone_index(phone)
    before = audit.image(account)
    account.phone_index = index
    try:
        with transaction.atomic():
            account.save(update_fields=["phone_index"])
    except IntegrityError:
        raise _phone_taken() from None
    audit.record(by=by, verb="account.phone_change", target=account, before=before, after=account)


@transaction.atomic
def close_account(*, by: Actor, account: Account) -> None:
    """Close the account: no way of logging in works any more, sessions and API tokens die at once. Role grants stay to be looked at."""
    policy.require(by, "edit", account.facts())
    _of_another(by, account)
    require_cover(by, account)
    if not Account.objects.filter(pk=account.pk, is_active=True).update(
        is_active=False, session_round=F("session_round") + 1
    ):
        raise NothingToEnd(_("这个账号已经停用。"))
    audit.record(by=by, verb="account.close", target=account)


@transaction.atomic
def reopen_account(*, by: Actor, account: Account) -> None:
    """Open a closed account again, with its old password and grants."""
    policy.require(by, "edit", account.facts())
    _of_another(by, account)
    require_cover(by, account)
    if account.person.status != Person.Status.ACTIVE:
        raise PersonGone(_("此人的记录已合并或删除，不能启用账号。"))
    if not Account.objects.filter(pk=account.pk, is_active=False).update(is_active=True):
        raise NothingToEnd(_("这个账号本来就在使用。"))
    audit.record(by=by, verb="account.reopen", target=account)


# --- passwords --------------------------------------------------------------------------------------------------------


def change_password(*, by: Actor, current: str, new: str) -> str:
    """Replace one's own password; every session ends. Returns the stamp for the session that may live on.

    Raises `PasswordWrong`, `PasswordRefused`, `throttle.TooManyTries`.
    """
    policy.require(by, "edit", policy.Facts("account", own=frozenset({by.person_id} if by.person_id else ())))
    account = _own(by)
    limit = rules.BY_ACCOUNT
    throttle.spend(
        bucket="password.change", key=str(account.pk), limit=limit.limit, per_seconds=limit.per_seconds
    )
    if not check_password(current, account.password):
        raise PasswordWrong(_("现在的密码不对。"), field="current")
    if current == new:
        raise PasswordRefused(_("新密码和现在的一样，请换一个。"), field="password")
    return _set_password(by, account, checked_password(new, account), "account.password_change", first=False)


def confirm_it_is_me(*, by: Actor, secret: str) -> None:
    """Check one's own password, or the PIN of one's card, before something that cannot be undone.

    Raises `PasswordWrong`, `throttle.TooManyTries`.
    """
    policy.require(by, "edit", policy.Facts("account", own=frozenset({by.person_id} if by.person_id else ())))
    account = _own(by)
    _spend_confirmation(account)
    card = LoginCard.objects.filter(account=account, revoked_at__isnull=True).first()
    if check_password(secret, account.password):
        return
    if card is None or not check_password("".join(secret.split()), card.pin):
        raise PasswordWrong(_("密码或 PIN 码不对。"), field="secret")


def reset_password(*, by: Actor, account: Account) -> NewPassword:
    """Give somebody who cannot log in a new first password; all their sessions end. Raises `RightsAboveYours`, `YourOwn`."""
    policy.require(by, "edit", account.facts())
    _of_another(by, account)
    require_cover(by, account)
    password = rules.new_password()
    _set_password(by, account, make_password(password), "account.password_reset", first=True)
    return NewPassword(account, password)


def _set_password(by: Actor, account: Account, encoded: str, verb: str, *, first: bool) -> str:
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(
            password=encoded,
            must_change_password=first,
            password_set_by=by.account_id if first else None,
            session_round=F("session_round") + 1,
        )
        _end_invitations(account)
        audit.record(by=by, verb=verb, target=account)
        account.refresh_from_db(
            fields=["password", "session_round", "must_change_password", "password_set_by"]
        )
    return stamp_of(account)


@transaction.atomic
def log_out_everywhere(*, by: Actor, account: Account) -> str:
    """End every session of the account. Returns the stamp for the one that may live on."""
    policy.require(by, "edit", account.facts())
    if by.account_id != account.pk:
        require_cover(by, account)
    Account.objects.filter(pk=account.pk).update(session_round=F("session_round") + 1)
    audit.record(by=by, verb="account.sessions_end", target=account)
    account.refresh_from_db(fields=["session_round", "password"])
    return stamp_of(account)


# --- invitations ------------------------------------------------------------------------------------------------------


@transaction.atomic
def invite(*, by: Actor, account: Account, at: datetime | None = None) -> Invited:
    """Make a link by which the person sets their own password, once, within seven days. An earlier open link ends."""
    policy.require(by, "edit", account.facts())
    _of_another(by, account)
    require_cover(by, account)
    now = at or timezone.now()
    _end_invitations(account, now)
    token = rules.new_token()
    invitation = Invitation.objects.create(
        account=account,
        token_hash=rules.token_hash(token),
        made_by=by.account_id,
        created_at=now,
        expires_at=now + rules.INVITATION_LASTS,
    )
    audit.record(by=by, verb="account.invite", target=account)
    return Invited(invitation, token)


@transaction.atomic
def withdraw_invitation(*, by: Actor, account: Account) -> None:
    """End the open link. Raises `NothingToEnd` when there is none."""
    policy.require(by, "edit", account.facts())
    if not _end_invitations(account):
        raise NothingToEnd(_("没有还能用的邀请链接。"))
    audit.record(by=by, verb="account.invitation_withdraw", target=account)


def _end_invitations(account: Account, at: datetime | None = None) -> int:
    return Invitation.objects.filter(
        account=account, accepted_at__isnull=True, revoked_at__isnull=True
    ).update(revoked_at=at or timezone.now())


# --- cards ------------------------------------------------------------------------------------------------------------


def issue_card(*, by: Actor, account: Account, pin: str = "", at: datetime | None = None) -> IssuedCard:
    """Make a card, or personal link, with a PIN for somebody without smartphone or e-mail. An earlier card ends.

    A first password that was never changed ends too: the card takes its place. Without `pin` one is made. Raises `RightsAboveYours`, `YourOwn`, `PinRefused`.
    """
    policy.require(by, "edit", account.facts())
    _of_another(by, account)
    require_cover(by, account)
    pin = pin or rules.new_pin()
    encoded = _checked_pin(pin, "pin")
    now = at or timezone.now()
    token = rules.new_token()
    with transaction.atomic():
        _end_cards(account, now)
        Account.objects.filter(pk=account.pk, must_change_password=True).update(
            password=make_password(None), must_change_password=False, password_set_by=None
        )
        card = LoginCard.objects.create(
            account=account,
            token_hash=rules.token_hash(token),
            pin=encoded,
            made_by=by.account_id,
            created_at=now,
        )
        audit.record(by=by, verb="account.card_issue", target=account)
    return IssuedCard(card, token, pin)


@transaction.atomic
def revoke_card(*, by: Actor, account: Account) -> None:
    """End the account's card. Raises `NothingToEnd` when there is none."""
    policy.require(by, "edit", account.facts())
    if not _end_cards(account, timezone.now()):
        raise NothingToEnd(_("没有还能用的登录卡。"))
    audit.record(by=by, verb="account.card_revoke", target=account)


def change_pin(*, by: Actor, current: str, new: str) -> None:
    """Choose a new PIN for one's own card, so that the worker who made it no longer knows it.

    Raises `PasswordWrong`, `PinRefused`, `NothingToEnd` without a card, `throttle.TooManyTries`.
    """
    policy.require(by, "edit", policy.Facts("account", own=frozenset({by.person_id} if by.person_id else ())))
    card = LoginCard.objects.filter(
        account_id=by.account_id or queries.NOBODY, revoked_at__isnull=True
    ).first()
    if card is None:
        raise NothingToEnd(_("您没有登录卡。需要的话，请到社区办理。"))
    limit = rules.BY_CARD_DAY
    throttle.spend(bucket="pin.change", key=str(card.pk), limit=limit.limit, per_seconds=limit.per_seconds)
    if not check_password(current, card.pin):
        raise PasswordWrong(_("现在的 PIN 码不对。"), field="current_pin")
    encoded = _checked_pin(new, "new_pin")
    with transaction.atomic():
        LoginCard.objects.filter(pk=card.pk).update(pin=encoded, made_by=by.account_id)
        audit.record(by=by, verb="account.pin_change", target=_own(by))


def _checked_pin(pin: str, field: str) -> str:
    fault = rules.pin_fault(pin)
    if fault:
        raise PinRefused(_PIN_FAULTS[fault], code=f"account.pin_{fault.lower()}", field=field)
    return make_password(pin)


def _end_cards(account: Account, at: datetime) -> int:
    return LoginCard.objects.filter(account=account, revoked_at__isnull=True).update(revoked_at=at)


# --- when rights are added --------------------------------------------------------------------------------------------


def end_secrets_known_to_others(*, by: Actor, account: Account, at: datetime) -> list[str]:
    """Called in the transaction that adds a right: end what a third person could use to act with it.

    Links, cards and first passwords made by another account than `by` end; those of the machine's own command line stay. Returns
    which ended: INVITATION, CARD, PASSWORD.
    """
    ended: list[str] = []
    made_by_others = {"made_by__isnull": False}
    invitations = Invitation.objects.filter(
        account=account, accepted_at=None, revoked_at=None, **made_by_others
    )
    if invitations.exclude(made_by=by.account_id).update(revoked_at=at):
        ended.append("INVITATION")
    cards = LoginCard.objects.filter(account=account, revoked_at=None, **made_by_others)
    if cards.exclude(made_by__in=[i for i in (by.account_id, account.pk) if i]).update(revoked_at=at):
        ended.append("CARD")
    known = Account.objects.filter(pk=account.pk, must_change_password=True, password_set_by__isnull=False)
    if known.exclude(password_set_by=by.account_id).update(
        password=make_password(None), password_set_by=by.account_id, session_round=F("session_round") + 1
    ):
        ended.append("PASSWORD")
    return ended


def is_trusted_still(made_by: UUID | None, account: Account) -> bool:
    """True when a secret made by the account `made_by` may still open `account`: its maker could give those rights to this day."""
    if made_by is None or made_by == account.pk:
        return True
    held = queries.held_by(account)
    if not held:
        return True
    maker = Account.objects.filter(pk=made_by).first()
    return maker is not None and rules.covers(queries.actor_for_account(maker), held)


# --- second factor ----------------------------------------------------------------------------------------------------


@transaction.atomic
def start_second_factor(*, by: Actor) -> Enrollment:
    """Make a secret for one's own authenticator app. It counts only after `confirm_second_factor`. Raises `SecondFactorIsOn`."""
    policy.require(by, "edit", policy.Facts("account", own=frozenset({by.person_id} if by.person_id else ())))
    account = _own(by)
    if account.second_factor_at is not None:
        raise SecondFactorIsOn(_("两步验证已经开启。换手机时，请先关闭再重新开启。"))
    if not account.second_factor:
        account.second_factor = pyotp.random_base32()
        account.save(update_fields=["second_factor"])
    uri = pyotp.TOTP(account.second_factor).provisioning_uri(name=account.number, issuer_name="Wushe 五社")
    return Enrollment(account.second_factor, uri)


def confirm_second_factor(*, by: Actor, code: str, at: datetime | None = None) -> list[str]:
    """Turn the second factor on with the first code of the app. Returns the recovery codes, shown once.

    Raises `CodeWrong`, `SecondFactorIsOn`, `throttle.TooManyTries`.
    """
    policy.require(by, "edit", policy.Facts("account", own=frozenset({by.person_id} if by.person_id else ())))
    account = _own(by)
    if account.second_factor_at is not None:
        raise SecondFactorIsOn(_("两步验证已经开启。换手机时，请先关闭再重新开启。"))
    now = at or timezone.now()
    spend_second_factor_try(account)
    with transaction.atomic():
        if not account.second_factor or not use_code(account, code, now):
            raise CodeWrong(_("验证码不对或已过期。请用手机上正在显示的 6 位数字。"), field="code")
        if not Account.objects.filter(pk=account.pk, second_factor_at__isnull=True).update(
            second_factor_at=now
        ):
            raise SecondFactorIsOn(_("两步验证已经开启。换手机时，请先关闭再重新开启。"))
        codes = _new_recovery_codes(account)
        audit.record(by=by, verb="account.second_factor_on", target=account)
    return codes


def renew_recovery_codes(*, by: Actor, password: str) -> list[str]:
    """Replace one's own recovery codes. Returns the new ones, shown once. Raises `PasswordWrong`, `NothingToEnd`."""
    policy.require(by, "edit", policy.Facts("account", own=frozenset({by.person_id} if by.person_id else ())))
    account = _own(by)
    _require_password(account, password)
    if account.second_factor_at is None:
        raise NothingToEnd(_("两步验证没有开启。"))
    with transaction.atomic():
        codes = _new_recovery_codes(account)
        audit.record(by=by, verb="account.recovery_codes_renew", target=account)
    return codes


def stop_own_second_factor(*, by: Actor, password: str) -> None:
    """Turn one's own second factor off. Raises `PasswordWrong`, `NothingToEnd`, `throttle.TooManyTries`."""
    policy.require(by, "edit", policy.Facts("account", own=frozenset({by.person_id} if by.person_id else ())))
    account = _own(by)
    _require_password(account, password)
    _stop_second_factor(by, account)


def stop_second_factor(*, by: Actor, account: Account) -> None:
    """Turn off the second factor of somebody who lost their phone. Raises `RightsAboveYours`, `YourOwn`, `NothingToEnd`."""
    policy.require(by, "edit", account.facts())
    _of_another(by, account)
    require_cover(by, account)
    _stop_second_factor(by, account)


@transaction.atomic
def _stop_second_factor(by: Actor, account: Account) -> None:
    stopped = Account.objects.filter(pk=account.pk, second_factor_at__isnull=False).update(
        second_factor="", second_factor_at=None, session_round=F("session_round") + 1
    )
    if not stopped:
        raise NothingToEnd(_("两步验证没有开启。"))
    RecoveryCode.objects.filter(account=account).delete()
    audit.record(by=by, verb="account.second_factor_off", target=account)


def _spend_confirmation(account: Account) -> None:
    limit = rules.BY_ACCOUNT
    throttle.spend(
        bucket="password.confirm", key=str(account.pk), limit=limit.limit, per_seconds=limit.per_seconds
    )


def _require_password(account: Account, password: str) -> None:
    _spend_confirmation(account)
    if not check_password(password, account.password):
        raise PasswordWrong(_("密码不对。"), field="password")


def _new_recovery_codes(account: Account) -> list[str]:
    codes = rules.new_recovery_codes()
    RecoveryCode.objects.filter(account=account).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(account=account, code_hash=rules.token_hash(rules.recovery_code_key(code)))
        for code in codes
    )
    return codes


def spend_second_factor_try(account: Account) -> None:
    """Spend one try at the account's second factor; raises `throttle.TooManyTries`. Outside any transaction."""
    limit = rules.BY_SECOND_FACTOR
    throttle.spend(bucket=limit.bucket, key=str(account.pk), limit=limit.limit, per_seconds=limit.per_seconds)


def use_code(account: Account, typed_code: str, at: datetime) -> bool:
    """Use up a code of the app (30 s, one step either way). True once for each code: the step is remembered by one conditional update."""
    digits = "".join(c for c in typed_code if c.isdigit())
    totp = pyotp.TOTP(account.second_factor)
    present = int(at.timestamp()) // totp.interval
    for step in (present, present - 1, present + 1):
        if rules.same(totp.generate_otp(step), digits):
            return bool(
                Account.objects.filter(pk=account.pk, second_factor_step__lt=step).update(
                    second_factor_step=step
                )
            )
    return False


def use_recovery_code(account: Account, typed_code: str) -> bool:
    """Use up a recovery code. True once for each."""
    key = rules.token_hash(rules.recovery_code_key(typed_code))
    return bool(RecoveryCode.objects.filter(account=account, code_hash=key).delete()[0])


# --- API tokens -------------------------------------------------------------------------------------------------------


@transaction.atomic
def issue_api_token(
    *,
    by: Actor,
    grant: RoleGrant,
    name: str,
    expires_at: datetime,
    is_read_only: bool = True,
    at: datetime | None = None,
) -> IssuedToken:
    """Make a token with which a program can do what one of one's own grants can, until `expires_at` (at most a year off).

    Raises `TokenRefused` for somebody else's grant, one that has ended, or a date out of range.
    """
    policy.require(by, "edit", policy.Facts("account", own=frozenset({grant.account.person_id})))
    now = at or timezone.now()
    if by.account_id != grant.account_id and not by.is_trusted_local:
        raise TokenRefused(_("只能为自己的授权制作接口令牌。"))
    if not grant.in_force_at(now):
        raise TokenRefused(_("这项授权已经结束。"), field="grant")
    if not now < expires_at <= now + rules.TOKEN_LASTS_AT_MOST:
        raise TokenRefused(_("到期日必须在今天之后、一年以内。"), field="expires_at")
    token = "wushe_" + rules.new_token(256)
    row = ApiToken.objects.create(
        grant=grant,
        name=typed.line(ApiToken, "name", name),
        token_hash=rules.token_hash(token),
        is_read_only=is_read_only,
        created_at=now,
        expires_at=expires_at,
    )
    audit.record(by=by, verb="account.token_issue", target=row, after=row)
    return IssuedToken(row, token)


@transaction.atomic
def revoke_api_token(*, by: Actor, api_token: ApiToken) -> None:
    """End an API token at once. Raises `NothingToEnd`."""
    policy.require(by, "edit", api_token.facts())
    if not ApiToken.objects.filter(pk=api_token.pk, revoked_at__isnull=True).update(
        revoked_at=timezone.now()
    ):
        raise NothingToEnd(_("这个令牌已经失效。"))
    audit.record(by=by, verb="account.token_revoke", target=api_token)
