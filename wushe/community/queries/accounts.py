"""Who acts, with which rights at this instant; accounts, grants, cards and tokens as the actor may see them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import is_password_usable
from django.db.models import Count, Exists, FilteredRelation, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import (
    Account,
    ApiToken,
    Invitation,
    LoginCard,
    Organization,
    Person,
    Place,
    RoleGrant,
)
from wushe.community.rules import accounts as rules
from wushe.kernel import crypto, policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name, mask_name, normalize_phone

# --- who acts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a valid session stands for now."""

    actor: Actor
    must_change_password: bool


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a valid API token stands for now: an actor with the one grant of the token."""

    actor: Actor
    token_id: UUID
    is_read_only: bool


# An id no row has: for actors without an account or a person of their own.
NOBODY: Final = UUID(int=0)
_GRANT_COLUMNS = (
    "live__id",
    "live__role",
    "live__place__path",
    "live__organization__path",
    "live__is_national",
)


def _in_force(prefix: str, at: datetime) -> Q:
    return Q(**{f"{prefix}revoked_at__isnull": True}) & (
        Q(**{f"{prefix}expires_at__isnull": True}) | Q(**{f"{prefix}expires_at__gt": at})
    )


def _with_live_grants(accounts: QuerySet[Account], at: datetime) -> Any:
    return accounts.annotate(live=FilteredRelation("grants", condition=_in_force("grants__", at)))


def _grant(row: tuple[UUID | None, str, str | None, str | None, bool]) -> Grant | None:
    grant_id, role, place_path, organization_path, is_national = row
    if grant_id is None:
        return None
    grant = Grant(role, "/" if is_national else place_path, organization_path, grant_id)
    return grant if rules.counts(grant) else None


def actor_for_account(account: Account, *, at: datetime | None = None) -> Actor:
    """Return who `account` is now, with the grants in force at `at`. One query. An account that may not log in is anonymous."""
    found = _signed_in(Q(pk=account.pk), at or timezone.now(), stamp=None)
    return found.actor if found else Actor.anonymous()


def actor_for_session(account_id: UUID, stamp: str, *, at: datetime | None = None) -> SignedIn | None:
    """Return who the session of `account_id` stands for; None when the account is closed or the stamp is no longer right.

    While a first password waits to be changed, the actor holds none of the grants. One query.
    """
    return _signed_in(Q(pk=account_id), at or timezone.now(), stamp=stamp)


def _signed_in(which: Q, at: datetime, *, stamp: str | None) -> SignedIn | None:
    rows = list(
        _with_live_grants(
            Account.objects.filter(which, is_active=True, person__status=Person.Status.ACTIVE), at
        )
        .order_by("live__id")
        .values_list(
            "id",
            "person_id",
            "person__name",
            "password",
            "session_round",
            "must_change_password",
            *_GRANT_COLUMNS,
        )
    )
    if not rows:
        return None
    account_id, person_id, name, password, session_round, must_change = rows[0][:6]
    if stamp is not None:
        expected = rules.session_stamp(settings.SECRET_KEY, account_id, password, session_round)
        if not rules.same(stamp, expected):
            return None
    grants = tuple(grant for row in rows if (grant := _grant(row[6:])) is not None)
    held_back = must_change and stamp is not None
    actor = Actor("account", name, account_id, person_id, () if held_back else grants)
    return SignedIn(actor, must_change)


def actor_for_token(token: str, *, at: datetime | None = None) -> Bearer | None:
    """Return who the API token stands for; None when it is unknown, expired or revoked, or its grant or account has ended.

    The actor holds the one grant of the token and none of the rights a person has over their own data. One query.
    """
    at = at or timezone.now()
    row = (
        ApiToken.objects.filter(
            _in_force("grant__", at),
            token_hash=rules.token_hash(token),
            revoked_at__isnull=True,
            expires_at__gt=at,
            grant__account__is_active=True,
            grant__account__must_change_password=False,
            grant__account__person__status=Person.Status.ACTIVE,
        )
        .values_list(
            "id", "is_read_only", "grant__account_id", "grant__account__number", "grant_id", "grant__role",
            "grant__place__path", "grant__organization__path", "grant__is_national",
        )
        .first()
    )  # fmt: skip
    if row is None:
        return None
    grant = _grant(row[4:])
    if grant is None:
        return None
    # No person: a token reaches what its grant reaches, not its owner's own data, password or consents.
    return Bearer(Actor("account", f"API {row[3]}", row[2], None, (grant,)), row[0], row[1])


def held_by(account: Account, *, at: datetime | None = None) -> list[rules.Held]:
    """Return every role the account holds now, active or not, as the rule about covered rights needs it. Not for showing."""
    rows = RoleGrant.objects.filter(_in_force("", at or timezone.now()), account=account).values_list(
        "role", "place__path", "organization__path", "organization__place__path", "is_national"
    )
    return [
        rules.Held(role, "/" if is_national else place_path or organization_place, organization_path)
        for role, place_path, organization_path, organization_place, is_national in rows
    ]


def grants_in_force(grant_ids: list[UUID], *, at: datetime | None = None) -> frozenset[UUID]:
    """Return those of the grants that count at this instant."""
    return frozenset(
        RoleGrant.objects.filter(_in_force("", at or timezone.now()), pk__in=grant_ids).values_list(
            "pk", flat=True
        )
    )


def open_invitation(token: str, *, at: datetime | None = None) -> Invitation | None:
    """Return the invitation behind a link that can still be used, else None. Whoever has the link may know that."""
    return (
        Invitation.objects.filter(
            token_hash=rules.token_hash(token),
            accepted_at__isnull=True,
            revoked_at__isnull=True,
            expires_at__gt=at or timezone.now(),
            account__is_active=True,
            account__person__status=Person.Status.ACTIVE,
        )
        .select_related("account__person")
        .first()
    )


# --- what the desk shows ----------------------------------------------------------------------------------------------


class AccountNotFound(Problem):
    """There is no such account, or the actor may not see it."""

    code = "account.not_found"
    status = 404


class GrantNotFound(Problem):
    """There is no such grant, or the actor may not see it."""

    code = "grant.not_found"
    status = 404


class ApiTokenNotFound(Problem):
    """There is no such API token, or the actor may not see it."""

    code = "account.token_not_found"
    status = 404


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """One grant as a page shows it. `may_end` says whether the actor may end it."""

    grant: RoleGrant
    where: str
    in_force: bool
    may_end: bool


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """One account with everything its page shows.

    `covered` is True when the actor could have given every role it holds, and so may reset its password; `may_edit` when the actor may do
    that and the account is not their own.
    """

    account: Account
    shown_name: str
    name_is_open: bool
    has_password: bool
    has_second_factor: bool
    recovery_codes_left: int
    card: LoginCard | None
    invitation: Invitation | None
    grants: tuple[HeldGrant, ...]
    tokens: tuple[ApiToken, ...]
    covered: bool
    may_edit: bool
    is_own: bool


def accounts(
    actor: Actor,
    *,
    text: str = "",
    role: str = "",
    state: str = "",
    place: Place | None = None,
    at: datetime | None = None,
) -> QuerySet[Account]:
    """Return the accounts the actor may see, by number. Person and place are at hand; `shown_name` is masked where the actor may not
    read the person, `live_roles` counts the grants in force.

    `text` is an account number from the start or a whole log-in phone, or part of a name the actor may read; `state` one of
    ACTIVE, CLOSED, FIRST_PASSWORD, WITHOUT_SECOND_FACTOR.
    """
    now = at or timezone.now()
    readable = Person.objects.visible_to(actor).filter(pk=OuterRef("person_id"))
    live = RoleGrant.objects.filter(_in_force("", now), account=OuterRef("pk")).order_by()
    found = (
        Account.objects.visible_to(actor)
        .select_related("person__place")
        .defer("password", "second_factor")
        .annotate(
            name_is_open=Exists(readable),
            live_roles=Coalesce(Subquery(live.values("account").annotate(n=Count("pk")).values("n")), 0),
        )
    )
    if text.strip():
        typed = "".join(text.split())[:100].replace("\x00", "")
        digits = normalize_phone(typed)
        condition = Q(number__prefix=typed) | (
            Q(name_is_open=True) & Q(person__name_key__contains=fold_name(typed))
        )
        if digits:
            condition |= Q(name_is_open=True, phone_index=crypto.blind_index(digits, "account.phone"))
        found = found.filter(condition)
    if role:
        found = found.filter(Exists(live.filter(role=role)))
    if place is not None:
        found = found.filter(person__place__path__prefix=place.path)
    match state:
        case "ACTIVE":
            found = found.filter(is_active=True)
        case "CLOSED":
            found = found.filter(is_active=False)
        case "FIRST_PASSWORD":
            found = found.filter(must_change_password=True)
        case "WITHOUT_SECOND_FACTOR":
            found = found.filter(second_factor_at__isnull=True, live_roles__gt=0)
    return found.order_by("number")


def shown_name(account: Account) -> str:
    """Return the name of an account of `accounts()` as the actor may see it."""
    name = account.person.name
    return name if getattr(account, "name_is_open", False) else mask_name(name)


def shown_name_of_grant(grant: RoleGrant) -> str:
    """Return the name of the holder of a grant of `grants()` as the actor may see it."""
    name = grant.account.person.name
    return name if getattr(grant, "name_is_open", False) else mask_name(name)


def account(actor: Actor, account_id: UUID) -> Account:
    """Return one account with its person. Raises `AccountNotFound`."""
    found = Account.objects.visible_to(actor).select_related("person__place").filter(pk=account_id).first()
    if found is None:
        raise AccountNotFound(_("没有这个账号，或它不在您负责的范围内。"))
    return found


def account_by_number(actor: Actor, number: str) -> Account:
    """Return the account with this number. Raises `AccountNotFound`."""
    found = (
        Account.objects.visible_to(actor)
        .select_related("person__place")
        .filter(number=number.strip())
        .first()
    )
    if found is None:
        raise AccountNotFound(_("没有账号 %(number)s，或它不在您负责的范围内。") % {"number": number[:20]})
    return found


def own_account(actor: Actor) -> Account:
    """Return the actor's own account with its person. Raises `AccountNotFound` for actors without one."""
    found = None
    if actor.account_id and actor.person_id:
        found = (
            Account.objects.visible_to(actor)
            .select_related("person__place")
            .filter(pk=actor.account_id)
            .first()
        )
    if found is None:
        raise AccountNotFound(_("请先登录。"))
    return found


