"""Restoring a backup: everything is checked before the target is touched, and the target changes in one step or not at all.

PostgreSQL: one transaction drops the old tables, makes those of the backup's own version, loads, compares digests, and brings
them up to today's version. SQLite: the same into a new file beside the database, which then takes its place by one rename.

Who was forgotten since the backup was made stays forgotten: the target's destroyed personal keys are destroyed in the restored
copy too, and their ids are returned, so that the rooms' own erasure can be repeated.
"""

import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from wushe.kernel import audit, crypto, triggers
from wushe.kernel.actor import Actor
from wushe.kernel.backup import archive as container
from wushe.kernel.backup import tables
from wushe.kernel.backup.archive import Archive, BackupRefused
from wushe.kernel.backup.making import Progress
from wushe.kernel.backup.tables import Digest, Table
from wushe.kernel.models import AuditEvent, PersonalKey
from wushe.kernel.problems import Problem

# Filled by the framework itself when tables are made: their rows do not make a database somebody's.
_FRAMEWORK = frozenset({"django_content_type", "auth_permission"})


class TargetNotEmpty(Problem):
    """There is data where the backup would go."""

    code = "restore.not_empty"


class TargetInUse(Problem):
    """Another program has the database open."""

    code = "restore.in_use"


@dataclass(slots=True)
class Restored:
    """What was restored. `forgotten` are the people erased after the backup was made: erase them again."""

    tables: int = 0
    rows: int = 0
    uploads: int = 0
    keys_replaced: bool = False
    forgotten: list[UUID] = field(default_factory=list)


def check(archive: Archive) -> None:
    """Compare every member with the manifest: rows, digests, files. Raises `BackupRefused`."""
    for table in archive.tables:
        digest = Digest()
        with archive.open(f"tables/{table['name']}.jsonl") as stream:
            for line in stream:
                digest.add(line.rstrip(b"\n"))
        if (digest.rows, digest.hex) != (table["rows"], table["digest"]):
            raise BackupRefused(
                f"{archive.path}: table {table['name']} is not as it was when the backup was made"
            )
    for upload in archive.manifest["uploads"]:
        total = hashlib.sha256()
        with archive.open(f"uploads/{upload['path']}") as stream:
            while chunk := stream.read(1 << 20):
                total.update(chunk)
        if total.hexdigest() != upload["sha256"]:
            raise BackupRefused(
                f"{archive.path}: upload {upload['path']} is not as it was when the backup was made"
            )


def restore(
    path: Path, *, replace: bool = False, passphrase: str = "", progress: Progress | None = None
) -> Restored:
    """Put a backup in place of the target (`WUSHE_DATA`, `WUSHE_DATABASE_URL`). The site and its workers must be stopped.

    Raises `BackupRefused` (damaged, cut, wrong keys, wrong passphrase, newer than this program), `TargetNotEmpty` without `replace`,
    `TargetInUse`; in each case, and whenever anything fails before the end, the target is as it was.
    """
    say = progress or (lambda _: None)
    archive = container.read(path, passphrase)
    check(archive)
    say(f"{path}: whole")
    keys_replaced = _choose_keys(archive)
    _check_versions(archive)
    if not replace and not _is_empty():
        raise TargetNotEmpty(
            "the database already holds data: choose an empty one, or say --replace to give it up"
        )
    done = Restored(keys_replaced=keys_replaced)
    forgotten = _forgotten()
    with (
        _uploads_beside(archive) as (new_uploads, done.uploads),
        _keys_in_force(archive if keys_replaced else None),
    ):
        if connection.vendor == "sqlite":
            with _new_file() as put_in_place:
                _fill(archive, forgotten, done, say)
                _swap(new_uploads, put_in_place)
        else:
            with transaction.atomic():
                _drop_tables()
                _fill(archive, forgotten, done, say)
                _swap(new_uploads, lambda: None)
    with transaction.atomic():
        audit.record(
            by=Actor.operator(),
            verb="backup.restore",
            target=("kernel.Backup", archive.manifest["id"]),
            after={"made_at": archive.manifest["made_at"], "rows": done.rows},
        )
    return done


# --- may it go here? --------------------------------------------------------------------------------------------------


def _choose_keys(archive: Archive) -> bool:
    """Return True when the backup's own keys must take the place of this installation's."""
    if archive.fits(crypto.load_keys()):
        return False
    if archive.keys_text is not None:
        return True
    if archive.keys_are == "sealed":
        raise BackupRefused(
            "this installation's keys are not the backup's: give the passphrase its keys are sealed under"
        )
    raise BackupRefused(
        f"this installation's keys are not the backup's: put the right key file at {crypto.keys_path()} and try again"
    )


