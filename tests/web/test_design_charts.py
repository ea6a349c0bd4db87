"""Charts and maps: right angles, nothing the policy refuses, nothing unescaped, missing drawn as missing."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wushe.web.charts import Chart, Item, angles, bar_chart, line_chart, number, petals_chart, ring_chart
from wushe.web.components import HUES
from wushe.web.maps import HEIGHT, WIDTH, Point, point_map, project, scale_bar

amounts = st.floats(min_value=0, max_value=1e12, allow_nan=False)
values = st.one_of(st.none(), st.floats(min_value=-1e9, max_value=1e9, allow_nan=False))
labels = st.text(max_size=20)
hues = st.sampled_from(["", *HUES])


def drawings(chart: Chart) -> list[str]:
    return [str(chart.svg), *(str(row.bar) for row in chart.rows)]


def parsed(svg: str) -> ElementTree.Element:
    """Parse as XML: markup that is not well formed, or text that broke out of its place, fails here."""
    return ElementTree.fromstring(svg)


@given(st.lists(amounts, max_size=12))
def test_slices_follow_each_other_round_the_whole_circle(amounts: list[float]) -> None:
    slices = angles(amounts)
    if math.fsum(amounts) <= 0:
        assert slices == []
        return
    assert slices[0][0] == 0
    assert slices[-1][1] == 360
    assert all(left[1] == right[0] for left, right in pairwise(slices))
    assert all(start <= end for start, end in slices)
    total = math.fsum(amounts)
    for amount, (start, end) in zip(amounts, slices, strict=True):
        assert end - start == pytest.approx(amount / total * 360, abs=1e-6)


def test_a_ring_refuses_negative_amounts() -> None:
    with pytest.raises(ValueError, match="negative"):
        angles([3, -1])


@given(st.lists(st.builds(Item, labels, values, hues), min_size=1, max_size=8))
def test_every_drawing_is_well_formed_and_keeps_to_the_policy(items: list[Item]) -> None:
    positive = [Item(i.label, None if i.value is None else abs(i.value), i.hue) for i in items]
    charts = [
        ring_chart("标题", positive),
        petals_chart("标题", positive),
        bar_chart("标题", items),
        line_chart("标题", items),
    ]
    for chart in charts:
        assert len(chart.rows) == len(items)
        for drawing in drawings(chart):
            if drawing:
                assert not re.search(
                    r"\sstyle=|\son\w+=|<style|<script",
                    re.sub(r"<text[^>]*>[^<]*</text>|<title>[^<]*</title>", "", drawing),
                )
                for element in parsed(
                    re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", drawing)
                ).iter():
                    assert not {"style", "onclick", "onload"} & set(element.attrib)


@pytest.mark.parametrize("make", [ring_chart, petals_chart, line_chart, bar_chart])
def test_labels_and_addresses_cannot_break_out(make: object) -> None:
    evil = '"><script>alert(1)</script>'
    chart = make(evil, [Item(evil, 3, href=f"javascript:{evil}"), Item(evil, 4)])  # type: ignore[operator]  # any of the chart functions
    for drawing in drawings(chart):
        assert "<script" not in drawing
        if drawing:
            parsed(drawing)


def test_missing_is_not_zero() -> None:
    missing, none, some = bar_chart(
        "站点", [Item("甲", None), Item("乙", 0), Item("丙", 0.001), Item("丁", 100)]
    ).rows[:3]
    assert "chart-missing" in missing.bar
    assert missing.text == "—"
    assert parsed(str(none.bar))[0].attrib["width"] in ("0", "0.0")
    assert float(parsed(str(some.bar))[0].attrib["width"]) > 0  # a little is visible
    assert "chart-missing" in ring_chart("x", [Item("甲", 0), Item("乙", None)]).svg
    assert (
        len(parsed(str(line_chart("x", [Item("1", 1), Item("2", None), Item("3", 2)]).svg)).findall("path"))
        == 2
    )


def test_intervals_and_negative_values_lie_where_they_belong() -> None:
    rows = bar_chart("x", [Item("甲", -50), Item("乙", 50, low=25, high=100)]).rows
    left, right = parsed(str(rows[0].bar))[0].attrib, parsed(str(rows[1].bar))
    assert float(left["x"]) == 0
    assert float(left["width"]) == pytest.approx(100 / 3, abs=0.01)
    assert float(right[0].attrib["x"]) == pytest.approx(100 / 3, abs=0.01)
    assert float(right[1].attrib["x1"]) == pytest.approx(50, abs=0.01)
    assert float(right[1].attrib["x2"]) == 100


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Item("x", math.nan)
    with pytest.raises(ValueError, match="hue"):
        Item("x", 1, hue="party")
    with pytest.raises(ValueError, match="hue"):
        Point(0, 0, "x", hue="party")
    with pytest.raises(ValueError, match="degrees"):
        Point(91, 0, "x")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (0, "0"), (12345, "12,345"), (1234.5, "1,234.5"), (0.126, "0.13"), (-3, "-3")],
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert number(value) == text


points = st.builds(Point, st.floats(-89, 89), st.floats(-179, 179), labels, hues)


@given(st.lists(points, max_size=60))
def test_every_point_lies_on_the_canvas(found: list[Point]) -> None:
    spots, scale = project(found)
    assert len(spots) == len(found)
    for x, y in spots:
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    length, pixels = scale_bar(scale)
    if found:
        assert 0 < pixels <= WIDTH / 3 + 0.01
        assert float(f"{length:.0e}"[0]) in (1, 2, 5)
    parsed(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", str(point_map("地图", found).svg)))


def test_north_is_up_and_distances_are_true() -> None:
    south, north, east = Point(39.0, 110.0, "南"), Point(39.1, 110.0, "北"), Point(39.0, 110.1, "东")
    (sx, sy), (nx, ny), (ex, ey) = project([south, north, east])[0]
    assert ny < sy
    assert ex > sx
    assert (ex - sx) / (sy - ny) == pytest.approx(math.cos(math.radians(39.05)), rel=0.01)
    assert nx == pytest.approx(sx)
    assert ey == pytest.approx(sy)


def test_a_map_without_points_says_so() -> None:
    assert "还没有填写坐标" in point_map("地图", [], missing=4).svg
