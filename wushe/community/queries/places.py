"""Read places: one by id or code, what is above and below it today or on an earlier day, and search. Places are public."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from wushe.community.models import Place, PlaceEra, PlaceKey
from wushe.community.rules import places as rules
from wushe.kernel.actor import Actor
from wushe.kernel.fields import prefix_end
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name

SEARCH_LIMIT = 100
_TEXT_LIMIT = 100
_WORD_LIMIT = 4
_OUTER_LIMIT = 5


class PlaceNotFound(Problem):
    """There is no such place, or the actor may not see it."""

    code = "place.not_found"
    status = 404


# --- one place, and the tree of today ---------------------------------------------------------------------------------


def place(actor: Actor, place_id: UUID) -> Place:
    """Return the place with its parent and successor at hand. Raises `PlaceNotFound`."""
    found = Place.objects.visible_to(actor).select_related("parent", "successor").filter(pk=place_id).first()
    if found is None:
        raise PlaceNotFound(_("没有这个地方：请返回列表重新选择。"))
    return found


def place_by_code(actor: Actor, code: str) -> Place:
    """Return the place that has this official code today. Raises `PlaceNotFound`."""
    found = (
        Place.objects.visible_to(actor)
        .select_related("parent", "successor")
        .filter(code=code.strip())
        .first()
    )
    if found is None:
        message = _("没有代码为 %(code)s 的地方：请核对代码，或先用 wushe divisions load 载入。") % {
            "code": code[:20]
        }
        raise PlaceNotFound(message)
    return found


def places_by_path(actor: Actor, paths: Iterable[str]) -> list[Place]:
    """Return the places at these paths, the widest first; "/" stands for the provinces."""
    wanted = set(paths)
    found = Place.objects.visible_to(actor).filter(
        Q(path__in=wanted) | (Q(parent=None) if rules.NATION in wanted else Q(pk__in=()))
    )
    return sorted(found, key=lambda place: (place.level, place.path))


def ancestors(actor: Actor, of: Place) -> list[Place]:
    """Return the places above `of`, the province first. For a merged place: those above it in today's tree."""
    above = Place.objects.visible_to(actor).filter(path__in=rules.paths_above(of.path))
    return sorted(above, key=lambda place: len(place.path))


def children(actor: Actor, of: Place | None, *, closed: bool = False) -> QuerySet[Place]:
    """Return the places directly in `of` (None: the provinces) that exist today, or with `closed` those that no longer do."""
    found = Place.objects.visible_to(actor).filter(parent=of, valid_until__isnull=not closed)
    return found.order_by("level", "code", "name_key")


def subtree(
    actor: Actor, of: Place | None, *, level: int | None = None, closed: bool = False
) -> QuerySet[Place]:
    """Return `of` and everything below it (None: the nation), as an index range over the path, in order of the tree.

    With `closed` also the places that no longer exist: rows of other rooms may still hang on them, so roll-ups want them.
    """
    found = Place.objects.visible_to(actor).filter(path__prefix=of.path if of else rules.NATION)
    if level is not None:
        found = found.filter(level=level)
    if not closed:
        found = found.filter(valid_until__isnull=True)
    return found.order_by("path")


def counts_by_level(actor: Actor, of: Place | None) -> dict[int, int]:
    """Return level → number of places that exist today below `of` (None: in the nation), `of` itself not counted."""
    below = subtree(actor, of).filter(level__in=rules.LEVELS).order_by()
    if of is not None:
        # By the index itself; by id it would have to look at every row.
        below = below.filter(path__gt=of.path)
    return dict(below.values_list("level").annotate(number=Count("*")).order_by("level"))


@dataclass(frozen=True, slots=True)
class Lineage:
    """Which county and which street a place lies in, or is; None where there is none."""

    county_id: UUID | None
    street_id: UUID | None


