"""People by API: find, read, put on record, change, merge, consents, a copy of one's data. Contacts are masked but for the one
call that reveals them, which leaves a trace."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from ninja import Router, Schema, Status

from wushe.api.auth import ApiRequest
from wushe.api.declares import declares
from wushe.community.operations import merging, privacy
from wushe.community.operations import people as operations
from wushe.community.queries import organizations as organization_queries
from wushe.community.queries import people as queries
from wushe.community.queries import places as place_queries
from wushe.community.rules.people import NewPerson, cleaned
from wushe.kernel.problems import Problem

router = Router(tags=["people"])

PAGE = 100


class PersonRowOut(Schema):
    """One person of a list. `phone` is masked; `why` is the kind of key that matched (N name, P Q pinyin, I initials, S inside
    the name, T phone, F last four digits, V volunteer number)."""

    id: UUID
    name: str
    sex: str
    birth_on: date | None
    place: str
    place_path: str
    volunteer_number: str
    phone: str
    roles: list[str]
    why: str = ""


class ContactOut(Schema):
    """One way to reach somebody; `value` is masked unless asked for by the call that reveals."""

    id: UUID
    kind: str
    value: str
    is_primary: bool


class MembershipOut(Schema):
    """One membership."""

    id: UUID
    organization: UUID
    organization_name: str
    capacity: str
    title: str
    started_on: date | None
    ended_on: date | None


class TieOut(Schema):
    """A guardianship seen from the person."""

    id: UUID
    person: UUID
    name: str
    relation: str
    is_guardian: bool
    started_on: date
    ended_on: date | None


class ConsentOut(Schema):
    """A consent; in force while `withdrawn_at` is null."""

    id: UUID
    purpose: str
    given_by: UUID
    means: str
    notice_version: str
    given_at: datetime
    withdrawn_at: datetime | None


class QualificationOut(Schema):
    """A qualification somebody holds."""

    id: UUID
    skill: str
    issuer: str
    number: str
    issued_on: date | None
    valid_until: date | None


class DuplicateOut(Schema):
    """Somebody who may be the same person, 0 to 100, with reasons."""

    id: UUID
    name: str
    place: str
    birth_on: date | None
    score: int
    reasons: list[str]


class PersonOut(Schema):
    """One person as the caller may see them. `seen` goes back with a change, to prove which state it was made from.

    A record that was merged away has `merged_into`; read that one.
    """

    id: UUID
    name: str
    sex: str
    birth_on: date | None
    place: UUID
    place_path: str
    volunteer_number: str
    address: str
    note: str
    status: str
    merged_into: UUID | None
    seen: str
    contacts: list[ContactOut]
    memberships: list[MembershipOut]
    qualifications: list[QualificationOut]
    guardianships: list[TieOut]
    consents: list[ConsentOut]
    possible_duplicates: list[DuplicateOut]


class PersonIn(Schema):
    """Somebody to put on record. For children the guardian and how they consented are needed as well."""

    name: str
    place: UUID
    sex: str = "UNKNOWN"
    birth_on: date | None = None
    phones: list[str] = []
    email: str = ""
    wechat: str = ""
    volunteer_number: str = ""
    is_volunteer: bool = False
    identity_number: str = ""
    address: str = ""
    note: str = ""
    organization: UUID | None = None
    capacity: str = ""
    guardian: UUID | None = None
    guardian_name: str = ""
    guardian_phone: str = ""
    guardian_relation: str = ""
    consent_means: str = ""
    refuse_likely_duplicates: bool = False


class PersonChange(Schema):
    """What to change; what is left out stays. `seen` is from the last reading."""

    seen: str
    name: str | None = None
    sex: str | None = None
    birth_on: date | None = None
    place: UUID | None = None
    volunteer_number: str | None = None
    identity_number: str | None = None
    address: str | None = None
    note: str | None = None


class ContactIn(Schema):
    """A way to reach somebody. `kind`: PHONE, EMAIL, WECHAT."""

    kind: str
    value: str
    primary: bool = False


class ConsentIn(Schema):
    """A consent for one purpose; `given_by` is a guardian where it is not the person."""

    purpose: str
    means: str
    given_by: UUID | None = None


class MergeIn(Schema):
    """Which record is merged in, and for each value whether the one "kept" or "gone" stays."""

    gone: UUID
    choices: dict[str, str] = {}


class MergeOut(Schema):
    """A merge; `stayed` counts rows that a rule kept on the record merged in."""

    id: UUID
    kept: UUID
    gone: UUID
    merged_at: datetime
    undo_until: datetime
    undone_at: datetime | None
    stayed: int


class LikelyDuplicates(Problem):
    """Somebody who looks alike is on record, and the caller asked to be told."""

    code = "person.likely_duplicates"
    status = 409


@router.get("/people", response=list[PersonRowOut])
@declares("view", "person")
def list_people(
    request: ApiRequest,
    q: str = "",
    place: UUID | None = None,
    organization: UUID | None = None,
    capacity: str = "",
    offset: int = 0,
) -> Any:
    """Find people by name, pinyin, initials, phone (whole or last four digits) or volunteer number; without `q` all, by pinyin, 100 at a time."""
    where: dict[str, Any] = {
        "within": place_queries.place(request.actor, place).path if place else "/",
        "organization_path": organization_queries.organization(request.actor, organization).path
        if organization
        else "",
        "capacity": capacity,
    }
    if q:
        rows = queries.search_people(request.actor, q, **where)
    else:
        start = max(0, min(offset, 10_000_000))
        keys = list(queries.people_list(request.actor, **where)[start : start + PAGE])
        rows = queries.rows_of(request.actor, [key.person for key in keys])
    return [_row(row) for row in rows]


@router.get("/people/{uuid:person_id}", response=PersonOut)
@declares("view", "person")
def read_person(request: ApiRequest, person_id: UUID) -> Any:
    """Read one person."""
    return _person(request, person_id)


@router.post("/people", response={201: PersonOut})
@declares("create", "person")
def create_person(request: ApiRequest, data: PersonIn) -> Status:
    """Put somebody on record. Likely duplicates stand in the answer, or refuse the call if you ask for it."""
    sent = data.dict(exclude={"place", "organization", "guardian", "phones", "refuse_likely_duplicates"})
    values = NewPerson(
        **sent,
        place_id=data.place,
        organization_id=data.organization,
        guardian_id=data.guardian,
        phones=tuple(data.phones),
    )
    if data.refuse_likely_duplicates:
        path = place_queries.place(request.actor, data.place).path
        alike = queries.duplicates_of_new(request.actor, cleaned(values), path)
        if alike:
            raise LikelyDuplicates(", ".join(str(one.id) for one in alike))
    person = operations.create_person(by=request.actor, values=values)
    return Status(201, _person(request, person.pk))


@router.patch("/people/{uuid:person_id}", response=PersonOut)
@declares("edit", "person")
def edit_person(request: ApiRequest, person_id: UUID, data: PersonChange) -> Any:
    """Change some values. 409 when somebody changed the record since you read it."""
    changes = data.dict(exclude_unset=True, exclude={"seen"})
    if "place" in changes:
        changes["place_id"] = changes.pop("place")
    changes = {name: value for name, value in changes.items() if value is not None or name == "birth_on"}
    operations.edit_person(by=request.actor, person_id=person_id, seen=data.seen, **changes)
    return _person(request, person_id)


@router.get("/people/{uuid:person_id}/contacts", response=list[ContactOut])
@declares("view", "person.contact")
def reveal_contacts(request: ApiRequest, person_id: UUID) -> Any:
    """Read a person's contacts in clear. Each call is written to the audit trail."""
    return [
        {"id": one.id, "kind": one.kind, "value": one.value, "is_primary": one.is_primary}
        for one in operations.reveal_contact(by=request.actor, person_id=person_id)
    ]


