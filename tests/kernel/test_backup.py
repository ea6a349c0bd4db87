"""Backups: the restored copy equals the original, on either database; what is damaged, cut, forged or foreign is refused
before the target is touched."""

import datetime as dt
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, models, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.support.database import fresh_database
from tests.support.site import program_environment
from wushe.kernel import audit, backup, crypto, outbox, sealing
from wushe.kernel.actor import Actor
from wushe.kernel.backup import archive, tables, values
from wushe.kernel.backup.tables import Table
from wushe.kernel.models import AuditEvent, FirstAnswer, OutboxMessage, PersonalKey

BY = Actor.operator("test operator")
POSITIONS = {"reduced": 30, "full": 200}
PERSON = uuid.UUID(int=7)


def fill() -> None:
    """Rows with every awkward value there is a column for."""
    with transaction.atomic():
        for number in range(50):
            audit.record(
                by=BY,
                verb="test.effect",
                target=("a.B", number),
                after={"名": "𠮷\n\t\\N\"'", "n": number / 3},
            )
    sealing.seal()
    sealing.sign_checkpoint()
    outbox.send(by=BY, kind="k", subject="题", body="正文", to_person=PERSON)
    outbox.send(by=BY, kind="k", subject="题", body="", to_address="群", channel="COPY_TEXT")
    OutboxMessage.objects.update(created_at=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
    FirstAnswer.objects.create(
        key_hash="h", request_digest="d", headers={"b": [1, 1e16, -0.0, None, "é"], "a": {}}
    )
    FirstAnswer.objects.create(key_hash="i", request_digest="\\N", status=200, body="")
    DBTaskResult.objects.create(
        args_kwargs={"args": [0.1, 1e300], "kwargs": {}}, task_path="x", backend_name="default", run_after=timezone.now(),
        exception_class_path="", traceback="",
    )  # fmt: skip


def write_uploads() -> None:
    folder = Path(settings.MEDIA_ROOT)
    (folder / "a" / "深").mkdir(parents=True, exist_ok=True)
    (folder / "a" / "深" / "照片.bin").write_bytes(random.Random(1).randbytes(3_000_000))
    (folder / "empty").write_bytes(b"")


def state() -> dict[str, Any]:
    """The digest of every table, every upload and the keys."""
    with tables.reading(DEFAULT_DB_ALIAS) as reader:
        found: dict[str, Any] = {t.name: tables.digest(reader, t).hex for t in tables.tables()}
    folder = Path(settings.MEDIA_ROOT)
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.exists() else []
    found["uploads"] = {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }
    found["keys"] = crypto.keys_path().read_text()
    return found


def without_audit(found: dict[str, Any]) -> dict[str, Any]:
    """A restore writes one audit row of its own."""
    return {name: value for name, value in found.items() if name != "kernel_auditevent"}


@pytest.fixture
def house(transactional_db: None) -> Iterator[None]:
    """A filled database with uploads; folders and keys as they were afterwards."""
    keys = crypto.keys_path().read_text()
    fill()
    write_uploads()
    yield
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
    crypto.keys_path().write_text(keys)
    crypto._load.cache_clear()


@pytest.fixture
def made(house: None, tmp_path: Path) -> Path:
    """A backup of that house, without keys."""
    path = tmp_path / "house.backup"
    backup.make(path)
    return path


def reseal(path: Path, members: dict[str, bytes | None], *, with_our_keys: bool) -> Path:
    """Rewrite a backup with some members changed (None: left out) and a fitting checksum, as a forger would."""
    forged = path.with_name("forged.backup")
    with zipfile.ZipFile(path) as old, archive.writing(forged) as new:
        for name in old.namelist():
            content = members.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    if not with_our_keys:
        raw = bytearray(forged.read_bytes())
        raw[-1] = ord("0") if raw[-1] != ord("0") else ord("1")
        forged.write_bytes(raw)
    return forged


def other_keys() -> None:
    path = crypto.keys_path()
    path.unlink()
    crypto._load.cache_clear()
    crypto.create_keys()


# --- the values -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_every_kind_of_value_survives_the_way_there_and_back() -> None:
    kinds: dict[str, list[tuple[models.Field[Any, Any], list[Any]]]] = {
        "all": [
            (models.UUIDField(null=True), [uuid.UUID(int=2**127 + 5), None]),
            (
                models.DateTimeField(null=True),
                [dt.datetime(1999, 12, 31, 23, 59, 59, tzinfo=dt.UTC), timezone.now()],
            ),
            (models.DateField(null=True), [dt.date(1, 1, 1), dt.date(2026, 2, 28)]),
            (models.TimeField(null=True), [dt.time(8), dt.time(23, 59, 59, 999999)]),
            (models.BooleanField(null=True), [True, False]),
            (models.JSONField(null=True), [{"z": [1.5, 1e16, True, None, "\u2028"], "a": "𠮷"}, None]),
            (models.BinaryField(null=True), [bytes(range(256)), b""]),
            (
                models.DecimalField(max_digits=12, decimal_places=2, null=True),
                [Decimal("-12.30"), Decimal("0.07")],
            ),
            (models.FloatField(null=True), [0.1, -1e-300]),
            (models.BigIntegerField(null=True), [-(2**63), 2**63 - 1]),
            (
                models.DurationField(null=True),
                [dt.timedelta(days=-3, microseconds=7), dt.timedelta(hours=30)],
            ),
            (models.TextField(null=True), ["\\N \t\n\r\\ 龘 '\"", ""]),
        ]
    }
    fields = {f"f{number}": field for number, (field, _) in enumerate(kinds["all"])}
    probe = type(
        "Probe",
        (models.Model,),
        {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "probe"}), **fields},
    )
    table = Table(
        probe._meta.db_table, [(f.column, values.kind_of(f)) for f in probe._meta.local_concrete_fields]
    )
    assert [kind for _, kind in table.columns][1:] == [
        "uuid", "instant", "date", "time", "boolean", "json", "binary", "decimal:2", "float", "integer", "duration", "text",
    ]  # fmt: skip
    with connection.schema_editor() as editor:
        editor.create_model(probe)
    try:
        manager: Any = probe._default_manager
        for turn in (0, 1):
            manager.create(**{f"f{n}": given[turn] for n, (_, given) in enumerate(kinds["all"])})
        before = list(manager.order_by("pk").values_list())
        with tables.reading(DEFAULT_DB_ALIAS) as reader:
            lines = [tables.line_of(row) for row in reader.rows(table)]
        manager.all().delete()
        with transaction.atomic():
            assert tables.load(connection, table, tables.parse(lines)) == 2
        assert list(manager.order_by("pk").values_list()) == before
        # Not only equal to Python: found again by the database, too.
        assert manager.filter(f1=dt.datetime(1999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)).count() == 1
        assert manager.filter(f3=dt.time(8), f0=uuid.UUID(int=2**127 + 5), f4=True).count() == 1
        with tables.reading(DEFAULT_DB_ALIAS) as reader:
            assert sorted(tables.line_of(row) for row in reader.rows(table)) == sorted(lines)
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(probe)


