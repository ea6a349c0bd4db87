"""Desk pages of duties: who answers for what in a place."""

from datetime import date
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from wushe.community.operations import responsibilities as operations
from wushe.community.queries import places as place_queries
from wushe.community.queries import responsibilities as queries
from wushe.kernel import policy
from wushe.web.once import once_per_form
from wushe.web.organizations import forms
from wushe.web.organizations.pages import form_page, is_english
from wushe.web.page import Request, page
from wushe.web.places.submit import submitted


@page(needs=("view", "duty"))
def listed(request: Request) -> HttpResponse:
    """Choose the place whose duties to look at."""
    search = forms.DutyPlaceForm(request.GET or None)
    text = search.values().get("q", "")
    reach = policy.reach(request.actor, "view", "duty").place_paths
    context = {
        "search": search,
        "text": text,
        "hits": place_queries.search_places(request.actor, text) if text else [],
        "roots": place_queries.places_by_path(request.actor, reach),
    }
    return render(request, "organizations/duties.html", context)


@page(needs=("view", "duty"))
def of_place(request: Request, place_id: UUID) -> HttpResponse:
    """Each duty and who answers for it in a place; what nobody answers for is said."""
    place = place_queries.place(request.actor, place_id)
    bearers = queries.duty_bearers(request.actor, place)
    english = is_english(request)
    lines = [
        {
            "name": duty.name_en if english else duty.name,
            "answering": bearers.get(duty.pk),
            "here": bearers[duty.pk].place == place if duty.pk in bearers else False,
        }
        for duty in queries.duties(request.actor)
    ]
    may = policy.allows(request.actor, "edit", policy.Facts("duty", place_paths=frozenset({place.path})))
    return render(
        request, "organizations/duties_of_place.html", {"place": place, "lines": lines, "may_edit": may}
    )


@page(needs=("edit", "duty"))
@once_per_form
def hand_over(request: Request, place_id: UUID) -> HttpResponseBase:
    """From a day on another body answers for a duty in a place."""
    place = place_queries.place(request.actor, place_id)
    form = forms.DutyForm(
        request.POST or None,
        actor=request.actor,
        duties=queries.duties(request.actor),
        english=is_english(request),
    )

    def act(duty: str, to: Any, on: date, gap_is_meant: bool) -> Any:
        subject = operations.Subject(duty=queries.duty(request.actor, duty), place=place)
        return operations.hand_over(
            by=request.actor, subject=subject, capacity="OWNER", to=to, on=on, gap_is_meant=gap_is_meant
        )

    back = reverse("organizations:duties_of_place", args=[place.pk])
    if submitted(form, act):
        messages.success(request, _("已登记，原来的单位和日期记入历史。"))
        return redirect(back)
    return form_page(
        request,
        form,
        _("登记由谁负责"),
        back=back,
        crumbs=[(reverse("organizations:duties"), _("职责")), (back, place.name)],
        after=_("下级没有另外登记的，都由这个单位负责。"),
    )


@page(needs=("edit", "duty"))
@once_per_form
def end(request: Request, responsibility_id: UUID) -> HttpResponseBase:
    """End a period without a successor."""
    row = queries.responsibility(request.actor, responsibility_id)
    form = forms.DayForm(request.POST or None)
    if row.station_id is not None:
        back = reverse("organizations:station", args=[row.station_id])
    elif row.place_id is not None:
        back = reverse("organizations:duties_of_place", args=[row.place_id])
    else:
        back = reverse("organizations:detail", args=[row.subject_id])
    if submitted(form, lambda on: operations.end_responsibility(by=request.actor, responsibility=row, on=on)):
        messages.success(request, _("已结束。"))
        return redirect(back)
    return form_page(
        request,
        form,
        _("不再由“%(name)s”负责") % {"name": row.organization.name},
        back=back,
        submit=_("结束"),
        danger=True,
        after=_("从这一天起无人负责，公开页面会如实显示。有接手单位时请用“交接”。"),
    )
