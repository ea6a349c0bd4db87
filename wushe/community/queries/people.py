"""Read people: find them by name, reading or number inside what the actor may see; one person's file; likely duplicates.

The search goes in two steps. First the keys (`PersonKey`): one index range, narrowed to the county or street the actor may see,
of which only the first few dozen are read. Then those people, through the read gate. So its cost does not grow with the
number of people, and a key can never show anybody the gate would not.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from wushe.community.models import (
    Consent,
    ContactPoint,
    DistinctPair,
    Guardianship,
    HeldQualification,
    Membership,
    Person,
    PersonKey,
    PersonMerge,
)
from wushe.community.queries.parameters import rule_values
from wushe.community.rules import people as rules
from wushe.kernel import audit, crypto, policy
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name, mask_identity, mask_phone, normalize_phone

SEARCH_LIMIT: Final = 50
PHONE_PURPOSE: Final = "person.phone"
TAIL_PURPOSE: Final = "person.phone_tail"
EMAIL_PURPOSE: Final = "person.email"
WECHAT_PURPOSE: Final = "person.wechat"
IDENTITY_PURPOSE: Final = "person.identity"
_SMALL_ORGANIZATION: Final = 2000
# Sealed columns cost time to open: lists leave them closed.
_CLOSED: Final = ("address", "identity_number", "note")


class PersonNotFound(Problem):
    """There is no such person, or the actor may not see them."""

    code = "person.not_found"
    status = 404


# --- indexes of numbers -----------------------------------------------------------------------------------------------


def phone_index(digits: str) -> str:
    """Return the blind index of a normalized phone number."""
    return crypto.blind_index(digits, PHONE_PURPOSE)


def tail_index(digits: str) -> str:
    """Return the blind index of the last four digits."""
    return crypto.blind_index(digits[-4:], TAIL_PURPOSE)


def contact_index(kind: str, value: str) -> str:
    """Return the blind index of a contact value of `kind`, already cleaned."""
    if kind == ContactPoint.Kind.PHONE:
        return phone_index(value)
    return crypto.blind_index(
        value.casefold(), EMAIL_PURPOSE if kind == ContactPoint.Kind.EMAIL else WECHAT_PURPOSE
    )


def identity_index(number: str) -> str:
    """Return the blind index of a cleaned identity number; both lengths of one number have the same. "" for none."""
    return crypto.blind_index(rules.full_identity(number), IDENTITY_PURPOSE) if number else ""


def rule_number(actor: Actor, code: str, *, place_path: str = "/", on: date | None = None) -> int:
    """Return a whole-number rule value of this room in force on a day; where no row says otherwise, what the law or the system says."""
    found = rule_values(actor, [code], place_path=place_path, on=on).get(code)
    return rules.WITHOUT_ROW[code] if found is None else int(found.value)


# --- one person -------------------------------------------------------------------------------------------------------


def person(actor: Actor, person_id: UUID, *, verb: str = "view") -> Person:
    """Return the person with their place. Raises `PersonNotFound`. A merged row is returned as such: follow `merged_into_id`.

    Address, note and identity number are not loaded: they need rights of their own, see `person_file`.
    """
    return _person(Person.objects.visible_to(actor, verb).defer(*_CLOSED), person_id)


def _person(rows: QuerySet[Person], person_id: UUID) -> Person:
    found = rows.select_related("place").filter(pk=person_id).first()
    if found is None:
        raise PersonNotFound(_("没有找到这个人：可能不在您负责的范围内，请从人员列表重新查找。"))
    return found


@dataclass(frozen=True, slots=True)
class ContactShown:
    """One way to reach somebody, as it may be shown: masked."""

    id: UUID
    kind: str
    kind_label: str
    masked: str
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Tie:
    """A guardianship seen from one side: the other person, and whether they are the guardian."""

    id: UUID
    person_id: UUID
    name: str
    relation: str
    is_guardian: bool
    started_on: date
    ended_on: date | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Somebody who may be the same person."""

    id: UUID
    name: str
    place_name: str
    birth_on: date | None
    score: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PersonFile:
    """All that a person's page shows to one actor; what the actor may not see is empty."""

    person: Person
    age: int | None
    needs_guardian: bool
    contacts: tuple[ContactShown, ...]
    contact_barred: bool
    address: str
    note: str
    identity_masked: str
    has_identity: bool
    memberships: tuple[Membership, ...]
    qualifications: tuple[HeldQualification, ...]
    ties: tuple[Tie, ...]
    consents: tuple[Consent, ...]
    merges: tuple[PersonMerge, ...]
    duplicates: tuple[Duplicate, ...]
    rights: frozenset[str]

    def may(self, right: str) -> bool:
        """True when the actor holds `right`, written "verb data_class"."""
        return right in self.rights


