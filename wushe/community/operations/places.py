"""Change places: load the official ones, make one's own, rename, move, merge, split and close them, each with its date.

Whoever changes where a place hangs or what it is called needs the right to edit the place *above* it, so that nobody
abolishes their own community. Every change is dated: the state before it becomes a `PlaceEra`, and what other rows hang on
a place is never rewritten, because ids stay and a merged place's path lies below its successor's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from wushe.community.models import Place, PlaceEra, PlaceKey
from wushe.community.operations.people import people_keys_follow_places
from wushe.community.queries import places as queries
from wushe.community.rules import places as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.bulk import insert_rows
from wushe.kernel.fields import prefix_end
from wushe.kernel.ids import new_id, official_id
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name
from wushe.ledger.operations.accounts import accounts_follow_places

DATA: Final = Path(__file__).resolve().parent.parent / "data"
_DIVISION: Final = "division"
_TREE_LOCK: Final = 0x57555348  # any number of our own: one change of the tree at a time
_CHUNK: Final = 5000


# --- what can go wrong ------------------------------------------------------------------------------------------------


class PlaceNameInvalid(Problem):
    """The name is empty, too long or holds characters no name has."""

    code = "place.name_invalid"


class PlaceNameTaken(Problem):
    """A place of that name already lies in the same parent."""

    code = "place.name_taken"
    status = 409


class PlaceCodeInvalid(Problem):
    """The code is no division code, or not one of this level."""

    code = "place.code_invalid"


class PlaceCodeTaken(Problem):
    """Another place has the code."""

    code = "place.code_taken"
    status = 409


class PlaceLevelsOutOfOrder(Problem):
    """A place of that level cannot lie in, or merge with, one of the other's."""

    code = "place.levels_out_of_order"


class PlaceCyclic(Problem):
    """The place would lie inside itself."""

    code = "place.cyclic"


class PlaceDatesOutOfOrder(Problem):
    """The change is dated before a change already recorded, or in the future."""

    code = "place.dates_out_of_order"


class PlaceClosed(Problem):
    """The place was closed or merged; what is asked needs one that exists."""

    code = "place.closed"
    status = 409


class PlaceNotEmpty(Problem):
    """Places that still exist lie in the one to be closed."""

    code = "place.not_empty"
    status = 409


class PlacePointInvalid(Problem):
    """The coordinates are incomplete or not on the globe."""

    code = "place.point_invalid"


class PlacePartsInvalid(Problem):
    """The parts a place is split into do not add up."""

    code = "place.parts_invalid"


class PlaceNothingToChange(Problem):
    """The place already is what is asked for."""

    code = "place.nothing_to_change"


# --- one place --------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_place(
    *,
    by: Actor,
    parent_id: UUID | None,
    level: int,
    name: str,
    code: str | None = None,
    kind: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
    on: date | None = None,
) -> Place:
    """Make a place of `level` in `parent_id` (None: a province in the nation), existing from `on` (today when None).

    An official code may be given for the five official levels; grids and buildings have none. `latitude` and `longitude`
    are WGS-84 degrees. Raises a `Problem` of this module.
    """
    parent = None if parent_id is None else _place(by, parent_id)
    policy.require(by, "create", _facts(parent))
    on = _day(on)
    _lock_tree()
    if parent is not None:
        _must_be_open(parent)
    _check_levels(parent, level)
    _check_date(on, parent.state_from if parent else rules.BEFORE_RECORDS)
    place = _new_place(
        parent=parent,
        level=level,
        name=_clean_name(name),
        code=_clean_code(code, level),
        kind=kind,
        on=on,
    )
    _check_point(latitude, longitude)
    place.latitude, place.longitude = latitude, longitude
    _check_free_name(place.name, parent, None)
    _insert_place(place)
    audit.record(by=by, verb="create", target=place, after=place)
    return place


