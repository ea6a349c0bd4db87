"""Tables out: the same columns back, as .xlsx or .csv, safe to open in any office program, and templates to start from."""

import csv
import datetime as dt
import io
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import IO, Any

import xlsxwriter
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from wushe.community.exchange import files, kinds, plans, runs, sheets, values
from wushe.community.exchange.columns import Column, Kind
from wushe.community.exchange.sheets import Cell
from wushe.community.models import ImportRun
from wushe.kernel import audit, installation, policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem

BATCH = 1_000
FORMATS = ("xlsx", "csv")


class UnknownFormat(Problem):
    """Tables are written as xlsx or csv."""

    code = "export.unknown_format"


class NothingToExport(Problem):
    """The actor may export nothing of this kind."""

    code = "export.refused"
    status = 403


# --- rows -------------------------------------------------------------------------------------------------------------


def columns_for(actor: Actor, kind: Kind) -> list[Column]:
    """Return the columns the actor gets: not those they may read of nobody."""
    return [
        column
        for column in kind.columns
        if column.export and (column.read_right is None or plans.reaches_others(actor, *column.read_right))
    ]


def _rows(actor: Actor, kind: str, columns: list[Column]) -> Iterator[list[Any]]:
    found, writer = kinds.handler(kind).write(actor)
    walk = found.iterator(chunk_size=BATCH)
    while batch := list(islice(walk, BATCH)):
        for cells in writer.cells(batch):
            yield [_cell(column, cells.get(column.code)) for column in columns]


def _cell(column: Column, value: Any) -> Any:
    if value is None:
        return ""
    if column.labels:
        return str(column.labels.get(str(value), value))
    if isinstance(value, dt.date | Decimal):
        return str(value)
    return value


def export(*, by: Actor, kind: str, to: IO[bytes], format: str = "xlsx") -> int:
    """Write everything of `kind` that `by` may export to `to`, in the columns an import takes; return the number of rows.

    Leaves an audit row: who took what, how many. Raises `UnknownFormat`, `NothingToExport`.
    """
    about = kinds.kind(kind)
    verb = "export" if kind == "people" else "view"
    if format not in FORMATS:
        raise UnknownFormat(_("只能导出为 .xlsx 或 .csv。请改文件名的结尾。"))
    if not plans.reaches_others(by, verb, about.data_class):
        raise NothingToExport(_("您没有导出“%(kind)s”的权限。") % {"kind": about.title})
    columns = columns_for(by, about)
    rows = _rows(by, kind, columns)
    written = (_write_csv if format == "csv" else _write_xlsx)(to, about, columns, rows)
    with transaction.atomic():
        paths = policy.reach(by, verb, about.data_class).place_paths
        audit.record(
            by=by,
            verb="export",
            target=(about.model_label, ""),
            after={
                "kind": kind,
                "rows": written,
                "columns": [column.code for column in columns],
                "format": format,
            },
            place_path=min(paths, key=len, default="/"),
        )
    return written


def _mark() -> str:
    return "演示数据 · Demo data"


