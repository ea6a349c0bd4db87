"""What holds for every API operation: tokens, declared permissions, problems, first answers, rates, the document and its page."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import path
from django.utils.translation import get_language
from ninja import Router, Schema, Status

from wushe.api import auth, health, problems
from wushe.api.auth import BearerToken
from wushe.api.declares import declares
from wushe.api.reference import Reference
from wushe.api.root import WusheAPI, public
from wushe.community.queries.accounts import Bearer
from wushe.config import urls as site
from wushe.kernel import audit, worker
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.models import AuditEvent
from wushe.kernel.problems import Problem


class Full(Problem):
    code = "test.full"
    status = 409


class ThingIn(Schema):
    """A thing to make."""

    name: str
    count: int = 1


router = Router(tags=["things"])


def _effect(request: Any) -> None:
    from django.db import transaction

    with transaction.atomic():
        audit.record(by=request.actor, verb="test.effect", target=("a.B", "1"))


@router.get("/open")
@declares(public=True)
def read_open(request: Any) -> dict[str, str]:
    """Read something public."""
    return {"actor": request.actor.kind, "language": get_language() or ""}


@router.get("/people")
@declares("view", "person")
def read_people(request: Any) -> dict[str, str]:
    """Read people."""
    return {"actor": str(request.actor.account_id)}


@router.post("/things/{number}", response={201: ThingIn})
@declares("create", "person")
def make_thing(request: Any, number: int, payload: ThingIn) -> Status[Any]:
    """Make a thing."""
    _effect(request)
    if payload.name == "full":
        raise Full("no place left", field="name")
    if payload.name == "missing":
        raise Http404
    if payload.name == "broken":
        raise RuntimeError("CANARY 13800138000")
    if payload.name == "away":
        raise _operational()
    return Status(201, {"name": payload.name, "count": payload.count})


def _operational() -> Exception:
    from django.db import OperationalError

    return OperationalError("gone")


probe = WusheAPI(
    title="probe",
    version="1",
    urls_namespace="api",
    auth=BearerToken(),
    docs=Reference(),
    docs_decorator=public,
)
problems.install(probe)
probe.add_router("/test", router)

# The whole site, with the probe in place of its API: the shell of the reference page links to every room.
urlpatterns = [
    path("api/", probe.urls),
    *(pattern for pattern in site.urlpatterns if getattr(pattern, "namespace", None) != "api"),
]

pytestmark = pytest.mark.urls(__name__)

ACCOUNT = uuid.uuid4()
BEARERS = {
    "writer": Bearer(
        Actor("account", "API w", ACCOUNT, None, (Grant("COMMUNITY_WORKER", "/15/"),)), uuid.uuid4(), False
    ),
    "reader": Bearer(
        Actor("account", "API r", ACCOUNT, None, (Grant("COMMUNITY_WORKER", "/15/"),)), uuid.uuid4(), True
    ),
    "viewer": Bearer(
        Actor("account", "API v", ACCOUNT, None, (Grant("DISTRICT_VIEWER", "/15/"),)), uuid.uuid4(), False
    ),
}


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three known tokens; nothing drawn from their rates yet."""
    monkeypatch.setattr(auth.accounts, "actor_for_token", lambda token: BEARERS.get(token))
    auth._drawn.clear()
    yield
    auth._drawn.clear()


