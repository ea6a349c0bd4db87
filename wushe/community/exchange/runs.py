"""One import from beginning to end: open a file, see its columns matched, check every row, do it, undo it.

Pages, API and command line all walk the same steps:

    run = open_import(by=actor, kind="people", file_name="名单.xlsx", content=data)
    run = check(by=actor, run=run)              # reads, parses, compares; stages what would happen; changes nothing
    run = carry_out(by=actor, run=run)          # all of it or nothing
    run = undo(by=actor, run=run)               # what was there before is there again
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain, islice
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from wushe.community.exchange import columns as headers
from wushe.community.exchange import files, kinds, plans, sheets, values
from wushe.community.exchange.columns import Column, Found, Header, Kind, heading_key
from wushe.community.exchange.lookups import PlaceFinder
from wushe.community.exchange.plans import CREATE, FAULT, SAME, UPDATE, Check, Planned
from wushe.community.exchange.sheets import Cell, FileRefused, Row, Sheet, Workbook
from wushe.community.exchange.values import Fault, Reading
from wushe.community.exchange.wording import sentence
from wushe.community.models import ImportedRow, ImportRun, Organization, Place
from wushe.community.operations import imports as operations
from wushe.community.operations.imports import ImportNotReady, ImportOutdated
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem

Progress = Callable[[int], None]
BATCH = 1_000
LOOK_AHEAD = 60
SMALL = 2_000
"""Rows up to which a page does the work at once; beyond, a background task does and the page says how far it is."""

GUIDE = _lazy("填写说明")
"""Name of the sheet that explains the columns of a template."""

Status = ImportRun.Status


class NoHeader(FileRefused):
    """No sheet of the file has a header that names the required columns."""

    code = "file.no_header"


class ImportNotFound(Problem):
    """There is no such run, or the actor may not see it."""

    code = "import.not_found"
    status = 404


# --- open -------------------------------------------------------------------------------------------------------------


def open_import(
    *,
    by: Actor,
    kind: str,
    file_name: str,
    content: bytes,
    default_place: Place | None = None,
    organization: Organization | None = None,
    keep_file: bool = True,
    by_hand: bool = False,
) -> ImportRun:
    """Look at the file, match its columns, and put the run on record. Raises `FileRefused` when it is no readable table.

    `default_place` is where rows without a place belong. With `keep_file` the content is kept sealed until the run is
    carried out or a day has passed. `by_hand`: somebody is there to match headings of which not one is known.
    """
    about = kinds.kind(kind)
    workbook = sheets.open_file(content, file_name)
    found, notes = preview(about, workbook, operations.remembered_columns(by, kind), by_hand=by_hand)
    if default_place is None:
        default_place = _only_place(by, about)
    name = files.keep(content) if keep_file else ""
    try:
        run = operations.open_run(
            by=by,
            kind=kind,
            file_name=file_name,
            content=content,
            stored_name=name,
            default_place=default_place,
            organization=organization,
        )
    except Exception:
        files.drop(name)
        raise
    run.headings, run.notes = found, notes
    run.columns = {
        heading_key(h["text"].split(" / ")[-1]): h["column"]
        for sheet in found
        for h in sheet["headings"]
        if h["column"]
    }
    run.save(update_fields=["headings", "notes", "columns"])
    return run


def _only_place(by: Actor, kind: Kind) -> Place | None:
    """Return the one community the actor works in, if it is one: then rows need not repeat it."""
    reach = policy.reach(by, "create", kind.data_class)
    if len(reach.place_paths) != 1 or reach.everything:
        return None
    place = Place.objects.visible_to(by).filter(path=next(iter(reach.place_paths))).first()
    return place if place is not None and place.level >= Place.Level.COMMUNITY else None


def preview(
    kind: Kind, workbook: Workbook, remembered: dict[str, str], *, by_hand: bool = False
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return the headings found in each sheet, as plain values for a page, and notes. Raises `NoHeader`, `FileRefused`."""
    found: list[dict[str, Any]] = []
    notes: list[Any] = []
    for sheet in workbook.sheets():
        first = list(islice(sheet.rows, LOOK_AHEAD))
        if not first or _is_guide(sheet):
            continue
        if sheet.is_hidden:
            notes.append(["sheet.hidden", {"sheet": sheet.name}])
            continue
        header = headers.find_header(kind, first, remembered)
        if header is None and by_hand:
            header = headers.guess_header(first)
        if header is None:
            notes.append(["sheet.no_header", {"sheet": sheet.name}])
            continue
        notes.extend([note, {"sheet": sheet.name}] for note in sheet.notes)
        found.append(
            {
                "sheet": sheet.name,
                "row": header.last_row,
                "headings": [
                    {
                        "text": heading.text,
                        "key": heading_key(heading.text.split(" / ")[-1]),
                        "column": heading.column,
                        "because": heading.because,
                        "suggestion": heading.suggestion,
                        "samples": heading.samples,
                    }
                    for heading in header.headings
                ],
            }
        )
    if not found:
        names = _("、").join(f"“{column.title}”" for column in kind.required)
        raise NoHeader(
            _("没有找到表头。表里要有一行列名，至少有 %(names)s。可以先下载模板对照。") % {"names": names}
        )
    return found, notes


