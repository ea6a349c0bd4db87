"""From parsed rows to what will happen: the frame that every kind of table fills.

A `Handler` gets the rows of a file in batches and answers with a `Planned` for each: create, update, nothing, or faults. It
reads only what its actor may see, and writes nothing: `runs` stages the plans, and the room's operations carry them out.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from wushe.community.exchange import values
from wushe.community.exchange.columns import YES_NO, Column, Found, Kind
from wushe.community.exchange.lookups import PlaceFinder, PlaceText
from wushe.community.exchange.values import Fault, Reading
from wushe.community.models import ImportRun, Organization, Place
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.text import fold_name

CREATE, UPDATE, SAME, FAULT = "CREATE", "UPDATE", "SAME", "FAULT"

Change = tuple[str, str, str]
"""Column code, what is stored now, what will be stored, as texts for people."""


@dataclass(slots=True)
class Planned:
    """What will happen to one row."""

    found: Found
    title: str = ""
    action: str = FAULT
    target_label: str = ""
    target_id: UUID | None = None
    place: Place | None = None
    organization_id: UUID | None = None
    match_key: str = ""
    changes: list[Change] = field(default_factory=list)
    payload: Any = None
    before: Any = None
    made: list[str] = field(default_factory=list)

    def fault(self, column: str, code: str, **details: Any) -> None:
        """Add a fault; a row with a fault is not taken over."""
        self.found.faults.append((column, Fault(code, **details)))

    def note(self, code: str, **details: Any) -> None:
        """Add a note: the row is taken over, but somebody should look."""
        self.found.notes.append((code, details))

    @property
    def has_faults(self) -> bool:
        return bool(self.found.faults)


@dataclass(slots=True)
class Check:
    """What a handler knows while one file is checked: who brought it, when, which defaults, and the finders."""

    by: Actor
    at: dt.datetime
    run: ImportRun
    kind: Kind
    reading: Reading
    places: PlaceFinder
    default_place: Place | None = None
    default_organization: Organization | None = None
    present: frozenset[str] = frozenset()
    _inner: dict[tuple[str, str], Place | None] = field(default_factory=dict)

    def place_of(self, planned: Planned) -> Place | None:
        """Return the place a row means; None, with a fault on the row, when it cannot be said."""
        text = place_text(planned.found)
        try:
            place = self.places.find(text) if text else self.default_place
        except Fault as fault:
            planned.found.caught("place", fault)
            return None
        if place is None:
            planned.fault("place", "place.missing")
            return None
        inner = planned.found.values.get("grid")
        if inner:
            below = self._below(place, inner)
            if below is None:
                planned.fault("grid", "place.grid_not_found", place=place.name, value=inner[:40])
                return None
            place = below
        planned.place = place
        return place

    def _below(self, place: Place, name: str) -> Place | None:
        key = (place.path, fold_name(name))
        if key not in self._inner:
            found = Place.objects.visible_to(self.by).filter(
                path__prefix=place.path, valid_until__isnull=True, name_key=key[1]
            )
            rows = list(found.exclude(pk=place.pk)[:2])
            self._inner[key] = rows[0] if len(rows) == 1 else None
        return self._inner[key]


class Handler(Protocol):
    """One kind of table: its columns, how its rows are planned, carried out and taken back, and how rows are written out."""

    kind: Kind

    def plan(self, check: Check, rows: Sequence[Found]) -> list[Planned]:
        """Plan a batch. Keeps what later batches need (keys already seen) in itself: one handler per file."""
        ...


def place_text(found: Found) -> PlaceText:
    """Return what a row says of its place, the widest name first; () when it says nothing."""
    parts = [found.values.get(code) for code in ("place_code", "county", "street", "place")]
    return tuple(str(part) for part in parts if part)


def may(by: Actor, verb: str, facts: policy.Facts) -> bool:
    """True when the actor may; the operation asks again when it is carried out."""
    return policy.allows(by, verb, facts)


def reaches_others(by: Actor, verb: str, data_class: str) -> bool:
    """True when the actor may do this to rows of others somewhere, not only to their own."""
    reach = policy.reach(by, verb, data_class)
    return bool(reach.everything or reach.place_paths or reach.organization_paths)


def facts_at(data_class: str, place: Place, organization: Organization | None = None) -> policy.Facts:
    """Return the facts of a row of `data_class` that is about to be made in `place`, and for `organization` where one is given."""
    paths = frozenset({organization.path}) if organization else frozenset()
    return policy.Facts(data_class, place_paths=frozenset({place.path}), organization_paths=paths)


def same_row(one: Planned, twin: Planned, by: str) -> None:
    """Decide a row that repeats an earlier one: it counts once when both say the same; when not, neither is guessed right."""
    if one.found.values == twin.found.values:
        one.action, one.target_label, one.target_id = SAME, twin.target_label, twin.target_id
        one.note("row.same_as", line=twin.found.number)
    else:
        one.fault("name", "row.twice", line=twin.found.number, by=by)


def plain(value: Any) -> Any:
    """Return a value of a plan as JSON keeps it: rows as their ids, days and decimals as text."""
    if isinstance(value, Place | Organization):
        return str(value.pk)
    return value if value is None or isinstance(value, bool | int | str | list | dict) else str(value)


def places_by_id(ids: Iterable[str]) -> dict[UUID, Place]:
    """Return the places a plan names."""
    return Place.objects.in_bulk({UUID(one) for one in ids if one})


def shown(value: Any) -> str:
    """Return a stored value as one short text; codes stay codes, to be put into words when shown."""
    return "" if value is None else str(value)[:200]


IS_PUBLIC: Final = Column(
    "is_public",
    _("在公开页面显示"),
    ("是否公开", "公开", "public"),
    values.yes_no,
    labels=YES_NO,
    example="是",
)
"""The column that says whether passers-by may see the record."""


def place_columns(names: tuple[str, ...], place_title: Any, place_help: Any) -> tuple[Column, ...]:
    """Return the columns that say where: the place itself, and beside it county, street and grid, which only narrow it down."""
    return (
        Column(
            "place",
            place_title,
            (
                *names,
                *(
                    "社区",
                    "村",
                    "社区（村）",
                    "社区/村",
                    "村（社区）",
                    "村社区",
                    "所属社区",
                    "社区名称",
                    "村居",
                    "居委会",
                    "村委会",
                ),
                *("所在区域", "所属区域", "所在地", "place", "community"),
            ),
            partial(values.line, limit=200),
            example="示范街道/示范社区",
            help=place_help,
        ),
        Column(
            "place_code",
            _("区划代码"),
            (
                "社区编码",
                "社区代码",
                "地区代码",
                "行政区划代码",
                "place code",
                "division code",
                "community code",
            ),
            partial(values.code, limit=12),
            example="",
            help=_("12 位以内的官方代码；写了名称就不用写代码。"),
        ),
        Column(
            "county",
            _("区县"),
            (
                "区",
                "县",
                "县区",
                "县（区）",
                "区（县）",
                "所属区县",
                "所在区县",
                "行政区",
                "county",
                "district",
            ),
            partial(values.line, limit=200),
            help=_("只用来区分同名的社区。"),
            export=False,
        ),
        Column(
            "street",
            _("街道（乡镇）"),
            (
                "街道",
                "镇",
                "乡",
                "乡镇",
                "镇街",
                "街镇",
                "乡镇街道",
                "街道/乡镇",
                "所属街道",
                "所在街道",
                "镇（街道）",
                "street",
                "town",
                "subdistrict",
            ),
            partial(values.line, limit=200),
            help=_("只用来区分同名的社区。"),
            export=False,
        ),
        Column(
            "grid",
            _("网格或楼栋"),
            ("网格", "所属网格", "所在网格", "网格名称", "网格号", "楼栋", "grid", "building"),
            partial(values.line, limit=200),
            help=_("社区下面已有的网格或楼栋；没有就空着。"),
            export=False,
        ),
    )
