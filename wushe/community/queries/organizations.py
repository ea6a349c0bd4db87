"""Read organizations (组织): search, one with what stands around it, likely duplicates, time line."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Membership, Organization, OrganizationKey, Place, Responsibility
from wushe.community.rules import organizations as rules
from wushe.community.rules import societies
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name, pinyin_keys

DUPLICATES_LIMIT = 8


class OrganizationNotFound(Problem):
    """There is no such organization, or the actor may not see it."""

    code = "organization.not_found"
    status = 404


def organizations(
    actor: Actor,
    *,
    text: str = "",
    kind: str = "",
    society: str = "",
    registration: str = "",
    status: str = "",
    place: Place | None = None,
    parent: Organization | None = None,
    verb: str = "view",
) -> QuerySet[Organization]:
    """Return the organizations the actor may see, narrowed.

    `text` is part of the name, its pinyin or initials from the start, or a credit code; `place` takes all inside it; without
    `status` closed ones are left out. Places are at hand.
    """
    found = Organization.objects.visible_to(actor, verb).select_related("place")
    if text.strip():
        found = found.filter(_matching(text))
    if kind:
        found = found.filter(kind=kind)
    if society:
        found = found.filter(kind__in=societies.kinds_of(society))
    if registration:
        found = found.filter(registration=registration)
    if place is not None:
        found = found.filter(place__path__prefix=place.path)
    if parent is not None:
        found = found.filter(path__prefix=parent.path)
    return found.filter(status=status) if status else found.exclude(status=Organization.Status.CLOSED)


def organization(actor: Actor, organization_id: UUID) -> Organization:
    """Return one organization with its place and parent. Raises `OrganizationNotFound`."""
    found = (
        Organization.objects.visible_to(actor)
        .select_related("place", "parent")
        .filter(pk=organization_id)
        .first()
    )
    if found is None:
        raise OrganizationNotFound(_("没有这个组织，或它不在您负责的范围内。请返回列表查找。"))
    return found


def organizations_named(actor: Actor, text: str, limit: int = 8) -> list[Organization]:
    """Return the open organizations a typed text means: by the short code at its end, else by exact name, else by search."""
    rows = (
        Organization.objects.visible_to(actor)
        .select_related("place")
        .exclude(status=Organization.Status.CLOSED)
    )
    end = text.strip().rpartition(" ")[2].strip("()（）·").lower()
    if len(end) == rules.LABEL_LENGTH and end.isascii() and end.isalnum():
        coded = list(rows.filter(path__endswith=f"/{end}/")[:2])
        if coded:
            return coded
    named = list(rows.filter(name_key=fold_name(text)[:200]).order_by("place__path")[:limit])
    return named or list(organizations(actor, text=text).order_by("name_key")[:limit])


def above(actor: Actor, of: Organization) -> list[Organization]:
    """Return the organizations `of` stands under that the actor may see, the topmost first."""
    labels = of.path.strip("/").split("/")
    paths = ["/" + "/".join(labels[:n]) + "/" for n in range(1, len(labels))]
    return list(Organization.objects.visible_to(actor).filter(path__in=paths).order_by("path"))


def below(actor: Actor, of: Organization, limit: int = 100) -> list[Organization]:
    """Return the organizations directly under `of` that the actor may see and that are not closed, by name."""
    rows = Organization.objects.visible_to(actor).filter(parent=of).exclude(status=Organization.Status.CLOSED)
    return list(rows.select_related("place").order_by("name_key")[:limit])


@dataclass(frozen=True, slots=True)
class Contact:
    """The person to ask at an organization; not public."""

    name: str
    phone: str


def contact(actor: Actor, of: Organization) -> Contact | None:
    """Return the contact person, or None when the actor may not see one."""
    if not policy.allows(actor, "view", of.facts("organization.contact")):
        return None
    return Contact(of.contact_name, of.contact_phone)


def members(actor: Actor, of: Organization, *, current: bool = True) -> QuerySet[Membership]:
    """Return the memberships of an organization the actor may see, people and stations at hand, ordered by capacity."""
    rows = Membership.objects.visible_to(actor).filter(organization=of).select_related("person", "station")
    return rows.filter(ended_on__isnull=True) if current else rows


def membership(actor: Actor, membership_id: UUID) -> Membership:
    """Return one membership with person, organization and station. Raises `OrganizationNotFound`."""
    rows = Membership.objects.visible_to(actor).select_related("person", "organization__place", "station")
    found = rows.filter(pk=membership_id).first()
    if found is None:
        raise OrganizationNotFound(_("没有这段任职记录，或它不在您负责的范围内。"))
    return found


# --- likely duplicates ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Likeness:
    """An organization that may be the one about to be entered; `reason` is CODE, NAME or SOUND."""

    organization: Organization
    reason: str


def likely_duplicates(
    actor: Actor, *, name: str, place: Place, credit_code: str = "", apart_from: Organization | None = None
) -> list[Likeness]:
    """Return visible organizations, open or closed, that may be the same one, the likeliest first.

    Same credit code anywhere; same name without its legal ending, or the same spelling in pinyin, in the same county.
    """
    rows = Organization.objects.visible_to(actor).select_related("place")
    if apart_from is not None:
        rows = rows.exclude(pk=apart_from.pk)
    found: dict[UUID, Likeness] = {}
    code = rules.credit_code(credit_code) if credit_code else None
    if code:
        for row in rows.filter(credit_code=code):
            found[row.pk] = Likeness(row, "CODE")
    stem = rules.stem(name)[:100]
    if not stem:
        return list(found.values())
    near = rows.filter(place__path__prefix=rules.county_path(place.path))
    alike = near.filter(name_key__prefix=stem)[:50]
    for row in sorted(alike, key=lambda row: row.name_key):
        if rules.stem(row.name) == stem:
            found.setdefault(row.pk, Likeness(row, "NAME"))
    spellings = [key[: rules.KEY_LIMIT] for key in pinyin_keys(name)]
    sounding = OrganizationKey.objects.filter(kind="P", key__in=spellings).values("organization")
    for row in near.filter(pk__in=sounding).order_by("name_key")[:20]:
        found.setdefault(row.pk, Likeness(row, "SOUND"))
    return list(found.values())[:DUPLICATES_LIMIT]


# --- time line --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Happening:
    """One dated line of an organization's story; `kind` is FOUNDED, CLOSED, STARTED or ENDED, of a responsibility."""

    on: date
    kind: str
    responsibility: Responsibility | None = None


