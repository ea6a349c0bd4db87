"""Changes to people (人员): one or many new ones, edits, contacts, guardians, consents, qualifications, and their search keys.

For callers that store many (import, demo):

    prepared = prepare_people(by=actor, rows=[NewPerson(...), ...])   # rights and rules, no writing; raises PeopleInvalid
    write_keys(prepared)                                              # may be done before, in short transactions of its own
    with transaction.atomic():
        result = write_people(by=actor, prepared=prepared, keys=False)

or all at once `create_people_bulk(by=actor, rows=[...])`. `NewPerson`, `cleaned` and `check_new_person` are in `rules.people`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Func, OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import (
    Consent,
    ContactPoint,
    DistinctPair,
    Guardianship,
    HeldQualification,
    Membership,
    Organization,
    Person,
    PersonKey,
    Place,
    Skill,
)
from wushe.community.operations import typed
from wushe.community.queries import people as queries
from wushe.community.rules import people as rules
from wushe.community.rules.people import Fault, NewPerson
from wushe.kernel import audit, crypto, policy, throttle
from wushe.kernel.actor import Actor
from wushe.kernel.bulk import analyze, insert_rows
from wushe.kernel.ids import new_id
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name, normalize_phone

NOTICE_VERSION: Final = "2026-01"  # of the privacy notice that consents refer to
REVEALS_PER_HOUR: Final = 300
_BATCH: Final = 2000


class PersonInvalid(Problem):
    """The values cannot be stored; `faults` names every reason, `field` and `code` the first."""

    code = "person.invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(explain(faults[0]), code=faults[0].code, field=faults[0].field or None)


class PeopleInvalid(Problem):
    """Some rows of many cannot be stored; `faults` maps a row's position to its reasons. Nothing was written."""

    code = "people.invalid"

    def __init__(self, faults: dict[int, list[Fault]]) -> None:
        self.faults = faults
        super().__init__(
            _("有 %(count)d 行不能保存，什么都没有改动。请按提示修改后再试。") % {"count": len(faults)}
        )


class NumberTaken(Problem):
    """Another person has this volunteer number."""

    code = "person.number_taken"
    status = 409


class EditConflict(Problem):
    """Somebody changed the record since it was read; `current` is the row as it is now. Nothing was overwritten."""

    code = "person.edit_conflict"
    status = 409

    def __init__(self, current: Person) -> None:
        self.current = current
        super().__init__(
            _("在您填写的时候，有人先改了这份记录。下面标出了现在的内容；确认后再保存，就以您填的为准。")
        )


class PersonGone(Problem):
    """The person was merged into another or erased."""

    code = "person.gone"
    status = 409


class ContactBarred(Problem):
    """The person took back their consent to be contacted."""

    code = "person.contact_barred"
    status = 409


class ContactKnown(Problem):
    """The person has this contact already."""

    code = "person.contact_known"
    status = 409


class TooManyContacts(Problem):
    """More ways to reach somebody than anybody needs."""

    code = "person.contacts_too_many"


class GuardianRefused(Problem):
    """This person cannot be that person's guardian."""

    code = "person.guardian_refused"


class ConsentRefused(Problem):
    """This consent cannot be given, or not by this person."""

    code = "consent.refused"


class AlreadyEnded(Problem):
    """What was to be ended has ended already."""

    code = "person.already_ended"
    status = 409


class QualificationKnown(Problem):
    """The person holds this qualification already."""

    code = "qualification.known"
    status = 409


# --- faults in words --------------------------------------------------------------------------------------------------

_SENTENCES: Final = {
    "person.name_empty": _("请填写姓名。"),
    "person.name_too_long": _(
        "姓名最多 %(limit)d 个字，现在有 %(length)d 个字。请检查是否把别的内容也粘贴了进来。"
    ),
    "person.name_hidden_characters": _(
        "姓名里有看不见的字符（换行、控制符等），多半是从别处复制时带来的。请删掉后重新输入。"
    ),
    "person.name_no_letters": _("姓名里没有文字。请填写姓名。"),
    "person.sex_unknown": _("性别请选“女”“男”，或不填。"),
    "person.birth_in_the_future": _("出生日期晚于今天，请检查年份。"),
    "person.birth_too_long_ago": _("按这个出生日期，年龄超过 %(limit)d 岁，请检查年份。"),
    "person.phones_too_many": _("电话最多填 %(limit)d 个。"),
    "person.phone_form": _("这不像一个电话号码。请填 11 位手机号，或带区号的座机号。"),
    "person.identity_form": _(
        "身份证号码不对：应是 18 位（旧证 15 位），且末位校验码要相符。请对照证件检查；其他证件请不填，写在备注里。"
    ),
    "person.identity_other_birth": _("出生日期和身份证号码里的不一样，请检查哪一个填错了。"),
    "person.identity_other_sex": _("性别和身份证号码里的不一样，请检查哪一个填错了。"),
    "person.number_form": _("志愿者编号只能有数字、字母和短横线，最多 %(limit)d 位。"),
    "person.text_too_long": _("最多 %(limit)d 个字，现在有 %(length)d 个字。请缩短后再保存。"),
    "person.text_hidden_characters": _(
        "这里有看不见的控制字符，多半是从别处复制时带来的。请删掉后重新输入。"
    ),
    "person.email_form": _("这不像一个电子邮箱地址，请检查。"),
    "person.capacity_with_organization": _("组织和在组织里的身份要一起填。"),
    "person.guardian_required": _("此人未满 %(age)d 周岁，请填写监护人。"),
    "person.guardian_consent_required": _("此人未满 %(age)d 周岁，请选择监护人是以什么方式同意的。"),
    "person.guardian_phone": _("请填写监护人的电话，以便核对和联系。"),
    "person.guardian_relation": _("请填写监护关系，例如母亲、父亲、祖父母。"),
    "person.guardian_self": _("本人不能做自己的监护人。"),
    "person.guardian_unknown": _("没有找到所选的监护人，请重新查找，或直接填写姓名和电话。"),
    "person.consent_means": _("请选择同意的方式。"),
    "person.place_unknown": _("没有找到所选的社区，请重新选择。"),
    "person.place_closed": _("所选的地方已经撤销，请选现在的社区。"),
    "person.organization_unknown": _("没有找到所选的组织，请重新选择。"),
    "person.organization_closed": _("这个组织已经注销，不能再添加成员。"),
    "person.number_taken": _("这个志愿者编号已经是别人的了。请核对；如果是同一个人，请合并两份记录。"),
    "person.number_repeated": _("同一批里有两个人用了这个志愿者编号。"),
    "person.refused": _("您没有在这个地方添加人员，或填写这一项的权限。"),
}


