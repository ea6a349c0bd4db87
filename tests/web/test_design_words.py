"""How dates, numbers and codes are written, in both languages; and the colors, measured."""

import itertools
import math
import re
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from django.template import engines
from django.utils import translation
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from wushe.web import icons
from wushe.web.components import HUES, SOCIETIES
from wushe.web.templatetags import wushe as tags

CSS = (Path(tags.__file__).parents[1] / "static" / "css" / "wushe.css").read_text(encoding="utf-8")


def test_chinese_names_are_marked_on_english_pages_only() -> None:
    line = "Stations of 合成社区（演示） & <b>"
    assert tags.names(line) == "Stations of 合成社区（演示） &amp; &lt;b&gt;"
    with translation.override("en"):
        marked = '<span lang="zh-Hans">合成社区（演示）</span>'
        assert tags.names(line) == f"Stations of {marked} &amp; &lt;b&gt;"
        assert tags.names(mark_safe("<b>合成社区（演示）</b>")) == f"<b>{marked}</b>"
        assert tags.names("nothing Chinese") == "nothing Chinese"
    assert tags.names(None) == tags.names("") == ""


def test_a_dash_stands_for_nothing_but_not_for_zero() -> None:
    assert tags.dash("") == tags.dash(None) == '<span class="w-nil">—</span>'
    assert tags.dash(0) == 0
    assert tags.dash("甲") == "甲"


def test_dates_in_both_languages() -> None:
    day, instant = date(2026, 3, 8), datetime(2026, 3, 8, 6, 5, tzinfo=UTC)
    assert tags.day(day) == "2026年3月8日 周日"
    assert tags.day(day, "short") == "2026年3月8日"
    assert tags.moment(instant) == "2026年3月8日 14:05"
    assert tags.month(day) == "2026年3月"
    with translation.override("en"):
        assert tags.day(day) == "Sun 8 Mar 2026"
        assert tags.day(day, "short") == "8 Mar 2026"
        assert tags.moment(instant) == "8 Mar 2026, 14:05"
        assert tags.month(day) == "Mar 2026"
    assert tags.clock(time(9, 5)) == "09:05"
    assert tags.iso(instant) == "2026-03-08T14:05+08:00"
    assert tags.day(None) == tags.moment(None) == tags.clock(None) == tags.month(None) == ""
    assert (
        tags.day(datetime(2026, 3, 7, 23, 0, tzinfo=UTC), "short") == "2026年3月8日"
    )  # the day it is in China


@given(st.dates(), st.sampled_from(["zh-hans", "en"]))
def test_a_written_date_can_be_read_back(day: date, language: str) -> None:
    with translation.override(language):
        text = tags.day(day, "short")
    if language == "en":
        assert (
            datetime.strptime(text.zfill(11), "%d %b %Y").date() == day
            if day.year > 999
            else text.endswith(str(day.year))
        )
    else:
        assert tuple(map(int, re.findall(r"\d+", text))) == (day.year, day.month, day.day)


@given(st.integers(min_value=-(10**14), max_value=10**14))
def test_money_keeps_every_fen(fen: int) -> None:
    text = tags.yuan(fen)
    assert re.fullmatch(r"−?¥\d{1,3}(,\d{3})*\.\d\d", text)
    assert int(text.replace("¥", "").replace(",", "").replace(".", "").replace("−", "-")) == fen


def test_money_and_numbers_in_summaries() -> None:
    assert tags.yuan(123_450) == "¥1,234.50"
    assert tags.wan(12_345_678) == "¥12.3 万"
    assert tags.wan(120_000_000_00) == "¥1.2 亿"
    assert tags.wan(99_900) == "¥999"
    assert tags.big(360_000) == "36 万"
    assert tags.big(9_999) == "9,999"
    assert tags.hours(150) == "2.5 小时"
    assert tags.hours(45) == "0.75 小时"
    assert tags.count(None) == tags.yuan(None) == tags.wan(None) == tags.hours(None) == tags.big(None) == "—"
    with translation.override("en"):
        assert tags.wan(12_345_678) == "¥123,457"
        assert tags.big(360_000) == "360,000"
        assert tags.hours(150) == "2.5 h"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (7, 9, "7 / 9"),
        (19, 19, "19 / 19"),
        (70, 90, "70 / 90 (78 %)"),
        (0, 20, "0 / 20 (0 %)"),
        (0, 0, "暂无"),
        (None, 4, "暂无"),
    ],
)
def test_a_rate_shows_its_base(part: int | None, whole: int, text: str) -> None:
    assert tags.rate(part, whole) == text


