"""Places and their five societies, by API. Reading is open to everyone, as the pages are."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from ninja import Router, Schema, Status

from wushe.api.auth import ApiRequest
from wushe.api.declares import declares
from wushe.community.operations import places as operations
from wushe.community.queries import places as queries
from wushe.community.queries import societies

router = Router(tags=["places"])

FOUND_AT_MOST = 50


class PlaceOut(Schema):
    """One place. `path` is today's tree: "/15/1506/"."""

    id: UUID
    code: str | None
    name: str
    level: int
    kind: str
    parent: UUID | None
    path: str
    valid_until: date | None
    successor: UUID | None
    latitude: float | None
    longitude: float | None


class PlaceHitOut(PlaceOut):
    """One answer of a search with the names above it, the province first."""

    above: list[str]


class PlaceStateOut(Schema):
    """What a place was from a day up to, not including, another (null: still is)."""

    code: str | None
    name: str
    level: int
    parent: UUID | None
    path: str
    valid_from: date
    valid_until: date | None


class PlaceIn(Schema):
    """A place to make inside another one."""

    parent: UUID
    level: int
    name: str
    code: str | None = None
    kind: str = ""
    latitude: float | None = None
    longitude: float | None = None
    on: date | None = None


class PlaceName(Schema):
    """A new name, perhaps a new code, from a day on."""

    name: str
    code: str | None = None
    on: date | None = None


class PlacePoint(Schema):
    """Where a place stands, in degrees; null for both takes the point away."""

    latitude: float | None
    longitude: float | None


class PlaceTarget(Schema):
    """The place that something moves into or under, from a day on (today)."""

    to: UUID
    on: date | None = None


class PlacePart(Schema):
    """One new place out of a split, with the places that go into it."""

    name: str
    code: str | None = None
    children: list[UUID] = []


class PlaceSplit(Schema):
    """What to split off, from a day on; `keep`: the place goes on with what is not given away."""

    parts: list[PlacePart]
    keep: bool
    on: date | None = None


class Day(Schema):
    """From which day on (today)."""

    on: date | None = None


class Number(Schema):
    """A count; `value` is null and `below` set where so few people are meant that it is not spelled out."""

    value: int | None
    below: int | None = None


class SocietyOut(Schema):
    """One of the five societies with the numbers behind its number."""

    society: str
    number: Number
    parts: dict[str, Number]


class ChildOut(Schema):
    """A place directly below with its five numbers; `place` null: what hangs on the place itself."""

    place: UUID | None
    code: str | None
    name: str
    numbers: dict[str, Number]
    stations: int
    venues: int


class NextStepOut(Schema):
    """Something the place could do next: a stable code, how many are missing, of how many."""

    code: str
    missing: int
    base: int | None


class OverviewOut(Schema):
    """The five societies of a place. `counted_at` is null where the numbers are those of this moment."""

    place: UUID | None
    societies: list[SocietyOut]
    children: list[ChildOut]
    next_steps: list[NextStepOut]
    streets: int
    streets_with_station: int
    joint_action: int
    organizations_on_record: int
    joint_action_reason: str
    counted_at: datetime | None


