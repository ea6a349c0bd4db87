"""The matrix cut finer: every operation, query, import and export, asked by a deputy who lacks one single right.

Where two gates stand one behind the other, a visitor without any rights is held by either, and nobody can tell whether both are
there. The deputy may do everything everywhere but one thing: whatever holds the deputy back is a gate that asks for just that.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.test import Client

from tests.factories.accounts import give, make_account, sign_in
from tests.gates.surface import pages
from tests.gates.test_operations import Operation, operations, refused_rows
from tests.gates.test_operations import fill as fill_operation
from tests.gates.test_pages import arguments, page_answer
from tests.gates.test_queries import NOT_CALLED, queries, text_of
from tests.gates.test_queries import fill as fill_query
from tests.gates.world import NOW, RELATIONS, TODAY, World
from wushe.community import models as community
from wushe.community.exchange import divisions, kinds, runs, writing
from wushe.community.exchange.lookups import PlaceFinder
from wushe.community.exchange.values import Fault
from wushe.community.operations import merging, people, places
from wushe.community.queries import worklist
from wushe.community.queries.accounts import actor_for_account
from wushe.community.rules.people import NewPerson
from wushe.kernel import audit, outbox, policy
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent
from wushe.kernel.problems import Problem

Right = tuple[str, str]
"""Verb and data class."""

REFUSED = "refused"
SOON = datetime(2100, 1, 1, tzinfo=UTC)
PHONE = "13800000001"
REAL = policy.RULES
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*")  # some answers say when they were given
_VERBS = sorted({verb for rules in policy.RULES.values() for verbs in rules.values() for verb in verbs})


@contextmanager
def deputy_rights(lacking: Right | None = None, *, at_home: bool = False) -> Iterator[None]:
    """Run the block under a policy by which the deputy may do everything everywhere, but what is `lacking` nowhere, or only at home.

    Nothing is open to everyone then, so that gates before what is public today count as well.
    """
    everything = {name: dict.fromkeys(_VERBS, policy.Relation.ANY) for name in policy.data_classes()}
    home: dict[str, dict[str, policy.Relation]] = {}
    if lacking is not None:
        verb, data_class = lacking
        del everything[data_class][verb]
        if at_home:
            home = {data_class: {verb: policy.Relation.PLACE}}
    real = policy.RULES, policy.MAY_GRANT
    policy.RULES = {policy.PLATFORM_OPERATOR: everything, policy.DISTRICT_ADMIN: home}  # type: ignore[misc]  # put back below
    policy.MAY_GRANT = {policy.PLATFORM_OPERATOR: frozenset(policy.GRANTABLE_ROLES)}  # type: ignore[misc]  # likewise
    try:
        yield
    finally:
        policy.RULES, policy.MAY_GRANT = real  # type: ignore[misc]  # likewise


@dataclass(frozen=True)
class Cell:
    """One question that can be asked again and again, for it leaves nothing behind; the answer is a text, or `REFUSED`."""

    name: str
    ask: Callable[[], str]
    lacking: frozenset[Right] = frozenset()
    """Rights to be without that this cell comes past only when it is without them."""

    def answer(self) -> str:
        try:
            with transaction.atomic():
                try:
                    return _INSTANT.sub("", self.ask())
                finally:
                    transaction.set_rollback(True)
        except Problem as problem:
            is_refused = problem.status in (403, 404) or refused_rows(problem)
            return REFUSED if is_refused else f"problem {problem.code}"
        except ObjectDoesNotExist:
            return REFUSED
        except Exception as error:  # whoever gets past a gate may break anything behind it
            return f"broken {type(error).__name__}"


def deputy_of(world: World) -> Actor:
    """Return the deputy: at home at the own place, and with rows of their own outside it."""
    outside = world.row("sibling", "Place")
    account, _actor = make_account(role=policy.DISTRICT_ADMIN, place=world.row("own", "Place"), name="代理人")
    person = account.person
    person.place = outside
    person.save(update_fields=["place"])
    give(account, policy.PLATFORM_OPERATOR, national=True)
    own: dict[str, Any] = {"account": account, "token_hash": "deputy", "created_at": NOW}
    community.LoginCard.objects.create(**own, pin="x")
    community.Membership.objects.create(
        person=person, organization=world.row("foreign", "Organization"), capacity="VOLUNTEER"
    )
    community.Consent.objects.create(
        person=person, purpose="CONTACT", given_by=person, means="PAPER", given_at=NOW
    )
    actor = actor_for_account(account)
    outbox.send(
        by=actor, kind="note", subject="s", body="b", to_person=person.pk, place_path=outside.path, due_at=NOW
    )
    return actor


def furnish(world: World, deputy: Actor) -> dict[str, Any]:
    """Add what the special cells below ask about; return it by name, people as "phoned own" and so on."""
    found: dict[str, Any] = {}
    for number, relation in enumerate(RELATIONS):
        place = world.row(relation, "Place")
        found[f"phoned {relation}"] = people.create_person(
            by=deputy,
            values=NewPerson(
                name="重名" + "甲乙丙丁戊"[number], place_id=place.pk, birth_on=date(1960, 1, 1), phones=(PHONE,),
                address="路一号", identity_number="", is_volunteer=True,
            ),
        )  # fmt: skip
        community.Membership.objects.create(
            person=world.row(relation, "Person"), organization=world.row(relation, "Organization"),
            station=world.row(relation, "Station"), capacity="STAFF",
        )  # fmt: skip
        found[f"office {relation}"] = community.Organization.objects.create(
            name=f"办公室{number}", name_key=f"办公室{number}", kind="STREET_OFFICE", place=place,
            path=f"/p{number:09d}/", is_public=False, office_phone="0477-1234567", credit_code=f"{number:018d}",
        )  # fmt: skip
        community.Responsibility.objects.create(
            organization=found[f"office {relation}"], capacity="OWNER", place=place, started_on=TODAY,
            duty=community.Duty.objects.get(code="matrix_duty"),
        )  # fmt: skip
        community.Station.objects.create(name=f"空站{number}", tier="COMMUNITY", place=place, is_public=False)
        account = world.row(relation, "Account")
        community.Account.objects.filter(pk=account.pk).update(must_change_password=True, created_at=NOW)
        community.RoleGrant.objects.filter(account=account).update(
            expires_at=datetime.now(UTC) + timedelta(days=3)
        )
        AuditEvent.objects.create(
            at=NOW, actor_kind="account", actor_id=str(account.pk), target_label="community.Person", target_id="x",
            place_path=place.path, verb="x", before=None, after=None,
        )  # fmt: skip
    for code in ("MATRIX_RULE", "GRANT_ENDING_DAYS"):
        community.RuleValue.objects.update_or_create(
            code=code, region="", defaults={"value": 30, "valid_from": TODAY, "source": "x"}
        )
    for kept, gone in (("own", "foreign"), ("foreign", "own")):
        found[f"merge {kept} {gone}"] = merging.merge_people(
            by=deputy,
            kept_id=people.create_person(
                by=deputy, values=NewPerson(name="并入", place_id=world.row(kept, "Place").pk)
            ).pk,
            gone_id=people.create_person(
                by=deputy, values=NewPerson(name="并出", place_id=world.row(gone, "Place").pk)
            ).pk,
        )
    community.PlaceTally.objects.create(path="/", counted_at=SOON)
    far, level = world.row("foreign", "Place"), community.Place.Level
    found["village"] = places.create_place(
        by=deputy, parent_id=far.pk, level=level.COMMUNITY, name="远村", code="440307001001"
    )
    places.create_place(by=deputy, parent_id=found["village"].pk, level=level.GRID, name="远格")
    community.PlaceKey.objects.create(place=found["village"], level=level.COMMUNITY, key="旧村")
    found["empty"] = places.create_place(
        by=deputy,
        parent_id=world.row("sibling", "Place").pk,
        level=level.COMMUNITY,
        name="空村",
        code="150603002009",
    )
    return found


def all_cells(world: World, deputy: Actor) -> list[Cell]:
    """Return every cell; to be called once, under `deputy_rights()`."""
    extras = furnish(world, deputy)
    found: list[Cell] = []
    for operation in operations():
        for name, given in _mixed(operation, fill_operation, world):
            found.append(Cell(f"{operation.name} {name}", partial(_carried_out, operation, deputy, given)))
    for query in queries():
        if query.name not in NOT_CALLED:
            for name, given in _mixed(query, fill_query, world):
                found.append(Cell(f"{query.name} {name}", partial(_told, query, deputy, given)))
    found += _page_cells(world, deputy)
    found += _special_cells(world, deputy, extras)
    found += _exchange_cells(world, deputy, extras)
    return found


Fill = Callable[[Operation, World, str], dict[str, Any] | None]


def _mixed(operation: Operation, fill: Fill, world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield arguments that stand all at one relation, and such where one alone stands elsewhere: of several rows each has its gate."""
    if fill(operation, world, "own") is None:
        return
    for relation in RELATIONS:
        yield relation, _filled(operation, fill, world, relation)
    for home in ("own", "child"):
        for name, value in _filled(operation, fill, world, "foreign").items():
            given = _filled(operation, fill, world, home)
            if given.get(name) != value:
                yield f"{home}, {name} foreign", {**given, name: value}


