"""Changes to memberships (任职与成员关系): who belongs to which organization, as what, since when."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Membership, Organization, Person, Responsibility, Station
from wushe.community.operations import people as people_operations
from wushe.community.operations import typed
from wushe.community.rules import organizations as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem


class AlreadyMember(Problem):
    """The person belongs to the organization in this capacity already."""

    code = "membership.already"
    status = 409


class MembershipEnded(Problem):
    """The membership has ended already."""

    code = "membership.ended"
    status = 409


class NotTheStationsBody(Problem):
    """The organization neither owns nor runs the station."""

    code = "membership.not_the_stations_body"


@dataclass(frozen=True, slots=True)
class NewMembership:
    """One membership about to start; fields as in `Membership`."""

    person: Person
    organization: Organization
    capacity: str
    title: str = ""
    station: Station | None = None
    started_on: date | None = None


@transaction.atomic
def start_membership(*, by: Actor, at: datetime | None = None, **fields: Any) -> Membership:
    """Start one membership; `fields` as in `NewMembership`."""
    return start_memberships(by=by, memberships=[NewMembership(**fields)], at=at)[0]


@transaction.atomic
def start_memberships(
    *, by: Actor, memberships: Sequence[NewMembership], at: datetime | None = None
) -> list[Membership]:
    """Start memberships set-wise: all or none.

    Needs the right over the organization's memberships *and* over each person: whoever could add a stranger to their own
    organization would read the stranger's data. Who joins as a volunteer and has no volunteer number is given one: it is what
    makes a volunteer (and what the place page counts).
    """
    for organization in {new.organization for new in memberships}:
        policy.require(by, "create", _facts(organization))
    people = {new.person.pk: new.person for new in memberships}
    if not by.is_trusted_local:
        reachable = set(
            Person.objects.visible_to(by, "edit").filter(pk__in=people).values_list("pk", flat=True)
        )
        for key in people.keys() - reachable:
            policy.require(by, "edit", people[key].facts())
    stations = {new.station.pk for new in memberships if new.station is not None}
    answering: Set[tuple[UUID | None, UUID]] = set(
        Responsibility.objects.filter(station__in=stations, ended_on__isnull=True).values_list(
            "station_id", "organization_id"
        )
    )
    rows = [_row(new, answering) for new in memberships]
    try:
        with transaction.atomic():
            Membership.objects.bulk_create(rows, batch_size=500)
    except IntegrityError as error:
        raise AlreadyMember(
            _("此人在这个组织里已经有这个身份。要改职务，请先结束原来的，再重新添加。")
        ) from error
    for row in rows[:1] if len(rows) == 1 else ():
        audit.record(by=by, verb="start", target=row, after=row)
    for new in memberships:
        if new.capacity == Membership.Capacity.VOLUNTEER and not new.person.volunteer_number:
            new.person.volunteer_number = people_operations.give_volunteer_number(
                by=by, person_id=new.person.pk
            )
    if len(rows) > 1:
        audit.record(
            by=by,
            verb="start",
            target=("community.Membership", ""),
            after={"rows": audit.images(rows)},
            place_path=rules.shared_root(new.organization.place.path for new in memberships),
        )
    return rows


@transaction.atomic
def end_membership(*, by: Actor, membership: Membership, on: date, at: datetime | None = None) -> Membership:
    """End a membership on a day not after today."""
    policy.require(by, "edit", membership.facts())
    typed.past(on, "on")
    if membership.started_on and on < membership.started_on:
        raise Problem(_("结束日期早于开始日期，请检查。"), code="membership.ended_before_started", field="on")
    before = audit.image(membership)
    if not Membership.objects.filter(pk=membership.pk, ended_on__isnull=True).update(ended_on=on):
        raise MembershipEnded(_("这段任职已经结束。"))
    row = Membership.objects.get(pk=membership.pk)
    audit.record(by=by, verb="end", target=row, before=before, after=row)
    return row


def _facts(organization: Organization) -> policy.Facts:
    return policy.Facts(
        "membership",
        place_paths=frozenset({organization.place.path}),
        organization_paths=frozenset({organization.path}),
    )


def _row(new: NewMembership, answering: Set[tuple[UUID | None, UUID]]) -> Membership:
    if new.organization.status == Organization.Status.CLOSED:
        raise Problem(
            _("这个组织已经注销，不能再添加成员。"), code="organization.closed", field="organization"
        )
    if new.person.status != Person.Status.ACTIVE:
        raise Problem(
            _("此人的记录已经合并或删除，请查找现在的记录。"), code="membership.person_gone", field="person"
        )
    if new.station is not None:
        if new.station.closed_on is not None:
            raise Problem(_("这个站点已经停用，不能再安排人员。"), code="station.closed", field="station")
        if (new.station.pk, new.organization.pk) not in answering:
            raise NotTheStationsBody(
                _("这个组织既不是该站点的归口部门，也不是运营机构。请先登记归口或运营关系。"),
                field="organization",
            )
    return Membership(
        person=new.person,
        organization=new.organization,
        station=new.station,
        capacity=typed.choice(Membership, "capacity", new.capacity),
        title=typed.line(Membership, "title", new.title),
        started_on=typed.past(new.started_on, "started_on"),
    )
