"""Desk pages of venues."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wushe.community.operations import venues as operations
from wushe.community.queries import stations as station_queries
from wushe.community.queries import venues as queries
from wushe.community.rules import organizations as rules
from wushe.kernel import policy
from wushe.web.lists import Column, listing
from wushe.web.maps import Point, point_map
from wushe.web.once import once_per_form
from wushe.web.organizations import forms
from wushe.web.organizations.fields import venue_text
from wushe.web.organizations.pages import form_page, is_english
from wushe.web.page import Request, page
from wushe.web.places.submit import submitted

SUGGESTED = 10


@page(needs=("view", "desk"))
def listed(request: Request) -> HttpResponseBase:
    """All venues one may see, with today's opening hours."""
    filters = forms.VenueFilter(request.GET or None)
    rows = listing(
        request,
        queries.venues(request.actor, **filters.values()),
        sorts={"place": ("place__path", "name"), "name": "name", "capacity": ("capacity", "name")},
        default="place",
        filters=filters,
        columns=(
            Column(gettext_lazy("名称"), lambda row: row.name),
            Column(gettext_lazy("所在地"), lambda row: row.place.name),
            Column(gettext_lazy("管理单位"), lambda row: row.organization.name if row.organization else ""),
            Column(gettext_lazy("容纳人数"), lambda row: row.capacity),
            Column(gettext_lazy("无障碍通行"), lambda row: row.is_step_free),
            Column(gettext_lazy("公开电话"), lambda row: row.phone),
            Column(gettext_lazy("地址"), lambda row: row.address),
        ),
    )
    if rows.export:
        return rows.export_response("venues")
    hours = queries.opening_hours(request.actor, rows.rows)
    context = {
        "listing": rows,
        "lines": [
            {"row": row, "today": _today(hours.get(row.pk, ())), "known": row.pk in hours}
            for row in rows.rows
        ],
        "may_create": policy.allows_somewhere(request.actor, "create", "venue"),
    }
    return render(request, "organizations/venues.html", context)


@page(needs=("view", "desk"))
def suggest(request: Request) -> HttpResponse:
    """The options for an input that takes a venue."""
    text = request.GET.get(request.headers.get("HX-Trigger-Name", "q"), "").strip()[:60]
    found = queries.venues(request.actor, text=text).order_by("name")[:SUGGESTED] if text else []
    return render(request, "places/options.html", {"options": [venue_text(row) for row in found]})


@page(needs=("view", "desk"))
def detail(request: Request, venue_id: UUID) -> HttpResponse:
    """One venue."""
    row = queries.venue(request.actor, venue_id)
    week = queries.opening_hours(request.actor, [row]).get(row.pk, ())
    points = []
    if row.latitude is not None and row.longitude is not None:
        points.append(
            Point(float(row.latitude), float(row.longitude), label=row.name, hue="charitable_resources")
        )
    context = {
        "row": row,
        "week": rules.format_hours(week, english=is_english(request)),
        "today": _today(week),
        "stations": station_queries.stations(request.actor, venue=row),
        "map": point_map(_("位置（示意图）"), points, missing=0 if points else 1),
        "may_edit": policy.allows(request.actor, "edit", row.facts()),
    }
    return render(request, "organizations/venue.html", context)


@page(needs=("create", "venue"))
@once_per_form
def new(request: Request) -> HttpResponseBase:
    """Add a venue."""
    form = forms.VenueForm(request.POST or None, actor=request.actor)
    made = submitted(form, lambda **given: operations.add_venue(by=request.actor, **given))
    if made:
        messages.success(request, _("已登记“%(name)s”。") % {"name": made.name})
        return redirect("organizations:venue", made.pk)
    back = reverse("organizations:venues")
    return form_page(
        request,
        form,
        _("登记场地"),
        back=back,
        crumbs=[(back, _("场地"))],
        submit=_("登记"),
        after=_("登记后，居民在本地页面上能看到几点开门。"),
    )


@page(needs=("edit", "venue"))
@once_per_form
def edit(request: Request, venue_id: UUID) -> HttpResponseBase:
    """Change a venue and its hours."""
    row = queries.venue(request.actor, venue_id)
    initial = {name: getattr(row, name, None) for name in forms.VenueForm.base_fields}
    initial |= {
        "place": row.place,
        "organization": row.organization,
        "hours": queries.opening_hours(request.actor, [row]).get(row.pk, ()),
    }
    form = forms.VenueEditForm(request.POST or None, actor=request.actor, initial=initial)
    if submitted(form, lambda **given: operations.edit_venue(by=request.actor, venue=row, **given)):
        messages.success(request, _("已保存。"))
        return redirect("organizations:venue", row.pk)
    back = reverse("organizations:venue", args=[row.pk])
    return form_page(
        request,
        form,
        _("修改场地"),
        back=back,
        crumbs=[(reverse("organizations:venues"), _("场地")), (back, row.name)],
    )


def _today(stretches: Any) -> str:
    return ", ".join(f"{rules.clock(s.opens)}-{rules.clock(s.closes)}" for s in queries.on_day(stretches))
