"""Desk pages of organizations."""

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
from wushe.community.operations import organizations as operations
from wushe.community.queries import organizations as queries
from wushe.community.queries import people as people_queries
from wushe.community.queries import stations as station_queries
from wushe.community.queries import venues as venue_queries
from wushe.community.rules import societies as society_rules
from wushe.kernel import policy
from wushe.web.components import Step
from wushe.web.lists import Column, listing
from wushe.web.once import once_per_form
from wushe.web.organizations import forms, labels
from wushe.web.organizations.fields import organization_text
from wushe.web.organizations.pages import form_page, found_people, person_search
from wushe.web.page import Request, page
from wushe.web.places.submit import submitted

SUGGESTED = 10
MEMBERS_SHOWN = 12


@page(needs=("view", "desk"))
def listed(request: Request) -> HttpResponseBase:
    """All organizations one may see, filtered, sorted, exported."""
    filters = forms.OrganizationFilter(request.GET or None)
    rows = listing(
        request,
        queries.organizations(request.actor, **filters.values()),
        sorts={
            "name": "name_key",
            "kind": ("kind", "name_key"),
            "place": ("place__path", "name_key"),
            "status": ("status", "name_key"),
        },
        default="name",
        filters=filters,
        columns=(
            Column(gettext_lazy("名称"), lambda row: row.name),
            Column(gettext_lazy("类型"), lambda row: labels.KINDS[row.kind]),
            Column(gettext_lazy("登记情况"), lambda row: labels.REGISTRATIONS[row.registration]),
            Column(gettext_lazy("统一社会信用代码"), lambda row: row.credit_code),
            Column(gettext_lazy("所在地"), lambda row: row.place.name),
            Column(gettext_lazy("公开电话"), lambda row: row.office_phone),
            Column(gettext_lazy("状态"), lambda row: labels.STATUSES[row.status]),
        ),
    )
    if rows.export:
        return rows.export_response("organizations")
    lines = [_line(row) for row in rows.rows]
    may_create = policy.allows_somewhere(request.actor, "create", "organization")
    return render(
        request, "organizations/list.html", {"listing": rows, "lines": lines, "may_create": may_create}
    )


@page(needs=("view", "desk"))
def suggest(request: Request) -> HttpResponse:
    """The options for an input that takes an organization."""
    text = request.GET.get(request.headers.get("HX-Trigger-Name", "q"), "").strip()[:60]
    found = queries.organizations(request.actor, text=text).order_by("name_key")[:SUGGESTED] if text else []
    return render(request, "places/options.html", {"options": [organization_text(row) for row in found]})


@page(needs=("view", "desk"))
def detail(request: Request, organization_id: UUID) -> HttpResponse:
    """One organization: what it is, whom to ask, who belongs to it, what it answers for."""
    row = queries.organization(request.actor, organization_id)
    may_edit = policy.allows(request.actor, "edit", row.facts())
    context = {
        "row": row,
        "line": _line(row),
        "contact": queries.contact(request.actor, row),
        "above": queries.above(request.actor, row),
        "below": [_line(child) for child in queries.below(request.actor, row)],
        "members": _members(request, row),
        "may_see_members": policy.allows_somewhere(request.actor, "view", "membership"),
        "stations": station_queries.stations(request.actor, answering=row),
        "venues": venue_queries.venues(request.actor, organization=row),
        "story": _story(request, row),
        "may_edit": may_edit,
        "may_add_member": may_edit and policy.allows_somewhere(request.actor, "create", "membership"),
    }
    return render(request, "organizations/detail.html", context)


@page(needs=("create", "organization"))
@once_per_form
def new(request: Request) -> HttpResponseBase:
    """Register an organization; what looks like one that is there already is shown first."""
    confirmed = request.POST.get("not_a_duplicate") == "on"
    form = forms.OrganizationNewForm(request.POST or None, actor=request.actor, ask=confirmed)
    alike: list[queries.Likeness] = []
    if form.is_bound and form.is_valid() and not confirmed:
        given = form.cleaned_data
        alike = queries.likely_duplicates(
            request.actor, name=given["name"], place=given["place"], credit_code=given["credit_code"]
        )
        if alike:
            form = forms.OrganizationNewForm(request.POST, actor=request.actor, ask=True)

    def act(not_a_duplicate: bool = False, **given: Any) -> Any:
        return operations.register_organization(by=request.actor, **given)

    made = None if alike else submitted(form, act)
    if made:
        messages.success(request, _("已登记“%(name)s”。") % {"name": made.name})
        return redirect("organizations:detail", made.pk)
    back = reverse("organizations:list")
    return form_page(
        request,
        form,
        _("登记组织"),
        back=back,
        crumbs=[(back, _("组织"))],
        submit=_("登记"),
        after=_("登记后会出现在所在地的页面上，随时可以修改。"),
        alike=[{"line": _line(one.organization), "why": labels.LIKENESSES[one.reason]} for one in alike],
    )