def explain(fault: Fault) -> str:
    """Return the sentence for a fault in the active language."""
    return str(_SENTENCES[fault.code]) % fault.details


# --- one new person ---------------------------------------------------------------------------------------------------


@transaction.atomic
def create_person(*, by: Actor, values: NewPerson, at: datetime | None = None) -> Person:
    """Put one person on record, with contacts, and where given guardian, consent and membership.

    Raises `policy.Refused`, `PersonInvalid`, `NumberTaken`. Likely duplicates are no reason to refuse: show
    `queries.people.duplicates_of_new` first.
    """
    place = Place.objects.filter(pk=values.place_id).first()
    organization = (
        Organization.objects.filter(pk=values.organization_id).first() if values.organization_id else None
    )
    policy.require(by, "create", _facts_of_new("person", place, organization))
    prepared = _store_one(by, values, at or timezone.now())
    row = Person.objects.select_related("place").get(pk=prepared.ids[0])
    audit.record(by=by, verb="create", target=row, after=row)
    return row


def _store_one(by: Actor, values: NewPerson, at: datetime) -> "Prepared":
    for attempt in range(4):
        prepared = _prepare(by, [values], at)
        if prepared.faults:
            raise PersonInvalid(prepared.faults[0])
        try:
            with transaction.atomic():
                _write(prepared, keys=True)
                return prepared
        except NumberTaken:
            # A number we drew ourselves went to somebody else between look and write: draw again.
            if values.volunteer_number or attempt == 3:
                raise
    raise AssertionError("unreachable")


def _facts_of_new(data_class: str, place: Place | None, organization: Organization | None) -> policy.Facts:
    return policy.Facts(
        data_class,
        place_paths=frozenset({place.path} if place else ()),
        organization_paths=frozenset({organization.path} if organization else ()),
    )