def _is_guide(sheet: Sheet) -> bool:
    """True for the sheet of a template that explains its columns."""
    return sheet.name in headers.in_both_languages(GUIDE)


def set_columns(
    *, by: Actor, run: ImportRun, chosen: dict[str, str], default_place: Place | None
) -> ImportRun:
    """Keep which heading (folded) means which column ("" leaves it out), and remember what differs from what was found."""
    about = kinds.kind(run.kind)
    codes = {column.code for column in about.columns}
    if any(code and code not in codes for code in chosen.values()):
        raise Problem(_("选择的列名不存在，请重新选择。"), code="import.unknown_column")
    twice = {code for code in chosen.values() if code and list(chosen.values()).count(code) > 1}
    if twice:
        title = about.column(sorted(twice)[0]).title
        raise Problem(
            _("有两列都选了“%(title)s”。同一项只能对应一列。") % {"title": title}, code="import.column_twice"
        )
    missing = [column.title for column in about.required if column.code not in chosen.values()]
    if missing:
        names = _("、").join(str(title) for title in missing)
        raise Problem(
            _("还没有哪一列对应“%(names)s”，这是必须有的。") % {"names": names}, code="import.column_missing"
        )
    exact = headers.heading_names(about)
    remember = {
        key: code
        for key, code in chosen.items()
        if exact.get(key, "") != code and not (code == "" and key in headers.IGNORED)
    }
    operations.choose_columns(by=by, run=run, columns=chosen, default_place=default_place, remember=remember)
    run.refresh_from_db()
    return run


# --- check ------------------------------------------------------------------------------------------------------------


@operations.modest_memory()
def check(
    *,
    by: Actor,
    run: ImportRun,
    content: bytes | None = None,
    progress: Progress | None = None,
    on: date | None = None,
) -> ImportRun:
    """Read the whole file and stage what each row would do. A file that turns out unreadable is recorded as refused, and raised."""
    operations.begin_check(by=by, run=run)
    started = timezone.now()
    try:
        results = _check_rows(
            by, run, files.fetch(run.stored_name) if content is None else content, started, progress, on
        )
    except FileRefused as refusal:
        problem = {"code": refusal.code, "message": refusal.message}
        operations.end_check(by=by, run=run, results={"status": Status.REFUSED, "problem": problem})
        operations.drop_rows(run)
        raise
    operations.end_check(by=by, run=run, results={**results, "status": Status.CHECKED, "checked_at": started})
    run.refresh_from_db()
    return run


