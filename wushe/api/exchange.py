"""Imports and exports by API: the steps of the wizard, for programs."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import FileResponse, HttpResponseBase
from ninja import File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from wushe.api.auth import ApiRequest
from wushe.api.declares import declares
from wushe.community.exchange import files, runs, sheets, writing
from wushe.community.queries import places

router = Router(tags=["exchange"])

Kind = Literal["people", "organizations", "stations", "venues"]
_ROWS = 500


class Told(Schema):
    """One fault or note: which column, a stable code, and the sentence."""

    column: str
    code: str
    message: str


class Changed(Schema):
    """One value that an update replaces."""

    column: str
    before: str
    after: str


class RowOut(Schema):
    """What the check says of one row. `action`: CREATE, UPDATE, SAME or FAULT."""

    sheet: str
    row: int
    action: str
    title: str
    id: UUID | None
    faults: list[Told]
    notes: list[Told]
    changes: list[Changed]


class ImportOut(Schema):
    """One import. `status`: WAITING, CHECKING, REFUSED, CHECKED, APPLYING, DONE, UNDOING or UNDONE."""

    run: UUID
    kind: str
    file: str
    status: str
    rows: int
    created: int
    updated: int
    unchanged: int
    faults: int
    kept: int
    notes: list[str]


class ImportReport(ImportOut):
    """One import with its rows from `offset` on, those with faults first asked for by `action=FAULT`."""

    report: list[RowOut]
    more: bool


class ImportListed(Schema):
    """One import in a list."""

    run: UUID
    kind: str
    file: str
    status: str
    created_at: datetime


class ImportPage(Schema):
    """A stretch of imports, the newest first."""

    rows: list[ImportListed]
    more: bool


class ImportIn(Schema):
    """What is brought: the kind of table, where rows without a place belong, and whether only to check."""

    kind: Kind
    place: str = ""
    dry_run: bool = True


@router.get("/imports", response=ImportPage)
@declares("view", "import")
def list_imports(request: ApiRequest, offset: Query[int] = 0) -> dict[str, Any]:
    """The imports the caller may see, newest first, a hundred at a time."""
    start = max(offset, 0)
    found = list(runs.find_runs(request.actor)[start : start + 101])
    rows = [
        {
            "run": run.pk,
            "kind": run.kind,
            "file": run.file_name,
            "status": run.status,
            "created_at": run.created_at,
        }
        for run in found[:100]
    ]
    return {"rows": rows, "more": len(found) > 100}


@router.post("/imports", response={201: ImportReport})
@declares("create", "import")
def bring(request: ApiRequest, data: Form[ImportIn], file: File[UploadedFile]) -> Status:
    """Bring a table: it is checked row by row, and taken over as a whole when nothing is wrong and `dry_run` is false."""
    if file.size is None or file.size > files.size_limit():
        raise sheets.FileRefused(sheets.too_big(files.size_limit()), code="file.too_big")
    place = places.place_by_code(request.actor, data.place) if data.place else None
    run = runs.open_import(
        by=request.actor,
        kind=data.kind,
        file_name=file.name or "file",
        content=file.read(),
        default_place=place,
    )
    run = runs.check(by=request.actor, run=run)
    if not data.dry_run and not run.fault_count:
        run = runs.carry_out(by=request.actor, run=run)
    return Status(201, _report(request, run, "FAULT" if run.fault_count else "", 0))


@router.get("/imports/{import_id}", response=ImportReport)
@declares("view", "import")
def show_import(
    request: ApiRequest, import_id: UUID, action: Query[str] = "", offset: Query[int] = 0
) -> dict[str, Any]:
    """One import with 500 rows of its report."""
    return _report(request, runs.find_run(request.actor, import_id), action, offset)


@router.post("/imports/{import_id}/do", response=ImportOut)
@declares("edit", "import")
def carry_out(request: ApiRequest, import_id: UUID) -> dict[str, Any]:
    """Carry out what was checked: all rows or none."""
    return runs.summary(runs.carry_out(by=request.actor, run=runs.find_run(request.actor, import_id)))


@router.post("/imports/{import_id}/undo", response=ImportOut)
@declares("edit", "import")
def undo(request: ApiRequest, import_id: UUID) -> dict[str, Any]:
    """Take an import back; what was worked on since is kept and counted."""
    return runs.summary(runs.undo(by=request.actor, run=runs.find_run(request.actor, import_id)))


@router.delete("/imports/{import_id}", response={204: None})
@declares("edit", "import")
def discard(request: ApiRequest, import_id: UUID) -> Status:
    """Forget an import that was not carried out."""
    runs.discard(by=request.actor, run=runs.find_run(request.actor, import_id))
    return Status(204, None)


@router.get("/exports")
@declares("view", "desk")
def export(
    request: ApiRequest, kind: Query[Kind], format: Query[Literal["csv", "xlsx"]] = "csv"
) -> HttpResponseBase:
    """Everything of a kind that the caller may take out, in the columns an import takes back."""
    file = writing.scratch()
    writing.export(by=request.actor, kind=kind, to=file, format=format)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=writing.file_name(kind, format))


def _report(request: ApiRequest, run: Any, action: str, offset: int) -> dict[str, Any]:
    start = max(offset, 0)
    wanted = action if action in ("CREATE", "UPDATE", "SAME", "FAULT") else ""
    found = list(runs.rows_of(request.actor, run, action=wanted)[start : start + _ROWS + 1])
    rows = [row.as_json() for row in runs.reported(run, found[:_ROWS])]
    return runs.summary(run) | {"report": rows, "more": len(found) > _ROWS}
