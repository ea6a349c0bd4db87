"""Finding people: what was typed leads to the right ones, inside what one may see and nowhere else, at a fixed number of queries."""

import pytest

from tests.factories.accounts import make_account
from tests.factories.organizations import District, make_member, make_organization
from tests.factories.people import OPERATOR, make_person
from wushe.community.models import PersonKey
from wushe.community.operations import people as operations
from wushe.community.operations import places
from wushe.community.queries import people as queries
from wushe.community.rules.people import NewPerson
from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.ids import new_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


def acting(role: str, path: str) -> Actor:
    return Actor("account", "测试", new_id(), new_id(), (Grant(role, place_path=path),))


def names(actor: Actor, text: str, **where: object) -> list[str]:
    return [row.name for row in queries.search_people(actor, text, **where)]


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("王甲子", ["王", "王甲", "王甲子", "甲子", "wangjiazi", "wangj", "wjz", "WJ", " 王 甲子 "]),
        ("𠮷野三", ["𠮷", "𠮷野", "野三"]),
        ("㛃甲", ["㛃", "jiej", "jj"]),
        ("䶮乙丑", ["䶮", "䶮乙", "yany", "yyc"]),
        (
            "阿依古丽·买买提",
            ["阿依古丽·买买提", "阿依古丽•买", "阿依古丽买买提", "买买提", "古丽", "·买买", "ayg", "ayiguli"],
        ),
        ("单雄", ["shanx", "danx", "sx", "dx"]),
        ("曾乙", ["zengy", "cengy", "zy", "cy"]),
        ("解丙", ["xieb", "jieb"]),
        ("欧阳甲子", ["欧阳", "ouyang", "oy", "阳甲"]),
        ("John O’Neil", ["john", "johno", "JOHN O'NEIL"]),
    ],
)
def test_a_person_is_found_by_every_usual_way_of_typing_the_name(
    district: District, name: str, typed: list[str]
) -> None:
    make_person(district["150603001001"], name)
    make_person(district["150603001001"], "李壬癸")
    for text in typed:
        assert names(OPERATOR, text) == [name], text
        assert names(acting(policy.STREET_SUPERVISOR, "/15/1506/150603/150603001/"), text) == [name], text


def test_numbers_find_whom_they_belong_to(district: District) -> None:
    person = make_person(district["150603001001"], "王甲子", phone="13800001234", is_volunteer=True)
    other = make_person(
        district["150603002001"], "李乙丑", phone="13900001234", volunteer_number="NMG-2020-0007"
    )
    assert set(names(OPERATOR, "1234")) == {"王甲子", "李乙丑"}
    assert names(OPERATOR, "+86 138-0000-1234") == ["王甲子"]
    assert names(OPERATOR, "13800001235") == []
    assert names(OPERATOR, person.volunteer_number) == ["王甲子"]
    assert names(OPERATOR, person.volunteer_number[:7]) == ["王甲子"]
    assert names(OPERATOR, "nmg-2020-0007") == ["李乙丑"]
    street = acting(policy.STREET_SUPERVISOR, "/15/1506/150603/150603001/")
    assert names(street, "1234") == ["王甲子"]
    assert names(street, other.volunteer_number) == []


@pytest.mark.parametrize(
    "text", ["", "   ", "%", "_", "王甲子' OR 1=1 --", "\x00", "·", "王" * 10_000, "9" * 500, "zzzz", "<b>"]
)
def test_what_is_nobody_finds_nobody_and_breaks_nothing(district: District, text: str) -> None:
    make_person(district["150603001001"], "王甲子", phone="13800001234")
    assert names(OPERATOR, text) == []


SEEN = {
    (policy.DISTRICT_ADMIN, "/15/1506/150603/"): {"槐花", "东街", "石桥", "网格"},
    (policy.STREET_SUPERVISOR, "/15/1506/150603/150603001/"): {"槐花", "东街", "网格"},
    (policy.COMMUNITY_WORKER, "/15/1506/150603/150603001/150603001001/"): {"槐花", "网格"},
    (policy.DISTRICT_ADMIN, "/15/"): {"槐花", "东街", "石桥", "网格", "松岭"},
    (policy.STREET_SUPERVISOR, "/15/1506/150604/150604001/"): {"松岭"},
    (policy.DISTRICT_VIEWER, "/15/1506/150603/"): set(),
    (policy.EVALUATOR, "/"): set(),
}