_RIGHTS: Final = (
    ("edit", "person"), ("merge", "person"), ("export", "person"), ("erase", "person"),
    ("view", "person.contact"), ("edit", "person.contact"), ("view", "person.identity"), ("edit", "person.identity"),
    ("create", "membership"), ("create", "qualification"), ("edit", "qualification"),
    ("create", "guardianship"), ("edit", "guardianship"), ("create", "consent"), ("edit", "consent"), ("view", "audit"),
    ("create", "account"),
)  # fmt: skip


def person_file(actor: Actor, person_id: UUID) -> PersonFile:
    """Return everything `actor` may see of one person; eleven queries, however much there is. Raises `PersonNotFound`."""
    row = _person(Person.objects.visible_to(actor), person_id)
    # Kept apart from the row, so that whoever is handed the file finds in it only what its rights allow.
    closed = {name: row.__dict__.pop(name) for name in _CLOSED}
    facts = row.facts()
    rights = frozenset(
        f"{verb} {data_class}"
        for verb, data_class in _RIGHTS
        if policy.allows(actor, verb, replace(facts, data_class=data_class))
    )
    consents = tuple(
        Consent.objects.visible_to(actor)
        .filter(person=row)
        .select_related("given_by")
        .order_by("withdrawn_at", "-given_at")
    )
    sees_contact = "view person.contact" in rights
    reached_by = _contact_rows(actor, row.pk)
    age = None if row.birth_on is None else rules.age_on(row.birth_on, timezone.localdate())
    active = row.status == Person.Status.ACTIVE
    return PersonFile(
        person=row,
        age=age,
        needs_guardian=age is not None and age < 18 and age < rule_number(actor, rules.GUARDIAN_CONSENT_AGE, place_path=row.place.path),
        contacts=tuple(_shown(contact) for contact in reached_by),
        contact_barred=_is_barred(consents),
        address=closed["address"] if sees_contact else "",
        note=closed["note"] if sees_contact else "",
        identity_masked=mask_identity(closed["identity_number"]) if "view person.identity" in rights else "",
        has_identity=bool(row.identity_index) and bool(rights & {"view person.identity", "edit person.identity"}),
        memberships=tuple(
            Membership.objects.visible_to(actor)
            .filter(person=row).select_related("organization", "station").order_by("ended_on", "-started_on", "pk")
        ),
        qualifications=tuple(
            HeldQualification.objects.visible_to(actor).filter(person=row).select_related("skill").order_by("-issued_on", "pk")
        ),
        ties=_ties(actor, row.pk),
        consents=consents,
        merges=tuple(
            PersonMerge.objects.filter(kept=row, undone_at__isnull=True, undo_until__gt=timezone.now())
            .select_related("gone").order_by("-merged_at")
        )
        if "merge person" in rights
        else (),
        duplicates=_likely(actor, traits_of(row, (c.value_index for c in reached_by)), 5, besides=row.pk)
        if active and "edit person" in rights
        else (),
        rights=rights,
    )  # fmt: skip


