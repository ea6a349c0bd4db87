"""Charts as server-made SVG: pure functions from labelled numbers to a drawing that prints and needs no script.

Drawings carry classes and presentation attributes only (the Content-Security-Policy refuses inline styles). Every number of
a drawing also stands in the table beside it; an item whose value is None is drawn as missing, never as zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from wushe.web.components import HUES, SOCIETIES, Text

Kind = Literal["ring", "petals", "bar", "line"]


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled number. `low` and `high` bound its uncertainty; `hue` is a society key; `href` opens the records behind it.

    `text`, where given, is written in place of the number (for one that may not be spelled out), and `mark` in its petal.
    """

    label: Text
    value: float | None
    hue: str = ""
    href: str = ""
    low: float | None = None
    high: float | None = None
    note: Text = ""
    text: Text = ""
    mark: str = ""

    def __post_init__(self) -> None:
        if self.hue and self.hue not in HUES:
            raise ValueError(f"unknown hue {self.hue!r}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError("a chart draws finite numbers only")

    @property
    def hue_class(self) -> str:
        return f"hue-{self.hue.replace('_', '-')}" if self.hue else "hue-plain"

    @property
    def icon(self) -> str:
        return SOCIETIES[self.hue].icon if self.hue else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table beside a chart, with its bar where the chart is one of bars."""

    item: Item
    text: str
    bar: SafeString = field(default=SafeString(""))
    share: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished chart: what `{% chart %}` shows."""

    kind: Kind
    title: Text
    unit: Text
    rows: tuple[Row, ...]
    svg: SafeString
    note: Text = ""
    source: Text = ""

    @property
    def data(self) -> dict[str, Any]:
        """The same numbers for the script that may take over the drawing."""
        return {
            "kind": self.kind,
            "title": str(self.title),
            "unit": str(self.unit),
            "items": [
                {
                    "label": str(row.item.label),
                    "value": row.item.value,
                    "hue": row.item.hue,
                    "href": row.item.href,
                }
                for row in self.rows
            ],
        }


def number(value: float | None) -> str:
    """Return a number as shown in charts: thousands separated, at most two decimals, a dash where missing."""
    if value is None:
        return "—"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def angles(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return start and end in degrees, clockwise from the top, of each value's slice; they add up to 360.

    Empty when the values sum to zero. Raises ValueError for a negative value.
    """
    if any(value < 0 for value in values):
        raise ValueError("a ring cannot show negative values")
    total = math.fsum(values)
    if total <= 0:
        return []
    edges = [0.0]
    running = 0.0
    for value in values:
        running += value
        edges.append(min(running / total, 1.0) * 360)
    edges[-1] = 360.0
    return list(pairwise(edges))


def ring_chart(
    title: Text, items: Sequence[Item], *, unit: Text = "", note: Text = "", source: Text = ""
) -> Chart:
    """Shares of one whole. Use it only where the parts add up to something that has a name."""
    present = [item for item in items if item.value]
    parts: list[SafeString] = []
    total = math.fsum(item.value or 0 for item in items)
    for item, (start, end) in zip(present, angles([item.value or 0 for item in present]), strict=False):
        shape = _linked(item, format_html('<path class="{}" d="{}"/>', item.hue_class, _slice(start, end)))
        parts.append(shape)
    if not parts:
        parts.append(mark_safe('<circle class="chart-missing" cx="100" cy="100" r="76" fill="none"/>'))
    parts.append(
        format_html(
            '<text class="{}" x="100" y="100" text-anchor="middle">{}</text>'
            '<text class="chart-unit" x="100" y="128" text-anchor="middle">{}</text>',
            "chart-total" if present else "chart-nothing",
            number(total) if present else _("暂无"),
            unit if present else "",
        )
    )
    rows = tuple(
        Row(item, number(item.value), share=_share(item.value, total) if total >= 20 else "")
        for item in items
    )
    return Chart("ring", title, unit, rows, _svg(200, 200, parts), note, source)


def petals_chart(
    title: Text, items: Sequence[Item], *, unit: Text = "", note: Text = "", source: Text = ""
) -> Chart:
    """Equal petals, one an item, with its number: for counts of different things (people, organizations, yuan).

    A petal is filled where there is something, outlined where there is none: presence, not proportion.
    """
    parts: list[SafeString] = []
    for index, item in enumerate(items):
        angle = 360 * index / max(len(items), 1)
        filled = bool(item.value)
        x, y = _polar(angle, 58)
        petal = format_html(
            '<path class="{}" d="{}" transform="rotate({} 100 100)"/>'
            '<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>',
            item.hue_class if filled else "chart-missing " + item.hue_class,
            "M100 92C76 74 68 50 76 30C82 15 92 9 100 9C108 9 118 15 124 30C132 50 124 74 100 92Z",
            _round(angle),
            "chart-petal" if filled else "chart-petal chart-petal-empty",
            _round(x),
            _round(y + 6),
            item.mark or item.text or _short(item.value),
        )
        parts.append(_linked(item, petal))
    rows = tuple(Row(item, str(item.text) or number(item.value)) for item in items)
    return Chart("petals", title, unit, rows, _svg(200, 200, parts), note, source)


def bar_chart(
    title: Text,
    items: Sequence[Item],
    *,
    unit: Text = "",
    note: Text = "",
    source: Text = "",
    maximum: float | None = None,
) -> Chart:
    """Compare amounts. Each bar is drawn in its own table row, so that long names wrap on a phone. Negative values go left."""
    known = [bound for item in items for bound in (item.value, item.low, item.high) if bound is not None]
    top = max([*known, 0.0]) if maximum is None else maximum
    bottom = min([*known, 0.0])
    rows = tuple(Row(item, number(item.value), _bar(item, bottom, top)) for item in items)
    return Chart("bar", title, unit, rows, SafeString(""), note, source)


def line_chart(
    title: Text, items: Sequence[Item], *, unit: Text = "", note: Text = "", source: Text = ""
) -> Chart:
    """A run over time from zero. A missing value breaks the line; `low` and `high` are shaded."""
    width, height, left, right, above, below = 480, 220, 56, 12, 14, 34
    known = [bound for item in items for bound in (item.value, item.low, item.high) if bound is not None]
    top = _ceiling(max([*known, 0.0]))
    bottom = -_ceiling(-min([*known, 0.0])) if known and min(known) < 0 else 0.0
    span = (top - bottom) or 1.0
    step = (width - left - right) / max(len(items) - 1, 1)

    def x(index: int) -> float:
        return _round(left + step * index) if len(items) > 1 else _round((left + width - right) / 2)

    def y(value: float) -> float:
        return _round(above + (top - value) / span * (height - above - below))

    parts: list[SafeString] = []
    for tick in (bottom, bottom + span / 2, top):
        parts.append(
            format_html(
                '<line class="chart-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
                '<text class="chart-tick" x="{}" y="{}" text-anchor="end">{}</text>',
                left,
                width - right,
                y(tick),
                y(tick),
                left - 8,
                y(tick) + 5,
                number(_round(tick)),
            )
        )
    for run in _runs(items):
        banded = [i for i in run if items[i].low is not None and items[i].high is not None]
        if len(banded) > 1:
            upper = [f"{x(i)} {y(items[i].high or 0)}" for i in banded]
            lower = [f"{x(i)} {y(items[i].low or 0)}" for i in reversed(banded)]
            parts.append(format_html('<path class="chart-band" d="M{}Z"/>', "L".join(upper + lower)))
        points = "L".join(f"{x(i)} {y(items[i].value or 0)}" for i in run)
        parts.append(format_html('<path class="chart-line" d="M{}" fill="none"/>', points))
        for i in run:
            circle = format_html(
                '<circle class="chart-point" cx="{}" cy="{}" r="4"><title>{}</title></circle>',
                x(i),
                y(items[i].value or 0),
                f"{items[i].label}: {number(items[i].value)}",
            )
            parts.append(_linked(items[i], circle))
    every = max(1, math.ceil(len(items) / 6))
    for index, item in enumerate(items):
        if index % every == 0:
            anchor = "start" if index == 0 and len(items) > 1 else "middle"
            parts.append(
                format_html(
                    '<text class="chart-tick" x="{}" y="{}" text-anchor="{}">{}</text>',
                    x(index),
                    height - 8,
                    anchor,
                    item.label,
                )
            )
    rows = tuple(Row(item, number(item.value)) for item in items)
    return Chart("line", title, unit, rows, _svg(width, height, parts), note, source)


# --- drawing ----------------------------------------------------------------------------------------------------------


def _round(value: float) -> float:
    return round(value, 2)


def _polar(degrees: float, radius: float) -> tuple[float, float]:
    turn = math.radians(degrees - 90)
    return 100 + radius * math.cos(turn), 100 + radius * math.sin(turn)


def _slice(start: float, end: float, outer: float = 92, inner: float = 60) -> str:
    if end - start >= 359.999:
        return f"{_slice(0, 180, outer, inner)}{_slice(180, 359.99, outer, inner)}"
    large = 1 if end - start > 180 else 0
    ax, ay = _polar(start, outer)
    bx, by = _polar(end, outer)
    cx, cy = _polar(end, inner)
    dx, dy = _polar(start, inner)
    return (
        f"M{ax:.2f} {ay:.2f}A{outer} {outer} 0 {large} 1 {bx:.2f} {by:.2f}"
        f"L{cx:.2f} {cy:.2f}A{inner} {inner} 0 {large} 0 {dx:.2f} {dy:.2f}Z"
    )


def _bar(item: Item, bottom: float, top: float) -> SafeString:
    span = (top - bottom) or 1.0

    def at(value: float) -> float:
        return _round(min(max((value - bottom) / span, 0), 1) * 100)

    if item.value is None:
        inside = format_html('<line class="chart-missing" x1="{0}" x2="100" y1="7" y2="7"/>', at(0))
    else:
        start, end = sorted((at(0), at(item.value)))
        # One unit is always visible: a small amount must not look like none.
        width = max(end - start, 0.6) if item.value else 0
        inside = format_html(
            '<rect class="{}" x="{}" y="1" width="{}" height="12"/>', item.hue_class, start, _round(width)
        )
        if item.low is not None and item.high is not None:
            inside += format_html(
                '<line class="chart-interval" x1="{}" x2="{}" y1="7" y2="7"/>', at(item.low), at(item.high)
            )
    return format_html(
        '<svg class="chart-bar" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true" focusable="false">{}</svg>',
        inside,
    )


def _linked(item: Item, shape: SafeString) -> SafeString:
    if not item.href:
        return shape
    # The table beside the drawing holds the same link for keyboards; a second stop for each would only be in the way.
    return format_html('<a href="{}" tabindex="-1">{}</a>', item.href, shape)


def _svg(width: int, height: int, parts: Sequence[SafeString]) -> SafeString:
    # Hidden from screen readers: the table beside it says the same, better.
    return format_html(
        '<svg class="chart-svg" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">{}</svg>',
        width,
        height,
        mark_safe(
            "".join(conditional_escape(part) for part in parts)
        ),  # every part is escaped or already safe
    )


def _runs(items: Sequence[Item]) -> list[list[int]]:
    runs: list[list[int]] = [[]]
    for index, item in enumerate(items):
        if item.value is None:
            runs.append([])
        else:
            runs[-1].append(index)
    return [run for run in runs if run]


def _ceiling(value: float) -> float:
    """Return the next round number at or above a positive value (1, 2, 2.5, 5 × a power of ten); 1 for nothing."""
    if value <= 0:
        return 1.0
    power: float = 10 ** math.floor(math.log10(value))
    return float(
        next((step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999), 10 * power)
    )


def _share(value: float | None, total: float) -> str:
    return "" if value is None or not total else f"{round(value / total * 100)} %"


_SCALES = {
    "en": ((10**6, 10**6, "M"), (10**4, 10**3, "k")),
    "zh": ((10**8, 10**8, "亿"), (10**4, 10**4, "万")),  # zh: only on Chinese pages
}


def _short(value: float | None) -> str:
    if value is None:
        return "—"
    english = (get_language() or "").startswith("en")
    scales = _SCALES["en" if english else "zh"]
    for least, factor, mark in scales:
        if abs(value) >= least:
            return f"{value / factor:.3g}{mark}"
    return number(value)
