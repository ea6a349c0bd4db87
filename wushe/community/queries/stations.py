"""Read social-work stations (社工站): lists, one with its people, what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import (
    Membership,
    Organization,
    Person,
    Place,
    Responsibility,
    RoleGrant,
    Station,
    Venue,
)
from wushe.community.queries.parameters import rule_values
from wushe.community.rules import places as levels
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem

GAPS_SHOWN = 20


class StationNotFound(Problem):
    """There is no such station, or the actor may not see it."""

    code = "station.not_found"
    status = 404


def stations(
    actor: Actor,
    *,
    text: str = "",
    tier: str = "",
    place: Place | None = None,
    owner: Organization | None = None,
    operator: Organization | None = None,
    answering: Organization | None = None,
    venue: Venue | None = None,
    lacking: str = "",
    state: str = "",
    verb: str = "view",
) -> QuerySet[Station]:
    """Return the stations the actor may see, narrowed, each with `staff` (people working there now); place and venue at hand.

    `answering` is an organization that owns or runs it. `lacking` is STAFF, OWNER or OPERATOR; `state` is "" for open ones, "CLOSED", or "ALL".
    """
    found = Station.objects.visible_to(actor, verb).select_related("place", "venue")
    if text.strip():
        found = found.filter(name__icontains=" ".join(text.split())[:60])
    if tier:
        found = found.filter(tier=tier)
    if place is not None:
        found = found.filter(place__path__prefix=place.path)
    for body, capacity in (
        (owner, Responsibility.Capacity.OWNER),
        (operator, Responsibility.Capacity.OPERATOR),
    ):
        if body is not None:
            found = found.filter(Exists(_now(capacity).filter(organization=body)))
    if answering is not None:
        now = Responsibility.objects.filter(
            station=OuterRef("pk"), organization=answering, ended_on__isnull=True
        )
        found = found.filter(Exists(now))
    if venue is not None:
        found = found.filter(venue=venue)
    if lacking in ("OWNER", "OPERATOR"):
        found = found.filter(~Exists(_now(lacking)))
    elif lacking == "STAFF":
        found = found.filter(~Exists(_staff()))
    if state != "ALL":
        found = found.filter(closed_on__isnull=state != "CLOSED")
    return found.annotate(staff=_staff_count())


def station(actor: Actor, station_id: UUID) -> Station:
    """Return one station with place and venue. Raises `StationNotFound`."""
    rows = Station.objects.visible_to(actor).select_related("place", "venue").filter(pk=station_id)
    found = rows.annotate(staff=_staff_count()).first()
    if found is None:
        raise StationNotFound(_("没有这个站点，或它不在您负责的范围内。请返回列表查找。"))
    return found


def staff(actor: Actor, of: Station, *, current: bool = True) -> QuerySet[Membership]:
    """Return the memberships at a station that the actor may see, people and organizations at hand."""
    rows = Membership.objects.visible_to(actor).filter(station=of).select_related("person", "organization")
    rows = rows.filter(ended_on__isnull=True) if current else rows
    return rows.order_by("capacity", "person__name_key", "started_on")


# --- what is missing --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrantEnding:
    """A right that ends soon: whose, for which place or organization, when."""

    grant_id: UUID
    account_id: UUID
    person_name: str
    role: str
    where: str
    ends_on: object


@dataclass(frozen=True, slots=True)
class Gaps:
    """What the stations of an actor's places lack; each list is cut at `GAPS_SHOWN`, its count is not."""

    streets_without_station: tuple[Place, ...] = ()
    streets_without_station_count: int = 0
    stations_without_staff: tuple[Station, ...] = ()
    stations_without_staff_count: int = 0
    stations_without_owner: tuple[Station, ...] = ()
    stations_without_owner_count: int = 0
    communities_without_venue: tuple[Place, ...] = ()
    communities_without_venue_count: int = 0
    grants_ending: tuple[GrantEnding, ...] = ()
    grants_ending_count: int = 0

    @property
    def total(self) -> int:
        """How many things wait."""
        return (
            self.streets_without_station_count
            + self.stations_without_staff_count
            + self.stations_without_owner_count
            + self.communities_without_venue_count
            + self.grants_ending_count
        )


