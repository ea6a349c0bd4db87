"""The frame around every page: headers, door, error pages, the two preferences, forms."""

import re
from urllib.parse import unquote

import pytest
from django import forms
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from wushe.kernel.actor import Actor, Grant
from wushe.web import errors, navigation
from wushe.web.forms import Form
from wushe.web.icons import SHAPES
from wushe.web.middleware import CONTENT_SECURITY_POLICY, SecurityHeaders
from wushe.web.page import page

PAGES = ["desk", "list", "record", "form", "portal", "me", "plain", "print"]


def signed_in(client: Client) -> Client:
    client.cookies["stand_in"] = "1"
    return client


@pytest.mark.parametrize(
    "path",
    [*(f"/guide/{name}/" for name in PAGES), "/", "/about/", "/accessibility/", "/privacy/", "/nowhere/"],
)
def test_every_page_is_strict_and_whole(guide: Client, path: str) -> None:
    response = guide.get(path)
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    for name in (
        "X-Content-Type-Options",
        "Referrer-Policy",
        "X-Frame-Options",
        "Permissions-Policy",
        "Cross-Origin-Opener-Policy",
    ):
        assert response.headers[name]
    html = response.content.decode()
    assert '<html lang="zh-Hans"' in html
    assert html.count("<h1") == 1
    assert html.count('id="main"') == 1
    assert 'href="#main"' in html
    assert "演示数据" in html
    assert "Demo data" in html
    assert not re.search(r"<[^>]+\s(style|on\w+)=", html)
    for script in re.findall(r"<script[^>]*>", html):
        assert "src=" in script or 'type="application/json"' in script
    assert not re.search(r'(src|href|action)="(https?:)?//', html)


def test_a_view_may_set_a_policy_of_its_own() -> None:
    inner = HttpResponse(headers={"Content-Security-Policy": "default-src 'none'"})
    response = SecurityHeaders(lambda _request: inner)(RequestFactory().get("/"))
    assert response.headers["Content-Security-Policy"] == "default-src 'none'"


@pytest.mark.parametrize("path", ["/", "/about/", "/guide/portal/", "/guide/me/", "/guide/plain/"])
def test_pages_for_phones_are_light(guide: Client, path: str) -> None:
    """Under 150 KB as it goes over the line on a first visit: the page and everything it asks for."""
    html = guide.get(path).content
    asked = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', html.decode()))
    assert not [address for address in asked if "echarts" in address or "leaflet" in address]
    sizes = {path: len(html)}
    for address in asked:
        response = guide.get(address, headers={"Accept-Encoding": "gzip"})
        assert response.status_code == 200, address
        sizes[address] = len(b"".join(response.streaming_content))
    assert len(sizes) >= 4
    assert sum(sizes.values()) < 150_000, sizes


# --- the door ---------------------------------------------------------------------------------------------------------


def test_strangers_are_sent_to_the_log_in_and_back(guide: Client) -> None:
    response = guide.get("/guide/closed/?q=1")
    assert response.status_code == 302
    assert unquote(response.headers["Location"]) == "/login/?next=/guide/closed/?q=1"
    assert "no-store" in response.headers["Cache-Control"]
    assert unquote(guide.post("/guide/members/").headers["Location"]) == "/login/?next=/"
    quick = guide.get("/guide/members/", headers={"HX-Request": "true"})
    assert quick.status_code == 204
    assert quick.headers["HX-Redirect"].startswith("/login/")


def test_the_right_opens_and_its_lack_is_explained(guide: Client) -> None:
    signed_in(guide)
    opened = guide.get("/guide/closed/")
    assert opened.content == b"in"
    assert "no-store" in opened.headers["Cache-Control"]
    assert guide.get("/guide/members/").content == b"in"
    refused = guide.get("/guide/operators/")
    assert refused.status_code == 403
    assert "权限" in refused.content.decode()


def test_a_page_declares_exactly_one_permission() -> None:
    @page(needs=("view", "person"))
    def view(request: object) -> HttpResponse:
        return HttpResponse()

    assert (view.permission.verb, view.permission.data_class) == ("view", "person")  # type: ignore[attr-defined]  # set by @page
    with pytest.raises(TypeError):
        page()
    with pytest.raises(TypeError):
        page(public=True, signed_in=True)


# --- error pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429])
def test_a_problem_becomes_a_page_that_says_what_to_do(guide: Client, status: int) -> None:
    response = guide.get(f"/guide/broken/?status={status}")
    assert response.status_code == status
    assert "演示：先做另一件事。" in response.content.decode()


def test_a_programming_error_shows_no_traceback(guide: Client) -> None:
    guide.raise_request_exception = False
    response = guide.get("/guide/broken/")
    assert response.status_code == 500
    html = response.content.decode()
    assert "系统出了问题" in html
    assert "secret" not in html
    assert "Traceback" not in html