def lineages(actor: Actor, place_ids: Iterable[UUID]) -> dict[UUID, Lineage]:
    """Return place id → lineage, in two queries per 500 ids. For a merged place: that of the place it went into."""
    wanted = list(dict.fromkeys(place_ids))
    paths: dict[UUID, str] = {}
    for start in range(0, len(wanted), 500):
        found = Place.objects.visible_to(actor).filter(pk__in=wanted[start : start + 500])
        paths.update(found.values_list("id", "path"))
    needed = sorted({above for path in paths.values() for above in (*rules.paths_above(path), path)})
    counties: dict[str, UUID] = {}
    streets: dict[str, UUID] = {}
    for start in range(0, len(needed), 500):
        for place_id, path, level in Place.objects.filter(
            path__in=needed[start : start + 500], level__in=(rules.COUNTY, rules.STREET)
        ).values_list("id", "path", "level"):
            (counties if level == rules.COUNTY else streets)[path] = place_id
    return {
        place_id: Lineage(_outermost(path, counties), _outermost(path, streets))
        for place_id, path in paths.items()
    }


def lineage(actor: Actor, of: Place) -> Lineage:
    """Return the county and the street that `of` lies in, or is."""
    return lineages(actor, [of.id]).get(of.id, Lineage(None, None))


def _outermost(path: str, known: dict[str, UUID]) -> UUID | None:
    return next((known[above] for above in (*rules.paths_above(path), path) if above in known), None)


def full_names(actor: Actor, places: Collection[Place]) -> dict[UUID, str]:
    """Return id → name with the names above it ("内蒙古自治区 鄂尔多斯市 康巴什区"), in one query for all."""
    names = _names_by_path(actor, places)
    return {
        place.id: " ".join(
            [*(names[above] for above in rules.paths_above(place.path) if above in names), place.name]
        )
        for place in places
    }


def _names_by_path(actor: Actor, places: Iterable[Place]) -> dict[str, str]:
    above = sorted({path for place in places for path in rules.paths_above(place.path)})
    found: dict[str, str] = {}
    for start in range(0, len(above), 500):
        rows = Place.objects.visible_to(actor).filter(path__in=above[start : start + 500])
        found.update(rows.values_list("path", "name"))
    return found


# --- the tree of an earlier day ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlaceState:
    """What a place was from `valid_from` up to, not including, `valid_until` (None: still is)."""

    place_id: UUID
    code: str | None
    name: str
    level: int
    parent_id: UUID | None
    path: str
    valid_from: date
    valid_until: date | None


_STATE = ("code", "name", "level", "parent_id", "path")


def history(actor: Actor, place_id: UUID) -> list[PlaceState]:
    """Return all states of a place, the earliest first; the last has no end while the place exists."""
    of = place(actor, place_id)
    eras = PlaceEra.objects.filter(place=of).order_by("valid_from")
    states = [
        PlaceState(row[0], *row[1:])
        for row in eras.values_list("place_id", *_STATE, "valid_from", "valid_until")
    ]
    if of.is_open:
        states.append(
            PlaceState(of.id, of.code, of.name, of.level, of.parent_id, of.path, of.state_from, None)
        )
    return states


def state_as_of(actor: Actor, place_id: UUID, on: date) -> PlaceState | None:
    """Return what the place was on the day `on`; None when it did not exist then."""
    return next(
        (
            s
            for s in history(actor, place_id)
            if s.valid_from <= on and (s.valid_until is None or on < s.valid_until)
        ),
        None,
    )


def subtree_as_of(actor: Actor, place_id: UUID, on: date, *, level: int | None = None) -> list[PlaceState]:
    """Return the place and everything below it as the tree was on the day `on`, in order of the tree; [] when it did not exist."""
    root = state_as_of(actor, place_id, on)
    if root is None:
        return []
    today = Place.objects.visible_to(actor).filter(
        path__prefix=root.path, valid_until__isnull=True, state_from__lte=on
    )
    # Eras are as public as the places whose past they are.
    eras = PlaceEra.objects.filter(path__prefix=root.path, valid_from__lte=on, valid_until__gt=on)
    if level is not None:
        today, eras = today.filter(level=level), eras.filter(level=level)
    rows = chain(
        today.values_list("id", *_STATE, "state_from", "valid_until"),
        eras.values_list("place_id", *_STATE, "valid_from", "valid_until"),
    )
    return sorted((PlaceState(row[0], *row[1:]) for row in rows), key=lambda state: state.path)