def contacts(actor: Actor, person_id: UUID) -> tuple[ContactShown, ...]:
    """Return the ways to reach a person, masked, the primary one of each kind first. Clear values: `operations.people.reveal_contact`."""
    return tuple(_shown(row) for row in _contact_rows(actor, person_id))


def _contact_rows(actor: Actor, person_id: UUID) -> list[ContactPoint]:
    return list(
        ContactPoint.objects.visible_to(actor)
        .filter(person_id=person_id)
        .order_by("kind", "-is_primary", "pk")
    )


def _shown(row: ContactPoint) -> ContactShown:
    return ContactShown(
        row.pk, row.kind, row.get_kind_display(), masked_contact(row.kind, row.value), row.is_primary
    )


def masked_contact(kind: str, value: str) -> str:
    """Return a contact value as lists show it."""
    if kind == ContactPoint.Kind.PHONE:
        return mask_phone(value)
    head, at, domain = value.partition("@")
    return f"{head[:1]}***{at}{domain}"


def _ties(actor: Actor, person_id: UUID) -> tuple[Tie, ...]:
    rows = (
        Guardianship.objects.visible_to(actor)
        .filter(Q(ward_id=person_id) | Q(guardian_id=person_id))
        .select_related("ward", "guardian")
        .order_by("ended_on", "-started_on", "pk")
    )
    found = []
    for row in rows:
        other = row.guardian if row.ward_id == person_id else row.ward
        found.append(
            Tie(
                row.pk,
                other.pk,
                other.name,
                row.relation,
                row.ward_id == person_id,
                row.started_on,
                row.ended_on,
            )
        )
    return tuple(found)


def history(actor: Actor, row: Person) -> list[AuditEvent]:
    """Return the latest changes to a person's own row that the actor may read, newest first."""
    return list(audit.events(actor, target=row)[:100])


# --- consents ---------------------------------------------------------------------------------------------------------


def has_consent(actor: Actor, person_id: UUID, purpose: str) -> bool:
    """True when a consent for `purpose` is in force at this moment and `actor` may know it."""
    return (
        Consent.objects.visible_to(actor)
        .filter(person_id=person_id, purpose=purpose, withdrawn_at__isnull=True)
        .exists()
    )


def consenting(actor: Actor, person_ids: Collection[UUID], purpose: str) -> set[UUID]:
    """Return those of `person_ids` with a consent for `purpose` in force at this moment."""
    rows = Consent.objects.visible_to(actor).filter(
        person_id__in=person_ids, purpose=purpose, withdrawn_at__isnull=True
    )
    return set(rows.values_list("person_id", flat=True))


def _is_barred(consents: Iterable[Consent]) -> bool:
    """True when consent to be contacted was given once and none is in force: who never was asked is not barred."""
    states = [row.withdrawn_at is None for row in consents if row.purpose == Consent.Purpose.CONTACT]
    return bool(states) and not any(states)


# --- rows of lists ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person as a list shows them; `why` is the kind of key that matched ("" in a plain list)."""

    id: UUID
    name: str
    sex: str
    sex_label: str
    birth_on: date | None
    age: int | None
    place_name: str
    place_path: str
    volunteer_number: str
    phone: str
    roles: tuple[str, ...]
    why: str = ""


