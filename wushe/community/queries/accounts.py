"""Who acts, with which rights at this instant; accounts, grants, cards and tokens as the actor may see them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, QuerySet
from django.utils import timezone

from wushe.community.models import Account, ApiToken, Invitation, LoginCard, Person, RoleGrant
from wushe.community.rules import accounts as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.text import mask_name

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


_GRANT_COLUMNS = ("live__id", "live__role", "live__place__path", "live__organization__path", "live__is_national")


def _in_force(prefix: str, at: datetime) -> Q:
    return Q(**{f"{prefix}revoked_at__isnull": True}) & (
        Q(**{f"{prefix}expires_at__isnull": True}) | Q(**{f"{prefix}expires_at__gt": at})
    )


def _with_live_grants(accounts: QuerySet[Account], at: datetime) -> QuerySet[Account]:
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
        _with_live_grants(Account.objects.filter(which, is_active=True, person__status=Person.Status.ACTIVE), at)
        .order_by("live__id")
        .values_list(
            "id", "person_id", "person__name", "password", "session_round", "must_change_password", *_GRANT_COLUMNS
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