def ancestors_as_of(actor: Actor, place_id: UUID, on: date) -> list[PlaceState]:
    """Return the places above it as the tree was on the day `on`, the province first; [] when it did not exist."""
    of = state_as_of(actor, place_id, on)
    if of is None:
        return []
    above = rules.paths_above(of.path)
    today = Place.objects.visible_to(actor).filter(
        path__in=above, valid_until__isnull=True, state_from__lte=on
    )
    eras = PlaceEra.objects.filter(path__in=above, valid_from__lte=on, valid_until__gt=on)
    rows = chain(
        today.values_list("id", *_STATE, "state_from", "valid_until"),
        eras.values_list("place_id", *_STATE, "valid_from", "valid_until"),
    )
    return sorted((PlaceState(row[0], *row[1:]) for row in rows), key=lambda state: len(state.path))


# --- search -----------------------------------------------------------------------------------------------------------

_EXACT, _TYPED, _BEGINS, _INSIDE = range(4)


@dataclass(frozen=True, slots=True)
class PlaceHit:
    """One answer of a search: the place, and the names above it from the province down."""

    place: Place
    above: tuple[str, ...]

    @property
    def full_name(self) -> str:
        return " ".join([*self.above, self.place.name])


def search_places(actor: Actor, text: str, *, within: Place | None = None, limit: int = 20) -> list[PlaceHit]:
    """Return at most `limit` (1–100) places that exist today and match `text`: wider levels first, the exact name before others.

    Nationally: the beginning of the name (with or without its official suffix), of a former name, of the pinyin by any
    reading in use, of its initials, or of the official code. `within` a county or anything smaller also anywhere inside.
    "康巴什 哈巴格希": what comes first names a place that the rest is looked for in.
    """
    limit = max(1, min(limit, SEARCH_LIMIT))
    words = [word for word in map(_query_key, text[:_TEXT_LIMIT].split()[:_WORD_LIMIT]) if word]
    if not words:
        return []
    roots = [within] if within else []
    if len(words) > 1 and all(map(str.isascii, words)) and _find("".join(words), roots, 1):
        words = ["".join(words)]  # syllables of one name: "chao yang"
    for word in words[:-1]:
        outer = Place.objects.visible_to(actor).in_bulk(_find(word, roots, _OUTER_LIMIT))
        roots = [place for place in outer.values() if place.level <= rules.COMMUNITY]
        if not roots:
            # The first words name no place: all of it is one name with gaps.
            words, roots = ["".join(words)], [within] if within else []
            break
    ranked = _find(words[-1], roots, limit)
    found = Place.objects.visible_to(actor).in_bulk(ranked)
    hits = [found[place_id] for place_id in ranked if place_id in found]
    names = _names_by_path(actor, hits)
    return [
        PlaceHit(place, tuple(names[p] for p in rules.paths_above(place.path) if p in names))
        for place in hits
    ]


def _query_key(word: str) -> str:
    key = fold_name(word).replace("\x00", "")
    return key.replace("'", "").replace("-", "") if key.isascii() else key


def _find(query: str, roots: Sequence[Place], limit: int) -> list[UUID]:
    """Return the ids of the best matches in order."""
    if roots and all(root.level >= rules.COUNTY for root in roots):
        rows = _matches_inside(query, roots, limit)
    else:
        rows = _matches_by_beginning(query, roots, limit)
    best: dict[Any, tuple[int, int, str]] = {}
    for place_id, level, key, rank in rows:
        order = (level, _EXACT if key == query else rank, key)
        if place_id not in best or order < best[place_id]:
            best[place_id] = order
    ids = sorted(best, key=lambda place_id: (best[place_id], str(place_id)))[:limit]
    return [place_id if isinstance(place_id, UUID) else UUID(place_id) for place_id in ids]


class _Branches:
    """The parts of one UNION ALL, each an index range that stops after `limit` rows."""

    def __init__(self, roots: Sequence[Place], limit: int) -> None:
        self.limit = limit
        self.sql: list[str] = []
        self.params: list[Any] = []
        self.bound, self.bound_params = _bound(roots)

    def add(self, *, key: str, rank: int, tables: str, where: str, params: Sequence[Any]) -> None:
        self.sql.append(
            f"SELECT * FROM (SELECT p.id AS id, p.level AS level, {key} AS k, {rank} AS r FROM {tables}"  # noqa: S608  # own table and column names only
            f" WHERE {where} AND p.valid_until IS NULL{self.bound} ORDER BY {key} LIMIT %s) b"
        )
        self.params += [*params, *self.bound_params, self.limit]

    def rows(self) -> list[tuple[Any, int, str, int]]:
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(self.sql), self.params)
            return list(cursor.fetchall())