def _write_csv(to: IO[bytes], kind: Kind, columns: list[Column], rows: Iterator[list[Any]]) -> int:
    # With the mark that makes Excel read UTF-8, and Windows line ends.
    out = io.TextIOWrapper(to, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(out)
    if installation.is_demo():
        writer.writerow([_mark()])
    writer.writerow([str(column.title) for column in columns])
    count = 0
    for row in rows:
        writer.writerow([sheets.guarded(str(value)) for value in row])
        count += 1
    out.flush()
    out.detach()
    return count


def _write_xlsx(to: IO[bytes], kind: Kind, columns: list[Column], rows: Iterator[list[Any]]) -> int:
    workbook = _workbook(to)
    sheet = workbook.add_worksheet(str(kind.title)[:31])
    bold = workbook.add_format({"bold": True, "bottom": 1})
    top = 0
    if installation.is_demo():
        sheet.write_string(0, 0, _mark())
        top = 1
    for index, column in enumerate(columns):
        sheet.set_column(index, index, 20 if column.code in ("place", "address", "identity_number") else 14)
    for index, column in enumerate(columns):
        sheet.write_string(top, index, str(column.title), bold)
    sheet.freeze_panes(top + 1, 1)
    count = 0
    for count, row in enumerate(rows, start=1):
        for index, value in enumerate(row):
            # Text stays text: nothing that somebody typed becomes a formula, a link or a number.
            if isinstance(value, int) and not isinstance(value, bool):
                sheet.write_number(top + count, index, value)
            elif value != "":
                sheet.write_string(top + count, index, str(value)[:32_767])
    workbook.close()
    return count


def _workbook(to: Any) -> Any:
    return xlsxwriter.Workbook(
        to,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )


# --- templates --------------------------------------------------------------------------------------------------------


def write_template(kind: str, to: IO[bytes], format: str = "xlsx") -> None:
    """Write an empty table with the right headings; as xlsx with a second sheet that explains each column."""
    about = kinds.kind(kind)
    columns = [column for column in about.columns if column.export or column.code in ("is_volunteer", "grid")]
    if format == "csv":
        to.write((",".join(str(column.title) for column in columns) + "\r\n").encode("utf-8-sig"))
        return
    if format != "xlsx":
        raise UnknownFormat(_("模板只有 .xlsx 和 .csv 两种。请改文件名的结尾。"))
    workbook = xlsxwriter.Workbook(to, {"strings_to_formulas": False, "strings_to_urls": False})
    sheet = workbook.add_worksheet(str(about.title)[:31])
    guide = workbook.add_worksheet(str(runs.GUIDE))
    must = workbook.add_format({"bold": True, "bg_color": "#FBE9D7", "bottom": 1, "num_format": "@"})
    may = workbook.add_format({"bold": True, "bg_color": "#EEF1F4", "bottom": 1, "num_format": "@"})
    text = workbook.add_format({"num_format": "@"})
    wrap = workbook.add_format({"text_wrap": True, "valign": "top"})
    sheet.freeze_panes(1, 1)
    guide.set_column(0, 0, 18)
    guide.set_column(1, 1, 8)
    guide.set_column(2, 2, 24)
    guide.set_column(3, 3, 70)
    for index, title in enumerate((_("列名"), _("必填"), _("举例"), _("说明"))):
        guide.write_string(0, index, title, may)
    for index, column in enumerate(columns):
        # Whole columns as text: the office program then leaves long numbers and dates alone.
        sheet.set_column(index, index, 18, text)
        sheet.write_string(0, index, str(column.title), must if column.required else may)
        labels = [str(label) for label in column.labels.values()]
        listed = ",".join(labels)
        if labels and len(listed) <= 255:
            sheet.data_validation(
                1, index, 5000, index, {"validate": "list", "source": labels, "error_type": "warning"}
            )
        explained = " ".join(
            filter(
                None,
                [
                    str(column.help),
                    _("可填：%(options)s。") % {"options": _("、").join(labels)} if labels else "",
                ],
            )
        )
        for at, cell in enumerate(
            (str(column.title), _("是") if column.required else "", column.example, explained)
        ):
            guide.write_string(index + 1, at, cell, wrap)
    workbook.close()


# --- the faulty rows --------------------------------------------------------------------------------------------------


def write_faults(
    *, by: Actor, run: ImportRun, to: IO[bytes], content: bytes | None = None, only_faulty: bool = False
) -> int:
    """Write the rows of the file as they stood, the faulty cells marked and the reasons beside them.

    The sheet can be corrected and brought again as it is; `only_faulty` leaves the other rows out. Returns the number of
    rows. Raises `sheets.FileRefused` when the file is gone.
    """
    seen = runs.find_run(by, run.pk)
    about = kinds.kind(seen.kind)
    reports: dict[tuple[str, int], runs.Reported] = {}
    staged = runs.rows_of(by, seen, action="FAULT")
    for kept in staged.iterator(chunk_size=BATCH):
        [told] = runs.reported(seen, [kept])
        reports[told.sheet, told.line] = told
    data = files.fetch(seen.stored_name) if content is None else content
    workbook = _workbook(to)
    bold = workbook.add_format({"bold": True, "bottom": 1})
    marked = workbook.add_format({"bg_color": "#F9D9D5", "border": 1, "border_color": "#B3261E"})
    count = 0
    for number, (name, header, rows) in enumerate(runs.walk(by, seen, data), start=1):
        sheet = workbook.add_worksheet(
            (name or str(about.title))[:28].translate(_SHEET_NAME) + (f" {number}" if number > 1 else "")
        )
        width = max((heading.position for heading in header.headings), default=0) + 1
        titles = {heading.position: heading.text.split(" / ")[-1] for heading in header.headings}
        columns = {
            str(about.column(code).title): at for code, at in runs.positions(header, seen.columns).items()
        }
        for at in range(width):
            sheet.write_string(0, at, titles.get(at, ""), bold)
        sheet.write_string(0, width, _("请改正（导入时不读这一列）"), bold)
        sheet.set_column(0, width - 1, 16)
        sheet.set_column(width, width, 80)
        line = 0
        for row in rows:
            said = reports.get((name[:100], row.number))
            if said is None and only_faulty:
                continue
            line += 1
            bad = {columns.get(fault.column) for fault in said.faults} if said else set()
            for at in range(width):
                _write_cell(
                    sheet,
                    line,
                    at,
                    row.cells[at] if at < len(row.cells) else None,
                    marked if at in bad else None,
                )
            count += 1
            if said is not None:
                reasons = _("；").join(
                    _("%(column)s：%(text)s") % {"column": f.column, "text": f.text} if f.column else f.text
                    for f in said.faults
                )
                sheet.write_string(line, width, _("第 %(line)s 行：") % {"line": row.number} + reasons)
    workbook.close()
    return count


_SHEET_NAME = str.maketrans(dict.fromkeys("[]:*?/\\'", " "))


def _write_cell(sheet: Any, row: int, column: int, cell: Cell, style: Any) -> None:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) >= 10**15:
        sheet.write_string(
            row, column, f"{cell:.0f}", style
        )  # its end is lost already; at least it shows what is there
        return
    text = "" if cell is None else values.as_text(cell)
    if text:
        sheet.write_string(row, column, text[:32_767], style)
    else:
        sheet.write_blank(row, column, None, style)


def scratch() -> IO[bytes]:
    """Return a file without a name to write to; whoever sends it closes it."""
    return tempfile.TemporaryFile()  # the response that sends it closes it


def file_name(kind: str, ending: str) -> str:
    """Return a name for an exported file: what it is and of which day."""
    return f"wushe-{kind}-{timezone.localdate():%Y%m%d}.{ending}"