@transaction.atomic
def rename_place(
    *, by: Actor, place_id: UUID, name: str, code: str | None = None, on: date | None = None
) -> Place:
    """Give the place a new name, and a new official code where `code` is not None, from the day `on`.

    The old name keeps finding it. Raises a `Problem` of this module.
    """
    place = _place(by, place_id)
    policy.require(by, "edit", _facts_above(place))
    on = _day(on)
    name = _clean_name(name)
    code = place.code if code is None else _clean_code(code, place.level)
    _lock_tree()
    place = _again(place)
    _must_be_open(place)
    if name == place.name and code == place.code:
        raise PlaceNothingToChange(
            _("“%(name)s”已经是这个名称：请填写新的名称或代码。") % {"name": place.name}, field="name"
        )
    _check_date(on, place.state_from)
    _check_free_name(name, place.parent, place)
    _check_free_code(code, place)
    before = audit.image(place)
    _write_era(place, on)
    _set_name(place, name, on, code)
    audit.record(by=by, verb="rename", target=place, before=before, after=place)
    return place


@transaction.atomic
def set_place_point(*, by: Actor, place_id: UUID, latitude: float | None, longitude: float | None) -> Place:
    """Set, or with two None clear, the point that stands for the place on a map (WGS-84 degrees)."""
    place = _place(by, place_id)
    policy.require(by, "edit", place.facts())
    _check_point(latitude, longitude)
    before = audit.image(place)
    place.latitude, place.longitude = latitude, longitude
    place.save(update_fields=["latitude", "longitude"])
    audit.record(by=by, verb="set_point", target=place, before=before, after=place)
    return place


@transaction.atomic
def move_place(*, by: Actor, place_id: UUID, to_id: UUID, on: date | None = None) -> Place:
    """Put the place, with everything below it, under another parent from the day `on`."""
    place, target = _place(by, place_id), _place(by, to_id)
    policy.require(by, "edit", _facts_above(place))
    policy.require(by, "edit", _facts(target))
    on = _day(on)
    _lock_tree()
    place, target = _again(place), _again(target)
    _must_be_open(place)
    _must_be_open(target)
    if rules.lies_in(target.path, place.path):
        message = _("“%(place)s”不能移到它自己或它的下级“%(target)s”里面：请另选上级。")
        raise PlaceCyclic(message % {"place": place.name, "target": target.name}, field="to")
    _check_levels(target, place.level)
    if place.parent_id == target.id:
        message = _("“%(place)s”已经在“%(target)s”里面：请另选上级。") % {
            "place": place.name,
            "target": target.name,
        }
        raise PlaceNothingToChange(message, field="to")
    _check_date(on, _latest_state(place), target.state_from)
    _check_free_name(place.name, target, place)
    before = audit.image(place)
    moved = _move(place, target, on)
    audit.record(by=by, verb="move", target=place, before=before, after=place, note=f"places: {moved}")
    return place


@transaction.atomic
def merge_places(*, by: Actor, from_id: UUID, into_id: UUID, on: date | None = None) -> Place:
    """Merge one place into another of the same level from the day `on`; return the one that goes on.

    Everything below the merged place moves into the other. What hangs on the merged place itself stays on it and counts
    in the other from now on.
    """
    place, target = _place(by, from_id), _place(by, into_id)
    policy.require(by, "edit", _facts_above(place))
    policy.require(by, "edit", _facts_above(target))
    on = _day(on)
    _lock_tree()
    place, target = _again(place), _again(target)
    _must_be_open(place)
    _must_be_open(target)
    if place.id == target.id:
        raise PlaceCyclic(_("一个地方不能并入它自己：请另选并入的地方。"), field="into")
    if place.level != target.level:
        message = _("只有同一级的地方才能合并：“%(place)s”与“%(target)s”不同级，请改用移动。")
        raise PlaceLevelsOutOfOrder(message % {"place": place.name, "target": target.name}, field="into")
    if rules.lies_in(target.path, place.path):
        message = _("“%(target)s”在“%(place)s”里面，不能反过来并入：请先把它移出来。")
        raise PlaceCyclic(message % {"place": place.name, "target": target.name}, field="into")
    _check_date(on, _latest_state(place), target.state_from)
    before = audit.image(place)
    moved = 0
    for child in Place.objects.filter(parent=place, valid_until__isnull=True).order_by("path"):
        moved += _move(child, target, on)
    _close(place, on, target)
    audit.record(
        by=by,
        verb="merge",
        target=place,
        before=before,
        after=place,
        note=f"into: {target.id}; places: {moved}",
    )
    return target