@router.post("/people/{uuid:person_id}/contacts", response={201: ContactOut})
@declares("edit", "person.contact")
def add_contact(request: ApiRequest, person_id: UUID, data: ContactIn) -> Status:
    """Add a way to reach somebody."""
    made = operations.add_contact(
        by=request.actor, person_id=person_id, kind=data.kind, value=data.value, primary=data.primary
    )
    masked = queries.masked_contact(made.kind, made.value)
    return Status(201, {"id": made.pk, "kind": made.kind, "value": masked, "is_primary": made.is_primary})


@router.get("/people/{uuid:person_id}/duplicates", response=list[DuplicateOut])
@declares("merge", "person")
def list_duplicates(request: ApiRequest, person_id: UUID) -> Any:
    """Read who may be the same person."""
    person = queries.person(request.actor, person_id, verb="merge")
    return [_duplicate(one) for one in queries.possible_duplicates(request.actor, person)]


@router.post("/people/{uuid:person_id}/merge", response={201: MergeOut})
@declares("merge", "person")
def merge_people(request: ApiRequest, person_id: UUID, data: MergeIn) -> Status:
    """Merge another record into this one; everything that hangs on it follows. Can be undone for a month."""
    row = merging.merge_people(by=request.actor, kept_id=person_id, gone_id=data.gone, choices=data.choices)
    return Status(201, _merge(row))


@router.post("/merges/{uuid:person_merge_id}/undo", response=MergeOut)
@declares("merge", "person")
def undo_merge(request: ApiRequest, person_merge_id: UUID) -> Any:
    """Make two of the one again."""
    return _merge(merging.undo_merge(by=request.actor, merge_id=person_merge_id))