def account_of_person(actor: Actor, person: Person) -> Account | None:
    """Return the person's account if there is one the actor may see."""
    return Account.objects.visible_to(actor).select_related("person__place").filter(person=person).first()


def account_record(actor: Actor, of: Account, *, at: datetime | None = None) -> AccountRecord:
    """Return everything the account's page shows. At most nine queries."""
    now = at or timezone.now()
    own = actor.account_id == of.pk
    open_name = own or Person.objects.visible_to(actor).filter(pk=of.person_id).exists()
    rows = list(
        RoleGrant.objects.visible_to(actor)
        .filter(account=of)
        .select_related("place", "organization__place")
        .order_by("-granted_at")
    )
    may_edit = not own and Account.objects.visible_to(actor, "edit").filter(pk=of.pk).exists()
    covered = rules.covers(actor, held_by(of, at=now))
    tokens = (
        ApiToken.objects.visible_to(actor)
        .filter(grant__account=of)
        .select_related("grant")
        .order_by("-created_at")
    )
    return AccountRecord(
        account=of,
        shown_name=of.person.name if open_name else mask_name(of.person.name),
        name_is_open=open_name,
        has_password=is_password_usable(of.password),
        has_second_factor=of.second_factor_at is not None,
        recovery_codes_left=of.recovery_codes.count() if of.second_factor_at else 0,
        card=LoginCard.objects.visible_to(actor).filter(account=of, revoked_at__isnull=True).first(),
        invitation=Invitation.objects.visible_to(actor)
        .filter(account=of, accepted_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now)
        .first(),
        grants=tuple(_held_grant(actor, grant, now) for grant in rows),
        tokens=tuple(tokens[:50]),
        covered=covered,
        may_edit=may_edit and covered,
        is_own=own,
    )


