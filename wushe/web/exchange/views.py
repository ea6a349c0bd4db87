"""Import step by step (choose a file, see its columns matched, see what will change, do it, undo it), and tables out."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from wushe.community.exchange import background, files, kinds, runs, writing
from wushe.kernel import policy
from wushe.kernel.problems import Problem
from wushe.web.exchange.forms import ColumnsForm, UploadForm
from wushe.web.lists import listing
from wushe.web.page import Request, View, page

_EXPORT_NEEDS: Final = {
    "people": ("export", "person"),
    "organizations": ("view", "desk"),
    "stations": ("view", "desk"),
    "venues": ("view", "desk"),
}
_MEDIA: Final = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}
_RUNNING: Final = ("CHECKING", "APPLYING", "UNDOING")
_FILTERS: Final = ("", "FAULT", "CREATE", "UPDATE", "SAME", "NOTED")


@page(needs=("view", "desk"))
def home(request: Request) -> HttpResponse:
    """What can be brought in and taken out, by kind, and the latest imports."""
    may_import = policy.allows_somewhere(request.actor, "create", "import")
    offered = [
        {
            "kind": about,
            "may_import": may_import and policy.allows_somewhere(request.actor, "create", about.data_class),
            "may_export": policy.allows_somewhere(request.actor, *_EXPORT_NEEDS[about.code]),
            "import_url": reverse(f"exchange:import_{about.code}"),
            "export_url": reverse(f"exchange:export_{about.code}"),
        }
        for about in kinds.all_kinds()
    ]
    context = {
        "offered": [one for one in offered if one["may_import"] or one["may_export"]],
        "may_import": may_import,
        "latest": list(runs.find_runs(request.actor)[:5]) if may_import else [],
    }
    return render(request, "exchange/home.html", context)


@page(needs=("view", "import"))
def imports(request: Request) -> HttpResponse:
    """All imports the visitor may see, newest first."""
    rows = listing(
        request, runs.find_runs(request.actor), sorts={"when": "created_at", "kind": "kind"}, default="-when"
    )
    return render(request, "exchange/imports.html", {"listing": rows})


# --- bring in ---------------------------------------------------------------------------------------------------------


def _upload_view(kind: str) -> View:
    @page(needs=("create", "import"))
    def upload(request: Request) -> HttpResponse:
        """Choose a file; it is looked at, its columns are matched, and nothing is changed yet."""
        form = UploadForm(request.POST or None, request.FILES or None, actor=request.actor)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                run = runs.open_import(
                    by=request.actor,
                    kind=kind,
                    file_name=file.name,
                    content=file.read(),
                    default_place=form.cleaned_data["place"],
                    by_hand=True,
                )
            except Problem as problem:
                form.add_error("file", problem.message)
            else:
                return redirect("exchange:columns", run.pk)
        about = kinds.kind(kind)
        context = {
            "form": form,
            "kind": about,
            "required": [column for column in about.columns if column.required],
            "optional": [column for column in about.columns if not column.required],
            "limit": files.size_limit() >> 20,
            "template_url": reverse(f"exchange:template_{kind}"),
        }
        return render(request, "exchange/upload.html", context, status=422 if form.is_bound else 200)

    return upload


UPLOADS: Final = {about.code: _upload_view(about.code) for about in kinds.all_kinds()}


@page(needs=("edit", "import"))
def columns(request: Request, import_id: UUID) -> HttpResponse:
    """See which column was taken for what, correct it, and have the rows checked."""
    run = runs.find_run(request.actor, import_id)
    if run.status not in ("WAITING", "CHECKED", "REFUSED"):
        return redirect("exchange:import", run.pk)
    about = kinds.kind(run.kind)
    form = ColumnsForm(
        request.POST if request.method == "POST" else None,
        actor=request.actor,
        kind=run.kind,
        sheets=run.headings,
        chosen=run.columns,
        initial={"place": run.default_place},
    )
    if request.method == "POST" and form.is_valid():
        try:
            run = runs.set_columns(
                by=request.actor, run=run, chosen=form.chosen, default_place=form.cleaned_data["place"]
            )
            background.check_soon(by=request.actor, run=run, size=files.size_of(run.stored_name))
        except Problem as problem:
            form.add_error(None, problem.message)
        else:
            return redirect("exchange:import", run.pk)
    context = {"run": run, "kind": about, "form": form, "notes": runs.notes_of(run)}
    return render(request, "exchange/columns.html", context, status=422 if form.is_bound else 200)


@page(needs=("view", "import"))
def show(request: Request, import_id: UUID) -> HttpResponse:
    """What will change, row by row; afterwards what did. While the worker is at it: how far it is."""
    run = runs.find_run(request.actor, import_id)
    if run.status == "WAITING":
        return redirect("exchange:columns", run.pk)
    wanted = request.GET.get("show", "FAULT" if run.fault_count else "")
    wanted = wanted if wanted in _FILTERS else ""
    rows = listing(
        request,
        runs.rows_of(request.actor, run, action="" if wanted == "NOTED" else wanted, noted=wanted == "NOTED"),
        sorts={"line": "position"},
        default="line",
        page_size=50,
    )
    context = {
        "run": run,
        "kind": kinds.kind(run.kind),
        "running": run.status in _RUNNING,
        "notes": runs.notes_of(run),
        "listing": rows,
        "reported": runs.reported(run, list(rows.rows)) if run.status not in _RUNNING else (),
        "filters": _filters(run, wanted),
        "may_edit": policy.allows(request.actor, "edit", run.facts()),
    }
    return render(request, "exchange/run.html", context)


def _filters(run: Any, wanted: str) -> list[dict[str, Any]]:
    counts = (
        ("", _("全部"), run.row_count),
        ("FAULT", _("有问题"), run.fault_count),
        ("CREATE", _("新建"), run.created_count),
        ("UPDATE", _("更新"), run.updated_count),
        ("SAME", _("无变化"), run.unchanged_count),
        ("NOTED", _("值得一看"), run.note_count),
    )
    return [
        {"href": f"?show={code}", "label": label, "count": number, "active": code == wanted}
        for code, label, number in counts
        if number or not code
    ]


@require_POST
@page(needs=("edit", "import"))
def check(request: Request, import_id: UUID) -> HttpResponse:
    """Check the same file again, because the data changed meanwhile."""
    run = runs.find_run(request.actor, import_id)
    return _step(
        request,
        run,
        lambda: background.check_soon(by=request.actor, run=run, size=files.size_of(run.stored_name)),
        "",
    )


@require_POST
@page(needs=("edit", "import"))
def carry_out(request: Request, import_id: UUID) -> HttpResponse:
    """Do it: all rows or none."""
    run = runs.find_run(request.actor, import_id)
    return _step(
        request,
        run,
        lambda: background.carry_out_soon(by=request.actor, run=run),
        _("已导入。如果不对，可以撤销。"),
    )


@require_POST
@page(needs=("edit", "import"))
def undo(request: Request, import_id: UUID) -> HttpResponse:
    """Take it back."""
    run = runs.find_run(request.actor, import_id)
    return _step(
        request, run, lambda: background.undo_soon(by=request.actor, run=run), _("已撤销，恢复到导入之前。")
    )


@require_POST
@page(needs=("edit", "import"))
def discard(request: Request, import_id: UUID) -> HttpResponse:
    """Forget a file that will not be imported."""
    run = runs.find_run(request.actor, import_id)
    kind = run.kind
    try:
        runs.discard(by=request.actor, run=run)
    except Problem as problem:
        messages.error(request, problem.message)
        return redirect("exchange:import", import_id)
    messages.success(request, _("没有导入，文件已删除。"))
    return redirect(f"exchange:import_{kind}")


def _step(request: Request, run: Any, work: Any, done: str) -> HttpResponse:
    try:
        work()
    except Problem as problem:
        messages.error(request, problem.message)
    else:
        run.refresh_from_db()
        if done and run.status not in _RUNNING:
            messages.success(request, done)
    return redirect("exchange:import", run.pk)


@page(needs=("view", "import"))
def faults(request: Request, import_id: UUID) -> HttpResponseBase:
    """The table with the faulty cells marked and the reasons beside them, to be corrected and brought again; `?only` the faulty rows."""
    run = runs.find_run(request.actor, import_id)
    file = writing.scratch()
    try:
        writing.write_faults(by=request.actor, run=run, to=file, only_faulty="only" in request.GET)
    except Problem as problem:
        messages.error(request, problem.message)
        return redirect("exchange:import", run.pk)
    return _download(file, writing.file_name(f"{run.kind}-to-correct", "xlsx"), "xlsx")


# --- take out ---------------------------------------------------------------------------------------------------------


def _template_view(kind: str) -> View:
    @page(needs=("create", "import"))
    def template(request: Request) -> HttpResponseBase:
        """An empty table with the right headings and a sheet that explains them."""
        ending = "csv" if request.GET.get("format") == "csv" else "xlsx"
        file = writing.scratch()
        writing.write_template(kind, file, ending)
        return _download(file, f"wushe-{kind}-template.{ending}", ending)

    return template


def _export_view(kind: str) -> View:
    @page(needs=_EXPORT_NEEDS[kind])
    def export(request: Request) -> HttpResponseBase:
        """Everything of this kind that the visitor may take out, in the columns an import takes back."""
        ending = "csv" if request.GET.get("format") == "csv" else "xlsx"
        file = writing.scratch()
        writing.export(by=request.actor, kind=kind, to=file, format=ending)
        return _download(file, writing.file_name(kind, ending), ending)

    return export


TEMPLATES: Final = {about.code: _template_view(about.code) for about in kinds.all_kinds()}
EXPORTS: Final = {about.code: _export_view(about.code) for about in kinds.all_kinds()}


def _download(file: Any, name: str, ending: str) -> FileResponse:
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=name, content_type=_MEDIA[ending])
