"""Organizations, stations, venues and memberships for tests, made by the operations themselves."""

from datetime import date
from typing import Any

from wushe.community.models import Membership, Organization, Person, Place, Station, Venue
from wushe.community.operations import memberships, organizations, places, stations, venues
from wushe.community.rules import places as levels
from wushe.kernel.actor import Actor

OPERATOR = Actor.operator("test")

# Valid unified social credit codes of nobody: made from the check-digit rule.
CREDIT_CODES = ("91110000600037341L",)


class District:
    """A small district with the official levels above it: province, city, two counties, streets, communities, one grid.

    Codes are synthetic but of the official form. `self["150603001"]` gives a place by code.
    """

    def __init__(self) -> None:
        self.by_code: dict[str, Place] = {}
        for code, name, kind in (
            ("15", "测试甲自治区", ""),
            ("1506", "测试乙市", ""),
            ("150603", "测试丙区", ""),
            ("150604", "测试丁区", ""),
            ("150603001", "东街街道", "URBAN"),
            ("150603002", "西街街道", "URBAN"),
            ("150603003", "北河镇", "RURAL"),
            ("150604001", "南山街道", "URBAN"),
            ("150603001001", "槐花社区", "URBAN"),
            ("150603001002", "杏林社区", "URBAN"),
            ("150603002001", "石桥社区", "URBAN"),
            ("150603003201", "柳溪村", "RURAL"),
            ("150604001001", "松岭社区", "URBAN"),
        ):
            self.by_code[code] = make_place_row(
                self.by_code.get(levels.parent_code(code) or ""), code, name, kind
            )
        self.grid = make_place_row(self["150603001001"], None, "第一网格", "")

    def __getitem__(self, code: str) -> Place:
        return self.by_code[code]


def make_place_row(parent: Place | None, code: str | None, name: str, kind: str = "") -> Place:
    """Create a place one level below `parent` (its level follows from the code; without one it is a grid)."""
    level = (levels.level_of_code(code) if code else None) or levels.GRID
    return places.create_place(
        by=OPERATOR,
        parent_id=parent.pk if parent else None,
        level=level,
        name=name,
        code=code,
        kind=kind,
        on=date(2000, 1, 1),
    )


def make_organization(
    place: Place, name: str = "合成测试社", kind: str = "COMMUNITY_ORGANIZATION", **fields: Any
) -> Organization:
    """Register an organization."""
    return organizations.register_organization(by=OPERATOR, name=name, kind=kind, place=place, **fields)


def make_station(place: Place, tier: str = "STREET", name: str = "合成社工站", **fields: Any) -> Station:
    """Open a station."""
    return stations.open_station(by=OPERATOR, name=name, tier=tier, place=place, **fields)


def make_venue(place: Place, name: str = "合成活动室", **fields: Any) -> Venue:
    """Add a venue."""
    return venues.add_venue(by=OPERATOR, name=name, place=place, **fields)


def make_member(
    person: Person, organization: Organization, capacity: str = "STAFF", **fields: Any
) -> Membership:
    """Start a membership."""
    return memberships.start_membership(
        by=OPERATOR, person=person, organization=organization, capacity=capacity, **fields
    )


def make_plain_person(place: Place, name: str = "合成甲", number: str | None = None) -> Person:
    """Insert a person without the search keys that the people room adds: enough to be counted."""
    return Person.objects.create(name=name, name_key=name, place=place, volunteer_number=number)
