"""Organizations, stations, venues and who answers for what, by API."""

from datetime import date
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema, Status

from wushe.api.auth import ApiRequest
from wushe.api.declares import declares
from wushe.community.operations import memberships as membership_operations
from wushe.community.operations import organizations as operations
from wushe.community.operations import responsibilities as hand_overs
from wushe.community.operations import stations as station_operations
from wushe.community.operations import venues as venue_operations
from wushe.community.queries import organizations as queries
from wushe.community.queries import people as people_queries
from wushe.community.queries import places as place_queries
from wushe.community.queries import responsibilities as answering
from wushe.community.queries import stations as station_queries
from wushe.community.queries import venues as venue_queries
from wushe.community.rules import organizations as rules

router = Router(tags=["organizations"])

LONGEST = 200


class Stretch(Schema):
    """Which rows of a list: at most 200 from `offset` on."""

    limit: int = 50
    offset: int = 0

    def of(self, rows: Any) -> tuple[list[Any], bool]:
        """Return the rows and whether more follow."""
        limit, offset = max(1, min(self.limit, LONGEST)), max(0, self.offset)
        found = list(rows[offset : offset + limit + 1])
        return found[:limit], len(found) > limit


# --- organizations ----------------------------------------------------------------------------------------------------


class OrganizationOut(Schema):
    """One organization. `contact_name` and `contact_phone` are null where the caller may not read them."""

    id: UUID
    name: str
    kind: str
    registration: str
    status: str
    credit_code: str | None
    place: UUID
    place_name: str
    parent: UUID | None
    purpose: str
    address: str
    office_phone: str
    contact_name: str | None = None
    contact_phone: str | None = None
    founded_on: date | None
    closed_on: date | None
    is_public: bool


class OrganizationPage(Schema):
    """A stretch of organizations by name."""

    rows: list[OrganizationOut]
    more: bool


class OrganizationIn(Schema):
    """An organization to register. Kinds and registrations as in `OrganizationOut`."""

    name: str
    kind: str
    place: UUID
    registration: str = "NONE"
    credit_code: str = ""
    parent: UUID | None = None
    purpose: str = ""
    address: str = ""
    office_phone: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    founded_on: date | None = None
    is_public: bool = True


class OrganizationChange(Schema):
    """What to change; what is left out stays."""

    name: str | None = None
    kind: str | None = None
    place: UUID | None = None
    registration: str | None = None
    credit_code: str | None = None
    purpose: str | None = None
    address: str | None = None
    office_phone: str | None = None
    contact_name: str | None = None
    contact_phone: str | None = None
    founded_on: date | None = None
    is_public: bool | None = None


class OrganizationQuery(Stretch):
    """Which organizations."""

    text: str = ""
    kind: str = ""
    society: str = ""
    registration: str = ""
    status: str = ""
    place: UUID | None = None


class ParentIn(Schema):
    """The organization above, or null for none."""

    parent: UUID | None


class DayIn(Schema):
    """A day that is not after today."""

    on: date


@router.get("/organizations", response=OrganizationPage)
@declares("view", "organization")
def organizations(request: ApiRequest, which: Query[OrganizationQuery]) -> dict[str, Any]:
    """Organizations the caller may see, by name."""
    place = place_queries.place(request.actor, which.place) if which.place else None
    rows, more = which.of(
        queries.organizations(
            request.actor,
            text=which.text,
            kind=which.kind,
            society=which.society,
            registration=which.registration,
            status=which.status,
            place=place,
        ).order_by("name_key", "pk")
    )
    return {"rows": [_organization(row) for row in rows], "more": more}


@router.post("/organizations", response={201: OrganizationOut})
@declares("create", "organization")
def register_organization(request: ApiRequest, data: OrganizationIn) -> Status[dict[str, Any]]:
    """Register an organization."""
    given = data.dict()
    given["place"] = place_queries.place(request.actor, data.place)
    given["parent"] = queries.organization(request.actor, data.parent) if data.parent else None
    made = operations.register_organization(by=request.actor, **given)
    return Status(201, _shown(request, made))