@page(needs=("edit", "organization"))
@once_per_form
def edit(request: Request, organization_id: UUID) -> HttpResponseBase:
    """Change an organization's own facts."""
    row = queries.organization(request.actor, organization_id)
    contact = queries.contact(request.actor, row)
    with_contact = contact is not None and policy.allows(
        request.actor, "edit", row.facts("organization.contact")
    )
    initial = {name: getattr(row, name) for name in forms.OrganizationForm.base_fields}
    initial["place"] = row.place
    form = forms.OrganizationEditForm(
        request.POST or None, actor=request.actor, initial=initial, with_contact=with_contact
    )
    if submitted(
        form, lambda **given: operations.edit_organization(by=request.actor, organization=row, **given)
    ):
        messages.success(request, _("已保存。"))
        return redirect("organizations:detail", row.pk)
    return form_page(request, form, _("修改组织"), **_around(row))


@page(needs=("edit", "organization"))
@once_per_form
def parent(request: Request, organization_id: UUID) -> HttpResponseBase:
    """Hang an organization under another one, or under none."""
    row = queries.organization(request.actor, organization_id)
    # A superior body outside the visitor's own places may not even be named here.
    above = [one for one in queries.above(request.actor, row) if one.pk == row.parent_id]
    form = forms.ParentForm(
        request.POST or None, actor=request.actor, initial={"parent": above[0] if above else None}
    )
    if submitted(
        form, lambda parent: operations.move_organization(by=request.actor, organization=row, parent=parent)
    ):
        messages.success(request, _("已调整上级。"))
        return redirect("organizations:detail", row.pk)
    return form_page(request, form, _("调整上级"), **_around(row))


@page(needs=("edit", "organization"))
@once_per_form
def close(request: Request, organization_id: UUID) -> HttpResponseBase:
    """Close an organization."""
    row = queries.organization(request.actor, organization_id)
    form = forms.DayForm(request.POST or None)
    if submitted(form, lambda on: operations.close_organization(by=request.actor, organization=row, on=on)):
        messages.success(request, _("已注销。误操作可以在这里恢复。"))
        return redirect("organizations:detail", row.pk)
    return form_page(
        request,
        form,
        _("注销组织"),
        submit=_("注销"),
        danger=True,
        after=_("成员关系和授权同日结束，历史保留。"),
        **_around(row),
    )


@page(needs=("edit", "organization"))
@require_POST
def reopen(request: Request, organization_id: UUID) -> HttpResponse:
    """Take a closing back."""
    row = queries.organization(request.actor, organization_id)
    operations.reopen_organization(by=request.actor, organization=row)
    messages.success(request, _("已恢复。成员和授权需要重新添加。"))
    return redirect("organizations:detail", row.pk)


@page(needs=("edit", "organization"))
@require_POST
def rest(request: Request, organization_id: UUID) -> HttpResponse:
    """Mark as dormant."""
    row = queries.organization(request.actor, organization_id)
    operations.rest_organization(by=request.actor, organization=row)
    messages.success(request, _("已标为休眠。"))
    return redirect("organizations:detail", row.pk)


@page(needs=("edit", "organization"))
@require_POST
def wake(request: Request, organization_id: UUID) -> HttpResponse:
    """Mark as active again."""
    row = queries.organization(request.actor, organization_id)
    operations.wake_organization(by=request.actor, organization=row)
    messages.success(request, _("已标为活跃。"))
    return redirect("organizations:detail", row.pk)


# --- members ----------------------------------------------------------------------------------------------------------