@pytest.mark.parametrize(("role", "path"), SEEN)
def test_only_people_inside_ones_reach_are_found_or_listed(district: District, role: str, path: str) -> None:
    for name, place in (
        ("槐花", district["150603001001"]), ("东街", district["150603001"]), ("石桥", district["150603002001"]),
        ("网格", district.grid), ("松岭", district["150604001001"]),
    ):  # fmt: skip
        make_person(place, f"王{name}", phone="13800001234")
    actor = acting(role, path)
    expected = {f"王{name}" for name in SEEN[role, path]}
    for text in ("王", "wang", "w", "1234", "13800001234"):
        assert set(names(actor, text)) == expected, text
    assert {key.person.name for key in queries.people_list(actor)} == expected


def test_within_a_place_and_with_several_grants(district: District) -> None:
    for code in ("150603001001", "150603002001", "150604001001"):
        make_person(district[code], f"王{district[code].name[:2]}")
    grants = tuple(
        Grant(
            policy.COMMUNITY_WORKER if len(code) == 12 else policy.STREET_SUPERVISOR,
            place_path=district[code].path,
        )
        for code in ("150603001001", "150604001")
    )
    actor = Actor("account", "测试", new_id(), new_id(), grants)
    assert set(names(actor, "王")) == {"王槐花", "王松岭"}
    assert names(actor, "王", within=district["150604"].path) == ["王松岭"]
    assert names(actor, "王", within=district["150603002"].path) == []
    assert names(OPERATOR, "王", within=district["150603"].path) == ["王槐花", "王石桥"]


def test_an_organizations_manager_finds_its_people_wherever_they_live(district: District) -> None:
    team = make_organization(district["150603001"], "合成队", "VOLUNTEER_TEAM")
    inside, outside = (
        make_person(district["150604001001"], "王队员"),
        make_person(district["150603001001"], "王路人"),
    )
    past = make_person(district["150603001001"], "王前任")
    make_member(inside, team, "VOLUNTEER")
    ended = make_member(past, team, "STAFF")
    type(ended).objects.filter(pk=ended.pk).update(ended_on="2020-01-01", started_on="2019-01-01")
    manager = Actor(
        "account",
        "队长",
        new_id(),
        new_id(),
        (Grant(policy.ORGANIZATION_MANAGER, organization_path=team.path),),
    )
    assert names(manager, "wang") == ["王队员"]
    assert [key.person.name for key in queries.people_list(manager)] == ["王队员"]
    assert names(OPERATOR, "王", organization_path=team.path) == ["王队员"]
    assert names(OPERATOR, "王", organization_path=team.path, capacity="LEADER") == []
    assert outside.name not in names(manager, "王")


def test_a_volunteer_finds_only_themselves_and_their_wards(district: District) -> None:
    account, actor = make_account(place=district["150603001001"], name="王自己")
    operations.refresh_keys([account.person])
    make_person(district["150603001001"], "王别人")
    assert names(actor, "王") == ["王自己"]


def test_a_long_organization_is_searched_by_name_first(district: District, monkeypatch) -> None:
    monkeypatch.setattr(queries, "_SMALL_ORGANIZATION", 1)
    team = make_organization(district["150603001"], "合成大队", "VOLUNTEER_TEAM")
    for name in ("王甲子", "王乙丑", "李丙寅"):
        make_member(make_person(district["150603001001"], name), team, "VOLUNTEER")
    make_person(district["150603001001"], "王路人")
    manager = Actor(
        "account",
        "队长",
        new_id(),
        new_id(),
        (Grant(policy.ORGANIZATION_MANAGER, organization_path=team.path),),
    )
    assert set(names(manager, "王")) == {"王甲子", "王乙丑"}


def test_lists_are_in_the_order_of_pinyin_and_each_person_stands_once(district: District) -> None:
    for name in ("解丙", "曾乙", "单雄", "阿甲", "王甲子"):
        make_person(district["150603001001"], name)
    assert [key.person.name for key in queries.people_list(OPERATOR)] == [
        "阿甲",
        "单雄",
        "王甲子",
        "解丙",
        "曾乙",
    ]


@pytest.mark.parametrize("count", [1, 30])
def test_a_search_costs_the_same_number_of_queries_however_many_it_finds(
    district: District, query_counter, count: int
) -> None:
    rows = [
        NewPerson(f"王甲{number}", district["150603001001"].pk, phones=(f"1380000{number:04d}",))
        for number in range(count)
    ]
    operations.create_people_bulk(by=OPERATOR, rows=rows)
    actor = acting(policy.STREET_SUPERVISOR, "/15/1506/150603/150603001/")
    with query_counter.at_most(5):
        assert len(queries.search_people(actor, "王甲")) == count
    with query_counter.at_most(6):
        assert len(queries.search_people(actor, "wj")) == count