@dataclass(frozen=True, slots=True)
class Part:
    """One place that comes out of a split: its name, perhaps its code, and the ids of the places that go into it."""

    name: str
    code: str | None = None
    child_ids: Sequence[UUID] = ()


@transaction.atomic
def split_place(
    *, by: Actor, place_id: UUID, parts: Sequence[Part], keep: bool, on: date | None = None
) -> list[Place]:
    """Split `parts` off a place from the day `on`; return the new places, which lie beside it.

    With `keep` the place goes on with what is not given away. Without, it is closed: every place in it must be given to a
    part. People and organizations on the place itself stay on it, and count in its parent, until somebody moves them.
    """
    place = _place(by, place_id)
    policy.require(by, "edit", _facts_above(place))
    on = _day(on)
    _lock_tree()
    place = _again(place)
    _must_be_open(place)
    _check_date(on, _latest_state(place))
    children = {child.id: child for child in Place.objects.filter(parent=place, valid_until__isnull=True)}
    given = [child_id for part in parts for child_id in part.child_ids]
    if len(parts) < (1 if keep else 2):
        raise PlacePartsInvalid(
            _("拆分至少要有两个结果：请增加一个新地方，或保留原来的地方。"), field="parts"
        )
    if len(set(given)) != len(given):
        raise PlacePartsInvalid(_("同一个下级被分给了两个新地方：请只选一处。"), field="parts")
    if not set(given) <= children.keys():
        raise PlacePartsInvalid(
            _("分出去的下级里有不属于“%(place)s”的：请重新选择。") % {"place": place.name}, field="parts"
        )
    if not keep and len(given) < len(children):
        message = _("“%(place)s”撤销前还有 %(count)d 个下级没有分配：请逐个分给新地方。")
        raise PlacePartsInvalid(
            message % {"place": place.name, "count": len(children) - len(given)}, field="parts"
        )
    before = audit.image(place)
    made = []
    for part in parts:
        new = _new_place(
            parent=place.parent,
            level=place.level,
            name=_clean_name(part.name),
            code=_clean_code(part.code, place.level),
            kind=place.kind,
            on=on,
        )
        _check_free_name(new.name, place.parent, None if keep else place)
        _insert_place(new)
        audit.record(by=by, verb="create", target=new, after=new)
        for child_id in part.child_ids:
            _move(_again(children[child_id]), new, on)
        made.append(new)
    if not keep:
        _close(place, on, None)
    audit.record(
        by=by,
        verb="split",
        target=place,
        before=before,
        after=place,
        note="into: " + ", ".join(str(new.id) for new in made),
    )
    return made


@transaction.atomic
def close_place(*, by: Actor, place_id: UUID, on: date | None = None) -> Place:
    """Close a place in which no other lies any more; `on` is the first day it no longer exists.

    What hangs on it stays and counts in its parent.
    """
    place = _place(by, place_id)
    policy.require(by, "edit", _facts_above(place))
    on = _day(on)
    _lock_tree()
    place = _again(place)
    _must_be_open(place)
    below = Place.objects.filter(parent=place, valid_until__isnull=True).count()
    if below:
        message = _("“%(place)s”还有 %(count)d 个下级：请先移走、合并或撤销它们。")
        raise PlaceNotEmpty(message % {"place": place.name, "count": below})
    _check_date(on, place.state_from)
    before = audit.image(place)
    _close(place, on, None)
    audit.record(by=by, verb="close", target=place, before=before, after=place)
    return place


# --- many places ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did, in numbers of divisions."""

    added: int = 0
    renamed: int = 0
    unchanged: int = 0
    kept: int = 0
    """Differ from the package because somebody here changed them later; left alone."""
    absent: int = 0
    """Exist here, not in the package; left alone."""

    def __add__(self, other: "Loaded") -> "Loaded":
        return Loaded(
            self.added + other.added,
            self.renamed + other.renamed,
            self.unchanged + other.unchanged,
            self.kept + other.kept,
            self.absent + other.absent,
        )


