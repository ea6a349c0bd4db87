"""Changes to social-work stations (社工站): open, edit, close, and put people there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Membership, Organization, Place, Responsibility, Station, Venue
from wushe.community.operations import responsibilities, typed
from wushe.community.rules import organizations as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem


class TierDoesNotFit(Problem):
    """A station of this tier does not serve a place of that level."""

    code = "station.tier_does_not_fit"


class StationClosed(Problem):
    """The station is closed."""

    code = "station.closed"
    status = 409


@dataclass(frozen=True, slots=True)
class NewStation:
    """One station about to be opened; fields as in `Station`, with who answers for it and who runs it from the first day."""

    name: str
    tier: str
    place: Place
    venue: Venue | None = None
    address: str = ""
    phone: str = ""
    opened_on: date | None = None
    yearly_budget_fen: int | None = None
    is_public: bool = True
    owner: Organization | None = None
    operator: Organization | None = None


@transaction.atomic
def open_station(*, by: Actor, at: datetime | None = None, **fields: Any) -> Station:
    """Open one station; `fields` as in `NewStation`."""
    return open_stations(by=by, stations=[NewStation(**fields)], at=at)[0]


@transaction.atomic
def open_stations(*, by: Actor, stations: Sequence[NewStation], at: datetime | None = None) -> list[Station]:
    """Open stations, in the given order: all or none. Owner and operator start on the opening day, or today where it is unknown."""
    for place in {new.place for new in stations}:
        policy.require(by, "create", policy.Facts("station", place_paths=frozenset({place.path})))
    rows = [
        Station(**_checked({name: getattr(new, name) for name in _EDITABLE}, new.tier, new.place))
        for new in stations
    ]
    Station.objects.bulk_create(rows, batch_size=500)
    for new, row in zip(stations, rows, strict=True):
        audit.record(by=by, verb="open", target=row, after=row)
        subject = responsibilities.Subject(station=row)
        since = row.opened_on or timezone.localdate()
        for capacity, body in (
            (Responsibility.Capacity.OWNER, new.owner),
            (Responsibility.Capacity.OPERATOR, new.operator),
        ):
            if body is not None:
                responsibilities.start_with(by, subject, capacity, body, since)
    return rows


@transaction.atomic
def edit_station(*, by: Actor, station: Station, at: datetime | None = None, **changes: Any) -> Station:
    """Change a station's own facts; who answers for it is changed by `hand_over`."""
    policy.require(by, "edit", station.facts())
    if "place" in changes and changes["place"].pk != station.place_id:
        policy.require(by, "edit", policy.Facts("station", place_paths=frozenset({changes["place"].path})))
    unknown = changes.keys() - _EDITABLE
    if unknown:
        raise TypeError(f"cannot edit {sorted(unknown)}")
    row = Station.objects.select_for_update().get(pk=station.pk)
    if row.closed_on is not None:
        raise StationClosed(_("这个站点已经停用，不能再修改。如果是误停用，请先恢复。"))
    before = audit.image(row)
    for name, value in _checked(
        changes, changes.get("tier", row.tier), changes.get("place", row.place)
    ).items():
        setattr(row, name, value)
    row.save()
    audit.record(by=by, verb="edit", target=row, before=before, after=row)
    return row


@transaction.atomic
def close_station(*, by: Actor, station: Station, on: date, at: datetime | None = None) -> Station:
    """Close a station on a day not after today. Who answered for it ends that day; its staff stay with their organization."""
    policy.require(by, "edit", station.facts())
    typed.past(on, "on")
    row = Station.objects.select_for_update().get(pk=station.pk)
    if row.closed_on is not None:
        raise StationClosed(_("这个站点已经停用。"))
    if row.opened_on and on < row.opened_on:
        raise Problem(_("停用日期早于启用日期，请检查。"), code="station.closed_before_opened", field="on")
    before = audit.image(row)
    row.closed_on = on
    row.save(update_fields=["closed_on", "updated_at"])
    responsibilities.end_all(by, row, on)
    _release_staff(by, row, on)
    audit.record(by=by, verb="close", target=row, before=before, after=row)
    return row


@transaction.atomic
def reopen_station(*, by: Actor, station: Station, at: datetime | None = None) -> Station:
    """Take a closing back (it was a mistake). Who answers for it and its staff are entered anew."""
    policy.require(by, "edit", station.facts())
    row = Station.objects.select_for_update().get(pk=station.pk)
    if row.closed_on is None:
        raise StationClosed(_("这个站点没有停用，不用恢复。"))
    before = audit.image(row)
    row.closed_on = None
    row.save(update_fields=["closed_on", "updated_at"])
    audit.record(by=by, verb="reopen", target=row, before=before, after=row)
    return row


_LINES = ("name", "address", "phone")
_EDITABLE = {*_LINES, "tier", "place", "venue", "opened_on", "yearly_budget_fen", "is_public"}


def _checked(fields: dict[str, Any], tier: str, place: Place) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _LINES:
            checked[name] = typed.line(Station, name, value)
        elif name == "tier":
            checked[name] = typed.choice(Station, name, value)
        elif name == "opened_on":
            checked[name] = typed.past(value, name)
        elif name == "yearly_budget_fen" and value is not None and not 0 <= value < 2**62:
            raise typed.NotStorable(_("年度经费不能小于零。"), field=name)
        else:
            checked[name] = value
    if not rules.tier_fits(tier, place.level):
        raise TierDoesNotFit(
            _("“%(tier)s”不设在“%(place)s”这一级。请换一个层级，或另选服务区域。")
            % {"tier": Station.Tier(tier).label, "place": place.name},
            field="tier",
        )
    return checked


def _release_staff(by: Actor, station: Station, on: date) -> None:
    """End the station's memberships on the day and let them go on in the organization without a station."""
    for row in Membership.objects.filter(station=station, ended_on__isnull=True):
        last = max(on, row.started_on) if row.started_on else on
        before = audit.image(row)
        Membership.objects.filter(pk=row.pk).update(ended_on=last)
        row.ended_on = last
        audit.record(by=by, verb="end", target=row, before=before, after=row)
        stays = Membership.objects.create(
            person_id=row.person_id,
            organization_id=row.organization_id,
            capacity=row.capacity,
            title=row.title,
            started_on=last,
        )
        audit.record(by=by, verb="start", target=stays, after=stays)
