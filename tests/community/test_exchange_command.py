"""`wushe import` and `wushe export` as programs: exit codes, what is printed where, and SIGKILL at any moment."""

import csv
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.database import fresh_database
from tests.support.site import ROOT, program_environment, run_wushe

_PLACES = """
from wushe.cli.start import start
start()
from wushe.community.operations import places
from wushe.kernel.actor import Actor
by, parent = Actor.operator("test"), None
for code, name, level in (("15", "测试自治区", 1), ("1506", "测试市", 2), ("150603", "测试区", 3), ("150603001", "东街街道", 4)):
    parent = places.create_place(by=by, parent_id=parent.pk if parent else None, level=level, name=name, code=code)
for number, name in enumerate(("槐花社区", "杏林社区"), start=1):
    places.create_place(by=by, parent_id=parent.pk, level=5, name=name, code=f"150603001{number:03d}")
"""
_STATE = """
import json
from wushe.cli.start import start
start()
from wushe.community.models import ContactPoint, ImportedRow, ImportRun, Person, PersonKey
people = list(Person.objects.values_list("pk", flat=True))
print(json.dumps({"people": len(people), "contacts": ContactPoint.objects.count(),
  "without_key": sum(not PersonKey.objects.filter(person=pk).exists() for pk in people),
  "done": ImportRun.objects.filter(status="DONE").count(),
  "numbers": sorted(Person.objects.values_list("volunteer_number", "name"))}))
"""


def python(environment: dict[str, str], code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def house(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A database of its own with a few places, and the environment of a program on it."""
    with fresh_database("exchange") as url:
        environment = program_environment(tmp_path / "data", url)
        environment["DJANGO_SETTINGS_MODULE"] = "wushe.config.settings"
        python(environment, _PLACES)
        yield environment


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_import_undo_template_export(house: dict[str, str], tmp_path: Path) -> None:
    good = write(
        tmp_path / "good.csv",
        [
            ["姓名", "手机", "社区"],
            ["合成甲", "13800138000", "槐花社区"],
            ["=合成乙", "13800138001", "杏林社区"],
        ],
    )
    bad = write(tmp_path / "bad.csv", [["姓名", "手机", "社区"], ["合成甲", "138", "槐花社区"]])
    # A question that is answered with no, and bad input: one line each, nothing changed.
    dry = run_wushe(house, "import", "people", str(bad), "--dry-run", check=False)
    assert dry.returncode == 1
    assert "2\tFAULT\t合成甲" in dry.stdout
    real = run_wushe(house, "import", "people", str(bad), check=False)
    assert real.returncode == 2
    for wrong in (
        ["people", str(tmp_path / "none.csv")],
        ["cattle", str(good)],
        ["people", str(good), "--as", "nobody"],
    ):
        refused = run_wushe(house, "import", *wrong, check=False)
        assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1), refused
    hostile = tmp_path / "hostile.xlsx"
    hostile.write_bytes(b"%PDF-1.7")
    refused = run_wushe(house, "import", "people", str(hostile), "--json", check=False)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert len(refused.stderr.strip().splitlines()) == 1
    # JSON: one object on standard output and nothing else.
    asked = json.loads(run_wushe(house, "import", "people", str(good), "--dry-run", "--json").stdout)
    assert (asked["created"], asked["done"], len(asked["report"])) == (2, False, 2)
    done = json.loads(run_wushe(house, "import", "people", str(good), "--json").stdout)
    assert (done["created"], done["done"], done["status"]) == (2, True, "DONE")
    run_wushe(house, "export", "people", "-o", str(tmp_path / "out.csv"))
    again = json.loads(run_wushe(house, "import", "people", str(tmp_path / "out.csv"), "--json").stdout)
    assert (again["created"], again["updated"], again["unchanged"], again["faults"]) == (0, 0, 2, 0), again
    assert "'=合成乙" in (tmp_path / "out.csv").read_text("utf-8-sig")
    assert run_wushe(house, "export", "people", "-o", str(tmp_path / "out.pdf"), check=False).returncode == 2
    run_wushe(house, "import", "undo", done["run"])
    assert json.loads(python(house, _STATE))["people"] == 0
    assert run_wushe(house, "import", "undo", done["run"], check=False).returncode == 2
    template = tmp_path / "people.xlsx"
    run_wushe(house, "import", "template", "people", "-o", str(template))
    empty = json.loads(run_wushe(house, "import", "people", str(template), "--json").stdout)
    assert (empty["rows"], empty["notes"]) == (0, [])


def test_killed_at_any_moment_it_is_all_or_nothing(
    house: dict[str, str], tmp_path: Path, size: str, fault_fired: Callable[[str], None]
) -> None:
    """SIGKILL at random moments, then once more to the end: the same people as one clean run, nobody twice, nobody unsearchable."""
    rows = [["姓名", "手机", "志愿者编号", "社区"]]
    rows += [
        [f"合成{chr(0x4E00 + n)}", f"138{n:08d}", f"V{n:05d}", "槐花社区" if n % 2 else "杏林社区"]
        for n in range(3000)
    ]
    file = write(tmp_path / "many.csv", rows)
    began = time.monotonic()
    run_wushe(house, "import", "people", str(file), "--dry-run")
    whole = time.monotonic() - began
    chance = random.Random(7)
    killed = 0
    for _ in range(20 if size == "full" else 3):
        process = subprocess.Popen(
            [sys.executable, "-m", "wushe.cli.main", "import", "people", str(file)],
            env=house, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(chance.uniform(0.4, 1.15) * whole)
        if process.poll() is None:
            process.kill()
            killed += 1
            fault_fired("import killed")
        process.wait()
        state = json.loads(python(house, _STATE))
        assert state["people"] in (0, 3000), "half an import was left behind"
        assert state["without_key"] == 0
        if state["people"]:
            break
    run_wushe(house, "import", "people", str(file))
    state = json.loads(python(house, _STATE))
    assert state["people"] == state["contacts"] == 3000
    assert state["without_key"] == 0
    assert state["numbers"] == sorted([row[2], row[0]] for row in rows[1:])
    assert killed > 0
