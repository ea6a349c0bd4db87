"""One way to show a list: sorted, filtered and paged by the server, exported in the same order.

Two queries for any number of rows: the page's rows, and a count that stops at `MOST_COUNTED` because counting a million
rows for a number nobody reads costs more than showing the page.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from tempfile import TemporaryFile
from typing import IO, Any, Final, Literal, cast
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wushe.kernel.problems import Problem
from wushe.web.components import Text
from wushe.web.forms import FilterForm
from wushe.web.page import Request

MOST_COUNTED: Final = 10_000
PAGE_SIZES: Final = (25, 50, 100, 200)
MOST_XLSX_ROWS: Final = 1_000_000
DEMO_MARK: Final = "演示数据 · Demo data"  # zh: the mark is always in both languages
RESERVED: Final = frozenset({"sort", "page", "size", "export"})

Rows = QuerySet[Any, Any] | Sequence[Any]
Sort = str | tuple[str, ...] | Callable[[Any], Any]


class UnknownListOption(Problem):
    """The address asks for a sort key, page size or export format that this list does not have."""

    code = "list.unknown_option"
    status = 400


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an export: its heading, and how a row yields its value (text, number, date, instant or None)."""

    label: Text
    value: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class PageLink:
    """One entry of the pager; `number` None is a gap."""

    number: int | None
    href: str = ""
    current: bool = False


