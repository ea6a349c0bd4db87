"""Organizations, stations and venues from spreadsheets, and every kind out and back again."""

import io
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from tests.community.test_exchange_people import HEAD, book, card
from tests.factories.accounts import make_account
from tests.factories.organizations import CREDIT_CODES, District, make_organization, make_station, make_venue
from tests.factories.people import make_person
from wushe.community.exchange import kinds, runs, sheets, writing
from wushe.community.exchange.columns import Found
from wushe.community.exchange.values import Fault
from wushe.community.models import (
    OpeningHours,
    Organization,
    OrganizationKey,
    Person,
    Responsibility,
    Station,
    Venue,
)
from wushe.kernel import installation, policy
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent

pytestmark = pytest.mark.django_db
OPERATOR = Actor.operator("test")


@pytest.fixture
def district() -> District:
    return District()


def checked(kind: str, content: bytes, by: Actor = OPERATOR, name: str = "表.xlsx") -> Any:
    run = runs.open_import(by=by, kind=kind, file_name=name, content=content, keep_file=False)
    return runs.check(by=by, run=run, content=content)


def done(kind: str, content: bytes, by: Actor = OPERATOR) -> Any:
    run = checked(kind, content, by)
    assert not run.fault_count, faults(run, by)
    return runs.carry_out(by=by, run=run)


def faults(run: Any, by: Actor = OPERATOR) -> dict[int, list[str]]:
    return {
        row.line: [fault.code for fault in row.faults]
        for row in runs.reported(run, list(runs.rows_of(by, run, action="FAULT")))
    }


def exported(kind: str, by: Actor = OPERATOR, format: str = "xlsx") -> bytes:
    out = io.BytesIO()
    writing.export(by=by, kind=kind, to=out, format=format)
    return out.getvalue()


ORGANIZATIONS = [
    "单位名称",
    "类型",
    "所在社区",
    "统一社会信用代码",
    "登记情况",
    "成立时间",
    "负责人",
    "联系电话",
    "业务范围",
]


def test_organizations_come_change_and_go(district: District) -> None:
    content = book(
        ORGANIZATIONS,
        [
            "合成社工服务中心",
            "社工机构",
            "东街街道",
            CREDIT_CODES[0],
            "已登记",
            "2019年6月1日",
            "合成甲",
            "13800138000",
            "社区服务",
        ],
        ["合成舞蹈队", "社区社会组织", "槐花社区", None, "备案", None, None, None, None],
    )
    run = done("organizations", content)
    first = Organization.objects.get(credit_code=CREDIT_CODES[0])
    assert (first.kind, first.registration, first.contact_phone, first.founded_on.isoformat()) == (
        "SOCIAL_WORK_AGENCY",
        "REGISTERED",
        "13800138000",
        "2019-06-01",
    )
    assert OrganizationKey.objects.filter(organization=first, kind="N").exists()
    assert checked("organizations", content).unchanged_count == 2
    change = done(
        "organizations",
        book(ORGANIZATIONS[:4], ["合成社工服务中心（新名）", "社工机构", "东街街道", CREDIT_CODES[0]]),
    )
    first.refresh_from_db()
    assert first.name == "合成社工服务中心（新名）"
    assert change.updated_count == 1
    runs.undo(by=OPERATOR, run=change)
    first.refresh_from_db()
    assert first.name == "合成社工服务中心"
    # The undo of the change was itself a change: the first import finds its record worked on since and leaves it.
    run = runs.undo(by=OPERATOR, run=run)
    assert run.kept_count == 1
    assert list(Organization.objects.values_list("name", flat=True)) == ["合成社工服务中心"]


def test_faults_of_organizations(district: District) -> None:
    run = checked(
        "organizations",
        book(
            ORGANIZATIONS,
            ["合成甲社", "不知道", "槐花社区", None, None, None, None, None, None],
            ["合成乙社", "企业", "槐花社区", "91110000600037341X", None, None, None, None, None],
            ["合成丙社", "企业", "没有这里", None, None, None, None, None, None],
            ["合成丁社", "企业", "槐花社区", None, None, None, None, None, None],
            ["合成丁社", "高校", "槐花社区", None, None, None, None, None, None],
            [None, "企业", "槐花社区", None, None, None, None, None, None],
        ),
    )
    assert faults(run) == {
        2: ["choice.not_one"], 3: ["credit_code.wrong"], 4: ["place.not_found"], 6: ["row.twice"], 7: ["cell.missing"],
    }  # fmt: skip
    [said] = [row for row in runs.reported(run, list(runs.rows_of(OPERATOR, run))) if row.line == 2]
    assert "社区社会组织" in said.faults[0].text  # the fault names what there is to choose from


