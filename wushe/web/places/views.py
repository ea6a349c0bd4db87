"""The public pages of places: search and drill-down, and who of the five societies is there."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wushe.community.queries import places as queries
from wushe.community.queries import responsibilities as answering
from wushe.community.queries import societies
from wushe.community.rules import organizations as organization_rules
from wushe.community.rules import societies as rules
from wushe.kernel import policy
from wushe.web.charts import Item, petals_chart
from wushe.web.components import SOCIETIES
from wushe.web.lists import Column, Listing, listing
from wushe.web.maps import Point, PointMap, point_map
from wushe.web.page import Request, page
from wushe.web.places import labels
from wushe.web.places.fields import place_text

FOUND_AT_MOST = 30
SUGGESTED = 10
VENUES_FIRST = 4
"""So many venues are shown at once; the others unfold."""


# --- search -----------------------------------------------------------------------------------------------------------


@page(public=True)
def search(request: Request) -> HttpResponse:
    """Find a place by name, pinyin, initials or code; without a question, the provinces to walk down from."""
    text = request.GET.get("q", "").strip()[:60]
    hits = queries.search_places(request.actor, text, limit=FOUND_AT_MOST) if text else []
    context = {
        "text": text,
        "hits": [(hit, labels.LEVELS[hit.place.level]) for hit in hits],
        "top": () if text else queries.children(request.actor, None),
    }
    template = "places/found.html" if request.htmx else "places/search.html"
    return render(request, template, context)


@page(public=True)
def suggest(request: Request) -> HttpResponse:
    """The options for an input that takes a place; the input's own name says which parameter holds what was typed."""
    name = request.headers.get("HX-Trigger-Name", "q")
    text = request.GET.get(name, "").strip()[:60]
    hits = queries.search_places(request.actor, text, limit=SUGGESTED) if text else []
    return render(
        request, "places/options.html", {"options": [place_text(hit.place, hit.above) for hit in hits]}
    )


# --- the page of a place ----------------------------------------------------------------------------------------------


@page(public=True)
def nation(request: Request) -> HttpResponseBase:
    """The five societies of the whole country."""
    return _show(request, None)


@page(public=True)
def detail(request: Request, place_id: UUID) -> HttpResponseBase:
    """The five societies of a place; for one with an official code this leads to the address by code."""
    place = queries.place(request.actor, place_id)
    if place.code and place.is_open:
        target = reverse("places:by_code", args=[place.code])
        query = request.META.get("QUERY_STRING", "")
        return HttpResponsePermanentRedirect(f"{target}?{query}" if query else target)
    return _show(request, place)


@page(public=True)
def by_code(request: Request, place_code: str) -> HttpResponseBase:
    """The five societies of a place by its official code: the address on the QR code at the door."""
    return _show(request, queries.place_by_code(request.actor, place_code))


def _show(request: Request, place: Any) -> HttpResponseBase:
    overview = societies.place_overview(request.actor, place)
    rows = _children(request, overview)
    if rows.export:
        return rows.export_response(f"places-{place.code or 'own' if place else 'nation'}")
    context = {
        "place": place,
        "overview": overview,
        "above": overview.above,
        "level": labels.LEVELS[place.level] if place else "",
        "chart": _chart(overview),
        "societies": _societies(overview),
        "steps": _steps(request, overview),
        "tiers": [
            (labels.TIERS[tier], getattr(overview.tally, f"stations_{tier.lower()}"))
            for tier in organization_rules.TIERS
        ],
        "branches": overview.stations,
        "venues": overview.venues,
        "venues_first": [_venue(request, line) for line in overview.venues[:VENUES_FIRST]],
        "venues_rest": [_venue(request, line) for line in overview.venues[VENUES_FIRST:]],
        "map": _map(overview),
        "listing": rows,
        "keys": rules.SOCIETIES,
        "duties": answering.duty_lines(request.actor, place) if place else (),
        "share": overview.joint_action,
        "desk_url": _desk_url(request, place),
    }
    return render(request, "places/detail.html", context)


def _address(place: Any) -> str:
    return (
        reverse("places:by_code", args=[place.code])
        if place.code
        else reverse("places:detail", args=[place.pk])
    )


def _desk_url(request: Request, place: Any) -> str:
    if place is None or not policy.allows(request.actor, "edit", place.facts()):
        return ""
    return reverse("places:record", args=[place.pk])


