"""Maps without a map: the users' own points on a blank canvas with a scale bar. No boundary, no base map, no tile.

Pure functions; the drawing prints and needs no script. Coordinates are WGS-84 degrees.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from wushe.web.components import HUES, Text

WIDTH, HEIGHT, MARGIN = 480, 360, 40
KM_PER_DEGREE = 111.32
NUMBERED = 40
"""Up to so many points carry the number of their line in the list; more are drawn as dots."""


@dataclass(frozen=True, slots=True)
class Point:
    """Something that has a place of its own. `hue` is a society key."""

    lat: float
    lon: float
    label: Text
    hue: str = ""
    href: str = ""
    note: Text = ""

    def __post_init__(self) -> None:
        if self.hue and self.hue not in HUES:
            raise ValueError(f"unknown hue {self.hue!r}")
        if not (-90 <= self.lat <= 90 and -180 <= self.lon <= 180):
            raise ValueError("coordinates are degrees of latitude and longitude")

    @property
    def hue_class(self) -> str:
        return f"hue-{self.hue.replace('_', '-')}" if self.hue else "hue-plain"


@dataclass(frozen=True, slots=True)
class PointMap:
    """A finished map: what `{% map %}` shows. `missing` counts what has no coordinates and so is not drawn."""

    title: Text
    points: tuple[Point, ...]
    svg: SafeString
    missing: int = 0

    @property
    def numbered(self) -> bool:
        return len(self.points) <= NUMBERED

    @property
    def data(self) -> dict[str, Any]:
        """The same points for the script that may take over the drawing."""
        return {
            "points": [
                {"lat": p.lat, "lon": p.lon, "label": str(p.label), "hue": p.hue, "href": p.href, "n": n}
                for n, p in enumerate(self.points, start=1)
            ],
        }


def project(points: Sequence[Point]) -> tuple[list[tuple[float, float]], float]:
    """Return pixel positions of the points inside the canvas and the scale in pixels for a kilometre.

    Equirectangular about the middle latitude: true to scale over a district. A lone point stands in the middle of 2 km.
    """
    if not points:
        return [], 0.0
    middle = math.radians((min(p.lat for p in points) + max(p.lat for p in points)) / 2)
    east = [p.lon * KM_PER_DEGREE * max(math.cos(middle), 0.01) for p in points]
    north = [p.lat * KM_PER_DEGREE for p in points]
    wide, high = max(max(east) - min(east), 1e-9), max(max(north) - min(north), 1e-9)
    scale = min((WIDTH - 2 * MARGIN) / max(wide, 1.0), (HEIGHT - 2 * MARGIN) / max(high, 1.0))
    center_e, center_n = (max(east) + min(east)) / 2, (max(north) + min(north)) / 2
    spots = [
        (round(WIDTH / 2 + (e - center_e) * scale, 1), round(HEIGHT / 2 - (n - center_n) * scale, 1))
        for e, n in zip(east, north, strict=True)
    ]
    return spots, scale


def scale_bar(scale: float) -> tuple[float, float]:
    """Return (kilometers, pixels) of a bar of a round length, at most a third of the canvas wide."""
    if scale <= 0:
        return 0.0, 0.0
    longest = WIDTH / 3 / scale
    power: float = 10 ** math.floor(math.log10(longest))
    length = max(step * power for step in (1, 2, 5) if step * power <= longest)
    return length, length * scale


def _language_of(label: Text) -> SafeString:
    """Say on an English page that a name is Chinese: a title element holds no others."""
    foreign = (get_language() or "").startswith("en") and re.search(r"[\u3400-\u9fff]", str(label))
    return SafeString(' lang="zh-Hans"' if foreign else "")


def point_map(title: Text, points: Sequence[Point], *, missing: int = 0) -> PointMap:
    """Draw points on a blank canvas."""
    spots, scale = project(points)
    numbered = len(points) <= NUMBERED
    parts: list[SafeString] = [
        mark_safe(
            f'<rect class="map-sheet" x="0" y="0" width="{WIDTH}" height="{HEIGHT}" rx="12"/>'
        )  # constants
    ]
    for n, (point, (x, y)) in enumerate(zip(points, spots, strict=True), start=1):
        if numbered:
            mark = format_html(
                '<circle class="{}" cx="{}" cy="{}" r="13"><title{}>{}</title></circle>'
                '<text class="map-number" x="{}" y="{}" text-anchor="middle">{}</text>',
                f"map-point {point.hue_class}",
                x,
                y,
                _language_of(point.label),
                point.label,
                x,
                y + 5,
                n,
            )
        else:
            mark = format_html(
                '<circle class="{}" cx="{}" cy="{}" r="5"><title{}>{}</title></circle>',
                f"map-point {point.hue_class}",
                x,
                y,
                _language_of(point.label),
                point.label,
            )
        if point.href:
            # The list beside the map holds the same link for keyboards.
            mark = format_html('<a href="{}" tabindex="-1">{}</a>', point.href, mark)
        parts.append(mark)
    if points:
        kilometers, pixels = scale_bar(scale)
        length = f"{kilometers:g} km" if kilometers >= 1 else f"{kilometers * 1000:g} m"
        parts.append(
            format_html(
                '<path class="map-scale" d="M16 {0}v6h{1}v-6" fill="none"/><text class="chart-tick" x="{2}" y="{3}">{4}</text>',
                HEIGHT - 22,
                round(pixels, 1),
                round(pixels + 24, 1),
                HEIGHT - 12,
                length,
            )
        )
    else:
        parts.append(
            format_html(
                '<text class="chart-unit" x="{}" y="{}" text-anchor="middle">{}</text>',
                WIDTH // 2,
                HEIGHT // 2,
                _("还没有填写坐标"),
            )
        )
    svg = format_html(
        '<svg class="chart-svg" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">{}</svg>',
        WIDTH,
        HEIGHT,
        mark_safe(
            "".join(conditional_escape(part) for part in parts)
        ),  # every part is escaped or already safe
    )
    return PointMap(title, tuple(points), svg, missing)