def _matches_by_beginning(query: str, roots: Sequence[Place], limit: int) -> list[tuple[Any, int, str, int]]:
    """Ask each level's indexes for their first matches, all in one statement."""
    place = f"{_quoted(Place)} p"
    further = f"{_quoted(PlaceKey)} f JOIN {place} ON p.id = f.place_id"
    latin = query.isascii()
    span = [query, prefix_end(query)]
    branches = _Branches(roots, limit)
    for level in rules.LEVELS:
        for column in ("p.name_key", "p.pinyin", "p.initials") if latin else ("p.name_key",):
            where = f"p.level = %s AND {column} >= %s AND {column} < %s"
            branches.add(key=column, rank=_BEGINS, tables=place, where=where, params=[level, *span])
        where = "f.level = %s AND f.key >= %s AND f.key < %s"
        branches.add(key="f.key", rank=_BEGINS, tables=further, where=where, params=[level, *span])
    for typed in rules.typed_names(query):
        # A suffix was typed: the name before it, and it alone, with such a suffix.
        marks = [
            f"%{_escaped(mark)}%" if latin else f"{_escaped(typed.core + mark)}%" for mark in typed.marks
        ]
        suffix = " OR ".join(["p.name LIKE %s ESCAPE '!'"] * len(marks))
        for column in ("p.pinyin", "p.initials") if latin else ("p.name_key",):
            where = f"p.level = %s AND {column} = %s AND ({suffix})"
            branches.add(
                key=column, rank=_TYPED, tables=place, where=where, params=[typed.level, typed.core, *marks]
            )
        where = f"f.level = %s AND f.key = %s AND ({suffix})"
        branches.add(
            key="f.key", rank=_TYPED, tables=further, where=where, params=[typed.level, typed.core, *marks]
        )
    if query.isdigit():
        branches.add(
            key="p.code", rank=_BEGINS, tables=place, where="p.code >= %s AND p.code < %s", params=span
        )
    return branches.rows()


def _matches_inside(query: str, roots: Sequence[Place], limit: int) -> list[tuple[Any, int, str, int]]:
    """Look anywhere in the names of one county or less, whose few thousand rows the path's index yields."""
    place = f"{_quoted(Place)} p"
    anywhere, begins = f"%{_escaped(query)}%", f"{_escaped(query)}%"
    columns = ["p.name_key", "p.name", *(["p.pinyin", "p.initials", "p.code"] if query.isascii() else [])]
    conditions = [f"{column} LIKE %s ESCAPE '!'" for column in columns]
    params: list[Any] = [anywhere] * len(columns)
    cores = sorted({typed.core for typed in rules.typed_names(query)})
    if cores:
        column = "p.pinyin" if query.isascii() else "p.name_key"
        conditions.append(f"{column} IN ({', '.join(['%s'] * len(cores))})")
        params += cores
    bound, bound_params = _bound(roots)
    further = f"SELECT f.place_id FROM {_quoted(PlaceKey)} f JOIN {place} ON p.id = f.place_id WHERE f.key LIKE %s ESCAPE '!'{bound}"  # noqa: S608  # own table and column names only
    rank = (
        f"CASE WHEN p.name_key = %s OR p.name = %s THEN {_EXACT}"
        f" WHEN p.name LIKE %s ESCAPE '!' OR p.pinyin LIKE %s ESCAPE '!' THEN {_BEGINS} ELSE {_INSIDE} END"
    )
    statement = (
        f"SELECT p.id, p.level, p.name_key, {rank} AS r FROM {place}"  # noqa: S608  # own table and column names only
        f" WHERE p.valid_until IS NULL{bound} AND ({' OR '.join(conditions)} OR p.id IN ({further}))"
        " ORDER BY p.level, r, p.name_key LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            [query, query, begins, begins, *bound_params, *params, begins, *bound_params, limit],
        )
        return list(cursor.fetchall())


def _bound(roots: Sequence[Place]) -> tuple[str, list[Any]]:
    if not roots:
        return "", []
    parts = " OR ".join(["p.path >= %s AND p.path < %s"] * len(roots))
    return f" AND ({parts})", [bound for root in roots for bound in (root.path, prefix_end(root.path))]


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _quoted(model: type[Any]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
