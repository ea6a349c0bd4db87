"""Changes to venues (场地) and their opening hours (开放时间)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from wushe.community.models import OpeningHours, Organization, Place, Venue
from wushe.community.operations import typed
from wushe.community.rules import organizations as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem


class HoursOverlap(Problem):
    """Two opening times of one weekday overlap, or one ends before it begins."""

    code = "venue.hours_overlap"


class HoursUnclear(Problem):
    """The line of opening hours could not be read."""

    code = "venue.hours_unclear"


class VenueElsewhere(Problem):
    """An organization may offer venues only in its own county."""

    code = "venue.elsewhere"
    status = 403


@dataclass(frozen=True, slots=True)
class NewVenue:
    """One venue about to be added; fields as in `Venue`, `hours` as stretches or as the line people write."""

    name: str
    place: Place
    organization: Organization | None = None
    address: str = ""
    capacity: int | None = None
    equipment: str = ""
    is_step_free: bool = False
    phone: str = ""
    latitude: Decimal | float | None = None
    longitude: Decimal | float | None = None
    is_open: bool = True
    is_public: bool = True
    hours: str | Sequence[rules.Stretch] = ()


def read_hours(text: str) -> tuple[rules.Stretch, ...]:
    """Return the stretches a line of opening hours says. Raises `HoursUnclear`, naming the part that could not be read."""
    try:
        return rules.parse_hours(text)
    except rules.HoursNotUnderstood as error:
        raise HoursUnclear(
            _("开放时间里的“%(part)s”没看懂。可以这样写：周一至周五 9:00-12:00、14:00-17:30；周六 9:00-12:00")
            % {"part": error.fragment},
            field="hours",
        ) from error


@transaction.atomic
def add_venue(*, by: Actor, at: datetime | None = None, **fields: Any) -> Venue:
    """Add one venue; `fields` as in `NewVenue`."""
    return add_venues(by=by, venues=[NewVenue(**fields)], at=at)[0]


@transaction.atomic
def add_venues(*, by: Actor, venues: Sequence[NewVenue], at: datetime | None = None) -> list[Venue]:
    """Add venues with their opening hours, in the given order: all or none."""
    for place, organization in {(new.place, new.organization) for new in venues}:
        _require_create(by, place, organization)
    rows = [Venue(**_checked({name: getattr(new, name) for name in _EDITABLE})) for new in venues]
    Venue.objects.bulk_create(rows, batch_size=500)
    hours = [
        OpeningHours(venue=row, weekday=s.weekday, opens_minutes=s.opens, closes_minutes=s.closes)
        for new, row in zip(venues, rows, strict=True)
        for s in _stretches(new.hours)
    ]
    OpeningHours.objects.bulk_create(hours, batch_size=1000)
    for new, row in zip(venues, rows, strict=True):
        audit.record(by=by, verb="add", target=row, after=_image(row, _stretches(new.hours)))
    return rows


@transaction.atomic
def edit_venue(*, by: Actor, venue: Venue, at: datetime | None = None, **changes: Any) -> Venue:
    """Change a venue's own facts; `hours`, when given, replaces all its opening hours."""
    policy.require(by, "edit", venue.facts())
    place, organization = changes.get("place", venue.place), changes.get("organization", venue.organization)
    if place.pk != venue.place_id or (organization and organization.pk != venue.organization_id):
        _require_create(by, place, organization)
    hours = changes.pop("hours", None)
    unknown = changes.keys() - _EDITABLE
    if unknown:
        raise TypeError(f"cannot edit {sorted(unknown)}")
    row = Venue.objects.select_for_update().get(pk=venue.pk)
    before = _image(row, _present(row))
    for name, value in _checked(changes).items():
        setattr(row, name, value)
    row.save()
    if hours is not None:
        _replace_hours(row, _stretches(hours))
    audit.record(by=by, verb="edit", target=row, before=before, after=_image(row, _present(row)))
    return row


@transaction.atomic
def set_opening_hours(
    *, by: Actor, venue: Venue, hours: str | Sequence[rules.Stretch], at: datetime | None = None
) -> tuple[rules.Stretch, ...]:
    """Replace a venue's opening hours. Raises `HoursOverlap` or `HoursUnclear`; then the old ones stay."""
    policy.require(by, "edit", venue.facts())
    row = Venue.objects.select_for_update().get(pk=venue.pk)
    before = _image(row, _present(row))
    stretches = _stretches(hours)
    _replace_hours(row, stretches)
    audit.record(by=by, verb="set_hours", target=row, before=before, after=_image(row, stretches))
    return stretches


_LINES = ("name", "address", "equipment", "phone")
_EDITABLE = {
    *_LINES,
    *("place", "organization", "capacity", "is_step_free", "latitude", "longitude", "is_open", "is_public"),
}


def _require_create(by: Actor, place: Place, organization: Organization | None) -> None:
    """The right to put a venue into a place: over the place, or over the organization when the place is in its county."""
    own = policy.Facts("venue", place_paths=frozenset({place.path}))
    if organization is not None and not policy.allows(by, "create", own):
        policy.require(by, "create", policy.Facts("venue", organization_paths=frozenset({organization.path})))
        if not place.path.startswith(rules.county_path(organization.place.path)):
            raise VenueElsewhere(
                _("只能登记在本单位所在区县的场地。别处的场地请当地的社区登记。"), field="place"
            )
        return
    policy.require(by, "create", own)


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _LINES:
            checked[name] = typed.line(Venue, name, value)
        elif name == "capacity" and value is not None and not 0 <= value <= 1_000_000:
            raise typed.NotStorable(_("容纳人数请填 0 到 1000000 之间的整数。"), field=name)
        else:
            checked[name] = value
    if "latitude" in checked or "longitude" in checked:
        checked["latitude"], checked["longitude"] = typed.coordinates(
            checked.get("latitude"), checked.get("longitude")
        )
    return checked


def _stretches(hours: str | Sequence[rules.Stretch]) -> tuple[rules.Stretch, ...]:
    if isinstance(hours, str):
        return read_hours(hours)
    for stretch in hours:
        if not (0 <= stretch.weekday <= 6 and 0 <= stretch.opens < stretch.closes <= rules.DAY_MINUTES):
            raise HoursOverlap(_("每段开放时间的结束都要晚于开始，且在同一天之内。"), field="hours")
    clash = rules.clashing(hours)
    if clash is not None:
        raise HoursOverlap(
            _("开放时间有重叠：%(first)s 与 %(second)s。请合并或改开。")
            % {"first": rules.format_hours(clash[:1]), "second": rules.format_hours(clash[1:])},
            field="hours",
        )
    return rules.joined(hours)


def _present(venue: Venue) -> tuple[rules.Stretch, ...]:
    rows = OpeningHours.objects.filter(venue=venue).values_list("weekday", "opens_minutes", "closes_minutes")
    return tuple(sorted(rules.Stretch(*row) for row in rows))


def _replace_hours(venue: Venue, stretches: Sequence[rules.Stretch]) -> None:
    OpeningHours.objects.filter(venue=venue).delete()
    OpeningHours.objects.bulk_create(
        OpeningHours(venue=venue, weekday=s.weekday, opens_minutes=s.opens, closes_minutes=s.closes)
        for s in stretches
    )


def _image(venue: Venue, stretches: Sequence[rules.Stretch]) -> audit.Image:
    return {**audit.image(venue), "hours": rules.format_hours(stretches)}
