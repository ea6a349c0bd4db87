"""The pages about oneself: data, consents, a copy, being forgotten, and one's own security."""

import json
import re
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.test import Client
from django.utils import timezone

from tests.factories.accounts import PASSWORD, make_account, sign_in
from tests.factories.organizations import OPERATOR, District
from wushe.community.models import Account, ApiToken, Consent, ContactPoint, Person
from wushe.community.operations import accounts
from wushe.community.queries import accounts as queries
from wushe.kernel import outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(client: Client) -> Account:
    account, _ = make_account(place=District()["150603001001"], name="合成居民")
    sign_in(client, account)
    return account


def page(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content.decode()[:3000]
    return response.content.decode()


def test_the_first_page_shows_roles_messages_and_the_way_to_everything(
    client: Client, account: Account
) -> None:
    outbox.send(
        by=OPERATOR,
        to_person=account.person_id,
        kind="test",
        subject="社区通知",
        body="周六下午两点见。",
        place_path=account.person.place.path,
    )
    body = page(client, "/me/")
    assert "合成居民" in body
    assert "周六下午两点见" in body
    seen = re.search(r"/me/messages/[0-9a-f-]+/seen/", body).group(0)  # type: ignore[union-attr]  # the assertion is the match itself
    assert client.post(seen).status_code == 302
    assert "已读" in page(client, "/me/")
    assert "去工作台" not in body


def test_nobody_reads_or_acknowledges_somebody_elses_message(client: Client, account: Account) -> None:
    other, _ = make_account(place=account.person.place)
    message_id = outbox.send(
        by=OPERATOR, to_person=other.person_id, kind="test", subject="给别人", body="别人的事"
    )
    assert "别人的事" not in page(client, "/me/")
    client.post(f"/me/messages/{message_id}/seen/")
    assert outbox.messages(queries.actor_for_account(other)).get().acknowledged_at is None


def test_contacts_and_address_are_ones_own_to_change(client: Client, account: Account) -> None:
    assert client.post("/me/data/contacts/new/", {"kind": "PHONE", "value": "12"}).status_code == 422
    assert (
        client.post("/me/data/contacts/new/", {"kind": "PHONE", "value": "138 0013 8000"}).status_code == 302
    )
    assert client.post("/me/data/contacts/new/", {"kind": "PHONE", "value": "13900139000"}).status_code == 302
    body = page(client, "/me/data/")
    assert "138****8000" in body
    second = ContactPoint.objects.get(person=account.person, is_primary=False)
    assert client.post(f"/me/data/contacts/{second.pk}/prefer/").status_code == 302
    assert client.post(f"/me/data/contacts/{second.pk}/remove/").status_code == 302
    seen = re.search(r'name="seen" value="([^"]+)"', page(client, "/me/data/address/")).group(1)  # type: ignore[union-attr]  # no match fails the test
    assert client.post("/me/data/address/", {"address": "槐花里 3 号", "seen": seen}).status_code == 302
    assert "槐花里 3 号" in page(client, "/me/data/")
    late = client.post("/me/data/address/", {"address": "另一处", "seen": seen})
    assert late.status_code == 422
    assert "另一处" in late.content.decode()


def test_somebody_elses_contact_cannot_be_removed(client: Client, account: Account) -> None:
    other, _ = make_account(place=account.person.place)
    contact = ContactPoint.objects.create(
        person=other.person, kind="PHONE", value="13800138000", value_index="x"
    )
    assert client.post(f"/me/data/contacts/{contact.pk}/remove/").status_code == 409
    assert ContactPoint.objects.filter(pk=contact.pk).exists()


def test_consents_are_given_and_taken_back(client: Client, account: Account) -> None:
    assert "联系我" in page(client, "/me/consents/")
    assert client.post("/me/consents/give/", {"purpose": "CONTACT"}).status_code == 302
    consent = Consent.objects.get()
    assert (consent.means, consent.given_by_id) == ("SELF", account.person_id)
    assert client.post(f"/me/consents/{consent.pk}/withdraw/").status_code == 302
    assert "以前的记录" in page(client, "/me/consents/")
    assert client.post(f"/me/consents/{consent.pk}/withdraw/").status_code == 409
    assert client.post("/me/consents/give/", {"purpose": "NONSENSE"}).status_code == 422


def test_a_copy_of_ones_data_comes_as_one_file(client: Client, account: Account) -> None:
    assert client.get("/me/data/export/").status_code == 405
    answer = client.post("/me/data/export/")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    content = json.loads(answer.content)
    assert content["person"] == str(account.person_id)
    assert "合成居民" in answer.content.decode()
    assert account.password not in answer.content.decode()


def test_being_forgotten_takes_two_steps_and_ones_secret(client: Client, account: Account) -> None:
    assert "会留下" in page(client, "/me/data/erase/")
    assert client.post("/me/data/erase/sure/", {"secret": "wrong", "sure": "on"}).status_code == 422
    assert client.post("/me/data/erase/sure/", {"secret": PASSWORD}).status_code == 422
    assert Person.objects.get(pk=account.person_id).status == "ACTIVE"
    assert client.post("/me/data/erase/sure/", {"secret": PASSWORD, "sure": "on"}).url == "/me/erased/"
    person = Person.objects.get(pk=account.person_id)
    assert person.status == "ERASED"
    assert "合成居民" not in person.name
    assert client.get("/me/").status_code == 302
    assert client.post("/login/", {"identifier": account.number, "password": PASSWORD}).status_code == 422


def test_a_card_holder_confirms_with_the_pin(client: Client, account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(password="!unusable")
    account.refresh_from_db()
    accounts.issue_card(by=OPERATOR, account=account, pin="802615")
    sign_in(client, account)
    assert "您没有密码" in page(client, "/me/security/")
    assert client.post("/me/security/pin/", {"current_pin": "802615", "new_pin": "417290"}).status_code == 302
    assert client.post("/me/data/erase/sure/", {"secret": "802615", "sure": "on"}).status_code == 422
    assert client.post("/me/data/erase/sure/", {"secret": "417 290", "sure": "on"}).status_code == 302


def test_the_second_factor_is_turned_on_and_off(client: Client, account: Account) -> None:
    body = page(client, "/me/security/second-factor/")
    assert "<svg" in body
    account.refresh_from_db()
    secret = account.second_factor
    assert secret in body.replace(" ", "")
    assert client.post("/me/security/second-factor/", {"code": "000000"}).status_code == 422
    on = client.post("/me/security/second-factor/", {"code": pyotp.TOTP(secret).now()})
    shown = re.search(r"<pre[^>]*>(.*?)</pre>", on.content.decode(), re.S).group(1)  # type: ignore[union-attr]  # no match fails the test
    assert len(re.findall(r"^[2-9a-z]{5}-[2-9a-z]{5}$", shown, re.M)) == 8
    body = page(client, "/me/security/")
    assert "还有 8 个恢复码" in body
    assert secret not in body
    assert client.get("/me/security/second-factor/").status_code == 409
    assert client.post("/me/security/second-factor/codes/", {"password": "wrong"}).status_code == 422
    assert client.post("/me/security/second-factor/codes/", {"password": PASSWORD}).status_code == 200
    assert client.post("/me/security/second-factor/off/", {"password": PASSWORD}).status_code == 302
    assert "开启两步验证" in page(client, "/me/security/")


def test_tokens_are_made_shown_once_and_ended(client: Client) -> None:
    account, _ = make_account(role="DISTRICT_VIEWER", place=District()["150603"])
    sign_in(client, account)
    grant = account.grants.get()
    soon = (timezone.localdate() + timedelta(days=30)).isoformat()
    values: dict[str, Any] = {"name": "报表", "grant": str(grant.pk), "ends_on": soon}
    assert client.post("/me/security/tokens/new/", {**values, "ends_on": "2999-01-01"}).status_code == 422
    made = client.post("/me/security/tokens/new/", values)
    token = re.search(r"wushe_[\w-]{40,}", made.content.decode()).group(0)  # type: ignore[union-attr]  # no match fails the test
    bearer = queries.actor_for_token(token)
    assert bearer is not None
    assert bearer.is_read_only
    assert token not in page(client, "/me/security/")
    row = ApiToken.objects.get()
    other = Client()
    stranger, _ = make_account(place=account.person.place)
    sign_in(other, stranger)
    assert other.post(f"/me/security/tokens/{row.pk}/end/").status_code == 404
    assert client.post(f"/me/security/tokens/{row.pk}/end/").status_code == 302
    assert queries.actor_for_token(token) is None


def test_the_phone_one_logs_in_with(client: Client, account: Account) -> None:
    assert client.post("/me/security/phone/", {"phone": "abc"}).status_code == 422
    assert client.post("/me/security/phone/", {"phone": "13800138000"}).status_code == 302
    assert Client().post("/login/", {"identifier": "13800138000", "password": PASSWORD}).status_code == 302


def test_pages_cost_a_bounded_number_of_queries(client: Client, account: Account, query_counter: Any) -> None:
    for address, most in (
        ("/me/", 12),
        ("/me/data/", 16),
        ("/me/consents/", 4),
        ("/me/security/", 13),
        ("/me/settings/", 2),
    ):
        with query_counter.at_most(most):
            page(client, address)