@router.get("/places", response=list[PlaceHitOut])
@declares(public=True)
def search_places(
    request: ApiRequest, text: str = "", within: UUID | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """Places by name, pinyin, initials or code."""
    root = queries.place(request.actor, within) if within else None
    hits = queries.search_places(
        request.actor, text[:60], within=root, limit=max(1, min(limit, FOUND_AT_MOST))
    )
    return [{**_place(hit.place), "above": list(hit.above)} for hit in hits]


@router.post("/places", response={201: PlaceOut})
@declares("create", "place")
def create_place(request: ApiRequest, data: PlaceIn) -> Status[dict[str, Any]]:
    """Make a place inside another one."""
    given = data.dict()
    made = operations.create_place(by=request.actor, parent_id=given.pop("parent"), **given)
    return Status(201, _place(made))


@router.get("/places/code/{place_code}", response=PlaceOut)
@declares(public=True)
def place_by_code(request: ApiRequest, place_code: str) -> dict[str, Any]:
    """One place by its official code."""
    return _place(queries.place_by_code(request.actor, place_code))


@router.get("/places/nation/overview", response=OverviewOut)
@declares(public=True)
def nation_overview(request: ApiRequest) -> dict[str, Any]:
    """The five societies of the whole country."""
    return _overview(societies.place_overview(request.actor, None))


@router.get("/places/{uuid:place_id}", response=PlaceOut)
@declares(public=True)
def place(request: ApiRequest, place_id: UUID) -> dict[str, Any]:
    """One place."""
    return _place(queries.place(request.actor, place_id))


@router.post("/places/{uuid:place_id}/name", response=PlaceOut)
@declares("edit", "place")
def rename_place(request: ApiRequest, place_id: UUID, data: PlaceName) -> dict[str, Any]:
    """Rename a place from a day on."""
    return _place(operations.rename_place(by=request.actor, place_id=place_id, **data.dict()))


@router.post("/places/{uuid:place_id}/point", response=PlaceOut)
@declares("edit", "place")
def set_point(request: ApiRequest, place_id: UUID, data: PlacePoint) -> dict[str, Any]:
    """Say where a place stands on the map."""
    return _place(operations.set_place_point(by=request.actor, place_id=place_id, **data.dict()))


@router.post("/places/{uuid:place_id}/move", response=PlaceOut)
@declares("edit", "place")
def move_place(request: ApiRequest, place_id: UUID, data: PlaceTarget) -> dict[str, Any]:
    """Put a place, with everything in it, under another one."""
    return _place(operations.move_place(by=request.actor, place_id=place_id, to_id=data.to, on=data.on))


@router.post("/places/{uuid:place_id}/merge", response=PlaceOut)
@declares("edit", "place")
def merge_place(request: ApiRequest, place_id: UUID, data: PlaceTarget) -> dict[str, Any]:
    """Merge a place into another one of its level, which is returned."""
    return _place(operations.merge_places(by=request.actor, from_id=place_id, into_id=data.to, on=data.on))


@router.post("/places/{uuid:place_id}/split", response=list[PlaceOut])
@declares("edit", "place")
def split_place(request: ApiRequest, place_id: UUID, data: PlaceSplit) -> list[dict[str, Any]]:
    """Split new places off a place; they lie beside it."""
    parts = [operations.Part(part.name, part.code, part.children) for part in data.parts]
    made = operations.split_place(
        by=request.actor, place_id=place_id, parts=parts, keep=data.keep, on=data.on
    )
    return [_place(row) for row in made]


@router.post("/places/{uuid:place_id}/close", response=PlaceOut)
@declares("edit", "place")
def close_place(request: ApiRequest, place_id: UUID, data: Day) -> dict[str, Any]:
    """Say that a place no longer exists."""
    return _place(operations.close_place(by=request.actor, place_id=place_id, on=data.on))


@router.get("/places/{uuid:place_id}/children", response=list[PlaceOut])
@declares(public=True)
def children(request: ApiRequest, place_id: UUID) -> list[dict[str, Any]]:
    """The places directly inside, as they are today."""
    inside = queries.children(request.actor, queries.place(request.actor, place_id))
    return [_place(row) for row in inside]


@router.get("/places/{uuid:place_id}/history", response=list[PlaceStateOut])
@declares(public=True)
def history(request: ApiRequest, place_id: UUID) -> list[dict[str, Any]]:
    """What the place was when, the earliest first."""
    return [
        {
            "code": state.code,
            "name": state.name,
            "level": state.level,
            "parent": state.parent_id,
            "path": state.path,
            "valid_from": state.valid_from,
            "valid_until": state.valid_until,
        }
        for state in queries.history(request.actor, place_id)
    ]


@router.get("/places/{uuid:place_id}/overview", response=OverviewOut)
@declares(public=True)
def overview(request: ApiRequest, place_id: UUID) -> dict[str, Any]:
    """The five societies of a place, and of each place directly below."""
    return _overview(societies.place_overview(request.actor, queries.place(request.actor, place_id)))


def _place(row: Any) -> dict[str, Any]:
    plain = ("id", "code", "name", "level", "kind", "path", "valid_until", "latitude", "longitude")
    return {
        **{name: getattr(row, name) for name in plain},
        "parent": row.parent_id,
        "successor": row.successor_id,
    }


def _number(figure: Any) -> dict[str, int | None]:
    return {"value": figure.value, "below": figure.below}


def _overview(seen: societies.Overview) -> dict[str, Any]:
    return {
        "place": seen.place.pk if seen.place else None,
        "societies": [
            {
                "society": one.society,
                "number": _number(one.figure),
                "parts": {name: _number(figure) for name, figure in one.parts.items()},
            }
            for one in seen.societies
        ],
        "children": [
            {
                "place": row.place.pk if row.place else None,
                "code": row.place.code if row.place else None,
                "name": row.place.name if row.place else "",
                "numbers": {society: _number(figure) for society, figure in row.counts.items()},
                "stations": row.tally.stations,
                "venues": row.tally.venues,
            }
            for row in seen.children
        ],
        "next_steps": [
            {"code": step.code, "missing": step.missing, "base": step.base} for step in seen.next_steps
        ],
        "streets": seen.tally.streets,
        "streets_with_station": seen.tally.streets_with_station,
        "joint_action": seen.joint_action.part,
        "organizations_on_record": seen.joint_action.base,
        "joint_action_reason": seen.joint_action.reason,
        "counted_at": seen.counted_at,
    }