def _check_rows(
    by: Actor, run: ImportRun, content: bytes, started: datetime, progress: Progress | None, on: date | None
) -> dict[str, Any]:
    about = kinds.kind(run.kind)
    handler = kinds.handler(run.kind)
    workbook = sheets.open_file(content, run.file_name)
    counts = dict.fromkeys((CREATE, UPDATE, SAME, FAULT), 0)
    noted = position = 0
    notes: list[Any] = []
    usable = _usable(by, about)
    frame = Check(
        by=by,
        at=started,
        run=run,
        kind=about,
        reading=Reading(today=on or timezone.localdate()),
        places=PlaceFinder(by, about.data_class),
        default_place=run.default_place,
        default_organization=run.organization,
    )
    seen_header = False
    for sheet in workbook.sheets():
        first = list(islice(sheet.rows, LOOK_AHEAD))
        if not first or sheet.is_hidden or _is_guide(sheet):
            if sheet.is_hidden and first:
                notes.append(["sheet.hidden", {"sheet": sheet.name}])
            continue
        header = headers.find_header(about, first, run.columns or operations.remembered_columns(by, run.kind))
        if header is None:
            notes.append(["sheet.no_header", {"sheet": sheet.name}])
            continue
        seen_header = True
        notes.extend([note, {"sheet": sheet.name}] for note in sheet.notes)
        found_at = positions(header, run.columns)
        for code in sorted(found_at.keys() - usable):
            notes.append(["column.no_right", {"column": str(about.column(code).title)}])
        found_at = {code: at for code, at in found_at.items() if code in usable}
        frame.reading = Reading(sheet.serial_epoch, frame.reading.today)
        frame.present = frozenset(found_at)
        rows = chain((row for row in first if row.number > header.last_row), sheet.rows)
        asides = _Count()
        for batch in _batches(
            _taken_apart(about, sheet, rows, header, found_at, frame.reading, asides), BATCH
        ):
            planned = handler.plan(frame, batch)
            staged = []
            for one in planned:
                position += 1
                if one.has_faults:
                    one.action = FAULT
                counts[one.action] += 1
                noted += bool(one.found.notes)
                staged.append(_staged(run, position, one))
            operations.stage_rows(by=by, run=run, rows=staged, progress=position)
            if progress is not None:
                progress(position)
        if asides.value:
            notes.append(["sheet.asides", {"sheet": sheet.name, "count": asides.value}])
    if not seen_header:
        preview(about, sheets.open_file(content, run.file_name), {})
    return {
        "row_count": position,
        "created_count": counts[CREATE],
        "updated_count": counts[UPDATE],
        "unchanged_count": counts[SAME],
        "fault_count": counts[FAULT],
        "note_count": noted,
        "notes": notes,
        "shape": kinds.shape(run.kind),
    }


def _usable(by: Actor, kind: Kind) -> set[str]:
    """Return the columns the actor may fill anywhere; the others are not even read."""
    return {
        column.code
        for column in kind.columns
        if column.write_right is None or plans.reaches_others(by, *column.write_right)
    }


def walk(by: Actor, run: ImportRun, content: bytes) -> Iterator[tuple[str, Header, Iterator[Row]]]:
    """Yield name, header and rows of each sheet that a check of this run reads."""
    about = kinds.kind(run.kind)
    for sheet in sheets.open_file(content, run.file_name).sheets():
        first = list(islice(sheet.rows, LOOK_AHEAD))
        header = (
            None
            if sheet.is_hidden or not first or _is_guide(sheet)
            else headers.find_header(about, first, run.columns)
        )
        if header is not None:
            yield (
                sheet.name,
                header,
                chain((row for row in first if row.number > header.last_row), sheet.rows),
            )


def positions(header: Header, chosen: dict[str, str]) -> dict[str, int]:
    """Return column code → position, as somebody chose or as it was found."""
    if not chosen:
        return header.columns
    found: dict[str, int] = {}
    for heading in header.headings:
        code = chosen.get(
            heading_key(heading.text.split(" / ")[-1]),
            heading.column if heading.column not in chosen.values() else "",
        )
        if code:
            found.setdefault(code, heading.position)
    return found


@dataclass(slots=True)
class _Count:
    value: int = 0


def _taken_apart(
    kind: Kind,
    sheet: Sheet,
    rows: Iterator[Row],
    header: Header,
    positions: dict[str, int],
    reading: Reading,
    asides: _Count,
) -> Iterator[Found]:
    above: dict[str, Cell] = {}
    used = set(positions.values())
    name_position = positions.get("name")
    for row in rows:
        if all(values.is_blank(row.cells[at]) for at in used if at < len(row.cells)):
            # Nothing in any column that is read: a running number, a remark at the side.
            asides.value += any(not values.is_blank(cell) for cell in row.cells)
            continue
        if headers.is_aside(row, name_position) or headers.is_repeated_header(row, header):
            asides.value += 1
            continue
        yield headers.take_apart(kind, sheet.name, row, positions, reading, above)


def _batches(rows: Iterator[Found], size: int) -> Iterator[list[Found]]:
    while batch := list(islice(rows, size)):
        yield batch


