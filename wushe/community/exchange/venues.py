"""Venues (场地) in and out of spreadsheets."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from wushe.community.exchange import plans, values
from wushe.community.exchange.columns import YES_NO, Column, Found, Kind
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
from wushe.community.exchange.sheets import Cell
from wushe.community.exchange.small import SmallKind, StagedRows
from wushe.community.exchange.values import Fault, Reading
from wushe.community.models import OpeningHours, Organization, Venue
from wushe.community.operations import venues as operations
from wushe.community.rules import organizations as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.ids import new_id
from wushe.kernel.text import fold_name


def _hours(cell: Cell, reading: Reading) -> str:
    text = values.paragraph(cell, reading, limit=500)
    try:
        return rules.format_hours(rules.parse_hours(text))
    except rules.HoursNotUnderstood as error:
        raise Fault("hours.not_clear", value=error.fragment[:40]) from error


KIND = Kind(
    "venues",
    _("场地"),
    "venue",
    (
        Column(
            "name",
            _("场地名称"),
            (
                "名称",
                "场地",
                "场所名称",
                "场所",
                "活动场所",
                "阵地名称",
                "空间名称",
                "房间",
                "name",
                "venue",
                "room",
            ),
            values.line,
            example="示范社区活动室",
            required=True,
            ditto=False,
        ),
        *plans.place_columns(
            ("所在社区", "所在地"), _("所在社区"), _("社区、街道或区县的名称，或官方代码。")
        ),
        Column(
            "organization",
            _("管理单位"),
            ("管理方", "所属单位", "产权单位", "使用单位", "managed by", "organization"),
            values.line,
        ),
        Column(
            "address",
            _("地址"),
            ("详细地址", "地点", "位置", "场地地址", "address"),
            partial(values.line, limit=300),
            example="示范路 1 号",
        ),
        Column(
            "capacity",
            _("容纳人数"),
            ("可容纳人数", "人数", "座位数", "容量", "capacity", "seats"),
            values.count,
            example="40",
        ),
        Column(
            "equipment",
            _("设备"),
            ("设施", "设施设备", "配套设施", "设备设施", "equipment"),
            partial(values.line, limit=500),
            example="投影、桌椅",
        ),
        Column(
            "is_step_free",
            _("无障碍通行"),
            ("无障碍", "无障碍设施", "step free", "accessible"),
            values.yes_no,
            labels=YES_NO,
            example="是",
        ),
        Column("phone", _("公开电话"), ("电话", "联系电话", "预约电话", "phone"), values.office_phone),
        Column(
            "hours",
            _("开放时间"),
            ("开放时段", "营业时间", "服务时间", "opening hours", "hours"),
            _hours,
            example="周一至周五 9:00-12:00、14:00-17:30",
        ),
        Column(
            "latitude", _("纬度"), ("latitude", "lat"), partial(values.degrees, most=90), example="39.60000"
        ),
        Column("longitude", _("经度"), ("longitude", "lng", "lon"), values.degrees, example="109.80000"),
        Column(
            "is_open",
            _("在用"),
            ("是否在用", "使用状态", "状态", "in use"),
            values.yes_no,
            labels=YES_NO,
            example="是",
        ),
        plans.IS_PUBLIC,
    ),
    Venue._meta.label,
)

_FIELDS = (
    "address",
    "capacity",
    "equipment",
    "is_step_free",
    "phone",
    "latitude",
    "longitude",
    "is_open",
    "is_public",
)


class Venues(SmallKind):
    """Plans and carries out a file of venues: matched by name and place."""

    kind = KIND
    model = Venue
    tables = (Venue,)
    parts = ((OpeningHours, "venue_id"),)
    bodies = ("organization",)

    def plan(self, check: Check, rows: Sequence[Found]) -> list[Planned]:
        planned, finder = self.begin(check, rows)
        for one in planned:
            if one.place is not None and ("latitude" in one.found.values) != (
                "longitude" in one.found.values
            ):
                one.fault("latitude", "degrees.half")
        known: dict[tuple[Any, str], list[Venue]] = defaultdict(list)
        here = {one.place.pk for one in planned if one.place is not None}
        for venue in (
            Venue.objects.visible_to(check.by).select_related("place", "organization").filter(place__in=here)
        ):
            known[venue.place_id, fold_name(venue.name)[:200]].append(venue)
        hours = present_hours(venue for venues in known.values() for venue in venues)
        for one in planned:
            if one.place is not None and not one.has_faults:
                self._decide(check, one, known[one.place.pk, one.match_key], hours, finder)
        return planned

    def _decide(
        self,
        check: Check,
        one: Planned,
        matches: Sequence[Venue],
        hours: Mapping[UUID, str],
        finder: OrganizationFinder,
    ) -> None:
        assert one.place is not None
        given = one.found.values
        if self.is_settled(one, matches, (one.place.pk, one.match_key), "场地名称"):
            return
        try:
            body = (
                finder.find(str(given["organization"]), near=one.place)
                if "organization" in given
                else check.default_organization
            )
        except Fault as fault:
            one.found.caught("organization", fault)
            return
        if matches:
            self._update(check, one, matches[0], body if "organization" in given else None, hours)
            return
        facts = [policy.Facts("venue", place_paths=frozenset({one.place.path}))]
        if body is not None and one.place.path.startswith(rules.county_path(body.place.path)):
            facts.append(policy.Facts("venue", organization_paths=frozenset({body.path})))
        if not any(plans.may(check.by, "create", one_way) for one_way in facts):
            one.fault("place", "place.no_right")
            return
        one.action, one.target_label, one.target_id = CREATE, KIND.model_label, new_id()
        fields = {name: given[name] for name in ("name", *_FIELDS, "hours") if name in given}
        one.payload = {
            "new": {
                name: plain(value)
                for name, value in {**fields, "place": one.place, "organization": body}.items()
            }
        }

    def _update(
        self, check: Check, one: Planned, venue: Venue, body: Organization | None, hours: Mapping[UUID, str]
    ) -> None:
        given = one.found.values
        now: dict[str, Any] = {name: getattr(venue, name) for name in ("name", *_FIELDS)} | {
            "hours": hours.get(venue.pk, "")
        }
        changes = {
            name: given[name]
            for name in now
            if name in given and given[name] != ("" if now[name] is None else now[name])
        }
        if body is not None and body.pk != venue.organization_id:
            now["organization"], changes["organization"] = venue.organization, body
        one.target_label, one.target_id = KIND.model_label, venue.pk
        if not changes:
            one.action = SAME
            return
        if not plans.may(check.by, "edit", venue.facts()):
            one.fault("name", "row.no_edit_right")
            return
        if changes.keys() & {"latitude", "longitude"}:
            changes |= {"latitude": given["latitude"], "longitude": given["longitude"]}
        one.action = UPDATE
        one.changes = [(name, shown(now[name]), shown(value)) for name, value in changes.items()]
        one.before = {name: plain(now[name]) for name in changes}
        one.payload = {"changes": {name: plain(value) for name, value in changes.items()}}

    def apply(self, *, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        """Add and change the venues through the room's operations, inside the caller's transaction."""
        new = [(row, payload["new"]) for row, payload in rows if "new" in payload]
        places = places_by_id(fields["place"] for _row, fields in new)
        bodies = Organization.objects.in_bulk(
            {UUID(f["organization"]) for _r, f in new if f.get("organization")}
        )
        made = operations.add_venues(
            by=by,
            at=at,
            venues=[
                operations.NewVenue(
                    **{
                        **{name: value for name, value in fields.items() if value is not None},
                        "place": places[UUID(fields["place"])],
                        "organization": bodies[UUID(fields["organization"])]
                        if fields.get("organization")
                        else None,
                    }
                )
                for _row, fields in new
            ],
        )
        for (row, _fields), venue in zip(new, made, strict=True):
            row.target_id = venue.pk
        self.edit(by, [(row, payload["changes"]) for row, payload in rows if "changes" in payload], at)

    def edit(self, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        present = Venue.objects.select_related("place", "organization").in_bulk(
            [row.target_id for row, _fields in rows]
        )
        bodies = Organization.objects.in_bulk(
            {UUID(f["organization"]) for _r, f in rows if f.get("organization")}
        )
        for row, fields in rows:
            changes = dict(fields)
            if "organization" in changes:
                changes["organization"] = (
                    bodies[UUID(changes["organization"])] if changes["organization"] else None
                )
            if changes.get("hours") == "":
                changes["hours"] = ()
            operations.edit_venue(by=by, venue=present[row.target_id], at=at, **changes)

    def write(self, actor: Actor) -> tuple[QuerySet[Venue], "_Writer"]:
        """Return the rows the actor may see, and what turns one into cells by column code."""
        rows = Venue.objects.visible_to(actor).select_related("place", "organization")
        return rows.order_by("place__path", "name", "id"), _Writer(actor)


class _Writer:
    def __init__(self, actor: Actor) -> None:
        self._places = PlaceFinder(actor, "venue", "view")

    def cells(self, rows: Sequence[Venue]) -> Iterator[dict[str, Any]]:
        hours = present_hours(rows)
        for row in rows:
            found: dict[str, Any] = {name: getattr(row, name) for name in ("name", *_FIELDS)}
            found["place"], found["place_code"] = self._places.full_name(row.place), row.place.code
            found["organization"] = row.organization.name if row.organization else ""
            found["hours"] = hours.get(row.pk, "")
            yield found


def present_hours(venues: Any) -> dict[UUID, str]:
    """Return each venue's opening hours as the one line people write."""
    by_venue: dict[UUID, list[rules.Stretch]] = defaultdict(list)
    rows = OpeningHours.objects.filter(venue__in=[venue.pk for venue in venues])
    for venue_id, *stretch in rows.values_list("venue_id", "weekday", "opens_minutes", "closes_minutes"):
        by_venue[venue_id].append(rules.Stretch(*stretch))
    return {venue_id: rules.format_hours(stretches) for venue_id, stretches in by_venue.items()}
