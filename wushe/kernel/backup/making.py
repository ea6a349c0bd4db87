"""Making a backup beside a working system."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from wushe import __version__
from wushe.kernel import crypto
from wushe.kernel.backup import archive, tables
from wushe.kernel.backup.tables import Digest, Reader, Table
from wushe.kernel.ids import new_id

Progress = Callable[[str], None]

_LINES = 1000


def make(
    path: Path, *, passphrase: str = "", plain_keys: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Write a backup to `path`, whole or not at all, and return its manifest.

    All tables are read at one instant while others go on writing. Keys go in sealed under `passphrase`, readably with `plain_keys`,
    else not at all. Uploads are write-once files; one that is removed while being copied is left out, as its row's later state is.
    """
    say = progress or (lambda _: None)
    keys_text = crypto.keys_path().read_text()
    manifest: dict[str, Any] = {
        "format": archive.FORMAT,
        "id": str(new_id()),
        "made_at": timezone.now().isoformat(),
        "wushe": __version__,
        "database": connection.vendor,
        "migrations": sorted(MigrationRecorder(connection).applied_migrations()),
        "keys": {
            "included": "sealed" if passphrase else "plain" if plain_keys else "absent",
            "fingerprints": archive.fingerprints(crypto.load_keys()),
        },
        "left_out": tables.strangers(connection),
    }
    with archive.writing(path) as file:
        with tables.reading(DEFAULT_DB_ALIAS) as reader:
            manifest["tables"] = [_table(file, reader, table, say) for table in tables.tables()]
        manifest["uploads"] = _uploads(file, Path(settings.MEDIA_ROOT), say)
        if passphrase:
            file.writestr("keys.sealed.json", archive.seal_keys(keys_text, passphrase))
        elif plain_keys:
            file.writestr("keys.json", keys_text)
        file.writestr("manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1))
    return manifest


def _table(file: zipfile.ZipFile, reader: Reader, table: Table, say: Progress) -> dict[str, Any]:
    digest = Digest()
    with file.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as member:
        lines: list[bytes] = []
        for row in reader.rows(table):
            line = tables.line_of(row)
            digest.add(line)
            lines.append(line)
            if len(lines) == _LINES:
                member.write(b"\n".join(lines) + b"\n")
                lines.clear()
        if lines:
            member.write(b"\n".join(lines) + b"\n")
    say(f"{table.name}: {digest.rows}")
    return {"name": table.name, "columns": table.columns, "rows": digest.rows, "digest": digest.hex}


def _uploads(file: zipfile.ZipFile, folder: Path, say: Progress) -> list[dict[str, Any]]:
    found = []
    for path in (
        sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()) if folder.exists() else ()
    ):
        name = path.relative_to(folder).as_posix()
        total, size = hashlib.sha256(), 0
        try:
            source = path.open("rb")
        except FileNotFoundError:
            continue
        with source, file.open(f"uploads/{name}", "w", force_zip64=True) as member:
            while chunk := source.read(1 << 20):
                total.update(chunk)
                size += len(chunk)
                member.write(chunk)
        found.append({"path": name, "size": size, "sha256": total.hexdigest()})
    say(f"uploads: {len(found)}")
    return found
