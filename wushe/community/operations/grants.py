"""Changes to role grants (授权): who may do what, where. Nobody changes their own; nobody gives what they may not hand on."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Account, ApiToken, Organization, Person, Place, RoleGrant
from wushe.community.operations.accounts import end_secrets_known_to_others, still
from wushe.community.rules import accounts as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem


class NotYoursToGive(Problem):
    """The actor may not hand this role on, or not there."""

    code = "grant.not_yours_to_give"
    status = 403


class OwnGrant(Problem):
    """Somebody tried to change their own rights."""

    code = "grant.own"
    status = 403


class RoleDoesNotFit(Problem):
    """The role is unknown, or means nothing for this kind of scope."""

    code = "grant.role_does_not_fit"


class AlreadyGranted(Problem):
    """The account holds this role there already."""

    code = "grant.already"
    status = 409


class GrantEnded(Problem):
    """The grant has ended already."""

    code = "grant.ended"
    status = 409


class CannotHold(Problem):
    """The account, the place or the organization is closed, or the date lies in the past."""

    code = "grant.cannot_hold"


@dataclass(frozen=True, slots=True)
class Given:
    """A new grant, and which secrets known to others ended with it (INVITATION, CARD, PASSWORD)."""

    grant: RoleGrant
    ended_secrets: list[str]


@transaction.atomic
def give_grant(
    *,
    by: Actor,
    account: Account,
    role: str,
    place: Place | None = None,
    organization: Organization | None = None,
    national: bool = False,
    expires_at: datetime | None = None,
    at: datetime | None = None,
) -> Given:
    """Give `account` a role for a place, for an organization or for the nation, until `expires_at` where one is given.

    Links, cards and first passwords that a third person knows end, so that the new right is the holder's alone. Raises
    `NotYoursToGive`, `OwnGrant`, `RoleDoesNotFit`, `AlreadyGranted`, `CannotHold`.
    """
    held = _held(role, place, organization, national)
    policy.require(by, "create", _facts(held))
    policy.require(by, "view", account.facts())
    now = at or timezone.now()
    _not_own(by, account)
    if role not in policy.GRANTABLE_ROLES or not rules.fits(
        role, "organization" if organization else "place"
    ):
        raise RoleDoesNotFit(_("这个角色不能这样授予。请换一个角色，或改选地方、组织。"), field="role")
    if not rules.may_give(still(by), held):
        raise NotYoursToGive(_("您不能在这里授予这个角色。请由上级来授予。"), field="role")
    if not account.is_active or account.person.status != Person.Status.ACTIVE:
        raise CannotHold(_("这个账号已停用，不能授权。"))
    if place is not None and not place.is_open:
        raise CannotHold(_("这个地方已撤销，请选择现在的地方。"), field="place")
    if organization is not None and organization.status == Organization.Status.CLOSED:
        raise CannotHold(_("这个组织已注销，不能授权。"), field="organization")
    _future(expires_at, now)
    # One that ran out still stands in the way of the unique constraint: end it properly first.
    RoleGrant.objects.filter(
        account=account, role=role, place=place, organization=organization, is_national=national,
        revoked_at__isnull=True, expires_at__lte=now,
    ).update(revoked_at=now)  # fmt: skip
    grant = RoleGrant(
        account=account, role=role, place=place, organization=organization, is_national=national,
        granted_by=by.account_id, granted_at=now, expires_at=expires_at,
    )  # fmt: skip
    try:
        with transaction.atomic():
            grant.save(force_insert=True)
    except IntegrityError:
        raise AlreadyGranted(_("此人在这里已经有这个角色。")) from None
    ended = end_secrets_known_to_others(by=by, account=account, at=now)
    audit.record(by=by, verb="grant.give", target=grant, after=grant, note=" ".join(ended))
    return Given(grant, ended)


@transaction.atomic
def end_grant(*, by: Actor, grant: RoleGrant, at: datetime | None = None) -> None:
    """End a grant now; it counts no more from the holder's next request on. Its API tokens end with it.

    Raises `NotYoursToGive` (who may not give a role may not end it), `OwnGrant`, `GrantEnded`.
    """
    policy.require(by, "edit", grant.facts())
    _not_own(by, grant.account)
    if not rules.may_give(still(by), _held_by_grant(grant)):
        raise NotYoursToGive(_("您不能结束这项授权。请由授予它的部门来办理。"))
    now = at or timezone.now()
    before = audit.image(grant)
    if not RoleGrant.objects.filter(pk=grant.pk, revoked_at__isnull=True).update(revoked_at=now):
        raise GrantEnded(_("这项授权已经结束。"))
    ApiToken.objects.filter(grant=grant, revoked_at__isnull=True).update(revoked_at=now)
    grant.refresh_from_db(fields=["revoked_at"])
    audit.record(by=by, verb="grant.end", target=grant, before=before, after=grant)


@transaction.atomic
def prolong_grant(
    *, by: Actor, grant: RoleGrant, expires_at: datetime | None, at: datetime | None = None
) -> Given:
    """Let a grant that nobody has ended run until `expires_at`, or without end. Needs what giving it anew would need."""
    policy.require(by, "edit", grant.facts())
    _not_own(by, grant.account)
    if not rules.may_give(still(by), _held_by_grant(grant)):
        raise NotYoursToGive(_("您不能延长这项授权。请由授予它的部门来办理。"))
    now = at or timezone.now()
    _future(expires_at, now)
    before = audit.image(grant)
    if not RoleGrant.objects.filter(pk=grant.pk, revoked_at__isnull=True).update(expires_at=expires_at):
        raise GrantEnded(_("这项授权已经结束，请重新授权。"))
    grant.refresh_from_db(fields=["expires_at"])
    ended = end_secrets_known_to_others(by=by, account=grant.account, at=now)
    audit.record(by=by, verb="grant.prolong", target=grant, before=before, after=grant, note=" ".join(ended))
    return Given(grant, ended)


def _held(role: str, place: Place | None, organization: Organization | None, national: bool) -> rules.Held:
    if [place is not None, organization is not None, national].count(True) != 1:
        raise CannotHold(_("请选择一个地方，或者一个组织，只选其一。"), code="grant.one_scope", field="place")
    if organization is not None:
        return rules.Held(role, organization.place.path, organization.path)
    return rules.Held(role, "/" if place is None else place.path)


def _held_by_grant(grant: RoleGrant) -> rules.Held:
    return _held(grant.role, grant.place, grant.organization, grant.is_national)


def _facts(held: rules.Held) -> policy.Facts:
    return policy.Facts(
        "grant",
        place_paths=frozenset({held.place_path} if held.place_path else ()),
        organization_paths=frozenset({held.organization_path} if held.organization_path else ()),
    )


def _not_own(by: Actor, account: Account) -> None:
    if by.account_id == account.pk:
        raise OwnGrant(_("不能更改自己的权限。请由授权给您的人来办理。"))


def _future(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise CannotHold(_("到期日必须在今天之后。"), field="expires_at")
