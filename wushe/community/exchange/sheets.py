"""Reading spreadsheets from anywhere, safely: what a file is follows from its content, and its size is known before it is unpacked.

`open_file(data, name)` gives a `Workbook`; its `sheets()` stream rows of plain values, blank rows left out, merged cells
filled, so that a hundred thousand rows need no more memory than a hundred. Formulas give the value the office program last
stored, and are never run; links to other files are never followed. What cannot be read rightly is refused with one
sentence that says what to do (`FileRefused`), never guessed: no character is ever replaced by a question mark.
"""

import codecs
import csv
import datetime as dt
import io
import json
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from django.utils.translation import gettext_lazy as _

from wushe.kernel.problems import Problem

Cell = str | int | float | bool | dt.date | dt.datetime | dt.time | dt.timedelta | None


class FileRefused(Problem):
    """The file as a whole cannot be read; nothing was stored. `code` says why (`file.encrypted`, `file.too_big` …)."""

    code = "file.refused"
    status = 422


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is looked at. Bytes, counts, seconds."""

    file_bytes: int = 64 * 2**20
    members: int = 2_000
    unpacked_bytes: int = 256 * 2**20
    ratio: int = 400
    rows: int = 1_000_000
    columns: int = 400
    cell_characters: int = 32_767
    parser_bytes: int = 340 * 2**20
    parser_seconds: int = 30


LIMITS: Final = Limits()


class ErrorCell(str):
    """A cell in which the office program could not compute anything (#N/A, #REF!)."""

    __slots__ = ()


@dataclass(slots=True)
class Row:
    """One row that holds something. `number` counts from 1 as the office program shows it; `cells` start at column A."""

    number: int
    cells: list[Cell]
    is_hidden: bool = False


@dataclass(slots=True)
class Sheet:
    """One table of a file. `rows` can be walked once. `serial_epoch` is 1900 or 1904: how bare date numbers count."""

    name: str
    rows: Iterator[Row]
    is_hidden: bool = False
    serial_epoch: int = 1900
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Workbook:
    """An opened file. `format` is xlsx, xls, ods or csv; `encoding` is set for csv."""

    format: str
    data: bytes
    limits: Limits = LIMITS
    encoding: str = ""
    _facts: dict[str, "_SheetFacts"] = field(default_factory=dict)
    _epoch: int = 1900

    def sheets(self) -> Iterator[Sheet]:
        """Yield the sheets in order. Walk each sheet's rows before asking for the next; raises `FileRefused`."""
        if self.format == "csv":
            yield Sheet("", _csv_rows(self.data, self.encoding, self.limits))
        else:
            yield from _parsed(self)


@dataclass(slots=True)
class _SheetFacts:
    """What the parser does not tell: which rows are hidden, which cells are errors (0-based row, column)."""

    hidden_rows: set[int] = field(default_factory=set)
    errors: set[tuple[int, int]] = field(default_factory=set)


# --- what is it? ------------------------------------------------------------------------------------------------------


def open_file(data: bytes, name: str, limits: Limits = LIMITS) -> Workbook:
    """Find out from the content what `data` is and check it; `name` only serves to say what was expected.

    Raises `FileRefused` for everything that is not a sound .xlsx, .xls, .ods or text table within `limits`.
    """
    if not data.strip(b"\x00\r\n\t "):
        raise FileRefused(_("文件是空的。请检查是否选对了文件。"), code="file.empty")
    if len(data) > limits.file_bytes:
        raise FileRefused(too_big(limits.file_bytes), code="file.too_big")
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return _open_zip(data, limits)
    if data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return _open_compound(data, limits)
    _refuse_other_formats(data, name)
    return Workbook("csv", data, limits, encoding=_encoding(data, limits))


def too_big(most: int) -> Any:
    """Return the sentence that refuses a file of more than `most` bytes."""
    return _("文件超过 %(size)s MB。请拆成几个文件分别导入。") % {"size": most >> 20}


def _refuse_other_formats(data: bytes, name: str) -> None:
    head = data[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<table", b"<head", b"<meta")):
        raise FileRefused(
            _(
                "这是一个网页，不是表格（有的系统把网页另存为 .xls）。请用 Excel 或 WPS 打开后另存为 .xlsx 再导入。"
            ),
            code="file.web_page",
        )
    if head.startswith((b"<?xml", b"<workbook", b"<!doctype", b"<!entity")):
        raise FileRefused(
            _("这是一个 XML 文件，不是表格。请用 Excel 或 WPS 打开后另存为 .xlsx 再导入。"), code="file.xml"
        )
    known = (
        (b"%pdf", "PDF"),
        (b"\x89png", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"gif8", "GIF"),
        (b"rar!", "RAR"),
        (b"7z\xbc\xaf", "7z"),
        (b"\x1f\x8b", "gzip"),
        (b"mz\x90", "EXE"),
        (b"\x7felf", "ELF"),
        (b"{\\rtf", "RTF"),
        (b"sqlite format", "SQLite"),
    )
    for magic, kind in known:
        if head.startswith(magic):
            raise FileRefused(
                _("这是 %(kind)s 文件，不是表格。请上传 .xlsx 或 .csv 文件。") % {"kind": kind},
                code="file.not_a_table",
            )
    ending = Path(name).suffix.lower()
    if ending in (".xlsx", ".xls", ".ods", ".xlsm", ".xlsb", ".et"):
        raise FileRefused(
            _(
                "文件名以 %(ending)s 结尾，内容却不是这种表格，可能已损坏。请用 Excel 或 WPS 重新另存为 .xlsx。"
            )
            % {"ending": ending},
            code="file.wrong_type",
        )


def _damaged() -> FileRefused:
    return FileRefused(
        _("文件已损坏，无法读取。请用 Excel 或 WPS 打开后重新另存为 .xlsx。"), code="file.damaged"
    )


def _bomb() -> FileRefused:
    return FileRefused(
        _("文件解压后异常巨大，已拒绝读取。请只保留需要导入的工作表，另存为新的 .xlsx 或 .csv。"),
        code="file.bomb",
    )


def _encrypted() -> FileRefused:
    return FileRefused(
        _("文件设有密码，无法读取。请在 Excel 或 WPS 中取消密码后重新保存。"), code="file.encrypted"
    )


# --- zip containers: xlsx and ods ------------------------------------------------------------------------------------


def _open_zip(data: bytes, limits: Limits) -> Workbook:
    members = _directory(data, limits)
    names = {member.filename for member in members}
    lowered = {name.lower() for name in names}
    if "xl/workbook.bin" in lowered:
        raise FileRefused(_("这是 .xlsb 文件。请用 Excel 另存为 .xlsx。"), code="file.xlsb")
    if any(name.endswith("vbaproject.bin") for name in lowered):
        raise FileRefused(
            _("这个工作簿带有宏。请另存为不带宏的 .xlsx（Excel 工作簿）再导入。"), code="file.macros"
        )
    if "word/document.xml" in lowered or "ppt/presentation.xml" in lowered:
        raise FileRefused(
            _("这是 Word 或 PowerPoint 文件，不是表格。请把表格另存为 .xlsx。"), code="file.not_a_table"
        )
    if "xl/workbook.xml" in names:
        kind = "xlsx"
    elif "content.xml" in names and _mimetype(data, members).startswith(
        "application/vnd.oasis.opendocument.spreadsheet"
    ):
        kind = "ods"
    else:
        raise FileRefused(
            _("这是压缩包，不是表格。请解压后上传里面的 .xlsx 或 .csv 文件。"), code="file.not_a_table"
        )
    workbook = Workbook(kind, data, limits)
    _look_inside(workbook, members)
    return workbook


def _directory(data: bytes, limits: Limits) -> list[zipfile.ZipInfo]:
    # The end record is read by hand first: the library would build a million entries before anyone could count them.
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_557))
    if at < 0 or at + 22 > len(data):
        raise _damaged()
    count, size = struct.unpack_from("<HI", data, at + 10)
    if count > limits.members or size > limits.members * 300:
        raise _bomb()
    try:
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error):
        raise _damaged() from None
    if len(members) > limits.members:
        raise _bomb()
    if len({member.filename for member in members}) < len(members):
        raise _damaged()  # two members of one name: which of them a program shows is anybody's guess
    if any(member.flag_bits & 0x1 for member in members):
        raise _encrypted()
    total = 0
    for member in members:
        total += member.file_size
        too_dense = member.file_size > 2**20 and member.file_size > limits.ratio * max(
            member.compress_size, 1
        )
        if total > limits.unpacked_bytes or too_dense:
            raise _bomb()
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _damaged()
    return members


