"""The door of every API operation: it declares who may call, and carries a repeated write out once.

    @router.post("/stations", response={201: StationOut})
    @declares("create", "station")
    def open_station(request: ApiRequest, data: StationIn) -> Status: ...

An operation without a declaration keeps the whole API from starting.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation import gettext as _
from ninja.errors import AuthenticationError
from ninja.operation import Operation
from ninja.utils import contribute_operation_callback

from wushe.api.auth import ApiRequest, identify
from wushe.kernel import idempotency, policy
from wushe.kernel.actor import Actor
from wushe.kernel.network import client_address
from wushe.kernel.problems import Problem

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_KEPT_HEADERS = ("Content-Type", "Location")
_MOST_KEPT = 1_000_000

View = TypeVar("View", bound=Callable[..., Any])
Run = Callable[..., HttpResponseBase]


class ReadOnlyToken(Problem):
    """The token may read only."""

    code = "token.read_only"
    status = 403


@dataclass(frozen=True, slots=True)
class Permission:
    """What an operation declares: open to everyone, or to whoever may `verb` some row of `data_class`."""

    public: bool = False
    verb: str | None = None
    data_class: str | None = None


def declares(verb: str = "", data_class: str = "", *, public: bool = False) -> Callable[[View], View]:
    """Declare who may call an operation: (verb, data class), or `public=True`. Written below `@router.get(…)` and its kin.

    The caller must be allowed the verb somewhere; which rows is the query's and the operation's business. The declaration is readable as
    `view.permission` and stands in the OpenAPI document.
    """
    if public == bool(verb and data_class):
        raise TypeError("declares() takes a verb and a data class, or public=True")
    permission = Permission(public, verb or None, data_class or None)

    def decorate(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]  # read by the start-up check and the permission matrix
        contribute_operation_callback(view, partial(_contribute, permission))
        return view

    return decorate


def _contribute(permission: Permission, operation: Operation) -> None:
    door = partial(_guard, permission)
    operation._run_decorators = [door]  # type: ignore[attr-defined]  # where ninja keeps what it repeats on clones
    operation.run = door(operation.run)  # type: ignore[method-assign]  # what its own decorate_view does
    if permission.public:
        operation.auth_param = None


def _guard(permission: Permission, run: Run) -> Run:
    operation = cast(Operation, run.__self__)  # type: ignore[attr-defined]  # a bound method: the door is the innermost decorator

    @wraps(run)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        api = operation.api
        with translation.override(_language(request)):
            try:
                identify(request)
                _admit(request, permission)
                return _carry_out(request, partial(run, request, *args, **kwargs))
            except Exception as error:  # every failure is answered as a problem, none is swallowed
                return api.on_exception(request, error)

    return guarded


def _language(request: HttpRequest) -> str:
    wanted = request.headers.get("Accept-Language", "").lower()
    return "en" if wanted.startswith("en") else "zh-hans"


def _admit(request: HttpRequest, permission: Permission) -> None:
    caller = cast(ApiRequest, request)
    if caller.bearer is not None and caller.bearer.is_read_only and request.method not in READING:
        raise ReadOnlyToken(_("这个令牌只能读取，请换用可写的令牌。"))
    if permission.public:
        return
    if caller.bearer is None:
        raise AuthenticationError
    assert permission.verb is not None
    assert permission.data_class is not None
    if not policy.allows_somewhere(caller.actor, permission.verb, permission.data_class):
        raise policy.Refused(code=f"refused.{permission.data_class}.{permission.verb}")


def _carry_out(request: HttpRequest, run: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    key = request.headers.get("Idempotency-Key", "")
    if not key or request.method in READING:
        return run()
    scope = f"api {_caller(cast(ApiRequest, request).actor, request)} {request.method} {request.path}"
    with idempotency.once(key, scope, _digest(request)) as claim:
        if claim.earlier is not None:
            return HttpResponse(
                claim.earlier.body,
                status=claim.earlier.status,
                headers={**claim.earlier.headers, "Idempotent-Replayed": "true"},
            )
        response = run()
        if response.status_code >= 400:
            claim.give_up()
        elif isinstance(response, HttpResponse) and len(response.content) <= _MOST_KEPT:
            kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
            claim.keep(idempotency.Answer(response.status_code, response.content.decode(), kept))
        return response


def _caller(actor: Actor, request: HttpRequest) -> str:
    return str(actor.account_id) if actor.account_id else f"anonymous {client_address(request)}"


def _digest(request: HttpRequest) -> str:
    query = request.META.get("QUERY_STRING", "")
    if not (request.content_type or "").startswith("multipart/"):
        return idempotency.digest(query, request.body)
    # An upload may be larger than what Django hands out as one body: digest what it parsed into.
    parts = [query]
    parts += [f"{name}={values!r}" for name, values in sorted(request.POST.lists())]
    files: list[tuple[str, Any]] = sorted(request.FILES.items())
    for name, file in files:
        total = hashlib.sha256()
        for chunk in file.chunks():
            total.update(chunk)
        file.seek(0)
        parts.append(f"{name}:{file.name}:{total.hexdigest()}")
    return idempotency.digest(*parts)