def _staged(run: ImportRun, position: int, one: Planned) -> ImportedRow:
    report: dict[str, Any] = {"title": one.title}
    if one.found.faults:
        report["faults"] = [[column, fault.code, fault.details] for column, fault in one.found.faults]
    if one.found.notes:
        report["notes"] = one.found.notes
    if one.changes:
        report["changes"] = one.changes
    works = one.action in (CREATE, UPDATE)
    return ImportedRow(
        run=run,
        position=position,
        sheet=one.found.sheet[:100],
        line=one.found.number,
        action=one.action,
        has_notes=bool(one.found.notes),
        target_label=one.target_label if works else "",
        target_id=one.target_id if works else None,
        place_id=one.place.pk if one.place is not None and works else None,
        organization_id=one.organization_id if works else None,
        match_key=one.match_key if works else "",
        made=one.made if works else [],
        report=json.dumps(report, ensure_ascii=False, default=str),
        payload=json.dumps(one.payload, ensure_ascii=False) if works else "",
        before=(one.before if isinstance(one.before, str) else json.dumps(one.before, ensure_ascii=False))
        if works and one.before is not None
        else "",
    )


# --- do ---------------------------------------------------------------------------------------------------------------


@operations.modest_memory()
def carry_out(*, by: Actor, run: ImportRun) -> ImportRun:
    """Do what the check staged: all of it, or none and a `Problem` that says why. A second call finds it done and refuses."""
    if run.shape != kinds.shape(run.kind):
        raise ImportOutdated(_("系统在检查之后升级过。请重新检查这个文件。"))
    if not ImportRun.objects.filter(pk=run.pk, status__in=(Status.CHECKED, Status.APPLYING)).exists():
        raise ImportNotReady(_("这批导入还没有检查完，或者刚刚已经有人导入了。请刷新后再看。"))
    handler = kinds.handler(run.kind)
    prepare = getattr(handler, "prepare", None)
    if prepare is not None:
        prepare(by=by, run=run)
    try:
        with transaction.atomic():
            operations.claim(by=by, run=run)
            at = timezone.now()
            rows = list(handler.carry_out(by=by, run=run, at=at))
            operations.finish(by=by, run=run, rows=rows, at=at)
    except IntegrityError as error:
        raise ImportOutdated(_("检查之后有人登记了相同的编号或记录，一行也没有导入。请重新检查。")) from error
    finally:
        tidy = getattr(handler, "tidy", None)
        if tidy is not None and not ImportRun.objects.filter(pk=run.pk, status=Status.DONE).exists():
            tidy(run)
    operations.clear_staging(run)
    files.drop(run.stored_name)
    run.refresh_from_db()
    return run


# --- undo -------------------------------------------------------------------------------------------------------------


@operations.modest_memory()
def undo(*, by: Actor, run: ImportRun) -> ImportRun:
    """Take an import back: created records go, changed ones get their former values. What was worked on since stays as it is
    and is named by `kept`. Raises `ImportNotReady` when there is nothing to undo.
    """
    operations.begin_undo(by=by, run=run)
    run.refresh_from_db()
    handler = kinds.handler(run.kind)
    try:
        with transaction.atomic():
            kept = operations.later_work(run, handler.model, (*handler.parts, *handler.ahead))
            operations.keep_rows(run, kept)
            handler.take_back(by=by, run=run)
            operations.finish_undo(
                by=by, run=run, kept=ImportedRow.objects.filter(run=run, is_kept=True).count()
            )
    except IntegrityError as error:
        raise ImportOutdated(_("刚刚有人用到了其中的记录，没有撤销。请再试一次。")) from error
    tidy = getattr(handler, "tidy", None)
    if tidy is not None:
        tidy(run)
    run.refresh_from_db()
    return run


# --- read -------------------------------------------------------------------------------------------------------------


def find_run(actor: Actor, run_id: UUID) -> ImportRun:
    """Return the run. Raises `ImportNotFound`."""
    found = (
        ImportRun.objects.visible_to(actor)
        .select_related("place", "organization", "default_place")
        .filter(pk=run_id)
        .first()
    )
    if found is None:
        raise ImportNotFound(_("没有这批导入：可能已经过期删除，请回到列表查看。"))
    return found


def find_runs(actor: Actor) -> QuerySet[ImportRun]:
    """Return the runs the actor may see, newest first."""
    return (
        ImportRun.objects.visible_to(actor)
        .select_related("place", "organization")
        .order_by("-created_at", "-id")
    )