def _check_versions(archive: Archive) -> None:
    loader = MigrationExecutor(connection).loader
    known = set(loader.disk_migrations or ())
    for app, name in archive.manifest["migrations"]:
        if (app, name) not in known and app in loader.migrated_apps:
            raise BackupRefused(
                f"made by a newer Wushe ({app} {name} is unknown here): upgrade this one first"
            )


def _is_empty() -> bool:
    """True when nobody has done anything here yet: at most `wushe init` has put its vocabularies in."""
    present = set(connection.introspection.table_names())
    if AuditEvent._meta.db_table not in present:
        return True
    if AuditEvent.objects.exists():
        return not AuditEvent.objects.exclude(actor_kind="system", actor_label="init").exists()
    with connection.cursor() as cursor:
        for table in tables.tables():
            if table.name in present and table.name not in _FRAMEWORK:
                cursor.execute(f'SELECT 1 FROM "{table.name}" LIMIT 1')  # noqa: S608  # names of our own models
                if cursor.fetchone():
                    return False
    return True


def _forgotten() -> list[UUID]:
    if PersonalKey._meta.db_table not in connection.introspection.table_names():
        return []
    return list(PersonalKey.objects.filter(destroyed_at__isnull=False).values_list("person_id", flat=True))


# --- filling ----------------------------------------------------------------------------------------------------------


def _fill(archive: Archive, forgotten: list[UUID], done: Restored, say: Progress) -> None:
    """Make the backup's own tables, load and compare them, and bring them up to date."""
    try:
        _migrate([(app, name) for app, name in archive.manifest["migrations"]])
        with triggers.lifted(), transaction.atomic():
            _clear()
            _load(archive, done, say)
        connection.check_constraints()
        _compare(archive)
        _migrate(None)
        _forget_again(forgotten, done)
    except (DatabaseError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackupRefused(
            f"the backup does not load into this database ({first}); nothing was changed"
        ) from error


def _migrate(state: list[tuple[str, str]] | None) -> None:
    """Bring the tables to the version `state` names, or up to date."""
    if state:
        executor = MigrationExecutor(connection)
        graph = executor.loader.graph
        wanted = {node for node in state if node in graph.nodes}
        # Only the last of each line: Django takes a target with others after it for the wish to go back.
        last = (
            node for node in wanted if not any(child.key in wanted for child in graph.node_map[node].children)
        )
        executor.migrate(sorted(last))
        if MigrationExecutor(connection).migration_plan(graph.leaf_nodes()):
            return
    # Everything at once, with what belongs after a migration; `run_syncdb` for apps that have none.
    call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)


def _clear() -> None:
    # What a migration has put in belongs to the empty database, not to the backup. Its deferred checks must be over first.
    connection.check_constraints()
    present = set(connection.introspection.table_names())
    names = sorted({m._meta.db_table for m in apps.get_models(include_auto_created=True)} & present)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE " + ", ".join(f'"{name}"' for name in names) + " CASCADE")
        else:
            for name in names:
                cursor.execute(f'DELETE FROM "{name}"')  # noqa: S608  # names of our own models


def _load(archive: Archive, done: Restored, say: Progress) -> None:
    for entry in archive.tables:
        table = Table(entry["name"], [(name, kind) for name, kind in entry["columns"]])
        with archive.open(f"tables/{table.name}.jsonl") as stream:
            done.rows += tables.load(connection, table, tables.parse(stream))
        done.tables += 1
        say(f"{table.name}: {entry['rows']}")
    tables.reset_sequences(connection)


def _compare(archive: Archive) -> None:
    with tables.inside(connection) as reader:
        for entry in archive.tables:
            table = Table(entry["name"], [(name, kind) for name, kind in entry["columns"]])
            if tables.digest(reader, table).hex != entry["digest"]:
                raise BackupRefused(
                    f"table {table.name} came out different in this database; nothing was changed"
                )


def _forget_again(forgotten: list[UUID], done: Restored) -> None:
    known = PersonalKey.objects.filter(person_id__in=forgotten, destroyed_at__isnull=True)
    done.forgotten = sorted(known.values_list("person_id", flat=True))
    for person_id in forgotten:
        # Someone whom the backup does not know must not get a new key either.
        audit.forget(person_id)


