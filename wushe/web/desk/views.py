"""The desk's shell pages."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wushe.community.queries import audit_trail, worklist
from wushe.kernel import policy
from wushe.web.accounts import labels
from wushe.web.components import Step
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
    """Today's work list: what waits for me, the oldest first; on the first day, how to begin; then what I can do from here.

    What happened lately comes as a part of its own when the page has been shown, so that nobody waits for it.
    """
    may_look_back = policy.allows_somewhere(request.actor, "view", "audit")
    if request.htmx and "lately" in request.GET:
        return render(request, "desk/lately.html", {"steps": _lately(request) if may_look_back else []})
    waiting = worklist.work_list(request.actor)
    context = {
        "lines": _lines(waiting),
        "kinds": _groups(waiting),
        "waiting": waiting,
        "doors": _doors(request),
        "may_look_back": may_look_back,
    }
    return render(request, "desk/home.html", context)


_MOST_DOORS = 6
_DOORS: tuple[tuple[str, str, Promise, Promise, tuple[str, str]], ...] = (
    (
        "people:new",
        "person",
        gettext_lazy("登记人员"),
        gettext_lazy("姓名和社区就够，其余以后再补。"),
        ("create", "person"),
    ),
    (
        "exchange:home",
        "upload",
        gettext_lazy("导入表格"),
        gettext_lazy("现有的名单直接放进来，先看会改什么。"),
        ("create", "import"),
    ),
    (
        "organizations:new",
        "building",
        gettext_lazy("登记组织"),
        gettext_lazy("合唱队、企业、学校都算。"),
        ("create", "organization"),
    ),
    (
        "organizations:venue_new",
        "door",
        gettext_lazy("登记场地"),
        gettext_lazy("一间屋子几点开门，写上就有人来。"),
        ("create", "venue"),
    ),
    (
        "accounts:new",
        "key",
        gettext_lazy("开账号"),
        gettext_lazy("没有手机的人，可以办一张登录卡。"),
        ("create", "account"),
    ),
    (
        "places:desk",
        "map",
        gettext_lazy("添加网格和楼栋"),
        gettext_lazy("社区下面怎么分，由您自己定。"),
        ("edit", "place"),
    ),
    (
        "desk:audit",
        "history",
        gettext_lazy("审计记录"),
        gettext_lazy("谁、什么时候、改了什么。"),
        ("view", "audit"),
    ),
    (
        "people:list",
        "people",
        gettext_lazy("人员"),
        gettext_lazy("按姓名、拼音首字母或编号找人。"),
        ("view", "person"),
    ),
    (
        "organizations:list",
        "building",
        gettext_lazy("组织"),
        gettext_lazy("五社里有哪些单位和队伍。"),
        ("view", "desk"),
    ),
    (
        "organizations:stations",
        "badge",
        gettext_lazy("社工站点"),
        gettext_lazy("四级站点在哪里，由谁管，有几个人。"),
        ("view", "desk"),
    ),
    (
        "organizations:venues",
        "calendar",
        gettext_lazy("场地"),
        gettext_lazy("哪里有地方，今天几点开。"),
        ("view", "desk"),
    ),
)


@dataclass(frozen=True, slots=True)
class Door:
    """One thing the visitor may do from here, and what for."""

    href: str
    icon: str
    label: Promise
    text: Promise


def _doors(request: Request) -> list[Door]:
    """What this role does most, at most six; the page of the visitor's own place last. No query is made."""
    doors = [
        Door(reverse(name), icon, label, text)
        for name, icon, label, text, needs in _DOORS
        if not replace(policy.reach(request.actor, *needs), own=None).is_empty
    ][:_MOST_DOORS]
    codes = [
        grant.place_path.strip("/").rpartition("/")[2] for grant in request.actor.grants if grant.place_path
    ]
    code = min((code for code in codes if code.isdigit()), key=len, default="")
    if code:
        href = reverse("places:by_code", args=[code])
        text = gettext_lazy("居民看到的样子：五社各有谁，还缺什么。")
        doors = [*doors[: _MOST_DOORS - 1], Door(href, "eye", gettext_lazy("我的地方的公开页"), text)]
    return doors


_LATELY = 8
_EVERYDAY = ("account.log_in",)
_BY_COMMAND = gettext_lazy("由系统命令")
_BY_OTHERS = {"anonymous": gettext_lazy("没有登录的人")}


def _lately(request: Request) -> list[Step]:
    """The latest changes in the visitor's places, the newest first; coming and going is left out."""
    found = list(audit_trail.events(request.actor).exclude(verb__in=_EVERYDAY)[:_LATELY])
    return [
        Step(
            row.event.at,
            format_lazy(
                "{act}{colon}{kind}",
                act=act(row.event.verb),
                colon=gettext_lazy("："),
                kind=kind(row.event.target_label),
            ),
            row.who
            if row.event.actor_kind == "account"
            else _BY_OTHERS.get(row.event.actor_kind, _BY_COMMAND),
            href=_link("desk:audit_event", event_id=row.event.pk),
        )
        for row in audit_trail.rows_of(request.actor, found)
    ]


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