# --- many new people --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Prepared:
    """New people checked and ready to be written: one tuple a table row, sealed already. Nothing is in the database yet.

    `ids` has one id a given row, in order; guardians put on record on the way come after them in `people`.
    """

    ids: list[UUID] = field(default_factory=list)
    faults: dict[int, list[Fault]] = field(default_factory=dict)
    people: list[tuple[Any, ...]] = field(default_factory=list)
    contacts: list[tuple[Any, ...]] = field(default_factory=list)
    keys: list[tuple[Any, ...]] = field(default_factory=list)
    guardianships: list[tuple[Any, ...]] = field(default_factory=list)
    consents: list[tuple[Any, ...]] = field(default_factory=list)
    memberships: list[tuple[Any, ...]] = field(default_factory=list)
    place_paths: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Ids of the people created, in the order of the rows given, and how many guardians were put on record with them."""

    created: list[UUID]
    guardians: int


PERSON_COLUMNS: Final = (
    "id", "name", "name_key", "sex", "birth_on", "place_id", "volunteer_number", "address", "identity_number",
    "identity_index", "note", "status", "merged_into_id", "created_at", "updated_at",
)  # fmt: skip
CONTACT_COLUMNS: Final = ("id", "person_id", "kind", "value", "value_index", "tail_index", "is_primary")
KEY_COLUMNS: Final = ("person_id", "kind", "key", "county", "street")
GUARDIANSHIP_COLUMNS: Final = ("id", "ward_id", "guardian_id", "relation", "started_on", "ended_on")
CONSENT_COLUMNS: Final = (
    "id", "person_id", "purpose", "given_by_id", "means", "notice_version", "given_at", "withdrawn_at",
)  # fmt: skip
MEMBERSHIP_COLUMNS: Final = (
    "id", "person_id", "organization_id", "station_id", "capacity", "title", "started_on", "ended_on",
)  # fmt: skip


def create_people_bulk(
    *,
    by: Actor,
    rows: Iterable[NewPerson],
    at: datetime | None = None,
    batch: int = 5000,
    progress: Callable[[int], None] | None = None,
) -> BulkResult:
    """Put many people on record: the same rules and constraints as one, set-wise, all or none.

    One audit row a batch (of ids, no values). `rows` may be a generator: memory holds one batch. Raises `policy.Refused`,
    `PeopleInvalid` (positions count from 0 over all rows), `NumberTaken`. About 10,000 people a second on one core.
    """
    created: list[UUID] = []
    guardians = 0
    with transaction.atomic():
        for start, chunk in _chunks(rows, batch):
            prepared = _prepare(by, chunk, at or timezone.now())
            if prepared.faults:
                raise PeopleInvalid(
                    {start + position: faults for position, faults in prepared.faults.items()}
                )
            result = write_people(by=by, prepared=prepared)
            created += result.created
            guardians += result.guardians
            if progress is not None:
                progress(len(created))
    if len(created) >= 10_000:
        analyze()
    return BulkResult(created, guardians)


def prepare_people(
    *, by: Actor, rows: Sequence[NewPerson], at: datetime | None = None, keep_good: bool = False
) -> Prepared:
    """Check rights and rules of new people and make ready what will be written; writes nothing, takes no lock.

    Raises `policy.Refused` when the actor may create nobody at all, `PeopleInvalid` otherwise (a row outside the actor's reach
    is a fault of that row). With `keep_good` rows with faults are left out and named in `faults` instead.
    """
    prepared = _prepare(by, rows, at or timezone.now())
    if prepared.faults and not keep_good:
        raise PeopleInvalid(prepared.faults)
    return prepared


def write_keys(prepared: Prepared, *, batch: int = 20_000) -> None:
    """Write the search keys of people about to be written, in short transactions (unless inside one). They find nobody yet."""
    for start in range(0, len(prepared.keys), batch):
        with transaction.atomic():
            insert_rows(PersonKey, KEY_COLUMNS, prepared.keys[start : start + batch])


def drop_keys(prepared: Prepared) -> None:
    """Remove the keys again when the people will not be written after all."""
    ids = [row[0] for row in prepared.people]
    for start in range(0, len(ids), 500):
        PersonKey.objects.filter(person_id__in=ids[start : start + 500]).delete()


@transaction.atomic
def write_people(*, by: Actor, prepared: Prepared, keys: bool = True) -> BulkResult:
    """Write prepared people; `keys=False` when `write_keys` was called before. Rights were checked when they were prepared.

    Raises `NumberTaken` when somebody got one of the volunteer numbers meanwhile.
    """
    organizations = prepared_organizations(prepared)
    for path in prepared.place_paths:
        policy.require(
            by,
            "create",
            policy.Facts("person", place_paths=frozenset({path}), organization_paths=organizations),
        )
    _write(prepared, keys=keys)
    extra = len(prepared.people) - len(prepared.ids)
    common = min(prepared.place_paths, key=len, default="/")
    shared = "/" if any(not path.startswith(common) for path in prepared.place_paths) else common
    ids = [str(row[0]) for row in prepared.people]
    for start in range(0, len(ids), _BATCH):
        audit.record(
            by=by, verb="create_many", target=("community.Person", ""), place_path=shared,
            after={"people": ids[start : start + _BATCH]},
        )  # fmt: skip
    return BulkResult(prepared.ids, extra)


def prepared_organizations(prepared: Prepared) -> frozenset[str]:
    """Return the paths of the organizations that prepared people will belong to; one query, none when there are none."""
    ids = {row[2] for row in prepared.memberships}
    if not ids:
        return frozenset()
    return frozenset(Organization.objects.filter(pk__in=ids).values_list("path", flat=True))


def _chunks(rows: Iterable[NewPerson], size: int) -> Iterator[tuple[int, list[NewPerson]]]:
    chunk: list[NewPerson] = []
    start = 0
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield start, chunk
            start += size
            chunk = []
    if chunk:
        yield start, chunk


def _prepare(by: Actor, rows: Sequence[NewPerson], at: datetime) -> Prepared:
    prepared = Prepared()
    today = timezone.localdate(at)
    places = Place.objects.in_bulk({row.place_id for row in rows})
    organizations = {
        row.pk: row
        for row in Organization.objects.select_related("place").filter(
            pk__in={row.organization_id for row in rows if row.organization_id}
        )
    }
    consent_age = queries.rule_number(by, rules.GUARDIAN_CONSENT_AGE, on=today)
    majority = queries.rule_number(by, rules.MAJORITY_AGE, on=today)
    guardians = _known_guardians(by, rows)
    rights = _Rights(by)
    clean = [rules.cleaned(row) for row in rows]
    numbers = _taken_numbers(clean)
    fresh = _fresh_numbers(sum(row.is_volunteer and not row.volunteer_number for row in clean))
    seen: set[str] = set()
    on_the_way: dict[tuple[str, str], UUID] = {}
    for position, row in enumerate(clean):
        faults = rules.check_new_person(row, on=today, consent_age=consent_age)
        place = places.get(row.place_id)
        organization = organizations.get(row.organization_id) if row.organization_id else None
        if place is None:
            faults.append(Fault("place_id", "person.place_unknown"))
        elif place.valid_until is not None:
            faults.append(Fault("place_id", "person.place_closed"))
        if row.organization_id and organization is None:
            faults.append(Fault("organization_id", "person.organization_unknown"))
        elif organization is not None and organization.status == Organization.Status.CLOSED:
            faults.append(Fault("organization_id", "person.organization_closed"))
        if place is not None:
            faults += rights.faults(row, place, organization)
        if row.capacity and row.capacity not in Membership.Capacity.values:
            faults.append(Fault("capacity", "person.capacity_with_organization"))
        if row.volunteer_number:
            if row.volunteer_number in numbers:
                faults.append(Fault("volunteer_number", "person.number_taken"))
            elif row.volunteer_number in seen:
                faults.append(Fault("volunteer_number", "person.number_repeated"))
            seen.add(row.volunteer_number)
        guardian = guardians.get(row.guardian_id) if row.guardian_id else None
        if row.guardian_id and guardian is None:
            faults.append(Fault("guardian_id", "person.guardian_unknown"))
        if guardian is not None and guardian.birth_on and rules.age_on(guardian.birth_on, today) < majority:
            faults.append(Fault("guardian_id", "person.guardian_unknown"))
        person_id = row.id or new_id()
        prepared.ids.append(person_id)
        if faults or place is None:
            prepared.faults[position] = faults
            continue
        number = row.volunteer_number or (fresh.pop() if row.is_volunteer else "")
        _add(prepared, person_id, row, place, number, at)
        guardian_id = row.guardian_id
        if guardian_id is None and row.guardian_name:
            guardian_id = _guardian_on_the_way(by, prepared, row, place, at, on_the_way)
        if guardian_id is not None:
            prepared.guardianships.append(
                (new_id(), person_id, guardian_id, row.guardian_relation, today, None)
            )
        if row.consent_means:
            minor = row.birth_on is not None and rules.age_on(row.birth_on, today) < majority
            purposes = [Consent.Purpose.SERVICE, *([Consent.Purpose.MINOR] if minor and guardian_id else [])]
            for purpose in purposes:
                prepared.consents.append(
                    (
                        new_id(),
                        person_id,
                        str(purpose),
                        guardian_id or person_id,
                        row.consent_means,
                        NOTICE_VERSION,
                        at,
                        None,
                    )
                )
        if organization is not None:
            prepared.memberships.append(
                (new_id(), person_id, organization.pk, None, row.capacity, row.title, today, None)
            )
    return prepared


class _Rights:
    """Which places and organizations the actor may put which data of new people into; each asked once."""

    def __init__(self, by: Actor) -> None:
        self.by = by
        self.known: dict[tuple[str, str, UUID, UUID | None], bool] = {}

    def allowed(self, verb: str, data_class: str, place: Place, organization: Organization | None) -> bool:
        if self.by.is_trusted_local:
            return True
        key = (verb, data_class, place.pk, organization.pk if organization else None)
        if key not in self.known:
            facts = (
                policy.Facts(
                    data_class,
                    place_paths=frozenset({organization.place.path}),
                    organization_paths=frozenset({organization.path}),
                )
                if data_class == "membership" and organization
                else _facts_of_new(data_class, place, organization)
            )
            self.known[key] = policy.allows(self.by, verb, facts)
        return self.known[key]

    def faults(self, row: NewPerson, place: Place, organization: Organization | None) -> list[Fault]:
        found = []
        if not self.allowed("create", "person", place, organization):
            found.append(Fault("place_id", "person.refused"))
        if (row.phones or row.email or row.wechat or row.address or row.note) and not self.allowed(
            "edit", "person.contact", place, organization
        ):
            found.append(Fault("phones", "person.refused"))
        if row.identity_number and not self.allowed("edit", "person.identity", place, organization):
            found.append(Fault("identity_number", "person.refused"))
        if organization is not None and not self.allowed("create", "membership", place, organization):
            found.append(Fault("organization_id", "person.refused"))
        return found


def _known_guardians(by: Actor, rows: Sequence[NewPerson]) -> dict[UUID, Person]:
    ids = {row.guardian_id for row in rows if row.guardian_id}
    if not ids:
        return {}
    found = Person.objects.visible_to(by).filter(pk__in=ids, status=Person.Status.ACTIVE)
    return {row.pk: row for row in found}


def _taken_numbers(rows: Sequence[NewPerson]) -> set[str]:
    return _in_use({row.volunteer_number for row in rows if row.volunteer_number})


def _in_use(numbers: Iterable[str]) -> set[str]:
    wanted = sorted(numbers)
    taken: set[str] = set()
    for start in range(0, len(wanted), 500):
        found = Person.objects.filter(volunteer_number__in=wanted[start : start + 500])
        taken.update(number for number in found.values_list("volunteer_number", flat=True) if number)
    return taken


def _fresh_numbers(count: int) -> list[str]:
    """Return `count` random volunteer numbers that nobody has at this moment."""
    drawn: set[str] = set()
    while len(drawn) < count:
        more = {rules.new_volunteer_number() for _missing in range(count - len(drawn))}
        drawn |= more - _in_use(more)
    return list(drawn)


def _guardian_on_the_way(
    by: Actor,
    prepared: Prepared,
    row: NewPerson,
    place: Place,
    at: datetime,
    on_the_way: dict[tuple[str, str], UUID],
) -> UUID:
    """Return the guardian named beside a new person: somebody on record with this phone and name, else put on record here."""
    phone = normalize_phone(row.guardian_phone) or ""
    key = (fold_name(row.guardian_name), phone)
    if key not in on_the_way:
        found = (
            Person.objects.visible_to(by)
            .filter(
                status=Person.Status.ACTIVE, name_key=key[0][: rules.NAME_LIMIT],
                pk__in=ContactPoint.objects.filter(value_index=queries.phone_index(phone)).values("person_id"),
            )
            .values_list("pk", flat=True).first()
        )  # fmt: skip
        if found is None:
            found = new_id()
            guardian = rules.cleaned(NewPerson(row.guardian_name, place.pk, phones=(phone,)))
            _add(prepared, found, guardian, place, "", at)
        on_the_way[key] = found
    return on_the_way[key]


def _add(
    prepared: Prepared, person_id: UUID, row: NewPerson, place: Place, number: str, at: datetime
) -> None:
    prepared.place_paths.add(place.path)
    prepared.people.append(
        (
            person_id, row.name, fold_name(row.name)[: rules.NAME_LIMIT], row.sex, row.birth_on, place.pk, number or None,
            _sealed(row.address, "person.address"), _sealed(row.identity_number, "person.identity"),
            queries.identity_index(row.identity_number), _sealed(row.note, "person.note"), "ACTIVE", None, at, at,
        )
    )  # fmt: skip
    values = [("PHONE", phone) for phone in row.phones]
    values += [("EMAIL", row.email)] * bool(row.email) + [("WECHAT", row.wechat)] * bool(row.wechat)
    first: set[str] = set()
    for kind, value in values:
        prepared.contacts.append(
            (
                new_id(), person_id, kind, _sealed(value, "person.contact"), queries.contact_index(kind, value),
                queries.tail_index(value) if kind == "PHONE" else "", kind not in first,
            )
        )  # fmt: skip
        first.add(kind)
    prepared.keys += _key_rows(person_id, row.name, place.path)


def _sealed(text: str, purpose: str) -> str:
    return crypto.encrypt(text, purpose) if text else ""


def _key_rows(person_id: UUID, name: str, path: str) -> list[tuple[Any, ...]]:
    county, street = rules.path_label(path, 3), rules.path_label(path, 4)
    return [(person_id, kind, key, county, street) for kind, key in rules.person_keys(name)]


def _write(prepared: Prepared, *, keys: bool) -> None:
    try:
        with transaction.atomic():
            insert_rows(Person, PERSON_COLUMNS, prepared.people)
    except IntegrityError:
        raise NumberTaken(_SENTENCES["person.number_taken"], field="volunteer_number") from None
    if keys:
        insert_rows(PersonKey, KEY_COLUMNS, prepared.keys)
    for model, columns, rows in (
        (ContactPoint, CONTACT_COLUMNS, prepared.contacts),
        (Guardianship, GUARDIANSHIP_COLUMNS, prepared.guardianships),
        (Consent, CONSENT_COLUMNS, prepared.consents),
        (Membership, MEMBERSHIP_COLUMNS, prepared.memberships),
    ):
        if rows:
            insert_rows(model, columns, rows)


# --- edits ------------------------------------------------------------------------------------------------------------

EDITABLE: Final = frozenset(
    {"name", "sex", "birth_on", "place_id", "volunteer_number", "address", "identity_number", "note"}
)


def seen_token(row: Person) -> str:
    """Return what a form carries to prove which state of the row it was filled from."""
    return row.updated_at.isoformat()


@transaction.atomic
def edit_person(
    *, by: Actor, person_id: UUID, seen: str, at: datetime | None = None, **changes: Any
) -> Person:
    """Change some of a person's own values (`EDITABLE`); what is not named stays.

    `seen` is `seen_token` of the row the changes were made from: when somebody changed the row since, `EditConflict` is raised
    and nothing written. Raises also `queries.PersonNotFound`, `policy.Refused`, `PersonInvalid`, `NumberTaken`, `PersonGone`.
    """
    row = queries.person(by, person_id)
    facts = row.facts()
    policy.require(by, "edit", facts)
    unknown = changes.keys() - EDITABLE
    if unknown:
        raise TypeError(f"not editable: {sorted(unknown)}")
    _must_be_active(row)
    if changes.keys() & {"address", "note"}:
        policy.require(by, "edit", replace(facts, data_class="person.contact"))
    if "identity_number" in changes:
        policy.require(by, "edit", replace(facts, data_class="person.identity"))
    place = row.place
    if "place_id" in changes and changes["place_id"] != row.place_id:
        found = Place.objects.filter(pk=changes["place_id"], valid_until__isnull=True).first()
        if found is None:
            raise PersonInvalid([Fault("place_id", "person.place_unknown")])
        policy.require(by, "create", _facts_of_new("person", found, None))
        place = found
    now = at or timezone.now()
    values = _checked_edit(by, row, changes, place, timezone.localdate(now))
    before = audit.image(row)
    stored: dict[str, Any] = {
        "name": values.name,
        "name_key": fold_name(values.name)[: rules.NAME_LIMIT],
        "sex": values.sex,
        "birth_on": values.birth_on,
        "place": place,
        "volunteer_number": values.volunteer_number or None,
        "address": values.address,
        "note": values.note,
        "identity_number": values.identity_number,
        "identity_index": queries.identity_index(values.identity_number),
    }
    # One conditional update is the guard: whoever read an older state changes nothing.
    try:
        with transaction.atomic():
            changed = Person.objects.filter(
                pk=row.pk, updated_at=_instant(seen), status=Person.Status.ACTIVE
            ).update(**stored, updated_at=_later(row.updated_at, now))
    except IntegrityError:
        raise NumberTaken(_SENTENCES["person.number_taken"], field="volunteer_number") from None
    current = Person.objects.select_related("place").get(pk=row.pk)
    if not changed:
        _must_be_active(current)
        raise EditConflict(current)
    if row.name != current.name or row.place_id != current.place_id:
        refresh_keys([current])
    audit.record(by=by, verb="edit", target=current, before=before, after=current)
    return current


def _checked_edit(by: Actor, row: Person, changes: dict[str, Any], place: Place, on: date) -> NewPerson:
    values = NewPerson(
        name=changes.get("name", row.name),
        place_id=place.pk,
        sex=changes.get("sex", row.sex),
        birth_on=changes.get("birth_on", row.birth_on),
        volunteer_number=changes.get("volunteer_number", row.volunteer_number) or "",
        identity_number=changes.get("identity_number", row.identity_number) or "",
        address=changes.get("address", row.address) or "",
        note=changes.get("note", row.note) or "",
    )
    values = rules.cleaned(values)
    age = queries.rule_number(by, rules.GUARDIAN_CONSENT_AGE, place_path=place.path, on=on)
    faults = rules.check_new_person(values, on=on, consent_age=0)
    if values.birth_on is not None and not faults and rules.age_on(values.birth_on, on) < age:
        guarded = Guardianship.objects.filter(ward=row, ended_on__isnull=True).exists()
        was = row.birth_on is not None and rules.age_on(row.birth_on, on) < age
        if not guarded and not was:
            faults.append(Fault("birth_on", "person.guardian_required", {"age": age}))
    if faults:
        raise PersonInvalid(faults)
    return values


def _must_be_active(row: Person) -> None:
    if row.status == Person.Status.MERGED:
        raise PersonGone(_("这份记录已经合并到另一份里，请在合并后的记录上修改。"))
    if row.status == Person.Status.ERASED:
        raise PersonGone(_("此人的信息已经删除，只保留了统计所需的编号，不能再修改。"))


def _instant(token: str) -> datetime:
    """Return the instant of a token; for a forged one an instant at which nothing was ever changed."""
    never = datetime(1, 1, 2, tzinfo=UTC)
    try:
        found = datetime.fromisoformat(token)
    except ValueError:
        return never
    return found if timezone.is_aware(found) else never


def _later(previous: datetime, now: datetime) -> datetime:
    """Return an instant that differs from the previous state's, or two edits in one microsecond would look like one."""
    return now if now > previous else previous + timedelta(microseconds=1)


