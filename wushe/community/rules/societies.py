"""Rules of the five societies (五社) of a place: what counts as which, what may be shown, what is the next step. Values only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final, TypeVar

from wushe.community.rules import places

COMMUNITY: Final = "community"
SOCIAL_WORKERS: Final = "social_workers"
ORGANIZATIONS: Final = "organizations"
VOLUNTEERS: Final = "volunteers"
CHARITABLE_RESOURCES: Final = "charitable_resources"

SOCIETIES: Final = (COMMUNITY, SOCIAL_WORKERS, ORGANIZATIONS, VOLUNTEERS, CHARITABLE_RESOURCES)

COMMITTEES: Final = frozenset({"RESIDENTS_COMMITTEE", "VILLAGERS_COMMITTEE"})
COMMUNITY_ORGANIZATIONS: Final = frozenset({"COMMUNITY_ORGANIZATION"})
CHARITIES: Final = frozenset({"CHARITY", "COMMUNITY_FOUNDATION"})

SOCIETY_OF_KIND: Final[Mapping[str, str | None]] = {
    "PARTY_BODY": None,
    "DEPARTMENT": None,
    "STREET_OFFICE": None,
    "PUBLIC_INSTITUTION": None,
    "PROPERTY_COMPANY": None,
    "RESIDENTS_COMMITTEE": COMMUNITY,
    "VILLAGERS_COMMITTEE": COMMUNITY,
    "OWNERS_COMMITTEE": COMMUNITY,
    "SOCIAL_WORK_AGENCY": ORGANIZATIONS,
    "COMMUNITY_ORGANIZATION": ORGANIZATIONS,
    "SOCIAL_ORGANIZATION": ORGANIZATIONS,
    "TRADE_ASSOCIATION": ORGANIZATIONS,
    "VOLUNTEER_ORGANIZATION": VOLUNTEERS,
    "VOLUNTEER_TEAM": VOLUNTEERS,
    "CHARITY": CHARITABLE_RESOURCES,
    "COMMUNITY_FOUNDATION": CHARITABLE_RESOURCES,
    "FIRM": CHARITABLE_RESOURCES,
    "UNIVERSITY": CHARITABLE_RESOURCES,
}
"""Which society an organization of a kind stands for. Party, government and property companies frame the five, they are none of them."""

COMMUNITY_WORKER: Final = frozenset({"COMMUNITY_WORKER"})
SOCIAL_WORKER: Final = frozenset({"SOCIAL_WORKER", "SUPERVISOR"})
CERTIFICATES: Final = frozenset({"social_worker_assistant", "social_worker", "social_worker_senior"})
"""Codes of the skills whose valid qualification makes a social worker a certified one (持证社工)."""


def kinds_of(society: str) -> tuple[str, ...]:
    """Return the kinds of organization that stand for a society; none for one that does not exist."""
    return tuple(kind for kind, of in SOCIETY_OF_KIND.items() if of == society)


# --- counts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """What there is in one place with all below it. People are counted once however many capacities they have there."""

    committees: int = 0
    owners_committees: int = 0
    community_workers: int = 0
    social_workers: int = 0
    certified_social_workers: int = 0
    community_organizations_registered: int = 0
    community_organizations_filed: int = 0
    community_organizations_other: int = 0
    agencies: int = 0
    other_organizations: int = 0
    dormant_organizations: int = 0
    volunteers: int = 0
    teams: int = 0
    charities: int = 0
    foundations: int = 0
    firms: int = 0
    universities: int = 0
    venues: int = 0
    stations_district: int = 0
    stations_street: int = 0
    stations_community: int = 0
    stations_grid: int = 0
    stations_without_staff: int = 0
    streets: int = 0
    streets_with_station: int = 0
    urban_communities: int = 0
    rural_communities: int = 0
    other_communities: int = 0
    communities_with_venue: int = 0

    @property
    def communities(self) -> int:
        """Official communities and villages."""
        return self.urban_communities + self.rural_communities + self.other_communities

    @property
    def community_organizations(self) -> int:
        """Community social organizations, registered, filed or neither."""
        return (
            self.community_organizations_registered
            + self.community_organizations_filed
            + self.community_organizations_other
        )

    @property
    def organizations(self) -> int:
        """All social organizations: community ones, agencies and others."""
        return self.community_organizations + self.agencies + self.other_organizations

    @property
    def resources(self) -> int:
        """Bodies that can give: charities, foundations, firms, universities."""
        return self.charities + self.foundations + self.firms + self.universities

    @property
    def stations(self) -> int:
        """Open stations of all four tiers."""
        return self.stations_district + self.stations_street + self.stations_community + self.stations_grid

    @property
    def registered(self) -> int:
        """Organizations that stand for one of the five societies."""
        return self.committees + self.owners_committees + self.organizations + self.teams + self.resources

    def of(self, society: str) -> int:
        """The one number that stands for a society."""
        return {
            COMMUNITY: self.committees,
            SOCIAL_WORKERS: self.social_workers,
            ORGANIZATIONS: self.organizations,
            VOLUNTEERS: self.volunteers,
            CHARITABLE_RESOURCES: self.resources,
        }[society]


PEOPLE: Final = frozenset({"community_workers", "social_workers", "certified_social_workers", "volunteers"})
"""The numbers of a tally that count people."""

PEOPLE_SOCIETIES: Final = frozenset({SOCIAL_WORKERS, VOLUNTEERS})

_FIELD_OF_KIND: Final = {
    "RESIDENTS_COMMITTEE": "committees",
    "VILLAGERS_COMMITTEE": "committees",
    "OWNERS_COMMITTEE": "owners_committees",
    "SOCIAL_WORK_AGENCY": "agencies",
    "SOCIAL_ORGANIZATION": "other_organizations",
    "TRADE_ASSOCIATION": "other_organizations",
    "VOLUNTEER_ORGANIZATION": "teams",
    "VOLUNTEER_TEAM": "teams",
    "CHARITY": "charities",
    "COMMUNITY_FOUNDATION": "foundations",
    "FIRM": "firms",
    "UNIVERSITY": "universities",
}


def field_of_organization(kind: str, registration: str) -> str | None:
    """Return the number of a tally that an organization adds to, or None where it is none of the five."""
    if kind in COMMUNITY_ORGANIZATIONS:
        return {
            "REGISTERED": "community_organizations_registered",
            "FILED": "community_organizations_filed",
        }.get(registration, "community_organizations_other")
    return _FIELD_OF_KIND.get(kind)


def added(tallies: Iterable[Tally], people: Mapping[str, int]) -> Tally:
    """Return the sum of disjoint parts; `people` gives the numbers of people over the whole, whom parts may share."""
    sums: dict[str, int] = {field.name: 0 for field in fields(Tally)}
    for tally in tallies:
        for name in sums:
            sums[name] += getattr(tally, name)
    return Tally(**{**sums, **people})


# --- what may be shown ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """A count as one reader may see it: `value`, or None with `below` when it is smaller than that and so not spelled out."""

    value: int | None
    below: int | None = None

    @property
    def is_zero(self) -> bool:
        """True for a plain zero (which hides nobody)."""
        return self.value == 0

    def __str__(self) -> str:
        return f"<{self.below}" if self.value is None else str(self.value)


def shown(count: int, smallest: int | None) -> Figure:
    """Return a count of people for a reader: with `smallest`, what lies between 0 and it is not spelled out."""
    if smallest is not None and 0 < count < smallest:
        return Figure(None, smallest)
    return Figure(count)


# --- the goal ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Goal:
    """How many community organizations there are beside how many the rule asks for; `wanted` None when no community is counted."""

    there: int
    wanted: int | None

    @property
    def missing(self) -> int:
        """How many more it takes."""
        return max((self.wanted or 0) - self.there, 0)


def density_goal(tally: Tally, urban: Decimal | None, rural: Decimal | None) -> Goal:
    """Return the goal for a place: so many for each urban and each rural community. Communities of unknown kind ask for nothing."""
    wanted = Decimal(0)
    counted = False
    for communities, each in ((tally.urban_communities, urban), (tally.rural_communities, rural)):
        if communities and each is not None:
            wanted += communities * each
            counted = True
    return Goal(tally.community_organizations, int(wanted) if counted else None)


# --- next steps -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something that would help this place, never an error: a stable code, how many are missing, of how many."""

    code: str
    missing: int
    base: int | None = None


