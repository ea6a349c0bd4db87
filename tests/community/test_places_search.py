"""Places are found by name, pinyin, initials and code; inside a county anywhere in the name."""

from typing import Any

import pytest

from wushe.community.exchange import divisions
from wushe.community.operations import places
from wushe.community.queries import places as queries
from wushe.community.rules import places as rules
from wushe.kernel.actor import Actor

pytestmark = pytest.mark.django_db

OPERATOR = Actor.operator("test")
ANYONE = Actor.anonymous()


@pytest.fixture(scope="module")
def loaded(django_db_setup: Any, django_db_blocker: Any) -> Any:
    """Four counties out of the package, for all tests of this module; rolled back at its end."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        divisions.load(by=OPERATOR, codes=["150603", "500103", "130225", "110105", "341502"])
        yield
        transaction.set_rollback(True)


def found(text: str, **options: Any) -> list[str]:
    return [hit.place.name for hit in queries.search_places(ANYONE, text, **options)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("康巴什", "康巴什区"),
        ("康巴什区", "康巴什区"),
        ("康巴", "康巴什区"),
        ("kangbashi", "康巴什区"),
        ("KangBa", "康巴什区"),
        ("kangbashiqu", "康巴什区"),
        ("kbs", "康巴什区"),
        ("kbsq", "康巴什区"),
        ("重庆", "重庆市"),
        ("chongqing", "重庆市"),
        ("zhongqing", "重庆市"),
        ("cqs", "重庆市"),
        ("leting", "乐亭县"),
        ("laoting", "乐亭县"),
        ("乐亭县", "乐亭县"),
        ("liu an", "六安市"),
        ("lu'an", "六安市"),
        ("chaoyang", "朝阳区"),
        ("zhaoyangqu", "朝阳区"),
        ("内蒙古自治区", "内蒙古自治区"),
        ("150603", "康巴什区"),
        ("１５０６０３", "康巴什区"),
        ("哈巴格希街道", "哈巴格希街道"),
        ("哈巴格希街", "哈巴格希街道"),
        ("hbgxjd", "哈巴格希街道"),
        ("康巴什 哈巴", "哈巴格希街道"),
        ("kangbashi hbgx", "哈巴格希街道"),
        ("鄂尔多斯 康巴什 哈巴", "哈巴格希街道"),
    ],
)
def test_the_first_answer_is_the_place_meant(loaded: Any, text: str, name: str) -> None:
    assert found(text)[0] == name


def test_a_community_is_found_whichever_way_its_committee_is_written(loaded: Any) -> None:
    community = next(
        place
        for place in queries.subtree(ANYONE, queries.place_by_code(ANYONE, "110105"), level=rules.COMMUNITY)
        if place.name.endswith("社区居委会")
    )
    core = rules.core_name(community.name, rules.COMMUNITY)
    for text in (core, f"{core}社", f"{core}社区", f"{core}社区居委会", f"{core}社区居民委员会"):
        assert community.name in found(text), text


def test_wider_levels_come_first_and_the_exact_name_before_longer_ones(loaded: Any) -> None:
    hits = queries.search_places(ANYONE, "c", limit=100)
    levels = [hit.place.level for hit in hits]
    assert levels == sorted(levels)
    assert {rules.PROVINCE, rules.COUNTY, rules.STREET} <= set(levels)


def test_among_equals_the_exact_name_comes_before_longer_ones(loaded: Any) -> None:
    first, second = queries.children(ANYONE, queries.place_by_code(ANYONE, "110105"))[:2]
    for street, name in ((first, "新合成东社区"), (first, "新合成社区"), (second, "新合成村")):
        places.create_place(by=OPERATOR, parent_id=street.id, level=rules.COMMUNITY, name=name)
    assert set(found("新合成")[:2]) == {"新合成社区", "新合成村"}
    assert found("新合成")[2] == "新合成东社区"


def test_inside_a_county_any_part_of_the_name_will_do(loaded: Any) -> None:
    county = queries.place_by_code(ANYONE, "150603")
    assert found("格希", within=county) == ["哈巴格希街道", "哈巴格希社区"]
    assert found("格希") == []
    assert found("bagexi", within=county) == ["哈巴格希街道", "哈巴格希社区"]
    assert found("hbgx", within=county) == ["哈巴格希街道", "哈巴格希社区"]
    assert found("朝阳", within=county) == []


def test_within_a_province_the_beginning_counts(loaded: Any) -> None:
    assert found("康巴", within=queries.place_by_code(ANYONE, "15")) == ["康巴什区"]
    assert found("康巴", within=queries.place_by_code(ANYONE, "50")) == []


def test_a_hit_names_what_lies_above(loaded: Any) -> None:
    (hit, *_more) = queries.search_places(ANYONE, "哈巴格希")
    assert hit.full_name == "内蒙古自治区 鄂尔多斯市 康巴什区 哈巴格希街道"


@pytest.mark.parametrize(
    "text",
    ["", "   ", "%", "_", "!", "'", "''", "--", "\x00", "不存在的地方", "q" * 10_000, "长" * 10_000, "' OR 1=1 --",
     "\U0010ffff", "🙂", "\\", "𡐓"],
)  # fmt: skip
def test_odd_questions_have_no_answer_and_no_error(loaded: Any, text: str) -> None:
    assert found(text) == []
    assert found(text, within=queries.place_by_code(ANYONE, "150603")) == []


def test_the_limit_holds(loaded: Any) -> None:
    assert len(found("x", limit=3)) == 3
    assert len(found("x", limit=0)) == 1
    assert len(found("x", limit=10_000)) <= queries.SEARCH_LIMIT


def test_a_search_is_three_queries_whatever_it_finds(loaded: Any, query_counter: Any) -> None:
    for text in ("x", "朝阳区", "zzzzzz", "150603"):
        with query_counter.at_most(3):
            queries.search_places(ANYONE, text, limit=100)
    county = queries.place_by_code(ANYONE, "110105")
    with query_counter.at_most(3):
        queries.search_places(ANYONE, "社区", within=county, limit=100)


def test_own_grids_are_found_by_any_reading(loaded: Any) -> None:
    community = queries.place_by_code(ANYONE, "150603001001")
    grid = places.create_place(by=OPERATOR, parent_id=community.id, level=rules.GRID, name="长乐园三号网格")
    for text in ("长乐园", "changle", "zhangle", "changyue", "clysh"):
        assert grid.name in found(text), text
    rare = places.create_place(by=OPERATOR, parent_id=community.id, level=rules.BUILDING, name="𡐓里A座")
    assert found("𡐓里") == [rare.name]
    assert found("𡐓里a座") == [rare.name]
