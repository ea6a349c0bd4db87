"""Rows out of and into a database, one table at a time, in bounded memory.

A table's digest is the sum of the SHA-256 of its rows modulo 2^256: the same for the same rows in any order, because two databases
sort text differently and a plain scan is the fastest read.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol
from urllib.parse import quote

from django.apps import apps
from django.core.management.color import no_style
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from wushe.kernel.backup.values import Convert, codec, kind_of

# Of this machine and this hour: sessions, signs of life, due times, throttles. A restored copy starts them afresh.
TRANSIENT = frozenset(
    {"django_session", "django_migrations", "kernel_workerbeat", "kernel_schedule", "kernel_throttlebucket"}
)
_NOT_TABLES_OF_OURS = frozenset({"sqlite_sequence", "sqlite_stat1", "sqlite_stat4"})
_ROWS = 2000

Row = list[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the backup names it."""

    name: str
    columns: list[tuple[str, str]]


@dataclass(slots=True)
class Digest:
    """The running digest of a table's rows."""

    rows: int = 0
    total: int = field(default=0)

    def add(self, line: bytes) -> None:
        """Count one row, given as its line without the line end."""
        self.rows += 1
        self.total += int.from_bytes(hashlib.sha256(line).digest(), "big")

    @property
    def hex(self) -> str:
        """The digest so far."""
        return f"{self.total % (1 << 256):064x}"


def tables() -> list[Table]:
    """Return every table of the installed models that a backup holds."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if meta.proxy or not meta.managed or meta.db_table in TRANSIENT:
            continue
        columns = [
            (str(f.column), kind_of(f))
            for f in meta.local_concrete_fields
            if not getattr(f, "generated", False)
        ]
        found.append(Table(meta.db_table, columns))
    return sorted(found, key=lambda table: table.name)


def strangers(connection: BaseDatabaseWrapper) -> list[str]:
    """Return tables in the database that no model knows: they are not in a backup, and whoever makes it should hear so."""
    known = (
        {m._meta.db_table for m in apps.get_models(include_auto_created=True)}
        | TRANSIENT
        | _NOT_TABLES_OF_OURS
    )
    return sorted(set(connection.introspection.table_names()) - known)


def line_of(row: Row) -> bytes:
    """Return a row as the backup writes it, without the line end."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


# --- out --------------------------------------------------------------------------------------------------------------


class Reader(Protocol):
    """One consistent view of a database."""

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield the table's rows as portable values."""


@dataclass(frozen=True, slots=True)
class _SQLiteReader:
    raw: sqlite3.Connection

    def rows(self, table: Table) -> Iterator[Row]:
        converts = [codec(kind).from_sqlite for _, kind in table.columns]
        query = f"SELECT {_names(table)} FROM {_name(table.name)}"  # noqa: S608  # names of our own models
        return _converted(self.raw.execute(query), converts)


@dataclass(frozen=True, slots=True)
class _PostgreSQLReader:
    connection: BaseDatabaseWrapper

    def rows(self, table: Table) -> Iterator[Row]:
        chosen = ", ".join(
            f"(extract(epoch FROM {_name(name)}) * 1000000)::bigint" if kind == "duration" else _name(name)
            for name, kind in table.columns
        )
        converts = [codec(kind).from_postgresql for _, kind in table.columns]
        statement = f"COPY (SELECT {chosen} FROM {_name(table.name)}) TO STDOUT"  # noqa: S608  # names of our own models
        with self.connection.cursor() as cursor:
            cursor.execute("SET LOCAL TIME ZONE 'UTC'")
            with cursor.copy(statement) as copy:
                yield from _converted(copy.rows(), converts)


@contextmanager
def reading(alias: str) -> Iterator[Reader]:
    """Open one consistent view of what is committed: a WAL snapshot on SQLite, REPEATABLE READ on PostgreSQL. Blocks no writer."""
    connection = connections[alias]
    if connection.vendor == "sqlite":
        raw = sqlite3.connect(
            f"file:{quote(str(connection.settings_dict['NAME']))}?mode=ro", uri=True, timeout=20
        )
        raw.isolation_level = None
        try:
            raw.execute("BEGIN")
            # A deferred transaction has its snapshot only from its first read on.
            raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield _SQLiteReader(raw)
        finally:
            raw.close()
        return
    own = connections.create_connection(alias)
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield _PostgreSQLReader(own)
    finally:
        own.rollback()
        own.close()


@contextmanager
def inside(connection: BaseDatabaseWrapper) -> Iterator[Reader]:
    """Read what `connection` sees, on PostgreSQL its uncommitted rows included."""
    if connection.vendor == "sqlite":
        with reading(connection.alias) as reader:
            yield reader
    else:
        yield _PostgreSQLReader(connection)


def digest(reader: Reader, table: Table) -> Digest:
    """Return the digest of a table as `reader` sees it."""
    found = Digest()
    for row in reader.rows(table):
        found.add(line_of(row))
    return found


# --- in ---------------------------------------------------------------------------------------------------------------


def parse(lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield the rows of a backup's JSON Lines."""
    for line in lines:
        row: Row = json.loads(line.decode("utf-8", "surrogatepass"))
        yield row


def load(connection: BaseDatabaseWrapper, table: Table, rows: Iterator[Row]) -> int:
    """Insert portable rows into a table, in the caller's transaction; return how many. Raises Django's `DatabaseError`."""
    connection.ensure_connection()
    put = _put_sqlite if connection.vendor == "sqlite" else _put_postgresql
    with connection.wrap_database_errors:
        return put(connection, table, rows)


def _put_sqlite(connection: BaseDatabaseWrapper, table: Table, rows: Iterator[Row]) -> int:
    prepared = _converted(rows, [codec(kind).to_sqlite for _, kind in table.columns])
    marks = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {_name(table.name)} ({_names(table)}) VALUES ({marks})"  # noqa: S608  # names of our own models
    loaded = 0
    while some := list(islice(prepared, _ROWS)):
        connection.connection.executemany(statement, some)
        loaded += len(some)
    return loaded


def _put_postgresql(connection: BaseDatabaseWrapper, table: Table, rows: Iterator[Row]) -> int:
    loaded = 0
    prepared = _converted(rows, [codec(kind).to_postgresql for _, kind in table.columns])
    statement = f"COPY {_name(table.name)} ({_names(table)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in prepared:
            copy.write_row(row)
            loaded += 1
    return loaded


def reset_sequences(connection: BaseDatabaseWrapper) -> None:
    """Let numbered keys go on after the highest loaded one."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(
            no_style(), apps.get_models(include_auto_created=True)
        ):
            cursor.execute(statement)


def _converted(rows: Iterable[Any], converts: list[Convert | None]) -> Iterator[Row]:
    chosen = [(place, convert) for place, convert in enumerate(converts) if convert is not None]
    for given in rows:
        row = list(given)
        for place, convert in chosen:
            if row[place] is not None:
                row[place] = convert(row[place])
        yield row


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _names(table: Table) -> str:
    return ", ".join(_name(name) for name, _ in table.columns)
