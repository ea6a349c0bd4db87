"""Rules of organizations (组织), stations (社工站), venues (场地) and responsibilities (归口). Values in, values out.

An organization's path is the labels of all organizations above it and its own: "/aaaaaaaaaa/bbbbbbbbbb/". Labels are ten base-32
characters, so "belongs under" is "its path starts with".
"""

import base64
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final
from uuid import UUID

from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from wushe.community.rules import places
from wushe.kernel.text import fold_name

LABEL_LENGTH: Final = 10
PATH_LIMIT: Final = 240
DEEPEST: Final = (PATH_LIMIT - 1) // (LABEL_LENGTH + 1)
"""How many organizations may stand one under another: what the column holds."""

DAY_MINUTES: Final = 24 * 60
KEY_LIMIT: Final = 200


# --- paths ------------------------------------------------------------------------------------------------------------


def label(organization_id: UUID) -> str:
    """Return the label of an organization in paths: ten base-32 characters of the random end of its id."""
    return base64.b32encode(organization_id.bytes[-7:]).decode("ascii")[:LABEL_LENGTH].lower()


def depth(path: str) -> int:
    """Return how many labels a path has."""
    return path.count("/") - 1


def makes_a_circle(path: str, new_parent_path: str) -> bool:
    """True when the organization at `path` would come to stand under itself."""
    return new_parent_path.startswith(path)


def moved(path: str, root: str, new_parent_path: str) -> str:
    """Return the path that `path`, inside the subtree `root`, has once `root` hangs under `new_parent_path` ("/" for none)."""
    own = root.rstrip("/").rpartition("/")[2]
    return f"{new_parent_path}{own}/{path[len(root) :]}"


# --- numbers ----------------------------------------------------------------------------------------------------------


def credit_code(text: str) -> str | None:
    """Return a unified social credit code in its one form (18 characters, upper case), or None when the check digit refuses it.

    Full-width characters, spaces and dashes are taken. Rule: GB 32100-2015.
    """
    compact = re.sub(r"[\s\-·]", "", unicodedata.normalize("NFKC", text)).upper()
    try:
        return str(uscc.validate(compact))
    except ValidationError:
        return None


# --- periods ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Period:
    """From `started_on` up to, not including, `ended_on`; without end while it lasts.

    The day of a hand-over belongs to who takes over, so periods that follow each other share a date and leave no gap.
    """

    started_on: date
    ended_on: date | None = None

    def overlaps(self, other: "Period") -> bool:
        """True when some day lies in both."""
        return (other.ended_on is None or self.started_on < other.ended_on) and (
            self.ended_on is None or other.started_on < self.ended_on
        )

    def holds(self, day: date) -> bool:
        """True when `day` lies in it."""
        return self.started_on <= day and (self.ended_on is None or day < self.ended_on)

    @property
    def is_empty(self) -> bool:
        """True when it ended on the day it began: it never held."""
        return self.ended_on is not None and self.ended_on <= self.started_on


def overlapping(period: Period, others: Iterable[Period]) -> Period | None:
    """Return the first of `others` that shares a day with `period`, or None."""
    return next((other for other in others if not other.is_empty and period.overlaps(other)), None)


def gaps(periods: Iterable[Period]) -> list[Period]:
    """Return the stretches between the first and the last period that none of them covers."""
    found: list[Period] = []
    reached: date | None = None
    for period in sorted((p for p in periods if not p.is_empty), key=lambda p: p.started_on):
        if reached is not None and period.started_on > reached:
            found.append(Period(reached, period.started_on))
        if period.ended_on is None:
            break
        reached = period.ended_on if reached is None else max(reached, period.ended_on)
    return found


# --- stations ---------------------------------------------------------------------------------------------------------

TIER_LEVELS: Final[dict[str, frozenset[int]]] = {
    "DISTRICT": frozenset({places.CITY, places.COUNTY}),
    "STREET": frozenset({places.STREET}),
    "COMMUNITY": frozenset({places.COMMUNITY}),
    "GRID": frozenset({places.COMMUNITY, places.GRID, places.BUILDING}),
}
"""At which levels of place a station of each tier serves. Some cities have no counties: their head station is the city's."""

TIERS: Final = tuple(TIER_LEVELS)


def tier_fits(tier: str, level: int) -> bool:
    """True when a station of `tier` may serve a place of `level`."""
    return level in TIER_LEVELS.get(tier, frozenset())


def tier_of_level(level: int) -> str | None:
    """Return the tier a station at a place of `level` has by default, or None above the county."""
    return {
        places.CITY: "DISTRICT",
        places.COUNTY: "DISTRICT",
        places.STREET: "STREET",
        places.COMMUNITY: "COMMUNITY",
        places.GRID: "GRID",
        places.BUILDING: "GRID",
    }.get(level)