def rows_of(actor: Actor, people: Sequence[Person], why: dict[UUID, str] | None = None) -> list[PersonRow]:
    """Return list rows for `people` (already visible, places loaded) in their order; two queries for any number."""
    ids = [row.pk for row in people]
    phones: dict[UUID, str] = {}
    for contact in ContactPoint.objects.visible_to(actor).filter(
        person_id__in=ids, kind=ContactPoint.Kind.PHONE, is_primary=True
    ):
        phones[contact.person_id] = mask_phone(contact.value)
    roles: dict[UUID, list[str]] = defaultdict(list)
    for membership in (
        Membership.objects.visible_to(actor)
        .filter(person_id__in=ids, ended_on__isnull=True)
        .select_related("organization")
        .order_by("pk")
    ):
        roles[membership.person_id].append(
            f"{membership.organization.name} · {membership.get_capacity_display()}"
        )
    today = timezone.localdate()
    return [
        PersonRow(
            id=row.pk,
            name=row.name,
            sex=row.sex,
            sex_label=row.get_sex_display() if row.sex != Person.Sex.UNKNOWN else "",
            birth_on=row.birth_on,
            age=None if row.birth_on is None else rules.age_on(row.birth_on, today),
            place_name=row.place.name,
            place_path=row.place.path,
            volunteer_number=row.volunteer_number or "",
            phone=phones.get(row.pk, ""),
            roles=tuple(roles.get(row.pk, ())),
            why=(why or {}).get(row.pk, ""),
        )
        for row in people
    ]


# --- scope of a search ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where to look: place subtrees (alternatives), organization subtrees (alternatives to them), people (likewise)."""

    places: tuple[str, ...]
    organizations: tuple[str, ...]
    people: tuple[UUID, ...]
    within: str


def _scope(actor: Actor, within: str) -> _Scope:
    reach = policy.reach(actor, "view", "person")
    if reach.everything:
        return _Scope((within,), (), (), within)
    places = rules.outermost(
        within if within.startswith(path) else path
        for path in reach.place_paths
        if within.startswith(path) or path.startswith(within)
    )
    own: tuple[UUID, ...] = ()
    if reach.own is not None and not places and not reach.organization_paths:
        wards = Guardianship.objects.filter(guardian_id=reach.own).values_list("ward_id", flat=True)
        own = (reach.own, *wards)
    return _Scope(tuple(places), tuple(sorted(reach.organization_paths)), own, within)


def _lives_in(paths: Iterable[str]) -> Exists:
    inside = reduce(or_, (Q(place__path__prefix=path) for path in paths))
    return Exists(Person.objects.filter(inside, pk=OuterRef("person_id")))


def _living_in(paths: Iterable[str]) -> Q:
    inside = reduce(or_, (Q(place__path__prefix=path) for path in paths))
    return Q(person_id__in=Person.objects.filter(inside).values("pk"))


def _narrowed(paths: Sequence[str], *, all_keys: bool = False) -> list[Q]:
    """Return conditions on `PersonKey`, one for each index that serves, that together say "lives in one of `paths`".

    `all_keys` is for lists, which go through every key of a street: there the people of a community are gathered once, whereas
    a search asks of the few keys it finds where each person lives.
    """
    by_depth: dict[int, list[str]] = defaultdict(list)
    for path in paths:
        by_depth[min(path.count("/") - 1, 5)].append(path)
    found: list[Q] = []
    if 0 in by_depth:
        return [Q()]
    if counties := by_depth.get(3):
        labels = [rules.path_label(path, 3) for path in counties]
        found.append(Q(county=labels[0]) if len(labels) == 1 else Q(county__in=labels))
    if streets := by_depth.get(4):
        labels = [rules.path_label(path, 4) for path in streets]
        found.append(Q(street=labels[0]) if len(labels) == 1 else Q(street__in=labels))
    if deeper := by_depth.get(5):
        labels = sorted({rules.path_label(path, 4) for path in deeper})
        street = Q(street=labels[0]) if len(labels) == 1 else Q(street__in=labels)
        found.append(street & (_living_in(deeper) if all_keys else Q(_lives_in(deeper))))
    if wide := by_depth.get(1, []) + by_depth.get(2, []):
        found.append(Q(_lives_in(wide)))
    return found


def _members(paths: Iterable[str], capacity: str = "") -> QuerySet[Membership]:
    inside = reduce(or_, (Q(organization__path__prefix=path) for path in paths))
    members = Membership.objects.filter(inside, ended_on__isnull=True)
    return members.filter(capacity=capacity) if capacity else members


