"""Count the five societies of a place (五社), over the whole subtree and child by child.

One statement with one branch for each fact. From the county down it is asked while the page is read: each branch is a range of
places by path and the rows that hang on them. Above, that would be whole provinces of rows for every reader, so the tallies of
the counties are kept (`models.PlaceTally`) and added up here; `operations.tallies` renews them every few minutes.
"""

# ruff: noqa: S608  # the text is made of own table names and constants; every value travels as a parameter

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from wushe.community.models import (
    HeldQualification,
    Membership,
    Organization,
    Person,
    Place,
    PlaceTally,
    Skill,
    Station,
    Venue,
)
from wushe.community.rules import places as levels
from wushe.community.rules import societies as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.fields import prefix_end

KEPT_LABELS = 3
"""Tallies are kept by the first labels of the path: province, city, county."""

# The numbers of people that one person may add to in two places at once.
_SHAREABLE = tuple(sorted(rules.PEOPLE - {"volunteers"}))


@dataclass(frozen=True, slots=True)
class Counted:
    """The tallies of a place: of the whole, and by path of the child (its own path for what hangs directly on it).

    `counted_at` is when they were counted, None for now.
    """

    whole: rules.Tally
    children: Mapping[str, rules.Tally]
    counted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CountyNumbers:
    """What `operations.tallies` keeps of one path: its numbers, and how many people the paths below it share."""

    numbers: Mapping[str, int]
    shared: Mapping[str, int]


def tallies_by_child(actor: Actor, path: str) -> Counted:
    """Return the tallies of the place at `path` and of each place directly below it, in one query (two before the first count)."""
    policy.require(actor, "view", policy.Facts("statistics", place_paths=frozenset({path})))
    if path.count("/") <= KEPT_LABELS:
        kept = _kept(path)
        if kept is not None:
            return kept
    return count(path)


def count(path: str) -> Counted:
    """Count a place and its children from the rows themselves, whatever was kept."""
    numbers = _numbers(*_statement(path, _child_of(path)))
    people = numbers.pop("", {})
    children = {child: rules.Tally(**counts) for child, counts in numbers.items()}
    whole = rules.added(children.values(), {name: people.get(name, 0) for name in _SHAREABLE})
    return Counted(whole, children)


def county_numbers() -> dict[str, CountyNumbers]:
    """Count the whole nation by county from the rows themselves: path → what to keep. The nation's own path is always there."""
    child = _label_end(KEPT_LABELS)
    numbers = _numbers(*_statement(levels.NATION, child))
    numbers.pop("", None)
    shared: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for fact, paths in _people_in_several():
        for above, extra in _counted_twice(paths).items():
            shared[above][fact] += extra
    kept = {levels.NATION, *numbers, *shared}
    return {path: CountyNumbers(numbers.get(path, {}), shared.get(path, {})) for path in kept}


# --- reading what was kept --------------------------------------------------------------------------------------------


def _kept(path: str) -> Counted | None:
    """Add up the kept tallies below `path`; None when nothing was ever counted."""
    rows = {row.path: row for row in PlaceTally.objects.filter(Q(path__prefix=path) | Q(path=levels.NATION))}
    nation = rows.get(levels.NATION)
    if nation is None:
        return None
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    whole: dict[str, int] = defaultdict(int)
    for row in rows.values():
        if not row.path.startswith(path):
            continue
        child = path + row.path[len(path) :].partition("/")[0] + "/" if row.path != path else path
        for name, number in row.numbers.items():
            sums[child][name] += number
            whole[name] += number
    for child in list(sums):
        if child != path and child in rows:
            for name, extra in rows[child].shared.items():
                sums[child][name] -= extra
    if path in rows:
        for name, extra in rows[path].shared.items():
            whole[name] -= extra
    children = {child: rules.Tally(**counts) for child, counts in sums.items()}
    return Counted(rules.Tally(**whole), children, nation.counted_at)


def _counted_twice(paths: Iterable[str]) -> dict[str, int]:
    """For one person counted at several kept paths: path above → how often too many the sum of what lies below it counts them."""
    found: dict[str, int] = defaultdict(int)
    for path in paths:
        for above in {levels.NATION, *levels.paths_above(path), path}:
            found[above] += 1
    return {above: number - 1 for above, number in found.items() if number > 1}


