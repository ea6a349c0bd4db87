"""Social-work stations (社工站) in and out of spreadsheets."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from wushe.community.exchange import plans, values
from wushe.community.exchange.columns import Column, Found, Kind, choice_of
from wushe.community.exchange.lookups import OrganizationFinder, PlaceFinder
from wushe.community.exchange.plans import (
    CREATE,
    SAME,
    UPDATE,
    Check,
    Planned,
    places_by_id,
    plain,
    shown,
)
from wushe.community.exchange.small import SmallKind, StagedRows
from wushe.community.exchange.values import Fault
from wushe.community.models import Organization, Responsibility, Station, Venue
from wushe.community.operations import stations as operations
from wushe.community.rules import organizations as rules
from wushe.kernel.actor import Actor
from wushe.kernel.ids import new_id
from wushe.kernel.text import fold_name

_TIER_WORDS = {
    "DISTRICT": ("区级", "区级总站", "社工总站", "总站", "县级", "县级社工总站", "district"),
    "STREET": ("街道", "街道级", "乡镇", "镇级", "街道社工站", "乡镇社工站", "社工站", "镇街", "street"),
    "COMMUNITY": (
        "社区",
        "社区级",
        "村",
        "村级",
        "社工室",
        "社区社工室",
        "社工点",
        "社区社工站",
        "community",
    ),
    "GRID": ("网格", "网格级", "服务点", "grid"),
}

KIND = Kind(
    "stations",
    _("社工站点"),
    "station",
    (
        Column(
            "name",
            _("站点名称"),
            ("名称", "站点", "社工站", "社工站名称", "站名", "站室名称", "name", "station"),
            values.line,
            example="示范街道社工站",
            required=True,
            ditto=False,
        ),
        Column(
            "tier",
            _("层级"),
            ("级别", "站点层级", "站点级别", "站点类型", "类型", "tier", "level"),
            choice_of(dict(Station.Tier.choices), _TIER_WORDS, "层级"),
            labels=dict(Station.Tier.choices),
            example="街道（乡镇）社工站",
            required=True,
        ),
        *plans.place_columns(
            ("服务区域", "所在社区", "覆盖区域", "服务范围"),
            _("服务区域"),
            _("社区、街道或区县的名称，或官方代码。"),
        ),
        Column(
            "address",
            _("地址"),
            ("详细地址", "站点地址", "办公地址", "address"),
            partial(values.line, limit=300),
            example="示范路 1 号",
        ),
        Column(
            "phone", _("公开电话"), ("电话", "联系电话", "站点电话", "办公电话", "phone"), values.office_phone
        ),
        Column(
            "opened_on",
            _("启用日期"),
            ("启用时间", "成立时间", "成立日期", "建站时间", "挂牌时间", "opened on", "opened"),
            values.past_date,
            example="2022-06-01",
        ),
        Column(
            "yearly_budget_fen",
            _("年度经费（元）"),
            ("年度经费", "经费", "年度预算", "购买服务金额", "项目金额", "yearly budget"),
            values.money,
            example="500000",
        ),
        Column(
            "owner",
            _("归口管理部门"),
            ("主管部门", "主管单位", "归口部门", "业务主管单位", "owner"),
            values.line,
        ),
        Column(
            "operator",
            _("运营机构"),
            ("承接机构", "承办机构", "运营单位", "承接单位", "服务机构", "operator"),
            values.line,
        ),
        Column("venue", _("办公场地"), ("场地", "venue"), values.line),
        plans.IS_PUBLIC,
    ),
    Station._meta.label,
)

_FIELDS = ("tier", "address", "phone", "opened_on", "yearly_budget_fen", "is_public")
_BODIES = {"owner": Responsibility.Capacity.OWNER, "operator": Responsibility.Capacity.OPERATOR}


class Stations(SmallKind):
    """Plans and carries out a file of stations: matched by name and place."""

    kind = KIND
    model = Station
    tables = (Station,)
    parts = ((Responsibility, "station_id"),)
    bodies = tuple(_BODIES)

    def plan(self, check: Check, rows: Sequence[Found]) -> list[Planned]:
        planned, finder = self.begin(check, rows)
        for one in planned:
            place, tier = one.place, one.found.values.get("tier")
            if place is not None and tier and not rules.tier_fits(tier, place.level):
                one.fault(
                    "tier", "station.tier_does_not_fit", tier=str(Station.Tier(tier).label), place=place.name
                )
        here = {one.place.pk for one in planned if one.place is not None}
        known: dict[tuple[Any, str], list[Station]] = defaultdict(list)
        for station in (
            Station.objects.visible_to(check.by).select_related("place", "venue").filter(place__in=here)
        ):
            known[station.place_id, fold_name(station.name)[:200]].append(station)
        answering = present_bodies(station for stations in known.values() for station in stations)
        venues: dict[tuple[Any, str], Venue] = {}
        if any("venue" in row.values for row in rows):
            for venue in Venue.objects.visible_to(check.by).filter(place__in=here):
                venues[venue.place_id, fold_name(venue.name)] = venue
        for one in planned:
            if one.place is not None and not one.has_faults:
                self._decide(check, one, known[one.place.pk, one.match_key], answering, venues, finder)
        return planned

    def _decide(
        self,
        check: Check,
        one: Planned,
        matches: Sequence[Station],
        answering: Mapping[tuple[UUID, str], Organization],
        venues: Mapping[tuple[Any, str], Venue],
        finder: OrganizationFinder,
    ) -> None:
        assert one.place is not None
        given = dict(one.found.values)
        if self.is_settled(one, matches, (one.place.pk, one.match_key), "站点名称"):
            return
        for name in _BODIES:
            if name in given:
                try:
                    given[name] = finder.find(str(given[name]), near=one.place)
                except Fault as fault:
                    one.found.caught(name, fault)
        if "venue" in given:
            venue = venues.get((one.place.pk, fold_name(str(given["venue"]))))
            if venue is None:
                one.fault("venue", "venue.not_found", value=str(given["venue"])[:40])
            given["venue"] = venue
        if one.has_faults:
            return
        if matches:
            self._update(check, one, matches[0], given, answering)
            return
        if not plans.may(check.by, "create", plans.facts_at("station", one.place)):
            one.fault("place", "place.no_right")
            return
        one.action, one.target_label, one.target_id = CREATE, KIND.model_label, new_id()
        fields = {name: given[name] for name in ("name", *_FIELDS, *_BODIES, "venue") if name in given}
        one.payload = {"new": {name: _plain(value) for name, value in {**fields, "place": one.place}.items()}}

    def _update(
        self,
        check: Check,
        one: Planned,
        station: Station,
        given: Mapping[str, Any],
        answering: Mapping[tuple[UUID, str], Organization],
    ) -> None:
        for name, capacity in _BODIES.items():
            present = answering.get((station.pk, capacity))
            if name in given and (present is None or present.pk != given[name].pk):
                # Who answers for a station has a history: a change needs its day, and a spreadsheet has none.
                one.fault(name, "station.owner_differs", present=present.name if present else "—")
        if one.has_faults:
            return
        now: dict[str, Any] = {name: getattr(station, name) for name in ("name", *_FIELDS, "venue")}
        changes = {
            name: given[name]
            for name in now
            if name in given and given[name] != ("" if now[name] is None else now[name])
        }
        one.target_label, one.target_id = KIND.model_label, station.pk
        if not changes:
            one.action = SAME
            return
        if station.closed_on is not None:
            one.fault("name", "station.closed")
            return
        if not plans.may(check.by, "edit", station.facts()):
            one.fault("name", "row.no_edit_right")
            return
        one.action = UPDATE
        one.changes = [
            (name, _words(name, now[name]), _words(name, value)) for name, value in changes.items()
        ]
        one.before = {name: _plain(now[name]) for name in changes}
        one.payload = {"changes": {name: _plain(value) for name, value in changes.items()}}

    def apply(self, *, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        """Open and change the stations through the room's operations, inside the caller's transaction."""
        new = [(row, payload["new"]) for row, payload in rows if "new" in payload]
        places = places_by_id(fields["place"] for _row, fields in new)
        bodies = Organization.objects.in_bulk(
            {UUID(f[name]) for _r, f in new for name in _BODIES if f.get(name)}
        )
        venues = Venue.objects.in_bulk({UUID(f["venue"]) for _r, f in new if f.get("venue")})
        made = operations.open_stations(
            by=by,
            at=at,
            stations=[
                operations.NewStation(
                    **{
                        **_decoded(fields, venues),
                        "place": places[UUID(fields["place"])],
                        **{name: bodies[UUID(fields[name])] for name in _BODIES if fields.get(name)},
                    }
                )
                for _row, fields in new
            ],
        )
        for (row, _fields), station in zip(new, made, strict=True):
            row.target_id = station.pk
        self.edit(by, [(row, payload["changes"]) for row, payload in rows if "changes" in payload], at)

    def edit(self, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        present = Station.objects.select_related("place").in_bulk([row.target_id for row, _fields in rows])
        venues = Venue.objects.in_bulk({UUID(f["venue"]) for _r, f in rows if f.get("venue")})
        for row, fields in rows:
            operations.edit_station(
                by=by, station=present[row.target_id], at=at, **_decoded(fields, venues, keep_none=True)
            )

    def write(self, actor: Actor) -> tuple[QuerySet[Station], "_Writer"]:
        """Return the rows the actor may see, and what turns one into cells by column code."""
        rows = (
            Station.objects.visible_to(actor).filter(closed_on__isnull=True).select_related("place", "venue")
        )
        return rows.order_by("place__path", "name", "id"), _Writer(actor)


class _Writer:
    def __init__(self, actor: Actor) -> None:
        self._places = PlaceFinder(actor, "station", "view")

    def cells(self, rows: Sequence[Station]) -> Iterator[dict[str, Any]]:
        answering = present_bodies(rows)
        for row in rows:
            found: dict[str, Any] = {name: getattr(row, name) for name in ("name", *_FIELDS)}
            found["place"], found["place_code"] = self._places.full_name(row.place), row.place.code
            found["venue"] = row.venue.name if row.venue else ""
            if row.yearly_budget_fen is not None:
                found["yearly_budget_fen"] = Decimal(row.yearly_budget_fen) / 100
            for name, capacity in _BODIES.items():
                body = answering.get((row.pk, capacity))
                found[name] = body.name if body else ""
            yield found


def present_bodies(stations: Any) -> dict[tuple[UUID, str], Organization]:
    """Return who answers for each station today, by station and capacity."""
    rows = Responsibility.objects.filter(
        station__in=[station.pk for station in stations], ended_on__isnull=True
    )
    return {
        (row.station_id, row.capacity): row.organization
        for row in rows.select_related("organization")
        if row.station_id
    }


def _plain(value: Any) -> Any:
    return str(value.pk) if isinstance(value, Venue) else plain(value)


def _words(name: str, value: Any) -> str:
    if name == "yearly_budget_fen" and value is not None:
        return str(Decimal(value) / 100)
    return shown(value.name if isinstance(value, Venue) else value)


def _decoded(
    fields: Mapping[str, Any], venues: Mapping[UUID, Venue], *, keep_none: bool = False
) -> dict[str, Any]:
    found = {
        name: value
        for name, value in fields.items()
        if name not in ("place", *_BODIES) and (keep_none or value is not None)
    }
    if isinstance(found.get("opened_on"), str):
        found["opened_on"] = dt.date.fromisoformat(found["opened_on"])
    if found.get("venue"):
        found["venue"] = venues[UUID(found["venue"])]
    return found