def _conditions(scope: _Scope, *, all_keys: bool = False) -> list[Q]:
    """Return conditions on `PersonKey`, to be tried one after the other."""
    conditions = _narrowed(scope.places, all_keys=all_keys) if scope.places else []
    inside = None if scope.within == "/" else _narrowed([scope.within], all_keys=all_keys)[0]
    if scope.organizations:
        ids = list(
            _members(scope.organizations).values_list("person_id", flat=True)[: _SMALL_ORGANIZATION + 1]
        )
        if len(ids) <= _SMALL_ORGANIZATION:
            belongs = Q(person_id__in=ids)
        else:  # many members: sooner found among the keys than the other way round
            belongs = Q(Exists(_members(scope.organizations).filter(person_id=OuterRef("person_id"))))
        conditions.append(belongs if inside is None else belongs & inside)
    if scope.people:
        own = Q(person_id__in=scope.people)
        conditions.append(own if inside is None else own & inside)
    return conditions


# --- search and list --------------------------------------------------------------------------------------------------


def search_people(
    actor: Actor,
    text: str,
    *,
    within: str = "/",
    organization_path: str = "",
    capacity: str = "",
    limit: int = SEARCH_LIMIT,
) -> list[PersonRow]:
    """Return up to `limit` people the actor may see whose name, reading, initials, phone or volunteer number matches `text`.

    Names by their beginning first, then by any two or more characters inside; ordered by key. `within` is the path of a place,
    `organization_path` of an organization whose current members (in `capacity`) are meant. An empty list when nothing was
    typed. Two to four queries for the search, two more for phones and roles of the rows.
    """
    people, why = found_people(
        actor, text, within=within, organization_path=organization_path, capacity=capacity, limit=limit
    )
    return rows_of(actor, people, why)


def found_people(
    actor: Actor,
    text: str,
    *,
    within: str = "/",
    organization_path: str = "",
    capacity: str = "",
    limit: int = SEARCH_LIMIT,
) -> tuple[list[Person], dict[UUID, str]]:
    """As `search_people`, but the people themselves (sealed columns not loaded) and why each was found."""
    probes = rules.search_probes(text)
    if not probes:
        return [], {}
    conditions: list[Q] | None = None
    belongs = Q()
    if organization_path:
        belongs = Q(Exists(_members([organization_path], capacity).filter(person_id=OuterRef("person_id"))))
    why: dict[UUID, str] = {}
    for probe in probes:
        if len(why) >= limit:
            break
        if probe.kind in (rules.PHONE, rules.PHONE_TAIL):
            found = _by_phone(actor, probe, limit)
        elif probe.kind == rules.NUMBER:
            found = _by_number(probe.key, limit)
        else:
            if conditions is None:
                conditions = _conditions(_scope(actor, within))
            found = _by_key(probe, conditions, belongs, limit)
        for person_id, kind in found:
            why.setdefault(person_id, kind)
            if len(why) >= limit and probe.kind not in (rules.PHONE, rules.PHONE_TAIL, rules.NUMBER):
                break  # keys are narrowed exactly to what one may see; numbers only after they are found
    if not why:
        return [], {}
    visible = Person.objects.visible_to(actor).filter(pk__in=list(why), status=Person.Status.ACTIVE)
    if within != "/":
        visible = visible.filter(place__path__prefix=within)
    if organization_path:
        visible = visible.filter(
            Exists(_members([organization_path], capacity).filter(person_id=OuterRef("pk")))
        )
    rows = {row.pk: row for row in visible.select_related("place").defer(*_CLOSED)}
    people = [rows[person_id] for person_id in why if person_id in rows][:limit]
    return people, why


