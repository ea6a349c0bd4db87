"""People by API: the same rights, rules and faults as the pages."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.factories.accounts import make_account
from tests.factories.organizations import District
from tests.factories.people import make_person
from wushe.community.models import ApiToken, Consent, Person
from wushe.community.rules.accounts import token_hash
from wushe.kernel import policy
from wushe.kernel.models import AuditEvent

pytestmark = pytest.mark.django_db


class Caller:
    """Calls the API with a token of one role."""

    def __init__(self, client: Any, role: str, place: Any, *, read_only: bool = False) -> None:
        account, _actor = make_account(role=role, place=place)
        token = f"{role}-{place.pk}"
        now = timezone.now()
        ApiToken.objects.create(
            grant=account.grants.get(), name="test", token_hash=token_hash(token), is_read_only=read_only, created_at=now,
            expires_at=now + timedelta(days=1),
        )  # fmt: skip
        self.client, self.headers = client, {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        if method == "GET":
            return self.client.get(f"/api{path}", query, headers=self.headers)
        return self.client.generic(
            method,
            f"/api{path}",
            json.dumps(body or {}),
            content_type="application/json",
            headers=self.headers,
        )


@pytest.fixture
def district() -> District:
    return District()


@pytest.fixture
def call(district: District, client: Any) -> Caller:
    return Caller(client, policy.STREET_SUPERVISOR, district["150603001"])


def test_people_are_found_listed_and_read_masked(district, call) -> None:
    person = make_person(district["150603001001"], "王甲子", phone="13800001234")
    make_person(district["150604001001"], "王外人", phone="13800001234")
    for query in ({"q": "wangj"}, {"q": "1234"}, {"place": str(district["150603001"].pk), "q": "王"}):
        found = call("GET", "/people", **query).json()
        assert [(row["id"], row["phone"]) for row in found] == [(str(person.pk), "138****1234")], query
    assert "王外人" not in call("GET", "/people").content.decode()
    read = call("GET", f"/people/{person.pk}").json()
    assert read["contacts"][0]["value"] == "138****1234"
    assert read["seen"]


def test_a_person_is_put_on_record_changed_and_told_of_conflicts(district, call) -> None:
    body = {
        "name": "王甲子",
        "place": str(district["150603001001"].pk),
        "phones": ["138 0000 1234"],
        "is_volunteer": True,
    }
    made = call("POST", "/people", body)
    assert made.status_code == 201
    person = made.json()
    assert len(person["volunteer_number"]) == 10
    again = call("POST", "/people", {**body, "refuse_likely_duplicates": True})
    assert (again.status_code, again.json()["code"]) == (409, "person.likely_duplicates")
    change = {"seen": person["seen"], "note": "改"}
    assert call("PATCH", f"/people/{person['id']}", change).json()["note"] == "改"
    late = call("PATCH", f"/people/{person['id']}", {**change, "note": "晚"})
    assert (late.status_code, late.json()["code"]) == (409, "person.edit_conflict")


@pytest.mark.parametrize(
    ("body", "code"),
    [({"name": "王" * 10_000}, "person.name_too_long"), ({"name": ""}, "person.name_empty"), ({"birth_on": "2020-01-01"}, "person.guardian_required"),
     ({"phones": ["1"]}, "person.phone_form"), ({"birth_on": "2020-02-30"}, "invalid")],
)  # fmt: skip
def test_faults_have_stable_codes_and_store_nothing(district, call, body: dict[str, Any], code: str) -> None:
    before = Person.objects.count()
    answer = call("POST", "/people", {"name": "王甲子", "place": str(district["150603001001"].pk), **body})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert Person.objects.count() == before


def test_contacts_in_clear_leave_a_trace(district, call) -> None:
    person = make_person(district["150603001001"], phone="13800001234")
    assert call("GET", f"/people/{person.pk}/contacts").json()[0]["value"] == "13800001234"
    assert AuditEvent.objects.filter(verb="reveal_contact", target_id=str(person.pk)).count() == 1
    added = call("POST", f"/people/{person.pk}/contacts", {"kind": "PHONE", "value": "13900005678"})
    assert (added.status_code, added.json()["value"]) == (201, "139****5678")


def test_merge_and_undo(district, call) -> None:
    kept, gone = (
        make_person(district["150603001001"], "王甲子", phone="13800001234") for _number in range(2)
    )
    assert call("GET", f"/people/{kept.pk}/duplicates").json()[0]["id"] == str(gone.pk)
    merge = call("POST", f"/people/{kept.pk}/merge", {"gone": str(gone.pk)}).json()
    assert (merge["gone"], merge["stayed"]) == (str(gone.pk), 1)
    assert call("GET", f"/people/{gone.pk}").json()["merged_into"] == str(kept.pk)
    assert call("POST", f"/merges/{merge['id']}/undo").json()["undone_at"]
    assert call("POST", f"/merges/{merge['id']}/undo").status_code == 409


def test_consents_copy_and_erasure(district, call) -> None:
    person = make_person(district["150603001001"], "王甲子")
    given = call("POST", f"/people/{person.pk}/consents", {"purpose": "CONTACT", "means": "PAPER"})
    assert given.status_code == 201
    withdrawn = call("POST", f"/consents/{given.json()['id']}/withdraw").json()
    assert withdrawn["withdrawn_at"]
    assert len(call("GET", f"/people/{person.pk}/consents").json()) == 1
    assert "王甲子" in json.dumps(call("POST", f"/people/{person.pk}/export").json(), ensure_ascii=False)
    assert call("POST", f"/people/{person.pk}/erase").status_code == 204
    assert Person.objects.get(pk=person.pk).name == "已删除"


def test_ids_of_another_district_are_not_found_and_reading_tokens_only_read(district, client, call) -> None:
    foreign = make_person(district["150604001001"], "王外人")
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {"seen": "x"}), ("GET", "/contacts", None), ("GET", "/duplicates", None),
        ("POST", "/merge", {"gone": str(foreign.pk)}), ("POST", "/consents", {"purpose": "CONTACT", "means": "PAPER"}),
        ("POST", "/export", None), ("POST", "/erase", None), ("POST", "/contacts", {"kind": "PHONE", "value": "13800001234"}),
    ):  # fmt: skip
        assert call(method, f"/people/{foreign.pk}{path}", body).status_code == 404, (method, path)
    assert not Consent.objects.exists()
    reader = Caller(client, policy.COMMUNITY_WORKER, district["150603001001"], read_only=True)
    refused = reader("POST", "/people", {"name": "王甲子", "place": str(district["150603001001"].pk)})
    assert (refused.status_code, refused.json()["code"]) == (403, "token.read_only")