@router.get("/organizations/{uuid:organization_id}", response=OrganizationOut)
@declares("view", "organization")
def organization(request: ApiRequest, organization_id: UUID) -> dict[str, Any]:
    """One organization."""
    return _shown(request, queries.organization(request.actor, organization_id))


@router.patch("/organizations/{uuid:organization_id}", response=OrganizationOut)
@declares("edit", "organization")
def edit_organization(request: ApiRequest, organization_id: UUID, data: OrganizationChange) -> dict[str, Any]:
    """Change an organization."""
    row = queries.organization(request.actor, organization_id)
    changes = _given(data, keep_null={"founded_on"})
    if "place" in changes:
        changes["place"] = place_queries.place(request.actor, changes["place"])
    return _shown(request, operations.edit_organization(by=request.actor, organization=row, **changes))


@router.post("/organizations/{uuid:organization_id}/parent", response=OrganizationOut)
@declares("edit", "organization")
def move_organization(request: ApiRequest, organization_id: UUID, data: ParentIn) -> dict[str, Any]:
    """Hang an organization under another, or under none."""
    row = queries.organization(request.actor, organization_id)
    above = queries.organization(request.actor, data.parent) if data.parent else None
    return _shown(request, operations.move_organization(by=request.actor, organization=row, parent=above))


@router.post("/organizations/{uuid:organization_id}/close", response=OrganizationOut)
@declares("edit", "organization")
def close_organization(request: ApiRequest, organization_id: UUID, data: DayIn) -> dict[str, Any]:
    """Close an organization."""
    row = queries.organization(request.actor, organization_id)
    return _shown(request, operations.close_organization(by=request.actor, organization=row, on=data.on))


# --- members ----------------------------------------------------------------------------------------------------------


class MembershipOut(Schema):
    """One membership."""

    id: UUID
    person: UUID
    organization: UUID
    station: UUID | None
    capacity: str
    title: str
    started_on: date | None
    ended_on: date | None


class MembershipPage(Schema):
    """A stretch of memberships."""

    rows: list[MembershipOut]
    more: bool


class MembershipIn(Schema):
    """A membership to start."""

    person: UUID
    capacity: str
    title: str = ""
    station: UUID | None = None
    started_on: date | None = None


class MembershipQuery(Stretch):
    """Which memberships: those of today, or with `former` all."""

    former: bool = False


@router.get("/organizations/{uuid:organization_id}/memberships", response=MembershipPage)
@declares("view", "membership")
def memberships(request: ApiRequest, organization_id: UUID, which: Query[MembershipQuery]) -> dict[str, Any]:
    """Who belongs to an organization."""
    row = queries.organization(request.actor, organization_id)
    found = queries.members(request.actor, row, current=not which.former)
    rows, more = which.of(found.order_by("capacity", "person__name_key", "pk"))
    return {"rows": [_membership(one) for one in rows], "more": more}


@router.post("/organizations/{uuid:organization_id}/memberships", response={201: MembershipOut})
@declares("create", "membership")
def start_membership(
    request: ApiRequest, organization_id: UUID, data: MembershipIn
) -> Status[dict[str, Any]]:
    """Add a person to an organization."""
    made = membership_operations.start_membership(
        by=request.actor,
        person=people_queries.person(request.actor, data.person),
        organization=queries.organization(request.actor, organization_id),
        capacity=data.capacity,
        title=data.title,
        station=station_queries.station(request.actor, data.station) if data.station else None,
        started_on=data.started_on,
    )
    return Status(201, _membership(made))


@router.post("/memberships/{uuid:membership_id}/end", response=MembershipOut)
@declares("edit", "membership")
def end_membership(request: ApiRequest, membership_id: UUID, data: DayIn) -> dict[str, Any]:
    """End a membership."""
    one = queries.membership(request.actor, membership_id)
    return _membership(membership_operations.end_membership(by=request.actor, membership=one, on=data.on))


