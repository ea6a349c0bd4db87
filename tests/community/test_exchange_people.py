"""People from spreadsheets: what is taken over, what is refused and why, twice the same, undo, both databases."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
import xlsxwriter
from django.utils import timezone

from tests.factories.accounts import make_account
from tests.factories.organizations import District, make_member, make_organization
from tests.factories.people import make_person
from wushe.community.exchange import files, runs, sheets
from wushe.community.models import ContactPoint, Guardianship, ImportedRow, Membership, Person, PersonKey
from wushe.community.operations import imports as operations
from wushe.community.operations import people as people_operations
from wushe.community.queries.accounts import actor_for_account
from wushe.community.rules import people as rules
from wushe.kernel import policy
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
    content = book(
        HEAD,
        ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"],
        ["合成乙", "男", None, 13800138001.0, "东街街道/杏林社区"],
    )
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
    content = book(
        HEAD,
        ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"],
        ["合成乙", None, None, None, "槐花社区"],
        ["合成乙", None, None, "13800138009", "槐花社区"],
    )
    runs.carry_out(by=OPERATOR, run=checked(content))
    before = Person.objects.count()
    run = checked(content)
    assert (run.created_count, run.updated_count, run.unchanged_count, run.fault_count) == (0, 0, 3, 0), (
        faults(run)
    )
    runs.carry_out(by=OPERATOR, run=run)
    assert Person.objects.count() == before == 3


def test_update_and_undo_restore_every_value(district: District) -> None:
    content = book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"])
    runs.carry_out(by=OPERATOR, run=checked(content))
    before = list(Person.objects.values())
    contacts = list(ContactPoint.objects.values())
    keys = sorted(PersonKey.objects.values_list("person_id", "kind", "key", "county", "street"))
    changed = book(
        [*HEAD, "住址"], ["合成甲", "男", "1956-03-09", "13800138000、13900139000", "杏林社区", "示范路1号"]
    )
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
    run = runs.carry_out(
        by=OPERATOR, run=checked(book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"]))
    )
    runs.undo(by=OPERATOR, run=run)
    assert not Person.objects.exists()
    assert not ContactPoint.objects.exists()
    assert not PersonKey.objects.exists()
    with pytest.raises(operations.ImportNotReady):
        runs.undo(by=OPERATOR, run=run)


def test_undo_keeps_whom_somebody_worked_on_since(district: District) -> None:
    content = book(
        HEAD, *([f"合成{c}", "女", None, f"1380013800{n}", "槐花社区"] for n, c in enumerate("甲乙丙丁"))
    )
    run = runs.carry_out(by=OPERATOR, run=checked(content))
    people_ = {person.name: person for person in Person.objects.all()}
    organization = make_organization(district["150603001001"])
    make_member(people_["合成甲"], organization, "VOLUNTEER")
    people_operations.add_contact(
        by=OPERATOR, person_id=people_["合成乙"].pk, kind="PHONE", value="13900139000"
    )
    row = people_["合成丙"]
    people_operations.edit_person(
        by=OPERATOR, person_id=row.pk, seen=people_operations.seen_token(row), sex="MALE"
    )
    run = runs.undo(by=OPERATOR, run=run)
    assert run.kept_count == 3
    assert set(Person.objects.values_list("name", flat=True)) == {"合成甲", "合成乙", "合成丙"}
    kept = runs.reported(run, list(runs.rows_of(OPERATOR, run).filter(is_kept=True)))
    assert [row.line for row in kept] == [2, 3, 4]


def test_one_fault_and_nothing_comes_in(district: District) -> None:
    run = checked(
        book(
            HEAD,
            ["合成甲", "女", None, "13800138000", "槐花社区"],
            ["合成乙", "女", "1956-02-30", None, "槐花社区"],
        )
    )
    assert faults(run) == {3: ["date.no_such_day"]}
    with pytest.raises(operations.ImportHasFaults):
        runs.carry_out(by=OPERATOR, run=run)
    assert not Person.objects.exists()
    assert not PersonKey.objects.exists()


def card(born: str, serial: int) -> str:
    digits = f"150603{born}{serial:03d}"
    return digits + rules._identity_check(digits)


def test_identity_numbers_are_checked_sealed_and_never_shown(district: District) -> None:
    head = ["姓名", "身份证号", "出生日期", "性别", "社区"]
    good, wrong = card("19560308", 123), card("19560308", 125)[:-1] + "Q"
    content = book(
        head,
        ["合成甲", good, None, None, "槐花社区"],
        ["合成乙", wrong, None, None, "槐花社区"],
        ["合成丙", 150603195603081230.0, None, None, "槐花社区"],
        ["合成丁", card("19560308", 127), "1956-03-09", None, "槐花社区"],
        ["合成戊", card("19560308", 129), "56.3.8", "男", "槐花社区"],
        ["合成己", card("19560308", 131), "1956-3", "女", "槐花社区"],
    )
    run = checked(content)
    assert faults(run) == {
        3: ["identity.wrong"], 4: ["number.digits_lost"], 5: ["date.birth_differs"], 7: ["person.identity_other_sex"],
    }  # fmt: skip
    told = " ".join(str(row.as_json()) for row in runs.reported(run, list(runs.rows_of(OPERATOR, run))))
    assert good not in told
    assert wrong not in told
    run = runs.carry_out(
        by=OPERATOR, run=checked(book(head, ["合成甲", good.lower(), None, None, "槐花社区"]))
    )
    person = Person.objects.get()
    assert (person.birth_on.isoformat(), person.sex, person.identity_number) == ("1956-03-08", "MALE", good)
    # Found again by the number alone, whatever else changed place.
    again = checked(book(head, ["合成甲", good, None, None, "杏林社区"]))
    assert (again.updated_count, again.created_count) == (1, 0)


def test_same_people_in_one_file(district: District) -> None:
    run = checked(
        book(
            HEAD,
            ["合成甲", "女", None, "13800138000", "槐花社区"],
            ["合成甲", "女", None, "13800138000", "槐花社区"],
            ["合成甲", "女", None, "13800138000", "杏林社区"],
            ["合成甲", "女", None, "13800138001", "槐花社区"],
            ["合成甲", "女", "1956-03-08", None, "槐花社区"],
            ["合成甲", "男", "1966-03-08", None, "槐花社区"],
        )
    )
    assert faults(run) == {4: ["row.twice"]}
    assert (run.created_count, run.unchanged_count) == (4, 1)


def test_volunteer_numbers(district: District) -> None:
    head = ["姓名", "志愿者编号", "是否志愿者", "社区"]
    run = runs.carry_out(
        by=OPERATOR,
        run=checked(book(head, ["合成甲", "V-1", None, "槐花社区"], ["合成乙", None, "是", "槐花社区"])),
    )
    numbers = dict(Person.objects.values_list("name", "volunteer_number"))
    assert numbers["合成甲"] == "V-1"
    assert rules.is_own_number(numbers["合成乙"])
    run = checked(book(head, ["合成丙", "v-1", None, "槐花社区"], ["合成乙", None, "是", "槐花社区"]))
    assert faults(run) == {2: ["row.number_of_another"]}
    assert run.unchanged_count == 1


def test_children_need_their_guardian_and_siblings_share_one(district: District) -> None:
    head = ["姓名", "出生日期", "监护人", "监护人电话", "监护关系", "同意方式", "社区"]
    run = checked(book(head, ["合成童", "2018-05-01", None, None, None, None, "槐花社区"]))
    assert faults(run) == {2: ["person.guardian_required"]}
    content = book(
        head,
        ["合成童", "2018-05-01", "合成母", "13800138000", "母亲", "纸质", "槐花社区"],
        ["合成妹", "2020-05-01", "合成母", "13800138000", "母亲", "纸质", "槐花社区"],
    )
    run = checked(content)
    assert not run.fault_count, faults(run)
    run = runs.carry_out(by=OPERATOR, run=run)
    assert Person.objects.count() == 3
    assert Guardianship.objects.count() == 2
    again = checked(content)
    assert (again.created_count, again.unchanged_count) == (0, 2)
    runs.undo(by=OPERATOR, run=run)
    assert not Person.objects.exists()
    assert not Guardianship.objects.exists()


def test_organization_and_capacity_come_with_the_person(district: District) -> None:
    make_organization(district["150603001001"], "合成志愿队", "VOLUNTEER_TEAM")
    head = ["姓名", "电话", "所属队伍", "身份", "社区"]
    content = book(
        head,
        ["合成甲", "13800138000", "合成志愿队", "队长", "槐花社区"],
        ["合成乙", None, "没有这个队", None, "槐花社区"],
        ["合成丙", None, None, "社工", "槐花社区"],
    )
    run = checked(content)
    assert faults(run) == {3: ["organization.not_found"], 4: ["membership.organization_missing"]}
    run = runs.carry_out(
        by=OPERATOR, run=checked(book(head, ["合成甲", "13800138000", "合成志愿队", "队长", "槐花社区"]))
    )
    assert Membership.objects.get().capacity == "LEADER"
    run = runs.carry_out(
        by=OPERATOR, run=checked(book(head, ["合成甲", "13800138000", "合成志愿队", "志愿者", "槐花社区"]))
    )
    assert Membership.objects.count() == 2
    runs.undo(by=OPERATOR, run=run)
    assert Membership.objects.get().capacity == "LEADER"


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_a_worker_reaches_only_their_own_places_and_learns_nothing_of_others(district: District) -> None:
    elsewhere = runs.carry_out(
        by=OPERATOR,
        run=checked(
            book([*HEAD, "志愿者编号"], ["别处甲", "女", "1956-03-08", "13800138000", "松岭社区", "V-9"])
        ),
    )
    assert elsewhere.status == "DONE"
    _account, worker = make_account(role=policy.COMMUNITY_WORKER, place=district["150603001001"])
    content = book(
        [*HEAD, "志愿者编号"],
        ["别处甲", "女", "1956-03-08", "13800138000", "松岭社区", None],
        ["别处甲", "女", "1956-03-08", "13800138000", "没有的社区", None],
        ["别处甲", "女", "1956-03-08", "13800138000", "槐花社区", "V-9"],
    )
    run = checked(content, worker)
    found = runs.reported(run, list(runs.rows_of(worker, run, action="FAULT")))
    said = {row.line: [(fault.code, fault.text) for fault in row.faults] for row in found}
    # A community of another district and one that does not exist get word for word the same answer.
    assert said[2][0][1].replace("松岭社区", "X") == said[3][0][1].replace("没有的社区", "X")
    assert said[4][0][0] == "row.number_taken"
    assert not run.created_count
    run = checked(book(HEAD, ["别处甲", "女", "1956-03-08", "13800138000", "槐花社区"]), worker)
    assert (run.created_count, run.note_count) == (1, 0)  # the same person elsewhere is not even hinted at


def test_rows_without_a_place_belong_to_the_workers_own_community(district: District) -> None:
    _account, worker = make_account(role=policy.COMMUNITY_WORKER, place=district["150603001001"])
    run = runs.carry_out(by=worker, run=checked(book(["姓名"], ["合成甲"]), worker))
    assert Person.objects.get(name="合成甲").place == district["150603001001"]
    run = checked(book(["姓名", "性别"], ["合成乙", "女"]))
    assert faults(run) == {2: ["place.missing"]}
    run = checked(book(["姓名", "性别"], ["合成乙", "女"]), default_place=district["150603001002"])
    assert run.created_count == 1


def test_rights_are_asked_again_when_it_is_carried_out(district: District) -> None:
    account, worker = make_account(role=policy.COMMUNITY_WORKER, place=district["150603001001"])
    run = checked(book(["姓名"], ["合成甲"]), worker)
    account.grants.update(revoked_at=timezone.now())
    with pytest.raises(policy.Refused):
        runs.carry_out(by=actor_for_account(account), run=run)
    assert not Person.objects.filter(name="合成甲").exists()
    assert not PersonKey.objects.filter(key="合成甲").exists()


def test_another_office_does_not_see_the_run(district: District) -> None:
    _one, worker = make_account(role=policy.COMMUNITY_WORKER, place=district["150603001001"])
    _two, neighbor = make_account(role=policy.COMMUNITY_WORKER, place=district["150603001002"])
    _three, street = make_account(role=policy.STREET_SUPERVISOR, place=district["150603001"])
    run = checked(book(["姓名"], ["合成甲"]), worker)
    with pytest.raises(runs.ImportNotFound):
        runs.find_run(neighbor, run.pk)
    assert runs.find_run(street, run.pk) == run
    with pytest.raises(policy.Refused):
        runs.carry_out(by=neighbor, run=run)


def test_an_organization_brings_its_own_volunteers(district: District) -> None:
    team = make_organization(district["150603001001"], "合成志愿队", "VOLUNTEER_TEAM")
    _account, manager = make_account(role=policy.ORGANIZATION_MANAGER, organization=team)
    content = book(
        ["姓名", "电话", "身份证号", "社区"],
        ["合成甲", "13800138000", card("19560308", 123), "槐花社区"],
        ["合成乙", None, None, "松岭社区"],
    )
    run = checked(content, manager, organization=team)
    assert "column.no_right" in [code for code, _details in run.notes]
    assert faults(run, manager) == {3: ["place.not_found"]}
    run = runs.carry_out(
        by=manager, run=checked(book(["姓名", "社区"], ["合成甲", "槐花社区"]), manager, organization=team)
    )
    member = Membership.objects.get(organization=team)
    assert (member.person.name, member.capacity) == ("合成甲", "MEMBER")


# --- races and crashes ------------------------------------------------------------------------------------------------


def test_somebody_was_quicker(district: District) -> None:
    run = checked(book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"]))
    make_person(district["150603001001"], name="合成甲")
    with pytest.raises(operations.ImportOutdated):
        runs.carry_out(by=OPERATOR, run=run)
    assert Person.objects.count() == 1
    run.refresh_from_db()
    assert run.status == "CHECKED"
    assert (
        runs.check(
            by=OPERATOR, run=run, content=book(HEAD, ["合成乙", "女", None, None, "槐花社区"])
        ).created_count
        == 1
    )


def test_a_second_press_of_the_button_finds_it_done(district: District) -> None:
    run = checked(book(HEAD, ["合成甲", "女", None, None, "槐花社区"]))
    stale = runs.find_run(OPERATOR, run.pk)
    runs.carry_out(by=OPERATOR, run=run)
    with pytest.raises(operations.ImportNotReady):
        runs.carry_out(by=OPERATOR, run=stale)
    assert Person.objects.count() == 1


def test_of_two_checks_at_once_the_later_counts(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first check is overtaken in the middle: it stops, and only the rows of the second are staged."""
    content = book(["姓名", "社区"], *([f"合成{chr(0x4E00 + n)}", "槐花社区"] for n in range(6)))
    run = runs.open_import(by=OPERATOR, kind="people", file_name="x.xlsx", content=content, keep_file=False)
    monkeypatch.setattr(runs, "BATCH", 2)
    overtaken: list[Any] = []

    def overtake(rows: int) -> None:
        if rows == 4 and not overtaken:
            overtaken.append(runs.check(by=OPERATOR, run=runs.find_run(OPERATOR, run.pk), content=content))

    with pytest.raises(operations.ImportNotReady):
        runs.check(by=OPERATOR, run=run, content=content, progress=overtake)
    assert overtaken[0].created_count == ImportedRow.objects.filter(run=run).count() == 6
    runs.carry_out(by=OPERATOR, run=overtaken[0])
    assert Person.objects.count() == 6