def story(actor: Actor, of: Organization) -> list[Happening]:
    """Return what happened to an organization, the latest first: founding, closing, what it answered for and who for it."""
    happenings: list[Happening] = []
    if of.founded_on:
        happenings.append(Happening(of.founded_on, "FOUNDED"))
    if of.closed_on:
        happenings.append(Happening(of.closed_on, "CLOSED"))
    rows = (
        Responsibility.objects.visible_to(actor)
        .filter(Q(organization=of) | Q(subject=of))
        .select_related("organization", "station", "subject", "duty", "place")
    )
    for row in rows:
        happenings.append(Happening(row.started_on, "STARTED", row))
        if row.ended_on:
            happenings.append(Happening(row.ended_on, "ENDED", row))
    return sorted(happenings, key=lambda h: (h.on, h.kind != "ENDED"), reverse=True)


def _matching(text: str) -> Q:
    code = rules.credit_code(text)
    if code:
        return Q(credit_code=code)
    keys = rules.search_kinds(text[:60])
    if not keys:
        return Q(pk__in=())
    every = OrganizationKey.objects.all()
    if keys[0][0] == "N":
        # Any one of them, from the start; one Chinese character may also stand inside a name.
        condition = Q()
        for kind, key in keys:
            condition |= Q(kind=kind, key__prefix=key)
        return Q(pk__in=every.filter(condition).values("organization"))
    # Every neighbouring pair must occur; the folded name must hold the text itself, not its pairs in any order.
    condition = Q(name_key__contains=fold_name(text[:60]))
    for kind, key in keys[:4]:
        condition &= Q(pk__in=every.filter(kind=kind, key=key).values("organization"))
    return condition
