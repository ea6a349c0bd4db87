"""Changes to organizations (组织): register, edit, move in the tree, let rest, close."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, Value
from django.db.models.functions import Concat, Length, Substr
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Membership, Organization, OrganizationKey, Place, Responsibility, RoleGrant
from wushe.community.operations import typed
from wushe.community.rules import organizations as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.fields import KeyField
from wushe.kernel.ids import new_id
from wushe.kernel.problems import Problem
from wushe.kernel.text import bigrams, fold_name, initials_keys, pinyin_keys
from wushe.ledger.operations.accounts import accounts_follow_organizations


class CreditCodeWrong(Problem):
    """The unified social credit code fails its check digit."""

    code = "organization.credit_code_wrong"


class CreditCodeTaken(Problem):
    """Another organization has this unified social credit code."""

    code = "organization.credit_code_taken"
    status = 409


class OrganizationCircle(Problem):
    """An organization would stand under itself."""

    code = "organization.circle"


class OrganizationTooDeep(Problem):
    """The tree of organizations would grow deeper than paths can hold."""

    code = "organization.too_deep"


class OrganizationClosed(Problem):
    """The organization is closed already, or not in the state the change starts from."""

    code = "organization.closed"
    status = 409


class StillAnswers(Problem):
    """The organization still answers for something, or others stand under it."""

    code = "organization.still_answers"
    status = 409


@dataclass(frozen=True, slots=True)
class NewOrganization:
    """One organization about to be registered; fields as in `Organization`."""

    name: str
    kind: str
    place: Place
    registration: str = Organization.Registration.NONE
    credit_code: str = ""
    parent: Organization | None = None
    purpose: str = ""
    address: str = ""
    office_phone: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    founded_on: date | None = None
    is_public: bool = True
    status: str = Organization.Status.ACTIVE


@transaction.atomic
def register_organization(*, by: Actor, at: datetime | None = None, **fields: Any) -> Organization:
    """Register one organization; `fields` as in `NewOrganization`. Raises `Problem`s that name the field they are about."""
    return register_organizations(by=by, organizations=[NewOrganization(**fields)], at=at)[0]


@transaction.atomic
def register_organizations(
    *, by: Actor, organizations: Sequence[NewOrganization], at: datetime | None = None
) -> list[Organization]:
    """Register many organizations set-wise, in the given order: all or none. One audit row for more than one."""
    for place, parent in {(new.place, new.parent) for new in organizations}:
        policy.require(by, "create", policy.Facts("organization", place_paths=frozenset({place.path})))
        if parent is not None:
            policy.require(by, "edit", parent.facts())
    rows = [_row(new) for new in organizations]
    _refuse_taken_codes([row.credit_code for row in rows if row.credit_code])
    try:
        with transaction.atomic():
            Organization.objects.bulk_create(rows, batch_size=500)
    except IntegrityError as error:
        raise CreditCodeTaken(_taken(), field="credit_code") from error
    _write_keys(rows)
    _record(by, "register", rows)
    return rows


@transaction.atomic
def edit_organization(
    *, by: Actor, organization: Organization, at: datetime | None = None, **changes: Any
) -> Organization:
    """Change an organization's own facts; `changes` name fields of `NewOrganization` but `parent` and `status`.

    The contact person's fields need the right of their own ("organization.contact").
    """
    policy.require(by, "edit", organization.facts())
    if changes.keys() & {"contact_name", "contact_phone"}:
        policy.require(by, "edit", organization.facts("organization.contact"))
    if "place" in changes and changes["place"].pk != organization.place_id:
        policy.require(
            by, "edit", policy.Facts("organization", place_paths=frozenset({changes["place"].path}))
        )
    unknown = changes.keys() - _EDITABLE
    if unknown:
        raise TypeError(f"cannot edit {sorted(unknown)}")
    row = Organization.objects.select_for_update().get(pk=organization.pk)
    before = audit.image(row)
    for name, value in _checked(changes).items():
        setattr(row, name, value)
    if row.credit_code:
        _refuse_taken_codes([row.credit_code], apart_from=row)
    renamed = "name" in changes
    if renamed:
        row.name_key = fold_name(row.name)[:200]
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise CreditCodeTaken(_taken(), field="credit_code") from error
    if renamed:
        row.keys.all().delete()
        _write_keys([row])
    audit.record(by=by, verb="edit", target=row, before=before, after=row)
    return row


@transaction.atomic
def move_organization(
    *, by: Actor, organization: Organization, parent: Organization | None, at: datetime | None = None
) -> Organization:
    """Hang an organization, with all below it, under `parent` (None: on its own). Rewrites the paths in one statement."""
    policy.require(by, "edit", organization.facts())
    if parent is not None:
        policy.require(by, "edit", parent.facts())
    row, target = _locked(organization, parent)
    above = target.path if target else "/"
    if target is not None and rules.makes_a_circle(row.path, target.path):
        raise OrganizationCircle(_("上级组织不能是它自己或它的下级。请另选一个上级。"), field="parent")
    if row.parent_id == (target.pk if target else None):
        return row
    below = Organization.objects.filter(path__prefix=row.path)
    longest = below.aggregate(longest=Max(Length("path")))["longest"] - len(row.path)
    moved = rules.moved(row.path, row.path, above)
    if len(moved) + longest > rules.PATH_LIMIT:
        raise OrganizationTooDeep(
            _("层级太深：最多 %(limit)d 层。请挂到更高一级的组织下。") % {"limit": rules.DEEPEST},
            field="parent",
        )
    before = audit.image(row)
    old = row.path
    below.update(path=Concat(Value(moved), Substr("path", len(old) + 1), output_field=KeyField()))
    Organization.objects.filter(pk=row.pk).update(parent=target, updated_at=timezone.now())
    accounts_follow_organizations(old, moved)
    row.refresh_from_db()
    audit.record(by=by, verb="move", target=row, before=before, after=row)
    return row


@transaction.atomic
def rest_organization(*, by: Actor, organization: Organization, at: datetime | None = None) -> Organization:
    """Mark an organization as dormant (休眠): it is still there, and the place page asks whether it can be woken."""
    policy.require(by, "edit", organization.facts())
    return _set_status(by, organization, "rest", Organization.Status.ACTIVE, Organization.Status.DORMANT)


@transaction.atomic
def wake_organization(*, by: Actor, organization: Organization, at: datetime | None = None) -> Organization:
    """Mark a dormant organization as active again."""
    policy.require(by, "edit", organization.facts())
    return _set_status(by, organization, "wake", Organization.Status.DORMANT, Organization.Status.ACTIVE)


@transaction.atomic
def close_organization(
    *, by: Actor, organization: Organization, on: date, at: datetime | None = None
) -> Organization:
    """Close an organization on a day not after today: its memberships and the grants on it end, its history stays.

    Raises `StillAnswers` while it answers for a station, an organization or a duty, or while open ones stand under it.
    """
    policy.require(by, "edit", organization.facts())
    typed.past(on, "on")
    row = Organization.objects.select_for_update().get(pk=organization.pk)
    if row.status == Organization.Status.CLOSED:
        raise OrganizationClosed(_("这个组织已经注销。"))
    if row.founded_on and on < row.founded_on:
        raise Problem(
            _("注销日期早于成立日期，请检查。"), code="organization.closed_before_founded", field="on"
        )
    answers = Responsibility.objects.filter(organization=row, ended_on__isnull=True).count()
    if answers:
        raise StillAnswers(
            _("它还负责 %(count)d 项站点或职责。请先交接给别的单位，再注销。") % {"count": answers}
        )
    children = row.children.exclude(status=Organization.Status.CLOSED).count()
    if children:
        raise StillAnswers(_("它下面还有 %(count)d 个组织。请先注销或移走它们。") % {"count": children})
    before = audit.image(row)
    now = timezone.now()
    row.status, row.closed_on = Organization.Status.CLOSED, on
    row.save(update_fields=["status", "closed_on", "updated_at"])
    ended = Membership.objects.filter(organization=row, ended_on__isnull=True)
    ended.filter(started_on__gt=on).update(ended_on=timezone.localdate())
    people = ended.update(ended_on=on)
    for grant in RoleGrant.objects.filter(organization=row, revoked_at__isnull=True):
        image = audit.image(grant)
        grant.revoked_at = now
        grant.save(update_fields=["revoked_at"])
        audit.record(
            by=by, verb="revoke", target=grant, before=image, after=grant, note="organization closed"
        )
    audit.record(
        by=by, verb="close", target=row, before=before, after=row, note=f"memberships ended: {people}"
    )
    return row


@transaction.atomic
def reopen_organization(*, by: Actor, organization: Organization, at: datetime | None = None) -> Organization:
    """Take a closing back (it was a mistake). Memberships and grants that ended then stay ended."""
    policy.require(by, "edit", organization.facts())
    row = Organization.objects.select_for_update().get(pk=organization.pk)
    if row.status != Organization.Status.CLOSED:
        raise OrganizationClosed(_("这个组织没有注销，不用恢复。"))
    before = audit.image(row)
    row.status, row.closed_on = Organization.Status.ACTIVE, None
    row.save(update_fields=["status", "closed_on", "updated_at"])
    audit.record(by=by, verb="reopen", target=row, before=before, after=row)
    return row


def search_keys(name: str) -> list[tuple[str, str]]:
    """Return the (kind, key) pairs under which an organization of this name is found; see `rules.organizations.search_kinds`."""
    limit = rules.KEY_LIMIT
    return [
        ("N", fold_name(name)[:limit]),
        *(("P", key[:limit]) for key in pinyin_keys(name)),
        *(("I", key[:limit]) for key in initials_keys(name)),
        *(("B", pair) for pair in bigrams(name)),
    ]


_LINES = ("name", "address", "office_phone", "contact_name", "contact_phone")
_CHOICES = ("kind", "registration")
_EDITABLE = {*_LINES, *_CHOICES, "purpose", "credit_code", "founded_on", "is_public", "place"}


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, value in fields.items():
        if name in ("contact_name", "contact_phone"):
            checked[name] = _contact(name, value)
        elif name in _LINES:
            checked[name] = typed.line(Organization, name, value)
        elif name in _CHOICES:
            checked[name] = typed.choice(Organization, name, value)
        elif name == "purpose":
            checked[name] = typed.paragraphs(Organization, name, value)
        elif name == "credit_code":
            checked[name] = _credit_code(value)
        elif name == "founded_on":
            checked[name] = typed.past(value, name)
        else:
            checked[name] = value
    return checked


def _contact(name: str, value: str | None) -> str:
    text = typed.line(Organization, name, value)
    if len(text) > 100:
        raise typed.NotStorable(_("联系人和电话最多 100 个字，请缩短后再保存。"), field=name)
    return text


def _credit_code(value: str | None) -> str | None:
    if not value or not value.strip():
        return None
    code = rules.credit_code(value)
    if code is None:
        raise CreditCodeWrong(
            _("统一社会信用代码应为 18 位且通过校验。请对照证照检查，特别是 0 和 O、1 和 I。"),
            field="credit_code",
        )
    return code


def _row(new: NewOrganization) -> Organization:
    fields = _checked({name: getattr(new, name) for name in _EDITABLE})
    key = new_id()
    above = new.parent.path if new.parent else "/"
    path = f"{above}{rules.label(key)}/"
    if len(path) > rules.PATH_LIMIT:
        raise OrganizationTooDeep(
            _("层级太深：最多 %(limit)d 层。请挂到更高一级的组织下。") % {"limit": rules.DEEPEST},
            field="parent",
        )
    if new.status not in (Organization.Status.ACTIVE, Organization.Status.DORMANT):
        raise typed.NotStorable(_("新登记的组织只能是活跃或休眠。"), field="status")
    name_key = fold_name(fields["name"])[:200]
    return Organization(id=key, parent=new.parent, path=path, name_key=name_key, status=new.status, **fields)


def _taken() -> Any:
    return _("已有组织使用这个统一社会信用代码。请先查一查它是不是已经登记过。")


def _refuse_taken_codes(codes: Sequence[str], apart_from: Organization | None = None) -> None:
    if len(set(codes)) < len(codes):
        raise CreditCodeTaken(_("同一个统一社会信用代码出现了两次。"), field="credit_code")
    for start in range(0, len(codes), 500):
        taken = Organization.objects.filter(credit_code__in=codes[start : start + 500])
        if apart_from is not None:
            taken = taken.exclude(pk=apart_from.pk)
        if taken.exists():
            raise CreditCodeTaken(_taken(), field="credit_code")


def _write_keys(rows: Iterable[Organization]) -> None:
    keys = [
        OrganizationKey(organization=row, kind=kind, key=key)
        for row in rows
        for kind, key in dict.fromkeys(search_keys(row.name))
        if key
    ]
    OrganizationKey.objects.bulk_create(keys, batch_size=1000)


def _record(by: Actor, verb: str, rows: Sequence[Organization]) -> None:
    if len(rows) == 1:
        audit.record(by=by, verb=verb, target=rows[0], after=rows[0])
    elif rows:
        audit.record(
            by=by,
            verb=verb,
            target=("community.Organization", ""),
            after={"rows": audit.images(rows)},
            place_path=rules.shared_root(row.place.path for row in rows),
        )


def _set_status(by: Actor, organization: Organization, verb: str, old: str, new: str) -> Organization:
    before = audit.image(organization)
    changed = Organization.objects.filter(pk=organization.pk, status=old).update(
        status=new, updated_at=timezone.now()
    )
    if not changed:
        raise OrganizationClosed(_("刚刚有人先改了它的状态。请刷新后再看。"))
    row = Organization.objects.get(pk=organization.pk)
    audit.record(by=by, verb=verb, target=row, before=before, after=row)
    return row


def _locked(
    organization: Organization, parent: Organization | None
) -> tuple[Organization, Organization | None]:
    """Lock the tops of both trees, so that two moves cannot close a circle between them; return the rows as they are now."""
    ids = [organization.pk, *([parent.pk] if parent else [])]
    for _attempt in range(3):
        rows = {row.pk: row for row in Organization.objects.filter(pk__in=ids)}
        tops = sorted({"/" + row.path.split("/")[1] + "/" for row in rows.values()})
        list(Organization.objects.select_for_update().filter(path__in=tops).order_by("path"))
        again = {row.pk: row for row in Organization.objects.filter(pk__in=ids)}
        if all(again[key].path == rows[key].path for key in ids):
            return again[organization.pk], again[parent.pk] if parent else None
    raise OrganizationClosed(_("刚刚有人也在调整组织关系。请刷新后再试。"))
