"""Places are made, renamed, moved, merged, split and closed, each with its date; what was stays findable."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from tests.factories.organizations import District
from tests.factories.people import make_person
from wushe.community.models import Person, PersonKey, Place, PlaceEra
from wushe.community.operations import places
from wushe.community.queries import places as queries
from wushe.community.rules import places as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.models import AuditEvent
from wushe.kernel.problems import Problem

pytestmark = pytest.mark.django_db

OPERATOR = Actor.operator("test")
ANYONE = Actor.anonymous()
MARCH = date(2024, 3, 1)
MAY = date(2024, 5, 1)


@pytest.fixture
def district() -> District:
    return District()


def actor(role: str, place: Place) -> Actor:
    return Actor(kind="account", label="test", grants=(Grant(role, place_path=place.path),))


def names(found: Any) -> list[str]:
    return [place.name for place in found]


# --- the tree of today ------------------------------------------------------------------------------------------------


def test_an_official_place_has_the_same_id_everywhere_and_its_code_as_label(district: District) -> None:
    county = district["150603"]
    assert county.path == "/15/1506/150603/"
    assert county.id.version == 5
    assert Place.objects.get(pk=county.id).parent_id == district["1506"].id


def test_an_own_place_has_an_own_label_below_its_community(district: District) -> None:
    assert district.grid.id.version == 7
    assert district.grid.path == f"{district['150603001001'].path}{rules.own_label(district.grid.id)}/"


def test_ancestors_children_and_subtree(district: District) -> None:
    grid = district.grid
    assert names(queries.ancestors(ANYONE, grid)) == [
        "测试甲自治区", "测试乙市", "测试丙区", "东街街道", "槐花社区",
    ]  # fmt: skip
    assert names(queries.children(ANYONE, district["150603"])) == ["东街街道", "西街街道", "北河镇"]
    assert names(queries.children(ANYONE, None)) == ["测试甲自治区"]
    assert names(queries.subtree(ANYONE, district["150603001"])) == [
        "东街街道",
        "槐花社区",
        "第一网格",
        "杏林社区",
    ]
    assert names(queries.subtree(ANYONE, district["150603"], level=rules.STREET)) == [
        "东街街道",
        "西街街道",
        "北河镇",
    ]
    assert queries.counts_by_level(ANYONE, district["150603"]) == {4: 3, 5: 4, 6: 1}
    assert queries.full_names(ANYONE, [district["150603001"]]) == {
        district["150603001"].id: "测试甲自治区 测试乙市 测试丙区 东街街道"
    }


def test_a_subtree_is_one_query_whatever_its_size(district: District, query_counter: Any) -> None:
    with query_counter.at_most(1):
        assert len(queries.subtree(ANYONE, district["15"])) == 14
    with query_counter.at_most(1):
        queries.ancestors(ANYONE, district.grid)
    with query_counter.at_most(2):
        queries.lineages(ANYONE, [place.id for place in district.by_code.values()])


def test_lineage_names_county_and_street(district: District) -> None:
    street = district["150603001"]
    county = district["150603"]
    assert queries.lineage(ANYONE, district.grid) == queries.Lineage(county.id, street.id)
    assert queries.lineage(ANYONE, county) == queries.Lineage(county.id, None)
    assert queries.lineage(ANYONE, district["1506"]) == queries.Lineage(None, None)


def test_an_unknown_place_is_not_found() -> None:
    with pytest.raises(queries.PlaceNotFound) as raised:
        queries.place(ANYONE, UUID(int=1))
    assert raised.value.status == 404
    with pytest.raises(queries.PlaceNotFound):
        queries.place_by_code(ANYONE, "990000")


# --- rename -----------------------------------------------------------------------------------------------------------


def test_a_renamed_place_keeps_its_past_and_is_found_by_both_names(district: District) -> None:
    street = places.rename_place(by=OPERATOR, place_id=district["150603001"].id, name="晨光街道", on=MARCH)
    assert street.path == district["150603001"].path
    before = queries.state_as_of(ANYONE, street.id, MARCH - timedelta(days=1))
    after = queries.state_as_of(ANYONE, street.id, MARCH)
    assert before is not None
    assert after is not None
    assert (before.name, after.name) == ("东街街道", "晨光街道")
    assert [hit.place.id for hit in queries.search_places(ANYONE, "晨光")] == [street.id]
    assert [hit.place.id for hit in queries.search_places(ANYONE, "chenguang")] == [street.id]
    assert [hit.place.id for hit in queries.search_places(ANYONE, "东街")] == [street.id]
    assert queries.search_places(ANYONE, "dongjie") == []


def test_a_place_may_get_another_code_and_keeps_its_id(district: District) -> None:
    street = district["150603001"]
    renamed = places.rename_place(
        by=OPERATOR, place_id=street.id, name=street.name, code="150604009", on=MARCH
    )
    assert (renamed.id, renamed.code, renamed.path) == (street.id, "150604009", street.path)
    assert queries.place_by_code(ANYONE, "150604009").id == street.id
    assert [state.code for state in queries.history(ANYONE, street.id)] == ["150603001", "150604009"]


def test_a_code_given_up_may_name_a_new_place(district: District) -> None:
    street = district["150603001"]
    places.rename_place(by=OPERATOR, place_id=street.id, name=street.name, code="150604009", on=MARCH)
    new = places.create_place(
        by=OPERATOR,
        parent_id=district["150603"].id,
        level=rules.STREET,
        name="新设街道",
        code="150603001",
        on=MAY,
    )
    assert new.id != street.id
    assert new.path.startswith("/15/1506/150603/g")


def test_two_renames_on_one_day_leave_one_era(district: District) -> None:
    street = district["150603001"]
    places.rename_place(by=OPERATOR, place_id=street.id, name="误写街道", on=MARCH)
    places.rename_place(by=OPERATOR, place_id=street.id, name="晨光街道", on=MARCH)
    assert [(state.name, state.valid_from) for state in queries.history(ANYONE, street.id)] == [
        ("东街街道", date(2000, 1, 1)),
        ("晨光街道", MARCH),
    ]


# --- move, merge, split, close ----------------------------------------------------------------------------------------


def test_a_moved_street_takes_everything_along_and_the_past_stays(district: District) -> None:
    street, there = district["150603001"], district["150604"]
    moved = places.move_place(by=OPERATOR, place_id=street.id, to_id=there.id, on=MARCH)
    assert moved.path == "/15/1506/150604/150603001/"
    assert Place.objects.get(pk=district.grid.id).path.startswith(moved.path)
    before = queries.subtree_as_of(ANYONE, district["150603"].id, MARCH - timedelta(days=1))
    after = queries.subtree_as_of(ANYONE, district["150603"].id, MARCH)
    assert (len(before), len(after)) == (9, 5)
    assert [s.name for s in queries.ancestors_as_of(ANYONE, district.grid.id, date(2024, 2, 1))][
        2
    ] == "测试丙区"
    assert [s.name for s in queries.ancestors_as_of(ANYONE, district.grid.id, MARCH)][2] == "测试丁区"


def test_a_merged_street_counts_in_the_one_that_goes_on(district: District) -> None:
    gone, stays = district["150603001"], district["150603002"]
    places.merge_places(by=OPERATOR, from_id=gone.id, into_id=stays.id, on=MARCH)
    gone = queries.place(ANYONE, gone.id)
    assert (gone.valid_until, gone.successor_id) == (MARCH, stays.id)
    assert gone.path == f"{stays.path}150603001/"
    assert names(queries.children(ANYONE, stays)) == ["槐花社区", "杏林社区", "石桥社区"]
    assert gone.id in set(queries.subtree(ANYONE, stays, closed=True).values_list("id", flat=True))
    assert gone.id not in set(queries.subtree(ANYONE, stays).values_list("id", flat=True))
    assert queries.lineage(ANYONE, gone) == queries.Lineage(district["150603"].id, stays.id)
    assert queries.state_as_of(ANYONE, gone.id, MARCH) is None
    assert queries.subtree_as_of(ANYONE, gone.id, MARCH) == []
    assert len(queries.subtree_as_of(ANYONE, gone.id, date(2024, 2, 1))) == 4


def test_a_chain_of_merges_ends_where_the_last_went(district: District) -> None:
    first, second, third = (district[code] for code in ("150603001", "150603002", "150603003"))
    places.merge_places(by=OPERATOR, from_id=first.id, into_id=second.id, on=MARCH)
    places.merge_places(by=OPERATOR, from_id=second.id, into_id=third.id, on=MAY)
    assert queries.place(ANYONE, first.id).path == f"{third.path}150603002/150603001/"
    assert len(queries.children(ANYONE, third)) == 4
    assert [s.name for s in queries.subtree_as_of(ANYONE, second.id, date(2024, 4, 1)) if s.level == 5] == [
        "槐花社区", "杏林社区", "石桥社区",
    ]  # fmt: skip


def test_people_stay_on_the_merged_place_and_their_keys_follow(district: District) -> None:
    gone, stays = district["150603001"], district["150604001"]
    person = make_person(district["150603001001"], "测甲子")
    places.move_place(by=OPERATOR, place_id=gone.id, to_id=district["150604"].id, on=MARCH)
    places.merge_places(by=OPERATOR, from_id=gone.id, into_id=stays.id, on=MAY)
    assert Person.objects.get(pk=person.pk).place_id == district["150603001001"].id
    keys = set(PersonKey.objects.filter(person=person).values_list("county", "street"))
    assert keys == {("150604", "150604001")}


def test_a_split_gives_children_to_new_places_and_may_close_the_old(district: District) -> None:
    old = district["150603001"]
    north, south = places.split_place(
        by=OPERATOR,
        place_id=old.id,
        parts=[
            places.Part("东街北街道", "150603011", [district["150603001001"].id]),
            places.Part("东街南街道", None, [district["150603001002"].id]),
        ],
        keep=False,
        on=MARCH,
    )
    old = queries.place(ANYONE, old.id)
    assert (old.is_open, old.successor_id, old.path) == (False, None, "/15/1506/150603/150603001/")
    assert (north.code, south.code) == ("150603011", None)
    assert names(queries.children(ANYONE, north)) == ["槐花社区"]
    assert names(queries.children(ANYONE, south)) == ["杏林社区"]
    assert [s.name for s in queries.subtree_as_of(ANYONE, old.id, date(2024, 2, 29)) if s.level == 5] == [
        "槐花社区", "杏林社区",
    ]  # fmt: skip


def test_a_split_may_keep_the_old_place(district: District) -> None:
    old = district["150603001"]
    (new,) = places.split_place(
        by=OPERATOR,
        place_id=old.id,
        parts=[places.Part("新街街道", None, [district["150603001002"].id])],
        keep=True,
        on=MARCH,
    )
    assert names(queries.children(ANYONE, old)) == ["槐花社区"]
    assert names(queries.children(ANYONE, new)) == ["杏林社区"]


def test_a_closed_place_leaves_the_lists_but_not_the_past(district: District) -> None:
    places.close_place(by=OPERATOR, place_id=district.grid.id, on=MARCH)
    community = district["150603001001"]
    assert names(queries.children(ANYONE, community)) == []
    assert names(queries.children(ANYONE, community, closed=True)) == ["第一网格"]
    assert queries.search_places(ANYONE, "第一网格") == []
    assert len(queries.subtree_as_of(ANYONE, community.id, date(2024, 2, 1))) == 2


def test_every_change_is_audited_with_its_place(district: District) -> None:
    street = district["150603001"]
    places.rename_place(by=OPERATOR, place_id=street.id, name="晨光街道", on=MARCH)
    places.merge_places(by=OPERATOR, from_id=street.id, into_id=district["150603002"].id, on=MAY)
    verbs = list(audit.events(OPERATOR, target=street).values_list("verb", flat=True))
    assert verbs == ["merge", "rename", "create"]
    merge = audit.events(OPERATOR, target=street, verb="merge").get()
    assert str(district["150603002"].id) in merge.note
    assert merge.place_path.startswith("/15/1506/150603/")


def test_the_point_of_a_place_may_be_set_and_cleared(district: District) -> None:
    grid = district.grid
    places.set_place_point(by=OPERATOR, place_id=grid.id, latitude=39.6, longitude=109.78)
    assert queries.place(ANYONE, grid.id).latitude == 39.6
    places.set_place_point(by=OPERATOR, place_id=grid.id, latitude=None, longitude=None)
    assert queries.place(ANYONE, grid.id).longitude is None


# --- bad input: a clear message, nothing stored -----------------------------------------------------------------------

Act = Callable[[], Any]
Case = Callable[[District], Act]
"""Prepares a district and returns the act that is to be refused."""


def _rename(name: str, **fields: Any) -> Case:
    return lambda d: partial(
        places.rename_place, by=OPERATOR, place_id=d["150603001"].id, name=name, **fields
    )


def _create(level: int = rules.GRID, parent: str = "150603001001", **fields: Any) -> Case:
    values = {"name": "第二网格", "level": level, **fields}
    return lambda d: partial(places.create_place, by=OPERATOR, parent_id=d[parent].id, **values)


def _move(code: str, to: str, **fields: Any) -> Case:
    return lambda d: partial(places.move_place, by=OPERATOR, place_id=d[code].id, to_id=d[to].id, **fields)


def _merge(code: str, into: str, **fields: Any) -> Case:
    return lambda d: partial(
        places.merge_places, by=OPERATOR, from_id=d[code].id, into_id=d[into].id, **fields
    )


def _close(code: str) -> Case:
    return lambda d: partial(places.close_place, by=OPERATOR, place_id=d[code].id)


def _split(*parts: tuple[str, list[str]], keep: bool = False) -> Case:
    def prepare(d: District) -> Act:
        made = [places.Part(name, None, [d[code].id for code in codes]) for name, codes in parts]
        return partial(places.split_place, by=OPERATOR, place_id=d["150603001"].id, parts=made, keep=keep)

    return prepare


def _name_taken_there(d: District) -> Act:
    places.rename_place(by=OPERATOR, place_id=d["150604001"].id, name="东街街道")
    return _move("150603001", "150604")(d)


def _inner_grid(d: District) -> Place:
    return places.create_place(by=OPERATOR, parent_id=d.grid.id, level=rules.GRID, name="微网格", on=MARCH)


def _move_into_inner_grid(d: District) -> Act:
    return partial(places.move_place, by=OPERATOR, place_id=d.grid.id, to_id=_inner_grid(d).id)


def _merge_into_inner_grid(d: District) -> Act:
    return partial(places.merge_places, by=OPERATOR, from_id=d.grid.id, into_id=_inner_grid(d).id)


def _before_a_change_below(d: District) -> Act:
    places.rename_place(by=OPERATOR, place_id=d["150603001001"].id, name="晨光社区", on=MAY)
    return _move("150603001", "150604", on=MARCH)(d)


def _closed(d: District) -> Act:
    places.close_place(by=OPERATOR, place_id=d.grid.id, on=MARCH)
    return partial(places.rename_place, by=OPERATOR, place_id=d.grid.id, name="又一网格", on=MAY)


def _into_a_closed_one(d: District) -> Act:
    _merge("150603001", "150603002", on=MARCH)(d)()
    return _merge("150603003", "150603001", on=MAY)(d)


def _too_deep(d: District) -> Act:
    parent = d.grid
    while len(parent.path) + 12 <= rules.PATH_LIMIT:
        parent = places.create_place(by=OPERATOR, parent_id=parent.id, level=rules.GRID, name="微网格")
    return partial(places.create_place, by=OPERATOR, parent_id=parent.id, level=rules.GRID, name="微网格")


def _moved_too_deep(d: District) -> Act:
    _too_deep(d)
    upper = places.create_place(
        by=OPERATOR, parent_id=d["150603001001"].id, level=rules.GRID, name="上网格", on=date(2000, 1, 1)
    )
    return partial(places.move_place, by=OPERATOR, place_id=d.grid.id, to_id=upper.id)


FUTURE = timezone.localdate() + timedelta(days=1)
BOTH = ["150603001001", "150603001002"]

CASES: dict[str, tuple[Case, type[Problem]]] = {
    "a name of 10,000 characters": (_rename("长" * 10_000), places.PlaceNameInvalid),
    "no name": (_rename("  "), places.PlaceNameInvalid),
    "a name with a line break": (_rename("东\n街"), places.PlaceNameInvalid),
    "a name with NUL": (_create(name="网\x00格"), places.PlaceNameInvalid),
    "the same name again": (_rename("东街街道"), places.PlaceNothingToChange),
    "the name of a sibling": (_rename("西街街道"), places.PlaceNameTaken),
    "a name taken in the same parent": (_create(name="第一网格"), places.PlaceNameTaken),
    "a name taken where it moves": (_name_taken_there, places.PlaceNameTaken),
    "dated before the last change": (_rename("晨光街道", on=date(1999, 1, 1)), places.PlaceDatesOutOfOrder),
    "dated in the future": (_rename("晨光街道", on=FUTURE), places.PlaceDatesOutOfOrder),
    "moved before a later change below": (_before_a_change_below, places.PlaceDatesOutOfOrder),
    "created before its parent": (_create(on=date(1999, 1, 1)), places.PlaceDatesOutOfOrder),
    "a code of another level": (_rename("晨光街道", code="150603"), places.PlaceCodeInvalid),
    "a code that is none": (
        _create(rules.COMMUNITY, "150603001", code="15060300100a"),
        places.PlaceCodeInvalid,
    ),
    "a code on a grid": (_create(code="150603001003"), places.PlaceCodeInvalid),
    "the code of another place": (_rename("晨光街道", code="150603002"), places.PlaceCodeTaken),
    "moved into itself": (_move("150603001", "150603001"), places.PlaceCyclic),
    "moved below itself": (_move("150603", "150603001001"), places.PlaceCyclic),
    "a grid into its own grid": (_move_into_inner_grid, places.PlaceCyclic),
    "merged into its own grid": (_merge_into_inner_grid, places.PlaceCyclic),
    "merged into itself": (_merge("150603001", "150603001"), places.PlaceCyclic),
    "merged across levels": (_merge("150603001", "150603"), places.PlaceLevelsOutOfOrder),
    "moved where it is": (_move("150603001", "150603"), places.PlaceNothingToChange),
    "a street into a street": (_move("150603001", "150603002"), places.PlaceLevelsOutOfOrder),
    "a county into a community": (_create(rules.COUNTY), places.PlaceLevelsOutOfOrder),
    "a grid in a county": (_create(parent="150603"), places.PlaceLevelsOutOfOrder),
    "a level that is none": (_create(99), places.PlaceLevelsOutOfOrder),
    "grids without end": (_too_deep, places.PlaceLevelsOutOfOrder),
    "grids without end, moved": (_moved_too_deep, places.PlaceLevelsOutOfOrder),
    "closed with children": (_close("150603001"), places.PlaceNotEmpty),
    "a change of a closed place": (_closed, places.PlaceClosed),
    "merged into a closed place": (_into_a_closed_one, places.PlaceClosed),
    "half a point": (_create(latitude=39.6), places.PlacePointInvalid),
    "a point off the globe": (_create(latitude=139.6, longitude=9.0), places.PlacePointInvalid),
    "a point that is no number": (_create(latitude=float("nan"), longitude=9.0), places.PlacePointInvalid),
    "split into nothing": (_split(keep=True), places.PlacePartsInvalid),
    "split into one and closed": (_split(("甲街道", BOTH)), places.PlacePartsInvalid),
    "split with a child left over": (_split(("甲街道", BOTH[:1]), ("乙街道", [])), places.PlacePartsInvalid),
    "split with a child given twice": (
        _split(("甲街道", BOTH), ("乙街道", BOTH[:1])),
        places.PlacePartsInvalid,
    ),
    "split with a foreign child": (_split(("甲街道", ["150603002001"]), keep=True), places.PlacePartsInvalid),
    "split into two of one name": (_split(("甲街道", BOTH[:1]), ("甲街道", BOTH[1:])), places.PlaceNameTaken),
    "a place that is none": (
        lambda d: partial(places.close_place, by=OPERATOR, place_id=UUID(int=7)),
        queries.PlaceNotFound,
    ),
}


def _everything() -> Any:
    columns = (
        "id",
        "name",
        "code",
        "path",
        "parent_id",
        "valid_until",
        "state_from",
        "successor_id",
        "latitude",
    )
    return (
        sorted(map(str, Place.objects.values_list(*columns))),
        PlaceEra.objects.count(),
        AuditEvent.objects.count(),
    )


@pytest.mark.parametrize(("case", "problem"), CASES.values(), ids=CASES.keys())
def test_bad_input_is_refused_with_a_message_and_changes_nothing(
    district: District, case: Case, problem: type[Problem]
) -> None:
    act = case(district)
    before = _everything()
    with pytest.raises(problem) as raised:
        act()
    assert _everything() == before
    assert raised.value.code.startswith("place.")
    assert 5 < len(raised.value.message) < 300


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [policy.COMMUNITY_WORKER, policy.STREET_SUPERVISOR, policy.DISTRICT_ADMIN])
def test_nobody_changes_the_place_their_own_right_hangs_on(district: District, role: str) -> None:
    own = district["150603001"]
    by = actor(role, own)
    for act in (
        partial(places.rename_place, by=by, place_id=own.id, name="晨光街道"),
        partial(places.close_place, by=by, place_id=own.id),
        partial(places.move_place, by=by, place_id=own.id, to_id=district["150604"].id),
        partial(places.merge_places, by=by, from_id=own.id, into_id=district["150603002"].id),
        partial(places.split_place, by=by, place_id=own.id, parts=[places.Part("甲街道")], keep=True),
    ):
        with pytest.raises(policy.Refused):
            act()


def test_a_community_worker_makes_grids_at_home_and_nowhere_else(district: District) -> None:
    by = actor(policy.COMMUNITY_WORKER, district["150603001001"])
    grid = places.create_place(
        by=by, parent_id=district["150603001001"].id, level=rules.GRID, name="第二网格"
    )
    places.rename_place(by=by, place_id=grid.id, name="第三网格")
    with pytest.raises(policy.Refused):
        places.create_place(by=by, parent_id=district["150603001002"].id, level=rules.GRID, name="第二网格")
    with pytest.raises(policy.Refused):
        places.move_place(by=by, place_id=grid.id, to_id=district["150603001002"].id)


def test_a_move_needs_the_right_at_both_ends(district: District) -> None:
    by = actor(policy.DISTRICT_ADMIN, district["150603"])
    with pytest.raises(policy.Refused):
        places.move_place(by=by, place_id=district["150603001"].id, to_id=district["150604"].id)
    with pytest.raises(policy.Refused):
        places.merge_places(by=by, from_id=district["150604001"].id, into_id=district["150603001"].id)
    places.merge_places(by=by, from_id=district["150603001"].id, into_id=district["150603002"].id)


def test_anyone_may_look_and_nobody_may_write_without_a_role(district: District) -> None:
    assert queries.place(ANYONE, district.grid.id).name == "第一网格"
    with pytest.raises(policy.Refused):
        places.create_place(by=ANYONE, parent_id=district.grid.id, level=rules.GRID, name="微网格")
    with pytest.raises(policy.Refused):
        places.set_place_point(by=ANYONE, place_id=district.grid.id, latitude=None, longitude=None)
