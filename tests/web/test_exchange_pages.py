"""The import wizard and the exports in the browser's terms: forms, redirects, downloads; no script anywhere."""

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from python_calamine import CalamineWorkbook

from tests.community.test_exchange_people import HEAD, book
from tests.factories.accounts import make_account, sign_in
from tests.factories.organizations import District
from wushe.community.exchange import background
from wushe.community.models import ColumnChoice, ImportedRow, ImportRun, Person
from wushe.kernel import policy
from wushe.kernel.background import run_next

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


@pytest.fixture
def desk(client: Client, district: District) -> Client:
    """Somebody of the street office, signed in."""
    account, _actor = make_account(role=policy.STREET_SUPERVISOR, place=district["150603001"])
    sign_in(client, account)
    return client


def upload(
    client: Client, content: bytes, name: str = "名单.xlsx", kind: str = "people", **fields: str
) -> Any:
    return client.post(
        reverse(f"exchange:import_{kind}"), {"file": SimpleUploadedFile(name, content), "place": "", **fields}
    )


def choices(run: ImportRun) -> dict[str, str]:
    """Return the second step's form as the page offers it."""
    found: dict[str, str] = {"place": ""}
    seen: list[str] = []
    for sheet in run.headings:
        for heading in sheet["headings"]:
            if heading["key"] not in seen:
                found[f"column_{len(seen)}"] = heading["column"]
                seen.append(heading["key"])
    return found