def next_steps(tally: Tally, level: int | None, goal: Goal) -> list[NextStep]:
    """Return what a place could do next, the most fundamental first. `level` None is the nation.

    A place works with one society present: what is missing is an offer to begin.
    """
    steps: list[NextStep] = []
    communities = tally.communities
    small = level is not None and level >= places.COMMUNITY

    def step(code: str, missing: int, base: int | None = None) -> None:
        if missing > 0:
            steps.append(NextStep(code, missing, base))

    step("STREETS_WITHOUT_STATION", tally.streets - tally.streets_with_station, tally.streets)
    step("STATIONS_WITHOUT_STAFF", tally.stations_without_staff, tally.stations)
    if small and level == places.COMMUNITY:
        step("NO_COMMITTEE", 0 if tally.committees else 1)
    else:
        step("COMMUNITIES_WITHOUT_COMMITTEE", communities - tally.committees, communities)
    step("NO_SOCIAL_WORKERS", 0 if tally.social_workers else 1)
    step("NO_ORGANIZATIONS", 0 if tally.organizations else 1)
    step("NO_VOLUNTEERS", 0 if tally.volunteers else 1)
    step("NO_RESOURCES", 0 if tally.resources else 1)
    if level == places.COMMUNITY:
        step("NO_VENUE", 0 if tally.venues else 1)
    else:
        step("COMMUNITIES_WITHOUT_VENUE", communities - tally.communities_with_venue, communities)
    step("DORMANT_ORGANIZATIONS", tally.dormant_organizations)
    if tally.organizations and goal.wanted:
        step("BELOW_GOAL", goal.missing, goal.wanted)
    return steps