def test_the_last_page_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: object, **_kwargs: object) -> HttpResponse:
        raise RuntimeError

    monkeypatch.setattr(errors, "render", fails)
    response = errors.server_error(RequestFactory().get("/"))
    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()


def test_a_forged_form_is_explained(guide: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/guide/post/")
    assert response.status_code == 403
    assert "放得太久" in response.content.decode()


def test_error_pages_are_in_both_languages(guide: Client) -> None:
    guide.cookies["wushe_language"] = "en"
    html = guide.get("/nowhere/").content.decode()
    assert '<html lang="en"' in html
    assert "This page was not found" in html


def test_an_unknown_sort_is_a_400_page(guide: Client) -> None:
    assert guide.get("/guide/list/?sort=nothing").status_code == 400


# --- preferences ------------------------------------------------------------------------------------------------------


def test_chinese_unless_chosen_otherwise(guide: Client) -> None:
    response = guide.get("/", headers={"Accept-Language": "en-US"})
    assert response.headers["Content-Language"] == "zh-hans"
    guide.cookies["wushe_language"] = "xx"
    assert guide.get("/").headers["Content-Language"] == "zh-hans"


def test_language_and_type_size_survive(guide: Client) -> None:
    response = guide.post("/preferences/language/", {"language": "en", "next": "/about/?a=1"})
    assert response.headers["Location"] == "/about/?a=1"
    assert 'lang="en"' in guide.get("/").content.decode()
    assert guide.post("/preferences/type-size/", {"large": "1", "next": "/"}).status_code == 302
    assert "large-type" in guide.get("/about/").content.decode()
    guide.post("/preferences/type-size/", {"large": "0"})
    assert "large-type" not in guide.get("/about/").content.decode()


@pytest.mark.parametrize(
    "target",
    ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", "\\\\elsewhere.example"],
)
def test_preferences_never_lead_elsewhere(guide: Client, target: str) -> None:
    assert guide.post("/preferences/language/", {"language": "en", "next": target}).headers["Location"] == "/"


def test_unknown_languages_and_reading_by_get_are_refused(guide: Client) -> None:
    assert guide.post("/preferences/language/", {"language": "tlh"}).status_code == 400
    assert guide.get("/preferences/language/").status_code == 405


# --- forms ------------------------------------------------------------------------------------------------------------


class Two(Form):
    name = forms.CharField(label="姓名", help_text="写全名。")
    kind = forms.ChoiceField(label="类型", choices=[("a", "甲")], widget=forms.RadioSelect)
    note = forms.CharField(label="备注", required=False)
    folded = ("note",)


def test_the_summary_leads_to_each_field() -> None:
    html = str(Two({}))
    for target in re.findall(r'<a href="#([^"]+)">', html):
        assert f'id="{target}"' in html
    assert "请填写“姓名”。" in html
    assert "请选择“类型”。" in html
    assert 'aria-invalid="true"' in html
    for names in re.findall(r'aria-describedby="([^"]+)"', html):
        for name in names.split():
            assert f'id="{name}"' in html
    assert "本表共 3 项，其中 2 项必填。" in html


def test_what_was_typed_is_kept_and_escaped() -> None:
    html = str(Two({"name": "<b>甲", "note": "有"}))
    assert "&lt;b&gt;甲" in html
    assert '<details class="w-fold" open>' in html  # folded fields with something in them are shown
    assert '<details class="w-fold">' in str(Two())
    with translation.override("en"):
        assert "(optional)" in str(Two())


# --- menus ------------------------------------------------------------------------------------------------------------


def test_every_menu_entry_leads_somewhere_and_has_its_icon() -> None:
    for entry in navigation.ENTRIES:
        assert reverse(entry.url_name)
        assert entry.icon in SHAPES


def test_menus_show_only_what_may_be_opened(guide: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        navigation.Entry("portal", "portal:home", _("首页"), "house"),
        navigation.Entry("portal", "portal:about", _("关于五社"), "info", needs=("view", "person")),
        navigation.Entry("portal", "portal:privacy", _("个人信息"), "lock", signed_in=True),
    ]
    monkeypatch.setattr(navigation, "ENTRIES", entries)
    worker = Actor("account", grants=(Grant("COMMUNITY_WORKER", "/15/1506/"),))
    assert [link.href for link in navigation.links("portal", Actor.anonymous(), "/")] == ["/"]
    assert [link.href for link in navigation.links("portal", None, "/")] == ["/"]
    shown = list(navigation.links("portal", worker, "/about/"))
    assert [link.href for link in shown] == ["/", "/about/", "/privacy/"]
    assert [link.current for link in shown] == [False, True, False]
    assert not list(navigation.links("desk", worker, "/"))