@page(needs=("view", "membership"))
def members(request: Request, organization_id: UUID) -> HttpResponseBase:
    """Everybody who belongs to an organization, or did."""
    row = queries.organization(request.actor, organization_id)
    former = request.GET.get("former") == "1"
    rows = listing(
        request,
        queries.members(request.actor, row, current=not former),
        sorts={
            "name": "person__name_key",
            "capacity": ("capacity", "person__name_key"),
            "since": ("started_on", "person__name_key"),
        },
        default="capacity",
        columns=(
            Column(gettext_lazy("姓名"), lambda one: one.person.name),
            Column(gettext_lazy("身份"), lambda one: labels.CAPACITIES[one.capacity]),
            Column(gettext_lazy("职务"), lambda one: one.title),
            Column(gettext_lazy("站点"), lambda one: one.station.name if one.station else ""),
            Column(gettext_lazy("开始"), lambda one: one.started_on),
            Column(gettext_lazy("结束"), lambda one: one.ended_on),
        ),
    )
    if rows.export:
        return rows.export_response("members")
    context = {
        "row": row,
        "listing": rows,
        "lines": [_member(one) for one in rows.rows],
        "former": former,
        "may_edit": policy.allows(request.actor, "edit", row.facts()),
    }
    return render(request, "organizations/members.html", context)


@page(needs=("create", "membership"))
@once_per_form
def add_member(request: Request, organization_id: UUID) -> HttpResponseBase:
    """Find a person and add them."""
    row = queries.organization(request.actor, organization_id)
    search, text = person_search(request)
    people = found_people(request, text)
    form = forms.MemberForm(request.POST or None, people=people)

    def act(person: str, **given: Any) -> Any:
        who = people_queries.person(request.actor, UUID(person))
        return membership_operations.start_membership(by=request.actor, person=who, organization=row, **given)

    made = submitted(form, act)
    if made:
        messages.success(request, _("已添加“%(name)s”。") % {"name": made.person.name})
        return redirect("organizations:detail", row.pk)
    return form_page(
        request,
        form,
        _("添加成员"),
        submit=_("添加"),
        after=_("此人会出现在成员名单里；要给登录权限，另外授权。"),
        search=search,
        searched=text,
        people=people,
        **_around(row),
    )


@page(needs=("edit", "membership"))
@once_per_form
def end_membership(request: Request, membership_id: UUID) -> HttpResponseBase:
    """End a membership on a day."""
    one = queries.membership(request.actor, membership_id)
    form = forms.DayForm(request.POST or None)
    if submitted(
        form, lambda on: membership_operations.end_membership(by=request.actor, membership=one, on=on)
    ):
        messages.success(request, _("已结束。"))
        return redirect("organizations:detail", one.organization_id)
    title = _("结束任职：%(name)s") % {"name": one.person.name}
    return form_page(request, form, title, submit=_("结束"), danger=True, **_around(one.organization))


# --- pieces -----------------------------------------------------------------------------------------------------------


def _line(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "kind": labels.KINDS[row.kind],
        "society": society_rules.SOCIETY_OF_KIND[row.kind] or "",
        "registration": labels.REGISTRATIONS[row.registration],
        "status": labels.STATUSES[row.status],
        "look": {"ACTIVE": "good", "DORMANT": "wait"}.get(row.status, "off"),
    }


def _member(one: Any) -> dict[str, Any]:
    return {"one": one, "capacity": labels.CAPACITIES[one.capacity]}


def _members(request: Request, row: Any) -> list[dict[str, Any]]:
    found = queries.members(request.actor, row).order_by("capacity", "person__name_key")[:MEMBERS_SHOWN]
    return [_member(one) for one in found]


def _story(request: Request, row: Any) -> list[Step]:
    steps = []
    for happening in reversed(queries.story(request.actor, row)):
        one = happening.responsibility
        if one is None:
            title = _("成立") if happening.kind == "FOUNDED" else _("注销")
            steps.append(Step(happening.on, title))
            continue
        subject = one.station or one.subject or one.duty
        began = happening.kind == "STARTED"
        if one.organization_id == row.pk:
            title = _("开始负责“%(what)s”") if began else _("不再负责“%(what)s”")
            steps.append(Step(happening.on, title % {"what": subject}, note=labels.ANSWERING[one.capacity]))
        else:
            title = _("由“%(who)s”负责") if began else _("不再由“%(who)s”负责")
            steps.append(
                Step(happening.on, title % {"who": one.organization}, note=labels.ANSWERING[one.capacity])
            )
    return steps


def _around(row: Any) -> dict[str, Any]:
    back = reverse("organizations:detail", args=[row.pk])
    return {"back": back, "crumbs": [(reverse("organizations:list"), _("组织")), (back, row.name)]}
