"""The claims: `wushe audit verify` checks over 20,000 records a second; a backup and its restore run at over so many rows a second in bounded memory.

Writes audit records through the kernel's own tables (nine in ten of them in full batches, the rest in batches of three, as on a quiet
evening), seals, verifies, backs up, and restores into the same database. Prints one JSON line a database. The peer in the same run: SHA-256
over the same records by the bare standard library, without database or tree, which is the most any verifier in Python could reach.

    python benchmarks/audit_and_backup.py [--records 200000] [--only sqlite|postgresql]
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

IMAGE = '{"born_on":"1990-01-01","id":"0190f0f0-0000-7000-8000-000000000000","name":"示例","place_id":"0190f0f0-0000","status":"ACTIVE"}'


def child(records: int, folder: Path) -> None:
    """Measure on the database of the environment; print one JSON line."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "wushe.config.settings"
    from wushe.cli.start import start

    start()
    from django.db import connection
    from django.utils import timezone

    from wushe.kernel import backup, sealing
    from wushe.kernel.ids import new_id
    from wushe.kernel.models import AuditEvent

    printed: dict[str, Any] = {"database": connection.vendor, "records": records}

    def event() -> AuditEvent:
        return AuditEvent(
            id=new_id(), at=timezone.now(), actor_kind="account", actor_id=str(uuid.uuid4()), verb="person.edit",
            target_label="community.Person", target_id=str(uuid.uuid4()), place_path="/15/1506/", before=IMAGE, after=IMAGE,
        )  # fmt: skip

    def rate(name: str, count: int, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        printed[f"{name}_per_second"] = round(count / (time.perf_counter() - began))
        return result

    many = records * 9 // 10
    for start_ in range(0, many, 10_000):
        AuditEvent.objects.bulk_create([event() for _ in range(min(10_000, many - start_))], batch_size=1000)
    rate("seal", many, sealing.seal)
    for _ in range((records - many) // 3):
        AuditEvent.objects.bulk_create([event() for _ in range(3)])
        sealing.seal(timezone.now() - timedelta(seconds=5))
    total = AuditEvent.objects.count()
    report = rate("verify", total, sealing.verify)
    assert report.ok
    assert report.sealed == total
    printed["batches"] = report.batches

    lines = [json.dumps([str(uuid.uuid4()), IMAGE, IMAGE]).encode() for _ in range(50_000)]
    rate("peer_bare_sha256", len(lines), lambda: [hashlib.sha256(line).digest() for line in lines])

    path = folder / f"{connection.vendor}.backup"
    manifest = backup.make(path)
    rows = sum(table["rows"] for table in manifest["tables"])
    rate("backup_rows", rows, lambda: backup.make(path))
    rate("backup_verify_rows", rows, lambda: backup.check(backup.read(path)))
    rate("restore_rows", rows, lambda: backup.restore(path, replace=True))
    printed["backup_mb"] = round(path.stat().st_size / 1e6, 1)
    printed["rows"] = rows
    printed["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(printed))


def main() -> None:
    """Run the child on each database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        child(given.records, given.folder)
        return
    with tempfile.TemporaryDirectory(prefix="wushe-audit-") as name:
        databases = {"sqlite": f"sqlite:///{name}/wushe.sqlite3"}
        if given.only != "sqlite":
            from tests.support.database import start_cluster

            databases["postgresql"] = start_cluster().url
        for kind, url in databases.items():
            if given.only in (None, kind):
                environment = {
                    **os.environ,
                    "WUSHE_DATA": f"{name}/{kind}",
                    "WUSHE_DATABASE_URL": url,
                    "WUSHE_LOG_LEVEL": "WARNING",
                }
                command = [sys.executable, __file__, "--folder", name, "--records", str(given.records)]
                subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
