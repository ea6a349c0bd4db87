"""Every operation × every role × every relation: called directly, below pages and API, so that no door in front can hide a missing gate.

An operation's first line is `policy.require`. So what the rest of the arguments are worth does not matter here: whoever has no
right must get `Refused`, whoever has it anything else.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, get_type_hints
from uuid import UUID

from django.db import models, transaction

import wushe.community.exchange
import wushe.community.operations
from tests.gates.world import NOW, RELATIONS, TODAY, Role, World
from wushe.kernel import policy
from wushe.kernel.actor import Actor


@dataclass(frozen=True)
class Operation:
    """One public function that takes `by=`."""

    name: str
    function: Callable[..., Any]
    hints: dict[str, Any]
    parameters: dict[str, inspect.Parameter]


def operations() -> list[Operation]:
    """Every operation of the room, read off its modules."""
    found: dict[str, Operation] = {}
    for package in (wushe.community.operations, wushe.community.exchange):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for name, function in inspect.getmembers(module, inspect.isfunction):
                if name.startswith("_") or inspect.unwrap(function).__module__ != info.name:
                    continue
                parameters = dict(inspect.signature(function).parameters)
                if "by" not in parameters:
                    continue
                hints = get_type_hints(inspect.unwrap(function), vars(module) | {"Callable": Callable})
                short = info.name.removeprefix("wushe.community.")
                found[f"{short}.{name}"] = Operation(f"{short}.{name}", function, hints, parameters)
    return list(found.values())


def fill(operation: Operation, world: World, relation: str) -> dict[str, Any] | None:
    """Return arguments whose target stands at `relation`, or None when one of them cannot be made up."""
    if operation.name in SPECIAL:
        return SPECIAL[operation.name](world, relation)
    filled: dict[str, Any] = {}
    for name, parameter in operation.parameters.items():
        if name == "by":
            continue
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        value = _value(name, operation.hints.get(name), world, relation)
        if value is not None:
            filled[name] = value
        elif parameter.default is inspect.Parameter.empty:
            return None
    return filled


_PLACE_IDS = {"parent_id", "to_id", "from_id", "into_id", "place_id"}


def _value(name: str, hint: Any, world: World, relation: str) -> Any:
    kinds = (
        [hint]
        if isinstance(hint, type)
        else [kind for kind in getattr(hint, "__args__", ()) if isinstance(kind, type)]
    )
    for kind in kinds:
        if issubclass(kind, models.Model):
            return world.rows[relation].get(kind.__name__) or kind._default_manager.first()
    if name in _PLACE_IDS:
        return world.row(relation, "Place").pk
    if UUID in kinds and name.endswith("_id"):
        model = "".join(part.capitalize() for part in name.removesuffix("_id").split("_"))
        return world.row(relation, model).pk if model in world.rows[relation] else None
    plain: dict[type, Any] = {
        str: "x",
        bool: False,
        int: 4,
        float: 1.0,
        Decimal: Decimal(1),
        date: TODAY,
        datetime: NOW,
        bytes: b"",
        UUID: UUID(int=0),
    }
    return next((plain[kind] for kind in kinds if kind in plain), None)


def _new_person(world: World, relation: str) -> Any:
    from wushe.community.rules.people import NewPerson

    return NewPerson(name="新人", place_id=world.row(relation, "Place").pk)


def _bulk(module: str, kind: str, argument: str, **more: Any) -> Callable[[World, str], dict[str, Any]]:
    def make(world: World, relation: str) -> dict[str, Any]:
        new = getattr(importlib.import_module(f"wushe.community.operations.{module}"), kind)
        values = {key: value(world, relation) if callable(value) else value for key, value in more.items()}
        return {argument: [new(**values)]}

    return make


def _at(model: str) -> Callable[[World, str], Any]:
    return lambda world, relation: world.row(relation, model)


def _subject(world: World, relation: str, **more: Any) -> dict[str, Any]:
    from wushe.community.operations.responsibilities import Subject

    return {"subject": Subject(station=world.row(relation, "Station")), "capacity": "OPERATOR", **more}


# Operations whose arguments are more than one row, a date and plain values.
SPECIAL: dict[str, Callable[[World, str], dict[str, Any] | None]] = {}

# Operations that hold at no place, or that belong to oneself: their gate is asked another way, named here with the reason.
NO_PLACE: dict[str, str] = {}


def outcome(operation: Operation, arguments: dict[str, Any], by: Actor) -> str:
    """Call and undo: "refused", or "passed" when the gate let it through (whatever came of it)."""
    try:
        with transaction.atomic():
            operation.function(by=by, **arguments)
            transaction.set_rollback(True)
    except policy.Refused:
        return "refused"
    except Exception:  # beyond the gate anything may follow from made-up arguments
        return "passed"
    return "passed"


def calls(world: World) -> Iterator[tuple[Operation, str, dict[str, Any]]]:
    for operation in operations():
        for relation in RELATIONS:
            arguments = fill(operation, world, relation)
            if arguments is not None:
                yield operation, relation, arguments


def test_every_operation_is_in_the_matrix(world: World) -> None:
    missing = [op.name for op in operations() if op.name not in NO_PLACE and fill(op, world, "own") is None]
    assert missing == [], "say in SPECIAL how to call these, or in NO_PLACE why they have no place"


def test_rights_end_at_the_edge_of_the_subtree(world: World, roles: list[Role]) -> None:
    """The oracle is the map: outside own and child, no granted role gets past any operation's gate."""
    through: list[tuple[str, str, str]] = []
    passed: dict[str, set[str]] = {}
    refused: set[str] = set()
    for operation, relation, arguments in calls(world):
        if operation.name in NO_PLACE:
            continue
        for role in roles:
            result = outcome(operation, arguments, role.actor)
            if result == "refused":
                refused.add(operation.name)
            elif relation in ("own", "child"):
                passed.setdefault(operation.name, set()).add(role.name)
            elif role.actor.grants or relation != "own":
                through.append((operation.name, role.name, relation))
    assert through == []
    never = sorted({op.name for op in operations()} - passed.keys() - NO_PLACE.keys())
    assert never == [], "no role may call these at all"
    open_to_all = sorted({op.name for op in operations()} - refused - NO_PLACE.keys())
    assert open_to_all == [], "these refuse nobody"


def test_nobody_without_a_role_changes_anything(world: World, roles: list[Role]) -> None:
    for operation, relation, arguments in calls(world):
        if operation.name in NO_PLACE:
            continue
        for role in roles[:2]:  # not signed in, and signed in without any grant: the rows are other people's
            assert outcome(operation, arguments, role.actor) == "refused", (
                operation.name,
                role.name,
                relation,
            )
