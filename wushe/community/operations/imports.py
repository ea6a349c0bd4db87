"""Import runs (导入批次): opened, filled with checked rows, carried out whole or not at all, taken back.

A run's checked rows are staged in `ImportedRow`; carrying out moves them into the room's tables in one short transaction.
People come by the hundred thousand, so theirs is set-wise: one INSERT … SELECT per table, straight from the staged rows. Their
search keys follow in small transactions right after, so that nobody else has to wait for them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import (
    ColumnChoice,
    ImportedRow,
    ImportRun,
    Organization,
    Person,
    PersonKey,
    Place,
)
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.bulk import insert_rows
from wushe.kernel.fields import EncryptedField
from wushe.kernel.ids import new_id
from wushe.kernel.models import AuditEvent
from wushe.kernel.problems import Problem

Status = ImportRun.Status


class ImportNotReady(Problem):
    """The run is not in the state the step starts from: somebody else was quicker, or it was never checked."""

    code = "import.not_ready"
    status = 409


class ImportHasFaults(Problem):
    """Rows of the file have faults; nothing is imported until all are right."""

    code = "import.has_faults"
    status = 422


class ImportOutdated(Problem):
    """Records that the file touches were changed after it was checked."""

    code = "import.outdated"
    status = 409


class ImportScopeMissing(Problem):
    """The actor may import nowhere."""

    code = "import.no_scope"
    status = 403


# --- the run ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def open_run(
    *,
    by: Actor,
    kind: str,
    file_name: str,
    content: bytes,
    stored_name: str = "",
    default_place: Place | None = None,
    organization: Organization | None = None,
    at: datetime | None = None,
) -> ImportRun:
    """Put a new run on record, visible to those who may import where the actor may. Raises `policy.Refused`, `ImportScopeMissing`."""
    place, home = (None, organization) if by.is_trusted_local else _home(by, default_place, organization)
    policy.require(by, "create", _facts(place, home))
    return ImportRun.objects.create(
        kind=kind,
        file_name=file_name[-200:],
        digest=hashlib.sha256(content).hexdigest(),
        stored_name=stored_name,
        place=place,
        organization=home,
        default_place=default_place,
        created_by=by.label[:200] or by.kind,
        created_by_account=by.account_id,
        created_at=at or timezone.now(),
    )


def _home(
    by: Actor, default_place: Place | None, organization: Organization | None
) -> tuple[Place | None, Organization | None]:
    """Return the place, else the organization, in whose name the actor imports: the held root around the chosen one, else the first."""
    reach = policy.reach(by, "create", "import")
    roots = sorted(reach.place_paths)
    if default_place is not None:
        roots = [root for root in roots if default_place.path.startswith(root)] or roots
    if roots:
        return Place.objects.filter(path=roots[0]).first(), None
    bodies = sorted(reach.organization_paths)
    if organization is not None:
        bodies = [path for path in bodies if organization.path.startswith(path)] or bodies
    if bodies:
        return None, Organization.objects.filter(path=bodies[0]).first()
    if reach.everything:
        return None, None
    raise ImportScopeMissing(_("您没有导入表格的权限。请联系管理员。"))


def _facts(place: Place | None, organization: Organization | None) -> policy.Facts:
    return policy.Facts(
        "import",
        place_paths=frozenset({place.path} if place else ()),
        organization_paths=frozenset({organization.path} if organization else ()),
    )


@transaction.atomic
def choose_columns(
    *,
    by: Actor,
    run: ImportRun,
    columns: dict[str, str],
    default_place: Place | None,
    remember: dict[str, str] | None = None,
) -> None:
    """Keep which heading means which column, and remember what was matched by hand for the next file."""
    policy.require(by, "edit", run.facts())
    changed = ImportRun.objects.filter(
        pk=run.pk, status__in=(Status.WAITING, Status.CHECKED, Status.REFUSED)
    ).update(columns=columns, default_place=default_place, status=Status.WAITING, problem=None)
    if not changed:
        raise ImportNotReady(_("这批导入正在进行或已经完成，不能再改列名。"))
    for heading, column in (remember or {}).items():
        ColumnChoice.objects.update_or_create(
            account=str(by.account_id or ""),
            kind=run.kind,
            heading=heading,
            defaults={"column": column, "chosen_at": timezone.now()},
        )


def remembered_columns(by: Actor, kind: str) -> dict[str, str]:
    """Return folded heading → column code as the actor matched them before."""
    rows = ColumnChoice.objects.filter(account=str(by.account_id or ""), kind=kind)
    return dict(rows.values_list("heading", "column"))


def begin_check(*, by: Actor, run: ImportRun) -> None:
    """Take the run into checking and drop the rows of an earlier check. Raises `ImportNotReady` when it is past that.

    Each check leaves its own mark in `run.shape`. Where two go on at once (a button pressed twice), the later one counts and
    the earlier one stops at its next batch, so that rows of two checks are never mixed.
    """
    policy.require(by, "edit", run.facts())
    open_states = (Status.WAITING, Status.CHECKED, Status.CHECKING, Status.REFUSED)
    mark = f"checking {new_id().hex}"
    if not ImportRun.objects.filter(pk=run.pk, status__in=open_states).update(
        status=Status.CHECKING, progress=0, problem=None, shape=mark
    ):
        raise ImportNotReady(_("这批导入已经完成，不能再检查。请重新上传文件。"))
    run.shape = mark
    drop_rows(run)


def drop_rows(run: ImportRun) -> None:
    """Delete a run's staged rows in pieces, so that no other write waits for long; search keys written ahead go first."""
    first = ImportedRow.objects.filter(run=run, action=ImportedRow.Action.CREATE).order_by("position").first()
    if first is not None and PersonKey.objects.filter(person=first.target_id).exists():
        drop_keys(run)
    while True:
        ids = list(ImportedRow.objects.filter(run=run).values_list("pk", flat=True)[:500])
        if not ids:
            return
        ImportedRow.objects.filter(pk__in=ids)._raw_delete("default")


