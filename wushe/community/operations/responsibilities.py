"""Who answers for what (归口): put an organization in charge of a station, of another organization or of a duty in a place, and hand over.

Periods are half-open: the day of a hand-over belongs to who takes over. Two bodies never answer at once in one capacity, and a
time without anybody is never made by accident: the caller must say that it is meant.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Duty, Organization, Place, Responsibility, Station
from wushe.community.operations import typed
from wushe.community.rules import organizations as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem


class SubjectUnclear(Problem):
    """A responsibility is for exactly one station, one organization, or one duty in one place."""

    code = "responsibility.subject_unclear"


class PeriodsOverlap(Problem):
    """Somebody else answered for this at that time."""

    code = "responsibility.overlap"
    status = 409


class NobodyInBetween(Problem):
    """Between the last responsible body and the new one nobody would have answered; say so, or choose the earlier day."""

    code = "responsibility.gap"


class AlreadyResponsible(Problem):
    """The organization answers for it already."""

    code = "responsibility.already"
    status = 409


class ResponsibilityChanged(Problem):
    """Somebody else has just changed who answers for it."""

    code = "responsibility.changed"
    status = 409


@dataclass(frozen=True, slots=True)
class Subject:
    """What is answered for: a station, an organization, or a duty in a place."""

    station: Station | None = None
    organization: Organization | None = None
    duty: Duty | None = None
    place: Place | None = None

    def __post_init__(self) -> None:
        said = (
            self.station is not None,
            self.organization is not None,
            self.duty is not None and self.place is not None,
        )
        if sum(said) != 1 or (self.duty is None) != (self.place is None):
            raise SubjectUnclear(_("请说明负责的是哪个站点、哪个组织，或哪个地方的哪项职责。"))

    @property
    def place_path(self) -> str:
        """The path of the place in which the subject lies."""
        where = (
            self.station.place
            if self.station
            else self.organization.place
            if self.organization
            else self.place
        )
        assert where is not None
        return where.path

    def columns(self) -> dict[str, Any]:
        """The columns of `Responsibility` that name the subject."""
        return {"station": self.station, "subject": self.organization, "duty": self.duty, "place": self.place}

    def rows(self, capacity: str) -> QuerySet[Responsibility]:
        """All periods of this subject in one capacity."""
        return Responsibility.objects.filter(capacity=capacity, **self.columns())

    def lock(self) -> None:
        """Lock the subject's row, so that periods are checked and written by one at a time."""
        if self.station:
            Station.objects.select_for_update().get(pk=self.station.pk)
        elif self.organization:
            Organization.objects.select_for_update().get(pk=self.organization.pk)
        elif self.place:
            Place.objects.select_for_update().get(pk=self.place.pk)

    def facts(self) -> policy.Facts:
        """What the policy asks about a responsibility for this subject."""
        return policy.Facts("duty", place_paths=frozenset({self.place_path}))


@transaction.atomic
def hand_over(
    *,
    by: Actor,
    subject: Subject,
    capacity: str,
    to: Organization,
    on: date,
    gap_is_meant: bool = False,
    at: datetime | None = None,
) -> Responsibility:
    """Make `to` answer for `subject` from `on` (not after today): ends who does so now on that day and starts the new period.

    Raises `PeriodsOverlap` when `on` lies before the present period began, `NobodyInBetween` when the last one ended earlier
    and `gap_is_meant` is not set, `AlreadyResponsible`, `ResponsibilityChanged` when another hand-over came first.
    """
    policy.require(by, "edit", subject.facts())
    return _hand_over(by, subject, capacity, to, on, gap_is_meant)


@transaction.atomic
def record_past_responsibility(
    *,
    by: Actor,
    subject: Subject,
    capacity: str,
    organization: Organization,
    started_on: date,
    ended_on: date,
    at: datetime | None = None,
) -> Responsibility:
    """Enter a period that is over (补录). Raises `PeriodsOverlap` where another body answered at that time."""
    policy.require(by, "create", subject.facts())
    typed.choice(Responsibility, "capacity", capacity)
    typed.past(ended_on, "ended_on")
    if ended_on <= started_on:
        raise typed.NotStorable(_("结束日期必须晚于开始日期。"), field="ended_on")
    subject.lock()
    _refuse_overlap(subject, capacity, rules.Period(started_on, ended_on), field="started_on")
    row = Responsibility.objects.create(
        organization=organization,
        capacity=capacity,
        started_on=started_on,
        ended_on=ended_on,
        **subject.columns(),
    )
    audit.record(by=by, verb="record", target=row, after=row, place_path=subject.place_path)
    return row


