"""The API: one NinjaAPI, its routers, and what holds for all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, HttpResponseNotAllowed
from django.urls import URLPattern, URLResolver, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from wushe.api import accounts, exchange, ledger, organizations, people, places, problems
from wushe.api.auth import BearerToken
from wushe.api.declares import READING, Permission
from wushe.api.reference import Reference

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 8, "maxLength": 200},
    "description": "A retry with the same key and content gets the first answer and is not carried out again (kept 7 days).",
}
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "code", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "code": {"type": "string", "description": "Stable; programs rely on this one."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people, in the language of Accept-Language."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "location": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Route:
    """One operation as the permission matrix and the document need it; `permission` is None where none was declared."""

    method: str
    path: str
    permission: Permission | None
    operation: Operation


def public(view: Any) -> Any:
    """Mark one of the API's own pages (document, reference) as open to everyone."""

    def shown(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = view(request, **kwargs)
        return response

    shown.permission = Permission(public=True)  # type: ignore[attr-defined]  # read by the permission matrix
    return shown


class WusheAPI(NinjaAPI):
    """A NinjaAPI that starts only when every operation declares its permission, and answers nothing but JSON."""

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        """The URL patterns for `path("api/", api.urls)`. Raises `ImproperlyConfigured` for an undeclared operation."""
        patterns, app, namespace = super().urls
        undeclared = [f"{route.method} {route.path}" for route in self.routes() if route.permission is None]
        if undeclared:
            raise ImproperlyConfigured(f"these API operations lack @declares(…): {', '.join(undeclared)}")
        # The API's root and whatever it does not know are answered by the same view; ninja's own root only ever says 404.
        known = [pattern for pattern in patterns if getattr(pattern, "name", "") != "api-root"]
        for pattern in known:
            if isinstance(pattern, URLPattern):
                pattern.callback = _in_json(pattern.callback)
        unknown = csrf_exempt(public(problems.not_found))
        unknown.permission = Permission(public=True)
        return [*known, re_path(r"^$", unknown, name="api-root"), re_path(r"^.+$", unknown)], app, namespace

    def routes(self) -> Iterator[Route]:
        """Every operation with its method, path below the API's root, and declared permission."""
        for router in self._get_bound_routers():
            for path, view in router.path_operations.items():
                for operation in view.operations:
                    permission = getattr(operation.view_func, "permission", None)
                    for method in operation.methods:
                        full = "/" + "/".join(part for part in (router.prefix + path).split("/") if part)
                        yield Route(method, full, permission, operation)

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """The document, with each operation's permission, the idempotency header of writes, and the shape of problems."""
        document = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
        declared = {self.get_openapi_operation_id(r.operation): r.permission for r in self.routes()}
        for methods in document["paths"].values():
            for method, operation in methods.items():
                permission = declared.get(operation["operationId"])
                if permission is not None:
                    operation["x-permission"] = (
                        "public" if permission.public else f"{permission.verb} {permission.data_class}"
                    )
                if method.upper() not in READING:
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
                operation.setdefault("responses", {})["default"] = {
                    "description": "Problem",
                    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
        return document


def _in_json(view: Any) -> Any:
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = view(request, *args, **kwargs)
        if isinstance(response, HttpResponseNotAllowed):
            return problems.method_not_allowed(response.headers["Allow"])
        return response

    return answered


api = WusheAPI(
    title="Wushe",
    version="1",
    description="The five societies of a place: who is there, where, and what they do together.",
    urls_namespace="api",
    auth=BearerToken(),
    docs=Reference(),
    docs_decorator=public,
)
problems.install(api)
api.add_router("", accounts.router)
api.add_router("", exchange.router)
api.add_router("", ledger.router)
api.add_router("", organizations.router)
api.add_router("", people.router)
api.add_router("", places.router)