def _by_key(probe: rules.Probe, conditions: Sequence[Q], belongs: Q, limit: int) -> list[tuple[UUID, str]]:
    hits: list[tuple[str, UUID]] = []
    for condition in conditions:
        keys = PersonKey.objects.filter(condition, belongs, kind=probe.kind, key__prefix=probe.key)
        # Only names have one key a person in their kind; by the others somebody may come up twice.
        most = limit if probe.kind in (rules.NAME, rules.PINYIN) else 2 * limit
        hits += keys.order_by("key").values_list("key", "person_id")[:most]
    if len(conditions) > 1:
        hits.sort(key=lambda hit: hit[0])
    return [(person_id, probe.kind) for _key, person_id in hits]


def _by_phone(actor: Actor, probe: rules.Probe, limit: int) -> list[tuple[UUID, str]]:
    kind = probe.kind
    index = (
        {"value_index": phone_index(probe.key)}
        if kind == rules.PHONE
        else {"tail_index": tail_index(probe.key)}
    )
    found = ContactPoint.objects.visible_to(actor).filter(kind=ContactPoint.Kind.PHONE, **index)
    return [(person_id, kind) for person_id in found.values_list("person_id", flat=True)[: 4 * limit]]


def _by_number(number: str, limit: int) -> list[tuple[UUID, str]]:
    # The gate follows in the second step; asked here, it could lead the database away from the number's index.
    # The old number of a record merged away leads to the person it became.
    columns = ("pk", "merged_into_id")
    found = list(Person.objects.filter(volunteer_number=number).values_list(*columns))
    if not found and len(number) >= 6:
        found = list(
            Person.objects.filter(volunteer_number__prefix=number).values_list(*columns)[: 4 * limit]
        )
    return [(merged_into or person_id, rules.NUMBER) for person_id, merged_into in found]


def people_list(
    actor: Actor, *, within: str = "/", organization_path: str = "", capacity: str = ""
) -> QuerySet[PersonKey]:
    """Return the people the actor may see as one `PersonKey` each (their likeliest pinyin), `person` and its place loaded.

    Order by `key` and page: both are the index's own order, so page one of a million costs what page one of a hundred does.
    """
    conditions = _conditions(_scope(actor, within), all_keys=True)
    keys = PersonKey.objects.filter(kind=rules.PINYIN)
    if not conditions:
        return keys.none()
    keys = keys.filter(reduce(or_, conditions))
    if organization_path:
        keys = keys.filter(person_id__in=_members([organization_path], capacity).values("person_id"))
    elif capacity:
        keys = keys.filter(
            Exists(
                Membership.objects.filter(
                    person_id=OuterRef("person_id"), capacity=capacity, ended_on__isnull=True
                )
            )
        )
    closed = [f"person__{name}" for name in _CLOSED]
    return keys.select_related("person__place").defer(*closed).order_by("key", "pk")


# --- likely duplicates ------------------------------------------------------------------------------------------------


def traits_of(row: Person, phone_indexes: Iterable[str]) -> rules.Traits:
    """Return what a stored person is compared by."""
    return rules.Traits(
        row.name_key,
        row.birth_on,
        row.sex,
        row.identity_index,
        frozenset(phone_indexes),
        rules.path_label(row.place.path, 4),
    )


def possible_duplicates(actor: Actor, row: Person, *, limit: int = 5) -> tuple[Duplicate, ...]:
    """Return those the actor may see who are likely the same person as `row`, the likeliest first; four queries.

    Pairs that somebody found to be two people are left out.
    """
    phones = ContactPoint.objects.filter(person=row, kind=ContactPoint.Kind.PHONE).values_list(
        "value_index", flat=True
    )
    return _likely(actor, traits_of(row, phones), limit, besides=row.pk)


def duplicates_of_new(
    actor: Actor, values: rules.NewPerson, place_path: str, *, limit: int = 5
) -> tuple[Duplicate, ...]:
    """Return those the actor may see who are likely the person about to be stored (`values` cleaned)."""
    phones = (phone_index(phone) for phone in values.phones if normalize_phone(phone))
    traits = rules.Traits(
        fold_name(values.name)[: rules.NAME_LIMIT], values.birth_on, values.sex, identity_index(values.identity_number),
        frozenset(phones), rules.path_label(place_path, 4),
    )  # fmt: skip
    return _likely(actor, traits, limit)


