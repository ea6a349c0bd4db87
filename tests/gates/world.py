"""A small country in which everything bears a mark that says whose it is.

Five places stand to the grants under test as own, child, parent, sibling and foreign; in each of them there is one row of
every kind of record, with a mark in every text field. What an actor is shown can then be read off the marks in the answer.
"""

import copy
import itertools
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.db import models

from wushe.community import models as community
from wushe.community.rules.accounts import token_hash
from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.ids import new_id
from wushe.kernel.models import AuditEvent
from wushe.kernel.scoping import ScopedModel
from wushe.ledger import models as ledger

RELATIONS = ("own", "child", "parent", "sibling", "foreign")
NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
TODAY = date(2026, 1, 5)
PASSWORD = "matrix-test-password"

MARK = re.compile(r"mk(own|child|parent|sibling|foreign)[a-z0-9]+?zz")

# Parts of a record that need a right of their own: (model, field) → data class. Everything else bears its model's class.
PARTS = {
    ("Person", "address"): "person.contact",
    ("Person", "identity_number"): "person.identity",
    ("Person", "note"): "person.contact",
    ("Organization", "contact_name"): "organization.contact",
    ("Organization", "contact_phone"): "organization.contact",
}
# Columns that no page ever shows, or whose content is computed.
_UNMARKED = {
    "path",
    "name_key",
    "pinyin",
    "initials",
    "token_hash",
    "value_index",
    "tail_index",
    "identity_index",
    "phone_index",
    "digest",
    "password",
    "pin",
    "code",
    "role",
    "second_factor",
    "credit_code",
    "hash_name",
    "target_id",
    "actor_id",
    "actor_person_id",
    "actor_kind",
    "before",
    "after",
    "place_path",
    "target_label",
}


@dataclass(frozen=True)
class Mark:
    """What one mark stands for."""

    relation: str
    model: str
    field: str
    data_class: str