def call(method: str, where: str, token: str = "", data: Any = None, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        given["Authorization"] = f"Bearer {token}"
    body = data if isinstance(data, str) else json.dumps(data) if data is not None else ""
    return Client().generic(method, f"/api/test{where}", body, content_type="application/json", headers=given)


def problem_of(response: Any) -> dict[str, Any]:
    assert response.headers["Content-Type"] == "application/problem+json"
    content: dict[str, Any] = response.json()
    assert content["status"] == response.status_code
    assert content["type"] == f"urn:wushe:problem:{content['code']}"
    return content


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("method", "where", "token", "status", "code"),
    [
        ("GET", "/open", "", 200, None),
        ("GET", "/open", "forged", 401, "unauthenticated"),
        ("GET", "/people", "", 401, "unauthenticated"),
        ("GET", "/people", "reader", 200, None),
        ("GET", "/people", "viewer", 403, "refused.person.view"),
        ("POST", "/things/1", "reader", 403, "token.read_only"),
        ("POST", "/things/1", "viewer", 403, "refused.person.create"),
        ("POST", "/things/1", "", 401, "unauthenticated"),
        ("DELETE", "/people", "writer", 405, "method_not_allowed"),
        ("GET", "/nowhere", "", 404, "not_found"),
    ],
)
def test_the_door(method: str, where: str, token: str, status: int, code: str | None) -> None:
    response = call(method, where, token, {"name": "x"} if method == "POST" else None)
    assert response.status_code == status, response.content
    if code is not None:
        assert problem_of(response)["code"] == code
    if status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_browsers_session_opens_nothing() -> None:
    client = Client()
    session = client.session
    session["_auth_user_id"] = str(ACCOUNT)
    session.save()
    assert client.get("/api/test/people").status_code == 401
    assert client.get("/api/test/open").json()["actor"] == "anonymous"


def test_an_operation_without_a_declaration_keeps_the_api_from_starting() -> None:
    undeclared = Router()

    @undeclared.get("/secret")
    def secret(request: Any) -> dict[str, str]:
        return {}

    other = WusheAPI(title="t", urls_namespace="other", auth=BearerToken())
    other.add_router("/x", undeclared)
    with pytest.raises(ImproperlyConfigured, match=r"GET /x/secret"):
        _ = other.urls


def test_a_declaration_is_one_or_the_other() -> None:
    for wrong in ((), ("view",)):
        with pytest.raises(TypeError):
            declares(*wrong)
    with pytest.raises(TypeError):
        declares("view", "person", public=True)


# --- problems -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_failures_are_problems_with_stable_codes_and_leave_no_effect_under_a_key() -> None:
    for name, status, code in (
        ("full", 409, "test.full"),
        ("missing", 404, "not_found"),
        ("broken", 500, "internal"),
        ("away", 503, "database_away"),
    ):
        response = call("POST", "/things/1", "writer", {"name": name}, Idempotency_Key=f"key-{name}-1")
        assert response.status_code == status
        content = problem_of(response)
        assert content["code"] == code
        assert "CANARY" not in response.content.decode()
    assert not AuditEvent.objects.exists()
    full = call("POST", "/things/1", "writer", {"name": "full"})
    assert problem_of(full)["errors"] == [
        {"location": "name", "code": "test.full", "detail": "no place left"}
    ]


@pytest.mark.django_db(transaction=True)
def test_wrong_input_names_the_place_and_never_repeats_the_value() -> None:
    response = call("POST", "/things/one", "writer", {"count": "CANARY"})
    content = problem_of(response)
    assert (response.status_code, content["code"]) == (422, "invalid")
    assert {error["location"] for error in content["errors"]} == {"path.number", "body.name", "body.count"}
    assert "CANARY" not in response.content.decode()
    response = call("POST", "/things/1", "writer", "{not json")
    assert (response.status_code, problem_of(response)["code"]) == (400, "bad_request")