def _likely(
    actor: Actor, traits: rules.Traits, limit: int, besides: UUID | None = None
) -> tuple[Duplicate, ...]:
    ids = _candidates(traits)
    if besides is not None:
        ids.discard(besides)
    if not ids:
        return ()
    rows = Person.objects.visible_to(actor).filter(pk__in=ids, status=Person.Status.ACTIVE)
    if besides is not None:
        decided = DistinctPair.objects.filter(
            Q(first_id=OuterRef("pk"), second_id=besides) | Q(second_id=OuterRef("pk"), first_id=besides)
        )
        rows = rows.exclude(Exists(decided))
    people = list(rows.select_related("place").defer(*_CLOSED))
    phones = _phone_indexes([row.pk for row in people])
    found = []
    for row in people:
        how = rules.likeness(traits, traits_of(row, phones[row.pk]))
        if how.is_likely:
            found.append(Duplicate(row.pk, row.name, row.place.name, row.birth_on, how.score, how.reasons))
    return tuple(sorted(found, key=lambda one: (-one.score, one.id))[:limit])


def _candidates(traits: rules.Traits) -> set[UUID]:
    """Return ids of everybody who shares a phone, the identity number, name and birth date, or name and street. One query."""
    blocks: list[QuerySet[Any, Any]] = []
    if traits.name_key:
        if traits.birth_on:
            blocks.append(
                Person.objects.filter(name_key=traits.name_key, birth_on=traits.birth_on).values_list("pk")
            )
        if traits.street:
            key = traits.name_key.replace("·", "").replace(" ", "")[: rules.KEY_LIMIT]
            blocks.append(
                PersonKey.objects.filter(street=traits.street, kind=rules.NAME, key=key).values_list(
                    "person_id"
                )
            )
    if traits.identity_index:
        blocks.append(Person.objects.filter(identity_index=traits.identity_index).values_list("pk"))
    if traits.phone_indexes:
        blocks.append(
            ContactPoint.objects.filter(
                kind=ContactPoint.Kind.PHONE, value_index__in=sorted(traits.phone_indexes)
            ).values_list("person_id")
        )
    if not blocks:
        return set()
    first, *others = blocks
    return {row[0] for row in first.union(*others)}


def _phone_indexes(ids: Collection[UUID]) -> dict[UUID, set[str]]:
    found: dict[UUID, set[str]] = defaultdict(set)
    rows = ContactPoint.objects.filter(person_id__in=ids, kind=ContactPoint.Kind.PHONE)
    for person_id, index in rows.values_list("person_id", "value_index"):
        found[person_id].add(index)
    return found