def test_stations_with_who_answers_for_them(district: District) -> None:
    make_organization(district["150603"], "合成民政局", "DEPARTMENT")
    make_organization(district["150603"], "合成社工机构", "SOCIAL_WORK_AGENCY")
    head = ["站点名称", "层级", "服务区域", "主管部门", "承接机构", "年度经费", "启用时间", "电话"]
    content = book(
        head,
        [
            "东街社工站",
            "街道社工站",
            "东街街道",
            "合成民政局",
            "合成社工机构",
            "50万",
            "2022.6.1",
            "0477-1234567",
        ],
        ["槐花社工室", "社区", "槐花社区", None, None, 100000.0, None, None],
    )
    run = done("stations", content)
    station = Station.objects.get(name="东街社工站")
    assert (station.tier, station.yearly_budget_fen) == ("STREET", 50_000_000)
    assert Responsibility.objects.filter(station=station).count() == 2
    assert checked("stations", content).unchanged_count == 2
    assert faults(checked("stations", book(head[:3], ["错层站", "区级", "槐花社区"]))) == {
        2: ["station.tier_does_not_fit"]
    }
    assert faults(
        checked("stations", book(head[:4], ["东街社工站", "街道", "东街街道", "合成社工机构"]))
    ) == {2: ["station.owner_differs"]}
    runs.undo(by=OPERATOR, run=run)
    assert not Station.objects.exists()
    assert not Responsibility.objects.exists()


def test_venues_with_their_hours(district: District) -> None:
    make_organization(district["150603001001"], "合成居委会", "RESIDENTS_COMMITTEE")
    head = ["场地名称", "社区", "管理单位", "容纳人数", "开放时间", "无障碍", "纬度", "经度"]
    content = book(
        head,
        [
            "合成活动室",
            "槐花社区",
            "合成居委会",
            "约40人",
            "周一至周五 9:00-12:00、14:00-17:30",
            "√",
            39.6,
            109.8,
        ],
    )
    run = done("venues", content)
    venue = Venue.objects.get()
    assert (venue.capacity, venue.is_step_free, venue.organization.name) == (40, True, "合成居委会")
    assert OpeningHours.objects.count() == 10
    assert checked("venues", content).unchanged_count == 1
    change = done("venues", book([*head[:2], "开放时间"], ["合成活动室", "槐花社区", "周六 9:00-12:00"]))
    assert OpeningHours.objects.count() == 1
    runs.undo(by=OPERATOR, run=change)
    assert OpeningHours.objects.count() == 10
    assert faults(checked("venues", book(head[:2] + head[6:7], ["合成乙室", "槐花社区", 39.6]))) == {
        2: ["degrees.half"]
    }
    assert faults(checked("venues", book([*head[:2], "开放时间"], ["合成乙室", "槐花社区", "看情况"]))) == {
        2: ["hours.not_clear"]
    }
    assert run.created_count == 1


# --- out and back -----------------------------------------------------------------------------------------------------


@pytest.fixture
def furnished(district: District) -> District:
    team = make_organization(
        district["150603001001"],
        "=合成志愿队",
        "VOLUNTEER_TEAM",
        purpose="第一行\n第二行",
        contact_name="合成甲",
        contact_phone="13800138000",
    )
    make_station(district["150603001"])
    make_venue(district["150603001002"], hours="周六 9:00-12:00", capacity=20)
    make_person(
        district["150603001001"], "合成甲", phone="13800138000", identity_number=card("19560308", 123), address="-5号楼", note="@备注\n两行",
        volunteer_number="-86-1", organization_id=team.pk, capacity="VOLUNTEER", email="a@example.org",
    )  # fmt: skip
    make_person(district.grid, "买买提·合成𠮷")
    make_person(district["150604001001"], "别处乙", phone="13800138009")
    return district


@pytest.mark.parametrize("kind", [kind.code for kind in kinds.all_kinds()])
@pytest.mark.parametrize("format", ["xlsx", "csv"])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_what_goes_out_comes_back_unchanged(
    furnished: District, kind: str, format: str, language: str
) -> None:
    from django.utils import translation

    with translation.override(language):
        content = exported(kind, format=format)
    run = checked(kind, content, name=f"x.{format}")
    assert run.row_count > 0
    assert (run.unchanged_count, run.fault_count) == (run.row_count, 0), [
        row.as_json() for row in runs.reported(run, list(runs.rows_of(OPERATOR, run)))
    ]