# --- stations ---------------------------------------------------------------------------------------------------------


class StationOut(Schema):
    """One station with the organizations that answer for it now, where the caller may see them."""

    id: UUID
    name: str
    tier: str
    place: UUID
    place_name: str
    venue: UUID | None
    address: str
    phone: str
    opened_on: date | None
    closed_on: date | None
    yearly_budget_fen: int | None
    is_public: bool
    staff: int
    owner: UUID | None = None
    operator: UUID | None = None


class StationPage(Schema):
    """A stretch of stations in order of the tree of places."""

    rows: list[StationOut]
    more: bool


class StationIn(Schema):
    """A station to open."""

    name: str
    tier: str
    place: UUID
    venue: UUID | None = None
    address: str = ""
    phone: str = ""
    opened_on: date | None = None
    yearly_budget_fen: int | None = None
    is_public: bool = True
    owner: UUID | None = None
    operator: UUID | None = None


class StationChange(Schema):
    """What to change; what is left out stays."""

    name: str | None = None
    tier: str | None = None
    place: UUID | None = None
    venue: UUID | None = None
    address: str | None = None
    phone: str | None = None
    opened_on: date | None = None
    yearly_budget_fen: int | None = None
    is_public: bool | None = None


class StationQuery(Stretch):
    """Which stations; `lacking` is STAFF, OWNER or OPERATOR, `state` "", CLOSED or ALL."""

    text: str = ""
    tier: str = ""
    lacking: str = ""
    state: str = ""
    place: UUID | None = None


class HandOverIn(Schema):
    """Who answers from which day on; `capacity` is OWNER or OPERATOR."""

    capacity: str
    to: UUID
    on: date
    gap_is_meant: bool = False


class AnsweringOut(Schema):
    """Who answered from when until when; without organization: nobody did."""

    id: UUID | None
    organization: UUID | None
    name: str
    capacity: str
    started_on: date
    ended_on: date | None


@router.get("/stations", response=StationPage)
@declares("view", "station")
def stations(request: ApiRequest, which: Query[StationQuery]) -> dict[str, Any]:
    """Stations the caller may see."""
    place = place_queries.place(request.actor, which.place) if which.place else None
    rows, more = which.of(
        station_queries.stations(
            request.actor,
            text=which.text,
            tier=which.tier,
            lacking=which.lacking,
            state=which.state,
            place=place,
        ).order_by("place__path", "name", "pk")
    )
    bodies = answering.answering_now(request.actor, rows)
    return {"rows": [_station(row, bodies.get(row.pk, {})) for row in rows], "more": more}


@router.post("/stations", response={201: StationOut})
@declares("create", "station")
def open_station(request: ApiRequest, data: StationIn) -> Status[dict[str, Any]]:
    """Open a station."""
    given = data.dict()
    given["place"] = place_queries.place(request.actor, data.place)
    given["venue"] = venue_queries.venue(request.actor, data.venue) if data.venue else None
    for name in ("owner", "operator"):
        given[name] = queries.organization(request.actor, given[name]) if given[name] else None
    made = station_operations.open_station(by=request.actor, **given)
    return Status(201, _station_shown(request, made.pk))


@router.get("/stations/{uuid:station_id}", response=StationOut)
@declares("view", "station")
def station(request: ApiRequest, station_id: UUID) -> dict[str, Any]:
    """One station."""
    return _station_shown(request, station_id)


@router.patch("/stations/{uuid:station_id}", response=StationOut)
@declares("edit", "station")
def edit_station(request: ApiRequest, station_id: UUID, data: StationChange) -> dict[str, Any]:
    """Change a station."""
    row = station_queries.station(request.actor, station_id)
    changes = _given(data, keep_null={"venue", "opened_on", "yearly_budget_fen"})
    if "place" in changes:
        changes["place"] = place_queries.place(request.actor, changes["place"])
    if changes.get("venue"):
        changes["venue"] = venue_queries.venue(request.actor, changes["venue"])
    station_operations.edit_station(by=request.actor, station=row, **changes)
    return _station_shown(request, station_id)