@given(st.integers(0, 10**9), st.integers(1, 19))
def test_no_share_is_shown_of_a_small_base(part: int, whole: int) -> None:
    assert "%" not in tags.rate(part, whole)


@given(st.text(alphabet="ABCDEFGH23456789", max_size=24))
def test_grouping_a_code_loses_nothing(code: str) -> None:
    grouped = tags.grouped(code)
    assert grouped.replace(" ", "") == code
    assert all(len(group) <= 4 for group in grouped.split())
    assert tags.grouped(grouped) == grouped


@given(st.text(alphabet="0123456789", min_size=11, max_size=11))
def test_a_masked_phone_does_not_hold_the_number(phone: str) -> None:
    masked = tags.masked_phone(phone)
    assert masked == f"{phone[:3]}****{phone[-4:]}"
    assert tags.masked_phone("") == tags.masked_phone(None) == "—"


def test_chinese_is_marked_on_english_pages_only() -> None:
    assert tags.zh("甲<b>") == "甲<b>"
    with translation.override("en"):
        assert tags.zh("甲<b>") == '<span lang="zh-Hans">甲&lt;b&gt;</span>'


def test_every_icon_is_well_formed() -> None:
    from xml.etree import ElementTree

    for name in icons.SHAPES:
        ElementTree.fromstring(str(icons.icon(name)))
    with pytest.raises(KeyError):
        icons.icon("no-such-icon")


def test_json_for_scripts_cannot_close_its_element() -> None:
    assert "<" not in tags.as_json({"label": "</script><b>&"})
    template = engines["django"].from_string("{{ value|as_json }}")
    assert template.render({"value": {"a": "</script>"}}) == '{"a": "\\u003C/script\\u003E"}'


# --- colors -----------------------------------------------------------------------------------------------------------


def linear(color: str) -> list[float]:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def contrast(one: str, two: str) -> float:
    lights = sorted(
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(x), strict=True)) for x in (one, two)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB.
SIGHT = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def seen(color: str, sight: str) -> tuple[float, float, float]:
    """OKLab coordinates of the color as seen."""
    r, g, b = (
        min(1, max(0, sum(m * c for m, c in zip(row, linear(color), strict=True)))) for row in SIGHT[sight]
    )
    l3 = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    m3 = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    s3 = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return (
        0.2104542553 * l3 + 0.7936177850 * m3 - 0.0040720468 * s3,
        1.9779984951 * l3 - 2.4285922050 * m3 + 0.4505937099 * s3,
        0.0259040371 * l3 + 0.7827717662 * m3 - 0.8086757660 * s3,
    )


def token(name: str) -> str:
    found = re.search(rf"--{name}: (#[0-9a-f]{{6}});", CSS)
    assert found, name
    return found[1]


def society_colors(key: str) -> dict[str, str]:
    found = re.search(rf"\.hue-{key.replace('_', '-')} {{([^}}]*)}}", CSS)
    assert found, key
    return dict(re.findall(r"--(hue[a-z-]*): (#[0-9a-f]{6})", found[1]))


@pytest.mark.parametrize("sight", SIGHT)
def test_the_five_hues_stay_apart_for_every_sight(sight: str) -> None:
    for one, two in itertools.combinations(HUES.values(), 2):
        assert math.dist(seen(one, sight), seen(two, sight)) > 0.1, (one, two)


@pytest.mark.parametrize("key", SOCIETIES)
def test_society_colors_can_be_read(key: str) -> None:
    colors = society_colors(key)
    assert colors["hue"] == HUES[key].lower()
    for background in ("#ffffff", token("paper")):
        assert contrast(colors["hue"], background) >= 3
    for background in ("#ffffff", token("paper"), colors["hue-tint"]):
        assert contrast(colors["hue-ink"], background) >= 4.5


def test_text_colors_can_be_read() -> None:
    for name in ("ink", "ink-soft", "accent-dark", "good", "warn", "bad", "info"):
        for background in ("sheet", "paper", "shade"):
            assert contrast(token(name), token(background)) >= 4.5, (name, background)
    for name in ("good", "warn", "bad", "info"):
        assert contrast(token(name), token(f"{name}-tint")) >= 4.5, name
    assert contrast("#ffffff", token("accent")) >= 4.5
    assert contrast(token("line-strong"), token("sheet")) >= 3  # edges of inputs
    assert contrast(token("focus"), token("paper")) >= 3