def _filled(operation: Operation, fill: Fill, world: World, relation: str) -> dict[str, Any]:
    given = fill(operation, world, relation)
    assert given is not None
    return given


def _carried_out(operation: Operation, by: Actor, given: dict[str, Any]) -> str:
    operation.function(by=by, **given)
    return "passed"


def _told(query: Operation, actor: Actor, given: dict[str, Any]) -> str:
    return text_of(query.function(actor, **given), numbers=True)


def _page_cells(world: World, deputy: Actor) -> Iterator[Cell]:
    """The pages about one person: some ask for the right that the button on them will need."""
    client = Client()
    sign_in(client, community.Account.objects.get(pk=deputy.account_id))

    def status(url: str) -> str:
        code, _marks = page_answer(world, client, url)
        return REFUSED if code in (403, 404) else str(code)

    for page in pages():
        if page.name.startswith("people:") and page.parameters:
            url = page.url(arguments(world, "foreign"))
            if url is not None:
                yield Cell(f"{page.name} foreign", partial(status, url))


def _named(name: str, given: dict[str, Any]) -> str:
    return f"{name} with " + ", ".join(f"{key} {value}"[:60] for key, value in given.items())


def _special_cells(world: World, deputy: Actor, extras: dict[str, Any]) -> Iterator[Cell]:
    """Arguments that cannot be made up from names and types."""
    asked = {query.name.removeprefix("queries."): query for query in queries()}
    done = {operation.name.removeprefix("operations."): operation for operation in operations()}

    def ask(name: str, /, **given: Any) -> Cell:
        return Cell(_named(name, given), partial(_told, asked[name], deputy, given))

    def do(name: str, /, **given: Any) -> Cell:
        return Cell(_named(name, given), partial(_carried_out, done[name], deputy, given))

    foreign, own, parent = (partial(world.row, relation) for relation in ("foreign", "own", "parent"))
    far = foreign("Place")
    phoned = extras["phoned foreign"]

    yield ask("accounts.account_by_number", number=foreign("Account").number)
    yield ask("audit_trail.events", account=foreign("Account").number)
    yield ask("me.my_page")
    yield ask("organizations.organizations_named", text=extras["office foreign"].name)
    yield ask("organizations.likely_duplicates", name=extras["office foreign"].name, place=far)
    yield ask("venues.likely_duplicates", name=foreign("Venue").name, place=far)
    yield ask("parameters.rule_values", codes=["MATRIX_RULE"])
    yield ask("people.has_consent", person_id=foreign("Person").pk, purpose="CONTACT")
    yield ask("people.search_people", text=phoned.volunteer_number)
    yield ask("people.search_people", text=PHONE)
    # Whoever may see everybody has them all in the one stretch and nobody outside it.
    yield replace(ask("people.duplicate_sweep", window=500), lacking=frozenset({("view", "person")}))
    yield ask("people.recent_merges", days=100_000)
    new = NewPerson(name=phoned.name, place_id=far.pk, birth_on=phoned.birth_on)
    yield ask("people.duplicates_of_new", values=new, place_path=far.path)
    today = date.today()
    later = today + timedelta(days=2)  # the places of the matrix exist since today, wherever that is
    yield ask("places.places_by_path", paths=[far.path])
    yield ask("places.children", of=parent("Place"))
    yield ask("places.subtree_as_of", place_id=parent("Place").pk, on=later)
    yield ask("places.ancestors_as_of", place_id=own("Place").pk, on=later)
    yield ask("places.search_places", text="远村")
    yield ask("places.search_places", text=f"{far.code} 远村")
    yield ask("responsibilities.duty", code="matrix_duty")
    yield ask("responsibilities.history", station=foreign("Station"))
    yield ask("responsibilities.duty_lines", place=far)
    yield ask("societies.place_overview", place=far)
    yield ask("stations.staff", of=foreign("Station"))
    yield ask("stations.streets_without_station", roots=["/"])
    yield ask("stations.communities_without_venue", roots=["/"])
    yield ask("stations.gaps")

    yield do(
        "accounts.issue_api_token",
        grant=community.RoleGrant.objects.filter(account=deputy.account_id).latest("id"),
        name="x",
        expires_at=datetime.now(UTC) + timedelta(days=9),
    )
    yield do("tallies.recount_if_changed", at=SOON + timedelta(hours=1))
    for pair in ("own foreign", "foreign own"):
        yield do("merging.undo_merge", merge_id=extras[f"merge {pair}"].pk)
    body = extras["office foreign"]
    yield do("organizations.register_organization", name="x", kind="FIRM", place=own("Place"), parent=body)
    yield do("organizations.edit_organization", organization=body, contact_name="x")
    yield do("organizations.edit_organization", organization=own("Organization"), place=far)
    yield do("stations.edit_station", station=own("Station"), place=far)
    yield do("venues.add_venue", name="x", place=far, organization=body)
    seen = people.seen_token(phoned)
    yield do("people.edit_person", person_id=phoned.pk, seen=seen, address="x")
    yield do("people.edit_person", person_id=phoned.pk, seen=seen, identity_number="")
    here = extras["phoned own"]
    yield do("people.edit_person", person_id=here.pk, seen=people.seen_token(here), place_id=far.pk)
    ready = people.prepare_people(by=deputy, rows=[NewPerson(name="新人", place_id=far.pk)])
    yield do("people.write_people", prepared=ready)
    child = NewPerson(
        name="小新", place_id=own("Place").pk, birth_on=date(today.year - 5, 1, 1), guardian_relation="x", consent_means="PAPER"
    )  # fmt: skip
    yield do("people.create_person", values=replace(child, guardian_id=phoned.pk))

    def guardian_found() -> str:
        values = replace(child, guardian_name=phoned.name, guardian_phone=PHONE)
        ward = people.create_person(by=deputy, values=values)
        return str(community.Guardianship.objects.filter(ward=ward, guardian=phoned).exists())

    yield Cell("people.create_person with a guardian on record", guardian_found)
    yield Cell("audit.events", lambda: text_of(audit.events(deputy), numbers=True))

    # A work list tells the first day by nobody and nothing being there: asked where really nothing is.
    newcomer = make_account(role=policy.COMMUNITY_WORKER, place=extras["empty"], name="新同事")[1]

    def first_day() -> str:
        with rules_of(REAL):
            return text_of(worklist.work_list(newcomer), numbers=True)

    yield Cell("worklist.work_list on the first day", first_day)