# --- trees ------------------------------------------------------------------------------------------------------------


def tree_distance(one: str, other: str) -> int:
    """Return how many steps up and down the tree of places lie between two paths; 0 for the same place."""
    a, b = (
        one.strip("/").split("/") if one != "/" else [],
        other.strip("/").split("/") if other != "/" else [],
    )
    shared = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        shared += 1
    return len(a) + len(b) - 2 * shared


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Branch:
    """One row with the rows below it; `depth` 0 at the top."""

    row: object
    depth: int
    below: tuple["Branch", ...] = ()


def branches(rows: Sequence[tuple[int, str, object]]) -> tuple[Branch, ...]:
    """Return rows of (rank, path, row) as a tree: each under the nearest row of lower rank whose path holds its own.

    Ranks: 0 the widest tier. Rows of one rank never stand under each other.
    """
    ordered = sorted(range(len(rows)), key=lambda i: (rows[i][1], rows[i][0]))
    parents: dict[int, int | None] = {}
    chain: list[int] = []
    for i in ordered:
        rank, path, _row = rows[i]
        chain = [j for j in chain if path.startswith(rows[j][1])]
        above = [j for j in chain if rows[j][0] < rank]
        parents[i] = max(above, key=lambda j: (rows[j][0], len(rows[j][1]))) if above else None
        chain.append(i)

    def build(parent: int | None, depth: int) -> tuple[Branch, ...]:
        return tuple(Branch(rows[i][2], depth, build(i, depth + 1)) for i in ordered if parents[i] == parent)

    return build(None, 0)
