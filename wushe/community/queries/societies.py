"""Read the five societies (五社) of a place: how many of each, over the whole subtree and child by child, stations, venues, contacts, gaps.

From the county down everything is counted from the rows themselves while the page is read; above it from the tallies of the counties
(`queries.tallies`), and the page says when those were counted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, OuterRef, Q, Subquery

from wushe.community.models import Organization, Place, Responsibility, RuleValue, Venue
from wushe.community.queries.parameters import rule_values
from wushe.community.queries.stations import stations as stations_of
from wushe.community.queries.tallies import tallies_by_child
from wushe.community.queries.venues import on_day, opening_hours
from wushe.community.queries.venues import venues as venues_of
from wushe.community.rules import organizations as organization_rules
from wushe.community.rules import places as levels
from wushe.community.rules import societies as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor

STATIONS_SHOWN = 300
VENUES_SHOWN = 60
CONTACTS_SHOWN = 12

_CONTACT_KINDS = (
    *(
        "STREET_OFFICE",
        "RESIDENTS_COMMITTEE",
        "VILLAGERS_COMMITTEE",
        "SOCIAL_WORK_AGENCY",
        "COMMUNITY_FOUNDATION",
    ),
    *("DEPARTMENT", "PARTY_BODY", "CHARITY", "VOLUNTEER_ORGANIZATION", "PUBLIC_INSTITUTION"),
)


@dataclass(frozen=True, slots=True)
class SocietyCount:
    """One of the five: the number that stands for it, and the numbers behind that one by name (fields of `rules.Tally`)."""

    society: str
    figure: rules.Figure
    parts: Mapping[str, rules.Figure]


@dataclass(frozen=True, slots=True)
class ChildRow:
    """One line of the drill-down: a place directly below, and its five numbers. `place` None: what hangs on the place itself."""

    place: Place | None
    counts: Mapping[str, rules.Figure]
    tally: rules.Tally

    def sort_value(self, society: str) -> int:
        """A number to sort by that tells no more than is shown."""
        figure = self.counts[society]
        return figure.value if figure.value is not None else 1


@dataclass(frozen=True, slots=True)
class StationLine:
    """One station of the tree: what the page shows of it."""

    id: UUID
    name: str
    tier: str
    place_id: UUID
    place_name: str
    place_path: str
    phone: str
    address: str
    staff: rules.Figure
    owner: str
    operator: str
    venue_id: UUID | None


@dataclass(frozen=True, slots=True)
class VenueLine:
    """One venue with today's and the week's opening hours; `steps` is its distance from the place in the tree of places."""

    venue: Venue
    today: tuple[organization_rules.Stretch, ...]
    week: tuple[organization_rules.Stretch, ...]
    steps: int


@dataclass(frozen=True, slots=True)
class Share:
    """A part and its base; `reason` NO_RECORDS says that the part is zero because nothing has been recorded yet."""

    part: int
    base: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """The five societies of a place; `place` None is the whole nation."""

    place: Place | None
    above: tuple[Place, ...]
    societies: tuple[SocietyCount, ...]
    tally: rules.Tally
    joint_action: Share
    goal: rules.Goal
    goal_values: tuple[RuleValue, ...]
    next_steps: tuple[rules.NextStep, ...]
    streets_without_station: tuple[Place, ...]
    stations: tuple[rules.Branch, ...]
    stations_listed: int
    venues: tuple[VenueLine, ...]
    venues_total: int
    contacts: tuple[Organization, ...]
    children: tuple[ChildRow, ...]
    small_cell: int | None
    counted_at: datetime | None


def place_overview(actor: Actor, place: Place | None, *, joint: Collection[UUID] = ()) -> Overview:
    """Return the five societies of a place with all below it, in at most eight queries.

    Counts of people below the dated `PUBLIC_SMALL_CELL` are not spelled out unless the actor may see the people of this place.
    `joint` names the organizations whose common work is on record (see `joint_action_share`).
    """
    path = place.path if place else levels.NATION
    around = _around(actor, place)
    children = [
        other for other in around if other.parent_id == (place.pk if place else None) and other.is_open
    ]
    above = sorted(
        (other for other in around if path.startswith(other.path) and other.path != path),
        key=lambda p: len(p.path),
    )
    values = rule_values(actor, ["CSO_GOAL_URBAN", "CSO_GOAL_RURAL", "PUBLIC_SMALL_CELL"], place_path=path)
    smallest = small_cell_for(actor, path, values)
    counted = tallies_by_child(actor, path)
    tally, tallies = counted.whole, dict(counted.children)
    own = tallies.pop(path, None)
    rows = [_child_row(child, tallies.get(child.path, rules.Tally()), smallest) for child in children]
    known = {child.path for child in children}
    elsewhere = [other for child_path, other in tallies.items() if child_path not in known]
    if own is not None or elsewhere:
        # Rows of a merged or closed place that is not listed stand with what hangs on the place itself.
        rest = rules.added([*([own] if own else []), *elsewhere], {})
        if any(rest.of(society) for society in rules.SOCIETIES):
            rows.append(_child_row(None, rest, smallest))
    values_used = tuple(values[code] for code in ("CSO_GOAL_URBAN", "CSO_GOAL_RURAL") if code in values)
    urban, rural = (values[c].value if c in values else None for c in ("CSO_GOAL_URBAN", "CSO_GOAL_RURAL"))
    goal = rules.density_goal(tally, urban, rural)
    stations = _station_lines(actor, place, smallest)
    venues = _venue_lines(actor, place)
    missing = tuple(
        child
        for child in children
        if child.level == levels.STREET and not tallies.get(child.path, rules.Tally()).streets_with_station
    )
    return Overview(
        place=place,
        above=tuple(above),
        societies=_society_counts(tally, smallest),
        tally=tally,
        joint_action=joint_action_share(tally, joint),
        goal=goal,
        goal_values=values_used,
        next_steps=tuple(rules.next_steps(tally, place.level if place else None, goal)),
        streets_without_station=missing,
        stations=rules.branches(
            [(organization_rules.TIERS.index(s.tier), s.place_path, s) for s in stations]
        ),
        stations_listed=len(stations),
        venues=venues,
        venues_total=tally.venues,
        contacts=_contacts(actor, place),
        children=tuple(rows),
        small_cell=smallest,
        counted_at=counted.counted_at,
    )


def small_cell_for(actor: Actor, path: str, values: Mapping[str, RuleValue] | None = None) -> int | None:
    """Return below which number people are not spelled out for this reader in this place; None: every number is."""
    if policy.allows(actor, "view", policy.Facts("person", place_paths=frozenset({path}))):
        return None
    if values is None:
        values = rule_values(actor, ["PUBLIC_SMALL_CELL"], place_path=path)
    row = values.get("PUBLIC_SMALL_CELL")
    return int(row.value) if row else None


def joint_action_share(tally: rules.Tally, joint: Collection[UUID]) -> Share:
    """Return how many of the organizations on the books have acted together with another society.

    `joint` holds the organizations of this place that some record shows in common work. The rooms that keep such records hand
    them in; as long as none does, the part is an honest zero and the reason says why.
    """
    part = len(set(joint))
    return Share(part, tally.registered, "" if part else "NO_RECORDS")


def _around(actor: Actor, place: Place | None) -> list[Place]:
    """The places above and directly below, in one query."""
    wanted = Q(parent=place)
    if place is not None:
        wanted |= Q(path__in=levels.paths_above(place.path))
    rows = Place.objects.visible_to(actor).filter(wanted).order_by("level", "code", "name_key")
    return list(rows)


def _child_row(place: Place | None, tally: rules.Tally, smallest: int | None) -> ChildRow:
    counts = {
        society: rules.shown(tally.of(society), smallest if society in rules.PEOPLE_SOCIETIES else None)
        for society in rules.SOCIETIES
    }
    return ChildRow(place, counts, tally)


_PARTS: Mapping[str, Sequence[str]] = {
    rules.COMMUNITY: ("communities", "committees", "owners_committees", "community_workers"),
    rules.SOCIAL_WORKERS: ("social_workers", "certified_social_workers"),
    rules.ORGANIZATIONS: (
        *(
            "community_organizations_registered",
            "community_organizations_filed",
            "community_organizations_other",
        ),
        *("agencies", "other_organizations", "dormant_organizations"),
    ),
    rules.VOLUNTEERS: ("volunteers", "teams"),
    rules.CHARITABLE_RESOURCES: ("charities", "foundations", "firms", "universities", "venues"),
}


def _society_counts(tally: rules.Tally, smallest: int | None) -> tuple[SocietyCount, ...]:
    return tuple(
        SocietyCount(
            society,
            rules.shown(tally.of(society), smallest if society in rules.PEOPLE_SOCIETIES else None),
            {
                name: rules.shown(getattr(tally, name), smallest if name in rules.PEOPLE else None)
                for name in _PARTS[society]
            },
        )
        for society in rules.SOCIETIES
    )


def _station_lines(actor: Actor, place: Place | None, smallest: int | None) -> list[StationLine]:
    """The stations listed on the page: from the county down all in the subtree, above it those that serve the place itself."""
    if place is None:
        return []
    rows = stations_of(actor).filter(
        Q(place__path__prefix=place.path) if place.level >= levels.COUNTY else Q(place=place)
    )
    seen = Organization.objects.visible_to(actor).filter(pk=OuterRef("organization")).values("name")
    for name, capacity in (
        ("owner_name", Responsibility.Capacity.OWNER),
        ("operator_name", Responsibility.Capacity.OPERATOR),
    ):
        now = Responsibility.objects.filter(station=OuterRef("pk"), capacity=capacity, ended_on__isnull=True)
        rows = rows.annotate(**{name: Subquery(now.annotate(body=Subquery(seen)).values("body")[:1])})
    return [
        StationLine(
            row.pk,
            row.name,
            row.tier,
            row.place_id,
            row.place.name,
            row.place.path,
            row.phone,
            row.address,
            rules.shown(getattr(row, "staff", 0), smallest),
            getattr(row, "owner_name", "") or "",
            getattr(row, "operator_name", "") or "",
            row.venue_id,
        )
        for row in rows.order_by("place__path", "name")[:STATIONS_SHOWN]
    ]


def _venue_lines(actor: Actor, place: Place | None) -> tuple[VenueLine, ...]:
    """The venues listed on the page, the nearest in the tree first, with their hours; above the county only the place's own."""
    if place is None:
        return ()
    rows = venues_of(actor).filter(
        Q(place__path__prefix=place.path) if place.level >= levels.COUNTY else Q(place=place)
    )
    shown = list(rows.order_by("place__path", "name")[:VENUES_SHOWN])
    hours = opening_hours(actor, shown)
    lines = [
        VenueLine(
            venue,
            on_day(hours.get(venue.pk, ())),
            hours.get(venue.pk, ()),
            rules.tree_distance(place.path, venue.place.path),
        )
        for venue in shown
    ]
    return tuple(sorted(lines, key=lambda line: line.steps))


def _contacts(actor: Actor, place: Place | None) -> tuple[Organization, ...]:
    """The public office telephones of a place: its own bodies, and those of the place directly above where it has none."""
    if place is None:
        return ()
    rows = (
        Organization.objects.visible_to(actor)
        .filter(Q(place=place) | Q(place=place.parent_id), kind__in=_CONTACT_KINDS)
        .exclude(office_phone="")
        .exclude(status=Organization.Status.CLOSED)
        .select_related("place")
        .order_by(F("place__level").desc(), "kind", "name_key")
    )
    return tuple(rows[:CONTACTS_SHOWN])
