"""Pure rules of organizations: paths, codes, periods, opening hours."""

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wushe.community.rules import organizations as rules
from wushe.community.rules.organizations import Period, Stretch

DAYS = st.integers(0, 4000).map(lambda n: date(2015, 1, 1) + timedelta(days=n))
STRETCHES = st.builds(
    lambda day, a, b: Stretch(day, min(a, b), max(a, b)),
    st.integers(0, 6),
    st.integers(0, 1439),
    st.integers(1, 1440),
).filter(lambda s: s.opens < s.closes)


@given(st.lists(STRETCHES, max_size=14), st.booleans())
def test_formatted_hours_are_read_back(stretches: list[Stretch], english: bool) -> None:
    tidy = rules.joined(stretches)
    assert rules.clashing(tidy) is None
    assert rules.parse_hours(rules.format_hours(tidy, english=english)) == tidy


@given(st.lists(STRETCHES, max_size=10))
def test_joining_keeps_every_open_minute_and_adds_none(stretches: list[Stretch]) -> None:
    def minutes(rows: Iterable[Stretch]) -> set[tuple[int, int]]:
        return {(s.weekday, m) for s in rows for m in range(s.opens, s.closes)}

    assert minutes(rules.joined(stretches)) == minutes(stretches)


@given(st.lists(STRETCHES, max_size=8))
def test_a_clash_is_found_exactly_when_a_minute_is_said_twice(stretches: list[Stretch]) -> None:
    said = [(s.weekday, m) for s in stretches for m in range(s.opens, s.closes)]
    assert (rules.clashing(stretches) is not None) == (len(said) != len(set(said)))


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("周一至周五 9:00-17:30", "周一至周五 09:00-17:30"),
        (
            "周一到周五 8:30-12:00 14:00-17:30；周六 9点-12点半",
            "周一至周五 08:30-12:00、14:00-17:30；周六 09:00-12:30",
        ),
        ("每天8：00—20：00", "每天 08:00-20:00"),
        ("周一、三、五 下午2点至5点", "周一 14:00-17:00；周三 14:00-17:00；周五 14:00-17:00"),
        ("Mon-Fri 9:00-17:30; Sat closed", "周一至周五 09:00-17:30"),
        ("工作日 全天", "周一至周五 00:00-24:00"),
        ("周五至周一 9:00-10:00", "周一 09:00-10:00；周五至周日 09:00-10:00"),
        ("星期一至星期五：上午8:30-11:30，下午14:00-17:30", "周一至周五 08:30-11:30、14:00-17:30"),
        ("每天 9:00-17:00；周日 休息", "周一至周六 09:00-17:00"),
        ("", ""),
    ],
)
def test_lines_people_write_are_understood(text: str, tidy: str) -> None:
    assert rules.format_hours(rules.parse_hours(text)) == tidy


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("9:00-10:00", "9:00"),
        ("周一", "周一"),
        ("周一 25:00-26:00", "25:00"),
        ("周一 17:00-9:00", "9:00"),
        ("节假日除外", "节假日除外"),
        ("周一 9:00", "周一 9:00"),
        ("x" * 10_000, "x" * 20),
    ],
)
def test_what_is_not_understood_is_named(text: str, part: str) -> None:
    with pytest.raises(rules.HoursNotUnderstood) as refused:
        rules.parse_hours(text)
    assert refused.value.fragment == part


@given(st.text(max_size=60))
def test_any_text_is_either_hours_or_refused(text: str) -> None:
    try:
        stretches = rules.parse_hours(text)
    except rules.HoursNotUnderstood:
        return
    assert all(0 <= s.weekday <= 6 and 0 <= s.opens < s.closes <= 1440 for s in stretches)


@given(st.builds(Period, DAYS, st.none() | DAYS), st.builds(Period, DAYS, st.none() | DAYS), DAYS)
def test_periods_overlap_exactly_when_a_day_lies_in_both(one: Period, other: Period, day: date) -> None:
    assert one.overlaps(other) == other.overlaps(one) or one.is_empty or other.is_empty
    if one.holds(day) and other.holds(day):
        assert one.overlaps(other)
    if not one.is_empty and not other.is_empty and one.overlaps(other):
        first = max(one.started_on, other.started_on)
        assert one.holds(first)
        assert other.holds(first)


@given(st.lists(DAYS, min_size=2, max_size=8, unique=True))
def test_gaps_are_what_no_period_covers(days: list[date]) -> None:
    days.sort()
    chain = [Period(a, b) for a, b in pairwise(days)]
    assert rules.gaps(chain) == []
    if len(chain) >= 3:
        assert rules.gaps([chain[0], *chain[2:]]) == [
            Period(chain[0].ended_on or date.max, chain[2].started_on)
        ]


def test_credit_codes_keep_one_form_and_the_check_digit_decides() -> None:
    assert rules.credit_code(" 9111 0000-600037341ｌ") == "91110000600037341L"
    assert rules.credit_code("91110000600037341M") is None
    assert rules.credit_code("") is None
    assert rules.credit_code("9" * 10_000) is None


def test_moved_paths_keep_their_tail() -> None:
    assert rules.moved("/a/b/c/", "/a/b/", "/x/y/") == "/x/y/b/c/"
    assert rules.moved("/a/b/", "/a/b/", "/") == "/b/"


def test_labels_are_ten_plain_characters() -> None:
    labels = {rules.label(uuid4()) for _ in range(500)}
    assert len(labels) == 500
    assert all(len(label) == 10 and label.isascii() and label.isalnum() for label in labels)


def test_county_of_a_path() -> None:
    assert rules.county_path("/15/1506/150603/150603001/") == "/15/1506/150603/"
    assert rules.county_path("/44/4419/441900003/") == "/44/4419/"
    assert rules.county_path("/") == "/"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("合成家电维修有限公司", "合成家电维修"),
        ("槐花社区居委会", "槐花社区"),
        ("站", "站"),
        ("合成艺术 团", "合成艺术团"),
    ],
)
def test_stems_leave_out_legal_endings(name: str, stem: str) -> None:
    assert rules.stem(name) == stem