def stage_rows(*, by: Actor, run: ImportRun, rows: Sequence[ImportedRow], progress: int) -> None:
    """Store one batch of checked rows; a short transaction of its own. Raises `ImportNotReady` when another check began since."""
    policy.require(by, "edit", run.facts())
    with transaction.atomic():
        if not ImportRun.objects.filter(pk=run.pk, shape=run.shape).update(progress=progress):
            raise _another_check()
        fields = [field for field in ImportedRow._meta.concrete_fields if not field.primary_key]
        insert_rows(
            ImportedRow,
            [str(field.column) for field in fields],
            ([_ready(field, row) for field in fields] for row in rows),
        )


def _another_check() -> ImportNotReady:
    return ImportNotReady(_("这个文件正在另外检查。请刷新后看结果。"))


def _ready(field: models.Field[Any, Any], row: ImportedRow) -> Any:
    value = getattr(row, field.attname)
    if isinstance(field, models.JSONField):
        return json.dumps(value)
    return field.get_prep_value(value) if isinstance(field, EncryptedField) else value


def end_check(*, by: Actor, run: ImportRun, results: dict[str, Any]) -> None:
    """Record what the check found: counts and notes, or why the file was refused. Raises `ImportNotReady` like `stage_rows`."""
    policy.require(by, "edit", run.facts())
    mine = ImportRun.objects.filter(pk=run.pk, shape=run.shape)
    if not mine.exists():
        raise _another_check()
    mine.filter(status=Status.CHECKING).update(**results)


@transaction.atomic
def discard_run(*, by: Actor, run: ImportRun) -> None:
    """Delete a run that was never carried out, with all its rows."""
    policy.require(by, "edit", run.facts())
    if run.status not in (Status.WAITING, Status.CHECKING, Status.CHECKED, Status.REFUSED):
        raise ImportNotReady(_("这批导入已经完成，只能撤销，不能丢弃。"))
    drop_rows(run)
    run.delete()


def expire_runs_unscoped(*, before: datetime) -> list[str]:
    """Delete runs that nobody carried out since `before`, whoever's they are; return the names of their files.

    Unscoped: the house cleans up for everybody; nothing is read or shown.
    """
    names: list[str] = []
    stale = ImportRun.objects.filter(
        status__in=(Status.WAITING, Status.CHECKING, Status.CHECKED, Status.REFUSED, Status.APPLYING),
        created_at__lt=before,
    )
    for run in stale[:100]:
        names.append(run.stored_name)
        drop_rows(run)
        run.delete()
    return [name for name in names if name]


# --- carrying out -----------------------------------------------------------------------------------------------------


