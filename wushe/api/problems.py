"""Errors as problem+json (RFC 9457), each with a stable `code` that programs can rely on and a sentence for people."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from wushe.kernel.policy import Refused
from wushe.kernel.problems import Problem
from wushe.kernel.throttle import TooManyTries

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_BY_STATUS = {400: "bad_request", 401: "unauthenticated", 403: "refused", 404: "not_found", 405: "method_not_allowed",
              413: "too_large", 429: "too_many_tries"}  # fmt: skip


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> HttpResponse:
    """Return one problem. `errors` lists the inputs at fault: [{"location": "body.name", "code": …, "detail": …}]."""
    content: dict[str, Any] = {
        "type": f"urn:wushe:problem:{code}",
        "code": code,
        "status": status,
        "detail": detail,
    }
    if errors:
        content["errors"] = errors
    return JsonResponse(
        content,
        status=status,
        content_type=MEDIA_TYPE,
        headers=headers,
        json_dumps_params={"ensure_ascii": False},
    )


def method_not_allowed(allowed: str) -> HttpResponse:
    """The answer to a method that a path does not know."""
    return problem(405, "method_not_allowed", _("这个地址不接受这种请求方法。"), headers={"Allow": allowed})


def not_found(request: HttpRequest, error: object = None) -> HttpResponse:
    """The answer for what is not there or not for this caller: the same, so that it cannot be probed."""
    return problem(404, "not_found", _("没有找到，或不在您的权限范围内。"))


def _domain(request: HttpRequest, error: Problem) -> HttpResponse:
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooManyTries) else None
    detail = error.message or (_("您没有做这件事的权限。") if isinstance(error, Refused) else error.code)
    errors = [{"location": error.field, "code": error.code, "detail": detail}] if error.field else None
    return problem(error.status, error.code, detail, headers=headers, errors=errors)


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    # Only where and what kind: the library's own text may repeat the value that was sent.
    errors = [
        {
            "location": ".".join(
                str(part) for part in item.get("loc", ()) if part not in ("payload", "data")
            ),
            "code": str(item.get("type", "invalid")),
            "detail": str(item.get("msg", "")),
        }
        for item in error.errors
    ]
    return problem(422, "invalid", _("请求内容不符合要求，请按 errors 修改后重试。"), errors=errors)


def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    code = _BY_STATUS.get(error.status_code, "request_failed")
    detail = _("请求无法解析，请检查 JSON 格式。") if error.status_code == 400 else str(error)
    return problem(error.status_code, code, detail)


def _unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problem(
        401,
        "unauthenticated",
        _("请在 Authorization 头中提供有效的令牌。"),
        headers={"WWW-Authenticate": "Bearer"},
    )


def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(413, "too_large", _("请求内容过大。"))


def _database_away(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("the database does not answer: %s", type(error).__name__)
    return problem(503, "database_away", _("数据库暂时无法访问，请稍后重试。"), headers={"Retry-After": "5"})


def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.exception("unexpected failure of %s %s", request.method, request.path)
    return problem(500, "internal", _("系统出错，已记录。请稍后重试。"))


def install(api: NinjaAPI) -> None:
    """Make `api` answer every failure with a problem; the most specific class wins."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        Problem: _domain,
        ValidationError: _invalid,
        AuthenticationError: _unauthenticated,
        HttpError: _http,
        Http404: not_found,
        RequestDataTooBig: _too_large,
        OperationalError: _database_away,
        InterfaceError: _database_away,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)