def _people_in_several() -> list[tuple[str, list[str]]]:
    """Return (fact, kept paths) for each person who works in more than one of them."""
    child = _label_end(KEPT_LABELS)
    workers, params = _workers(child, levels.NATION, wide=True)
    facts, more = _facts()
    pairs = " UNION ALL ".join(
        f"SELECT DISTINCT '{fact}' AS fact, w.person_id AS person_id, w.child AS child FROM workers w WHERE {condition}"
        for fact, condition in facts
    )
    statement = (
        f"{workers}, pairs AS ({pairs}) SELECT fact, person_id, child FROM pairs WHERE (fact, person_id) IN"
        " (SELECT fact, person_id FROM pairs GROUP BY fact, person_id HAVING COUNT(*) > 1)"
    )
    found: dict[tuple[str, Any], list[str]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, *more])
        for fact, person_id, path in cursor.fetchall():
            found[fact, person_id].append(path)
    return [(fact, paths) for (fact, _person_id), paths in found.items()]


# --- the statement ----------------------------------------------------------------------------------------------------


def _numbers(statement: str, params: list[Any]) -> dict[str, dict[str, int]]:
    """Run the statement: path of child → field of `rules.Tally` → number; "" holds people counted over the whole."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows = cursor.fetchall()
    numbers: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for fact, detail, child, number in rows:
        name = _field(fact, detail)
        if name is not None and number:
            numbers[child][name] += int(number)
    return {child: dict(counts) for child, counts in numbers.items()}


def _field(fact: str, detail: str) -> str | None:
    if fact == "organization":
        kind, registration = detail.split(":")
        return rules.field_of_organization(kind, registration)
    if fact == "community":
        return {"URBAN": "urban_communities", "RURAL": "rural_communities"}.get(detail, "other_communities")
    if fact == "station":
        return f"stations_{detail.lower()}"
    return fact


def _child_of(path: str) -> str:
    """SQL: the path of the child of `path` that holds p; `path` itself for p there."""
    length = len(path)
    return f"SUBSTR(p.path, 1, {length} + {_find()}(SUBSTR(p.path, {length + 1}), '/'))"


def _label_end(labels: int) -> str:
    """SQL: the first `labels` labels of p's path, or all where it has fewer."""
    end = "1"
    for _label in range(labels):
        end = f"({end} + {_find()}(SUBSTR(p.path, {end} + 1), '/'))"
    return f"SUBSTR(p.path, 1, {end})"


def _find() -> str:
    return "INSTR" if connection.vendor == "sqlite" else "STRPOS"