def test_an_export_holds_only_what_one_may_take(furnished: District) -> None:
    _account, street = make_account(role=policy.STREET_SUPERVISOR, place=furnished["150603001"])
    rows = list(
        CalamineWorkbook.from_filelike(io.BytesIO(exported("people", street)))
        .get_sheet_by_index(0)
        .iter_rows()
    )
    names = {row[0] for row in rows[1:]}
    assert "合成甲" in names
    assert "别处乙" not in names
    assert "证件号码" not in rows[0]  # a street may enter identity numbers, not take them away
    _account, admin = make_account(role=policy.DISTRICT_ADMIN, place=furnished["150603"])
    assert "证件号码" in next(
        CalamineWorkbook.from_filelike(io.BytesIO(exported("people", admin)))
        .get_sheet_by_index(0)
        .iter_rows()
    )
    _account, worker = make_account(role=policy.COMMUNITY_WORKER, place=furnished["150603001001"])
    with pytest.raises(writing.NothingToExport):
        exported("people", worker)
    event = AuditEvent.objects.filter(verb="export").order_by("-id")[0]
    assert '"rows":' in (event.after or "")
    assert "合成甲" not in (event.after or "")


def test_nothing_in_an_export_is_a_formula(furnished: District) -> None:
    """Read as raw XML: no <f> anywhere; and in the text table no cell starts like one."""
    import csv
    import zipfile

    for kind in kinds.all_kinds():
        with zipfile.ZipFile(io.BytesIO(exported(kind.code))) as archive:
            assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
        text = exported(kind.code, format="csv").decode("utf-8-sig")
        for row in csv.reader(io.StringIO(text)):
            assert not any(cell.lstrip(' "\u3000').startswith(("=", "+", "-", "@")) for cell in row)


def test_demo_data_say_so_in_every_table(furnished: District, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "is_demo", lambda: True)
    assert "演示数据" in exported("people", format="csv").decode("utf-8-sig").splitlines()[0]
    content = exported("people")
    run = checked("people", content)
    assert (run.unchanged_count, run.fault_count) == (3, 0)


@pytest.mark.parametrize("kind", [kind.code for kind in kinds.all_kinds()])
def test_a_template_filled_with_its_own_examples_comes_in(district: District, kind: str) -> None:
    about = kinds.kind(kind)
    out = io.BytesIO()
    writing.write_template(kind, out)
    [first, guide] = CalamineWorkbook.from_filelike(io.BytesIO(out.getvalue())).sheet_names
    assert guide == "填写说明"
    titles = [str(column.title) for column in about.columns if column.example]
    cells = [column.example for column in about.columns if column.example]
    empty = checked(kind, out.getvalue())
    assert (empty.row_count, empty.notes) == (0, [])
    cells[titles.index(str(about.column("place").title))] = (
        "东街街道" if kind == "stations" else "东街街道/槐花社区"
    )
    run = done(kind, book(titles, cells))
    assert run.created_count == 1
    assert first


def test_the_faulty_rows_as_a_sheet_to_correct(district: District) -> None:
    content = book(
        ["居民花名册"],
        [*HEAD, "随便写"],
        ["合成甲", "女", None, "13800138000", "槐花社区", "x"],
        ["合成乙", "不明", "1956-02-30", "13800138001", "槐花社区", "=y"],
    )
    run = checked("people", content)
    out = io.BytesIO()
    assert writing.write_faults(by=OPERATOR, run=run, to=io.BytesIO(), content=content) == 2
    assert writing.write_faults(by=OPERATOR, run=run, to=out, content=content, only_faulty=True) == 1
    rows = list(CalamineWorkbook.from_filelike(io.BytesIO(out.getvalue())).get_sheet_by_index(0).iter_rows())
    assert rows[0][:6] == [*HEAD, "随便写"]
    assert rows[1][:6] == ["合成乙", "不明", "1956-02-30", "13800138001", "槐花社区", "=y"]
    assert "第 4 行" in rows[1][6]
    assert "性别" in rows[1][6]
    # Corrected in place and brought again as it is.
    rows[1][1], rows[1][2] = "女", "1956-02-28"
    assert checked("people", book(*rows)).created_count == 1
    sheets_ = sheets.open_file(out.getvalue(), "x.xlsx")
    assert sheets_.format == "xlsx"
    assert not Person.objects.exists()


def test_a_fault_that_was_raised_keeps_nothing_alive_but_itself() -> None:
    def raised() -> Fault:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise Fault("cell.missing")  # noqa: B904  # as a parser does that fails while handling something else
        except Fault as fault:
            return fault

    found = Found("sheet", 3, {})
    found.caught("name", raised())
    [(column, fault)] = found.faults
    assert (column, fault.code) == ("name", "cell.missing")
    assert fault.__traceback__ is None
    assert fault.__context__ is None