@transaction.atomic
def give_volunteer_number(*, by: Actor, person_id: UUID) -> str:
    """Give the person a random volunteer number unless they have one; return it."""
    row = queries.person(by, person_id)
    policy.require(by, "edit", row.facts())
    _must_be_active(row)
    if row.volunteer_number:
        return row.volunteer_number
    before = audit.image(row)
    for _attempt in range(8):
        try:
            with transaction.atomic():
                Person.objects.filter(pk=row.pk, volunteer_number__isnull=True).update(
                    volunteer_number=rules.new_volunteer_number(),
                    updated_at=_later(row.updated_at, timezone.now()),
                )
            break
        except IntegrityError:
            continue  # one number in eight hundred million was taken: draw again
    row.refresh_from_db()
    audit.record(by=by, verb="number", target=row, before=before, after=row)
    return row.volunteer_number or ""


# --- contacts ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def add_contact(*, by: Actor, person_id: UUID, kind: str, value: str, primary: bool = False) -> ContactPoint:
    """Add a way to reach a person; the first of its kind becomes the primary one."""
    row = queries.person(by, person_id)
    policy.require(by, "edit", row.facts("person.contact"))
    _must_be_active(row)
    kind = typed.choice(ContactPoint, "kind", kind)
    value = _clean_contact(kind, value)
    existing = list(ContactPoint.objects.filter(person=row, kind=kind))
    if len(existing) >= rules.PHONES_LIMIT:
        raise TooManyContacts(
            _("同一种联系方式最多 %(limit)d 个，请先删掉不用的。") % {"limit": rules.PHONES_LIMIT},
            field="value",
        )
    first = not existing
    if primary and not first:
        ContactPoint.objects.filter(person=row, kind=kind, is_primary=True).update(is_primary=False)
    contact = ContactPoint(
        person=row, kind=kind, value=value, value_index=queries.contact_index(kind, value),
        tail_index=queries.tail_index(value) if kind == ContactPoint.Kind.PHONE else "", is_primary=first or primary,
    )  # fmt: skip
    try:
        with transaction.atomic():
            contact.save(force_insert=True)
    except IntegrityError:
        raise ContactKnown(_("这个联系方式已经登记过了。"), field="value") from None
    audit.record(by=by, verb="add_contact", target=row, after={"contact": audit.image(contact)})
    return contact