def _table(model: type[Any]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _inside(path: str, params: list[Any], *, wide: bool) -> str:
    """SQL: p lies at or below `path`. `wide`: SQLite is kept from starting with that range, by a plus before the column."""
    if path == levels.NATION:
        return ""
    params.extend((path, prefix_end(path)))
    column = "+p.path" if wide and connection.vendor == "sqlite" else "p.path"
    return f" AND {column} >= %s AND {column} < %s"


def _in_order(wide: bool) -> str:
    """SQL: a join that SQLite carries out in the order written; PostgreSQL knows its tables and finds its own."""
    return "CROSS JOIN" if connection.vendor == "sqlite" and not wide else "JOIN"


def _facts() -> tuple[list[tuple[str, str]], list[Any]]:
    """The conditions on workers w that make the counts of people, with the parameters of the last."""
    codes = ", ".join(f"'{code}'" for code in sorted(rules.CERTIFICATES))
    social = "w.capacity IN ('SOCIAL_WORKER', 'SUPERVISOR')"
    certified = (
        f"EXISTS (SELECT 1 FROM {_table(HeldQualification)} q JOIN {_table(Skill)} k ON k.id = q.skill_id"
        f" WHERE q.person_id = w.person_id AND k.code IN ({codes}) AND (q.valid_until IS NULL OR q.valid_until >= %s))"
    )
    facts = [
        ("community_workers", "w.capacity = 'COMMUNITY_WORKER'"),
        ("social_workers", social),
        ("certified_social_workers", f"{social} AND {certified}"),
    ]
    return facts, [timezone.localdate()]


def _workers(child: str, path: str, *, wide: bool) -> tuple[str, list[Any]]:
    """The common table `workers` (child, person_id, capacity): each at their station, else at their organization."""
    params: list[Any] = []
    join = _in_order(wide)
    halves = []
    for model, column, without in (
        (Station, "station_id", ""),
        (Organization, "organization_id", " AND m.station_id IS NULL"),
    ):
        halves.append(
            f"SELECT {child} AS child, m.person_id AS person_id, m.capacity AS capacity FROM {_table(Place)} p"
            f" {join} {_table(model)} b ON b.place_id = p.id {join} {_table(Membership)} m ON m.{column} = b.id"
            f" {join} {_table(Person)} x ON x.id = m.person_id"
            " WHERE m.ended_on IS NULL AND m.capacity IN ('COMMUNITY_WORKER', 'SOCIAL_WORKER', 'SUPERVISOR')"
            f" AND x.status = 'ACTIVE'{without}{_inside(path, params, wide=wide)}"
        )
    # Named once more than it is read, so that both databases keep it instead of working it out for each reader.
    kept = "" if connection.vendor == "sqlite" and _sqlite_older_than_3_35() else "MATERIALIZED "
    return f"WITH workers AS {kept}({' UNION ALL '.join(halves)})", params


def _sqlite_older_than_3_35() -> bool:
    import sqlite3

    return sqlite3.sqlite_version_info < (3, 35)


def _statement(path: str, child: str) -> tuple[str, list[Any]]:
    """Build the statement for the subtree at `path`, grouped by the expression `child`.

    Above the county the facts are few beside the places, so each branch starts from its facts; from the county down it starts
    from the range of places.
    """
    wide = path.count("/") <= KEPT_LABELS
    join = _in_order(wide)
    place = _table(Place)
    workers, params = _workers(child, path, wide=wide)
    branches: list[str] = []
    facts, _more = _facts()
    for fact, condition in facts:
        for group, grouped in (("w.child", " GROUP BY w.child"), ("''", "")):
            if "%s" in condition:
                params.extend(_more)
            branches.append(
                f"SELECT '{fact}', '', {group}, COUNT(DISTINCT w.person_id) FROM workers w WHERE {condition}{grouped}"
            )
    if wide:
        branches.append(
            f"SELECT 'volunteers', '', {child}, SUM(v.number) FROM (SELECT place_id, COUNT(*) AS number FROM {_table(Person)}"
            " WHERE status = 'ACTIVE' AND volunteer_number IS NOT NULL GROUP BY place_id) v"
            f" JOIN {place} p ON p.id = v.place_id WHERE 1 = 1{_inside(path, params, wide=True)} GROUP BY 3"
        )
    else:
        by_index = " INDEXED BY person_volunteers" if connection.vendor == "sqlite" else ""
        branches.append(
            f"SELECT 'volunteers', '', {child}, COUNT(*) FROM {place} p {join} {_table(Person)} x{by_index} ON x.place_id = p.id"
            f" WHERE x.status = 'ACTIVE' AND x.volunteer_number IS NOT NULL{_inside(path, params, wide=False)} GROUP BY 3"
        )
    kinds = ", ".join(f"'{kind}'" for kind in rules.kinds_of(rules.ORGANIZATIONS))
    unstaffed = (
        f"NOT EXISTS (SELECT 1 FROM {_table(Membership)} m JOIN {_table(Person)} x ON x.id = m.person_id"
        " WHERE m.station_id = b.id AND m.ended_on IS NULL AND x.status = 'ACTIVE')"
    )
    kind = "b.kind || ':' || b.registration"
    for fact, detail, model, number, condition in (
        ("organization", kind, Organization, "COUNT(*)", "b.status <> 'CLOSED'"),
        (
            "dormant_organizations",
            "''",
            Organization,
            "COUNT(*)",
            f"b.status = 'DORMANT' AND b.kind IN ({kinds})",
        ),
        ("station", "b.tier", Station, "COUNT(*)", "b.closed_on IS NULL"),
        (
            *("streets_with_station", "''", Station, "COUNT(DISTINCT b.place_id)"),
            f"b.closed_on IS NULL AND b.tier = 'STREET' AND +p.level = {levels.STREET} AND p.valid_until IS NULL",
        ),
        ("stations_without_staff", "''", Station, "COUNT(*)", f"b.closed_on IS NULL AND {unstaffed}"),
        ("venues", "''", Venue, "COUNT(*)", "b.is_open"),
        (
            *("communities_with_venue", "''", Venue, "COUNT(DISTINCT b.place_id)"),
            f"b.is_open AND +p.level = {levels.COMMUNITY} AND p.valid_until IS NULL",
        ),
    ):
        branches.append(
            f"SELECT '{fact}', {detail}, {child}, {number} FROM {place} p {join} {_table(model)} b ON b.place_id = p.id"
            f" WHERE {condition}{_inside(path, params, wide=wide)} GROUP BY 2, 3"
        )
    for fact, detail, level in (("streets", "''", levels.STREET), ("community", "p.kind", levels.COMMUNITY)):
        branches.append(
            f"SELECT '{fact}', {detail}, {child}, COUNT(*) FROM {place} p WHERE +p.level = {level}"
            f" AND p.valid_until IS NULL{_inside(path, params, wide=False)} GROUP BY 2, 3"
        )
    return f"{workers} {' UNION ALL '.join(branches)}", params