@transaction.atomic
def load_divisions(
    *,
    by: Actor,
    rows: Sequence[rules.Division],
    as_of: date,
    source: str,
    complete: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Add the official divisions `rows` (one province's, in code order, with all that lies above them) that are missing.

    A name the package has changed since becomes a rename dated `as_of`; a place that somebody here has renamed, recoded,
    moved or merged stays as it is. `complete` are the codes below which `rows` hold everything, for the count of absent ones.
    """
    policy.require(by, "create", _facts(None))
    if not rows:
        return Loaded()
    _lock_tree()
    province = rows[0].code[:2]
    here = _divisions_here(province)
    new = [row for row in rows if row.code not in here]
    taken = _ids_taken([official_id(_DIVISION, row.code) for row in new]) if here else {}
    nodes: dict[str, tuple[UUID, str] | None] = {}
    added: list[tuple[rules.Division, UUID, UUID | None, str]] = []
    renamed: list[tuple[UUID, str]] = []
    unchanged = kept = 0
    differing = [here[row.code].id for row in rows if row.code in here and here[row.code].name != row.name]
    former = _former_names(differing)
    for row in rows:
        known = here.get(row.code)
        if known is not None:
            nodes[row.code] = _living(known)
            if known.name == row.name:
                unchanged += 1
            elif known.is_open and known.state_from <= as_of and row.name not in former.get(known.id, ()):
                renamed.append((known.id, row.name))
            else:
                kept += 1
            continue
        place_id = official_id(_DIVISION, row.code)
        label = row.code
        if place_id in taken:
            if taken[place_id] > as_of:  # it got another code here, later than the package knows
                nodes[row.code] = _living(_known(place_id))
                kept += 1
                continue
            place_id = new_id()  # the code was given to another place since
            label = rules.own_label(place_id)
        above = rules.parent_code(row.code)
        parent = nodes[above] if above else (None, rules.NATION)
        if parent is None:  # closed here without a successor: nowhere to put what the package still has in it
            nodes[row.code] = None
            kept += 1
            continue
        path = rules.join(parent[1], label)
        nodes[row.code] = (place_id, path)
        added.append((row, place_id, parent[0], path))
    insert_rows(Place, _PLACE_COLUMNS, _place_rows(added, progress))
    insert_rows(PlaceKey, ("place_id", "level", "key"), _key_rows(added))
    for place_id, name in renamed:
        place = Place.objects.get(pk=place_id)
        before = audit.image(place)
        _write_era(place, as_of)
        _set_name(place, name, as_of, place.code)
        audit.record(by=by, verb="rename", target=place, before=before, after=place, note=source)
    in_package = {row.code for row in rows}
    absent = sum(
        1
        for code, known in here.items()
        if known.is_open
        and code.startswith(tuple(complete))
        and code not in in_package
        and rules.level_of_code(code)
    )
    done = Loaded(len(added), len(renamed), unchanged, kept, absent)
    if done.added or done.renamed:
        if connection.vendor == "postgresql" and done.added > _CHUNK:
            # Or the first searches would be planned for the empty table of a minute ago.
            with connection.cursor() as cursor:
                cursor.execute(f"ANALYZE {_table(Place)}, {_table(PlaceKey)}")
        note = f"{source} {as_of}: {done.added} added, {done.renamed} renamed, {done.unchanged} unchanged, {done.kept} kept"
        root = Place.objects.get(code=province)
        audit.record(by=by, verb="load", target=root, note=note)
    return done


# --- readings and keys ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def readings_table() -> dict[str, tuple[str, ...]]:
    """Return character → readings in use in names of places, from the data package; empty where it was never built."""
    try:
        text = (DATA / "readings.txt").read_text("utf-8")
    except FileNotFoundError:
        return {}
    return {line[0]: tuple(line[2:].split(" ")) for line in text.splitlines()}


def keys_of(name: str, level: int) -> rules.SearchKeys:
    """Return the search keys of a place called `name`: the reading its phrases suggest, and its characters' others."""
    from pypinyin import lazy_pinyin, pinyin  # 0.2 s to load: only for who names a place
    from pypinyin.constants import Style

    core = rules.core_name(name, level)
    table = dict(readings_table())
    for character in set(core) - table.keys():
        if not character.isascii() and character.isalnum():
            found = pinyin(character, style=Style.NORMAL, heteronym=True, errors="ignore")
            if found:
                table[character] = tuple(dict.fromkeys(reading.replace("ü", "v") for reading in found[0]))
    slots = lazy_pinyin(core, errors=_keep_slots)
    here = (
        {i: slot.replace("ü", "v") for i, slot in enumerate(slots) if slot} if len(slots) == len(core) else {}
    )
    return rules.search_keys(fold_name(core), rules.readings_of(core, table, here))


def _keep_slots(text: str) -> Any:
    """Tell pypinyin to leave an empty reading for each character it has none for, so that positions stay."""
    return [""] * len(text)


# --- the tree ---------------------------------------------------------------------------------------------------------


def _move(place: Place, target: Place, on: date) -> int:
    """Put an open place and all below it under `target`; return how many places moved."""
    old, new = place.path, rules.join(target.path, rules.label_of(place.path))
    _check_path(new, old)
    _write_eras_below(old, on)
    moved = _rebase(old, new, on)
    Place.objects.filter(pk=place.pk).update(parent=target)
    place.refresh_from_db()
    people_keys_follow_places(new)
    return moved


def _close(place: Place, on: date, successor: Place | None) -> None:
    """Close an open place without open children; with a successor, what is left below its path goes there."""
    _write_era(place, on)
    place.valid_until, place.state_from, place.successor = on, on, successor
    place.save(update_fields=["valid_until", "state_from", "successor"])
    if successor is not None:
        new = rules.join(successor.path, rules.label_of(place.path))
        _check_path(new, place.path)
        _rebase(place.path, new, on)
        place.refresh_from_db()
        people_keys_follow_places(new)


def _range(path: str) -> tuple[str, str]:
    return path, prefix_end(path) or ""


def _write_era(place: Place, on: date) -> None:
    if place.state_from < on:
        PlaceEra.objects.create(
            place=place,
            code=place.code,
            name=place.name,
            level=place.level,
            parent_id=place.parent_id,
            path=place.path,
            valid_from=place.state_from,
            valid_until=on,
        )


def _write_eras_below(path: str, on: date) -> None:
    """Keep the state up to `on` of every open place at or below `path`, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_table(PlaceEra)} (place_id, code, name, level, parent_id, path, valid_from, valid_until)"  # noqa: S608  # own table and column names only
            f" SELECT id, code, name, level, parent_id, path, state_from, %s FROM {_table(Place)}"
            " WHERE path >= %s AND path < %s AND valid_until IS NULL AND state_from < %s",
            [on, *_range(path), on],
        )


def _rebase(old: str, new: str, on: date) -> int:
    """Rewrite the paths at and below `old`, in one statement, and those of the accounts kept there; return how many places."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_table(Place)} SET path = %s || substr(path, %s),"  # noqa: S608  # own table and column names only
            " state_from = CASE WHEN valid_until IS NULL THEN %s ELSE state_from END WHERE path >= %s AND path < %s",
            [new, len(old) + 1, on, *_range(old)],
        )
        moved = int(cursor.rowcount)
    accounts_follow_places(old, new)
    return moved


def _latest_state(place: Place) -> date:
    """Return the latest day since which any open place at or below this one is what it is."""
    latest: date | None = Place.objects.filter(path__prefix=place.path, valid_until__isnull=True).aggregate(
        latest=Max("state_from")
    )["latest"]
    return latest or place.state_from


def _set_name(place: Place, name: str, on: date, code: str | None) -> None:
    old = place.name_key
    level = place.level
    keys = keys_of(name, level)
    former = set(place.keys.values_list("key", flat=True)) | {old}
    place.name, place.code, place.state_from = name, code, on
    place.kind = rules.kind_of(name, level) or place.kind
    place.name_key, place.pinyin, place.initials = keys.name_key, keys.pinyin, keys.initials
    place.save(update_fields=["name", "code", "kind", "state_from", "name_key", "pinyin", "initials"])
    # Former names keep finding the place; former spellings go.
    place.keys.all().delete()
    found = dict.fromkeys(
        [*keys.further, *sorted(key for key in former if not key.isascii() and key != keys.name_key)]
    )
    PlaceKey.objects.bulk_create(PlaceKey(place=place, level=level, key=key) for key in found)


def _new_place(
    *, parent: Place | None, level: int, name: str, code: str | None, kind: str, on: date
) -> Place:
    _check_free_code(code, None)
    place_id, label = None, ""
    if code is not None:
        place_id, label = official_id(_DIVISION, code), code
        if Place.objects.filter(pk=place_id).exists():  # the code was once another place's
            place_id = None
    if place_id is None:
        place_id = new_id()
        label = rules.own_label(place_id)
    keys = keys_of(name, level)
    path = rules.join(parent.path if parent else rules.NATION, label)
    _check_path(path, "")
    place = Place(
        id=place_id,
        code=code,
        name=name,
        level=level,
        kind=kind or rules.kind_of(name, level),
        parent=parent,
        path=path,
        valid_from=on,
        state_from=on,
        name_key=keys.name_key,
        pinyin=keys.pinyin,
        initials=keys.initials,
    )
    place._further_keys = keys.further  # type: ignore[attr-defined]  # carried to _insert_place only
    return place


def _insert_place(place: Place) -> None:
    place.save(force_insert=True)
    further: tuple[str, ...] = place._further_keys  # type: ignore[attr-defined]  # set by _new_place
    PlaceKey.objects.bulk_create(PlaceKey(place=place, level=place.level, key=key) for key in further)


def _lock_tree() -> None:
    """Let no other change of the tree run beside this one (two moves at once could make a ring)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TREE_LOCK])


# --- checks -----------------------------------------------------------------------------------------------------------


def _place(by: Actor, place_id: UUID) -> Place:
    return queries.place(by, place_id)


def _again(place: Place) -> Place:
    """Return the place as it is now that the tree is locked."""
    return Place.objects.select_related("parent").get(pk=place.pk)


def _facts(place: Place | None) -> policy.Facts:
    return policy.Facts("place", place_paths=frozenset({place.path if place else rules.NATION}))


def _facts_above(place: Place) -> policy.Facts:
    return _facts(place.parent)


def _day(on: date | None) -> date:
    today = timezone.localdate()
    if on is not None and on > today:
        raise PlaceDatesOutOfOrder(
            _("生效日期在将来：请等到那一天再登记，或改填今天以前的日期。"), field="on"
        )
    return on or today


def _check_date(on: date, *earliest: date) -> None:
    bound = max(earliest)
    if on < bound:
        message = _("生效日期早于已登记的变更：请填 %(date)s 或以后的日期。") % {"date": bound.isoformat()}
        raise PlaceDatesOutOfOrder(message, field="on")


def _must_be_open(place: Place) -> None:
    if not place.is_open:
        message = _("“%(place)s”已于 %(date)s 撤销：请改选现有的地方。")
        raise PlaceClosed(message % {"place": place.name, "date": place.valid_until})


def _clean_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise PlaceNameInvalid(_("请填写名称。"), field="name")
    if len(name) > rules.NAME_LIMIT:
        message = _("名称有 %(count)d 个字，超过 %(limit)d 个：请缩短。") % {
            "count": len(name),
            "limit": rules.NAME_LIMIT,
        }
        raise PlaceNameInvalid(message, field="name")
    if not rules.is_clean_name(name):
        raise PlaceNameInvalid(_("名称里有换行或不可见字符：请删去后重试。"), field="name")
    return name


def _clean_code(code: str | None, level: int) -> str | None:
    code = (code or "").strip()
    if not code:
        return None
    if rules.level_of_code(code) != level:
        raise PlaceCodeInvalid(
            _("区划代码与级别不符：五级依次为 2、4、6、9、12 位数字，网格和楼栋不填。"), field="code"
        )
    return code


def _check_free_code(code: str | None, place: Place | None) -> None:
    if code is None:
        return
    holder = Place.objects.filter(code=code).first()
    if holder is not None and holder != place:
        message = _("代码 %(code)s 已属于“%(place)s”：请核对。") % {"code": code, "place": holder.name}
        raise PlaceCodeTaken(message, field="code")


def _check_free_name(name: str, parent: Place | None, place: Place | None) -> None:
    beside = Place.objects.filter(parent=parent, valid_until__isnull=True, name=name)
    if any(other != place for other in beside[:2]):
        message = _("同一上级里已有“%(name)s”：请换一个名称，或直接使用已有的。") % {"name": name}
        raise PlaceNameTaken(message, field="name")


def _check_levels(parent: Place | None, level: int) -> None:
    if level not in rules.LEVELS or not rules.may_contain(parent.level if parent else 0, level):
        message = _(
            "级别顺序不对：省、市、区县、街道、社区逐级设立，网格和楼栋设在社区或网格里。请另选上级或级别。"
        )
        raise PlaceLevelsOutOfOrder(message, field="level")


def _check_point(latitude: float | None, longitude: float | None) -> None:
    if latitude is None and longitude is None:
        return
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise PlacePointInvalid(
            _("坐标不完整或超出范围：纬度 -90 至 90，经度 -180 至 180，两项都要填。"), field="latitude"
        )


def _check_path(path: str, old: str) -> None:
    deepest = 0
    if old:
        deepest = max(
            len(inner) for inner in Place.objects.filter(path__prefix=old).values_list("path", flat=True)
        ) - len(old)
    if len(path) + deepest > rules.PATH_LIMIT:
        raise PlaceLevelsOutOfOrder(_("层级太深：请减少中间的网格层。"), field="parent")


# --- bulk -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    id: UUID
    name: str
    path: str
    state_from: date
    is_open: bool
    successor_id: UUID | None
    parent_id: UUID | None


_PLACE_COLUMNS = (
    *("id", "code", "name", "level", "kind", "parent_id", "path", "valid_from", "state_from"),
    *("name_key", "pinyin", "initials"),
)
_KNOWN_COLUMNS = ("id", "name", "path", "state_from", "valid_until", "successor_id", "parent_id")


def _as_known(values: Sequence[Any]) -> _Known:
    place_id, name, path, state_from, valid_until, successor_id, parent_id = values
    return _Known(place_id, name, path, state_from, valid_until is None, successor_id, parent_id)


def _known(place_id: UUID) -> _Known:
    return _as_known(Place.objects.values_list(*_KNOWN_COLUMNS).get(pk=place_id))


def _divisions_here(province: str) -> dict[str, _Known]:
    found = Place.objects.filter(code__prefix=province).values_list("code", *_KNOWN_COLUMNS)
    return {code: _as_known(values) for code, *values in found.iterator(chunk_size=_CHUNK)}


def _ids_taken(ids: Sequence[UUID]) -> dict[UUID, date]:
    found: dict[UUID, date] = {}
    for start in range(0, len(ids), 500):
        found.update(Place.objects.filter(pk__in=ids[start : start + 500]).values_list("id", "state_from"))
    return found


def _former_names(ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    found: dict[UUID, set[str]] = {}
    for start in range(0, len(ids), 500):
        for place_id, name in PlaceEra.objects.filter(place__in=ids[start : start + 500]).values_list(
            "place_id", "name"
        ):
            found.setdefault(place_id, set()).add(name)
    return found


def _living(known: _Known) -> tuple[UUID, str] | None:
    """Return id and path of the place that new divisions of this one belong into: itself, or what it was merged into."""
    while not known.is_open:
        if known.successor_id is None:
            return None
        known = _known(known.successor_id)
    return known.id, known.path


def _place_rows(
    added: Sequence[tuple[rules.Division, UUID, UUID | None, str]], progress: Callable[[int], None] | None
) -> Iterator[tuple[Any, ...]]:
    since = rules.BEFORE_RECORDS
    for done, (row, place_id, parent_id, path) in enumerate(added, start=1):
        keys = row.keys
        yield (
            *(place_id, row.code, row.name, row.level, row.kind, parent_id, path, since, since),
            *(keys.name_key, keys.pinyin, keys.initials),
        )
        if progress is not None and done % _CHUNK == 0:
            progress(done)
    if progress is not None:
        progress(len(added))


def _key_rows(added: Sequence[tuple[rules.Division, UUID, UUID | None, str]]) -> Iterator[tuple[Any, ...]]:
    for row, place_id, _parent, _path in added:
        for key in row.keys.further:
            yield place_id, row.level, key


def _table(model: type[Any]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