@router.get("/stations/{uuid:station_id}/responsibilities", response=list[AnsweringOut])
@declares("view", "duty")
def responsibilities(request: ApiRequest, station_id: UUID) -> list[dict[str, Any]]:
    """Who answered for a station, the latest first, with the times when nobody did."""
    row = station_queries.station(request.actor, station_id)
    return [_answering(line) for line in answering.history(request.actor, station=row)]


@router.post("/stations/{uuid:station_id}/hand-over", response=list[AnsweringOut])
@declares("edit", "duty")
def hand_over(request: ApiRequest, station_id: UUID, data: HandOverIn) -> list[dict[str, Any]]:
    """From a day on another organization answers for the station, or runs it."""
    row = station_queries.station(request.actor, station_id)
    hand_overs.hand_over(
        by=request.actor,
        subject=hand_overs.Subject(station=row),
        capacity=data.capacity,
        to=queries.organization(request.actor, data.to),
        on=data.on,
        gap_is_meant=data.gap_is_meant,
    )
    return [_answering(line) for line in answering.history(request.actor, station=row)]


class EndedOut(Schema):
    """A responsibility that has ended."""

    id: UUID
    organization: UUID
    capacity: str
    started_on: date
    ended_on: date | None


class DutyOut(Schema):
    """One duty of the vocabulary, and who answers for it in the place asked about (null: nobody)."""

    code: str
    name: str
    name_en: str
    organization: UUID | None
    organization_name: str
    since: date | None
    answers_from: UUID | None


class DutyHandOverIn(Schema):
    """Who answers for the duty in the place from which day on."""

    to: UUID
    on: date
    gap_is_meant: bool = False


@router.get("/places/{uuid:place_id}/duties", response=list[DutyOut])
@declares("view", "duty")
def duties_of_place(request: ApiRequest, place_id: UUID, on: date | None = None) -> list[dict[str, Any]]:
    """Every duty and who answers for it in a place on a day (today); `answers_from` is the place it is held for."""
    place = place_queries.place(request.actor, place_id)
    bearers = answering.duty_bearers(request.actor, place, on=on)
    return [_duty(row, bearers.get(row.pk)) for row in answering.duties(request.actor)]


@router.get("/places/{uuid:place_id}/duties/{duty_code}/responsibilities", response=list[AnsweringOut])
@declares("view", "duty")
def duty_history(request: ApiRequest, place_id: UUID, duty_code: str) -> list[dict[str, Any]]:
    """Who answered for a duty in a place, the latest first, with the times when nobody did."""
    place = place_queries.place(request.actor, place_id)
    duty = answering.duty(request.actor, duty_code)
    return [_answering(line) for line in answering.history(request.actor, duty=duty, place=place)]


@router.post("/places/{uuid:place_id}/duties/{duty_code}/hand-over", response=list[AnsweringOut])
@declares("edit", "duty")
def hand_over_duty(
    request: ApiRequest, place_id: UUID, duty_code: str, data: DutyHandOverIn
) -> list[dict[str, Any]]:
    """From a day on another organization answers for a duty in a place."""
    place = place_queries.place(request.actor, place_id)
    duty = answering.duty(request.actor, duty_code)
    hand_overs.hand_over(
        by=request.actor,
        subject=hand_overs.Subject(duty=duty, place=place),
        capacity="OWNER",
        to=queries.organization(request.actor, data.to),
        on=data.on,
        gap_is_meant=data.gap_is_meant,
    )
    return [_answering(line) for line in answering.history(request.actor, duty=duty, place=place)]


@router.post("/responsibilities/{uuid:responsibility_id}/end", response=EndedOut)
@declares("edit", "duty")
def end_responsibility(request: ApiRequest, responsibility_id: UUID, data: DayIn) -> dict[str, Any]:
    """End a period without a successor: from that day nobody answers."""
    row = answering.responsibility(request.actor, responsibility_id)
    ended = hand_overs.end_responsibility(by=request.actor, responsibility=row, on=data.on)
    return {
        "id": ended.pk,
        "organization": ended.organization_id,
        "capacity": ended.capacity,
        "started_on": ended.started_on,
        "ended_on": ended.ended_on,
    }


