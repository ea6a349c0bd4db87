"""Two records that are one person become one (人员合并), and for a month can become two again.

Everything that points at the record that goes is found in the schema and moved to the one that stays: set-wise, and row by row
where a unique rule objects. A row that would break a rule gives up what its model offers (`merge_yields`), else stays on the record
that goes and is reported. Append-only rows are never touched: whoever reads them follows `Person.merged_into`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Account, Consent, Person, PersonMerge
from wushe.community.operations import accounts
from wushe.community.operations.people import refresh_keys
from wushe.community.queries import people as queries
from wushe.community.queries import references
from wushe.community.rules import people as rules
from wushe.kernel import audit, personal, policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name

CHOOSABLE: Final = (
    "name",
    "sex",
    "birth_on",
    "place_id",
    "volunteer_number",
    "address",
    "identity_number",
    "note",
)
_SEALED_FOR: Final = "person.merge"
_CHUNK: Final = 500


class MergeRefused(Problem):
    """These two records cannot be merged, or not any more."""

    code = "merge.refused"
    status = 409


class MergeCannotBeUndone(Problem):
    """The merge was undone already, is too old, or one of the people is gone."""

    code = "merge.cannot_be_undone"
    status = 409


@dataclass(frozen=True, slots=True)
class Follower:
    """How many rows of one kind will follow (or stay behind)."""

    label: str
    title: str
    count: int
    stays: bool


def what_follows(*, by: Actor, gone_id: UUID) -> list[Follower]:
    """Return what hangs on a record before it is merged away; one query a model that points at people. Changes nothing."""
    gone = queries.person(by, gone_id)
    policy.require(by, "merge", gone.facts())
    counts: dict[type[models.Model], int] = {}
    for model, column in references.person_references():
        if getattr(model, "stays_on_merge", False):
            continue
        number = model._base_manager.filter(**{column.attname: gone.pk}).count()
        counts[model] = counts.get(model, 0) + number
    return [
        Follower(
            model._meta.label, str(model._meta.verbose_name), number, not references.moves_on_merge(model)
        )
        for model, number in counts.items()
        if number
    ]


@transaction.atomic
def merge_people(
    *,
    by: Actor,
    kept_id: UUID,
    gone_id: UUID,
    choices: dict[str, str] | None = None,
    at: datetime | None = None,
) -> PersonMerge:
    """Make `gone` part of `kept`; whatever points at it follows.

    `choices` maps a column of `CHOOSABLE` to "kept" or "gone"; what is not named comes from `kept`, or from `gone` where `kept`
    has nothing. Both volunteer numbers go on leading to the person. Raises `queries.PersonNotFound`, `policy.Refused`,
    `MergeRefused`, `accounts.RightsAboveYours` when one of them holds rights the actor could not have given.
    """
    kept, gone = queries.person(by, kept_id), queries.person(by, gone_id)
    policy.require(by, "merge", kept.facts())
    policy.require(by, "merge", gone.facts())
    if kept.pk == gone.pk:
        raise MergeRefused(_("这是同一份记录，请另选一份。"))
    for account in Account.objects.filter(person__in=(kept, gone), is_active=True).select_related("person"):
        accounts.require_cover(by, account)
    now = at or timezone.now()
    _claim(kept, gone, now)
    # Read again: the claim waited for whoever held either row.
    people = Person.objects.select_related("place").in_bulk([kept.pk, gone.pk])
    kept, gone = people[kept.pk], people[gone.pk]
    before = {"kept": _values(kept), "gone": _values(gone)}
    images = {"kept": audit.image(kept), "gone": audit.image(gone)}
    after = _chosen(before, choices or {})
    moved = [
        _move(model, column, gone.pk, kept.pk)
        for model, column in references.person_references()
        if references.moves_on_merge(model)
    ]
    changed = _close_left_account(gone) + _honor_withdrawals(kept, now)
    _write_values(gone, {**before["gone"], "volunteer_number": None})
    _write_values(kept, after)
    spare = {before["kept"]["volunteer_number"], before["gone"]["volunteer_number"]} - {
        after["volunteer_number"],
        None,
    }
    _write_values(gone, {**before["gone"], "volunteer_number": next(iter(spare), None)})
    days = queries.rule_number(by, rules.MERGE_UNDO_DAYS, place_path=kept.place.path)
    merge = PersonMerge.objects.create(
        kept=kept, gone=gone,
        moved={"rows": [entry for entry in moved if entry["ids"] or entry["stayed"]], "changed": changed},
        sealed=personal.seal(kept.pk, json.dumps({"before": before, "after": after}, ensure_ascii=False), _SEALED_FOR),
        merged_at=now, merged_by=str(by.account_id or by.kind), undo_until=now + timedelta(days=days),
    )  # fmt: skip
    kept.refresh_from_db()
    gone.refresh_from_db()
    refresh_keys([kept, gone])
    audit.record(by=by, verb="merge", target=kept, before=images["kept"], after=kept)
    audit.record(
        by=by, verb="merge_away", target=gone, before=images["gone"],
        after={"merged_into": str(kept.pk), "merge": str(merge.pk), "rows": merge.moved["rows"], "changed": changed},
    )  # fmt: skip
    return merge


@transaction.atomic
def undo_merge(*, by: Actor, merge_id: UUID, at: datetime | None = None) -> PersonMerge:
    """Make two of the one again: every row goes back to where it was, both records say what they said.

    What was written since the merge stays with the person who was kept: rows added to them, and values changed by hand. Raises
    `MergeCannotBeUndone`.
    """
    merge = queries.merge(by, merge_id)
    policy.require(by, "merge", merge.kept.facts())
    policy.require(by, "merge", merge.gone.facts())
    now = at or timezone.now()
    if not PersonMerge.objects.filter(pk=merge.pk, undone_at__isnull=True, undo_until__gt=now).update(
        undone_at=now
    ):
        raise MergeCannotBeUndone(_("这次合并已经撤销过，或已超过可以撤销的期限。"))
    _unclaim(merge, now)
    people = Person.objects.select_related("place").in_bulk([merge.kept_id, merge.gone_id])
    kept, gone = people[merge.kept_id], people[merge.gone_id]
    images = {"kept": audit.image(kept), "gone": audit.image(gone)}
    sealed = personal.unseal(kept.pk, merge.sealed, _SEALED_FOR)
    if sealed is None:
        raise MergeCannotBeUndone(_("合并前的内容已经随个人信息一起删除，无法撤销。"))
    said = json.loads(sealed)
    left: list[dict[str, Any]] = []
    for entry in reversed(merge.moved["rows"]):
        left += _move_back(entry, kept.pk, gone.pk)
    for change in merge.moved["changed"]:
        _set_back(change)
    now_kept = _values(kept)
    restored = {
        name: said["before"]["kept"][name] if now_kept[name] == said["after"][name] else now_kept[name]
        for name in CHOOSABLE
    }
    _write_values(kept, {**restored, "volunteer_number": None})
    _write_values(gone, said["before"]["gone"])
    _write_values(kept, restored)
    kept.refresh_from_db()
    gone.refresh_from_db()
    refresh_keys([kept, gone])
    audit.record(by=by, verb="merge_undo", target=kept, before=images["kept"], after=kept)
    audit.record(by=by, verb="merge_undo", target=gone, before=images["gone"], after=gone)
    if left:
        audit.record(by=by, verb="merge_undo_left", target=kept, after={"rows": left})
    merge.refresh_from_db()
    return merge


# --- the guard --------------------------------------------------------------------------------------------------------


def _claim(kept: Person, gone: Person, now: datetime) -> None:
    """Mark `gone` as merged, if both are still in use: two conditional updates, in the order of the ids so that none waits in a ring."""
    marks: dict[UUID, dict[str, Any]] = {
        kept.pk: {"updated_at": now},
        gone.pk: {"updated_at": now, "status": Person.Status.MERGED, "merged_into": kept},
    }
    for person_id in sorted(marks):
        if not Person.objects.filter(pk=person_id, status=Person.Status.ACTIVE).update(**marks[person_id]):
            raise MergeRefused(_("其中一份记录刚刚被合并或删除了，请返回重新查找。"))


def _unclaim(merge: PersonMerge, now: datetime) -> None:
    conditions: dict[UUID, tuple[dict[str, Any], dict[str, Any]]] = {
        merge.kept_id: ({"status": Person.Status.ACTIVE}, {"updated_at": now}),
        merge.gone_id: (
            {"status": Person.Status.MERGED, "merged_into_id": merge.kept_id},
            {"updated_at": now, "status": Person.Status.ACTIVE, "merged_into": None},
        ),
    }
    for person_id in sorted(conditions):
        condition, mark = conditions[person_id]
        if not Person.objects.filter(pk=person_id, **condition).update(**mark):
            raise MergeCannotBeUndone(_("保留的那份记录后来又被合并或删除了。请先撤销后面的那次合并。"))


# --- values -----------------------------------------------------------------------------------------------------------


def _values(row: Person) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in CHOOSABLE:
        value = getattr(row, name)
        found[name] = (
            value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, UUID) else value
        )
    return found


def _chosen(before: dict[str, dict[str, Any]], choices: dict[str, str]) -> dict[str, Any]:
    unknown = [
        name for name, side in choices.items() if name not in CHOOSABLE or side not in ("kept", "gone")
    ]
    if unknown:
        raise MergeRefused(_("请逐项选择保留哪一份的内容。"), code="merge.unknown_choice")
    chosen = {}
    for name in CHOOSABLE:
        mine, theirs = before["kept"][name], before["gone"][name]
        empty = mine in (None, "") or (name == "sex" and mine == Person.Sex.UNKNOWN)
        side = choices.get(name, "gone" if empty else "kept")
        chosen[name] = theirs if side == "gone" else mine
    return chosen


def _write_values(row: Person, values: dict[str, Any]) -> None:
    Person.objects.filter(pk=row.pk).update(
        **{**values, "birth_on": date.fromisoformat(values["birth_on"]) if values["birth_on"] else None},
        name_key=fold_name(values["name"])[: rules.NAME_LIMIT],
        identity_index=queries.identity_index(values["identity_number"] or ""),
    )


# --- rows -------------------------------------------------------------------------------------------------------------


def _move(model: type[models.Model], column: models.ForeignKey, gone: UUID, kept: UUID) -> dict[str, Any]:
    rows = model._base_manager.filter(**{column.attname: gone})
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    entry: dict[str, Any] = {
        "model": model._meta.label,
        "column": column.attname,
        "ids": [],
        "stayed": [],
        "yielded": {},
    }
    if not ids:
        return entry
    if _tried(rows, {column.attname: kept}):
        entry["ids"] = [str(pk) for pk in ids]
        return entry
    yields: dict[str, Any] = getattr(model, "merge_yields", {})
    for pk in ids:
        row = model._base_manager.filter(pk=pk)
        if _tried(row, {column.attname: kept}):
            entry["ids"].append(str(pk))
            continue
        had = row.values(*yields).get() if yields else {}
        if yields and _tried(row, {column.attname: kept, **yields}):
            entry["ids"].append(str(pk))
            entry["yielded"][str(pk)] = had
        else:
            entry["stayed"].append(str(pk))
    return entry


def _tried(rows: models.QuerySet[Any, Any], values: dict[str, Any]) -> bool:
    try:
        with transaction.atomic():
            rows.update(**values)
    except IntegrityError:
        return False
    return True


def _move_back(entry: dict[str, Any], kept: UUID, gone: UUID) -> list[dict[str, Any]]:
    """Undo one `_move`; return what could not go back (somebody moved or removed it since, or its place is taken)."""
    model = apps.get_model(entry["model"])
    left: list[dict[str, Any]] = []
    for ids in _chunks(entry["ids"]):
        rows = model._base_manager.filter(pk__in=ids, **{entry["column"]: kept})
        if _tried(rows, {entry["column"]: gone}):
            continue
        for pk in ids:
            if not _tried(
                model._base_manager.filter(pk=pk, **{entry["column"]: kept}), {entry["column"]: gone}
            ):
                left.append({"model": entry["model"], "id": pk})
    for pk, had in entry["yielded"].items():
        row = model._base_manager.filter(pk=pk, **{entry["column"]: gone})
        if not _tried(row, had):
            left.append({"model": entry["model"], "id": pk, "columns": sorted(had)})
    return left


def _chunks(ids: list[str]) -> Iterable[list[str]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]


def _close_left_account(gone: Person) -> list[dict[str, Any]]:
    """An account that had to stay behind would let somebody act as nobody: close it until an undo."""
    changed = []
    for account in Account.objects.filter(person=gone, is_active=True):
        Account.objects.filter(pk=account.pk).update(is_active=False)
        changed.append(
            {
                "model": "community.Account",
                "id": str(account.pk),
                "column": "is_active",
                "before": True,
                "after": False,
            }
        )
    return changed


def _honor_withdrawals(kept: Person, now: datetime) -> list[dict[str, Any]]:
    """Consent that was taken back under either record is taken back: the later word of the person counts."""
    changed = []
    rows = list(Consent.objects.filter(person=kept))
    for live in rows:
        if live.withdrawn_at is None and any(
            row.purpose == live.purpose and row.withdrawn_at is not None and row.withdrawn_at > live.given_at
            for row in rows
        ):
            Consent.objects.filter(pk=live.pk).update(withdrawn_at=now)
            changed.append(
                {
                    "model": "community.Consent",
                    "id": str(live.pk),
                    "column": "withdrawn_at",
                    "before": None,
                    "after": now.isoformat(),
                }
            )
    return changed


def _set_back(change: dict[str, Any]) -> None:
    model = apps.get_model(change["model"])
    column = model._meta.get_field(change["column"])
    row = model._base_manager.filter(pk=change["id"]).first()
    if row is not None and getattr(row, column.attname) == column.to_python(change["after"]):
        model._base_manager.filter(pk=change["id"]).update(**{change["column"]: change["before"]})
