"""The desk's shell pages."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from wushe.community.queries import audit_trail, worklist
from wushe.web.accounts import labels
from wushe.web.desk import forms
from wushe.web.desk.acts import act, kind
from wushe.web.lists import Column, listing
from wushe.web.page import Request, page

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the work list: what waits, where, since when (or until when), and where to do it."""

    icon: str
    text: str
    href: str
    where: str = ""
    since: datetime | None = None
    until: datetime | None = None


def _link(name: str, **kwargs: object) -> str:
    try:
        return reverse(name, kwargs=kwargs or None)
    except NoReverseMatch:
        return ""


@page(needs=("view", "desk"))
def home(request: Request) -> HttpResponse:
    """Today's work list: what waits for me, the oldest first; on the first day, how to begin."""
    waiting = worklist.work_list(request.actor)
    context = {"lines": _lines(waiting), "kinds": _groups(waiting), "waiting": waiting}
    return render(request, "desk/home.html", context)


def _lines(waiting: worklist.WorkList) -> list[Line]:
    """What has a date, the oldest first."""
    lines = [
        Line(
            "link",
            _("%(name)s还没有打开邀请链接") % {"name": invitation.account.person.name},
            _link("accounts:detail", account_id=invitation.account_id),
            invitation.account.person.place.name,
            since=invitation.created_at,
        )
        for invitation in waiting.accounts.invitations
    ]
    lines += [
        Line(
            "key",
            _("%(name)s还没有改初始密码") % {"name": account.person.name},
            _link("accounts:detail", account_id=account.pk),
            account.person.place.name,
            since=account.created_at,
        )
        for account in waiting.accounts.first_passwords
    ]
    lines += [
        Line("alert", _("后台任务失败：%(task)s") % {"task": task.task_path}, "", since=task.finished_at)
        for task in waiting.failed_tasks
    ]
    lines += [
        Line(
            "clock",
            _("%(name)s的“%(role)s”快到期") % {"name": ending.person_name, "role": labels.role(ending.role)},
            _link("accounts:detail", account_id=ending.account_id),
            ending.where,
            until=cast(datetime, ending.ends_on),
        )
        for ending in waiting.gaps.grants_ending
    ]
    return sorted(lines, key=lambda line: (line.since or line.until or datetime.max).isoformat())


@dataclass(frozen=True, slots=True)
class Group:
    """Things of one kind that wait without a date: how many, the first few, and where all of them are."""

    icon: str
    title: str
    count: int
    advice: str
    examples: tuple[tuple[str, str], ...]
    href: str


def _groups(waiting: worklist.WorkList) -> list[Group]:
    gaps = waiting.gaps
    groups = [
        Group(
            "map",
            _("还没有社工站的街道（乡镇）"),
            gaps.streets_without_station_count,
            _("登记已有的站点，或把它列入计划。"),
            tuple(
                (p.name, _link("places:detail", place_id=p.pk))
                for p in gaps.streets_without_station[:_EXAMPLES]
            ),
            _link("organizations:stations"),
        ),
        Group(
            "badge",
            _("还没有人员的站点"),
            gaps.stations_without_staff_count,
            _("在站点页里添加在站人员。"),
            tuple(
                (s.name, _link("organizations:station", station_id=s.pk))
                for s in gaps.stations_without_staff[:_EXAMPLES]
            ),
            _link("organizations:stations"),
        ),
        Group(
            "building",
            _("没有归口部门的站点"),
            gaps.stations_without_owner_count,
            _("在站点页里登记由哪个部门归口。"),
            tuple(
                (s.name, _link("organizations:station", station_id=s.pk))
                for s in gaps.stations_without_owner[:_EXAMPLES]
            ),
            _link("organizations:stations"),
        ),
        Group(
            "door",
            _("没有可用场地的社区"),
            gaps.communities_without_venue_count,
            _("登记可以对外开放的活动室、会议室。"),
            tuple(
                (p.name, _link("places:detail", place_id=p.pk))
                for p in gaps.communities_without_venue[:_EXAMPLES]
            ),
            _link("organizations:venues"),
        ),
        Group(
            "people",
            _("可能重复的人员"),
            len(waiting.pairs),
            _("看一眼是不是同一个人：是就合并，不是就说明一次。"),
            tuple(
                (f"{pair.one.name} · {pair.other.name}", _link("people:detail", person_id=pair.one.pk))
                for pair in waiting.pairs[:_EXAMPLES]
            ),
            _link("people:duplicates"),
        ),
    ]
    return [group for group in groups if group.count]


@page(needs=("view", "desk"))
def start(request: Request) -> HttpResponse:
    """The first day: choose the place, import one list, see it live."""
    return render(request, "desk/start.html", {"own_places": worklist.own_places(request.actor)})


@page(needs=("view", "desk"))
def search(request: Request) -> HttpResponse:
    """The one search box: people, organizations, places, account numbers."""
    text = request.GET.get("q", "").strip()[:60]
    found = worklist.search_everything(request.actor, text)
    return render(request, "desk/search.html", {"found": found, "search_text": text})


@page(needs=("view", "audit"))
def audit(request: Request) -> HttpResponseBase:
    """Who did what to what, when."""
    filters = forms.AuditFilter(request.GET or None)
    shown = listing(
        request,
        audit_trail.events(request.actor, **filters.values()),
        sorts={"at": "id"},
        default="-at",
        filters=filters,
        columns=(
            Column(_("时间"), lambda row: row.at),
            Column(_("做了什么"), lambda row: act(row.verb)),
            Column(_("代码"), lambda row: row.verb),
            Column(_("对象"), lambda row: kind(row.target_label)),
            Column(_("对象编号"), lambda row: row.target_id),
            Column(_("账号编号"), lambda row: row.actor_id or row.actor_kind),
        ),
    )
    if shown.export:
        return shown.export_response("audit")
    rows = [
        (row, act(row.event.verb), kind(row.event.target_label))
        for row in audit_trail.rows_of(request.actor, list(shown.rows))
    ]
    return render(request, "desk/audit.html", {"listing": shown, "rows": rows})


@page(needs=("view", "audit"))
def audit_event(request: Request, event_id: UUID) -> HttpResponse:
    """One record, with what changed."""
    record = audit_trail.event_record(request.actor, event_id)
    return render(
        request,
        "desk/audit_event.html",
        {
            "record": record,
            "act": act(record.row.event.verb),
            "kind": kind(record.row.event.target_label),
        },
    )