def claim(*, by: Actor, run: ImportRun) -> None:
    """Inside the caller's transaction: take a checked run without faults, once. Raises `ImportHasFaults`, `ImportNotReady`."""
    policy.require(by, "edit", run.facts())
    if run.fault_count:
        raise ImportHasFaults(
            _("还有 %(count)s 行有问题，一行也没有导入。请改好后重新上传。") % {"count": run.fault_count}
        )
    states = (Status.CHECKED, Status.APPLYING)
    if not ImportRun.objects.filter(pk=run.pk, status__in=states, fault_count=0).update(
        status=Status.APPLYING, problem=None
    ):
        raise ImportNotReady(_("这批导入还没有检查完，或者刚刚已经有人导入了。请刷新后再看。"))


def queue(*, by: Actor, run: ImportRun) -> None:
    """Mark a checked run as about to be carried out by the worker. Raises `ImportHasFaults`, `ImportNotReady`."""
    with transaction.atomic():
        claim(by=by, run=run)


def note_problem(*, run_id: UUID, code: str, message: str) -> None:
    """Leave word on the run why the worker could not do what was asked; it is then where it was before."""
    for now, before in (
        (Status.APPLYING, Status.CHECKED),
        (Status.UNDOING, Status.DONE),
        (Status.CHECKING, Status.REFUSED),
    ):
        problem = {"code": code, "message": message}
        ImportRun.objects.filter(pk=run_id, status=now).update(status=before, problem=problem)


def finish(*, by: Actor, run: ImportRun, rows: Iterable[ImportedRow], at: datetime) -> None:
    """Inside the caller's transaction: mark the run as done, drop what was only staged for it, write the one audit row."""
    policy.require(by, "edit", run.facts())
    now = timezone.now()
    for row in rows:
        ImportedRow.objects.filter(pk=row.pk).update(target_id=row.target_id, made=row.made)
    ImportRun.objects.filter(pk=run.pk).update(status=Status.DONE, done_at=now)
    run.status, run.done_at = Status.DONE, now
    _record(by, run, "import")


def clear_staging(run: ImportRun) -> None:
    """After the import: forget rows without effect, and all values of the others. In pieces, and safe to repeat."""
    idle = (ImportedRow.Action.UNCHANGED, ImportedRow.Action.FAULT)
    for condition, clear in ((Q(action__in=idle), False), (~Q(payload=""), True)):
        while True:
            ids = list(ImportedRow.objects.filter(condition, run=run).values_list("pk", flat=True)[:2000])
            if not ids:
                break
            for start in range(0, len(ids), 500):
                piece = ImportedRow.objects.filter(pk__in=ids[start : start + 500])
                if clear:
                    piece.update(payload="", report="", match_key="")
                else:
                    piece._raw_delete("default")


def _record(by: Actor, run: ImportRun, verb: str) -> None:
    path = run.place.path if run.place else run.organization.place.path if run.organization else "/"
    audit.record(
        by=by,
        verb=verb,
        target=run,
        after={
            "kind": run.kind,
            "digest": run.digest,
            "created": run.created_count,
            "updated": run.updated_count,
            "unchanged": run.unchanged_count,
            "kept": run.kept_count,
        },
        place_path=path,
    )