def _clean_contact(kind: str, value: str) -> str:
    if kind == ContactPoint.Kind.PHONE:
        digits = normalize_phone(value[:100])
        if digits is None:
            raise PersonInvalid([Fault("value", "person.phone_form")])
        return digits
    probe = NewPerson("甲", new_id())
    typed_value = value.strip()[:1000]
    probe = (
        replace(probe, email=typed_value)
        if kind == ContactPoint.Kind.EMAIL
        else replace(probe, wechat=typed_value)
    )
    faults = rules.check_new_person(probe, on=timezone.localdate(), consent_age=0)
    if faults or not value.strip():
        raise PersonInvalid(
            [replace(faults[0], field="value") if faults else Fault("value", "person.email_form")]
        )
    return value.strip()


@transaction.atomic
def remove_contact(*, by: Actor, person_id: UUID, contact_id: UUID) -> None:
    """Remove a way to reach a person; another of its kind becomes the primary one."""
    row = queries.person(by, person_id)
    policy.require(by, "edit", row.facts("person.contact"))
    contact = ContactPoint.objects.filter(pk=contact_id, person=row).first()
    if contact is None:
        raise AlreadyEnded(_("这个联系方式已经删掉了。"))
    before = audit.image(contact)
    contact.delete()
    if contact.is_primary:
        following = ContactPoint.objects.filter(person=row, kind=contact.kind).order_by("pk").first()
        if following is not None:
            ContactPoint.objects.filter(pk=following.pk).update(is_primary=True)
    audit.record(by=by, verb="remove_contact", target=row, before={"contact": before})