@transaction.atomic
def end_responsibility(
    *, by: Actor, responsibility: Responsibility, on: date, at: datetime | None = None
) -> Responsibility:
    """End a period without a successor: from `on` nobody answers, and the place page says so."""
    policy.require(by, "edit", responsibility.facts())
    typed.past(on, "on")
    if on < responsibility.started_on:
        raise PeriodsOverlap(_("结束日期早于开始日期，请检查。"), field="on")
    before = audit.image(responsibility)
    _end(responsibility, on)
    audit.record(by=by, verb="end", target=responsibility, before=before, after=responsibility)
    return responsibility


def start_with(by: Actor, subject: Subject, capacity: str, to: Organization, on: date) -> Responsibility:
    """Write the first responsible body of a subject that is being made in the caller's transaction and under its right."""
    return _hand_over(by, subject, capacity, to, on, gap_is_meant=False)


def end_all(by: Actor, station: Station, on: date) -> None:
    """End whatever is still open for a station that is being closed in the caller's transaction and under its right."""
    for row in Responsibility.objects.filter(station=station, ended_on__isnull=True):
        before = audit.image(row)
        _end(row, max(on, row.started_on))
        audit.record(by=by, verb="end", target=row, before=before, after=row)


def _hand_over(
    by: Actor, subject: Subject, capacity: str, to: Organization, on: date, gap_is_meant: bool
) -> Responsibility:
    typed.choice(Responsibility, "capacity", capacity)
    typed.past(on, "on")
    if to.status == Organization.Status.CLOSED:
        raise Problem(_("这个组织已经注销，不能再负责。请另选一个。"), code="organization.closed", field="to")
    subject.lock()
    current = subject.rows(capacity).filter(ended_on__isnull=True).first()
    before = audit.image(current) if current else None
    if current is not None:
        if current.organization_id == to.pk:
            raise AlreadyResponsible(_("现在就是这个单位在负责，不用交接。"), field="to")
        if on < current.started_on:
            raise PeriodsOverlap(
                _("交接日期早于现任单位的开始日期 %(day)s。请选那天或以后。") % {"day": current.started_on},
                field="on",
            )
        _end(current, on)
        audit.record(by=by, verb="end", target=current, before=before, after=current)
    _refuse_overlap(subject, capacity, rules.Period(on), field="on")
    if current is None and not gap_is_meant:
        last = subject.rows(capacity).order_by("-ended_on").first()
        if last is not None and last.ended_on is not None and last.ended_on < on:
            raise NobodyInBetween(
                _("从 %(day)s 起到交接日没有单位负责。请把日期改为那天，或勾选“这段时间确实无人负责”。")
                % {"day": last.ended_on},
                field="on",
            )
    try:
        with transaction.atomic():
            row = Responsibility.objects.create(
                organization=to, capacity=capacity, started_on=on, **subject.columns()
            )
    except IntegrityError:
        raise ResponsibilityChanged(_changed()) from None
    audit.record(by=by, verb="hand_over", target=row, before=before, after=row, place_path=subject.place_path)
    return row


def _end(row: Responsibility, on: date) -> None:
    if not Responsibility.objects.filter(pk=row.pk, ended_on__isnull=True).update(ended_on=on):
        raise ResponsibilityChanged(_changed())
    row.ended_on = on


def _refuse_overlap(subject: Subject, capacity: str, period: rules.Period, field: str) -> None:
    others = subject.rows(capacity).values_list("started_on", "ended_on")
    clash = rules.overlapping(period, (rules.Period(*dates) for dates in others))
    if clash is not None:
        raise PeriodsOverlap(
            _("这段时间里从 %(day)s 起已有别的单位负责。请检查日期。") % {"day": clash.started_on},
            field=field,
        )


def _changed() -> Any:
    return _("刚刚有人先办了交接。请刷新，看看现在由谁负责。")