# --- opening hours ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """One stretch of a weekday (0 Monday … 6 Sunday) in minutes since midnight; `closes` may be 1440."""

    weekday: int
    opens: int
    closes: int


class HoursNotUnderstood(ValueError):
    """The text says no opening hours; `fragment` is the part that could not be read."""

    def __init__(self, fragment: str) -> None:
        super().__init__(fragment)
        self.fragment = fragment


_DAYS: Final = {character: day for day, character in enumerate("一二三四五六日")} | {"天": 6}
_ENGLISH: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TOKEN: Final = re.compile(
    r"(?P<every>每天|每日|天天|全周|daily|every\s*day)"
    r"|(?P<work>工作日|weekdays?)"
    r"|(?P<rest>周末|双休日?|weekends?)"
    r"|(?P<whole>全天|24\s*小时|24\s*h(?:ours)?\b)"
    r"|(?P<shut>休息|闭馆|关闭|不开放|closed)"
    r"|(?:周|星期|礼拜|逢)(?P<day>[一二三四五六日天])"
    r"|(?P<english>mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?"
    r"|(?P<half>上午|早上|早|中午|下午|傍晚|晚上|晚)?\s*(?P<hour>\d{1,2})\s*(?::\s*(?P<minute>\d{2})|[点时](?P<spoken>半|\d{1,2})?分?)"
    r"|(?P<to>至|到|-|–|—|―|−|~|to\b)"
    r"|(?P<bare>[一二三四五六日天])"
    r"|(?P<gap>[\s,、;.。/和及与()]+|and\b|开放|开门|营业|时间|:)"
)


def parse_hours(text: str) -> tuple[Stretch, ...]:
    """Return the stretches a line such as "周一至周五 9:00-12:00、14:00-17:30；周六 9点-12点半" says, in order.

    Takes Chinese and English day names, 每天, 工作日, 周末, 全天, 下午 and full-width signs. Touching stretches are joined, a day
    said twice is opened for both. Raises `HoursNotUnderstood` with the part it could not read; "" gives no stretch.
    """
    line = unicodedata.normalize("NFKC", text).casefold().replace("~", "-")
    days: list[int] = []
    said: dict[int, list[tuple[int, int]]] = defaultdict(list)
    opens: int | None = None  # the first time of a pair
    afternoon = False  # that first time was said to be one of the afternoon
    closing = False  # a range sign stands between two times
    ranging = False  # a range sign stands between two days
    used = True  # the present days have already been given times
    position = 0
    while position < len(line):
        found = _TOKEN.match(line, position)
        if found is None:
            raise HoursNotUnderstood(line[position : position + 20].strip())
        fragment = found.group().strip()
        position = found.end()
        kind = found.lastgroup
        if kind in ("every", "work", "rest"):
            days = (days if not used else []) + list(
                {"every": range(7), "work": range(5), "rest": range(5, 7)}[kind]
            )
            used = False
        elif kind in ("day", "english", "bare"):
            if kind == "bare" and (used or not days):
                raise HoursNotUnderstood(fragment)
            day = _ENGLISH.index(found["english"]) if kind == "english" else _DAYS[found[kind]]
            if used:
                days, used = [], False
            if ranging and days:
                first = days[-1]
                days += [(first + step) % 7 for step in range(1, (day - first) % 7 + 1)]
            else:
                days.append(day)
            ranging = False
        elif kind == "to":
            if opens is not None and not closing:
                closing = True
            elif not used and days and opens is None and not ranging:
                ranging = True
            else:
                raise HoursNotUnderstood(fragment)
        elif kind == "whole":
            if not days or opens is not None:
                raise HoursNotUnderstood(fragment)
            for day in days:
                said[day].append((0, DAY_MINUTES))
            used = True
        elif kind == "shut":
            if not days or opens is not None:
                raise HoursNotUnderstood(fragment)
            for day in days:
                said.pop(day, None)
            used = True
        elif kind == "gap":
            continue
        else:
            minutes = _minutes(found)
            if minutes is None or not days or ranging:
                raise HoursNotUnderstood(fragment)
            if (
                opens is not None
                and afternoon
                and not found["half"]
                and minutes <= opens
                and minutes < DAY_MINUTES // 2
            ):
                minutes += DAY_MINUTES // 2  # 下午2点至5点
            if opens is None:
                opens, afternoon = minutes, found["half"] is not None and minutes >= DAY_MINUTES // 2
            elif closing and minutes > opens:
                for day in days:
                    said[day].append((opens, minutes))
                opens, closing, used = None, False, True
            else:
                raise HoursNotUnderstood(fragment)
    if opens is not None or ranging or not used:
        raise HoursNotUnderstood(line[-20:].strip())
    return joined(Stretch(day, start, end) for day, pairs in said.items() for start, end in pairs)


