"""Rules of places: codes, paths, suffixes, readings."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wushe.community.rules import places as rules

labels = st.text(alphabet="0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
paths = st.lists(labels, max_size=8).map(lambda parts: "/" + "".join(f"{part}/" for part in parts))
readings = st.lists(
    st.lists(
        st.sampled_from(["chong", "zhong", "tong", "le", "yue", "an", "xi", "a"]),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    min_size=1,
    max_size=8,
)


@given(paths, labels)
def test_a_child_lies_in_its_parent_and_nowhere_beside(path: str, label: str) -> None:
    child = rules.join(path, label)
    assert rules.lies_in(child, path)
    assert not rules.lies_in(path, child)
    assert rules.label_of(child) == label
    assert rules.paths_above(child) == [*rules.paths_above(path), *([path] if path != rules.NATION else [])]


@given(paths, labels, labels)
def test_a_sibling_whose_label_begins_alike_is_not_inside(path: str, label: str, more: str) -> None:
    assert not rules.lies_in(rules.join(path, label + more), rules.join(path, label))


@given(paths)
def test_above_a_path_are_all_its_beginnings(path: str) -> None:
    above = rules.paths_above(path)
    assert all(rules.lies_in(path, outer) and outer != path for outer in above)
    assert [outer.count("/") for outer in above] == list(range(2, 2 + len(above)))


@pytest.mark.parametrize(
    ("code", "level", "parent"),
    [
        ("15", 1, None),
        ("1506", 2, "15"),
        ("150603", 3, "1506"),
        ("150603001", 4, "150603"),
        ("150603001001", 5, "150603001"),
        ("150", None, None),
        ("15060x", None, None),
        ("١٥", None, None),
        ("", None, None),
    ],
)
def test_codes_tell_their_level_and_parent(code: str, level: int | None, parent: str | None) -> None:
    assert rules.level_of_code(code) == level
    assert rules.parent_code(code) == parent


def test_codes_above_begin_with_the_province() -> None:
    assert rules.codes_above("150603001001") == ["15", "1506", "150603", "150603001"]


@given(st.uuids(version=4))
def test_an_own_label_is_short_and_no_code(place_id: UUID) -> None:
    label = rules.own_label(place_id)
    assert len(label) == 11
    assert label[0] == "g"
    assert "/" not in label
    assert rules.level_of_code(label) is None


def test_official_levels_leave_none_out_and_grids_nest() -> None:
    allowed = {
        (parent, child) for parent in range(8) for child in rules.LEVELS if rules.may_contain(parent, child)
    }
    assert allowed == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (5, 7), (6, 6), (6, 7)}


@pytest.mark.parametrize(
    ("name", "level", "core"),
    [
        ("内蒙古自治区", 1, "内蒙古"),
        ("广西壮族自治区", 1, "广西"),
        ("新疆维吾尔自治区", 1, "新疆"),
        ("重庆市", 1, "重庆"),
        ("黔西南布依族苗族自治州", 2, "黔西南"),
        ("市辖区", 2, "市辖区"),
        ("省直辖县级行政区划", 2, "省直辖县级行政区划"),
        ("康巴什区", 3, "康巴什"),
        ("蔚县", 3, "蔚县"),
        ("双江拉祜族佤族布朗族傣族自治县", 3, "双江"),
        ("莫力达瓦达斡尔族自治旗", 3, "莫力达瓦"),
        ("石家庄高新技术产业开发区", 3, "石家庄"),
        ("哈巴格希街道", 4, "哈巴格希"),
        ("水泄彝族乡", 4, "水泄"),
        ("许家桥回族维吾尔族乡", 4, "许家桥"),
        ("多福巷社区居委会", 5, "多福巷"),
        ("小红门村民委员会", 5, "小红门"),
        ("牌坊村村民委员会", 5, "牌坊"),
        ("王村村委会", 5, "王村"),
        ("李村委会", 5, "李村"),
        ("巴彦芒哈嘎查委员会", 5, "巴彦芒哈"),
        ("第三网格", 6, "第三网格"),
    ],
)
def test_the_proper_name_is_what_stands_before_the_official_suffix(name: str, level: int, core: str) -> None:
    assert rules.core_name(name, level) == core


@given(st.text(min_size=1, max_size=30), st.sampled_from(rules.LEVELS))
def test_a_proper_name_begins_the_name_and_keeps_two_characters(name: str, level: int) -> None:
    core = rules.core_name(name, level)
    assert name.startswith(core)
    assert len(core) >= min(2, len(name))


@pytest.mark.parametrize(
    ("query", "core", "level", "mark"),
    [
        ("朝阳区", "朝阳", rules.COUNTY, "区"),
        ("朝阳街", "朝阳", rules.STREET, "街"),
        ("牌坊村村民委员会", "牌坊", rules.COMMUNITY, "村"),
        ("广西壮族自治区", "广西", rules.PROVINCE, "壮"),
        ("幸福社区居民委员会", "幸福", rules.COMMUNITY, "社"),
        ("chaoyangqu", "chaoyang", rules.COUNTY, "区"),
        ("chaoyangjied", "chaoyang", rules.STREET, "街"),
        ("cyq", "cy", rules.COUNTY, "旗"),
    ],
)
def test_a_typed_suffix_or_its_beginning_points_at_the_name_before_it(
    query: str, core: str, level: int, mark: str
) -> None:
    assert any(
        name.core == core and name.level == level and mark in name.marks for name in rules.typed_names(query)
    )


@given(st.text(max_size=20))
def test_typed_names_are_true_beginnings(query: str) -> None:
    for name in rules.typed_names(query):
        assert query.startswith(name.core)
        assert 2 <= len(name.core) < len(query)


@pytest.mark.parametrize(
    ("name", "level", "kind"),
    [
        ("滨河街道", 4, "URBAN"),
        ("城关镇", 4, "RURAL"),
        ("红旗农场", 4, ""),
        ("康新社区居委会", 5, "URBAN"),
        ("小红门村民委员会", 5, "RURAL"),
        ("巴音嘎查", 5, "RURAL"),
        ("城关镇", 3, ""),
    ],
)
def test_town_or_country_is_read_from_the_name(name: str, level: int, kind: str) -> None:
    assert rules.kind_of(name, level) == kind


@given(readings)
def test_spellings_hold_the_likeliest_first_and_every_reading_of_every_character(
    options: list[list[str]],
) -> None:
    found = rules.spellings(options)
    likely = [readings[0] for readings in options]
    assert found[0] == "".join(likely)
    assert len(set(found)) == len(found)
    for position, others in enumerate(options):
        for other in others:
            assert "".join([*likely[:position], other, *likely[position + 1 :]]) in found


@given(readings)
def test_spellings_stay_bounded(options: list[list[str]]) -> None:
    one_by_one = 1 + sum(len(others) - 1 for others in options)
    assert len(rules.spellings(options)) <= max(rules.READINGS_LIMIT, one_by_one)


@given(readings)
def test_search_keys_repeat_nothing(options: list[list[str]]) -> None:
    keys = rules.search_keys("重庆", options)
    everything = [keys.pinyin, *keys.further]
    assert len(set(everything)) == len(everything)
    assert keys.initials not in keys.further
    assert set(rules.initials(options)) <= {keys.initials, keys.pinyin, *keys.further}


def test_the_reading_in_the_name_goes_before_the_usual_one() -> None:
    table = {"六": ("liu", "lu"), "安": ("an",)}
    assert rules.spellings(rules.readings_of("六安", table, {0: "lu"})) == ["luan", "liuan"]
    assert rules.spellings(rules.readings_of("六安", table)) == ["liuan", "luan"]
    assert rules.spellings(rules.readings_of("六A（安）7", table)) == ["liuaan7", "luaan7"]


@pytest.mark.parametrize("name", ["第一\n网格", "网格\x00", "网\u202e格", "\u200b网格", "\ud800"])
def test_names_with_invisible_characters_are_not_clean(name: str) -> None:
    assert not rules.is_clean_name(name)


@pytest.mark.parametrize("name", ["第一网格", "𡐓上村", "\ue170里", "A区 3号楼", "迪丽·江"])
def test_rare_and_private_characters_are_clean(name: str) -> None:
    assert rules.is_clean_name(name)