@dataclass(frozen=True, slots=True)
class LikelyPair:
    """Two people who may be one."""

    one: Person
    other: Person
    score: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Pairs found among the next stretch of people in key order; `next_after` continues, None at the end."""

    pairs: tuple[LikelyPair, ...]
    looked_at: int
    next_after: str | None


def duplicate_sweep(actor: Actor, *, within: str = "/", after: str = "", window: int = 500) -> Sweep:
    """Look for duplicates among the next `window` people (by pinyin, after the key `after`) that the actor may edit.

    Bounded work for a request: whoever has half a million people goes through them stretch by stretch. At most six queries.
    """
    listed = people_list(actor, within=within)
    if after:
        listed = listed.filter(key__gt=after)
    stretch = list(listed[: window + 1])
    more = len(stretch) > window
    stretch = stretch[:window]
    if more:  # a key is not cut in two, or the rest of those who share it would be passed over
        last = stretch[-1].key
        kept = [key for key in stretch if key.key != last]
        stretch = kept or list(listed.filter(key=last)[:5000])
    people = {key.person_id: key.person for key in stretch if key.person.status == Person.Status.ACTIVE}
    next_after = stretch[-1].key if more and stretch else None
    phones = _phone_indexes(people.keys())
    blocks: dict[tuple[str, object], set[UUID]] = defaultdict(set)
    for row in people.values():
        for block in _blocks(row, phones[row.pk]):
            blocks[block].add(row.pk)
    others, other_phones = _others(actor, people, phones)
    for row in others.values():
        for block in _blocks(row, other_phones[row.pk]):
            if block in blocks:
                blocks[block].add(row.pk)
    everyone = {**others, **people}
    every_phone = {**other_phones, **phones}
    pairs = {
        rules.pair(one, two)
        for ids in blocks.values()
        if len(ids) <= 50
        for one in ids
        for two in ids
        if one != two and (one in people or two in people)
    }
    decided = set(
        DistinctPair.objects.filter(first_id__in={one for one, _two in pairs}).values_list(
            "first_id", "second_id"
        )
    )
    found = []
    for one, two in pairs - decided:
        how = rules.likeness(
            traits_of(everyone[one], every_phone[one]), traits_of(everyone[two], every_phone[two])
        )
        if how.is_likely:
            found.append(LikelyPair(everyone[one], everyone[two], how.score, how.reasons))
    found.sort(key=lambda pair: (-pair.score, pair.one.pk))
    return Sweep(tuple(found), len(people), next_after)


def _blocks(row: Person, phones: Iterable[str]) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("phone", index) for index in phones]
    if row.identity_index:
        found.append(("identity", row.identity_index))
    if row.birth_on:
        found.append(("birth", (row.name_key, row.birth_on)))
    found.append(("street", (row.name_key, rules.path_label(row.place.path, 4))))
    return found


def _others(
    actor: Actor, people: dict[UUID, Person], phones: dict[UUID, set[str]]
) -> tuple[dict[UUID, Person], dict[UUID, set[str]]]:
    """Return those outside the stretch who share a phone or an identity number with somebody in it (names sort into one stretch),
    and the phones they share.
    """
    indexes = {index for row in people for index in phones[row]}
    identities = {row.identity_index for row in people.values() if row.identity_index}
    by_phone = ContactPoint.objects.filter(value_index__in=indexes).exclude(person_id__in=people)
    by_identity = Person.objects.filter(identity_index__in=identities).exclude(pk__in=people)
    shared: dict[UUID, set[str]] = defaultdict(set)
    for person_id, index in by_phone.values_list("person_id", "value_index").union(
        by_identity.values_list("pk", "identity_index")
    ):
        shared[person_id].update({index} & indexes)
    if not shared:
        return {}, shared
    rows = Person.objects.visible_to(actor).filter(pk__in=shared, status=Person.Status.ACTIVE)
    return {row.pk: row for row in rows.select_related("place").defer(*_CLOSED)}, shared


# --- merges -----------------------------------------------------------------------------------------------------------


def merge(actor: Actor, merge_id: UUID) -> PersonMerge:
    """Return one merge with both people. Raises `PersonNotFound`."""
    found = (
        PersonMerge.objects.visible_to(actor)
        .select_related("kept__place", "gone__place")
        .filter(pk=merge_id)
        .first()
    )
    if found is None:
        raise PersonNotFound(_("没有找到这次合并：可能不在您负责的范围内。"))
    return found


def recent_merges(actor: Actor, *, days: int = 30, at: datetime | None = None) -> QuerySet[PersonMerge]:
    """Return the merges of the last days that the actor may see, newest first."""
    since = (at or timezone.now()) - timedelta(days=days)
    return (
        PersonMerge.objects.visible_to(actor)
        .filter(merged_at__gte=since)
        .select_related("kept", "gone")
        .order_by("-merged_at")
    )
