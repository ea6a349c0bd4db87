"""Pages for what went wrong: in both languages, with a way on, never with a traceback."""

import logging
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from wushe.kernel.problems import Problem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What one kind of error page says: what happened, and what to do."""

    title: Promise
    text: Promise
    icon: str


PAGES: dict[int, ErrorPage] = {
    400: ErrorPage(
        _("这个网址看不懂"),
        _("网址里有本页不认识的内容，可能是复制时少了或多了几个字。请回到上一页重新点进来。"),
        "alert",
    ),
    403: ErrorPage(
        _("您没有打开这一页的权限"),
        _("您的账号目前不负责这部分工作。如果需要，请联系为您开账号的人调整权限。"),
        "lock",
    ),
    404: ErrorPage(
        _("没有找到这一页"),
        _("它可能已被移走，网址可能打错了，也可能不在您负责的范围内。"),
        "search",
    ),
    409: ErrorPage(_("刚刚有人先改了"), _("请返回刷新，看看最新的内容再决定。"), "history"),
    422: ErrorPage(_("这一步没有完成"), _("什么都没有改动。请按提示修改后再试。"), "alert"),
    429: ErrorPage(_("试得太快了"), _("为了安全，请过几分钟再试。什么都没有丢失。"), "clock"),
    500: ErrorPage(
        _("系统出了问题"),
        _("不是您的错。刚才的操作没有保存。我们已经记下了这个错误，请稍后再试。"),
        "alert",
    ),
}
CSRF = ErrorPage(
    _("这一页放得太久了"),
    _("为了安全，表单需要重新打开一次。请返回上一页，刷新后再提交；您填的内容通常还在。"),
    "clock",
)

# Shown when even the template cannot be drawn; both languages, no dependency on anything.
LAST_RESORT = """<!doctype html><html lang="zh-Hans"><meta charset="utf-8"><title>系统出了问题</title>
<h1>系统出了问题</h1><p>刚才的操作没有保存，请稍后再试。</p>
<p lang="en">Something went wrong on our side. Nothing was saved; please try again later.</p>
<p><a href="/">返回首页 · Home</a></p></html>"""  # zh: both languages at once


def show(request: HttpRequest, status: int, page: ErrorPage | None = None, detail: str = "") -> HttpResponse:
    """Return the error page of `status`; `detail` is what the domain said, already translated."""
    page = page or PAGES[status]
    context: dict[str, Any] = {"page": page, "detail": detail, "status": status}
    return render(request, "errors/error.html", context, status=status)


def problem(request: HttpRequest, exception: Problem) -> HttpResponse:
    """The page for a domain refusal that no form caught."""
    page = PAGES.get(exception.status, PAGES[422])
    return show(request, exception.status, page, exception.message)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return show(request, 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return show(request, 403, detail=exception.message if isinstance(exception, Problem) else "")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return show(request, 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return show(request, 403, CSRF)


def server_error(request: HttpRequest) -> HttpResponse:
    """The last page. Drawn without the shell's queries; when even that fails, from a constant."""
    try:
        return show(request, 500)
    except Exception:  # whatever broke, the visitor gets a page
        log.exception("the error page itself failed")
        return HttpResponse(LAST_RESORT, status=500)
