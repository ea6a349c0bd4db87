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

import pytest
from django.db import IntegrityError, models, transaction

import wushe.community.operations
import wushe.ledger.operations
from tests.gates.world import NOW, RELATIONS, TODAY, Role, World
from wushe.community.models import Skill
from wushe.community.operations import memberships, organizations, places, responsibilities, stations, venues
from wushe.community.operations.people import PeopleInvalid
from wushe.community.rules.people import NewPerson
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.ledger.operations.accounts import NewAccount
from wushe.ledger.operations.transfers import NewTransfer
from wushe.ledger.rules import Leg

pytestmark = pytest.mark.matrix


@dataclass(frozen=True)
class Operation:
    """One public function that takes `by=`."""

    name: str
    function: Callable[..., Any]
    hints: dict[str, Any]
    parameters: dict[str, inspect.Parameter]


def operations() -> list[Operation]:
    """Every operation of the rooms, read off their modules; those of community go by their short names."""
    found: dict[str, Operation] = {}
    packages = (wushe.community.operations, wushe.ledger.operations)
    for info in (i for p in packages for i in pkgutil.walk_packages(p.__path__, p.__name__ + ".")):
        module = importlib.import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("_") or inspect.unwrap(function).__module__ != info.name:
                continue
            parameters = dict(inspect.signature(function).parameters)
            # `by` by position marks what operations share among themselves, behind their gates.
            if "by" not in parameters or parameters["by"].kind is not inspect.Parameter.KEYWORD_ONLY:
                continue
            hints = get_type_hints(inspect.unwrap(function), vars(module))
            short = info.name.removeprefix("wushe.community.").removeprefix("wushe.")
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
            if kind.__name__ in world.rows[relation]:
                return world.row(relation, kind.__name__)
            return kind._default_manager.first()
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


def _new_person(world: World, relation: str) -> NewPerson:
    return NewPerson(name="新人", place_id=world.row(relation, "Place").pk)


def _fields(**more: Any) -> Callable[[World, str], dict[str, Any]]:
    """Arguments of an operation that takes the fields of one new row; functions among them are asked for the world's."""

    def make(world: World, relation: str) -> dict[str, Any]:
        return {key: value(world, relation) if callable(value) else value for key, value in more.items()}

    return make


def _many(
    argument: str, kind: type[Any], one: Callable[[World, str], dict[str, Any]]
) -> Callable[[World, str], dict[str, Any]]:
    return lambda world, relation: {argument: [kind(**one(world, relation))]}


def _at(model: str) -> Callable[[World, str], Any]:
    return lambda world, relation: world.row(relation, model)


def _id(model: str) -> Callable[[World, str], Any]:
    return lambda world, relation: world.row(relation, model).pk


def _new_account(world: World, relation: str) -> NewAccount:
    place = world.row(relation, "Place")
    return NewAccount("PROJECT", UUID(int=7), place.pk, place.path, "MINUTES")


def _new_transfer(world: World, relation: str) -> NewTransfer:
    """Out of an account at `relation`, into one that is no better known than that."""
    place, fund, source = (world.row(relation, name) for name in ("Place", "LedgerAccount", "Source"))
    legs = (Leg(fund.pk, -1), Leg(source.pk, 1))
    return NewTransfer("matrix-transfer", legs, NOW, place.pk, place.path, purpose=fund.purpose)


def _subject(world: World, relation: str) -> Any:
    return responsibilities.Subject(station=world.row(relation, "Station"))


_ORGANIZATION = _fields(name="新组织", kind="FIRM", place=_at("Place"))
_STATION = _fields(name="新站", tier="STREET", place=_at("Place"))
_VENUE = _fields(name="新场地", place=_at("Place"))
_MEMBERSHIP = _fields(person=_at("Person"), organization=_at("Organization"), capacity="MEMBER")

