"""Each gate is taken out in turn, and the matrix must notice. A gate nobody misses is either not tested or not needed."""

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.gates import sites
from tests.gates.sites import Site
from tests.gates.test_operations import calls, outcome
from tests.gates.test_pages import _roles, api_cells, cells, client_of, page_answer
from tests.gates.test_queries import answer, query_calls
from tests.gates.world import Role, World

pytestmark = pytest.mark.matrix

# Gates that stand behind another one, so that no visitor can tell whether they are there: (file, function) → why they stay.
SECOND_LINE: dict[tuple[str, str], str] = {}

# Gates on paths that no page, call or operation of the matrix takes: (file, function) → which test takes them instead.
ELSEWHERE: dict[tuple[str, str], str] = {}


@dataclass
class Cell:
    """One cell of the matrix, ready to be run again: what it is called, and how to get its answer."""

    name: str
    run: Callable[[], Any]
    before: Any = None


def _cells(world: World, roles: list[Role], size: str) -> list[Cell]:
    found: list[Cell] = []
    for number, (operation, relation, arguments) in enumerate(calls(world)):
        for role in _roles(roles, number // 5, size):
            found.append(
                Cell(
                    f"{operation.name} {role.name} {relation}",
                    lambda o=operation, a=arguments, r=role: outcome(o, a, r.actor),  # type: ignore[misc]  # bound now, called later
                )
            )
    for number, (query, relation, given) in enumerate(query_calls(world)):
        for role in _roles(roles, number // 5, size):
            found.append(
                Cell(
                    f"{query.name} {role.name} {relation}",
                    lambda q=query, a=given, r=role: answer(q, a, r.actor, world),  # type: ignore[misc]  # likewise
                )
            )
    clients: dict[str, Client] = {role.name: client_of(role) for role in roles}
    for page, role, relation, url in cells(world, roles, size):
        client = clients[role.name]
        found.append(
            Cell(f"{page.name} {role.name} {relation}", lambda c=client, u=url: page_answer(world, c, u))  # type: ignore[misc]  # likewise
        )
    found += [Cell(name, run) for name, run in api_cells(world, roles, size)]
    return found


def _loosened(before: Any, after: Any) -> bool:
    """True when `after` lets through what `before` did not: an operation passes, a page opens or shows more."""
    if isinstance(before, str):
        return before == "refused" and after != "refused"
    (old_status, old_marks), (new_status, new_marks) = before, after
    return bool(new_marks - old_marks) or (
        old_status in (302, 401, 403, 404) and new_status not in (302, 401, 403, 404)
    )


def test_every_gate_is_missed_when_it_is_gone(world: World, roles: list[Role], size: str) -> None:
    touched: dict[Site, list[Cell]] = defaultdict(list)
    for cell in _cells(world, roles, size):
        seen: set[Site] = set()
        with sites.watched(seen.add):
            cell.before = cell.run()
        for site in seen:
            touched[site].append(cell)
    everything = sites.all_sites()
    unreached = [
        str(site)
        for site in everything
        if site not in touched and (site.file, site.function) not in ELSEWHERE
    ]
    chosen = [
        site for site in everything if site in touched and (site.file, site.function) not in SECOND_LINE
    ]
    if size == "reduced":
        # Another tenth each day would make failures hard to repeat: the same share every time, spread over the files.
        chosen = chosen[:: int(os.environ.get("WUSHE_GATE_STEP", "6"))]
    unnoticed = [str(site) for site in chosen if not _noticed(site, touched[site])]
    assert unreached == [], "no cell comes past these gates"
    assert unnoticed == [], "these gates can be taken out without anybody noticing"


def _noticed(site: Site, cells_of_site: list[Cell]) -> bool:
    # Refusals and narrow views first: there a missing gate shows at once.
    ordered = sorted(cells_of_site, key=lambda cell: 0 if cell.before == "refused" else 1)
    for cell in ordered[:120]:
        with sites.removed(site), transaction.atomic():
            after = cell.run()
            transaction.set_rollback(True)
        if _loosened(cell.before, after):
            return True
    return False


def test_the_control_notices_nothing_when_no_gate_is_taken_out(
    world: World, roles: list[Role], size: str
) -> None:
    nowhere = Site("community/nowhere.py", 1, 1, "visible_to", "nobody")
    some = [cell for number, cell in enumerate(_cells(world, roles, size)) if number % 97 == 0]
    for cell in some:
        cell.before = cell.run()
    assert not _noticed(nowhere, some)


@pytest.mark.parametrize("listed", [SECOND_LINE, ELSEWHERE])
def test_every_exception_still_stands_in_the_source(listed: dict[tuple[str, str], str]) -> None:
    present = {(site.file, site.function) for site in sites.all_sites()}
    assert set(listed) <= present
