"""Every page × every role × every relation: nothing leaks, and what is allowed is there.

The pages are read off the resolver, so that a new one is in the matrix the moment it exists.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.factories.accounts import sign_in
from tests.gates.surface import Page, calls, pages
from tests.gates.world import RELATIONS, Role, World, allowed_marks, ids_of
from wushe.kernel import policy

pytestmark = pytest.mark.matrix

# Pages that show no record of their own, each with the reason why no mark can be asked of them.
WITHOUT_RECORDS = {
    "organizations:suggest": "answers what is typed; the search of organizations is in the matrix of queries",
    "organizations:venue_suggest": "likewise for venues",
    **dict.fromkeys(
        (f"exchange:template_{kind}" for kind in ("people", "organizations", "stations", "venues")),
        "an empty form",
    ),
    **dict.fromkeys(
        (f"exchange:export_{kind}" for kind in ("people", "organizations", "stations", "venues")),
        "a form that asks for the format; what goes out is compared with the scope in the tests of exchange",
    ),
    "portal:home": "a search box and three doors",
    "portal:about": "text",
    "portal:accessibility": "text",
    "portal:privacy": "text",
}


# Pages that may say 503: no worker runs beside the tests.
NOT_READY = {"readyz"}

# Calls that answer 200 only with parameters the matrix does not send.
ASKS_FOR_MORE = {"GET /exports": "wants to know the kind of export"}

# Answers that show more than single records would, each with the reason.
SHOWS_MORE = {
    "POST /people/{uuidstr:person_id}/export": "everything held on one person, for whoever may export it: that is what it is for",
    "people:export": "likewise",
}


def test_every_page_declares_its_permission() -> None:
    undeclared = [page.name for page in pages() if page.permission is None]
    assert undeclared == []


def client_of(role: Role) -> Client:
    client = Client(raise_request_exception=True)
    if role.account is not None:
        sign_in(client, role.account)
    return client


def arguments(world: World, relation: str) -> dict[str, Any]:
    place = world.row(relation, "Place")
    ids = ids_of(world, relation)
    other_names = {
        "grant_id": "role_grant_id",
        "token_id": "api_token_id",
        "merge_id": "person_merge_id",
        "import_id": "import_run_id",
        "run_id": "import_run_id",
        "event_id": "audit_event_id",
        "contact_id": "contact_point_id",
        "qualification_id": "held_qualification_id",
        "other_id": "person_id",
        "holder_id": "person_id",
    }
    ids |= {name: ids[full] for name, full in other_names.items()}
    return {**ids, "code": place.code}


def cells(world: World, roles: list[Role], size: str) -> Iterator[tuple[Page, Role, str, str]]:
    """Yield page, role, relation and address of every cell; pages without an object have the one relation "own".

    Reduced, a page keeps its most telling cells: nobody, somebody without a role, the role that may most, and two more roles and
    one more relation that differ from page to page.
    """
    for number, page in enumerate(pages()):
        for relation in _relations(page, number, size) if page.parameters else ("own",):
            url = page.url(arguments(world, relation))
            if url is not None:
                for role in _roles(roles, number, size):
                    yield page, role, relation, url


def _relations(page: Any, number: int, size: str) -> tuple[str, ...]:
    if size == "full":
        return RELATIONS
    return ("own", "foreign") if number % 2 else ("own", "sibling")


def _roles(roles: list[Role], number: int, size: str) -> list[Role]:
    if size == "full":
        return roles
    always = [role for role in roles if role.name in ("ANONYMOUS", "SIGNED_IN", "DISTRICT_ADMIN@place")]
    others = [role for role in roles if role not in always]
    return [*always, others[number % len(others)], others[(number * 3 + 1) % len(others)]]


def page_answer(world: World, client: Client, url: str) -> tuple[int, frozenset[str]]:
    """Return status and marks of one GET."""
    response = client.get(url)
    return response.status_code, frozenset(world.marks_in(_text(response)))


def _text(response: Any) -> str:
    body = b"".join(response) if response.streaming else response.content
    if body[:2] == b"PK":  # a workbook: the texts stand in its parts
        with zipfile.ZipFile(io.BytesIO(body)) as book:
            body = b"\n".join(book.read(name) for name in book.namelist())
    return body.decode("utf-8", "replace") + str(response.headers)


def api_cells(
    world: World, roles: list[Role], size: str
) -> Iterator[tuple[str, Callable[[], tuple[int, frozenset[str]]]]]:
    """Yield name and call of every cell of the API: each operation, role and relation; writes with an empty body."""
    for number, call in enumerate(calls()):
        for relation in _relations(call, number, size) if call.parameters else ("own",):
            url = call.url(arguments(world, relation))
            if url is None:
                continue
            for role in roles:
                yield (
                    f"{call.name} {role.name} {relation}",
                    partial(_api_answer, world, call.method, url, role),
                )


def _api_answer(world: World, method: str, url: str, role: Role) -> tuple[int, frozenset[str]]:
    headers = {"Authorization": f"Bearer {role.token}"} if role.token else {}
    with transaction.atomic():
        response = Client().generic(method, url, b"{}", content_type="application/json", headers=headers)
        transaction.set_rollback(True)
    return response.status_code, frozenset(world.marks_in(_text(response)))


def _may_enter(page: Page, role: Role) -> bool:
    permission = page.permission
    if permission.public:
        return True
    if permission.signed_in:
        return role.actor.is_signed_in
    return policy.allows_somewhere(role.actor, permission.verb, permission.data_class)


@pytest.fixture
def clients(roles: list[Role]) -> dict[str, Client]:
    return {role.name: client_of(role) for role in roles}


def test_no_page_shows_what_its_visitor_may_not_see(
    world: World, roles: list[Role], clients: dict[str, Client], size: str
) -> None:
    leaks: list[tuple[str, str, str, str]] = []
    doors: list[tuple[str, str, int]] = []
    shown: dict[str, set[str]] = {}
    refused: set[str] = set()
    opened: set[str] = set()
    allowed = {role.name: allowed_marks(world, role.actor) for role in roles}
    seen = 0
    for page, role, relation, url in cells(world, roles, size):
        for address in _variants(page, url, world):
            response = clients[role.name].get(address)
            seen += 1
            text = (
                response.content.decode("utf-8", "replace")
                if not response.streaming
                else b"".join(response).decode("utf-8", "replace")
            )
            marks = world.marks_in(text + str(response.headers))
            asked = world.marks_in(address)
            leaks += [
                (page.name, role.name, relation, str(world.marks[m]))
                for m in marks - allowed[role.name] - asked
            ]
            if (response.status_code >= 500 and page.name not in NOT_READY) or (
                response.status_code == 200 and not _may_enter(page, role)
            ):
                doors.append((page.name, role.name, response.status_code))
            if response.status_code == 200:
                opened.add(page.name)
            if response.status_code == 200 and marks:
                shown.setdefault(page.name, set()).update(marks)
            if response.status_code in (302, 403, 404):
                refused.add(page.name)
    assert leaks == []
    assert doors == []
    assert seen > 300
    empty = [
        page.name
        for page in pages()
        if page.name in opened
        and page.name not in shown
        and page.name not in WITHOUT_RECORDS
        and page.permission.data_class is not None
    ]
    assert empty == [], (
        "no allowed cell of these pages showed a record; say in WITHOUT_RECORDS why, or mend the page"
    )
    never_refused = [p.name for p in pages() if p.name in opened - refused and not p.permission.public]
    assert never_refused == []


def _variants(page: Page, url: str, world: World) -> list[str]:
    """The address itself, and for pages without an object the same with a search for a foreign person and organization."""
    if page.parameters:
        return [url]
    return [url, f"{url}?q={world.row('foreign', 'Person').name}"]


def test_posting_nothing_never_breaks_and_never_leaks(
    world: World, roles: list[Role], clients: dict[str, Client], size: str
) -> None:
    allowed = {role.name: allowed_marks(world, role.actor) for role in roles}
    wrong: list[tuple[str, str, str, object]] = []
    for page, role, relation, url in cells(world, roles, size):
        with transaction.atomic():
            response = clients[role.name].post(url, {})
            transaction.set_rollback(True)
        text = _text(response)
        if response.status_code >= 500:
            wrong.append((page.name, role.name, relation, response.status_code))
        wrong += [(page.name, role.name, relation, m) for m in world.marks_in(text) - allowed[role.name]]
        if response.status_code == 200 and not _may_enter(page, role):
            wrong.append((page.name, role.name, relation, "answered"))
    assert wrong == []


def test_no_call_of_the_api_answers_more_than_its_token_may_see(
    world: World, roles: list[Role], size: str
) -> None:
    allowed = {role.name: allowed_marks(world, role.actor) for role in roles}
    wrong = []
    answered: dict[str, set[int]] = {}
    for name, call in api_cells(world, roles, size):
        status, marks = call()
        method, path, role, _relation = name.split(" ")
        answered.setdefault(f"{method} {path}", set()).add(status)
        if status >= 500:
            wrong.append((name, status))
        if f"{method} {path}" not in SHOWS_MORE:
            wrong += [(name, str(world.marks[m])) for m in marks - allowed[role]]
    assert wrong == []
    silent = [
        name
        for name, statuses in answered.items()
        if name.startswith("GET") and 200 not in statuses and name not in ASKS_FOR_MORE
    ]
    assert silent == [], "no role gets an answer from these"
    open_doors = [
        call.name
        for call in calls()
        if not call.permission.public and not answered.get(call.name, {404}) & {401, 403, 404}
    ]
    assert open_doors == []
