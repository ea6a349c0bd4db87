"""The human page of the API: the OpenAPI document as one plain, server-rendered page. No script, nothing from outside."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One parameter or field."""

    name: str
    kind: str
    required: bool
    note: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    permission: str
    parameters: list[Part]
    body: list[Part]
    answers: list[Part]


class Reference(DocsBase):
    """Draws `api/reference.html` from the document itself, so that it cannot disagree with it."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Return the page."""
        document = api.get_openapi_schema(path_params=kwargs)
        groups: dict[str, list[Entry]] = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                tag = (operation.get("tags") or [""])[0]
                groups.setdefault(tag, []).append(_entry(path, method, operation, document))
        context = {"groups": groups.items(), "openapi_url": self.get_openapi_url(api, kwargs)}
        return render(request, "api/reference.html", context)


def _entry(path: str, method: str, operation: Schema, document: Schema) -> Entry:
    body = operation.get("requestBody", {}).get("content", {})
    # The docstring's first line says more than the function's name, which is all ninja makes a summary from.
    first, _, rest = operation.get("description", "").strip().partition("\n")
    return Entry(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=first or operation.get("summary", ""),
        description=rest.strip(),
        permission=operation.get("x-permission", ""),
        parameters=[
            Part(
                p["name"],
                _kind(p.get("schema", {})),
                p.get("required", False),
                p.get("description", ""),
                p["in"],
            )
            for p in operation.get("parameters", [])
        ],
        body=[part for media in body.values() for part in _fields(media.get("schema", {}), document)],
        answers=[
            Part(str(status), _answer_kind(answer), False, answer.get("description", ""))
            for status, answer in operation.get("responses", {}).items()
        ],
    )


def _answer_kind(answer: Schema) -> str:
    return ", ".join(_kind(media.get("schema", {})) for media in answer.get("content", {}).values())


def _fields(schema: Schema, document: Schema) -> Iterable[Part]:
    schema = _resolve(schema, document)
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        note = field.get("description", "")
        yield Part(name, _kind(field), name in required, note)


def _resolve(schema: Schema, document: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(_kind(one) for one in schema[several])
    kind = str(schema.get("type", ""))
    if kind == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    return f"{kind} ({schema['format']})" if "format" in schema else kind