def _number(figure: rules.Figure) -> tuple[float | None, str]:
    """The value a chart draws and the text it writes: a number kept back is drawn as present, and written as less than that."""
    if figure.value is None:
        return 1, _("少于 %(n)d") % {"n": figure.below}
    return figure.value, ""


def _chart(overview: societies.Overview) -> Any:
    items = []
    for count in overview.societies:
        value, text = _number(count.figure)
        items.append(
            Item(
                SOCIETIES[count.society].label,
                value,
                hue=count.society,
                href=f"#{count.society}",
                note=labels.UNITS[count.society],
                text=text,
                mark=f"<{count.figure.below}" if count.figure.value is None else "",
            )
        )
    note = ""
    if overview.small_cell:
        note = _("为保护个人信息，%(n)d 人以下的人数不写明。") % {"n": overview.small_cell}
    return petals_chart(_("五社力量"), items, note=note)


def _societies(overview: societies.Overview) -> list[dict[str, Any]]:
    return [
        {
            "key": count.society,
            "figure": count.figure,
            "unit": labels.UNITS[count.society],
            "parts": [(labels.PARTS[name], figure) for name, figure in count.parts.items()],
        }
        for count in overview.societies
    ]


def _steps(request: Request, overview: societies.Overview) -> list[dict[str, Any]]:
    """The next steps, each with the desk page that takes it for those who may."""
    lines = []
    for step in overview.next_steps:
        text = labels.STEPS[step.code]
        may = text.needs is not None and policy.allows_somewhere(request.actor, *text.needs)
        lines.append(
            {"step": step, "text": text, "url": reverse(text.url_name) if may and text.url_name else ""}
        )
    return lines


def _venue(request: Request, line: societies.VenueLine) -> dict[str, Any]:
    english = request.LANGUAGE_CODE.startswith("en")
    return {
        "venue": line.venue,
        "today": ", ".join(
            f"{organization_rules.clock(s.opens)}-{organization_rules.clock(s.closes)}" for s in line.today
        ),
        "week": organization_rules.format_hours(line.week, english=english),
        "steps": line.steps,
    }


def _map(overview: societies.Overview) -> PointMap:
    """The users' own points: venues, the places below, and stations that have a venue with coordinates."""
    points: list[Point] = []
    missing = 0
    at: dict[UUID, tuple[float, float]] = {}
    for line in overview.venues:
        venue = line.venue
        if venue.latitude is None or venue.longitude is None:
            missing += 1
            continue
        at[venue.pk] = (float(venue.latitude), float(venue.longitude))
        points.append(Point(*at[venue.pk], label=venue.name, hue="charitable_resources", note=_("场地")))

    def walk(branches: tuple[rules.Branch, ...]) -> None:
        nonlocal missing
        for branch in branches:
            station: Any = branch.row
            if station.venue_id in at:
                note = str(labels.TIERS[station.tier])
                points.append(
                    Point(*at[station.venue_id], label=station.name, hue="social_workers", note=note)
                )
            else:
                missing += 1
            walk(branch.below)

    walk(overview.stations)
    for row in overview.children:
        place = row.place
        if place is not None and place.latitude is not None and place.longitude is not None:
            points.append(
                Point(
                    place.latitude, place.longitude, label=place.name, hue="community", href=_address(place)
                )
            )
    return point_map(_("本地的点（示意图，未发布边界）"), points, missing=missing)


def _children(request: Request, overview: societies.Overview) -> Listing:
    def cell(society: str) -> Any:
        return lambda row: (
            row.counts[society].value if row.counts[society].value is not None else str(row.counts[society])
        )

    columns = [
        Column(gettext_lazy("地方"), lambda row: row.place.name if row.place else _("直属本级")),
        Column(gettext_lazy("区划代码"), lambda row: (row.place.code or "") if row.place else ""),
        *(Column(SOCIETIES[society].label, cell(society)) for society in rules.SOCIETIES),
        Column(gettext_lazy("开放的场地"), lambda row: row.tally.venues),
        Column(gettext_lazy("社工站点"), lambda row: row.tally.stations),
    ]
    sorts: dict[str, Any] = {society: _by(society) for society in rules.SOCIETIES}
    sorts["stations"] = lambda row: row.tally.stations
    sorts["venues"] = lambda row: row.tally.venues
    sorts["name"] = lambda row: row.place.name_key if row.place else ""
    return listing(request, list(overview.children), sorts=sorts, default="", columns=columns, page_size=100)


def _by(society: str) -> Any:
    return lambda row: row.sort_value(society)
