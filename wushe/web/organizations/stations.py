"""Desk pages of social-work stations."""

from datetime import date
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from wushe.community.operations import memberships as membership_operations
from wushe.community.operations import responsibilities as hand_overs
from wushe.community.operations import stations as operations
from wushe.community.queries import people as people_queries
from wushe.community.queries import responsibilities as answering
from wushe.community.queries import stations as queries
from wushe.kernel import policy
from wushe.web.lists import Column, listing
from wushe.web.once import once_per_form
from wushe.web.organizations import forms, labels
from wushe.web.organizations.pages import answering_steps, form_page, found_people, person_search
from wushe.web.page import Request, page
from wushe.web.places.labels import TIERS
from wushe.web.places.submit import submitted


@page(needs=("view", "desk"))
def listed(request: Request) -> HttpResponseBase:
    """All stations one may see."""
    filters = forms.StationFilter(request.GET or None)
    rows = listing(
        request,
        queries.stations(request.actor, **filters.values()),
        sorts={
            "place": ("place__path", "name"),
            "name": "name",
            "tier": ("tier", "place__path"),
            "staff": ("staff", "place__path"),
        },
        default="place",
        filters=filters,
        columns=(
            Column(gettext_lazy("名称"), lambda row: row.name),
            Column(gettext_lazy("层级"), lambda row: TIERS[row.tier]),
            Column(gettext_lazy("服务区域"), lambda row: row.place.name),
            Column(gettext_lazy("人员"), lambda row: row.staff),
            Column(gettext_lazy("公开电话"), lambda row: row.phone),
            Column(gettext_lazy("启用日期"), lambda row: row.opened_on),
            Column(gettext_lazy("停用日期"), lambda row: row.closed_on),
        ),
    )
    if rows.export:
        return rows.export_response("stations")
    bodies = answering.answering_now(request.actor, rows.rows)
    context = {
        "listing": rows,
        "lines": [{**_line(row), "bodies": bodies.get(row.pk, {})} for row in rows.rows],
        "may_create": policy.allows_somewhere(request.actor, "create", "station"),
    }
    return render(request, "organizations/stations.html", context)


@page(needs=("view", "desk"))
def detail(request: Request, station_id: UUID) -> HttpResponse:
    """One station: where, whose, who works there, and who answered for it when."""
    row = queries.station(request.actor, station_id)
    context = {
        "row": row,
        "line": _line(row),
        "bodies": answering.answering_now(request.actor, [row]).get(row.pk, {}),
        "staff": [
            {"one": one, "capacity": labels.CAPACITIES[one.capacity]}
            for one in queries.staff(request.actor, row)
        ],
        "may_see_staff": policy.allows_somewhere(request.actor, "view", "membership"),
        "history": answering_steps(answering.history(request.actor, station=row)),
        "open_rows": answering.open_rows(request.actor, row),
        "may_edit": policy.allows(request.actor, "edit", row.facts()),
        "may_hand_over": policy.allows(request.actor, "edit", hand_overs.Subject(station=row).facts()),
        "may_add_staff": policy.allows_somewhere(request.actor, "create", "membership"),
    }
    return render(request, "organizations/station.html", context)


@page(needs=("create", "station"))
@once_per_form
def new(request: Request) -> HttpResponseBase:
    """Open a station."""
    form = forms.StationNewForm(request.POST or None, actor=request.actor)
    made = submitted(form, lambda **given: operations.open_station(by=request.actor, **given))
    if made:
        messages.success(request, _("已设立“%(name)s”。下一步：安排人员。") % {"name": made.name})
        return redirect("organizations:station", made.pk)
    back = reverse("organizations:stations")
    return form_page(
        request,
        form,
        _("设立站点"),
        back=back,
        crumbs=[(back, _("社工站点"))],
        submit=_("设立"),
        after=_("归口部门和运营机构从启用日期起记入历史；没填日期就从今天起。"),
    )


@page(needs=("edit", "station"))
@once_per_form
def edit(request: Request, station_id: UUID) -> HttpResponseBase:
    """Change a station's own facts."""
    row = queries.station(request.actor, station_id)
    initial = {name: getattr(row, name) for name in forms.StationForm.base_fields}
    form = forms.StationForm(
        request.POST or None, actor=request.actor, initial={**initial, "place": row.place, "venue": row.venue}
    )
    if submitted(form, lambda **given: operations.edit_station(by=request.actor, station=row, **given)):
        messages.success(request, _("已保存。"))
        return redirect("organizations:station", row.pk)
    return form_page(request, form, _("修改站点"), **_around(row))