@dataclass
class Listing:
    """One page of a list, ready for the tags `list_head`, `sort_header`, `filter_bar` and `pager`."""

    request: Request
    sorts: Mapping[str, Sort]
    sort: str
    size: int
    number: int
    rows: Sequence[Any]
    count: int
    filters: FilterForm | None
    columns: Sequence[Column]
    everything: Rows
    default_size: int
    default_sort: str
    export: Literal["", "csv", "xlsx"] = ""
    page_sizes: tuple[int, ...] = field(default=PAGE_SIZES)

    # --- what the tags show ---

    @property
    def more_than_counted(self) -> bool:
        return self.count > MOST_COUNTED

    @property
    def count_text(self) -> str:
        return f"{MOST_COUNTED:,}+" if self.more_than_counted else f"{self.count:,}"

    @property
    def last(self) -> int:
        """The last page that can be opened: the end, or where counting stopped."""
        return max(1, math.ceil(min(self.count, MOST_COUNTED) / self.size))

    @property
    def first_row(self) -> int:
        return (self.number - 1) * self.size + 1 if self.rows else 0

    @property
    def last_row(self) -> int:
        return (self.number - 1) * self.size + len(self.rows)

    @property
    def filtered(self) -> bool:
        return self.filters is not None and self.filters.is_active

    @property
    def cut_short(self) -> bool:
        """True on the last page that can be opened when more rows lie beyond it."""
        return self.more_than_counted and self.number == self.last

    def address(self, **changes: str | int | None) -> str:
        """Return this list's address with some parameters changed; None removes one."""
        query = self.request.GET.copy()
        query.pop("export", None)
        for name, value in changes.items():
            query.pop(name, None)
            if value is not None:
                query[name] = str(value)
        text = query.urlencode()
        return f"{self.request.path}?{text}" if text else self.request.path

    @property
    def clear_url(self) -> str:
        kept = {name: value for name, value in self.request.GET.items() if name in ("sort", "size")}
        return f"{self.request.path}?{urlencode(kept)}" if kept else self.request.path

    @property
    def csv_url(self) -> str:
        return self.address(export="csv", page=None)

    @property
    def xlsx_url(self) -> str:
        return self.address(export="xlsx", page=None)

    @property
    def previous_url(self) -> str:
        return self.address(page=self.number - 1 if self.number > 2 else None) if self.number > 1 else ""

    @property
    def next_url(self) -> str:
        return self.address(page=self.number + 1) if self.number < self.last else ""

    @property
    def size_links(self) -> list[tuple[int, str, bool]]:
        """(size, address, current) of each page size on offer."""
        return [
            (
                size,
                self.address(size=size if size != self.default_size else None, page=None),
                size == self.size,
            )
            for size in self.page_sizes
        ]

    @property
    def sort_key(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    def sort_url(self, key: str) -> str:
        """Return the address that sorts by `key`; by the present key: the other way round."""
        if key not in self.sorts:
            raise KeyError(f"{key!r} is no sort key of this list")
        turned = f"-{key}" if self.sort == key else key
        return self.address(sort=turned if turned != self.default_sort else None, page=None)

    @cached_property
    def page_links(self) -> list[PageLink]:
        """First, last and the pages around the present one, with gaps."""
        wanted = sorted({1, self.last, *range(max(1, self.number - 2), min(self.last, self.number + 2) + 1)})
        links: list[PageLink] = []
        for number in wanted:
            if links and links[-1].number is not None and number - links[-1].number > 1:
                links.append(PageLink(None))
            links.append(
                PageLink(number, self.address(page=number if number > 1 else None), number == self.number)
            )
        return links

    @property
    def hidden_parameters(self) -> list[tuple[str, str]]:
        """What the filter form must carry on so that filtering keeps order and page size."""
        return [(name, self.request.GET[name]) for name in ("sort", "size") if name in self.request.GET]

    # --- export ---

    def export_response(self, name: str) -> HttpResponseBase:
        """Return all rows of the list (not only this page) as a file; text is made safe against formulas."""
        demo = bool(getattr(self.request, "is_demo", False))
        stem = f"{name}-{timezone.localdate():%Y%m%d}" + ("-demo" if demo else "")
        table = _table(self.columns, self._every_row(), demo)
        if self.export == "csv":
            response: HttpResponseBase = StreamingHttpResponse(
                _csv_lines(table), content_type="text/csv; charset=utf-8"
            )
            response.headers["Content-Disposition"] = f'attachment; filename="{stem}.csv"'
            return response
        return FileResponse(
            _xlsx_file(table),
            as_attachment=True,
            filename=f"{stem}.xlsx",
            content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        )

    def _every_row(self) -> Iterable[Any]:
        return (
            self.everything.iterator(chunk_size=2000)
            if isinstance(self.everything, QuerySet)
            else self.everything
        )


def listing(
    request: Request,
    rows: Rows,
    *,
    sorts: Mapping[str, Sort] | None = None,
    default: str = "",
    filters: FilterForm | None = None,
    page_size: int = 50,
    columns: Sequence[Column] = (),
) -> Listing:
    """Return the page of `rows` that the address asks for.

    `sorts` maps a key of the address to order-by fields (querysets) or a key function (sequences); `default` is one of
    them, with "-" for downwards, or "" to keep the order of `rows`. Raises `UnknownListOption` for what the list does not
    have; a page number past the end shows the last page.
    """
    sorts = sorts or {}
    sort = request.GET.get("sort", default)
    if sort != default and sort.removeprefix("-") not in sorts:
        raise UnknownListOption(gettext_lazy("这个列表不能这样排序。"))
    size = _number(request.GET.get("size"), page_size)
    if size != page_size and size not in PAGE_SIZES:
        raise UnknownListOption(gettext_lazy("每页行数只能选列出的几种。"))
    number = _number(request.GET.get("page"), 1)
    if number < 1:
        raise UnknownListOption(gettext_lazy("页码从 1 开始。"))
    export = request.GET.get("export", "")
    if export not in ("", "csv", "xlsx") or (export and not columns):
        raise UnknownListOption(gettext_lazy("这个列表不能导出成这种格式。"))

    ordered = _ordered(rows, sorts, sort)
    shown: Sequence[Any] = ()
    count = 0
    if not export:
        number = min(number, max(1, math.ceil(MOST_COUNTED / size)))
        shown = list(ordered[(number - 1) * size : number * size])
        if number == 1 and len(shown) < size:
            count = len(shown)
        else:
            count = _count(rows)
            if not shown and number > 1:
                number = max(1, math.ceil(min(count, MOST_COUNTED) / size))
                shown = list(ordered[(number - 1) * size : number * size])
    return Listing(
        request=request,
        sorts=sorts,
        sort=sort,
        size=size,
        number=number,
        rows=shown,
        count=count,
        filters=filters,
        columns=columns,
        everything=ordered,
        default_size=page_size,
        default_sort=default,
        export=cast(Literal["", "csv", "xlsx"], export),
        page_sizes=tuple(sorted({*PAGE_SIZES, page_size})),
    )


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UnknownListOption(gettext_lazy("页码和每页行数只能是数字。"))
    return int(text)


def _ordered(rows: Rows, sorts: Mapping[str, Sort], sort: str) -> Rows:
    if not sort:
        return rows
    spec = sorts[sort.removeprefix("-")]
    down = sort.startswith("-")
    if isinstance(rows, QuerySet):
        if callable(spec):
            raise TypeError("a queryset is sorted by field names, not by a function")
        fields = (spec,) if isinstance(spec, str) else spec
        # Same direction for every field and the key, so that an index can be read backwards.
        order = [_turned(name) if down else name for name in fields]
        return rows.order_by(*order, "-pk" if order[0].startswith("-") else "pk")
    if not callable(spec):
        raise TypeError("a sequence is sorted by a function")
    return sorted(rows, key=spec, reverse=down)


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _count(rows: Rows) -> int:
    if isinstance(rows, QuerySet):
        return int(rows.order_by()[: MOST_COUNTED + 1].count())
    return min(len(rows), MOST_COUNTED + 1)


# --- files ------------------------------------------------------------------------------------------------------------


def _table(columns: Sequence[Column], rows: Iterable[Any], demo: bool) -> Iterator[list[Any]]:
    yield [str(column.label) for column in columns]
    for row in rows:
        yield [column.value(row) for column in columns]
    if demo:
        yield [DEMO_MARK]


def safe_text(value: str) -> str:
    """Return text that no spreadsheet program takes for a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else value


def _plain(value: Any) -> str | int | float | date | datetime:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("是") if value else _("否")
    if isinstance(value, datetime):
        return timezone.localtime(value).replace(tzinfo=None) if timezone.is_aware(value) else value
    if isinstance(value, int | float | date):
        return value
    return safe_text(str(value))


def _csv_lines(table: Iterable[list[Any]]) -> Iterator[bytes]:
    yield "\ufeff".encode()  # without it, the spreadsheet programs of these offices read UTF-8 as GBK
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in table:
        values = [_plain(value) for value in row]
        writer.writerow(
            v.strftime("%Y-%m-%d %H:%M")
            if isinstance(v, datetime)
            else v.isoformat()
            if isinstance(v, date)
            else v
            for v in values
        )
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()


def _xlsx_file(table: Iterable[list[Any]]) -> IO[bytes]:
    import xlsxwriter  # only who exports pays for loading it

    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - handed to the response, which closes it
    book = xlsxwriter.Workbook(
        file, {"constant_memory": True, "default_date_format": "yyyy-mm-dd", "strings_to_urls": False}
    )
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    instant = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    for line, row in enumerate(table):
        if line > MOST_XLSX_ROWS:
            raise UnknownListOption(gettext_lazy("行数太多，请改用 CSV，或先筛选。"))
        for column, value in enumerate(_plain(item) for item in row):
            if isinstance(value, str):
                sheet.write_string(line, column, value[:32_767], bold if line == 0 else None)
            elif isinstance(value, datetime):
                sheet.write_datetime(line, column, value, instant)
            elif isinstance(value, date):
                sheet.write_datetime(line, column, value)
            else:
                sheet.write_number(line, column, value)
    sheet.set_column(0, 30, 16)
    book.close()
    file.seek(0)
    return file
