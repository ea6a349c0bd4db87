"""Insert very many rows at the speed of the database: COPY on PostgreSQL, one prepared statement on SQLite."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.utils import timezone

_CHUNK = 1000


def insert_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert `rows` into the table of `model`; `columns` are database columns, values plain Python ones (already sealed where the
    column is encrypted: no field's own preparation runs). Constraints hold as ever. Call it inside the caller's transaction.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # COPY is the driver's own: without the wrapper its errors would not be Django's.
            with connection.wrap_database_errors, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                chunk: list[str] = []
                for row in rows:
                    chunk.append("\t".join([_copied(value) for value in row]))
                    if len(chunk) >= _CHUNK:
                        copy.write("\n".join(chunk) + "\n")
                        chunk.clear()
                if chunk:
                    copy.write("\n".join(chunk) + "\n")
        else:
            marks = ", ".join(["%s"] * len(columns))
            # Table and columns are the model's own names; the values are parameters.
            cursor.executemany(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - only the model's own names
                ([_adapted(value) for value in row] for row in rows),  # type: ignore[arg-type]  # any iterable will do
            )


def _copied(value: Any) -> str:
    if value is None:
        return "\\N"
    text = value if type(value) is str else str(value)
    if "\\" in text or "\t" in text or "\n" in text or "\r" in text:
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text


def _adapted(value: Any) -> Any:
    convert = _SQLITE.get(type(value))
    return value if convert is None else convert(value)


def _instant(value: datetime) -> str:
    return str(
        timezone.make_naive(value, timezone.get_fixed_timezone(0)) if timezone.is_aware(value) else value
    )


_SQLITE: dict[type, Callable[[Any], Any]] = {
    UUID: lambda value: value.hex,
    bool: int,
    date: date.isoformat,
    datetime: _instant,
}


def analyze() -> None:
    """Tell the planner what is there now. Worth its second or two after tens of thousands of new rows."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA optimize=0x10002" if connection.vendor == "sqlite" else "ANALYZE")
