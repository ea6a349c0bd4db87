"""Append-only in the database itself: triggers that refuse UPDATE and DELETE, whoever asks.

They guard against code, consoles and habits, not against the owner of the database, who can drop them; that is what the
seals of `kernel.sealing` are for. Installed after every migration for each model derived from `AppendOnlyModel`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from wushe.kernel.append_only import AppendOnlyModel

_POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION wushe_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append-only: % is never changed, write a correcting row', TG_TABLE_NAME;
END $$
"""


def append_only_models() -> list[type[models.Model]]:
    """Return every concrete model whose rows are written once."""
    return [m for m in apps.get_models() if issubclass(m, AppendOnlyModel) and not m._meta.proxy]


def install(using: str = DEFAULT_DB_ALIAS, **_signal: Any) -> None:
    """Create the triggers that are missing; a receiver of `post_migrate`. Harmless to repeat."""
    connection = connections[using]
    tables = _tables(using)
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if connection.vendor == "postgresql" and tables:
            cursor.execute(_POSTGRESQL_FUNCTION)
        for table in tables:
            if connection.vendor == "postgresql":
                cursor.execute(
                    f'CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON "{table}" '
                    "FOR EACH ROW EXECUTE FUNCTION wushe_append_only()"
                )
                cursor.execute(
                    f'CREATE OR REPLACE TRIGGER append_only_truncate BEFORE TRUNCATE ON "{table}" '
                    "FOR EACH STATEMENT EXECUTE FUNCTION wushe_append_only()"
                )
            else:
                for act in ("UPDATE", "DELETE"):
                    cursor.execute(
                        f'CREATE TRIGGER IF NOT EXISTS "{table}_no_{act.lower()}" BEFORE {act} ON "{table}" BEGIN '
                        f"SELECT RAISE(ABORT, 'append-only: {table} is never changed, write a correcting row'); END"
                    )


def remove(using: str = DEFAULT_DB_ALIAS) -> None:
    """Drop the triggers."""
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for table in _tables(using):
            if connection.vendor == "postgresql":
                cursor.execute(f'DROP TRIGGER IF EXISTS append_only ON "{table}"')
                cursor.execute(f'DROP TRIGGER IF EXISTS append_only_truncate ON "{table}"')
            else:
                cursor.execute(f'DROP TRIGGER IF EXISTS "{table}_no_update"')
                cursor.execute(f'DROP TRIGGER IF EXISTS "{table}_no_delete"')


@contextmanager
def lifted(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Work without the triggers: for a restore into this database, and for tests that play the intruder."""
    remove(using)
    try:
        yield
    finally:
        install(using)


def _tables(using: str) -> list[str]:
    present = set(connections[using].introspection.table_names())
    return [m._meta.db_table for m in append_only_models() if m._meta.db_table in present]
