"""Everything that can be asked for over HTTP, read off the resolver and the API, so that nothing can be forgotten."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_PARAMETER = re.compile(r"<(?:(?P<kind>[^:>]+):)?(?P<name>[^>]+)>")


@dataclass(frozen=True)
class Page:
    """One URL pattern: its whole route, the names of its parameters, and the permission its view declares (None if none)."""

    name: str
    route: str
    parameters: tuple[str, ...]
    permission: Any

    def url(self, arguments: dict[str, Any]) -> str | None:
        """Return the address with `arguments` filled in, or None when one of its parameters is not among them."""
        if any(name not in arguments for name in self.parameters):
            return None
        return "/" + _PARAMETER.sub(lambda found: str(arguments[found["name"]]), self.route)


def pages() -> list[Page]:
    """Every pattern of the site, the API's own left out (see `calls`)."""
    return [page for page in _walk(get_resolver(), "", "") if not page.route.startswith("api/")]


def _walk(resolver: URLResolver, above: str, names: str) -> Iterator[Page]:
    for pattern in resolver.url_patterns:
        route = above + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, route, f"{names}{pattern.namespace}:" if pattern.namespace else names)
        elif isinstance(pattern, URLPattern):
            yield Page(
                f"{names}{pattern.name or route}",
                route,
                tuple(found["name"] for found in _PARAMETER.finditer(route)),
                getattr(pattern.callback, "permission", None),
            )


@dataclass(frozen=True)
class Call:
    """One API operation."""

    method: str
    path: str
    parameters: tuple[str, ...]
    permission: Any

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def url(self, arguments: dict[str, Any]) -> str | None:
        if any(name not in arguments for name in self.parameters):
            return None
        return "/api" + re.sub(r"{(?:[^:}]+:)?([^}]+)}", lambda found: str(arguments[found[1]]), self.path)


def calls() -> list[Call]:
    """Every operation of the API."""
    from wushe.api.root import api

    return [
        Call(r.method, r.path, tuple(re.findall(r"{(?:[^:}]+:)?([^}]+)}", r.path)), r.permission)
        for r in api.routes()
    ]