# --- there and back -------------------------------------------------------------------------------------------------


def test_a_restored_copy_equals_the_original(made: Path) -> None:
    before = state()
    wipe()
    done = backup.restore(made, replace=True)
    after = state()
    assert without_audit(after) == without_audit(before)
    assert AuditEvent.objects.count() == 51
    assert (done.uploads, done.keys_replaced, done.forgotten) == (2, False, [])
    report = sealing.verify()
    assert (report.ok, report.sealed, report.unsealed) == (True, 50, 1)
    message = OutboxMessage.objects.get(person_id=PERSON)
    assert outbox.read(message) == ("题", "正文")
    assert made.stat().st_mode & 0o077 == 0
    # And the copy goes on living: numbered keys continue, the chain grows, triggers stand.
    ContentType.objects.create(app_label="x", model="y")
    assert sealing.seal() == 1
    assert sealing.verify().ok
    audit_still_guarded()


def wipe() -> None:
    from django.core.management import call_command

    call_command("flush", interactive=False, verbosity=0)
    shutil.rmtree(settings.MEDIA_ROOT)


def test_a_backup_is_one_moment_of_a_busy_system(house: None, tmp_path: Path) -> None:
    stop = threading.Event()

    def write_pairs() -> None:
        while not stop.is_set():
            with transaction.atomic():
                audit.record(by=BY, verb="pair", target=("a.B", "one"))
                FirstAnswer.objects.create(key_hash=uuid.uuid4().hex, request_digest="pair")
        connection.close()

    writer = threading.Thread(target=write_pairs)
    writer.start()
    try:
        for number in range(3):
            path = tmp_path / f"{number}.backup"
            backup.make(path)
            held = backup.read(path)
            with held.open("tables/kernel_auditevent.jsonl") as stream:
                events = sum(b'"pair"' in line for line in stream)
            with held.open("tables/kernel_firstanswer.jsonl") as stream:
                answers = sum(b'"pair"' in line for line in stream)
            assert events == answers
    finally:
        stop.set()
        writer.join()


