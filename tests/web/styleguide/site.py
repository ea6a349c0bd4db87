"""Addresses and pages of the style guide. Names are visibly made up."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path
from django.utils.translation import gettext_lazy as _

from wushe.kernel.actor import Actor, Grant
from wushe.kernel.problems import Problem
from wushe.web.charts import Item, bar_chart, line_chart, petals_chart, ring_chart
from wushe.web.components import SOCIETIES, Step
from wushe.web.forms import FilterForm, Form
from wushe.web.lists import Column, listing
from wushe.web.maps import Point, point_map
from wushe.web.page import Request, page

HERE = Path(__file__).parent
SHANGHAI = ZoneInfo("Asia/Shanghai")


class StandInActor:
    """Middleware in place of the real one: who is signed in is said by a cookie."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.COOKIES.get("stand_in"):
            request.actor = Actor(  # type: ignore[attr-defined]  # set by middleware
                "account", label="甲工作人员", grants=(Grant("DISTRICT_ADMIN", "/15/1506/"),)
            )
        else:
            request.actor = Actor.anonymous()  # type: ignore[attr-defined]  # set by middleware
        request.is_demo = True  # type: ignore[attr-defined]  # set by middleware
        return self.get_response(request)


class Everything(Form):
    """One field of each sort."""

    name = forms.CharField(label=_("姓名"), help_text=_("按身份证写，生僻字也可以。"), max_length=60)
    phone = forms.CharField(label=_("电话"), required=False, widget=forms.TextInput(attrs={"type": "tel"}))
    born_on = forms.DateField(label=_("出生日期"))
    kind = forms.ChoiceField(
        label=_("类型"), choices=[("a", "甲类"), ("b", "乙类")], widget=forms.RadioSelect
    )
    place = forms.ChoiceField(label=_("社区"), choices=[("", "—"), ("1", "演示甲社区"), ("2", "演示乙社区")])
    skills = forms.MultipleChoiceField(
        label="技能",
        choices=[("x", "急救"), ("y", "开车")],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    photo = forms.FileField(label="附件", required=False)
    agree = forms.BooleanField(label="已征得本人同意", help_text="可以随时撤回。")
    note = forms.CharField(label=_("备注"), required=False, widget=forms.Textarea)
    groups = ((_("联系"), ("phone", "place")),)
    folded = ("note", "photo")
    draft = "styleguide"


class PeopleFilter(FilterForm):
    """Filters of the made-up list."""

    q = forms.CharField(label=_("姓名"), widget=forms.TextInput(attrs={"type": "search"}), max_length=20)
    kind = forms.ChoiceField(label=_("类型"), choices=[("", _("全部")), ("volunteers", _("社区志愿者"))])
    active = forms.BooleanField(label="只看在岗")


PEOPLE = [
    SimpleNamespace(
        name=f"演示{'甲乙丙丁戊己庚辛壬癸'[n % 10]}{n + 1:03d}",
        number=f"V7{n:06d}",
        phone=f"138000{n:05d}",
        minutes=(n * 37) % 900,
        joined_on=date(2024, 1, 5) + timedelta(days=n * 3),
        society=list(SOCIETIES)[n % 5],
    )
    for n in range(230)
]


def _draw(request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    source = (HERE / f"{name}.html").read_text(encoding="utf-8")
    return HttpResponse(engines["django"].from_string(source).render(context, request), status=status)


def _pieces() -> dict[str, Any]:
    societies = [(key, society.label) for key, society in SOCIETIES.items()]
    counts = [12, 46, 0, 12_840, 1_234_500]
    return {
        "societies": SOCIETIES.values(),
        "petals": petals_chart(
            "演示甲街道的五社",
            [Item(label, n, hue=key, href="#x") for (key, label), n in zip(societies, counts, strict=True)],
            note="花瓣实心表示已有，虚线表示还没有；大小不表示多少。",
        ),
        "ring": ring_chart(
            "经费来源",
            [
                Item(label, n, hue=key, href="#x")
                for (key, label), n in zip(societies, [30, 12, 24, 18, 40], strict=True)
            ],
            unit="万元",
            source="演示账本",
        ),
        "empty_ring": ring_chart("还没有数字", [Item("社区", 0), Item("志愿者", None)], unit="人"),
        "bars": bar_chart(
            "各街道的站点",
            [
                Item("演示甲街道", 9, href="#x"),
                Item("演示乙街道名字很长很长的办事处", 4, href="#x", low=3, high=6),
                Item("演示丙镇", None),
                Item("演示丁街道", 0),
            ],
            unit="个",
        ),
        "line": line_chart(
            "每月服务时长",
            [
                Item(f"2026-{m:02d}", v, low=v and v * 0.9, high=v and v * 1.1)
                for m, v in enumerate([120, 180, None, 240, 310, 290, 420, 400], 1)
            ],
            unit="小时",
        ),
        "map": point_map(
            "站点分布",
            [
                Point(
                    39.60 + 0.011 * n,
                    109.78 + 0.017 * ((n * 7) % 5),
                    f"演示{n + 1}号社工站",
                    "social_workers",
                    "#x",
                )
                for n in range(6)
            ],
            missing=2,
        ),
        "steps": [
            Step(datetime(2026, 3, 1, 9, 5, tzinfo=SHANGHAI), "居民提出", by="演示甲社区居委会", href="#x"),
            Step(date(2026, 3, 3), "街道受理", by="演示甲街道社工站", note="需要一位会手语的人。"),
            Step(date(2026, 3, 8), "正在联系志愿者", by="演示助老队", state="now"),
            Step(None, "上门服务", state="next"),
        ],
        "day": date(2026, 3, 8),
        "instant": datetime(2026, 3, 8, 14, 5, tzinfo=SHANGHAI),
    }


@page(public=True)
def desk(request: Request) -> HttpResponse:
    """Every component on the desk."""
    messages.success(request, "已保存。")
    return _draw(request, "desk", _pieces())


@page(public=True)
def people(request: Request) -> HttpResponse:
    """The list page."""
    filters = PeopleFilter(request.GET)
    chosen = filters.values()
    rows = [p for p in PEOPLE if chosen.get("q", "") in p.name and chosen.get("kind", p.society) == p.society]
    shown = listing(
        request,
        rows,
        sorts={"name": lambda p: p.name, "hours": lambda p: p.minutes, "joined": lambda p: p.joined_on},
        default="name",
        filters=filters,
        page_size=25,
        columns=(Column(_("姓名"), lambda p: p.name), Column(_("编号"), lambda p: p.number)),
    )
    return shown.export_response("people") if shown.export else _draw(request, "list", {"listing": shown})


@page(public=True)
def record(request: Request) -> HttpResponse:
    """A detail page, also shown in the drawer."""
    return _draw(request, "record", {**_pieces(), "person": PEOPLE[0]})


@page(public=True)
def form(request: Request) -> HttpResponse:
    """A form, with errors when sent empty."""
    filled = Everything(request.POST or None, request.FILES or None)
    if request.method == "POST":
        filled.is_valid()
        filled.add_error(None, "演示：这个人可能已经登记过。")
    return _draw(request, "form", {"form": filled}, 422 if filled.is_bound else 200)


@page(public=True)
def portal_page(request: Request) -> HttpResponse:
    """A page of the portal."""
    return _draw(request, "portal", _pieces())


@page(public=True)
def me_page(request: Request) -> HttpResponse:
    """A page of the visitor's own face."""
    return _draw(request, "me", _pieces())


@page(public=True)
def plain_page(request: Request) -> HttpResponse:
    """One box in the middle."""
    return _draw(request, "plain", {"form": Everything()})


@page(public=True)
def sheet(request: Request) -> HttpResponse:
    """A sheet for paper."""
    return _draw(request, "print", _pieces())


@page(needs=("view", "person"))
def closed(request: Request) -> HttpResponse:
    """For those who may see people somewhere."""
    return HttpResponse("in")


@page(signed_in=True)
def members(request: Request) -> HttpResponse:
    """For any account."""
    return HttpResponse("in")


@page(needs=("view", "platform"))
def operators(request: Request) -> HttpResponse:
    """For platform operators only."""
    return HttpResponse("in")


@page(public=True)
def broken(request: Request) -> HttpResponse:
    """Fails as asked: a domain problem of a status, or a programming error."""
    status = int(request.GET.get("status", "500"))
    if status == 500:
        raise RuntimeError("a secret in a traceback")
    problem = Problem("演示：先做另一件事。")
    problem.status = status
    raise problem


@page(public=True)
def post_only(request: Request) -> HttpResponse:
    """Takes a form, so that the check of forged requests can be seen at work."""
    return HttpResponse("posted")


urlpatterns = [
    path("guide/desk/", desk),
    path("guide/list/", people),
    path("guide/record/", record),
    path("guide/form/", form),
    path("guide/portal/", portal_page),
    path("guide/me/", me_page),
    path("guide/plain/", plain_page),
    path("guide/print/", sheet),
    path("guide/closed/", closed),
    path("guide/members/", members),
    path("guide/operators/", operators),
    path("guide/broken/", broken),
    path("guide/post/", post_only),
    path("", include("wushe.web.portal.urls")),
    # The menus of everyone lead to these rooms.
    path("", include("wushe.web.places.urls")),
    path("desk/organizations/", include("wushe.web.organizations.urls")),
]
handler400 = "wushe.web.errors.bad_request"
handler403 = "wushe.web.errors.forbidden"
handler404 = "wushe.web.errors.not_found"
handler500 = "wushe.web.errors.server_error"