@dataclass(frozen=True, slots=True)
class Said:
    """One fault or note in words. `column` is the column's title, "" for the row as a whole."""

    column: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Reported:
    """One row of the report, in the active language."""

    position: int
    sheet: str
    line: int
    action: str
    title: str
    faults: tuple[Said, ...]
    notes: tuple[Said, ...]
    changes: tuple[tuple[str, str, str], ...]
    target_id: UUID | None
    is_kept: bool

    def as_json(self) -> dict[str, Any]:
        """Return the row as the command line and the API give it."""
        return {
            "sheet": self.sheet,
            "row": self.line,
            "action": self.action,
            "title": self.title,
            "id": str(self.target_id) if self.target_id else None,
            "faults": [{"column": f.column, "code": f.code, "message": f.text} for f in self.faults],
            "notes": [{"column": n.column, "code": n.code, "message": n.text} for n in self.notes],
            "changes": [{"column": c, "before": b, "after": a} for c, b, a in self.changes],
        }


def rows_of(actor: Actor, run: ImportRun, *, action: str = "", noted: bool = False) -> QuerySet[ImportedRow]:
    """Return the staged rows of a run the actor may see, in the file's order; `action` and `noted` narrow them."""
    seen = find_run(actor, run.pk)
    rows = ImportedRow.objects.filter(run=seen).order_by("position")
    if action:
        rows = rows.filter(action=action)
    return rows.filter(has_notes=True) if noted else rows


def reported(run: ImportRun, rows: Sequence[ImportedRow]) -> list[Reported]:
    """Return rows in words."""
    about = kinds.kind(run.kind)
    columns = {column.code: column for column in about.columns}
    found = []
    for row in rows:
        report = json.loads(row.report) if row.report else {}
        found.append(
            Reported(
                row.position,
                row.sheet,
                row.line,
                row.action,
                report.get("title", ""),
                tuple(
                    _said(columns, column, code, details)
                    for column, code, details in report.get("faults", ())
                ),
                tuple(_said(columns, "", code, details) for code, details in report.get("notes", ())),
                tuple(
                    (
                        str(columns[code].title) if code in columns else code,
                        _in_words(columns.get(code), old),
                        _in_words(columns.get(code), new),
                    )
                    for code, old, new in report.get("changes", ())
                ),
                row.target_id,
                row.is_kept,
            )
        )
    return found


def _said(columns: dict[str, Column], code: str, reason: str, details: dict[str, Any]) -> Said:
    column = columns.get(code)
    options = [str(label) for label in column.labels.values()] if column is not None and column.labels else []
    return Said(str(column.title) if column else "", reason, sentence(reason, details, options))


def _in_words(column: Column | None, text: str) -> str:
    if column is not None and text in column.labels:
        return str(column.labels[text])
    return text


def notes_of(run: ImportRun) -> list[str]:
    """Return the notes about the file as a whole, in words."""
    return [sentence(code, details) for code, details in run.notes]


def summary(run: ImportRun) -> dict[str, Any]:
    """Return a run as the command line and the API give it."""
    return {
        "run": str(run.pk),
        "kind": run.kind,
        "file": run.file_name,
        "status": run.status,
        "rows": run.row_count,
        "created": run.created_count,
        "updated": run.updated_count,
        "unchanged": run.unchanged_count,
        "faults": run.fault_count,
        "kept": run.kept_count,
        "notes": notes_of(run),
    }


def discard(*, by: Actor, run: ImportRun) -> None:
    """Forget a run that was not carried out, with its file."""
    name = run.stored_name
    operations.discard_run(by=by, run=run)
    files.drop(name)


def expire(at: datetime | None = None) -> int:
    """Forget runs and files nobody came back to for a day; finish what an interrupted import left to clear. Return how many."""
    now = at or timezone.now()
    names = operations.expire_runs_unscoped(before=now - timedelta(seconds=files.KEEP_SECONDS))
    for name in names:
        files.drop(name)
    files.sweep()
    return len(names)


__all__ = [
    "Fault",
    "ImportNotFound",
    "ImportNotReady",
    "NoHeader",
    "Reported",
    "carry_out",
    "check",
    "discard",
    "expire",
    "find_run",
    "find_runs",
    "notes_of",
    "open_import",
    "plans",
    "preview",
    "reported",
    "rows_of",
    "set_columns",
    "summary",
    "undo",
]