@pytest.mark.django_db(transaction=True)
def test_answers_are_in_the_callers_language() -> None:
    for header, expected in (
        ("", "zh-hans"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN", "zh-hans"),
        ("fr", "zh-hans"),
    ):
        response = call("GET", "/open", Accept_Language=header)
        assert response.json()["language"] == expected


@pytest.mark.django_db(transaction=True)
def test_too_large_a_request_is_refused(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = call("POST", "/things/1", "writer", {"name": "x" * 200}, Idempotency_Key="key-00000001")
    assert (response.status_code, problem_of(response)["code"]) == (413, "too_large")


# --- once -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_write_sent_twice_under_one_key_is_carried_out_once() -> None:
    first = call("POST", "/things/1", "writer", {"name": "a"}, Idempotency_Key="key-00000001")
    again = call("POST", "/things/1", "writer", {"name": "a"}, Idempotency_Key="key-00000001")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json() == {"name": "a", "count": 1}
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert AuditEvent.objects.count() == 1
    other = call("POST", "/things/1", "writer", {"name": "b"}, Idempotency_Key="key-00000001")
    assert (other.status_code, problem_of(other)["code"]) == (409, "idempotency.key_reused")
    assert (
        call("POST", "/things/2", "writer", {"name": "b"}, Idempotency_Key="key-00000001").status_code == 201
    )
    bad = call("POST", "/things/1", "writer", {"name": "b"}, Idempotency_Key="x")
    assert (bad.status_code, problem_of(bad)["code"]) == (422, "idempotency.bad_key")


@pytest.mark.django_db(transaction=True)
def test_without_a_key_a_write_is_carried_out_each_time() -> None:
    for _ in range(2):
        assert call("POST", "/things/1", "writer", {"name": "a"}).status_code == 201
    assert AuditEvent.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_refused_write_may_be_repeated_under_its_key() -> None:
    assert (
        call("POST", "/things/1", "viewer", {"name": "a"}, Idempotency_Key="key-00000001").status_code == 403
    )
    assert (
        call("POST", "/things/1", "writer", {"name": "a"}, Idempotency_Key="key-00000001").status_code == 201
    )


# --- rates ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_each_token_has_its_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "CALLS_PER_MINUTE", 40)
    statuses = [call("GET", "/people", "reader").status_code for _ in range(45)]
    assert statuses[:40] == [200] * 40
    assert 429 in statuses[40:]
    refused = call("GET", "/people", "reader")
    assert int(refused.headers["Retry-After"]) >= 1
    assert problem_of(refused)["code"] == "too_many_tries"
    assert call("GET", "/people", "writer").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_guessing_tokens_is_slowed_by_address() -> None:
    statuses = [call("GET", "/people", f"guess {n}").status_code for n in range(25)]
    assert statuses[:20] == [401] * 20
    assert statuses[21:] == [429] * 4
    assert call("GET", "/people", "reader").status_code == 200, "a valid token at that address still works"


# --- the document ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_document_covers_every_operation_with_its_permission() -> None:
    document = Client().get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.")
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {(r.method, "/api" + r.path) for r in probe.routes()} == set(operations)
    make = operations["POST", "/api/test/things/{number}"]
    assert make["x-permission"] == "create person"
    assert "Idempotency-Key" in [p["name"] for p in make["parameters"]]
    assert "security" in make
    assert operations["GET", "/api/test/open"]["x-permission"] == "public"
    assert "security" not in operations["GET", "/api/test/open"]
    assert "Problem" in document["components"]["schemas"]


@pytest.mark.django_db(transaction=True)
def test_the_page_needs_no_script_and_says_what_the_document_says() -> None:
    page = Client().get("/api/docs")
    assert page.status_code == 200
    text = page.content.decode()
    for word in (
        "/api/test/things/{number}",
        "create person",
        "Idempotency-Key",
        "Make a thing.",
        "/api/openapi.json",
    ):
        assert word in text
    assert "<style" not in text
    assert "cdn" not in text


# --- signs of life --------------------------------------------------------------------------------------------------


def test_healthz_asks_nothing_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    response = health.healthz(RequestFactory().get("/healthz"))
    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_readyz_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_is_migrated", lambda: True)
    response = health.readyz(RequestFactory().get("/readyz"))
    assert (response.status_code, json.loads(response.content)["worker"]) == (503, False)
    one = worker.Worker()
    one._beat()
    assert health.readyz(RequestFactory().get("/readyz")).status_code == 200
    monkeypatch.setattr(health, "_is_migrated", lambda: False)
    assert json.loads(health.readyz(RequestFactory().get("/readyz")).content)["migrations"] is False

    def away(*_: object) -> None:
        raise _operational()

    monkeypatch.setattr(connection, "cursor", away)
    response = health.readyz(RequestFactory().get("/readyz"))
    assert (response.status_code, json.loads(response.content)["database"]) == (503, False)