def gaps(actor: Actor) -> Gaps:
    """Return what is missing in the places where the actor may change stations (or venues), for the desk's work list.

    At most five queries. Empty for whoever can mend none of it.
    """
    editable = policy.reach(actor, "edit", "station")
    roots = editable.place_paths if not editable.everything else frozenset({"/"})
    streets = streets_without_station(actor, roots)
    open_stations = Station.objects.visible_to(actor, "edit").filter(closed_on__isnull=True)
    no_staff = open_stations.filter(~Exists(_staff())).select_related("place").order_by("place__path", "name")
    no_owner = (
        open_stations.filter(~Exists(_now("OWNER"))).select_related("place").order_by("place__path", "name")
    )
    venue_reach = policy.reach(actor, "create", "venue")
    venue_roots = venue_reach.place_paths if not venue_reach.everything else frozenset()
    communities = communities_without_venue(actor, venue_roots)
    ending = _grants_ending(actor)
    street_rows, street_count = _cut(streets)
    staff_rows, staff_count = _cut(no_staff)
    owner_rows, owner_count = _cut(no_owner)
    community_rows, community_count = _cut(communities)
    grant_rows, grant_count = _cut(ending)
    return Gaps(
        street_rows,
        street_count,
        staff_rows,
        staff_count,
        owner_rows,
        owner_count,
        community_rows,
        community_count,
        tuple(
            GrantEnding(
                g.pk,
                g.account_id,
                g.account.person.name,
                g.role,
                g.place.name if g.place else g.organization.name if g.organization else "",
                g.expires_at,
            )
            for g in grant_rows
        ),
        grant_count,
    )


def streets_without_station(actor: Actor, roots: Iterable[str]) -> QuerySet[Place]:
    """Return the streets and towns below these paths that no open street station serves, in order of the tree."""
    served = Station.objects.visible_to(actor).filter(
        place=OuterRef("pk"), tier=Station.Tier.STREET, closed_on__isnull=True
    )
    return _open_places(actor, roots, levels.STREET).filter(~Exists(served)).order_by("path")


def communities_without_venue(actor: Actor, roots: Iterable[str]) -> QuerySet[Place]:
    """Return the communities below these paths that have no venue in use, in order of the tree."""
    offered = Venue.objects.visible_to(actor).filter(place=OuterRef("pk"), is_open=True)
    return _open_places(actor, roots, levels.COMMUNITY).filter(~Exists(offered)).order_by("path")


def _open_places(actor: Actor, roots: Iterable[str], level: int) -> QuerySet[Place]:
    condition = Q(pk__in=())
    for root in roots:
        condition |= Q(path__prefix=root) if root != "/" else Q(level=level)
    return Place.objects.visible_to(actor).filter(condition, level=level, valid_until__isnull=True)


def _grants_ending(actor: Actor) -> QuerySet[RoleGrant]:
    limit = rule_values(actor, ["GRANT_ENDING_DAYS"]).get("GRANT_ENDING_DAYS")
    rows = RoleGrant.objects.visible_to(actor, "edit").filter(revoked_at__isnull=True)
    if limit is None:
        return rows.none()
    now = timezone.now()
    soon = rows.filter(expires_at__gt=now, expires_at__lte=now + timedelta(days=int(limit.value)))
    return soon.select_related("account__person", "place", "organization").order_by("expires_at")


def _cut(rows: QuerySet) -> tuple:
    """Return the first few rows, and how many there are, in one query."""
    whole = rows.order_by().annotate(one=Value(1)).values("one").annotate(number=Count("pk")).values("number")
    shown = tuple(rows.annotate(whole_number=Subquery(whole))[:GAPS_SHOWN])
    return shown, shown[0].whole_number if shown else 0


def _now(capacity: str) -> QuerySet[Responsibility]:
    return Responsibility.objects.filter(station=OuterRef("pk"), capacity=capacity, ended_on__isnull=True)


def _staff() -> QuerySet[Membership]:
    return Membership.objects.filter(
        station=OuterRef("pk"), ended_on__isnull=True, person__status=Person.Status.ACTIVE
    )


def _staff_count() -> Coalesce:
    # Correlated, so that a page of a long list counts for the rows it shows and not for all.
    people = (
        _staff().order_by().values("station").annotate(number=Count("person", distinct=True)).values("number")
    )
    return Coalesce(Subquery(people), 0)