@transaction.atomic
def prefer_contact(*, by: Actor, person_id: UUID, contact_id: UUID) -> None:
    """Make one contact the primary one of its kind."""
    row = queries.person(by, person_id)
    policy.require(by, "edit", row.facts("person.contact"))
    contact = ContactPoint.objects.filter(pk=contact_id, person=row).first()
    if contact is None:
        raise AlreadyEnded(_("这个联系方式已经删掉了。"))
    ContactPoint.objects.filter(person=row, kind=contact.kind, is_primary=True).update(is_primary=False)
    ContactPoint.objects.filter(pk=contact.pk).update(is_primary=True)
    audit.record(by=by, verb="prefer_contact", target=row, after={"contact": str(contact.pk)})


@dataclass(frozen=True, slots=True)
class Revealed:
    """One contact value in clear."""

    id: UUID
    kind: str
    kind_label: str
    value: str
    is_primary: bool


def reveal_contact(*, by: Actor, person_id: UUID) -> list[Revealed]:
    """Return a person's contacts in clear. A read that leaves an audit row: who looked, at whom, when.

    Raises `ContactBarred` when the person took back their consent to be contacted, `throttle.TooManyTries` beyond a few hundred
    an hour: nobody copies a district by clicking.
    """
    row = queries.person(by, person_id)
    policy.require(by, "view", row.facts("person.contact"))
    _spend_reveal(by)
    with transaction.atomic():
        if by.person_id != row.pk and _barred(row):
            raise ContactBarred(
                _("本人已撤回“联系我”的同意，不再显示联系方式。需要联系时，请当面征得同意后重新登记。")
            )
        audit.record(by=by, verb="reveal_contact", target=row)
        rows = ContactPoint.objects.visible_to(by).filter(person=row).order_by("kind", "-is_primary", "pk")
        return [Revealed(c.pk, c.kind, c.get_kind_display(), c.value, c.is_primary) for c in rows]


def reveal_identity(*, by: Actor, person_id: UUID) -> str:
    """Return a person's identity number in clear ("" for none); leaves an audit row like `reveal_contact`."""
    row = queries.person(by, person_id)
    policy.require(by, "view", row.facts("person.identity"))
    _spend_reveal(by)
    with transaction.atomic():
        audit.record(by=by, verb="reveal_identity", target=row)
    return row.identity_number


def _spend_reveal(by: Actor) -> None:
    if by.account_id is not None:
        throttle.spend(
            bucket="person.reveal", key=str(by.account_id), limit=REVEALS_PER_HOUR, per_seconds=3600
        )


def _barred(row: Person) -> bool:
    given = Consent.objects.filter(person=row, purpose=Consent.Purpose.CONTACT).values_list(
        "withdrawn_at", flat=True
    )
    states = list(given)
    return bool(states) and None not in states


# --- guardians and consents -------------------------------------------------------------------------------------------


