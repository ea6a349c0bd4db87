"""Every query × every role × every relation: called directly, and whatever comes back is searched for marks."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_type_hints

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import models, transaction
from django.http import Http404

import wushe.community.queries
import wushe.ledger.queries
from tests.gates.test_operations import Operation, _value
from tests.gates.world import RELATIONS, Role, World, allowed_marks
from wushe.community.rules.people import NewPerson
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem

pytestmark = pytest.mark.matrix

_DEEPEST = 6
_MOST = 200


def queries() -> list[Operation]:
    """Every public query of the rooms: its first argument is the actor. Those of community go by their short names."""
    found: dict[str, Operation] = {}
    packages = (wushe.community.queries, wushe.ledger.queries)
    for info in (i for p in packages for i in pkgutil.walk_packages(p.__path__, p.__name__ + ".")):
        module = importlib.import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            plain = inspect.unwrap(function)
            if name.startswith("_") or plain.__module__ != info.name:
                continue
            parameters = dict(inspect.signature(function).parameters)
            if next(iter(parameters), "") != "actor":
                continue
            room = "ledger." if info.name.startswith("wushe.ledger.") else ""
            short = f"{room}queries.{info.name.rpartition('.')[2]}.{name}"
            found[short] = Operation(short, function, get_type_hints(plain, vars(module)), parameters)
    return list(found.values())


def fill(query: Operation, world: World, relation: str) -> dict[str, Any] | None:
    """Return arguments that stand at `relation`, or None when one cannot be made up."""
    if query.name in SPECIAL:
        return SPECIAL[query.name](world, relation)
    filled: dict[str, Any] = {}
    for name, parameter in list(query.parameters.items())[1:]:
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        value = _argument(name, query.hints.get(name), world, relation)
        if parameter.default is not inspect.Parameter.empty and not isinstance(value, models.Model):
            continue
        if value is not None:
            filled[name] = value
        elif parameter.default is inspect.Parameter.empty:
            return None
    return filled


def _argument(name: str, hint: Any, world: World, relation: str) -> Any:
    if name == "text":
        return world.row(relation, "Person").name
    if name == "code":
        return world.row(relation, "Place").code
    return _value(name, hint, world, relation)


# Queries whose arguments are more than rows and plain values.
def _new(world: World, relation: str) -> NewPerson:
    return NewPerson(name=world.row(relation, "Person").name, place_id=world.row(relation, "Place").pk)


def _holder(world: World, at: str) -> dict[str, Any]:
    return {"holder_id": world.row(at, "LedgerAccount").holder_id}


SPECIAL: dict[str, Callable[[World, str], dict[str, Any]]] = {
    "ledger.queries.accounts.accounts_of": _holder,
    "ledger.queries.accounts.totals": lambda world, at: {"place_path": world.row(at, "Place").path},
    "ledger.queries.transfers.transfers_of": _holder,
    "queries.accounts.api_token": lambda world, at: {"token_id": world.row(at, "ApiToken").pk},
    "queries.accounts.grant": lambda world, at: {"grant_id": world.row(at, "RoleGrant").pk},
    "queries.audit_trail.event_record": lambda world, at: {"event_id": world.row(at, "AuditEvent").pk},
    "queries.audit_trail.rows_of": lambda world, at: {"found": [world.row(at, "AuditEvent")]},
    "queries.people.consenting": lambda world, at: {
        "person_ids": [world.row(at, "Person").pk],
        "purpose": "CONTACT",
    },
    "queries.people.duplicates_of_new": lambda world, at: {
        "values": _new(world, at),
        "place_path": world.row(at, "Place").path,
    },
    "queries.people.merge": lambda world, at: {"merge_id": world.row(at, "PersonMerge").pk},
    "queries.people.rows_of": lambda world, at: {"people": [world.row(at, "Person")]},
    "queries.places.full_names": lambda world, at: {"places": [world.row(at, "Place")]},
    "queries.places.lineages": lambda world, at: {"place_ids": [world.row(at, "Place").pk]},
    "queries.responsibilities.answering_now": lambda world, at: {"stations": [world.row(at, "Station")]},
    "queries.venues.opening_hours": lambda world, at: {"venues": [world.row(at, "Venue")]},
}

# Queries the matrix does not call, each with the reason.
NOT_CALLED: dict[str, str] = {"queries.people.rule_number": "rule values are public and name nobody"}

# Queries that show their actor more than single records would, each with the reason.
SHOWS_MORE: dict[str, str] = {
    "queries.personal_data.own_data": "everything held on one person, for whoever may export it: that is what it is for"
}


def text_of(value: Any, depth: int = 0, *, numbers: bool = False) -> str:
    """Return everything that stands in a result, as text to search for marks; with `numbers`, counts and yes or no as well."""
    if depth > _DEEPEST or value is None:
        return ""
    if isinstance(value, (bool, int, float)):
        return str(value) if numbers else ""
    if isinstance(value, str):
        return value
    if isinstance(value, models.Model):
        return " ".join(
            text_of(v, depth + 1, numbers=numbers) for k, v in vars(value).items() if not k.startswith("_")
        )
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return " ".join(
            text_of(getattr(value, f.name), depth + 1, numbers=numbers) for f in dataclasses.fields(value)
        )
    if isinstance(value, Mapping):
        return " ".join(text_of(part, depth + 1, numbers=numbers) for pair in value.items() for part in pair)
    if isinstance(value, models.QuerySet):
        value = value[:_MOST] if not value.query.is_sliced else value
    if isinstance(value, Iterable):
        return " ".join(
            text_of(part, depth + 1, numbers=numbers) for _, part in zip(range(_MOST), value, strict=False)
        )
    return str(value)


def answer(
    query: Operation, arguments: dict[str, Any], actor: Actor, world: World
) -> tuple[int, frozenset[str]]:
    """Return a status as a page would give it, and the marks in the result that were not in the question."""
    asked = world.marks_in(text_of({k: v for k, v in arguments.items() if isinstance(v, str)}))
    try:
        with transaction.atomic():
            result = query.function(actor, **arguments)
            text = text_of(result)
            transaction.set_rollback(True)
    except Problem as problem:
        return (404 if problem.status in (403, 404) else problem.status), frozenset()
    except (ObjectDoesNotExist, Http404):
        return 404, frozenset()
    return (404 if result is None else 200), frozenset(world.marks_in(text) - asked)


def query_calls(world: World) -> Iterator[tuple[Operation, str, dict[str, Any]]]:
    for query in queries():
        for relation in RELATIONS:
            arguments = None if query.name in NOT_CALLED else fill(query, world, relation)
            if arguments is not None:
                yield query, relation, arguments


def test_every_query_is_in_the_matrix(world: World) -> None:
    missing = [q.name for q in queries() if q.name not in NOT_CALLED and fill(q, world, "own") is None]
    assert missing == [], "say in SPECIAL how to call these, or in NOT_CALLED why not"


def test_no_query_returns_what_its_actor_may_not_see(world: World, roles: list[Role]) -> None:
    leaks = []
    allowed = {role.name: allowed_marks(world, role.actor) for role in roles}
    for query, relation, arguments in query_calls(world):
        if query.name in SHOWS_MORE:
            continue
        given = world.marks_in(text_of(list(arguments.values())))
        for role in roles:
            _, marks = answer(query, arguments, role.actor, world)
            # Parts that need a right of their own ("person.contact") travel in the row; it is pages and calls that show them or not.
            leaks += [
                (query.name, role.name, relation, str(world.marks[m]))
                for m in marks - allowed[role.name] - given
                if "." not in world.marks[m].data_class
            ]
    assert leaks == []
