"""Imports and exports by API: the steps of the wizard for programs, with the same rights and the same words."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.api.test_people import Caller
from tests.community.test_exchange_people import HEAD, book
from tests.factories.organizations import District
from wushe.community.models import ImportRun, Person
from wushe.kernel import policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


@pytest.fixture
def call(district: District, client: Client) -> Caller:
    return Caller(client, policy.STREET_SUPERVISOR, district["150603001"])


def bring(call: Caller, content: bytes, headers: dict[str, str] | None = None, **fields: str) -> Any:
    """Post a file as a form, as a program would."""
    data = {"kind": "people", **fields, "file": SimpleUploadedFile("名单.xlsx", content)}
    return call.client.post("/api/imports", data, headers={**call.headers, **(headers or {})})


GOOD = book(HEAD, ["合成甲", "女", "1956-03-08", "13800138000", "槐花社区"])


def test_check_do_undo(call: Caller) -> None:
    asked = bring(call, GOOD)
    assert asked.status_code == 201, asked.content
    report = asked.json()
    assert (report["status"], report["created"], report["report"][0]["action"]) == ("CHECKED", 1, "CREATE")
    assert not Person.objects.filter(name="合成甲").exists()
    url = f"/imports/{report['run']}"
    assert call("POST", f"{url}/do").json()["status"] == "DONE"
    assert Person.objects.filter(name="合成甲").exists()
    assert call("POST", f"{url}/do").json()["code"] == "import.not_ready"
    text = b"".join(call("GET", "/exports", kind="people", format="csv").streaming_content).decode(
        "utf-8-sig"
    )
    assert "合成甲" in text
    assert call("POST", f"{url}/undo").json()["status"] == "UNDONE"
    assert not Person.objects.filter(name="合成甲").exists()
    assert [row["status"] for row in call("GET", "/imports").json()["rows"]] == ["UNDONE"]


def test_faults_are_told_with_codes_and_in_the_callers_language(call: Caller) -> None:
    answer = bring(
        call,
        book(HEAD, ["合成甲", "女", "1956-02-30", None, "松岭社区"]),
        {"Accept-Language": "en"},
        dry_run="false",
    )
    told = {fault["code"]: fault["message"] for fault in answer.json()["report"][0]["faults"]}
    assert told.keys() == {"date.no_such_day", "place.not_found"}
    assert "There is no such day" in told["date.no_such_day"]
    run = ImportRun.objects.get()
    assert (run.status, Person.objects.filter(name="合成甲").exists()) == ("CHECKED", False)
    assert call("POST", f"/imports/{run.pk}/do").json()["code"] == "import.has_faults"
    assert len(call("GET", f"/imports/{run.pk}", action="FAULT").json()["report"]) == 1
    assert call("DELETE", f"/imports/{run.pk}").status_code == 204
    assert not ImportRun.objects.exists()


def test_what_is_no_table_and_who_is_nobody(call: Caller, district: District, client: Client) -> None:
    refused = bring(call, b"%PDF-1.7")
    assert (refused.status_code, refused.json()["code"]) == (422, "file.not_a_table")
    run = bring(call, GOOD).json()["run"]
    other = Caller(client, policy.STREET_SUPERVISOR, district["150604001"])
    assert [
        other(method, f"/imports/{run}{step}").status_code
        for method, step in (("GET", ""), ("POST", "/do"), ("POST", "/undo"), ("DELETE", ""))
    ] == [404] * 4
    viewer = Caller(client, policy.DISTRICT_VIEWER, district["150603"])
    assert bring(viewer, GOOD).status_code == 403
    assert viewer("GET", "/exports", kind="people").status_code == 403
    assert viewer("GET", "/exports", kind="venues").status_code == 200


def test_a_retry_with_the_same_key_is_carried_out_once(call: Caller) -> None:
    key = {"Idempotency-Key": "import-2026-11-23"}
    first, again = bring(call, GOOD, key, dry_run="false"), bring(call, GOOD, key, dry_run="false")
    assert first.json()["run"] == again.json()["run"]
    assert ImportRun.objects.count() == 1
