"""People from spreadsheets: what is taken over, what is refused and why, twice the same, undo, both databases."""

import csv
import io
from typing import Any

import pytest
import xlsxwriter

from tests.factories.organizations import District
from wushe.community.exchange import runs
from wushe.community.models import ContactPoint, ImportedRow, Person, PersonKey
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent

pytestmark = pytest.mark.django_db

OPERATOR = Actor.operator("test")


def book(*rows: list[Any], **options: Any) -> bytes:
    """Return a workbook of one sheet."""
    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    sheet = workbook.add_worksheet("名单")
    day = workbook.add_format({"num_format": "yyyy-mm-dd"})
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            if value is None:
                continue
            if hasattr(value, "year"):
                sheet.write_datetime(number, column, value, day)
            elif isinstance(value, str):
                sheet.write_string(number, column, value)
            else:
                sheet.write(number, column, value)
    workbook.close()
    return out.getvalue()


def text_table(*rows: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def checked(content: bytes, by: Actor = OPERATOR, name: str = "名单.xlsx", **options: Any) -> Any:
    run = runs.open_import(by=by, kind="people", file_name=name, content=content, keep_file=False, **options)
    return runs.check(by=by, run=run, content=content)


def faults(run: Any, by: Actor = OPERATOR) -> dict[int, list[str]]:
    found = runs.reported(run, list(runs.rows_of(by, run, action="FAULT")))
    return {row.line: [fault.code for fault in row.faults] for row in found}


@pytest.fixture
def district() -> District:
    return District()


HEAD = ["姓名", "性别", "出生日期", "手机号码", "所属社区"]


def test_a_plain_list_comes_in(district: District) -> None:
    content = book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"], ["合成乙", "男", None, 13800138001.0, "东街街道/杏林社区"])
    run = checked(content)
    assert (run.row_count, run.created_count, run.fault_count) == (2, 2, 0), faults(run)
    assert Person.objects.count() == 0  # a check changes nothing
    run = runs.carry_out(by=OPERATOR, run=run)
    assert run.status == "DONE"
    people = {person.name: person for person in Person.objects.select_related("place")}
    assert people["合成甲"].birth_on.isoformat() == "1956-03-08"
    assert people["合成乙"].place == district["150603001002"]
    assert ContactPoint.objects.get(person=people["合成乙"]).value == "13800138001"
    assert PersonKey.objects.filter(person=people["合成甲"], kind="N", key="合成甲").exists()
    assert AuditEvent.objects.filter(verb="import", target_id=str(run.pk)).count() == 1
    assert not ImportedRow.objects.exclude(payload="").exists()


def test_the_same_file_twice_changes_nothing(district: District) -> None:
    content = book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"], ["合成乙", None, None, None, "槐花社区"], ["合成乙", None, None, "13800138009", "槐花社区"])
    runs.carry_out(by=OPERATOR, run=checked(content))
    before = Person.objects.count()
    run = checked(content)
    assert (run.created_count, run.updated_count, run.unchanged_count, run.fault_count) == (0, 0, 3, 0), faults(run)
    runs.carry_out(by=OPERATOR, run=run)
    assert Person.objects.count() == before == 3


def test_update_and_undo_restore_every_value(district: District) -> None:
    content = book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"])
    runs.carry_out(by=OPERATOR, run=checked(content))
    before = list(Person.objects.values())
    contacts = list(ContactPoint.objects.values())
    keys = sorted(PersonKey.objects.values_list("person_id", "kind", "key", "county", "street"))
    changed = book([*HEAD, "住址"], ["合成甲", "男", "1956-03-09", "13800138000、13900139000", "杏林社区", "示范路1号"])
    run = checked(changed)
    assert (run.updated_count, run.fault_count) == (1, 0), faults(run)
    [row] = runs.reported(run, list(runs.rows_of(OPERATOR, run)))
    assert {change[0] for change in row.changes} == {"性别", "出生日期", "所在社区", "住址", "电话"}
    run = runs.carry_out(by=OPERATOR, run=run)
    person = Person.objects.get()
    assert (person.sex, person.place_id, person.address) == ("MALE", district["150603001002"].pk, "示范路1号")
    assert ContactPoint.objects.count() == 2
    run = runs.undo(by=OPERATOR, run=run)
    assert run.status == "UNDONE"
    assert list(Person.objects.values()) == before
    assert list(ContactPoint.objects.values()) == contacts
    assert sorted(PersonKey.objects.values_list("person_id", "kind", "key", "county", "street")) == keys


def test_undo_of_new_people_leaves_nothing(district: District) -> None:
    run = runs.carry_out(by=OPERATOR, run=checked(book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"])))
    runs.undo(by=OPERATOR, run=run)
    assert not Person.objects.exists()
    assert not ContactPoint.objects.exists()
    assert not PersonKey.objects.exists()