@transaction.atomic
def start_guardianship(
    *, by: Actor, ward_id: UUID, guardian_id: UUID, relation: str, started_on: date | None = None
) -> Guardianship:
    """Make one person the guardian of another. Raises `GuardianRefused` for oneself, a minor, or the other way round."""
    ward = queries.person(by, ward_id)
    policy.require(by, "create", ward.facts("guardianship"))
    guardian = queries.person(by, guardian_id)
    _must_be_active(ward)
    _must_be_active(guardian)
    today = timezone.localdate()
    if ward.pk == guardian.pk:
        raise GuardianRefused(_SENTENCES["person.guardian_self"], field="guardian_id")
    majority = queries.rule_number(by, rules.MAJORITY_AGE, place_path=ward.place.path, on=today)
    if guardian.birth_on and rules.age_on(guardian.birth_on, today) < majority:
        raise GuardianRefused(_("监护人要年满 %(age)d 周岁。") % {"age": majority}, field="guardian_id")
    if Guardianship.objects.filter(ward=guardian, guardian=ward, ended_on__isnull=True).exists():
        raise GuardianRefused(_("此人现在是对方的被监护人，不能同时做监护人。"), field="guardian_id")
    row = Guardianship(
        ward=ward,
        guardian=guardian,
        relation=typed.line(Guardianship, "relation", relation),
        started_on=typed.past(started_on, "started_on") or today,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise GuardianRefused(_("此人已经是监护人了。"), field="guardian_id") from None
    audit.record(by=by, verb="start", target=row, after=row)
    return row


@transaction.atomic
def end_guardianship(*, by: Actor, guardianship_id: UUID, on: date | None = None) -> UUID:
    """End a guardianship; the consents that the guardian gave for the ward are withdrawn with it. Returns the ward's id."""
    row = Guardianship.objects.visible_to(by).select_related("ward__place").filter(pk=guardianship_id).first()
    if row is None:
        raise queries.PersonNotFound(_("没有找到这段监护关系。"))
    policy.require(by, "edit", row.facts())
    day = typed.past(on, "on") or timezone.localdate()
    before = audit.image(row)
    if not Guardianship.objects.filter(pk=row.pk, ended_on__isnull=True).update(
        ended_on=max(day, row.started_on)
    ):
        raise AlreadyEnded(_("这段监护关系已经结束。"))
    now = timezone.now()
    for consent in Consent.objects.filter(
        person_id=row.ward_id, given_by_id=row.guardian_id, withdrawn_at__isnull=True
    ):
        _withdraw(by, consent, now)
    row.refresh_from_db()
    audit.record(by=by, verb="end", target=row, before=before, after=row)
    return row.ward_id


@transaction.atomic
def give_consent(
    *,
    by: Actor,
    person_id: UUID,
    purpose: str,
    means: str,
    given_by_id: UUID | None = None,
    notice_version: str = NOTICE_VERSION,
    at: datetime | None = None,
) -> Consent:
    """Record a consent for one purpose, given by the person or by their guardian (`given_by_id`).

    Below the age of consent only a guardian in office can give one; MINOR is for minors alone, and a guardian's to give.
    Recording the consent that is in force already returns it. Raises `ConsentRefused`.
    """
    row = queries.person(by, person_id)
    policy.require(by, "create", row.facts("consent"))
    _must_be_active(row)
    purpose = typed.choice(Consent, "purpose", purpose)
    means = typed.choice(Consent, "means", means)
    now = at or timezone.now()
    giver = given_by_id or row.pk
    _check_giver(by, row, giver, purpose, timezone.localdate(now))
    if means == Consent.Means.SELF and by.person_id != giver:
        raise ConsentRefused(_("“本人在线”只能由本人登录后选择；代为登记请选纸质或口头。"), field="means")
    live = Consent.objects.filter(person=row, purpose=purpose, withdrawn_at__isnull=True).first()
    if live is not None:
        return live
    consent = Consent(
        person=row, purpose=purpose, given_by_id=giver, means=means,
        notice_version=typed.line(Consent, "notice_version", notice_version), given_at=now,
    )  # fmt: skip
    try:
        with transaction.atomic():
            consent.save(force_insert=True)
    except IntegrityError:  # somebody recorded it at the same moment
        return Consent.objects.get(person=row, purpose=purpose, withdrawn_at__isnull=True)
    audit.record(by=by, verb="give", target=consent, after=consent)
    return consent


def _check_giver(by: Actor, row: Person, giver: UUID, purpose: str, on: date) -> None:
    age = None if row.birth_on is None else rules.age_on(row.birth_on, on)
    path = row.place.path
    if purpose == Consent.Purpose.MINOR and (
        age is None or age >= queries.rule_number(by, rules.MAJORITY_AGE, place_path=path, on=on)
    ):
        raise ConsentRefused(_("这一项只用于未成年人；此人已成年，或没有登记出生日期。"), field="purpose")
    if giver != row.pk:
        if not Guardianship.objects.filter(ward=row, guardian_id=giver, ended_on__isnull=True).exists():
            raise ConsentRefused(_("只有本人或现任监护人可以同意。请先登记监护关系。"), field="given_by_id")
        return
    consent_age = queries.rule_number(by, rules.GUARDIAN_CONSENT_AGE, place_path=path, on=on)
    if purpose == Consent.Purpose.MINOR or (age is not None and age < consent_age):
        raise ConsentRefused(
            _("此人未满 %(age)d 周岁，须由监护人同意。") % {"age": consent_age}
            if purpose != Consent.Purpose.MINOR
            else _("这一项须由监护人同意。"),
            field="given_by_id",
        )


@transaction.atomic
def withdraw_consent(*, by: Actor, consent_id: UUID, at: datetime | None = None) -> Consent:
    """Take a consent back, with effect at once: whoever asks `queries.people.has_consent` next is told no."""
    row = Consent.objects.visible_to(by).select_related("person__place").filter(pk=consent_id).first()
    if row is None:
        raise queries.PersonNotFound(_("没有找到这项同意。"))
    policy.require(by, "edit", row.facts())
    if not _withdraw(by, row, at or timezone.now()):
        raise AlreadyEnded(_("这项同意已经撤回。"))
    row.refresh_from_db()
    return row


def _withdraw(by: Actor, row: Consent, now: datetime) -> bool:
    before = audit.image(row)
    if not Consent.objects.filter(pk=row.pk, withdrawn_at__isnull=True).update(
        withdrawn_at=max(now, row.given_at)
    ):
        return False
    audit.record(by=by, verb="withdraw", target=row, before=before, after=Consent.objects.get(pk=row.pk))
    return True


# --- qualifications ---------------------------------------------------------------------------------------------------


@transaction.atomic
def add_qualification(
    *,
    by: Actor,
    person_id: UUID,
    skill_id: UUID,
    issuer: str = "",
    number: str = "",
    issued_on: date | None = None,
    valid_until: date | None = None,
) -> HeldQualification:
    """Record a qualification that a person holds."""
    row = queries.person(by, person_id)
    policy.require(by, "create", row.facts("qualification"))
    _must_be_active(row)
    skill = Skill.objects.visible_to(by).filter(pk=skill_id).first()
    if skill is None:
        raise Problem(_("没有这项技能，请从列表里选。"), code="qualification.skill_unknown", field="skill_id")
    typed.past(issued_on, "issued_on")
    if issued_on and valid_until and valid_until < issued_on:
        raise Problem(_("有效期早于发证日期，请检查。"), code="qualification.dates", field="valid_until")
    held = HeldQualification(
        person=row, skill=skill, issuer=typed.line(HeldQualification, "issuer", issuer),
        number=typed.line(HeldQualification, "number", number), issued_on=issued_on, valid_until=valid_until,
    )  # fmt: skip
    same = HeldQualification.objects.filter(person=row, skill=skill, issuer=held.issuer, issued_on=issued_on)
    if same.exists():  # without a date of issue the database cannot tell two alike rows apart
        raise QualificationKnown(_("这项资质已经登记过了。"))
    try:
        with transaction.atomic():
            held.save(force_insert=True)
    except IntegrityError:
        raise QualificationKnown(_("这项资质已经登记过了。")) from None
    audit.record(by=by, verb="create", target=held, after=held)
    return held


@transaction.atomic
def remove_qualification(*, by: Actor, qualification_id: UUID) -> UUID:
    """Take a wrongly recorded qualification off; one that ran out keeps its row and its date. Returns the holder's id."""
    row = HeldQualification.objects.visible_to(by).filter(pk=qualification_id).first()
    if row is None:
        raise queries.PersonNotFound(_("没有找到这项资质。"))
    policy.require(by, "edit", row.facts())
    before = audit.image(row)
    audit.record(by=by, verb="remove", target=row, before=before)
    row.delete()
    return row.person_id


# --- duplicates -------------------------------------------------------------------------------------------------------


@transaction.atomic
def mark_distinct(*, by: Actor, one_id: UUID, other_id: UUID) -> None:
    """Remember that two people who look alike are two, so that nobody is asked again. Harmless to repeat."""
    one, other = queries.person(by, one_id), queries.person(by, other_id)
    policy.require(by, "edit", one.facts())
    if one.pk == other.pk:
        raise Problem(_("这是同一份记录。"), code="person.same_row")
    first, second = rules.pair(one.pk, other.pk)
    _row, made = DistinctPair.objects.get_or_create(
        first_id=first,
        second_id=second,
        defaults={"decided_at": timezone.now(), "decided_by": str(by.account_id or by.kind)},
    )
    if made:
        audit.record(by=by, verb="distinct", target=one, after={"first": str(first), "second": str(second)})


# --- search keys ------------------------------------------------------------------------------------------------------


def refresh_keys(people: Sequence[Person]) -> None:
    """Write the search keys of some people again, from their names and places (loaded). In the caller's transaction."""
    PersonKey.objects.filter(person_id__in=[row.pk for row in people]).delete()
    insert_rows(
        PersonKey,
        KEY_COLUMNS,
        [
            key
            for row in people
            if row.status == Person.Status.ACTIVE
            for key in _key_rows(row.pk, row.name, row.place.path)
        ],
    )


def rebuild_person_keys(*, by: Actor, progress: Callable[[int], None] | None = None) -> int:
    """Write the search keys of everybody again, a few thousand at a time, and drop keys of nobody. Return how many people."""
    policy.require(by, "edit", policy.Facts("platform"))
    PersonKey.objects.filter(
        ~Exists(Person.objects.filter(pk=OuterRef("person_id"), status=Person.Status.ACTIVE))
    ).delete()
    done = 0
    last: UUID | None = None
    while True:
        rows = Person.objects.filter(status=Person.Status.ACTIVE).select_related("place").order_by("pk")
        chunk = list(
            (rows if last is None else rows.filter(pk__gt=last)).only("name", "status", "place__path")[:5000]
        )
        if not chunk:
            return done
        with transaction.atomic():
            refresh_keys(chunk)
        done += len(chunk)
        last = chunk[-1].pk
        if progress is not None:
            progress(done)


class _PathLabel(Func):
    """The label at one level of a place path, in SQL."""

    output_field = PersonKey._meta.get_field("county")

    def __init__(self, path: Any, level: int) -> None:
        super().__init__(path)
        self.level = level

    def as_postgresql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, list[Any]]:
        path, params = compiler.compile(self.source_expressions[0])
        return f"split_part({path}, '/', {self.level + 1})", list(params)

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, tuple[Any, ...]]:
        path, params = compiler.compile(self.source_expressions[0])
        rest, given = f"substr({path}, 2)", tuple(params)
        for _step in range(self.level - 1):
            rest, given = f"substr({rest}, instr({rest}, '/') + 1)", given * 2
        # Past the end there is no slash: the length is then -1 and the text empty.
        return (
            f"CASE WHEN instr({rest}, '/') > 0 THEN substr({rest}, 1, instr({rest}, '/') - 1) ELSE '' END",
            given * 3,
        )


def people_keys_follow_places(path: str) -> int:
    """Write county and street of the keys of everybody at or below `path` again, from today's paths; one statement.

    To be called in the transaction that moved the places. Returns the number of keys touched.
    """
    home = Person.objects.filter(pk=OuterRef("person_id"))
    return PersonKey.objects.filter(person__place__path__prefix=path).update(
        county=Subquery(home.annotate(label=_PathLabel(F("place__path"), 3)).values("label")[:1]),
        street=Subquery(home.annotate(label=_PathLabel(F("place__path"), 4)).values("label")[:1]),
    )
