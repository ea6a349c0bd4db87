"""Every page × every role × every relation: nothing leaks, and what is allowed is there.

The pages are read off the resolver, so that a new one is in the matrix the moment it exists.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.factories.accounts import sign_in
from tests.gates.surface import Page, pages
from tests.gates.world import RELATIONS, Role, World, allowed_marks, ids_of
from wushe.kernel import policy

# Pages that show no record of their own, each with the reason why no mark can be asked of them.
WITHOUT_RECORDS = {
    "portal:home": "a search box and three doors",
    "portal:about": "text",
    "portal:accessibility": "text",
    "portal:privacy": "text",
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
    return {**ids_of(world, relation), "code": place.code}


def cells(world: World, roles: list[Role]) -> Iterator[tuple[Page, Role, str, str]]:
    """Yield page, role, relation and address of every cell; pages without an object have the one relation "own"."""
    for page in pages():
        for relation in RELATIONS if page.parameters else ("own",):
            url = page.url(arguments(world, relation))
            if url is not None:
                for role in roles:
                    yield page, role, relation, url


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
    world: World, roles: list[Role], clients: dict[str, Client]
) -> None:
    leaks: list[tuple[str, str, str, str]] = []
    doors: list[tuple[str, str, int]] = []
    shown: dict[str, set[str]] = {}
    refused: set[str] = set()
    allowed = {role.name: allowed_marks(world, role.actor) for role in roles}
    seen = 0
    for page, role, relation, url in cells(world, roles):
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
            if response.status_code >= 500 or (response.status_code == 200 and not _may_enter(page, role)):
                doors.append((page.name, role.name, response.status_code))
            if response.status_code == 200 and marks:
                shown.setdefault(page.name, set()).update(marks)
            if response.status_code in (302, 403, 404):
                refused.add(page.name)
    assert leaks == []
    assert doors == []
    assert seen > 500
    empty = [
        page.name
        for page in pages()
        if page.name not in shown and page.name not in WITHOUT_RECORDS and _answers_get(page)
    ]
    assert empty == [], (
        "no allowed cell of these pages showed a record; say in WITHOUT_RECORDS why, or mend the page"
    )
    never_refused = [
        p.name for p in pages() if p.name not in refused and not p.permission.public and _answers_get(p)
    ]
    assert never_refused == []


def _answers_get(page: Page) -> bool:
    return page.name not in POST_ONLY


POST_ONLY: set[str] = set()


def _variants(page: Page, url: str, world: World) -> list[str]:
    """The address itself, and for pages without an object the same with a search for a foreign person and organization."""
    if page.parameters:
        return [url]
    foreign = [world.row("foreign", name).name for name in ("Person", "Organization")]
    return [url, *(f"{url}?q={text}" for text in foreign)]


def test_posting_nothing_never_breaks_and_never_leaks(
    world: World, roles: list[Role], clients: dict[str, Client]
) -> None:
    from django.db import transaction

    allowed = {role.name: allowed_marks(world, role.actor) for role in roles}
    wrong: list[tuple[str, str, str, object]] = []
    for page, role, relation, url in cells(world, roles):
        with transaction.atomic():
            response = clients[role.name].post(url, {})
            transaction.set_rollback(True)
        text = response.content.decode("utf-8", "replace") if not response.streaming else ""
        if response.status_code >= 500:
            wrong.append((page.name, role.name, relation, response.status_code))
        wrong += [(page.name, role.name, relation, m) for m in world.marks_in(text) - allowed[role.name]]
        if response.status_code == 200 and not _may_enter(page, role):
            wrong.append((page.name, role.name, relation, "answered"))
    assert wrong == []