def test_from_file_to_undo(desk: Client) -> None:
    assert desk.get(reverse("exchange:home")).status_code == 200
    assert desk.get(reverse("exchange:import_people")).status_code == 200
    answer = upload(desk, book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"]))
    run = ImportRun.objects.get()
    assert answer.status_code == 302, answer.content.decode()
    page = desk.get(answer.url)
    assert "手机号码" in page.content.decode()
    answer = desk.post(answer.url, choices(run))
    assert answer.status_code == 302, answer.content.decode()
    page = desk.get(answer.url).content.decode()
    assert "合成甲" in page
    assert not Person.objects.filter(name="合成甲").exists()
    answer = desk.post(reverse("exchange:do", args=[run.pk]))
    assert Person.objects.filter(name="合成甲").exists()
    assert "撤销这次导入" in desk.get(answer.url).content.decode()
    desk.post(reverse("exchange:undo", args=[run.pk]))
    assert not Person.objects.filter(name="合成甲").exists()
    assert desk.get(reverse("exchange:imports")).status_code == 200


def test_nothing_typed_wrong_is_lost_and_no_file_leaves_a_trace(desk: Client) -> None:
    for content, name in ((b"%PDF-1.7", "x.xlsx"), (b"", "x.csv"), (book(["随便"], ["x"]), "x.xlsx")):
        answer = upload(desk, content, name)
        assert answer.status_code == 422, name
        assert 'role="alert"' in answer.content.decode() or "error" in answer.content.decode()
    assert not ImportRun.objects.exists()
    answer = desk.post(reverse("exchange:import_people"), {"place": "没有这个地方"})
    assert answer.status_code == 422
    assert "没有这个地方" in answer.content.decode()


def test_columns_are_corrected_by_hand_and_remembered(desk: Client) -> None:
    content = book(["市民", "联络号"], ["合成甲", "13800138000"])
    upload(desk, content)
    run = ImportRun.objects.get()
    url = reverse("exchange:columns", args=[run.pk])
    refused = desk.post(url, {"column_0": "", "column_1": "phone", "place": "槐花社区"})
    assert refused.status_code == 422
    assert "姓名" in refused.content.decode()
    assert desk.post(url, {"column_0": "name", "column_1": "name", "place": ""}).status_code == 422
    answer = desk.post(url, {"column_0": "name", "column_1": "phone", "place": "槐花社区"})
    assert answer.status_code == 302, answer.content.decode()
    assert set(ColumnChoice.objects.values_list("heading", "column")) == {
        ("市民", "name"),
        ("联络号", "phone"),
    }
    run.refresh_from_db()
    assert (run.status, run.created_count, run.fault_count) == ("CHECKED", 1, 0)
    upload(desk, book(["联络号", "市民"], ["13800138001", "合成乙"]))
    again = ImportRun.objects.exclude(pk=run.pk).get()
    assert [heading["column"] for heading in again.headings[0]["headings"]] == ["phone", "name"]


def test_faulty_rows_are_told_in_words_and_downloaded(desk: Client) -> None:
    upload(
        desk,
        book(
            HEAD,
            ["合成甲", "女", "1956-02-30", "13800138000", "槐花社区"],
            ["合成乙", "女", None, None, "松岭社区"],
        ),
    )
    run = ImportRun.objects.get()
    page = desk.post(reverse("exchange:columns", args=[run.pk]), choices(run), follow=True).content.decode()
    assert "没有“1956-02-30”这一天" in page
    assert "在您的辖区里没有找到" in page
    refused = desk.post(reverse("exchange:do", args=[run.pk]), follow=True)
    assert "还有 2 行有问题" in refused.content.decode()
    assert not Person.objects.filter(name="合成甲").exists()
    sheet = desk.get(reverse("exchange:faults", args=[run.pk]))
    assert sheet["Content-Disposition"].startswith("attachment")
    rows = list(
        CalamineWorkbook.from_filelike(io.BytesIO(b"".join(sheet.streaming_content)))
        .get_sheet_by_index(0)
        .iter_rows()
    )
    assert [row[0] for row in rows] == ["姓名", "合成甲", "合成乙"]
    for wanted in ("", "FAULT", "CREATE", "NOTED", "nonsense"):
        assert desk.get(reverse("exchange:import", args=[run.pk]), {"show": wanted}).status_code == 200
    desk.post(reverse("exchange:discard", args=[run.pk]))
    assert not ImportRun.objects.exists()
    assert not ImportedRow.objects.exists()


def test_a_large_file_is_left_to_the_worker_and_the_page_says_how_far_it_is(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "AT_ONCE_BYTES", 10)
    monkeypatch.setattr(background, "AT_ONCE_ROWS", 0)
    upload(desk, book(HEAD, ["合成甲", "女", None, "13800138000", "槐花社区"]))
    run = ImportRun.objects.get()
    page = desk.post(reverse("exchange:columns", args=[run.pk]), choices(run), follow=True).content.decode()
    assert "刷新" in page
    assert run_next("test")
    run.refresh_from_db()
    assert (run.status, run.created_count) == ("CHECKED", 1)
    assert "刷新" in desk.post(reverse("exchange:do", args=[run.pk]), follow=True).content.decode()
    assert not Person.objects.filter(name="合成甲").exists()
    assert run_next("test")
    assert Person.objects.filter(name="合成甲").exists()
    desk.post(reverse("exchange:undo", args=[run.pk]))
    assert run_next("test")
    assert not Person.objects.filter(name="合成甲").exists()


def test_templates_and_exports_download(desk: Client, district: District) -> None:
    for kind in ("people", "organizations", "stations", "venues"):
        for query in ({}, {"format": "csv"}):
            for name in ("template", "export"):
                answer = desk.get(reverse(f"exchange:{name}_{kind}"), query)
                assert answer.status_code == 200
                assert f".{query.get('format', 'xlsx')}" in answer["Content-Disposition"]


def test_who_may_not_import_is_turned_away_and_sees_no_foreign_run(desk: Client, district: District) -> None:
    upload(desk, book(HEAD, ["合成甲", "女", None, "13800138000", "槐花社区"]))
    run = ImportRun.objects.get()
    pages = ("import", "columns", "faults")
    other = Client()
    account, _actor = make_account(role=policy.STREET_SUPERVISOR, place=district["150604001"])
    sign_in(other, account)
    assert [other.get(reverse(f"exchange:{name}", args=[run.pk])).status_code for name in pages] == [
        404,
        404,
        404,
    ]
    assert [
        other.post(reverse(f"exchange:{name}", args=[run.pk])).status_code
        for name in ("check", "do", "undo", "discard")
    ] == [404] * 4
    viewer = Client()
    account, _actor = make_account(role=policy.DISTRICT_VIEWER, place=district["150603"])
    sign_in(viewer, account)
    assert viewer.get(reverse("exchange:import_people")).status_code == 403
    assert viewer.get(reverse("exchange:export_people")).status_code == 403
    assert viewer.get(reverse("exchange:export_venues")).status_code == 200
    assert Client().get(reverse("exchange:home")).status_code == 302
    assert ImportRun.objects.filter(pk=run.pk).exists()