def test_keys_follow_people_who_change_their_name_or_move(district: District) -> None:
    person = make_person(district["150603001001"], "王甲子")
    person = operations.edit_person(
        by=OPERATOR,
        person_id=person.pk,
        seen=operations.seen_token(person),
        name="李乙丑",
        place_id=district["150604001001"].pk,
    )
    assert names(OPERATOR, "王甲") == []
    assert names(OPERATOR, "wangjia") == []
    assert names(acting(policy.DISTRICT_ADMIN, "/15/1506/150604/"), "liyichou") == ["李乙丑"]
    assert names(acting(policy.DISTRICT_ADMIN, "/15/1506/150603/"), "liyichou") == []


def test_keys_follow_places_that_move(district: District) -> None:
    person = make_person(district["150603001001"], "王甲子")
    places.move_place(by=OPERATOR, place_id=district["150603001"].pk, to_id=district["150604"].pk)
    assert set(PersonKey.objects.filter(person=person).values_list("county", "street")) == {
        ("150604", "150603001")
    }
    assert names(acting(policy.DISTRICT_ADMIN, "/15/1506/150604/"), "王甲") == ["王甲子"]
    assert names(acting(policy.DISTRICT_ADMIN, "/15/1506/150603/"), "王甲") == []


def test_rebuilding_writes_the_same_keys_and_drops_those_of_nobody(district: District) -> None:
    make_person(district.grid, "单雄信")
    make_person(district["150603"], "阿依古丽·买买提")
    columns = ("person_id", "kind", "key", "county", "street")
    before = set(PersonKey.objects.values_list(*columns))
    PersonKey.objects.filter(kind="P").delete()
    PersonKey.objects.create(person_id=new_id(), kind="N", key="王无人")
    assert operations.rebuild_person_keys(by=OPERATOR) == 2
    assert set(PersonKey.objects.values_list(*columns)) == before


# --- duplicates ---


def test_likely_duplicates_are_shown_with_reasons_inside_ones_reach(district: District) -> None:
    first = make_person(district["150603001001"], "王甲子", phone="13800001234")
    same = make_person(district["150603001002"], "王甲子", phone="13800001234")
    elsewhere = make_person(district["150604001001"], "王甲子", phone="13800001234")
    make_person(district["150603001001"], "李乙丑", phone="13800001234")
    found = queries.possible_duplicates(OPERATOR, first)
    assert [one.id for one in found] == [same.pk, elsewhere.pk]
    assert found[0].reasons == ("SAME_NAME", "SAME_PHONE", "SAME_STREET")
    street = acting(policy.STREET_SUPERVISOR, "/15/1506/150603/150603001/")
    assert [one.id for one in queries.possible_duplicates(street, first)] == [same.pk]
    new = NewPerson("王甲子", district["150603001001"].pk, phones=("13800001234",))
    assert {one.id for one in queries.duplicates_of_new(street, new, district["150603001001"].path)} == {
        first.pk,
        same.pk,
    }
    operations.mark_distinct(by=OPERATOR, one_id=same.pk, other_id=first.pk)
    assert [one.id for one in queries.possible_duplicates(OPERATOR, first)] == [elsewhere.pk]


def test_a_sweep_goes_through_everybody_in_stretches_and_finds_each_pair(
    district: District, query_counter
) -> None:
    place = district["150603001001"]
    for number in range(12):
        make_person(place, f"王甲{'一二三四五六七八九十百千'[number]}")
    make_person(place, "赵甲子", phone="13800001234")
    make_person(district["150603002001"], "赵甲紫", phone="13800001234")
    make_person(place, "李乙丑")
    make_person(place, "李乙丑")
    found, after, rounds = set(), "", 0
    while True:
        with query_counter.at_most(9):
            sweep = queries.duplicate_sweep(OPERATOR, after=after, window=5)
        found |= {frozenset((pair.one.name, pair.other.name)) for pair in sweep.pairs}
        rounds += 1
        if sweep.next_after is None:
            break
        after = sweep.next_after
    assert found == {frozenset(("赵甲子", "赵甲紫")), frozenset(("李乙丑",))}
    assert rounds >= 3
