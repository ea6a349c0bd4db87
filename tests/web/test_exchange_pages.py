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
from wushe.community.exchange import runs
from wushe.community.models import ColumnChoice, ImportedRow, ImportRun, Person
from wushe.kernel import policy

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


def upload(client: Client, content: bytes, name: str = "名单.xlsx", kind: str = "people", **fields: str) -> Any:
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
