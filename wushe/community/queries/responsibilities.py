"""Read who answers for what (归口), today or on an earlier day, with the times when nobody did."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Duty, Organization, Place, Responsibility, Station
from wushe.community.rules import organizations as rules
from wushe.community.rules import places
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem


class ResponsibilityNotFound(Problem):
    """There is no such responsibility or duty, or the actor may not see it."""

    code = "responsibility.not_found"
    status = 404


@dataclass(frozen=True, slots=True)
class Answering:
    """Which organization answers, in which capacity, from when until when (None: still). `organization` None: nobody did."""

    organization: Organization | None
    capacity: str
    started_on: date
    ended_on: date | None
    responsibility_id: UUID | None = None
    place: Place | None = None


def duties(actor: Actor) -> QuerySet[Duty]:
    """Return the vocabulary of duties, by name."""
    return Duty.objects.visible_to(actor).order_by("code")


def duty(actor: Actor, code: str) -> Duty:
    """Return one duty by its code. Raises `ResponsibilityNotFound`."""
    found = Duty.objects.visible_to(actor).filter(code=code).first()
    if found is None:
        raise ResponsibilityNotFound(_("没有这项职责，请从列表中选择。"))
    return found


def responsibility(actor: Actor, responsibility_id: UUID) -> Responsibility:
    """Return one period with what it is about. Raises `ResponsibilityNotFound`."""
    rows = Responsibility.objects.visible_to(actor).select_related(
        "organization", "station__place", "subject__place", "duty", "place"
    )
    found = rows.filter(pk=responsibility_id).first()
    if found is None:
        raise ResponsibilityNotFound(_("没有这条归口记录，或它不在您负责的范围内。"))
    return found


def answering_now(actor: Actor, stations: Iterable[Station]) -> dict[UUID, dict[str, Organization]]:
    """Return station id → capacity → organization, for organizations the actor may see. One query.

    The stations must come from a query with this actor: whoever sees a station and an organization sees that they belong together.
    """
    rows = Responsibility.objects.filter(
        station__in=[station.pk for station in stations],
        ended_on__isnull=True,
        organization__in=Organization.objects.visible_to(actor),
    ).select_related("organization")
    found: dict[UUID, dict[str, Organization]] = {}
    for row in rows:
        if row.station_id is not None:
            found.setdefault(row.station_id, {})[row.capacity] = row.organization
    return found


def open_rows(actor: Actor, station: Station) -> list[Responsibility]:
    """Return the periods of a station that have not ended and that the actor may change."""
    rows = Responsibility.objects.visible_to(actor, "edit").filter(station=station, ended_on__isnull=True)
    return list(rows.select_related("organization").order_by("capacity"))


def history(
    actor: Actor,
    *,
    station: Station | None = None,
    organization: Organization | None = None,
    duty: Duty | None = None,
    place: Place | None = None,
) -> list[Answering]:
    """Return who answered for a station, an organization or a duty in a place, the latest first, with gaps between them.

    A gap is an `Answering` without organization.
    """
    rows = (
        Responsibility.objects.visible_to(actor)
        .filter(station=station, subject=organization, duty=duty, place=place)
        .select_related("organization", "place")
        .order_by("started_on")
    )
    by_capacity: dict[str, list[Responsibility]] = {}
    for row in rows:
        by_capacity.setdefault(row.capacity, []).append(row)
    lines: list[Answering] = []
    for capacity, periods in by_capacity.items():
        lines += [
            Answering(p.organization, capacity, p.started_on, p.ended_on, p.pk, p.place) for p in periods
        ]
        spans = [rules.Period(p.started_on, p.ended_on) for p in periods]
        lines += [Answering(None, capacity, gap.started_on, gap.ended_on) for gap in rules.gaps(spans)]
        last = max(spans, key=lambda span: span.ended_on or date.max)
        if last.ended_on is not None and (station is None or station.closed_on is None):
            lines.append(Answering(None, capacity, last.ended_on, None))
    return sorted(lines, key=lambda line: (line.started_on, line.ended_on or date.max), reverse=True)


def who_answers(actor: Actor, duty: Duty, place: Place, *, on: date | None = None) -> Answering | None:
    """Return who answers for a duty in a place on a day (today): the nearest place that has somebody, itself or above; or None."""
    return duty_bearers(actor, place, on=on).get(duty.pk)


def duty_bearers(actor: Actor, place: Place, *, on: date | None = None) -> dict[UUID, Answering]:
    """Return duty id → who answers for it in a place on a day (today), the nearest place winning. One query."""
    return {line.duty.pk: line.answering for line in duty_lines(actor, place, on=on)}


@dataclass(frozen=True, slots=True)
class DutyLine:
    """One duty of a place and who answers for it."""

    duty: Duty
    answering: Answering


def duty_lines(actor: Actor, place: Place, *, on: date | None = None) -> list[DutyLine]:
    """Return the duties that somebody answers for in a place on a day (today), by code, the nearest place winning. One query.

    Whoever sees the organization sees its duty: both are public unless the organization is not.
    """
    day = on or timezone.localdate()
    rows = Responsibility.objects.filter(
        Q(ended_on__isnull=True) | Q(ended_on__gt=day),
        duty__isnull=False,
        started_on__lte=day,
        place__path__in=[*places.paths_above(place.path), place.path],
        organization__in=Organization.objects.visible_to(actor),
    ).select_related("organization", "place", "duty")
    found: dict[str, DutyLine] = {}
    for row in sorted(rows, key=lambda row: len(row.place.path) if row.place else 0):
        assert row.duty is not None
        answer = Answering(row.organization, row.capacity, row.started_on, row.ended_on, row.pk, row.place)
        found[row.duty.code] = DutyLine(row.duty, answer)
    return [found[code] for code in sorted(found)]
