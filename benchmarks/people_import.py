"""The claim: 100,000 people with 3 % faulty rows are checked, then imported, in under 60 s each and under 500 MB.

Makes the spreadsheets itself, runs the real exchange on SQLite and, where a PostgreSQL is found, on PostgreSQL, each in a process of
its own with an empty database. Prints seconds, the peak memory of that process and of the parser beside it, and the longest time a
small write of another process had to wait while the import was carried out. The peer, in the same run: the same rows put on record
one by one through `create_person`, on a sample.

    python benchmarks/people_import.py [--people 100000] [--sample 1000] [--only sqlite|postgresql]
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
_FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
_GIVEN = "合成示例测试演练样本仿真模拟虚构甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
HEAD = [
    "序号",
    "姓名",
    "性别",
    "出生年月日",
    "身份证号码",
    "联系电话",
    "所属社区",
    "家庭住址",
    "志愿者编号",
    "备注",
]
COMMUNITIES = 60


def identity(area: str, born: date, serial: int) -> str:
    """Return an identity number with a right check character."""
    digits = f"{area}{born:%Y%m%d}{serial:03d}"
    return digits + "10X98765432"[sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(digits)) % 11]


def rows(people: int, faulty: float, seed: int = 1) -> Any:
    """Yield the rows of one sheet; a share of them with one of the faults that lists really have."""
    chance = random.Random(seed)
    for number in range(people):
        name = chance.choice(_FAMILY) + "".join(chance.choices(_GIVEN, k=2))
        # No two people share day and serial: a number given twice would be one person.
        born = date(1940, 1, 1) + timedelta(days=number % 25_000)
        serial = number // 25_000 * 2 + (male := chance.random() < 0.5)
        card = identity("150603", born, serial)
        row = [
            number + 1, name, "男" if male else "女", f"{born.year}年{born.month}月{born.day}日",
            card, f"1{3000000000 + number:010d}", f"示例社区{number % COMMUNITIES:02d}",
            f"示范路{number % 900 + 1}号", f"S{number:08d}", "",
        ]  # fmt: skip
        if chance.random() < faulty:
            fault = chance.randrange(6)
            if fault == 0:
                row[1] = ""
            elif fault == 1:
                row[3] = "1956年2月30日"
            elif fault == 2:
                row[4] = card[:-1] + ("1" if card[-1] != "1" else "2")
            elif fault == 3:
                row[5] = "138001380"
            elif fault == 4:
                row[6] = "没有这个社区"
            else:
                row[2] = "不明白"
        yield row


def write(path: Path, people: int, faulty: float) -> None:
    """Write the sheet as an office would keep it: a title above, the header below it."""
    import xlsxwriter

    workbook = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    sheet = workbook.add_worksheet("花名册")
    sheet.write_string(0, 0, "居民花名册（演练数据）")
    sheet.write_row(1, 0, HEAD)
    for number, row in enumerate(rows(people, faulty), start=2):
        sheet.write_row(number, 0, row)
    workbook.close()


def peak_memory() -> int:
    """Return the peak resident memory of this process in MB; on Linux of this program alone, not of what it was started from."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def parser_memory(path: Path) -> int:
    """Return the peak memory in MB of the process that parses the workbook, measured from a small one."""
    measure = (
        "import resource, subprocess, sys;"
        "subprocess.run([sys.executable, '-m', 'wushe.community.exchange.reading', str(340 << 20), '30'],"
        " stdin=open(sys.argv[1], 'rb'), stdout=subprocess.DEVNULL, check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, str(path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return int(done.stdout)


def write_meanwhile() -> None:
    """Be another user: small writes, one after the other, until standard input ends; print the longest wait in seconds."""
    from wushe.cli.start import start

    start()
    from django.db import transaction

    from wushe.community.models import Place

    place = Place.objects.get(code="150603")
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
    longest = 0.0
    print("begun", flush=True)
    while not ended.is_set():
        asked = time.perf_counter()
        with transaction.atomic():
            Place.objects.filter(pk=place.pk).update(valid_from=place.valid_from)
        longest = max(longest, time.perf_counter() - asked)
        time.sleep(0.02)
    print(longest, flush=True)


def child(folder: Path, people: int, sample: int) -> None:
    """Measure in this process, on the database of the environment, and print one JSON object."""
    from wushe.cli.start import start

    start()
    from django.db import connection
    from django.utils import timezone

    from wushe.community.exchange import runs
    from wushe.community.models import ContactPoint, Person, Place
    from wushe.community.operations import places
    from wushe.community.operations.people import create_person
    from wushe.community.rules.people import NewPerson
    from wushe.kernel.actor import Actor

    actor = Actor.operator("benchmark")
    parent = None
    for code, name, level in (
        ("15", "示例自治区", 1),
        ("1506", "示例市", 2),
        ("150603", "示例区", 3),
        ("150603001", "示例街道", 4),
    ):
        parent = places.create_place(
            by=actor, parent_id=parent.pk if parent else None, level=level, name=name, code=code
        )
    assert parent is not None
    for number in range(COMMUNITIES):
        places.create_place(
            by=actor,
            parent_id=parent.pk,
            level=5,
            name=f"示例社区{number:02d}",
            code=f"150603001{number + 1:03d}",
        )
    printed: dict[str, Any] = {"database": connection.vendor, "people": people}

    def step(name: str, work: Any) -> Any:
        began = time.perf_counter()
        done = work()
        printed[name] = round(time.perf_counter() - began, 1)
        return done

    content = (folder / "faulty.xlsx").read_bytes()
    run = runs.open_import(by=actor, kind="people", file_name="faulty.xlsx", content=content, keep_file=False)
    run = step("dry_run_seconds", lambda: runs.check(by=actor, run=run, content=content))
    printed["faulty_rows"] = run.fault_count
    runs.discard(by=actor, run=run)
    content = (folder / "corrected.xlsx").read_bytes()
    began = time.perf_counter()
    run = runs.open_import(
        by=actor, kind="people", file_name="corrected.xlsx", content=content, keep_file=False
    )
    run = step("check_corrected_seconds", lambda: runs.check(by=actor, run=run, content=content))
    assert run.fault_count == 0, run.fault_count
    writer = subprocess.Popen(
        [sys.executable, __file__, "--writer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdout.readline()  # it has begun
    run = step("do_seconds", lambda: runs.carry_out(by=actor, run=run))
    writer.stdin.close()
    longest_wait = float(writer.stdout.readline())
    writer.wait()
    printed["import_seconds"] = round(time.perf_counter() - began, 1)
    printed["longest_wait_of_another_write_seconds"] = round(longest_wait, 2)
    assert Person.objects.count() == people, Person.objects.count()
    run_again = runs.open_import(
        by=actor, kind="people", file_name="corrected.xlsx", content=content, keep_file=False
    )
    run_again = step("check_again_seconds", lambda: runs.check(by=actor, run=run_again, content=content))
    assert (run_again.created_count, run_again.updated_count) == (0, 0)
    runs.discard(by=actor, run=run_again)
    step("undo_seconds", lambda: runs.undo(by=actor, run=run))
    assert not Person.objects.exists()
    assert not ContactPoint.objects.exists()
    printed["peak_memory_mb"] = peak_memory()
    printed["peak_memory_of_parser_mb"] = parser_memory(folder / "corrected.xlsx")

    home = Place.objects.get(code="150603001001")

    def one_by_one() -> None:
        for row in rows(sample, 0):
            create_person(
                by=actor,
                values=NewPerson(
                    row[1],
                    home.pk,
                    birth_on=None,
                    phones=(row[5],),
                    identity_number=row[4],
                    address=row[7],
                    volunteer_number=row[8],
                ),
                at=timezone.now(),
            )

    seconds = step("peer_sample_seconds", one_by_one)
    del seconds
    printed["peer"] = f"{sample} people one by one through create_person"
    printed["peer_seconds_for_all"] = round(printed["peer_sample_seconds"] * people / sample)
    print(json.dumps(printed, ensure_ascii=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=1_000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--writer", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wushe.config.settings")
    if given.writer:
        write_meanwhile()
        return
    if given.folder:
        child(given.folder, given.people, given.sample)
        return
    with tempfile.TemporaryDirectory(prefix="wushe-import-") as name:
        folder = Path(name)
        write(folder / "faulty.xlsx", given.people, 0.03)
        write(folder / "corrected.xlsx", given.people, 0)
        databases = {"sqlite": f"sqlite:///{folder}/wushe.sqlite3"}
        if given.only != "sqlite":
            from tests.support.database import NoPostgreSQL, start_cluster

            try:
                databases["postgresql"] = start_cluster().url
            except NoPostgreSQL as error:
                print(f"postgresql: {error}", file=sys.stderr)
        for kind, url in databases.items():
            if given.only in (None, kind):
                environment = {
                    **os.environ,
                    "WUSHE_DATA": str(folder / kind),
                    "WUSHE_DATABASE_URL": url,
                    "WUSHE_LOG_LEVEL": "WARNING",
                }
                command = [
                    sys.executable,
                    __file__,
                    "--folder",
                    name,
                    "--people",
                    str(given.people),
                    "--sample",
                    str(given.sample),
                ]
                subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