def _minutes(found: re.Match[str]) -> int | None:
    hour = int(found["hour"])
    spoken = found["spoken"]
    minute = int(found["minute"] or 0) if not spoken else 30 if spoken == "半" else int(spoken)
    # 中午12点半 is noon, 中午1点 is 13:00.
    if hour < (
        3 if found["half"] == "中午" else 12 if found["half"] in ("下午", "傍晚", "晚上", "晚") else 0
    ):
        hour += 12
    total = hour * 60 + minute
    return total if minute < 60 and total <= DAY_MINUTES else None


def joined(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Return the stretches in order, those that overlap or touch made one."""
    found: list[Stretch] = []
    for stretch in sorted(stretches):
        last = found[-1] if found else None
        if last and last.weekday == stretch.weekday and stretch.opens <= last.closes:
            found[-1] = Stretch(last.weekday, last.opens, max(last.closes, stretch.closes))
        else:
            found.append(stretch)
    return tuple(found)


def clashing(stretches: Iterable[Stretch]) -> tuple[Stretch, Stretch] | None:
    """Return the first two stretches of one day that overlap, or None."""
    ordered = sorted(stretches)
    for earlier, later in pairwise(ordered):
        if earlier.weekday == later.weekday and later.opens < earlier.closes:
            return earlier, later
    return None


def clock(minutes: int) -> str:
    """Return minutes since midnight as "09:30"; the day's end is "24:00"."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def format_hours(stretches: Iterable[Stretch], *, english: bool = False) -> str:
    """Return stretches as one line that `parse_hours` reads back: "周一至周五 09:00-12:00、14:00-17:30；周六 09:00-12:00"."""
    by_day: dict[int, list[Stretch]] = defaultdict(list)
    for stretch in sorted(stretches):
        by_day[stretch.weekday].append(stretch)
    runs: list[tuple[int, int, str]] = []
    for day in sorted(by_day):
        times = (", " if english else "、").join(f"{clock(s.opens)}-{clock(s.closes)}" for s in by_day[day])
        if runs and runs[-1][1] == day - 1 and runs[-1][2] == times:
            runs[-1] = (runs[-1][0], day, times)
        else:
            runs.append((day, day, times))
    return ("; " if english else "；").join(
        f"{_span(first, last, english)} {times}" for first, last, times in runs
    )


def _span(first: int, last: int, english: bool) -> str:
    if english:
        names = [name.capitalize() for name in _ENGLISH]
        return (
            "Daily"
            if (first, last) == (0, 6)
            else names[first]
            if first == last
            else f"{names[first]}-{names[last]}"
        )
    names = [f"周{character}" for character in "一二三四五六日"]
    return (
        "每天"
        if (first, last) == (0, 6)
        else names[first]
        if first == last
        else f"{names[first]}至{names[last]}"
    )


# --- likeness ---------------------------------------------------------------------------------------------------------

_COMMON_ENDS: Final = (
    "有限责任公司",
    "有限公司",
    "社区居民委员会",
    "居民委员会",
    "村民委员会",
    "居委会",
    "村委会",
    "委员会",
    "(筹)",
    "队",
    "站",
)


def stem(name: str) -> str:
    """Return the folded name without the legal ending people leave out when they type it; at least two characters remain."""
    folded = fold_name(name)
    for end in _COMMON_ENDS:
        if folded.endswith(end) and len(folded) - len(end) >= 2:
            return folded[: -len(end)]
    return folded


def county_path(path: str) -> str:
    """Return the path of the county around `path`; of the city where that has no counties; `path` itself above."""
    labels = path.strip("/").split("/") if path.strip("/") else []
    for position, part in enumerate(labels):
        if places.level_of_code(part) == places.COUNTY:
            return "/" + "".join(f"{one}/" for one in labels[: position + 1])
    return "/" + "".join(f"{one}/" for one in labels[:2])


def shared_root(paths: Iterable[str]) -> str:
    """Return the path of the smallest place that holds all of `paths`; "/" for none."""
    shared: list[str] | None = None
    for path in paths:
        labels = path.strip("/").split("/") if path != "/" else []
        if shared is None:
            shared = labels
        else:
            same = 0
            while same < min(len(shared), len(labels)) and shared[same] == labels[same]:
                same += 1
            shared = shared[:same]
    return "/" + "".join(f"{label}/" for label in shared or [])


def search_kinds(text: str) -> Sequence[tuple[str, str]]:
    """Return the (kind of key, key) pairs of which an organization must have one, or for pairs "B" all, to match `text`.

    Kinds: N folded name, P spelling, I initials, B neighbouring pair of characters.
    """
    folded = fold_name(text)
    if not folded:
        return ()
    if folded.isascii():
        compact = "".join(character for character in folded if character.isalnum())
        return (("N", folded), ("P", compact), ("I", compact)) if compact else (("N", folded),)
    if len(folded) == 1:
        return (("N", folded), ("B", folded))
    return tuple(("B", folded[i : i + 2]) for i in range(len(folded) - 1))
