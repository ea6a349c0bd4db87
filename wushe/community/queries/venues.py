"""Read venues (场地) and when they are open."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import OpeningHours, Organization, Place, Venue
from wushe.community.rules import organizations as rules
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name


class VenueNotFound(Problem):
    """There is no such venue, or the actor may not see it."""

    code = "venue.not_found"
    status = 404


def venues(
    actor: Actor,
    *,
    text: str = "",
    place: Place | None = None,
    organization: Organization | None = None,
    step_free: bool = False,
    at_least: int | None = None,
    state: str = "",
    verb: str = "view",
) -> QuerySet[Venue]:
    """Return the venues the actor may see, narrowed; `at_least` people must fit in. Place and organization are at hand.

    `state` is "" for those in use, "CLOSED" for the others, "ALL" for both.
    """
    found = Venue.objects.visible_to(actor, verb).select_related("place", "organization")
    if text.strip():
        found = found.filter(name__icontains=" ".join(text.split())[:60])
    if place is not None:
        found = found.filter(place__path__prefix=place.path)
    if organization is not None:
        found = found.filter(organization=organization)
    if step_free:
        found = found.filter(is_step_free=True)
    if at_least is not None:
        found = found.filter(capacity__gte=at_least)
    return found if state == "ALL" else found.filter(is_open=state != "CLOSED")


def venue(actor: Actor, venue_id: UUID) -> Venue:
    """Return one venue with its place and organization. Raises `VenueNotFound`."""
    found = (
        Venue.objects.visible_to(actor)
        .select_related("place", "organization__place")
        .filter(pk=venue_id)
        .first()
    )
    if found is None:
        raise VenueNotFound(_("没有这个场地，或它不在您负责的范围内。请返回列表查找。"))
    return found


def opening_hours(actor: Actor, venues: Iterable[Venue]) -> dict[UUID, tuple[rules.Stretch, ...]]:
    """Return venue id → its stretches in order of the week. One query. The venues must come from a query with this actor."""
    found: dict[UUID, list[rules.Stretch]] = {}
    rows = OpeningHours.objects.filter(venue__in=[venue.pk for venue in venues])
    for row in rows.order_by("weekday", "opens_minutes"):
        found.setdefault(row.venue_id, []).append(
            rules.Stretch(row.weekday, row.opens_minutes, row.closes_minutes)
        )
    return {venue_id: tuple(stretches) for venue_id, stretches in found.items()}


def on_day(stretches: Iterable[rules.Stretch], day: date | None = None) -> tuple[rules.Stretch, ...]:
    """Return the stretches of one day's (today's) weekday."""
    weekday = (day or timezone.localdate()).weekday()
    return tuple(stretch for stretch in stretches if stretch.weekday == weekday)


def likely_duplicates(
    actor: Actor, *, name: str, place: Place, apart_from: Venue | None = None
) -> list[Venue]:
    """Return visible venues of the same folded name in the same place or one around or inside it."""
    rows = Venue.objects.visible_to(actor).filter(place__path__prefix=place.path)
    key = fold_name(name)
    return [
        row
        for row in rows.select_related("place").order_by("name")[:500]
        if fold_name(row.name) == key and (apart_from is None or row.pk != apart_from.pk)
    ][:8]