@router.post("/stations/{uuid:station_id}/close", response=StationOut)
@declares("edit", "station")
def close_station(request: ApiRequest, station_id: UUID, data: DayIn) -> dict[str, Any]:
    """Close a station."""
    row = station_queries.station(request.actor, station_id)
    station_operations.close_station(by=request.actor, station=row, on=data.on)
    return _station_shown(request, station_id)


# --- venues -----------------------------------------------------------------------------------------------------------


class VenueOut(Schema):
    """One venue; `hours` is one line for the week."""

    id: UUID
    name: str
    place: UUID
    place_name: str
    organization: UUID | None
    hours: str
    address: str
    capacity: int | None
    equipment: str
    is_step_free: bool
    phone: str
    latitude: float | None
    longitude: float | None
    is_open: bool
    is_public: bool


class VenuePage(Schema):
    """A stretch of venues in order of the tree of places."""

    rows: list[VenueOut]
    more: bool


class VenueIn(Schema):
    """A venue to add; `hours` as people write it ("周一至周五 9:00-17:30")."""

    name: str
    place: UUID
    organization: UUID | None = None
    hours: str = ""
    address: str = ""
    capacity: int | None = None
    equipment: str = ""
    is_step_free: bool = False
    phone: str = ""
    latitude: float | None = None
    longitude: float | None = None
    is_open: bool = True
    is_public: bool = True


class VenueChange(Schema):
    """What to change; what is left out stays. `latitude` and `longitude` go together."""

    name: str | None = None
    place: UUID | None = None
    organization: UUID | None = None
    hours: str | None = None
    address: str | None = None
    capacity: int | None = None
    equipment: str | None = None
    is_step_free: bool | None = None
    phone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    is_open: bool | None = None
    is_public: bool | None = None


class VenueQuery(Stretch):
    """Which venues; `state` "", CLOSED or ALL."""

    text: str = ""
    state: str = ""
    step_free: bool = False
    at_least: int | None = None
    place: UUID | None = None


@router.get("/venues", response=VenuePage)
@declares("view", "venue")
def venues(request: ApiRequest, which: Query[VenueQuery]) -> dict[str, Any]:
    """Venues the caller may see, with their hours."""
    place = place_queries.place(request.actor, which.place) if which.place else None
    rows, more = which.of(
        venue_queries.venues(
            request.actor,
            text=which.text,
            state=which.state,
            step_free=which.step_free,
            at_least=which.at_least,
            place=place,
        ).order_by("place__path", "name", "pk")
    )
    hours = venue_queries.opening_hours(request.actor, rows)
    return {"rows": [_venue(row, hours.get(row.pk, ())) for row in rows], "more": more}


@router.post("/venues", response={201: VenueOut})
@declares("create", "venue")
def add_venue(request: ApiRequest, data: VenueIn) -> Status[dict[str, Any]]:
    """Add a venue."""
    given = data.dict()
    given["place"] = place_queries.place(request.actor, data.place)
    given["organization"] = (
        queries.organization(request.actor, data.organization) if data.organization else None
    )
    made = venue_operations.add_venue(by=request.actor, **given)
    return Status(201, _venue_shown(request, made))


@router.get("/venues/{uuid:venue_id}", response=VenueOut)
@declares("view", "venue")
def venue(request: ApiRequest, venue_id: UUID) -> dict[str, Any]:
    """One venue."""
    return _venue_shown(request, venue_queries.venue(request.actor, venue_id))