def _member(data: bytes, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's content in pieces, never more than it declared; raises `FileRefused` where the two differ."""
    at = member.header_offset
    if data[at : at + 4] != b"PK\x03\x04" or at + 30 > len(data):
        raise _damaged()
    name_length, extra_length = struct.unpack_from("<HH", data, at + 26)
    start = at + 30 + name_length + extra_length
    packed = memoryview(data)[start : start + member.compress_size]
    if len(packed) < member.compress_size:
        raise _damaged()
    seen = 0
    if member.compress_type == zipfile.ZIP_STORED:
        if member.compress_size != member.file_size:
            raise _damaged()
        for begin in range(0, len(packed), 2**20):
            yield bytes(packed[begin : begin + 2**20])
        return
    inflate = zlib.decompressobj(-15)
    try:
        for begin in range(0, len(packed), 2**16):
            piece = inflate.decompress(packed[begin : begin + 2**16], 2**20)
            while piece:
                seen += len(piece)
                if seen > member.file_size:
                    raise _bomb()
                yield piece
                piece = inflate.decompress(inflate.unconsumed_tail, 2**20) if inflate.unconsumed_tail else b""
    except zlib.error:
        raise _damaged() from None
    if seen != member.file_size:
        raise _damaged()


def _mimetype(data: bytes, members: list[zipfile.ZipInfo]) -> str:
    for member in members:
        if member.filename == "mimetype" and member.file_size < 200:
            return b"".join(_member(data, member)).decode("ascii", "replace")
    return ""


_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
# Cells that hold something, beyond column Z or from row 100,000 on; an ordinary sheet has none of them.
_FAR_CELL = re.compile(rb"\sr\s*=\s*[\"'](?:([A-Za-z]{2,4})(\d{1,8})|([A-Za-z])(\d{6,8}))[\"'][^>/]*>")
_ERROR_CELL = re.compile(rb"<(?:\w+:)?c\s(?=[^>]*\st=[\"']e[\"'])[^>]*?\br=[\"']([A-Z]{1,3})(\d{1,7})[\"']")
_HIDDEN_ROW = re.compile(
    rb"<(?:\w+:)?row\s(?=[^>]*\shidden=[\"'](?:1|true)[\"'])[^>]*?\br=[\"'](\d{1,7})[\"']"
)
_REPEATED = re.compile(rb"number-columns-repeated=[\"'](\d{1,9})[\"'][^>/]*>")
_OVERLAP = 4096


def _look_inside(workbook: Workbook, members: list[zipfile.ZipInfo]) -> None:
    """Unpack every XML member once, in pieces, within the declared sizes: no document types, no far-away cells."""
    facts: dict[str, _SheetFacts] = {}
    small: dict[str, bytes] = {}
    for member in members:
        name = member.filename
        if not name.lower().endswith((".xml", ".rels", ".vml")):
            continue
        is_sheet = workbook.format == "xlsx" and _SHEET.fullmatch(name) is not None
        is_content = workbook.format == "ods" and name == "content.xml"
        found = _SheetFacts()
        keep = name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels")
        if keep and member.file_size > 2**21:
            raise _bomb()
        kept: list[bytes] = []
        tail = b""
        widest, deepest = 0, 0
        for piece in _member(workbook.data, member):
            if keep:
                kept.append(piece)
            text = tail + piece
            if b"<!" in text and re.search(rb"<!\s*(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST)", text, re.IGNORECASE):
                raise FileRefused(
                    _("文件里含有不该有的 XML 定义，已拒绝读取。请用 Excel 或 WPS 重新另存为 .xlsx。"),
                    code="file.xml_entities",
                )
            if b"\x00" in piece:
                raise _damaged()  # XML in UTF-16 is legal and never written by an office program: it only hides things
            if is_sheet:
                for wide, wide_row, narrow, deep_row in _FAR_CELL.findall(text):
                    widest = max(widest, _column(wide or narrow) + 1)
                    deepest = max(deepest, int(wide_row or deep_row))
                if b"hidden=" in text:
                    found.hidden_rows.update(int(row) - 1 for row in _HIDDEN_ROW.findall(text))
                if b't="e"' in text or b"t='e'" in text:
                    found.errors.update(
                        (int(row) - 1, _column(column)) for column, row in _ERROR_CELL.findall(text)
                    )
                    if len(found.errors) > 200_000:
                        raise _bomb()
            elif is_content:
                widest = max(widest, max((int(count) for count in _REPEATED.findall(text)), default=0))
            if widest > workbook.limits.columns:
                raise FileRefused(
                    _("表格超过 %(count)s 列。请删去多余的列，另存后再导入。")
                    % {"count": workbook.limits.columns},
                    code="file.too_many_columns",
                )
            if deepest * widest > 12_000_000:
                raise FileRefused(
                    _("表格占用的区域过大：在很远的单元格里有内容。请把需要的部分复制到新的工作表再导入。"),
                    code="file.too_spread",
                )
            tail = text[-_OVERLAP:]
        if keep:
            small[name] = b"".join(kept)
        if is_sheet:
            facts[name] = found
    if workbook.format == "xlsx":
        _name_sheets(workbook, small, facts)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number - 1


def _name_sheets(workbook: Workbook, small: dict[str, bytes], facts: dict[str, _SheetFacts]) -> None:
    # Document types were refused above, so the standard parser has no entities to expand.
    relation = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
    strict = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
    try:
        root = ElementTree.fromstring(small["xl/workbook.xml"])
        links = ElementTree.fromstring(small.get("xl/_rels/workbook.xml.rels", b"<r/>"))
    except (ElementTree.ParseError, KeyError, ValueError, LookupError):
        raise _damaged() from None
    targets = {link.get("Id", ""): link.get("Target", "") for link in links}
    for node in root.iter():
        kind = node.tag.rsplit("}", 1)[-1]
        if kind == "workbookPr" and node.get("date1904", "0").lower() in ("1", "true", "on"):
            workbook._epoch = 1904
        elif kind == "sheet":
            target = targets.get(node.get(relation) or node.get(strict) or "", "").lstrip("/")
            path = target if target.startswith("xl/") else f"xl/{target}"
            if path in facts:
                workbook._facts[node.get("name", "")] = facts[path]


# --- compound files: xls, and workbooks with a password ---------------------------------------------------------------


def _open_compound(data: bytes, limits: Limits) -> Workbook:
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise _encrypted()
    if "WordDocument".encode("utf-16-le") in data or "PowerPoint Document".encode("utf-16-le") in data:
        raise FileRefused(
            _("这是 Word 或 PowerPoint 文件，不是表格。请把表格另存为 .xlsx。"), code="file.not_a_table"
        )
    if "Workbook".encode("utf-16-le") not in data and "Book".encode("utf-16-le") not in data:
        raise FileRefused(_("这不是表格文件。请上传 .xlsx 或 .csv 文件。"), code="file.not_a_table")
    if "_VBA_PROJECT".encode("utf-16-le") in data:
        raise FileRefused(
            _("这个工作簿带有宏。请另存为不带宏的 .xlsx（Excel 工作簿）再导入。"), code="file.macros"
        )
    workbook = Workbook("xls", data, limits)
    if b"\x22\x00\x02\x00\x01\x00" in data:  # the DATEMODE record with its flag set
        workbook._epoch = 1904
    return workbook


# --- the parser in its own process ------------------------------------------------------------------------------------


def _parsed(workbook: Workbook) -> Iterator[Sheet]:
    limits = workbook.limits
    with tempfile.TemporaryFile() as source:
        # An unnamed file, not a pipe: nobody has to feed the child while its answer is read.
        source.write(workbook.data)
        source.seek(0)
        command = [
            sys.executable,
            "-m",
            f"{__package__}.reading",
            str(limits.parser_bytes),
            str(limits.parser_seconds),
        ]
        child = subprocess.Popen(
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[3],
        )
    assert child.stdout is not None
    try:
        messages = _messages(child.stdout)
        seen = 0
        for head in messages:
            if "end" in head:
                return
            if "refused" in head:
                raise _encrypted() if head["refused"] == "encrypted" else _damaged()
            rows = _finished_rows(
                messages, head, workbook._facts.get(head["sheet"], _SheetFacts()), limits, seen
            )
            sheet = Sheet(head["sheet"], rows, head["hidden"], workbook._epoch)
            if head["too_many_merges"]:
                sheet.notes.append("sheet.too_many_merges")
            yield sheet
            for _rest in rows:
                seen += 1
        raise FileRefused(
            _("这个工作簿读取时超出了内存或时间限制。请只保留需要的工作表，或另存为 .csv 再导入。"),
            code="file.too_heavy",
        )
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def _messages(stream: Any) -> Iterator[dict[str, Any]]:
    for line in stream:
        if not line.endswith(b"\n"):
            return  # the child was stopped in the middle of a line
        yield json.loads(line)


def _finished_rows(
    messages: Iterator[dict[str, Any]], head: dict[str, Any], facts: _SheetFacts, limits: Limits, before: int
) -> Iterator[Row]:
    """Yield the rows of one sheet up to its end, merged cells filled, hidden rows and error cells marked."""
    errors: dict[int, list[int]] = {}
    for row, column in facts.errors:
        errors.setdefault(row, []).append(column)
    waiting = _bounded_merges(head["merges"], limits)
    active: list[tuple[int, int, int, Cell]] = []  # bottom row, left, right, value
    count = before
    for message in messages:
        if "rows" not in message:
            return
        for number, left, values in message["rows"]:
            count += 1
            if count > limits.rows:
                raise FileRefused(
                    _("表格超过 %(count)s 行。请拆成几个文件分别导入。") % {"count": limits.rows},
                    code="file.too_many_rows",
                )
            if left + len(values) > limits.columns:
                raise FileRefused(
                    _("表格超过 %(count)s 列。请删去多余的列，另存后再导入。") % {"count": limits.columns},
                    code="file.too_many_columns",
                )
            cells: list[Cell] = [None] * left
            cells.extend(_value(value) for value in values)
            for column in errors.get(number - 1, ()):
                cells.extend([None] * (column + 1 - len(cells)))
                cells[column] = ErrorCell("#")
            while waiting and waiting[-1][0] <= number - 1:
                top, first, bottom, last = waiting.pop()
                # A merge whose own first row was blank has nothing to give.
                value = cells[first] if top == number - 1 and first < len(cells) else None
                if value not in (None, ""):
                    active.append((bottom, first, last, value))
            if active:
                active = [merge for merge in active if merge[0] >= number - 1]
                for _bottom, first, last, value in active:
                    cells.extend([None] * (last + 1 - len(cells)))
                    for column in range(first, last + 1):
                        cells[column] = value
            yield Row(number, cells, number - 1 in facts.hidden_rows)


def _bounded_merges(merges: list[list[int]], limits: Limits) -> list[list[int]]:
    kept: list[list[int]] = []
    area = 0
    for top, left, bottom, right in merges:
        right = min(right, limits.columns - 1)
        area += (bottom - top + 1) * max(right - left + 1, 0)
        # A whole-sheet merge, or a pile of overlapping ones, is no office's table: then cells stay as they stand.
        if area > 3_000_000:
            return []
        if right >= left:
            kept.append([top, left, bottom, right])
    return sorted(kept, reverse=True)  # taken from the end as their rows come up


def _value(value: Any) -> Cell:
    if not isinstance(value, dict):
        return None if value == "" else value
    kind, text = value["t"], value["v"]
    if kind == "datetime":
        return dt.datetime.fromisoformat(text)
    if kind == "date":
        return dt.date.fromisoformat(text)
    if kind == "time":
        return dt.time.fromisoformat(text)
    return dt.timedelta(seconds=float(text))


# --- text tables ------------------------------------------------------------------------------------------------------

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_END = re.compile(rb"\r\n|\n|\r")


def _encoding(data: bytes, limits: Limits) -> str:
    """Return the one encoding in which every line of `data` reads; raises `FileRefused` naming the first line that does not.

    What calls itself GBK or GB2312 is read as GB18030, their superset: 𠮷, 㛃 and U+9FA6 exist only there.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            _try(data, encoding)
            return encoding
    head = data[:4096]
    if head.count(0) > len(head) // 8:
        encoding = "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"
        _try(data, encoding)
        return encoding
    if b"\x00" in data:
        raise FileRefused(
            _("这不是表格文件（含有二进制内容）。请上传 .xlsx 或 .csv 文件。"), code="file.binary"
        )
    try:
        codecs.decode(data, "utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        return _mixed(data)


def _try(data: bytes, encoding: str) -> None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "ignore")
        raise _bad_line(len(re.findall("\r\n|\n|\r", before)) + 1) from None
    if "\x00" in text:
        raise FileRefused(
            _("这不是表格文件（含有二进制内容）。请上传 .xlsx 或 .csv 文件。"), code="file.binary"
        )


def _bad_line(line: int) -> FileRefused:
    return FileRefused(
        _(
            "第 %(line)s 行的文字编码损坏或与其他行不一致，无法正确读取。请在 Excel 或 WPS 中检查这一行，另存为 .xlsx 再导入。"
        )
        % {"line": line},
        code="file.bad_encoding",
    )


def _mixed(data: bytes) -> str:
    """Decide line by line between UTF-8 and GB18030; a file that is now one, now the other is refused at the odd line."""
    utf8: list[int] = []
    gb: list[int] = []
    bad: list[int] = []
    for number, line in enumerate(_LINE_END.split(data), start=1):
        if line.isascii():
            continue
        as_utf8, as_gb = _decoded(line, "utf-8"), _decoded(line, "gb18030")
        if as_utf8 is not None and (as_gb is None or _is_plainer(as_utf8, as_gb)):
            utf8.append(number)
        elif as_gb is not None:
            gb.append(number)
        else:
            bad.append(number)
    if utf8 and len(utf8) >= len(gb) + len(bad):
        raise _bad_line(min(gb + bad))
    if bad or utf8:
        raise _bad_line(min(bad + utf8))
    if _decoded(data, "gb18030") is None:  # a character torn over a line end
        raise _bad_line(gb[-1])
    return "gb18030"


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_plainer(as_utf8: str, as_gb: str) -> bool:
    """True when the UTF-8 reading is everyday Chinese and the other reading is not: the line was written in UTF-8."""
    return sum(not c.isascii() for c in as_utf8) >= 2 and _is_everyday(as_utf8) and not _is_everyday(as_gb)


def _is_everyday(text: str) -> bool:
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _lines(data: bytes, encoding: str, limits: Limits) -> Iterator[str]:
    stream = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")
    longest = limits.columns * 1_000
    while line := stream.readline(longest):
        if len(line) >= longest and not line.endswith(("\n", "\r")):
            raise FileRefused(
                _("文件里有一行长得异常，不像表格。请检查文件，或另存为 .xlsx 再导入。"),
                code="file.line_too_long",
            )
        yield line


def _delimiter(data: bytes, encoding: str) -> str:
    start = data[: 64 * 1024].decode(encoding, "ignore").lstrip("\ufeff")
    if start[:4].lower() == "sep=" and len(start) > 4:
        return start[4]
    # The most even separator of the first lines, counted outside quotes.
    lines = [re.sub(r'"[^"]*"', "", line) for line in start.splitlines()[:30] if line.strip()]
    counts = {mark: sum(line.count(mark) for line in lines) for mark in (",", "\t", ";", "，", "|")}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def _csv_rows(data: bytes, encoding: str, limits: Limits) -> Iterator[Row]:
    lines = _lines(data, encoding, limits)
    reader = csv.reader(lines, delimiter=_delimiter(data, encoding), strict=True)
    number = 0
    count = 0
    while True:
        first_line = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error:
            raise FileRefused(
                _("从第 %(line)s 行起的引号没有成对，无法分清单元格。请检查这一行，或另存为 .xlsx 再导入。")
                % {"line": first_line},
                code="file.open_quote",
            ) from None
        if values is None:
            return
        number += 1
        while values and not values[-1].strip():
            values.pop()
        if not values or (number == 1 and values[0][:4].lower() == "sep="):
            continue
        count += 1
        if count > limits.rows:
            raise FileRefused(
                _("表格超过 %(count)s 行。请拆成几个文件分别导入。") % {"count": limits.rows},
                code="file.too_many_rows",
            )
        if len(values) > limits.columns:
            raise FileRefused(
                _("表格超过 %(count)s 列。请删去多余的列，另存后再导入。") % {"count": limits.columns},
                code="file.too_many_columns",
            )
        if count == 1:
            values[0] = values[0].lstrip("\ufeff")
        yield Row(number, [unguarded(value) if value else None for value in values])


# --- against formulas in what others open -----------------------------------------------------------------------------

# What a spreadsheet program may take for a formula, also in full width and behind blanks or quotes.
_FORMULA_START = re.compile("['\"\\s\u3000\u00a0\x00]*[=+\\-@\t\r\n\x00＝＋－＠﹢﹣﹦﹫−]")


def guarded(text: str) -> str:
    """Return `text` as a CSV cell that no office program runs: an apostrophe before whatever looks like a formula.

    `unguarded(guarded(text)) == text` for every text.
    """
    return f"'{text}" if _FORMULA_START.match(text) else text


def unguarded(text: str) -> str:
    """Take back what `guarded` put in front."""
    return text[1:] if text[:1] == "'" and _FORMULA_START.match(text[1:]) else text


def rows_of(sheets: Iterable[Sheet]) -> Iterator[tuple[Sheet, Row]]:
    """Walk all rows of all sheets."""
    for sheet in sheets:
        for row in sheet.rows:
            yield sheet, row