def _drop_tables() -> None:
    known = {m._meta.db_table for m in apps.get_models(include_auto_created=True)} | tables.TRANSIENT
    present = [name for name in connection.introspection.table_names() if name in known]
    if present:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE " + ", ".join(f'"{name}"' for name in present) + " CASCADE")


# --- putting in place -------------------------------------------------------------------------------------------------


@contextmanager
def _new_file() -> Iterator[Callable[[], None]]:
    """Let the connection lead to a new, empty SQLite file beside the target; yield the step that puts it in the target's place.

    The one connection is led there, and not a second one opened, because migrations of other people's apps ask the default database.
    """
    usual = {name: connection.settings_dict[name] for name in ("NAME", "OPTIONS")}
    target = Path(str(usual["NAME"]))
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.restoring")
    connection.close()
    _leave_wal(target)  # asked at the end again; here so that nobody waits for a restore that cannot end well
    # Thrown away unless it becomes the target, and then synced as a whole: no need to wait for the disk at every step.
    quick = "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;"
    connection.settings_dict.update(NAME=str(beside), OPTIONS={**usual["OPTIONS"], "init_command": quick})

    def put_in_place() -> None:
        connection.close()
        os.chmod(beside, 0o600)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        _leave_wal(target)
        os.replace(beside, target)

    try:
        yield put_in_place
    finally:
        connection.close()
        connection.settings_dict.update(usual)
        for leftover in beside.parent.glob(beside.name + "*"):
            leftover.unlink()


def _leave_wal(target: Path) -> None:
    """Fold the write-ahead log of the old database away; raises `TargetInUse` when another program has it open.

    A log left behind would be replayed into the new file and ruin it.
    """
    if not target.exists():
        return
    old = sqlite3.connect(target, timeout=1, isolation_level=None)
    try:
        mode = old.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    except sqlite3.OperationalError:
        mode = "wal"
    finally:
        old.close()
    if mode == "wal":
        raise TargetInUse(
            "another program has the database open: stop `wushe serve` and `wushe worker` first"
        )


@contextmanager
def _uploads_beside(archive: Archive) -> Iterator[tuple[Path, int]]:
    """Unpack the uploads into a new folder beside the target's; yield it and the number of files."""
    folder = Path(settings.MEDIA_ROOT)
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.restoring")
    beside.mkdir(parents=True)
    try:
        for upload in archive.manifest["uploads"]:
            relative = PurePosixPath(upload["path"])
            if relative.is_absolute() or ".." in relative.parts:
                raise BackupRefused(
                    f"{archive.path}: an upload wants to be written outside the folder of uploads"
                )
            path = beside / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(f"uploads/{upload['path']}") as stream, path.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
                os.fsync(file.fileno())
        yield beside, len(archive.manifest["uploads"])
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _swap(new_uploads: Path, put_database_in_place: Callable[[], None]) -> None:
    """Put uploads and database in place together; when the database does not go, the old uploads come back."""
    folder = Path(settings.MEDIA_ROOT)
    old = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.replaced")
    had = folder.exists()
    if had:
        folder.rename(old)
    try:
        new_uploads.rename(folder)
        put_database_in_place()
    except BaseException:
        if folder.exists():
            folder.rename(new_uploads)
        if had:
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _keys_in_force(archive: Archive | None) -> Iterator[None]:
    """Work with the backup's keys in this installation's place; the former key file is kept beside, and comes back on failure."""
    if archive is None or archive.keys_text is None:
        yield
        return
    path = crypto.keys_path()
    former = path.with_name(f"keys.before-restore-{timezone.now():%Y%m%d%H%M%S}-{secrets.token_hex(2)}.json")
    beside = path.with_name(f".keys-{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(archive.keys_text)
        file.flush()
        os.fsync(file.fileno())
    os.link(path, former)
    os.replace(beside, path)
    crypto._load.cache_clear()
    try:
        yield
    except BaseException:
        os.replace(former, path)
        crypto._load.cache_clear()
        raise


def describe(archive: Archive) -> dict[str, Any]:
    """Return what a person wants to know of a backup: when, what, how much, with which keys, and whether they fit here."""
    manifest = archive.manifest
    return {
        "id": manifest["id"],
        "made_at": manifest["made_at"],
        "wushe": manifest["wushe"],
        "database": manifest["database"],
        "tables": len(manifest["tables"]),
        "rows": sum(table["rows"] for table in manifest["tables"]),
        "uploads": len(manifest["uploads"]),
        "keys": archive.keys_are,
        "fits_this_installation": archive.fits(crypto.load_keys()),
        "left_out": manifest["left_out"],
    }