# Operations whose arguments are more than rows, dates and plain values.
SPECIAL: dict[str, Callable[[World, str], dict[str, Any]]] = {
    "operations.organizations.register_organization": _ORGANIZATION,
    "operations.organizations.register_organizations": _many(
        "organizations", organizations.NewOrganization, _ORGANIZATION
    ),
    "operations.stations.open_station": _STATION,
    "operations.stations.open_stations": _many("stations", stations.NewStation, _STATION),
    "operations.venues.add_venue": _VENUE,
    "operations.venues.add_venues": _many("venues", venues.NewVenue, _VENUE),
    "operations.memberships.start_membership": _MEMBERSHIP,
    "operations.memberships.start_memberships": _many("memberships", memberships.NewMembership, _MEMBERSHIP),
    "operations.responsibilities.hand_over": _fields(
        subject=_subject, capacity="OPERATOR", to=_at("Organization"), on=TODAY
    ),
    "operations.responsibilities.record_past_responsibility": _fields(
        subject=_subject,
        capacity="OPERATOR",
        organization=_at("Organization"),
        started_on=date(2020, 1, 1),
        ended_on=date(2021, 1, 1),
    ),
    "operations.places.split_place": _fields(
        place_id=_id("Place"), parts=[places.Part(name="新地方")], keep=True
    ),
    "operations.places.load_divisions": _fields(rows=[], as_of=TODAY, source="test"),
    "operations.people.create_person": _fields(values=_new_person),
    "operations.people.create_people_bulk": lambda world, relation: {"rows": [_new_person(world, relation)]},
    "operations.people.prepare_people": lambda world, relation: {"rows": [_new_person(world, relation)]},
    "operations.people.add_qualification": lambda world, relation: {
        "person_id": world.row(relation, "Person").pk,
        "skill_id": Skill.objects.get(code="matrix_skill").pk,
    },
    "operations.people.remove_qualification": _fields(qualification_id=_id("HeldQualification")),
    "operations.people.remove_contact": _fields(person_id=_id("Person"), contact_id=_id("ContactPoint")),
    "operations.people.prefer_contact": _fields(person_id=_id("Person"), contact_id=_id("ContactPoint")),
    "operations.people.mark_distinct": lambda world, relation: {
        "one_id": world.row(relation, "Person").pk,
        "other_id": world.row(relation, "Guardianship").guardian_id,
    },
    "operations.people.start_guardianship": lambda world, relation: {
        "ward_id": world.row(relation, "Guardianship").guardian_id,
        "guardian_id": world.row(relation, "Person").pk,
        "relation": "x",
    },
    "operations.merging.merge_people": lambda world, relation: {
        "kept_id": world.row(relation, "Person").pk,
        "gone_id": world.row(relation, "Guardianship").guardian_id,
    },
    "operations.merging.what_follows": lambda world, relation: {"gone_id": world.row(relation, "Person").pk},
    "operations.merging.undo_merge": _fields(merge_id=_id("PersonMerge")),
    "operations.imports.stage_rows": _fields(run=_at("ImportRun"), rows=[], progress=1),
    "operations.imports.end_check": _fields(run=_at("ImportRun"), results={}),
    "operations.imports.finish": _fields(run=_at("ImportRun"), rows=[], at=NOW),
    "operations.grants.give_grant": _fields(
        account=_at("Account"), role="COMMUNITY_WORKER", place=_at("Place")
    ),
    "ledger.operations.accounts.open_account": _fields(account=_new_account),
    "ledger.operations.accounts.open_accounts": lambda world, at: {"accounts": [_new_account(world, at)]},
    "ledger.operations.transfers.post_transfer": _fields(transfer=_new_transfer),
    "ledger.operations.transfers.post_transfers": lambda world, at: {"transfers": [_new_transfer(world, at)]},
    "ledger.operations.transfers.reverse_transfer": _fields(
        transfer_id=_id("Transfer"), key="matrix-reversal", reason="x"
    ),
}

# Operations whose gate asks for no place: each with what it asks for instead.
NO_PLACE: dict[str, str] = {
    "operations.accounts.change_password": "oneself",
    "operations.accounts.change_pin": "oneself",
    "operations.accounts.confirm_it_is_me": "oneself",
    "operations.accounts.confirm_second_factor": "oneself",
    "operations.accounts.issue_api_token": "a grant of one's own",
    "operations.accounts.renew_recovery_codes": "oneself",
    "operations.accounts.start_second_factor": "oneself",
    "operations.accounts.stop_own_second_factor": "oneself",
    "operations.accounts.end_secrets_known_to_others": "nothing: give_grant calls it behind its own gate",
    "operations.imports.open_run": "the importer's own place, whatever place the rows default to; each row is asked about later",
    "operations.people.rebuild_person_keys": "the platform",
    "operations.people.write_people": "what prepare_people returns, which is in the matrix",
    "operations.places.load_divisions": "the nation",
    "ledger.operations.goods.add_goods_item": "the platform's vocabulary",
    "operations.tallies.differing_paths": "the platform",
    "operations.tallies.recount_if_changed": "the platform",
    "operations.tallies.recount_places": "the platform",
    "operations.vocabularies.seed_vocabularies": "the platform",
}


def outcome(operation: Operation, arguments: dict[str, Any], by: Actor) -> str:
    """Call and undo: "refused" (or not to be found, which is the same to the caller), "passed" when the gate let it through
    whatever came of it, "broken" when the made-up arguments never reached a gate.
    """
    try:
        with transaction.atomic():
            operation.function(by=by, **arguments)
            transaction.set_rollback(True)
    except Problem as problem:
        return "refused" if problem.status in (403, 404) or refused_rows(problem) else "passed"
    except (RuntimeError, IntegrityError):
        return "passed"  # the gate lies behind: a try was about to be counted, or the made-up row met a constraint
    except (TypeError, AttributeError, ValueError, AssertionError, KeyError):
        return "broken"
    return "passed"


def refused_rows(problem: Problem) -> bool:
    """True when what was refused are single rows of a list, or the one row of it."""
    if problem.code == "person.refused":
        return True
    if not isinstance(problem, PeopleInvalid):
        return False
    return any(fault.code == "person.refused" for faults in problem.faults.values() for fault in faults)


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
    broken: set[str] = set()
    for operation, relation, arguments in calls(world):
        if operation.name in NO_PLACE:
            continue
        for role in roles:
            result = outcome(operation, arguments, role.actor)
            if result == "broken":
                broken.add(operation.name)
            if result == "refused":
                refused.add(operation.name)
            elif relation in ("own", "child") or role.is_national:
                passed.setdefault(operation.name, set()).add(role.name)
            else:
                through.append((operation.name, role.name, relation))
    assert through == []
    # Past its gate an operation may choke on what was made up; one that chokes on everybody was never called rightly.
    assert broken - refused == set(), "the matrix does not know how to call these"
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