@dataclass
class World:
    """The rows, by relation and model name, and what each mark means."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)

    def row(self, relation: str, model: str) -> Any:
        """Return the row as its own object: operations change the objects they are given."""
        return copy.copy(self.rows[relation][model])

    def marks_in(self, text: str) -> set[str]:
        """Return the marks that stand in `text`, however it is escaped."""
        return {found.group(0) for found in MARK.finditer(text)} & self.marks.keys()


def _label(number: int) -> str:
    return f"o{number:09d}"


def build() -> World:
    """Write the country into the (empty) database and return what stands where."""
    world = World()
    counter = itertools.count()

    def mark(model: str, column: models.Field[Any, Any], relation: str) -> str:
        code = f"mk{relation}{next(counter):x}zz"
        limit = column.max_length or 10_000
        assert len(code) <= limit, f"{model}.{column.name} is too short for {code}"
        own_class = getattr(
            getattr(apps.get_model(_ROOM.get(model, "community"), model), "Scope", None),
            "data_class",
            "",
        )
        world.marks[code] = Mark(relation, model, column.name, PARTS.get((model, column.name), own_class))
        return code

    def make(relation: str, model: type[models.Model], **values: Any) -> Any:
        name = model.__name__
        for column in model._meta.concrete_fields:
            if column.name in values or column.name in _UNMARKED or column.choices:
                continue
            if isinstance(column, (models.CharField, models.TextField)) and not (
                column.max_length and column.max_length < 16
            ):
                values[column.name] = mark(name, column, relation)
        row = model._default_manager.create(**values)
        if relation in RELATIONS:
            world.rows.setdefault(relation, {}).setdefault(name, row)
        return row

    def place(relation: str | None, level: int, code: str, parent: Any) -> Any:
        path = f"{parent.path if parent else '/'}{code}/"
        values = {"level": level, "code": code, "parent": parent, "path": path}
        plain = {
            "name": f"地方{code}",
            "name_key": f"地方{code}",
            "pinyin": f"difang{code}",
            "initials": f"df{code}",
        }
        if relation is None:
            return community.Place.objects.create(**values, **plain)
        # Places are public: their marks may stand anywhere, but they must stand on their own pages.
        return make(relation, community.Place, **values)

    province = place(None, 1, "15", None)
    city = place(None, 2, "1506", province)
    county = place("parent", 3, "150603", city)
    street = place("own", 4, "150603001", county)
    sibling = place("sibling", 4, "150603002", county)
    child = place("child", 5, "150603001001", street)
    place(None, 5, "150603002001", sibling)
    other = place(None, 3, "440307", place(None, 2, "4403", place(None, 1, "44", None)))
    foreign = place("foreign", 4, "440307001", other)
    places = {"own": street, "child": child, "parent": county, "sibling": sibling, "foreign": foreign}

    organizations: dict[str, Any] = {}
    tree = {"parent": None, "own": "parent", "sibling": "parent", "child": "own", "foreign": None}
    for number, (relation, above) in enumerate(tree.items()):
        parent = organizations.get(above or "")
        organizations[relation] = make(
            relation,
            community.Organization,
            kind=community.Organization.Kind.VOLUNTEER_TEAM,
            place=places[relation],
            parent=parent,
            path=f"{parent.path if parent else '/'}{_label(number)}/",
            is_public=False,
        )
        community.OrganizationKey.objects.create(
            organization=organizations[relation], kind="N", key=organizations[relation].name
        )

    skill = community.Skill.objects.create(code="matrix_skill", name="技能", name_en="Skill")
    duty = community.Duty.objects.create(code="matrix_duty", name="职责", name_en="Duty")
    for number, relation in enumerate(RELATIONS):
        _fill(world, make, relation, number, places[relation], organizations[relation], skill, duty)
    return world


_ROOM = {"AuditEvent": "kernel", "OutboxMessage": "kernel", "LedgerAccount": "ledger"}


def _fill(
    world: World, make: Any, relation: str, number: int, place: Any, organization: Any, skill: Any, duty: Any
) -> None:
    def person(**values: Any) -> Any:
        row = make(relation, community.Person, place=place, birth_on=date(1960, 1, 1), **values)
        labels = [*place.path.strip("/").split("/"), "", ""]
        community.PersonKey.objects.create(
            person=row, kind="N", key=row.name, county=labels[2], street=labels[3]
        )
        return row

    one, guardian, second = person(), person(), person()
    for who in (one, guardian, second):
        make(relation, community.Membership, person=who, organization=organization, capacity="VOLUNTEER")
    make(
        relation,
        community.ContactPoint,
        person=one,
        kind="PHONE",
        value_index=f"{number:032x}",
        is_primary=True,
    )
    make(relation, community.Guardianship, ward=one, guardian=guardian, started_on=TODAY)
    make(
        relation,
        community.Consent,
        person=one,
        purpose="CONTACT",
        given_by=one,
        means="PAPER",
        given_at=NOW,
    )
    make(relation, community.HeldQualification, person=one, skill=skill, issued_on=TODAY)
    make(
        relation,
        community.PersonMerge,
        kept=one,
        gone=second,
        merged_at=NOW,
        undo_until=NOW + timedelta(days=36_500),
        moved={},
    )
    venue = make(relation, community.Venue, place=place, organization=organization, is_public=False)
    station = make(relation, community.Station, tier="STREET", place=place, venue=venue, is_public=False)
    make(
        relation,
        community.Responsibility,
        organization=organization,
        capacity="OWNER",
        station=station,
        started_on=TODAY,
    )
    make(
        relation,
        community.ImportRun,
        place=place,
        kind="people",
        digest="0" * 64,
        created_at=NOW,
        row_count=1,
        created_count=1,
        updated_count=0,
        unchanged_count=0,
    )
    account = make(
        relation,
        community.Account,
        person=one,
        password=make_password(PASSWORD, hasher="md5"),
        is_active=True,
    )
    grant = make(
        relation,
        community.RoleGrant,
        account=account,
        role=policy.DISTRICT_VIEWER,
        place=place,
        granted_at=NOW,
    )
    make(
        relation,
        community.ApiToken,
        grant=grant,
        token_hash=f"t{number}",
        created_at=NOW,
        expires_at=NOW + timedelta(days=36_500),
    )
    make(relation, community.LoginCard, account=account, token_hash=f"c{number}", pin="x", created_at=NOW)
    make(
        relation,
        community.Invitation,
        account=account,
        token_hash=f"i{number}",
        created_at=NOW,
        expires_at=NOW + timedelta(days=36_500),
    )
    _fill_book(world, make, relation, place, organization)
    make(
        relation,
        AuditEvent,
        at=NOW,
        actor_kind="account",
        target_label="community.Person",
        target_id=str(one.id),
        place_path=place.path,
        before=None,
        after=None,
    )


def _fill_book(world: World, make: Any, relation: str, place: Any, organization: Any) -> None:
    """Two accounts of made-up holders, and one transfer between them."""
    kept = {"place_id": place.pk, "place_path": place.path, "organization_path": organization.path}
    fund, source = (
        make(
            relation,
            ledger.LedgerAccount,
            **kept,
            holder_kind=kind,
            holder_id=new_id(),
            unit="MINUTES",
            floor=floor,
            spend_place_path="",
            balance=balance,
            entry_count=1,
            opened_at=NOW,
        )
        for kind, floor, balance in (("FUND", 0, 5), ("PERSON", None, -5))
    )
    moved = ledger.Transfer.objects.create(
        key=f"matrix-{relation}", digest="x", effective_at=NOW, recorded_at=NOW, place_id=place.pk
    )
    world.rows[relation]["Transfer"] = moved
    world.rows[relation]["Source"] = source
    for account in (fund, source):
        row = ledger.Entry.objects.create(
            transfer=moved, account=account, sequence=1, amount=account.balance, balance=account.balance
        )
        world.rows[relation].setdefault("Entry", row)


@dataclass(frozen=True)
class Role:
    """One column of the matrix: an actor, and the account to sign in as (None for somebody not signed in)."""

    name: str
    actor: Actor
    account: Any = None
    token: str = ""

    @property
    def is_national(self) -> bool:
        return any(grant.place_path == "/" for grant in self.actor.grants)


def roles(world: World) -> list[Role]:
    """Return one actor for each role at the own place and, where the role can be held there, at the own organization."""
    elsewhere = community.Place.objects.get(code="150603002001")
    made = [Role("ANONYMOUS", Actor.anonymous())]
    columns: list[tuple[str, str | None]] = [("SIGNED_IN", None)]
    for role in policy.GRANTABLE_ROLES:
        relations = {relation for verbs in policy.RULES[role].values() for relation in verbs.values()}
        if role == policy.PLATFORM_OPERATOR:
            columns.append((role, "nation"))  # may be held for the whole nation only
            continue
        if relations & {policy.Relation.PLACE, policy.Relation.PLACE_OR_ORGANIZATION}:
            columns.append((role, "place"))
        if relations & {policy.Relation.ORGANIZATION, policy.Relation.PLACE_OR_ORGANIZATION}:
            columns.append((role, "organization"))
    for number, (role, scope) in enumerate(columns):
        person = community.Person.objects.create(
            name=f"演员{number}", name_key=f"演员{number}", place=elsewhere
        )
        account = community.Account.objects.create(
            number=f"90000{number:04d}", person=person, password=make_password(PASSWORD, hasher="md5")
        )
        grants: tuple[Grant, ...] = ()
        if scope is not None:
            at = {"is_national": True} if scope == "nation" else {scope: world.row("own", scope.capitalize())}
            row = community.RoleGrant.objects.create(account=account, role=role, granted_at=NOW, **at)
            grants = (
                Grant(
                    role,
                    place_path="/" if scope == "nation" else at["place"].path if scope == "place" else None,
                    organization_path=at["organization"].path if scope == "organization" else None,
                    grant_id=row.id,
                ),
            )
        actor = Actor("account", person.name, account.id, person.id, grants)
        token = ""
        if scope is not None:
            token = f"{number:02d}" + "matrix-token" * 3
            community.ApiToken.objects.create(
                grant_id=grants[0].grant_id,
                name="matrix",
                token_hash=token_hash(token),
                is_read_only=False,
                created_at=NOW,
                expires_at=NOW + timedelta(days=36_500),
            )
        made.append(Role(f"{role}@{scope}" if scope else role, actor, account, token))
    return made


def scoped_models() -> list[type[ScopedModel]]:
    """Every concrete model behind the read gate."""
    return [model for model in apps.get_models() if issubclass(model, ScopedModel)]


def allowed_marks(world: World, actor: Actor) -> set[str]:
    """Return the marks that `actor` may be shown, by the policy on each row's own facts."""
    shown: set[str] = set()
    known: dict[tuple[str, str, str], bool] = {}
    for code, meaning in world.marks.items():
        key = (meaning.relation, meaning.model, meaning.data_class)
        if key not in known:
            row = world.row(meaning.relation, meaning.model)
            known[key] = policy.allows(actor, "view", row.facts(meaning.data_class))
        if known[key]:
            shown.add(code)
    return shown


def ids_of(world: World, relation: str) -> dict[str, UUID]:
    """Return URL arguments for `relation`: `person_id`, `organization_id` … as pages name them."""
    names = {model: re.sub(r"(?<!^)(?=[A-Z])", "_", model).lower() for model in world.rows[relation]}
    return {f"{name}_id": world.row(relation, model).pk for model, name in names.items()}