def _held_grant(actor: Actor, grant: RoleGrant, now: datetime) -> HeldGrant:
    may_end = actor.account_id != grant.account_id and rules.may_give(
        actor,
        rules.Held(
            grant.role,
            _scope_path(grant),
            grant.organization.path if grant.organization else None,
        ),
    )
    return HeldGrant(grant, where(actor, grant), grant.in_force_at(now), may_end)


def _scope_path(grant: RoleGrant) -> str:
    if grant.organization is not None:
        return grant.organization.place.path
    return "/" if grant.place is None else grant.place.path


def where(actor: Actor, grant: RoleGrant) -> str:
    """Return the name of the place or organization of a grant; of the nation, its word. An organization the actor may not see
    is not named: whoever looks after the platform sees grants without seeing every organization.
    """
    if grant.is_national:
        return str(_("全国"))
    body = grant.organization
    # Who holds the grant knows where it is held for.
    if body is None or actor.account_id == grant.account_id or policy.allows(actor, "view", body.facts()):
        return str(grant.place or body)
    return str(_("您看不到的组织"))


def grants(
    actor: Actor, *, role: str = "", state: str = "", place: Place | None = None, at: datetime | None = None
) -> QuerySet[RoleGrant]:
    """Return the grants the actor may see, the latest first. `state`: IN_FORCE, ENDING (within 30 days), EXPIRED, ENDED."""
    now = at or timezone.now()
    readable = Person.objects.visible_to(actor).filter(pk=OuterRef("account__person_id"))
    found = (
        RoleGrant.objects.visible_to(actor)
        .select_related("account__person", "place", "organization__place")
        .defer("account__password", "account__second_factor")
        .annotate(name_is_open=Exists(readable))
    )
    if role:
        found = found.filter(role=role)
    if place is not None:
        found = found.filter(
            Q(place__path__prefix=place.path) | Q(organization__place__path__prefix=place.path)
        )
    match state:
        case "IN_FORCE":
            found = found.filter(_in_force("", now))
        case "ENDING":
            found = found.filter(
                revoked_at__isnull=True, expires_at__gt=now, expires_at__lte=now + rules.GRANT_ENDS_SOON
            )
        case "EXPIRED":
            found = found.filter(revoked_at__isnull=True, expires_at__lte=now)
        case "ENDED":
            found = found.filter(revoked_at__isnull=False)
    return found.order_by("-granted_at")