@router.patch("/venues/{uuid:venue_id}", response=VenueOut)
@declares("edit", "venue")
def edit_venue(request: ApiRequest, venue_id: UUID, data: VenueChange) -> dict[str, Any]:
    """Change a venue; `hours` replaces all of them."""
    row = venue_queries.venue(request.actor, venue_id)
    changes = _given(data, keep_null={"organization", "capacity", "latitude", "longitude"})
    if "place" in changes:
        changes["place"] = place_queries.place(request.actor, changes["place"])
    if changes.get("organization"):
        changes["organization"] = queries.organization(request.actor, changes["organization"])
    venue_operations.edit_venue(by=request.actor, venue=row, **changes)
    return _venue_shown(request, venue_queries.venue(request.actor, venue_id))


# --- shapes -----------------------------------------------------------------------------------------------------------


def _given(data: Schema, *, keep_null: set[str]) -> dict[str, Any]:
    """What the caller sent; null clears only what can be empty."""
    sent = data.dict(exclude_unset=True)
    return {name: value for name, value in sent.items() if value is not None or name in keep_null}


def _organization(row: Any) -> dict[str, Any]:
    plain = (
        "id",
        "name",
        "kind",
        "registration",
        "status",
        "credit_code",
        "purpose",
        "address",
        "office_phone",
    )
    more = ("founded_on", "closed_on", "is_public")
    return {
        **{name: getattr(row, name) for name in (*plain, *more)},
        "place": row.place_id,
        "place_name": row.place.name,
        "parent": row.parent_id,
    }


def _shown(request: ApiRequest, row: Any) -> dict[str, Any]:
    contact = queries.contact(request.actor, row)
    asked = {"contact_name": contact.name, "contact_phone": contact.phone} if contact else {}
    return {**_organization(row), **asked}


def _membership(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "person": row.person_id,
        "organization": row.organization_id,
        "station": row.station_id,
        "capacity": row.capacity,
        "title": row.title,
        "started_on": row.started_on,
        "ended_on": row.ended_on,
    }


def _station_shown(request: ApiRequest, station_id: UUID) -> dict[str, Any]:
    row = station_queries.station(request.actor, station_id)
    return _station(row, answering.answering_now(request.actor, [row]).get(row.pk, {}))


def _station(row: Any, bodies: dict[str, Any]) -> dict[str, Any]:
    plain = (
        "id",
        "name",
        "tier",
        "address",
        "phone",
        "opened_on",
        "closed_on",
        "yearly_budget_fen",
        "is_public",
        "staff",
    )
    return {
        **{name: getattr(row, name) for name in plain},
        "place": row.place_id,
        "place_name": row.place.name,
        "venue": row.venue_id,
        "owner": bodies["OWNER"].pk if "OWNER" in bodies else None,
        "operator": bodies["OPERATOR"].pk if "OPERATOR" in bodies else None,
    }


def _answering(line: Any) -> dict[str, Any]:
    return {
        "id": line.responsibility_id,
        "organization": line.organization.pk if line.organization else None,
        "name": line.organization.name if line.organization else "",
        "capacity": line.capacity,
        "started_on": line.started_on,
        "ended_on": line.ended_on,
    }


def _duty(row: Any, bearer: Any) -> dict[str, Any]:
    return {
        "code": row.code,
        "name": row.name,
        "name_en": row.name_en,
        "organization": bearer.organization.pk if bearer else None,
        "organization_name": bearer.organization.name if bearer else "",
        "since": bearer.started_on if bearer else None,
        "answers_from": bearer.place.pk if bearer else None,
    }


def _venue_shown(request: ApiRequest, row: Any) -> dict[str, Any]:
    return _venue(row, venue_queries.opening_hours(request.actor, [row]).get(row.pk, ()))


def _venue(row: Any, hours: Any) -> dict[str, Any]:
    plain = (
        "id",
        "name",
        "address",
        "capacity",
        "equipment",
        "is_step_free",
        "phone",
        "is_open",
        "is_public",
    )
    return {
        **{name: getattr(row, name) for name in plain},
        "place": row.place_id,
        "place_name": row.place.name,
        "organization": row.organization_id,
        "hours": rules.format_hours(hours),
        "latitude": float(row.latitude) if row.latitude is not None else None,
        "longitude": float(row.longitude) if row.longitude is not None else None,
    }