@contextmanager
def modest_memory() -> Iterator[None]:
    """For the time of the block, read the database through its cache alone.

    A walk over a hundred thousand rows would otherwise leave a quarter of a gigabyte of the SQLite file mapped into a process that
    has no further use for it.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA mmap_size")
        mapped = cursor.fetchone()
        cursor.execute("PRAGMA mmap_size = 0")
    try:
        yield
    finally:
        if mapped:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA mmap_size = {int(mapped[0])}")


# --- set-wise ---------------------------------------------------------------------------------------------------------


def shape_of(models_used: Sequence[type[models.Model]]) -> str:
    """Return a mark of the columns that payloads are written for; it changes when a table does."""
    text = json.dumps([[m._meta.db_table, [f.column for f in m._meta.concrete_fields]] for m in models_used])
    return hashlib.sha256(text.encode()).hexdigest()


def insert_from_staging(
    run: ImportRun,
    model: type[models.Model],
    slot: str,
    columns: Sequence[str],
    *,
    at: datetime | None = None,
    single: bool = False,
    between: tuple[int, int] | None = None,
    if_new: bool = False,
) -> int:
    """Move rows staged in `payload[slot]` into the table of `model` with one statement; return how many.

    The slot holds a list of rows, each a list of values in the order of `columns` (database columns of the model). With `single`
    it holds one row, and a row with its key that is there already is replaced. `between` bounds the positions; with `if_new`
    rows that are there already are left alone. A missing `created_at` or `updated_at` becomes `at`.
    """
    fields = {field.column: field for field in model._meta.concrete_fields}
    quote = connection.ops.quote_name
    postgresql = connection.vendor == "postgresql"
    cells: list[str] = []
    stamps = 0
    for index, column in enumerate(columns):
        if postgresql:
            cell = f"(s.item ->> {index})::{fields[column].db_type(connection)}"
        else:
            cell = f"json_extract(s.item, '$[{index}]')"
        if column in ("created_at", "updated_at"):
            cell, stamps = f"COALESCE({cell}, %s)", stamps + 1
        cells.append(cell)
    staged = f"{quote(ImportedRow._meta.db_table)} r"
    where = "r.run_id = %s AND r.action IN ('CREATE', 'UPDATE')"
    params: list[Any] = [_moment(at)] * stamps + [_key(run.pk)]
    if between is not None:
        where += " AND r.position BETWEEN %s AND %s"
        params += between
    if postgresql:
        body = f"NULLIF(r.payload, '')::jsonb -> '{slot}'"
        item = body if single else f"jsonb_array_elements({body})"
        source = f"SELECT {item} AS item FROM {staged} WHERE {where} AND {body} IS NOT NULL ORDER BY r.position OFFSET 0"  # noqa: S608  # see below
    elif single:
        body = f"json_extract(NULLIF(r.payload, ''), '$.{slot}')"
        source = (
            f"SELECT {body} AS item FROM {staged} WHERE {where} AND {body} IS NOT NULL ORDER BY r.position"  # noqa: S608  # see below
        )
    else:
        source = f"SELECT e.value AS item FROM {staged}, json_each(NULLIF(r.payload, ''), '$.{slot}') e WHERE {where} ORDER BY r.position"  # noqa: S608  # see below
    names = ", ".join(quote(column) for column in columns)
    # Every name in the statement is a column, a table or a slot of our own; what a file says is only ever data.
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({names}) SELECT {', '.join(cells)} FROM ({source}) s WHERE true"  # noqa: S608 - only names of our own
    if single:
        statement += _replacing(model, columns)
    elif if_new:
        statement += " ON CONFLICT DO NOTHING"
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)


def put_back(model: type[models.Model], columns: Sequence[str], images: Sequence[Sequence[Any]]) -> None:
    """Write whole rows over those with their keys: what was there before an import."""
    quote = connection.ops.quote_name
    names, marks = ", ".join(quote(column) for column in columns), ", ".join(["%s"] * len(columns))
    insert = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({marks})"  # noqa: S608  # our own names
    with connection.cursor() as cursor:
        cursor.executemany(insert + _replacing(model, columns), images)


def _replacing(model: type[models.Model], columns: Sequence[str]) -> str:
    quote = connection.ops.quote_name
    key = _primary(model)
    values = ", ".join(f"{quote(column)} = excluded.{quote(column)}" for column in columns if column != key)
    return f" ON CONFLICT ({quote(key)}) DO UPDATE SET {values}"


def _primary(model: type[models.Model]) -> str:
    return str(model._meta.pk.column)


def _moment(at: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(at or timezone.now())


def _key(value: UUID) -> Any:
    return value if connection.vendor == "postgresql" else value.hex


# --- taking back ------------------------------------------------------------------------------------------------------


def uuid7_after(at: datetime) -> UUID:
    """Return the least UUIDv7 of any row made after the millisecond of `at`."""
    return UUID(int=((int(at.timestamp() * 1000) + 1) << 80) | (0x7 << 76) | (0x2 << 62))


def later_work(
    run: ImportRun, model: type[models.Model], parts: Sequence[tuple[type[models.Model], str]] = ()
) -> dict[UUID, str]:
    """Return id → label of what was done since, for every record the run made or changed that has been worked on since.

    Looked at: rows of any table that point at the record and are younger than the import (keys are ordered by time; rows
    without such keys always count, but for `parts`, which the import makes itself), the record's own date of change, and
    the audit trail of the record and of its parts.
    """
    assert run.done_at is not None
    found: dict[UUID, str] = {}
    floor = uuid7_after(run.done_at)
    mine = ImportedRow.objects.filter(run=run, target_label=model._meta.label, target_id__isnull=False)
    ids = mine.values("target_id")
    own = {(part, column) for part, column in parts}
    for relation in model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ForeignObjectRel) or relation.many_to_many:
            continue
        related: Any = relation.related_model
        column = relation.field.attname
        timed = isinstance(related._meta.pk, models.UUIDField) and related._meta.pk.has_default()
        if not timed and (related, column) in own:
            continue
        rows = related._base_manager.filter(**{f"{relation.field.name}__in": ids})
        if timed:
            rows = rows.filter(pk__gt=floor)
        for target_id in rows.values_list(column, flat=True).distinct():
            found[target_id] = str(related._meta.label)
    if any(field.name == "updated_at" for field in model._meta.fields):
        changed = model._base_manager.filter(pk__in=ids, updated_at__gt=run.done_at)
        for target_id in changed.values_list("pk", flat=True):
            found.setdefault(target_id, model._meta.label)
    audited = AuditEvent.objects.filter(at__gt=run.done_at)
    touched = _uuids(audited.filter(target_label=model._meta.label).values_list("target_id", flat=True))
    for start in range(0, len(touched), 500):
        for touched_id in mine.filter(target_id__in=touched[start : start + 500]).values_list(
            "target_id", flat=True
        ):
            if touched_id is not None:
                found.setdefault(touched_id, model._meta.label)
    for part, column in parts:
        touched = _uuids(audited.filter(target_label=part._meta.label).values_list("target_id", flat=True))
        if not isinstance(part._meta.pk, models.UUIDField):
            continue
        for start in range(0, len(touched), 500):
            rows = part._base_manager.filter(pk__in=touched[start : start + 500], **{f"{column}__in": ids})
            for target_id in rows.values_list(column, flat=True):
                found.setdefault(target_id, part._meta.label)
    return found


def _uuids(texts: Iterable[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue  # an audit row about a batch names no single record
    return found


def begin_undo(*, by: Actor, run: ImportRun) -> None:
    """Take a finished run into undoing; one that was interrupted there goes on. Raises `ImportNotReady`."""
    policy.require(by, "edit", run.facts())
    states = (Status.DONE, Status.UNDOING)
    if not ImportRun.objects.filter(pk=run.pk, status__in=states).update(status=Status.UNDOING):
        raise ImportNotReady(_("只有已导入的批次可以撤销。"))


def keep_rows(run: ImportRun, ids: Iterable[UUID]) -> None:
    """Mark the records an undo leaves alone."""
    ImportedRow.objects.filter(run=run).update(is_kept=False)
    kept = list(ids)
    for start in range(0, len(kept), 500):
        ImportedRow.objects.filter(run=run, target_id__in=kept[start : start + 500]).update(is_kept=True)


def delete_created(
    run: ImportRun, model: type[models.Model], parts: Sequence[tuple[type[models.Model], str]]
) -> int:
    """Inside the caller's transaction: delete what the run created and nobody used since, with its `parts` (model, foreign key).

    Returns how many records went. What points at them meanwhile makes the database refuse, and all stays as it was.
    """
    quote = connection.ops.quote_name
    staged = quote(ImportedRow._meta.db_table)
    mine = f"SELECT r.target_id FROM {staged} r WHERE r.run_id = %s AND r.action = 'CREATE' AND NOT r.is_kept AND r.target_label = %s"  # noqa: S608  # our own names
    with connection.cursor() as cursor:
        for part, column in parts:
            statement = f"DELETE FROM {quote(part._meta.db_table)} WHERE {quote(column)} IN ({mine})"  # noqa: S608  # our own names
            cursor.execute(statement, [_key(run.pk), model._meta.label])
        key = quote(_primary(model))
        statement = f"DELETE FROM {quote(model._meta.db_table)} WHERE {key} IN ({mine})"  # noqa: S608  # our own names
        cursor.execute(statement, [_key(run.pk), model._meta.label])
        return int(cursor.rowcount)


def drop_keys(run: ImportRun) -> None:
    """Delete, in short transactions, the search keys of people that an undo or a dropped check left without their person."""
    made = ImportedRow.objects.filter(run=run, action=ImportedRow.Action.CREATE).order_by("position")
    last = 0
    while True:
        window = list(made.filter(position__gt=last).values_list("position", "target_id")[:500])
        if not window:
            return
        last = window[-1][0]
        ids = {target_id for _position, target_id in window if target_id}
        ids -= set(Person.objects.filter(pk__in=ids).values_list("pk", flat=True))
        PersonKey.objects.filter(person__in=ids)._raw_delete("default")


def finish_undo(*, by: Actor, run: ImportRun, kept: int) -> None:
    """Inside the caller's transaction: mark the run as undone and write the one audit row."""
    policy.require(by, "edit", run.facts())
    ImportRun.objects.filter(pk=run.pk).update(
        status=Status.UNDONE, undone_at=timezone.now(), kept_count=kept
    )
    run.refresh_from_db()
    _record(by, run, "undo")
