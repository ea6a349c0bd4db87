"""The desk pages that change the tree of places: grids and buildings, names, merges, splits, points."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from wushe.community.operations import places as operations
from wushe.community.queries import places as queries
from wushe.community.rules import places as rules
from wushe.kernel import policy
from wushe.web.components import Step
from wushe.web.once import once_per_form
from wushe.web.page import Request, page
from wushe.web.places import forms, labels
from wushe.web.places.submit import submitted

FOUND_AT_MOST = 50


@page(needs=("edit", "place"))
def listed(request: Request) -> HttpResponse:
    """The places one may change: where one's own rights begin, and a search inside them."""
    search = forms.PlaceSearchForm(request.GET or None)
    text = search.values().get("q", "")
    roots = queries.places_by_path(request.actor, policy.reach(request.actor, "edit", "place").place_paths)
    hits = []
    if text:
        hits = [
            hit
            for hit in queries.search_places(request.actor, text, limit=FOUND_AT_MOST)
            if _may(request, hit.place)
        ]
    context = {
        "search": search,
        "text": text,
        "roots": [(place, labels.LEVELS[place.level]) for place in roots],
        "hits": [(hit, labels.LEVELS[hit.place.level]) for hit in hits],
    }
    return render(request, "places/desk.html", context)


@page(needs=("edit", "place"))
def record(request: Request, place_id: UUID) -> HttpResponse:
    """One place as it is now, what lies in it, and its history."""
    place = queries.place(request.actor, place_id)
    states = queries.history(request.actor, place_id)
    steps = [
        Step(
            None if state.valid_from == rules.BEFORE_RECORDS else state.valid_from,
            state.name,
            note=state.code or "",
            state="now" if state.valid_until is None else "done",
        )
        for state in states
    ]
    context = {
        "place": place,
        "above": queries.ancestors(request.actor, place),
        "children": [(child, labels.LEVELS[child.level]) for child in queries.children(request.actor, place)],
        "closed": queries.children(request.actor, place, closed=True),
        "level": labels.LEVELS[place.level],
        "timeline": steps,
        "may_edit": _may(request, place),
        "may_rearrange": place.parent is not None and _may(request, place.parent),
        "may_hold_more": place.level < rules.BUILDING,
    }
    return render(request, "places/record.html", context)


@page(needs=("create", "place"))
@once_per_form
def add(request: Request, place_id: UUID) -> HttpResponseBase:
    """A new place inside this one."""
    place = queries.place(request.actor, place_id)
    levels = [
        (level, labels.LEVELS[level]) for level in rules.LEVELS if rules.may_contain(place.level, level)
    ]
    form = forms.AddForm(request.POST or None, levels=levels)

    def act(name: str, level: int, code: str, kind: str, on: date) -> Any:
        return operations.create_place(
            by=request.actor, parent_id=place.pk, level=level, name=name, code=code or None, kind=kind, on=on
        )

    made = submitted(form, act)
    if made:
        messages.success(request, _("已添加“%(name)s”。") % {"name": made.name})
        return redirect("places:record", place.pk)
    return _form_page(
        request, place, form, _("在这里添加一个地方"), _("添加"), _("添加后马上可以往里登记人和组织。")
    )


@page(needs=("edit", "place"))
@once_per_form
def rename(request: Request, place_id: UUID) -> HttpResponseBase:
    """A new name from a day on; the old one keeps finding it."""

    def act(place: Any, name: str, code: str, on: date) -> Any:
        return operations.rename_place(
            by=request.actor, place_id=place.pk, name=name, code=code or None, on=on
        )

    place = queries.place(request.actor, place_id)
    form = forms.RenameForm(request.POST or None, initial={"name": place.name})
    return _change(request, place, form, act, _("更名"), _("旧名称仍然能搜到，历史记录不变。"))