def grant(actor: Actor, grant_id: UUID) -> RoleGrant:
    """Return one grant with its account, place and organization. Raises `GrantNotFound`."""
    found = (
        RoleGrant.objects.visible_to(actor)
        .select_related("account__person__place", "place", "organization__place")
        .filter(pk=grant_id)
        .first()
    )
    if found is None:
        raise GrantNotFound(_("没有这项授权，或它不在您负责的范围内。"))
    return found


def own_grants(actor: Actor, *, at: datetime | None = None) -> list[RoleGrant]:
    """Return the grants the actor holds now, with their places and organizations."""
    ids = [held.grant_id for held in actor.grants if held.grant_id]
    return list(
        RoleGrant.objects.visible_to(actor)
        .filter(_in_force("", at or timezone.now()), pk__in=ids)
        .select_related("account", "place", "organization__place")
        .order_by("granted_at")
    )


def api_token(actor: Actor, token_id: UUID) -> ApiToken:
    """Return one API token. Raises `ApiTokenNotFound`."""
    found = (
        ApiToken.objects.visible_to(actor)
        .select_related("grant__account__person")
        .filter(pk=token_id)
        .first()
    )
    if found is None:
        raise ApiTokenNotFound(_("没有这个接口令牌，或它不是您的。"))
    return found