def test_two_files_with_one_number_at_the_same_time(district: District) -> None:
    head = ["姓名", "志愿者编号", "社区"]
    one, two = (
        checked(book(head, ["合成甲", "V-1", "槐花社区"])),
        checked(book(head, ["合成乙", "V-1", "槐花社区"])),
    )
    runs.carry_out(by=OPERATOR, run=one)
    with pytest.raises(operations.ImportOutdated):
        runs.carry_out(by=OPERATOR, run=two)
    assert list(Person.objects.values_list("name", flat=True)) == ["合成甲"]
    assert not PersonKey.objects.filter(key="合成乙").exists()


def test_old_runs_are_forgotten_with_their_files(district: District) -> None:
    content = book(HEAD, ["合成甲", "女", None, None, "槐花社区"])
    run = runs.open_import(by=OPERATOR, kind="people", file_name="名单.xlsx", content=content)
    run = runs.check(by=OPERATOR, run=run)
    assert files.fetch(run.stored_name) == content
    stored = files._path(run.stored_name)
    assert b"\xd0\xc2" not in stored.read_bytes()
    assert "合成甲".encode() not in stored.read_bytes()
    assert runs.expire(timezone.now()) == 0
    assert runs.expire(timezone.now() + timedelta(days=2)) == 1
    assert not stored.exists()
    assert not ImportedRow.objects.exists()
    with pytest.raises(sheets.FileRefused):
        files.fetch(run.stored_name)


def test_a_check_costs_the_same_queries_for_one_row_and_for_five_hundred(
    district: District, query_counter: Any
) -> None:
    """Whatever the number of rows: a batch is looked up, planned and staged in a fixed number of statements."""
    counts = []
    for number in (2, 500):
        rows = [
            [f"合成{chr(0x4E00 + n)}甲", "女", "1956-03-08", f"138{n:08d}", "槐花社区"] for n in range(number)
        ]
        content = book(HEAD, *rows)
        run = runs.open_import(
            by=OPERATOR, kind="people", file_name="x.xlsx", content=content, keep_file=False
        )
        with query_counter.count() as counted:
            run = runs.check(by=OPERATOR, run=run, content=content)
        assert run.created_count == number
        counts.append(counted.count)
    assert counts[1] <= counts[0] + 12, counts