@page(needs=("edit", "place"))
@once_per_form
def point(request: Request, place_id: UUID) -> HttpResponseBase:
    """Where the place stands on the map."""

    def act(place: Any, latitude: float | None, longitude: float | None) -> Any:
        return operations.set_place_point(
            by=request.actor, place_id=place.pk, latitude=latitude, longitude=longitude
        )

    place = queries.place(request.actor, place_id)
    form = forms.PointForm(
        request.POST or None, initial={"latitude": place.latitude, "longitude": place.longitude}
    )
    return _change(request, place, form, act, _("标坐标"), _("这个点会出现在公开页面的示意图上。"))


@page(needs=("edit", "place"))
@once_per_form
def move(request: Request, place_id: UUID) -> HttpResponseBase:
    """Under another place, with everything in it."""

    def act(place: Any, to: Any, on: date) -> Any:
        return operations.move_place(by=request.actor, place_id=place.pk, to_id=to.pk, on=on)

    place = queries.place(request.actor, place_id)
    form = forms.TargetForm(request.POST or None, actor=request.actor, label=_("移到哪个上级"))
    return _change(request, place, form, act, _("移动"), _("它里面的一切跟着走；以前的归属仍可按日期查到。"))


@page(needs=("edit", "place"))
@once_per_form
def merge(request: Request, place_id: UUID) -> HttpResponseBase:
    """Into another place of the same level."""

    def act(place: Any, to: Any, on: date) -> Any:
        return operations.merge_places(by=request.actor, from_id=place.pk, into_id=to.pk, on=on)

    place = queries.place(request.actor, place_id)
    form = forms.TargetForm(request.POST or None, actor=request.actor, label=_("并入哪个地方"))
    return _change(
        request, place, form, act, _("合并"), _("这个地方从那天起撤销，人和组织计入并入的地方，历史不变。")
    )


@page(needs=("edit", "place"))
@once_per_form
def split(request: Request, place_id: UUID) -> HttpResponseBase:
    """New places out of this one."""
    place = queries.place(request.actor, place_id)
    children = list(queries.children(request.actor, place))

    def act(place: Any, keep: bool, on: date, **given: Any) -> Any:
        parts = [
            operations.Part(
                name=given[f"name_{number}"],
                code=given[f"code_{number}"] or None,
                child_ids=[UUID(child) for child in given.get(f"children_{number}", ())],
            )
            for number in range(1, forms.SplitForm.PARTS + 1)
            if given[f"name_{number}"]
        ]
        return operations.split_place(by=request.actor, place_id=place.pk, parts=parts, keep=keep, on=on)

    form = forms.SplitForm(request.POST or None, children=children)
    return _change(
        request,
        place,
        form,
        act,
        _("拆分"),
        _("新地方与原来的地方同级；登记在原来地方的人和组织不会自动分开。"),
    )


@page(needs=("edit", "place"))
@once_per_form
def close(request: Request, place_id: UUID) -> HttpResponseBase:
    """A place that no longer exists."""

    def act(place: Any, on: date) -> Any:
        return operations.close_place(by=request.actor, place_id=place.pk, on=on)

    place = queries.place(request.actor, place_id)
    form = forms.CloseForm(request.POST or None)
    return _change(
        request, place, form, act, _("撤销"), _("登记在这里的人和组织保留，计入上级。"), danger=True
    )


def _change(
    request: Request,
    place: Any,
    form: Any,
    act: Callable[..., Any],
    title: str,
    after: str,
    *,
    danger: bool = False,
) -> HttpResponseBase:
    done = submitted(form, lambda **given: act(place, **given))
    if done:
        messages.success(request, _("已完成：%(title)s") % {"title": title})
        return redirect("places:record", place.pk)
    return _form_page(request, place, form, title, title, after, danger=danger)


def _form_page(
    request: Request, place: Any, form: Any, title: str, submit: str, after: str, *, danger: bool = False
) -> HttpResponse:
    context = {
        "place": place,
        "form": form,
        "title": title,
        "submit": submit,
        "after": after,
        "danger": danger,
        "back": reverse("places:record", args=[place.pk]),
    }
    return render(request, "places/form.html", context, status=422 if form.is_bound else 200)


def _may(request: Request, place: Any) -> bool:
    return policy.allows(request.actor, "edit", place.facts())