@page(needs=("edit", "duty"))
@once_per_form
def hand_over(request: Request, station_id: UUID) -> HttpResponseBase:
    """Another body answers for the station, or runs it, from a day on."""
    row = queries.station(request.actor, station_id)
    form = forms.HandOverForm(request.POST or None, actor=request.actor)

    def act(capacity: str, to: Any, on: date, gap_is_meant: bool) -> Any:
        return hand_overs.hand_over(
            by=request.actor,
            subject=hand_overs.Subject(station=row),
            capacity=capacity,
            to=to,
            on=on,
            gap_is_meant=gap_is_meant,
        )

    if submitted(form, act):
        messages.success(request, _("已交接，原来的单位和日期记入历史。"))
        return redirect("organizations:station", row.pk)
    return form_page(
        request,
        form,
        _("交接站点"),
        submit=_("交接"),
        after=_("现任单位在这一天结束，新单位从这一天开始。"),
        **_around(row),
    )


@page(needs=("create", "duty"))
@once_per_form
def past(request: Request, station_id: UUID) -> HttpResponseBase:
    """Enter a period that is over."""
    row = queries.station(request.actor, station_id)
    form = forms.PastForm(request.POST or None, actor=request.actor)

    def act(**given: Any) -> Any:
        return hand_overs.record_past_responsibility(
            by=request.actor, subject=hand_overs.Subject(station=row), **given
        )

    if submitted(form, act):
        messages.success(request, _("已补录。"))
        return redirect("organizations:station", row.pk)
    return form_page(request, form, _("补录以前的归口或运营"), submit=_("补录"), **_around(row))


@page(needs=("create", "membership"))
@once_per_form
def add_staff(request: Request, station_id: UUID) -> HttpResponseBase:
    """Find a person and put them to work at the station."""
    row = queries.station(request.actor, station_id)
    bodies = {
        body.pk: body for body in answering.answering_now(request.actor, [row]).get(row.pk, {}).values()
    }
    search, text = person_search(request)
    people = found_people(request, text)
    form = forms.MemberForm(
        request.POST or None,
        people=people,
        bodies=list(bodies.values()),
        initial={"capacity": "SOCIAL_WORKER"},
    )

    def act(person: str, organization: str, **given: Any) -> Any:
        who = people_queries.person(request.actor, UUID(person))
        return membership_operations.start_membership(
            by=request.actor, person=who, organization=bodies[UUID(organization)], station=row, **given
        )

    made = submitted(form, act) if bodies else None
    if made:
        messages.success(request, _("已安排“%(name)s”。") % {"name": made.person.name})
        return redirect("organizations:station", row.pk)
    return form_page(
        request,
        form,
        _("安排人员"),
        submit=_("安排"),
        after=_("此人属于所选单位，在这个站点工作。"),
        search=search,
        searched=text,
        people=people,
        blocked="" if bodies else _("这个站点还没有归口部门或运营机构。请先交接站点，再安排人员。"),
        **_around(row),
    )


@page(needs=("edit", "station"))
@once_per_form
def close(request: Request, station_id: UUID) -> HttpResponseBase:
    """Close a station."""
    row = queries.station(request.actor, station_id)
    form = forms.DayForm(request.POST or None)
    if submitted(form, lambda on: operations.close_station(by=request.actor, station=row, on=on)):
        messages.success(request, _("已停用。误操作可以在这里恢复。"))
        return redirect("organizations:station", row.pk)
    return form_page(
        request,
        form,
        _("停用站点"),
        submit=_("停用"),
        danger=True,
        after=_("归口和运营同日结束；人员留在各自单位，历史保留。"),
        **_around(row),
    )


@page(needs=("edit", "station"))
@require_POST
def reopen(request: Request, station_id: UUID) -> HttpResponse:
    """Take a closing back."""
    row = queries.station(request.actor, station_id)
    operations.reopen_station(by=request.actor, station=row)
    messages.success(request, _("已恢复。请重新登记归口、运营和人员。"))
    return redirect("organizations:station", row.pk)


def _line(row: Any) -> dict[str, Any]:
    return {"row": row, "tier": TIERS[row.tier]}


def _around(row: Any) -> dict[str, Any]:
    back = reverse("organizations:station", args=[row.pk])
    return {"back": back, "crumbs": [(reverse("organizations:stations"), _("社工站点")), (back, row.name)]}