@router.get("/people/{uuid:person_id}/consents", response=list[ConsentOut])
@declares("view", "consent")
def list_consents(request: ApiRequest, person_id: UUID) -> Any:
    """Read what a person consented to, withdrawn ones included."""
    return [_consent(row) for row in queries.person_file(request.actor, person_id).consents]


@router.post("/people/{uuid:person_id}/consents", response={201: ConsentOut})
@declares("create", "consent")
def give_consent(request: ApiRequest, person_id: UUID, data: ConsentIn) -> Status:
    """Record a consent. The one in force already is returned as it is."""
    row = operations.give_consent(
        by=request.actor,
        person_id=person_id,
        purpose=data.purpose,
        means=data.means,
        given_by_id=data.given_by,
    )
    return Status(201, _consent(row))


@router.post("/consents/{uuid:consent_id}/withdraw", response=ConsentOut)
@declares("edit", "consent")
def withdraw_consent(request: ApiRequest, consent_id: UUID) -> Any:
    """Take a consent back, with effect at once."""
    return _consent(operations.withdraw_consent(by=request.actor, consent_id=consent_id))


@router.post("/people/{uuid:person_id}/export", response=dict[str, Any])
@declares("export", "person")
def export_person(request: ApiRequest, person_id: UUID) -> Any:
    """Make a copy of everything stored about a person. Written to the audit trail."""
    return privacy.export_person(by=request.actor, person_id=person_id).as_json()


@router.post("/people/{uuid:person_id}/erase", response={204: None})
@declares("erase", "person")
def erase_person(request: ApiRequest, person_id: UUID) -> Status:
    """Erase a person for ever; a number without a name stays, so that totals do not change."""
    privacy.erase_person(by=request.actor, person_id=person_id)
    return Status(204, None)


def _row(row: queries.PersonRow) -> dict[str, Any]:
    return {
        "id": row.id, "name": row.name, "sex": row.sex, "birth_on": row.birth_on, "place": row.place_name,
        "place_path": row.place_path, "volunteer_number": row.volunteer_number, "phone": row.phone,
        "roles": list(row.roles), "why": row.why,
    }  # fmt: skip


def _person(request: ApiRequest, person_id: UUID) -> dict[str, Any]:
    file = queries.person_file(request.actor, person_id)
    person = file.person
    return {
        "id": person.pk,
        "name": person.name,
        "sex": person.sex,
        "birth_on": person.birth_on,
        "place": person.place_id,
        "place_path": person.place.path,
        "volunteer_number": person.volunteer_number or "",
        "address": file.address,
        "note": file.note,
        "status": person.status,
        "merged_into": person.merged_into_id,
        "seen": operations.seen_token(person),
        "contacts": [
            {"id": one.id, "kind": one.kind, "value": one.masked, "is_primary": one.is_primary} for one in file.contacts
        ],
        "memberships": [
            {
                "id": one.pk, "organization": one.organization_id, "organization_name": one.organization.name,
                "capacity": one.capacity, "title": one.title, "started_on": one.started_on, "ended_on": one.ended_on,
            }
            for one in file.memberships
        ],
        "qualifications": [
            {
                "id": one.pk, "skill": one.skill.code, "issuer": one.issuer, "number": one.number,
                "issued_on": one.issued_on, "valid_until": one.valid_until,
            }
            for one in file.qualifications
        ],
        "guardianships": [
            {
                "id": tie.id, "person": tie.person_id, "name": tie.name, "relation": tie.relation,
                "is_guardian": tie.is_guardian, "started_on": tie.started_on, "ended_on": tie.ended_on,
            }
            for tie in file.ties
        ],
        "consents": [_consent(row) for row in file.consents],
        "possible_duplicates": [_duplicate(one) for one in file.duplicates],
    }  # fmt: skip


def _duplicate(one: queries.Duplicate) -> dict[str, Any]:
    return {
        "id": one.id, "name": one.name, "place": one.place_name, "birth_on": one.birth_on, "score": one.score,
        "reasons": list(one.reasons),
    }  # fmt: skip


def _consent(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk, "purpose": row.purpose, "given_by": row.given_by_id, "means": row.means,
        "notice_version": row.notice_version, "given_at": row.given_at, "withdrawn_at": row.withdrawn_at,
    }  # fmt: skip


def _merge(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk, "kept": row.kept_id, "gone": row.gone_id, "merged_at": row.merged_at, "undo_until": row.undo_until,
        "undone_at": row.undone_at, "stayed": sum(len(entry["stayed"]) for entry in row.moved["rows"]),
    }  # fmt: skip