@contextmanager
def rules_of(rules: policy.Rules) -> Iterator[None]:
    """Run the block under these rules: for cells that only a role of a certain shape comes to."""
    before, policy.RULES = policy.RULES, rules  # type: ignore[misc]  # put back below
    try:
        yield
    finally:
        policy.RULES = before  # type: ignore[misc]  # likewise


_HEADINGS = {
    "people": "姓名,出生日期,电话,所属组织,所在社区,网格",
    "organizations": "组织名称,组织类型,所在社区,网格",
    "stations": "站点名称,层级,办公场地,所在社区,网格",
    "venues": "场地名称,所在社区,网格",
}


def _exchange_cells(world: World, deputy: Actor, extras: dict[str, Any]) -> Iterator[Cell]:
    """Files in and out: their gates stand in the exchange itself."""
    far, phoned, body = world.row("foreign", "Place"), extras["phoned foreign"], extras["office foreign"]
    station, venue = world.row("foreign", "Station"), world.row("foreign", "Venue")

    def exported(kind: str) -> str:
        file = io.BytesIO()
        writing.export(by=deputy, kind=kind, to=file, format="csv")
        return file.getvalue().decode("utf-8-sig")

    def checked(kind: str, row: str, by: Actor = deputy, place: Any = None) -> community.ImportRun:
        content = f"{_HEADINGS[kind]}\n{row}\n".encode()
        run = runs.open_import(
            by=by, kind=kind, file_name="x.csv", content=content, default_place=place, keep_file=False
        )
        return runs.check(by=by, run=run, content=content)

    def report(kind: str, row: str, place: Any = None) -> str:
        run = checked(kind, row, place=place)
        rows = community.ImportedRow.objects.filter(run=run)
        return " ".join(f"{row.action} {row.report} {row.place_id}" for row in rows)

    for kind in _HEADINGS:
        yield Cell(f"export of {kind}", partial(exported, kind))
    for kind, row in (
        ("people", f"{phoned.name},1960-01-01,{PHONE},{body.name},{far.code},"),
        ("people", "新人,1960-01-01,,,远村,"),
        ("people", "新人,1960-01-01,,,旧村,"),
        ("organizations", f"{body.name},街道办事处,{far.code},"),
        ("stations", f"{station.name},街道社工站,{venue.name},{far.code},"),
        ("venues", f"{venue.name},{far.code},"),
    ):
        yield Cell(f"import of {kind}: {row}", partial(report, kind, row))
    in_village = partial(report, "people", "新人,1960-01-01,,,,远格", extras["village"])
    yield Cell("import of people into a grid of the default place", in_village)
    staged = checked("people", f"新人,1960-01-01,,,{far.code},")
    yield Cell("import of people carried out", lambda: str(runs.carry_out(by=deputy, run=staged).status))
    community.ImportRun.objects.filter(pk=staged.pk).update(place=far)
    staged.refresh_from_db()
    yield Cell(
        "import of people made ready", lambda: str(kinds.handler("people").prepare(by=deputy, run=staged))
    )
    yield Cell("find_run", lambda: str(runs.find_run(deputy, staged.pk)))
    yield Cell("find_runs", lambda: text_of(runs.find_runs(deputy)))

    def loaded() -> str:
        divisions.load(by=deputy, codes=["99"])
        return "passed"

    yield Cell("load divisions", loaded)

    everywhere = {"view": policy.Relation.ANY}
    worker = make_account(role=policy.COMMUNITY_WORKER, place=extras["village"], name="社工")[1]
    manager = make_account(
        role=policy.ORGANIZATION_MANAGER, organization=world.row("own", "Organization"), name="负责人"
    )[1]

    def only_place() -> str:
        rights = dict.fromkeys(("view", "create", "edit"), policy.Relation.PLACE)
        with rules_of({policy.COMMUNITY_WORKER: {"person": rights, "import": rights}}):
            return str(checked("people", "新人,1960-01-01,,,,", by=worker).default_place_id)

    def home_of_manager() -> str:
        rights = {"create": policy.Relation.ORGANIZATION}
        with rules_of({policy.ORGANIZATION_MANAGER: {"person": rights, "place": everywhere}}):
            try:
                return str(PlaceFinder(manager, "person").find((world.row("own", "Place").code,)).pk)
            except Fault:
                return REFUSED

    yield Cell("the one place of a worker", only_place)
    yield Cell("the county of an organization", home_of_manager)