def own_card(actor: Actor) -> LoginCard | None:
    """Return the actor's own valid card, if any."""
    return (
        LoginCard.objects.visible_to(actor)
        .filter(account_id=actor.account_id or NOBODY, revoked_at__isnull=True)
        .first()
    )


def roles_to_give(actor: Actor) -> list[str]:
    """Return the roles the actor may give somewhere, in the policy's order."""
    if actor.is_trusted_local:
        return list(policy.GRANTABLE_ROLES)
    given = frozenset[str]().union(*(policy.MAY_GRANT.get(grant.role, frozenset()) for grant in actor.grants))
    return [role for role in policy.GRANTABLE_ROLES if role in given]


@dataclass(frozen=True, slots=True)
class AccountsWaiting:
    """What waits about accounts, for the desk's work list; each list is cut at `WAITING_SHOWN`."""

    invitations: tuple[Invitation, ...]
    first_passwords: tuple[Account, ...]


WAITING_SHOWN = 20


def waiting(actor: Actor, *, at: datetime | None = None) -> AccountsWaiting:
    """Return invitations nobody has accepted and first passwords nobody has changed, the oldest first, that the actor could renew."""
    now = at or timezone.now()
    invitations = (
        Invitation.objects.visible_to(actor, "edit")
        .filter(accepted_at__isnull=True, revoked_at__isnull=True, account__is_active=True)
        .exclude(account_id=actor.account_id or NOBODY)
        .select_related("account__person__place")
        .order_by("created_at")
    )
    first = (
        Account.objects.visible_to(actor, "edit")
        .filter(must_change_password=True, is_active=True, created_at__lt=now - timedelta(days=3))
        .exclude(pk=actor.account_id or NOBODY)
        .select_related("person__place")
        .order_by("created_at")
    )
    return AccountsWaiting(tuple(invitations[:WAITING_SHOWN]), tuple(first[:WAITING_SHOWN]))


def dangers(actor: Actor, *, at: datetime | None = None) -> list[rules.Danger]:
    """Return what is dangerous about the grants and API tokens the actor may see, by account. Three queries."""
    now = at or timezone.now()
    cards = LoginCard.objects.filter(account=OuterRef("account_id"), revoked_at__isnull=True)
    rows = list(
        RoleGrant.objects.visible_to(actor)
        .filter(revoked_at__isnull=True)
        .select_related("account__person", "place", "organization")
        .defer("account__password", "account__second_factor")
        .annotate(has_card=Exists(cards))
        .order_by("account__number", "granted_at")
    )
    roles: dict[UUID, set[str]] = {}
    live = RoleGrant.objects.filter(_in_force("", now), account__in={row.account_id for row in rows})
    for account_id, role in live.values_list("account_id", "role"):
        roles.setdefault(account_id, set()).add(role)
    found: list[rules.Danger] = []
    for row in rows:
        state = rules.GrantState(
            grant_id=row.pk,
            account_number=row.account.number,
            role=row.role,
            place_path=row.place.path if row.place else None,
            organization_path=row.organization.path if row.organization else None,
            is_national=row.is_national,
            expires_at=row.expires_at,
            account_is_active=row.account.is_active and row.account.person.status == Person.Status.ACTIVE,
            account_has_second_factor=row.account.second_factor_at is not None,
            account_has_card=row.has_card,
            account_never_changed_password=row.account.must_change_password,
            scope_is_closed=(row.place is not None and not row.place.is_open)
            or (row.organization is not None and row.organization.status == Organization.Status.CLOSED),
            other_roles=frozenset(roles.get(row.account_id, set()) - {row.role}),
        )
        found.extend(rules.grant_dangers(state, now))
    tokens = (
        ApiToken.objects.visible_to(actor)
        .filter(_in_force("grant__", now), revoked_at__isnull=True, expires_at__gt=now)
        .order_by("grant__account__number", "created_at")
        .values_list("id", "grant__account__number", "name", "created_at", "expires_at", "is_read_only")
    )
    for token in tokens:
        found.extend(rules.token_dangers(rules.TokenState(*token), now))
    return found