def test_a_backup_that_fails_half_way_leaves_the_former_file(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("wushe.kernel.backup.making._uploads", fail)
    with pytest.raises(OSError, match="disk full"):
        backup.make(made)
    assert made.read_bytes() == before
    assert [p.name for p in made.parent.iterdir()] == [made.name]


# --- refused, and the target untouched ------------------------------------------------------------------------------


def test_a_flipped_bit_anywhere_is_refused(made: Path, size: str, fault_fired: Callable[[str], None]) -> None:
    before = state()
    whole = made.read_bytes()
    dice = random.Random(42)
    ends = [
        0,
        1,
        len(whole) - 1,
        len(whole) - 64,
        len(whole) - 65,
        len(whole) - 130,
        len(whole) - 144,
        len(whole) - 150,
    ]
    places = ends + [dice.randrange(len(whole)) for _ in range(POSITIONS[size] - len(ends))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << dice.randrange(8)
        made.write_bytes(damaged)
        fault_fired("bit flipped")
        with pytest.raises(backup.BackupRefused):
            backup.restore(made, replace=True)
    assert state() == before


def test_a_cut_or_lengthened_file_is_refused(made: Path, fault_fired: Callable[[str], None]) -> None:
    before = state()
    whole = made.read_bytes()
    for content in (
        b"",
        whole[:10],
        whole[: len(whole) // 2],
        whole[:-1],
        whole + b"x",
        whole[1:],
        b"PK" + whole,
    ):
        made.write_bytes(content)
        fault_fired("file cut")
        with pytest.raises(backup.BackupRefused):
            backup.restore(made, replace=True)
    with pytest.raises(backup.BackupRefused):
        backup.read(made.with_name("nothing there"))
    assert state() == before


def test_a_forged_backup_is_refused(made: Path, fault_fired: Callable[[str], None]) -> None:
    """The forger can compute checksums, not the HMAC; and with the keys, the manifest must still agree."""
    before = state()
    manifest = json.loads(zipfile.ZipFile(made).read("manifest.json"))
    table = zipfile.ZipFile(made).read("tables/kernel_auditevent.jsonl")
    newer = {**manifest, "format": 99}
    ahead = {**manifest, "migrations": [*manifest["migrations"], ["contenttypes", "9999_future"]]}
    outside = {
        **manifest,
        "uploads": [{"path": "../../evil", "size": 0, "sha256": hashlib.sha256(b"").hexdigest()}],
    }
    for members, with_our_keys in (
        ({}, False),
        ({"tables/kernel_auditevent.jsonl": table.replace(b"test.effect", b"test.EFFECT", 1)}, True),
        ({"tables/kernel_auditevent.jsonl": table.split(b"\n", 1)[1]}, True),
        ({"tables/kernel_auditevent.jsonl": None}, True),
        ({"uploads/empty": b"x"}, True),
        ({"uploads/empty": None}, True),
        ({"manifest.json": b"{}"}, True),
        ({"manifest.json": json.dumps(newer).encode()}, True),
        ({"manifest.json": json.dumps(outside).encode()}, True),
    ):
        forged = reseal(made, members, with_our_keys=with_our_keys)
        fault_fired("backup forged")
        with pytest.raises(backup.BackupRefused):
            backup.restore(forged, replace=True)
    assert state() == before
    assert backup.read(reseal(made, {"manifest.json": json.dumps(ahead).encode()}, with_our_keys=True))


def test_a_backup_that_breaks_a_rule_of_the_database_changes_nothing(
    made: Path, fault_fired: Callable[[str], None]
) -> None:
    """Whole by its checksums, but two rows share a key: found only while loading, half-way in."""
    before = state()
    manifest = json.loads(zipfile.ZipFile(made).read("manifest.json"))
    lines = zipfile.ZipFile(made).read("tables/kernel_outboxmessage.jsonl").splitlines()
    doubled = [*lines, lines[0]]
    entry = next(t for t in manifest["tables"] if t["name"] == "kernel_outboxmessage")
    digest = tables.Digest()
    for line in doubled:
        digest.add(line)
    entry.update(rows=digest.rows, digest=digest.hex)
    forged = reseal(
        made,
        {
            "tables/kernel_outboxmessage.jsonl": b"\n".join(doubled) + b"\n",
            "manifest.json": json.dumps(manifest).encode(),
        },
        with_our_keys=True,
    )
    with pytest.raises(backup.BackupRefused, match="does not load"):
        backup.restore(forged, replace=True)
    fault_fired("load failed half-way")
    assert state() == before
    assert not list(Path(settings.MEDIA_ROOT).parent.glob("*.restoring"))
    audit_still_guarded()


def audit_still_guarded() -> None:
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM kernel_auditevent")


def test_a_failure_at_the_last_step_puts_the_uploads_back(
    made: Path, monkeypatch: pytest.MonkeyPatch, fault_fired: Callable[[str], None]
) -> None:
    before = state()
    real = Path.rename
    calls = []

    def fail_late(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise OSError("power cut, nearly")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fail_late)
    with pytest.raises(OSError, match="power cut"):
        backup.restore(made, replace=True)
    fault_fired("last step failed")
    monkeypatch.undo()
    assert state() == before


def test_a_full_database_is_not_overwritten_by_mistake(made: Path) -> None:
    before = state()
    with pytest.raises(backup.TargetNotEmpty):
        backup.restore(made)
    assert state() == before


def test_a_database_in_use_is_not_replaced(made: Path, database: str) -> None:
    """SQLite: another program's open connection would go on writing into the old file. PostgreSQL: its locks decide."""
    before = state()
    if database == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"])
        other.execute("SELECT count(*) FROM kernel_auditevent").fetchone()
        with pytest.raises(backup.TargetInUse):
            backup.restore(made, replace=True)
        other.close()
    else:
        with tables.reading(DEFAULT_DB_ALIAS):  # open, but holding nothing
            backup.restore(made, replace=True)
    assert without_audit(state()) == without_audit(before)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_backup_of_other_keys_is_refused_unless_it_brings_them(house: None, tmp_path: Path) -> None:
    bare, sealed, plain = (tmp_path / name for name in ("bare", "sealed", "plain"))
    backup.make(bare)
    backup.make(sealed, passphrase="correct horse")
    backup.make(plain, plain_keys=True)
    originals = crypto.keys_path().read_text()
    for path in (bare, sealed):
        assert crypto.load_keys().index_key.hex().encode() not in path.read_bytes()
        assert json.loads(originals)["index_key"].encode() not in b"".join(
            zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()
        )
    other_keys()
    before = state()
    for path, passphrase in ((bare, ""), (bare, "x"), (sealed, ""), (sealed, "wrong")):
        with pytest.raises(backup.BackupRefused):
            backup.restore(path, replace=True, passphrase=passphrase)
    assert state() == before
    assert backup.read(plain).keys_text == originals
    assert backup.restore(sealed, replace=True, passphrase="correct horse").keys_replaced
    assert crypto.keys_path().read_text() == originals
    assert outbox.read(OutboxMessage.objects.get(person_id=PERSON)) == ("题", "正文")
    for former in crypto.keys_path().parent.glob("keys.before-restore-*"):
        former.unlink()


def test_a_failed_restore_brings_the_former_keys_back(
    house: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plain"
    backup.make(path, plain_keys=True)
    other_keys()
    before = state()

    def fail(*_: object) -> None:
        raise backup.BackupRefused("planted")

    monkeypatch.setattr("wushe.kernel.backup.restoring._compare", fail)
    with pytest.raises(backup.BackupRefused, match="planted"):
        backup.restore(path, replace=True)
    assert state() == before


# --- the forgotten --------------------------------------------------------------------------------------------------


def test_who_was_forgotten_since_stays_forgotten(made: Path) -> None:
    stranger = uuid.uuid4()
    audit.forget(PERSON)
    audit.forget(stranger)
    crypto.add_field_key()  # a key rotated since the backup does not lock it out
    done = backup.restore(made, replace=True)
    assert done.forgotten == [PERSON]
    assert outbox.read(OutboxMessage.objects.get(person_id=PERSON)) == ("", "")
    assert PersonalKey.objects.get(person_id=stranger).destroyed_at is not None
    assert outbox.read(OutboxMessage.objects.get(person_id=None))[0] == "题"


# --- the command line, and from one database to the other -----------------------------------------------------------

# Several commands in one process, which starts once: (exit code, standard output, standard error) of each, as JSON.
PROGRAM = """
    import contextlib, io, json, sys
    from wushe.cli.main import main

    def write():
        from django.db import transaction
        from wushe.cli.start import start
        start()
        from wushe.kernel import audit, outbox
        from wushe.kernel.actor import Actor
        with transaction.atomic():
            for number in range(20):
                audit.record(by=Actor.operator(), verb="t", target=("a.B", number), after={"x": number / 7, "名": "𠮷"})
            outbox.send(by=Actor.operator(), kind="k", subject="s", body="b", to_address="a", channel="COPY_TEXT")

    done = []
    for arguments in json.loads(sys.argv[1]):
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                if arguments == ["write"]:
                    write()
                else:
                    sys.argv = ["wushe", *arguments]
                    main()
            except SystemExit as stop:
                code = stop.code or 0
        done.append([code, out.getvalue(), err.getvalue()])
    print(json.dumps(done))
"""


def commands(environment: dict[str, str], *given: list[str]) -> list[tuple[int, str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), json.dumps(given)],
        env={**environment, "DJANGO_SETTINGS_MODULE": "wushe.config.settings"},
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(code, out, err) for code, out, err in json.loads(done.stdout)]


def digests(path: Path) -> dict[str, str]:
    return {t["name"]: t["digest"] for t in backup.read(path).tables if t["name"] != "kernel_auditevent"}


def test_the_drill_from_sqlite_to_the_database_under_test_and_back(
    tmp_path: Path, fault_fired: Callable[[str], None]
) -> None:
    """The commands themselves, on installations of their own, with the exit codes and the one clear line scripts rely on."""
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    first, second, third, checkpoint, secret = (
        str(tmp_path / name)
        for name in ("first.backup", "second.backup", "third.backup", "checkpoint", "passphrase")
    )
    Path(secret).write_text("correct horse\n")
    with fresh_database("restored") as database_url:
        urls = (f"sqlite:///{folders[0]}/w.sqlite3", database_url, f"sqlite:///{folders[2]}/w.sqlite3")
        one, two, three = (
            program_environment(folder, url) for folder, url in zip(folders, urls, strict=True)
        )

        _, signed, made, checked = commands(
            one,
            ["write"],
            ["audit", "checkpoint", "-o", checkpoint],
            ["backup", "-o", first, "--passphrase-file", secret],
            ["backup", "verify", first, "--json"],
        )
        assert (signed[0], made[0], checked[0]) == (0, 0, 0), (signed, made, checked)
        said = json.loads(checked[1])
        assert (said["whole"], said["keys"], said["fits_this_installation"]) == (True, "sealed", True)

        refused, restored, verified, copied = commands(
            two,
            ["restore", first],
            ["restore", first, "--passphrase-file", secret, "--json"],
            ["audit", "verify", "--checkpoint", checkpoint, "--json"],
            ["backup", "-o", second, "--with-keys"],
        )
        assert (refused[0], refused[2].count("\n")) == (2, 1), refused
        assert (restored[0], json.loads(restored[1])["keys_replaced"]) == (0, True), restored
        report = json.loads(verified[1])
        assert (verified[0], report["ok"], report["checkpoints"], report["sealed"] >= 20) == (
            0,
            True,
            1,
            True,
        )
        assert copied[0] == 0, copied

        restored, full, copied = commands(
            three, ["restore", second], ["restore", second], ["backup", "-o", third]
        )
        assert (restored[0], full[0], copied[0]) == (0, 2, 0), (restored, full, copied)
        assert (
            backup.read(Path(second)).manifest["database"]
            == os.environ["WUSHE_DATABASE_URL"].partition(":")[0]
        )
        assert digests(Path(first)) == digests(Path(second)) == digests(Path(third))

        damaged = bytearray(Path(second).read_bytes())
        damaged[len(damaged) // 2] ^= 1
        Path(second).write_bytes(damaged)
        fault_fired("bit flipped")
        checked, refused = commands(three, ["backup", "verify", second], ["restore", second, "--replace"])
        assert (checked[0], checked[2].count("\n")) == (1, 1), checked
        assert (refused[0], refused[2].count("\n")) == (2, 1), refused
